"""The states of random generators: NumPy's and Python's global ones, and those that a layer holds."""

from __future__ import annotations

import random
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np


def is_generator(item: Any) -> bool:
    """Whether something is one of NumPy's random generators; `numpy.random` is loaded late, and not for this."""
    known = sys.modules.get("numpy.random")
    return known is not None and issubclass(type(item), (known.RandomState, known.Generator))


def has_random_state(item: Any) -> bool:
    """Whether something is a random generator, one of NumPy's or of Python's own."""
    return is_generator(item) or (
        issubclass(type(item), random.Random) and not issubclass(type(item), random.SystemRandom)
    )


def global_generator() -> Any:
    """The generator of NumPy's own from which `np.random.rand` draws; None where that is not loaded."""
    numpy_random = sys.modules.get("numpy.random")
    return None if numpy_random is None else numpy_random.random_sample.__self__


def state_of(generator: Any) -> Any:
    """The state of a generator, whole: a RandomState also keeps the second of two normal numbers."""
    if issubclass(type(generator), random.Random):
        return generator.getstate()
    return generator.bit_generator.state if hasattr(generator, "bit_generator") else generator.get_state()


def put_state(generator: Any, state: Any) -> None:
    """Bring a generator into a state that `state_of` gave."""
    if issubclass(type(generator), random.Random):
        generator.setstate(state)
    elif hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def all_states(generators: Iterable[Any]) -> list[Any]:
    """The states of the global generators, Python's and NumPy's, and of these, to be compared."""
    state: Any = np.random.get_state()  # noqa: NPY002 - the state users draw from
    return [random.getstate(), state[1].tobytes(), state[2:], [repr(state_of(generator)) for generator in generators]]


_BITS = "numpy.random.bit_generator"  # the module whose `randbits` starts a generator that has no seed


def _let_bits_come_from(source: Callable[[int], int]) -> None:
    module = sys.modules.get(_BITS)
    if hasattr(module, "randbits"):  # a name of NumPy's own: without it, such generators start anywhere
        module.randbits = source  # type: ignore[union-attr]


_START: ContextVar[str] = ContextVar("_START", default="")


@contextmanager
def other_bits() -> Iterator[None]:
    """Generators that are made without a seed begin elsewhere, as they do at each run outside of dout."""
    token = _START.set("other")
    try:
        yield
    finally:
        _START.reset(token)


class _Bits:
    """Bits that follow from a text: the generator of them is made when the first are asked for, which few runs do."""

    def __init__(self, start: str) -> None:
        self._start = start
        self._generator: random.Random | None = None

    def __call__(self, number: int) -> int:
        self._generator = self._generator or random.Random(self._start)
        return self._generator.getrandbits(number)


def seed_global(seed: int = 0) -> None:
    """Bring the global generators, Python's and NumPy's, into the state that belongs to a seed.

    So is what a generator begins with that is made without one: `np.random.default_rng()` asks the system for bits.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the state users draw from
    _let_bits_come_from(_Bits(f"{_START.get()} {seed}"))


def global_states(others: Iterable[Any] = ()) -> Callable[[], None]:
    """What brings the global random states, Python's and NumPy's, back to where they are now; `others` as well."""
    return kept_states([np.random.random_sample.__self__, *others])  # type: ignore[attr-defined]


def kept_states(generators: Iterable[Any]) -> Callable[[], None]:
    """What brings Python's random state, and those of some generators, back to where they are now."""
    python, numpys = random.getstate(), kept_generators(generators)

    def put_back() -> None:
        random.setstate(python)
        numpys()

    return put_back


def kept_generators(generators: Iterable[Any]) -> Callable[[], None]:
    """What brings some generators, and what generators without a seed begin with, back to where they are."""
    kept = [(generator, state_of(generator)) for generator in generators]
    bits = getattr(sys.modules.get(_BITS), "randbits", secrets.randbits)

    def put_back() -> None:
        _let_bits_come_from(bits)
        for generator, state in kept:
            put_state(generator, state)

    return put_back


# --- states as plain data ---------------------------------------------------------------------------------------------


def seed_all(seed: int, generators: Iterable[Any] = ()) -> None:
    """Bring the global generators, Python's and NumPy's, and these into states that follow from one seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the state users draw from
    for place, generator in enumerate(generators):
        drawn = np.random.SeedSequence([seed, place])
        if hasattr(generator, "bit_generator"):
            put_state(generator, type(generator.bit_generator)(drawn).state)
        else:
            numbers = drawn.generate_state(4)
            generator.seed(numbers if is_generator(generator) else numbers.tobytes())


def state_written(generator: Any) -> Any:
    """The state of a generator as numbers, texts, lists and dicts."""
    return _written(state_of(generator))


def put_state_written(generator: Any, state: Any) -> None:
    """Bring a generator into a state that `state_written` gave. Raises ValueError, or another error, for none."""
    read = _read(state)
    if not is_generator(generator):
        generator.setstate(read)
        return
    inner = read.get("state", {}) if isinstance(read, dict) else {}
    places = {"pos": inner.get("pos", 0) if isinstance(inner, dict) else 0}
    places |= {"buffer_pos": read.get("buffer_pos", 0)} if isinstance(read, dict) else {"pos": read[2]}
    for name, place in places.items():  # NumPy does not ask, and would read memory beyond the end
        if type(place) is not int or not 0 <= place <= {"pos": 624, "buffer_pos": 4}[name]:
            raise ValueError(f"its place {place!r} is none")
    put_state(generator, read)


def global_state_written() -> Any:
    """The states of Python's and of NumPy's global generator."""
    return {"numpy": state_written(np.random.random_sample.__self__), "python": _written(random.getstate())}  # type: ignore[attr-defined]


def put_global_state(state: Any) -> None:
    """Bring both into the states that `global_state_written` gave. Raises ValueError, or another error, for none."""
    put_state_written(np.random.random_sample.__self__, state["numpy"])  # type: ignore[attr-defined]
    random.setstate(_read(state["python"]))


def _written(state: Any) -> Any:
    if isinstance(state, np.ndarray):
        return {"array": state.tolist(), "dtype": str(state.dtype)}
    if isinstance(state, tuple):
        return {"tuple": [_written(part) for part in state]}
    if isinstance(state, dict):
        return {"dict": {key: _written(part) for key, part in state.items()}}
    return state.item() if isinstance(state, np.generic) else state


def _read(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    if "array" in state:
        return np.array(state["array"], {"uint32": np.uint32, "uint64": np.uint64}[state["dtype"]])
    if "tuple" in state:
        return tuple(_read(part) for part in state["tuple"])
    return {str(key): _read(part) for key, part in state["dict"].items()}
