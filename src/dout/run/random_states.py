"""The states of random generators: NumPy's and Python's global ones, and those that a layer holds."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    _bits: Any
else:
    _bits = np.random.bit_generator


def is_generator(item: Any) -> bool:
    """Whether something is one of NumPy's random generators; `numpy.random` is loaded late, and not for this."""
    known = sys.modules.get("numpy.random")
    return known is not None and issubclass(type(item), (known.RandomState, known.Generator))


def global_generator() -> Any:
    """The generator of NumPy's own from which `np.random.rand` draws; None where that is not loaded."""
    numpy_random = sys.modules.get("numpy.random")
    return None if numpy_random is None else numpy_random.random_sample.__self__


def state_of(generator: Any) -> Any:
    """The state of one of NumPy's generators, whole: a RandomState also keeps the second of two normal numbers."""
    return generator.bit_generator.state if hasattr(generator, "bit_generator") else generator.get_state()


def put_state(generator: Any, state: Any) -> None:
    """Bring a generator into a state that `state_of` gave."""
    if hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def all_states(generators: Iterable[Any]) -> list[Any]:
    """The states of the global generators, Python's and NumPy's, and of these, to be compared."""
    state: Any = np.random.get_state()  # noqa: NPY002 - the state users draw from
    return [random.getstate(), state[1].tobytes(), state[2:], [repr(state_of(generator)) for generator in generators]]


def seed_global(seed: int = 0) -> None:
    """Bring the global generators, Python's and NumPy's, into the state that belongs to a seed.

    So is what a generator begins with that is made without one: `np.random.default_rng()` asks the system for bits.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the state users draw from
    _bits.randbits = random.Random(seed).getrandbits


def global_states(others: Iterable[Any] = ()) -> Callable[[], None]:
    """What brings the global random states, Python's and NumPy's, back to where they are now; `others` as well."""
    return kept_states([np.random.random_sample.__self__, *others])  # type: ignore[attr-defined]


def kept_states(generators: Iterable[Any]) -> Callable[[], None]:
    """What brings Python's random state, and those of some generators of NumPy's, back to where they are now."""
    kept = random.getstate(), [(generator, state_of(generator)) for generator in generators]
    bits = _bits.randbits

    def put_back() -> None:
        random.setstate(kept[0])
        _bits.randbits = bits
        for generator, state in kept[1]:
            put_state(generator, state)

    return put_back
