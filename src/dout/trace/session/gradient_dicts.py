"""Parameters and gradients in dicts and lists, and in objects as in dicts: which of them hold which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dout.run import attributes_of
from dout.trace.tracer.traced import Traced, plain

_VALUES = ("data", "value", "array", "values", "val", "w", "params", "param")
_SLOPES = ("grad", "gradient", "grads", "dvalue", "dw", "d")
_INITIALS = ("g", "d")  # of a gradient


def is_parameter(held: Mapping[Any, Any]) -> bool:
    """Whether a dict is a parameter itself, with its value and its gradient: `{"val": W, "grad": dW}`."""
    return bool({*_VALUES[:5]} & {*held} and {*_SLOPES[:2]} & {*held})


def value_of(held: Mapping[Any, Any]) -> Any:
    """The array of a parameter that is an object or a dict; None where there is none."""
    return next((held[key] for key in _VALUES if is_array(held.get(key))), None)


def in_objects(before: Mapping[str, Any], is_slope: Callable[[str], bool]) -> Iterator[tuple[str, Any, Any]]:
    """Parameters that are objects, or dicts, with an array and its gradient: `self.W.data` and `self.W.grad`.

    Of an object that holds two arrays of one shape and no other, the name of one may say that it `is_slope`.
    """
    for name, held in before.items():
        if isinstance(held, dict) and not is_parameter(held):
            items = [(str(key), item) for key, item in held.items()]
        elif isinstance(held, list | tuple):
            items = [(f"{name}[{i}]", item) for i, item in enumerate(held)]
        else:
            items = [(name, held)]
        for called, item in items:
            inside = item if isinstance(item, dict) else getattr(item, "__dict__", None)
            if not isinstance(inside, dict) or isinstance(plain(item), np.ndarray | type):
                continue
            inside = {_public(key, inside): part for key, part in inside.items()}
            slope = next((inside[key] for key in _SLOPES if is_array(inside.get(key))), None)
            if slope is None:
                slope = next((inside[key] for key in _SLOPES[:2] if is_float(inside.get(key))), None)
            value = value_of(inside)
            if value is None or slope is None:
                value, slope = _of_two(inside, is_slope) if not hasattr(type(item), "forward") else (None, None)
            if value is not None and slope is not None:
                yield called, value, slope


def _public(key: Any, inside: Mapping[Any, Any]) -> str:
    """The name of an attribute without what makes it private, `_grad`; as it is where another one is called so."""
    public = str(key).rpartition("__")[2].lstrip("_")
    return str(key) if public in inside else public


def _of_two(inside: Mapping[str, Any], is_slope: Callable[[str], bool]) -> tuple[Any, Any]:
    """The value and the gradient among two arrays of one shape; None, twice, where it is not known which is which."""
    arrays = [key for key, item in inside.items() if is_array(item)]
    slopes = [key for key in arrays if key in _INITIALS or is_slope(key)]
    if len(arrays) != 2 or len(slopes) != 1 or not same_shape(*(inside[key] for key in arrays)):
        return None, None
    return inside[next(key for key in arrays if key not in slopes)], inside[slopes[0]]


def gradients_for(held: dict[Any, Any], left: list[tuple[str, Any]], after: Mapping[str, Any]) -> dict[Any, Any]:
    """A dict of gradients; where some have other shapes than their parameters, another of these keys that fits them.

    Local derivatives may be called so: `self.grad["W"]` is x, and `self.weight_update["W"]` the gradient.
    """

    def fits(found: dict[Any, Any], named: Mapping[str, Any]) -> bool:
        return all(same_shape(a, found[name]) and plain(found[name]) is not plain(a) for name, a in named.items())

    for other in after.values():
        if isinstance(other, dict) and other is not held:
            named = {name: parameter for name, parameter in left if name in held and name in other}
            if named and fits(other, named) and not fits(held, named):
                return other
    return held


def is_made_for(parameters: Any, gradients: Any, earlier: Any) -> bool:
    """Whether a dict has got an array by the name of each parameter of another dict, in its shape.

    A dict that held such arrays before may be the state of an optimiser: its next values.
    """
    if not (isinstance(parameters, dict) and isinstance(gradients, dict) and parameters):
        return False
    held = earlier if isinstance(earlier, dict) else {}
    return all(
        is_array(item) and same_shape(item, gradients.get(key)) and not same_shape(item, held.get(key))
        for key, item in parameters.items()
    )


def in_one_place(path: str, mine: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each place that both trees have, by its path, with what stands there in the one and in the other."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in mine:
            if key in theirs:
                yield from in_one_place(f"{path}[{key!r}]" if path else str(key), mine[key], theirs[key])
    elif isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        if len(mine) == len(theirs):
            for i, (one, other) in enumerate(zip(mine, theirs, strict=True)):
                yield from in_one_place(f"{path}[{i}]", one, other)
    else:
        yield path, mine, theirs


def is_of_one_form(mine: Any, theirs: Any) -> bool:
    """Whether two lists of dicts, or dicts of dicts, have arrays of equal shapes in the same places, and no more."""
    is_nested = any(isinstance(part, dict) for part in parts_of(mine))
    one, two = (list(in_one_place("_", tree, tree)) for tree in (mine, theirs))
    return (
        is_nested
        and mine is not theirs
        and [path for path, *_ in one] == [path for path, *_ in two]
        and all(is_array(a) and same_shape(a, b) for (_, a, _), (_, b, _) in zip(one, two, strict=True))
    )


def holds_the_same(before: Any, after: Any) -> bool:
    """Whether a list or dict has the same arrays of floats as before: what forward makes anew are no parameters."""
    one, two = parts_of(before), parts_of(after)
    pairs = zip(one, two, strict=False)
    return len(one) == len(two) and all(same_shape(a, b) and np.array_equal(plain(a), plain(b)) for a, b in pairs)


def parts_of(value: Any) -> list[Any]:
    """What is in a dict, list or tuple."""
    return list(value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ())


def is_array(item: Any) -> bool:
    """Whether a value is an array of floats."""
    value = plain(item)
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def is_float(item: Any) -> bool:
    """Whether a gradient is a number of NumPy's, as a sum over all axes is."""
    return isinstance(plain(item), np.floating)


def is_gradient(item: Any) -> bool:
    """Whether a value may be a gradient."""
    return is_array(item) or is_float(item)


def same_shape(parameter: Any, gradient: Any) -> bool:
    """Whether a gradient is an array of floats in the shape of its parameter."""
    return is_array(gradient) and plain(gradient).shape == np.shape(plain(parameter))


def array_of(item: Any) -> Any:
    """An item, or the only array in it besides gradients, where it is an object of the user's: `Tensor.data`."""
    if isinstance(item, Traced) or not hasattr(item, "__dict__") or callable(item) or hasattr(type(item), "forward"):
        return item
    held = [part for name, part in attributes_of(item).items() if isinstance(part, Traced) and "grad" not in name]
    return held[0] if len(held) == 1 else item
