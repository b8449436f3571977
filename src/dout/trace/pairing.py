"""Which gradient is whose: parameters pair with gradients by name, then by position, then by a shape only they have.

Never by value: that would hide a layer that swaps `dWx` and `dWh`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from dout.trace.standin import plain

_NAMINGS = ("d{}", "d_{}", "grad_{}", "{}_grad", "{}_gradient")
_LISTS = (("params", "grads"), ("parameters", "gradients"), ("weights", "grads"))


class Pair(NamedTuple):
    """A parameter and its gradient, as they stand in the layer."""

    name: str
    parameter: Any
    gradient: Any
    by: Literal["name", "position", "shape"]


def pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Pair]:
    """Yield the pairs among a layer's attributes: parameters as forward saw them, gradients as backward left them."""
    inner = {str(key): item for held in before.values() if isinstance(held, dict) for key, item in held.items()}
    before = {**inner, **before}
    taken: set[str] = set()
    left: list[tuple[str, Any]] = []
    for name, parameter in before.items():
        if not _is_array(parameter):
            continue
        key = _named(name, parameter, after)
        if key is None:
            left.append((name, parameter))
        else:
            taken |= {name, key}
            yield Pair(name, parameter, after[key], "name")
    yield from _by_position(before, after)
    yield from _by_shape(left, after, taken)


def _named(name: str, parameter: Any, after: Mapping[str, Any]) -> str | None:
    """The attribute that is called as the gradient of this one; of another shape, it is a wrong gradient.

    That is said only of an array that the layer still holds: `x` and `dx` may be left over from other calls.
    """
    keys = [naming.format(name) for naming in _NAMINGS]
    fitting = [key for key in keys if _same_shape(parameter, after.get(key))]
    if not fitting and plain(after.get(name)) is plain(parameter):
        fitting = [key for key in keys if _is_array(after.get(key))]
    return fitting[0] if fitting else None


def _by_position(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Pair]:
    for parameters, gradients in _LISTS:
        mine, theirs = before.get(parameters), after.get(gradients)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            found = [(str(key), item, theirs[key]) for key, item in mine.items() if key in theirs]
        elif isinstance(mine, Sequence) and isinstance(theirs, Sequence) and len(mine) == len(theirs):
            found = [(f"{parameters}[{i}]", a, b) for i, (a, b) in enumerate(zip(mine, theirs, strict=True))]
        else:
            continue
        yield from (Pair(name, a, b, "position") for name, a, b in found if _is_array(a) and _is_array(b))


def _by_shape(left: list[tuple[str, Any]], after: Mapping[str, Any], taken: set[str]) -> Iterator[Pair]:
    """What is called `d…` or `…grad…` and has a shape that one parameter and one gradient alone have."""
    gradients = [(key, item) for key, item in after.items() if key not in taken and _is_array(item) and _looks(key)]
    parameters = [(name, item) for name, item in left if name not in taken and not _looks(name)]
    for name, parameter in parameters:
        mine = [item for _, item in gradients if _same_shape(parameter, item)]
        rivals = [other for other, item in parameters if _same_shape(parameter, item)]
        if len(mine) == 1 and rivals == [name]:
            yield Pair(name, parameter, mine[0], "shape")


def _looks(name: str) -> bool:
    """Whether a name is one for a gradient."""
    return "grad" in name.lower() or (name[:1] == "d" and name[1:2].isupper()) or name.startswith("d_")


def _is_array(item: Any) -> bool:
    value = plain(item)
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _same_shape(parameter: Any, gradient: Any) -> bool:
    return _is_array(gradient) and plain(gradient).shape == plain(parameter).shape
