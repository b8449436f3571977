"""Which gradient is whose: parameters pair with gradients by name, then by position, then by a shape only they have.

Never by value: that would hide a layer that swaps `dWx` and `dWh`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, reduce
from operator import add
from typing import Any, Literal, NamedTuple

import numpy as np

from dout.run import attributes_of
from dout.trace.session.gradient_dicts import (
    gradients_for,
    holds_the_same,
    in_objects,
    in_one_place,
    is_array,
    is_float,
    is_gradient,
    is_made_for,
    is_of_one_form,
    same_shape,
)
from dout.trace.session.gradient_dicts import is_parameter as is_parameter
from dout.trace.session.gradient_dicts import parts_of as parts_of
from dout.trace.session.gradient_dicts import value_of as value_of
from dout.trace.tracer.traced import plain

GRADIENTS = "_dout_gradients"  # where an adapter notes gradients that a layer keeps elsewhere: by parameter

_NAMINGS = ("d{}", "d_{}", "g{}", "grad_{}", "{}_grad", "{}_gradient")
_LISTS = (("params", "grads"), ("parameters", "gradients"), ("weights", "grads"), ("weights", "gradients"))

_AFFIX = re.compile(
    r"^(d_?l_?_?d_?|d_?loss_?d?_?|d_?j_?d_?|d_?e_?d_?y?|grad(ient)?s?_?(of_?)?|g_|delta_?|nabla_?|d_|d(?=[a-zA-Z]))(?=\w)"
    r"|(?<=\w)_?(gradients?|grads?|deltas?|deriv(ative)?|_d|_prime|diff)$",
    re.IGNORECASE,
)
_NO_PART = re.compile(r"(?<=\w)_(current|curr|params?|parameters?)$", re.IGNORECASE)  # of a name: all have it
_SAME = {  # names of one thing, lower and without underscores
    **dict.fromkeys(("w", "weight", "weights", "kernel", "kernels", "filter", "filters", "weightmatrix"), "w"),
    **dict.fromkeys(("b", "bias", "biases"), "b"),
}
_RESIDUALS = frozenset({  # names of values that forward keeps anew: no parameters
    "x", "in", "input", "inputs", "inputdata", "layerinput", "lastinput", "z", "a", "y", "h", "out", "output",
    "outputs",
    "activation", "activations",
})  # fmt: skip
_NO_GRADIENTS = frozenset({
    "data", "delta", "depth", "dim", "dims", "dropout", "dilation", "decay", "dtype", "d", "dmodel", "device", "dense",
    "d_model", "d_k", "d_v", "d_ff", "d_in", "d_out", "d_head", "d_hidden", "discount", "density", "diff", "dist",
    "distance", "dot", "decoder",
})  # fmt: skip


@lru_cache(maxsize=4096)
def stem(name: str) -> str:
    """The stem of a name: the same for a parameter and for its gradient.

    >>> [stem(name) for name in ("weights", "dW", "grad_w", "weights_gradient", "dLdW", "_dW", "_Dense__dw", "db")]
    ['w', 'w', 'w', 'w', 'w', 'w', 'w', 'b']
    >>> [stem(name) for name in ("bias_params", "bias_delta", "_grad_b_current")]
    ['b', 'b', 'b']
    """
    name = _NO_PART.sub("", _bare(name.rpartition("'")[0].rpartition("'")[2] or name))
    bare = _AFFIX.sub("", name, count=1) if name.lower() not in _NO_GRADIENTS else name
    lower = bare.lower().replace("_", "")
    return _SAME.get(lower, lower)


_OF_A_CLASS = re.compile(r"^_[^\W_]\w*?__(?=[^\W_])")


def _bare(name: str) -> str:
    """A name without its leading underscores, and without the class whose own it is: `_Dense__w`."""
    return _OF_A_CLASS.sub("", name).lstrip("_") or name


def is_residual(name: str) -> bool:
    """Whether a name is usual for a value that forward keeps anew: `x`, `self.out`."""
    return stem(name) in _RESIDUALS


@lru_cache(maxsize=4096)
def is_named_as_gradient(name: str) -> bool:
    """Whether a name is one for a gradient: `dW`, `grad_b`, `weights_gradient`; `data` and `depth` are not."""
    name = _bare(name)
    return name.lower() not in _NO_GRADIENTS and bool(_AFFIX.search(name)) and (
        "grad" in name.lower() or "delta" in name.lower() or not name.islower() or len(name) <= 3 or "_" in name
        or name[1:] in _SAME or name[1:] in ("inputs", "input", "gamma", "beta", "values")
    )  # fmt: skip


class Pair(NamedTuple):
    """A parameter and its gradient, as they stand in the layer."""

    name: str
    parameter: Any
    gradient: Any
    by: Literal["name", "position", "shape"]

    def put(self, layer: Any, value: Any) -> None:
        """Give the parameter another value: in place, or as an attribute of the layer if it is one number."""
        if isinstance(self.parameter, np.ndarray):
            self.parameter[...] = value
        else:
            attributes_of(layer)[self.name] = value


def pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Pair]:
    """Yield the pairs among a layer's attributes: parameters as forward saw them, gradients as backward left them.

    None where every gradient is the array of zeros that was there before: then another method computes them.
    """
    found = list(_pairs(before, after))
    if len(zeros_left(before, found)) < len(found):
        yield from found


def zeros_left(before: Mapping[str, Any], found: Iterable[Pair]) -> list[Pair]:
    """Of these pairs those whose gradient is the array of zeros that was there before."""
    held = [item for value in before.values() for item in (value, *parts_of(value))]
    return [pair for pair in found if any(pair.gradient is item for item in held) and not np.any(plain(pair.gradient))]


def unwritten(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield parameters, by name and value, with the attribute for their gradient where backward leaves zeros or None.

    Of zeros these are all parameters or none: beside another gradient zeros are one.
    """
    found = list(_pairs(before, after))
    left = zeros_left(before, found)
    for pair in left if len(left) == len(found) else ():
        holds = [key for key, item in after.items() if any(part is pair.gradient for part in (item, *parts_of(item)))]
        yield from ((pair.name, pair.parameter, key) for key in holds[:1])
    empty = [key for key, item in after.items() if item is None and is_named_as_gradient(key)]
    for name, item in before.items() if empty else ():
        if is_array(item) and after.get(name) is item:
            yield from ((name, item, key) for key in empty if stem(key) == stem(name))


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Pair]:
    noted = after.get(GRADIENTS) or {}
    called: dict[str, str | None] = {}  # the attribute that is named as the gradient of a parameter, beside its step
    before, after = ({k: v for k, v in held.items() if k != GRADIENTS} for held in (before, after))
    before = {k: v for k, v in before.items() if not (stem(k) in _RESIDUALS and after.get(k) is not v)}
    dicts = [
        held for name, held in before.items()
        if isinstance(held, dict) and "grad" not in name.lower() and not is_parameter(held)
    ]  # fmt: skip
    inner = {str(key): item for held in reversed(dicts) for key, item in held.items() if is_array(item)}
    listed = {
        f"{key}[{i}]": item for key, held in before.items() if isinstance(held, list) for i, item in enumerate(held)
    }
    if noted:
        own = {n: value_of(held) for n, held in before.items() if isinstance(held, dict) and is_parameter(held)}
        every = {**listed, **inner, **before, **own}
        stepped = [(name, every[name]) for name in noted if is_array(every.get(name))]
        others = {pair.name: key for pair, key in _by_synonym(stepped, before, after, set()) if key in after}
        called = {name: _named(name, item, before, after) or others.get(name) for name, item in stepped}
        own_words = {n: after[key] for n, key in called.items() if key and _is_another(noted[n], after[key])}
        noted = {**noted, **own_words}  # a step with momentum is another one
        named = (Pair(name, _held_by(every, name), gradient, "name") for name, gradient in noted.items())
        yield from (pair for pair in named if is_array(pair.parameter) or isinstance(plain(pair.parameter), float))
        before = {name: item for name, item in before.items() if name not in noted}
        inner = {name: item for name, item in inner.items() if name not in noted}
    before, held = {**inner, **before}, before
    taken = {key for key, item in after.items() if any(item is gradient for gradient in noted.values())}
    taken |= {key for key in called.values() if key}
    left: list[tuple[str, Any]] = []
    for name, parameter in before.items():
        is_number = isinstance(plain(parameter), float)
        if not (is_number or is_array(parameter)):
            continue
        key = _named(name, parameter, held, after)
        if is_number and (key is None or is_array(after[key])):
            continue
        if key is None:
            left.append((name, parameter))
        else:
            taken |= {name, key}
            yield Pair(name, parameter, after[key], "name")
    synonyms = list(_by_synonym(left, held, after, taken))
    taken.update(key for _, key in synonyms)
    left = [(name, item) for name, item in left if name not in {pair.name for pair, _ in synonyms}]
    yield from (pair for pair, _ in synonyms)
    known = taken | {pair.name for pair, _ in synonyms} | noted.keys()
    yield from (pair for pair in _by_position(before, after) if pair.name not in known)
    yield from (Pair(*found, "name") for found in in_objects(before, is_named_as_gradient))
    yield from _of_dicts(before)
    yield from _by_shape(left, before, after, taken)


def _multiple_of(step: Any, gradient: Any) -> float:
    """The number that a step is of a gradient of its shape that is not 0; 0 where it is no multiple of it."""
    step, gradient = np.asarray(plain(step), float), np.asarray(plain(gradient), float)
    if step.shape != gradient.shape or not np.any(gradient):
        return 0.0
    ratio = float(np.sum(step * gradient) / np.sum(gradient * gradient))
    return ratio if np.allclose(step, ratio * gradient, rtol=1e-6, atol=1e-9 * np.max(np.abs(step))) else 0.0


def _is_another(step: Any, gradient: Any) -> bool:
    """Whether a step is no multiple, of either sign, of a gradient that has its shape and is not 0."""
    alike = np.shape(plain(step)) == np.shape(plain(gradient)) and bool(np.any(plain(gradient)))
    return alike and not _multiple_of(step, gradient)


def _held_by(every: Mapping[str, Any], path: str) -> Any:
    """What stands at a path, `first.W` of a part; None where nothing does."""
    head, *rest = path.split(".")
    item = every.get(head)
    for name in rest:
        item = attributes_of(item).get(name)
    return item


def _named(name: str, parameter: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The attribute that is called as the gradient of this one; of another shape, it is a wrong gradient.

    That is said only of an array that the layer still holds: `x` and `dx` may be left over from other calls. A gradient
    that is a number has to be a new one, and one of NumPy's for an array: `dt = 0.01` is a step.
    """
    keys = [naming.format(name) for naming in _NAMINGS]
    fitting = [key for key in keys if same_shape(parameter, after.get(key))]
    if not fitting and plain(after.get(name)) is plain(parameter):
        number = float | np.floating if isinstance(plain(parameter), float) else np.floating
        new = [key for key in keys if isinstance(plain(after.get(key)), number) and after[key] is not before.get(key)]
        fitting = [key for key in keys if is_array(after.get(key)) or key in new]
    return fitting[0] if fitting else None


def _by_synonym(
    left: list[tuple[str, Any]], before: Mapping[str, Any], after: Mapping[str, Any], taken: set[str]
) -> Iterator[tuple[Pair, str]]:
    """Pairs by a synonym of the parameter's name, also in a dict, or as the only item of a list: `grads["dW1"]`."""
    flat = {
        key: item[0] if isinstance(item, list) and len(item) == 1 else item
        for key, item in after.items()
        if is_named_as_gradient(key) and key not in taken and (not is_float(item) or item is not before.get(key))
    }
    for key, held in after.items():
        if isinstance(held, dict) and (
            any(word in key.lower() for word in ("grad", "update"))
            or (key == "g" and all(map(is_named_as_gradient, map(str, held))))
        ):
            flat.update({str(inner): item for inner, item in gradients_for(held, left, after).items()})
    for name, parameter in left:
        if is_named_as_gradient(name):
            continue
        called = [key for key, item in flat.items() if stem(key) == stem(name) and is_gradient(item)]
        called = [key for key in called if key == name] or called  # `A` and `a`
        fitting = [key for key in called if same_shape(parameter, flat[key])]
        if not fitting and plain(after.get(name)) is plain(parameter):
            fitting = called  # a wrong one
        rivals = [other for other, _ in left if stem(other) == stem(name) and not is_named_as_gradient(other)]
        if len(fitting) == 1 and (len(rivals) == 1 or fitting[0] == name):
            yield Pair(name, parameter, flat[fitting[0]], "name"), fitting[0]


def _by_position(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Pair]:
    listed = [name for name, held in before.items() if isinstance(held, list | dict)]
    named = [(name, naming.format(name)) for name in listed for naming in _NAMINGS]
    called = [key for key in after if is_named_as_gradient(key)]
    steady = [name for name in listed if holds_the_same(before[name], after.get(name))]
    named += [(name, key) for name in steady for key in called if stem(key) == stem(name) and key != name]
    named += [(name, key) for name in listed for key in called if is_of_one_form(before[name], after.get(key))]
    for name in steady:
        made = [key for key, item in after.items() if key != name and is_made_for(before[name], item, before.get(key))]
        named += [(name, made[0])] if len(made) == 1 else []
    for parameters, gradients in dict.fromkeys((*_LISTS, *named)):
        mine, theirs = before.get(parameters), after.get(gradients)
        if any(isinstance(mine, kind) and isinstance(theirs, kind) for kind in (dict, list | tuple)):
            found = list(in_one_place("" if isinstance(mine, dict) else parameters, mine, theirs))
        elif isinstance(mine, dict) and isinstance(theirs, list) and _fit(mine, theirs):
            found = [(str(key), a, b) for (key, a), b in zip(mine.items(), theirs, strict=True)]
        else:
            continue
        yield from _joined(Pair(name, a, b, "position") for name, a, b in found if is_array(a) and is_gradient(b))


def _fit(parameters: dict[Any, Any], gradients: list[Any]) -> bool:
    """Whether each gradient of a list has the shape of the parameter at its place in a dict."""
    return len(parameters) == len(gradients) and all(map(same_shape, parameters.values(), gradients))


def _joined(found: Iterable[Pair]) -> Iterator[Pair]:
    """One pair for a parameter that stands in several places: its gradients there add up, as over its uses."""
    by_parameter: dict[int, list[Pair]] = {}
    for pair in found:
        by_parameter.setdefault(id(pair.parameter), []).append(pair)
    for first, *others in by_parameter.values():
        parts = {id(pair.gradient): pair.gradient for pair in (first, *others)}
        yield first._replace(gradient=reduce(add, parts.values()))


def _of_dicts(before: Mapping[str, Any]) -> Iterator[Pair]:
    """Parameters and gradients side by side in the dicts of a list, or of a dict: `self.layers[0]["dW"]`."""
    for name, held in before.items():
        inside = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list | tuple) else ()
        for key, item in inside:
            for inner, array in item.items() if isinstance(item, dict) else ():
                called = _named(inner, array, {}, item) if isinstance(inner, str) and is_array(array) else None
                if called and is_gradient(item[called]):
                    yield Pair(f"{name}[{key!r}][{inner!r}]", array, item[called], "name")


def _by_shape(
    left: list[tuple[str, Any]], before: Mapping[str, Any], after: Mapping[str, Any], taken: set[str]
) -> Iterator[Pair]:
    """Pairs of one parameter and one array named `d…` or `…grad…` whose shape no other of them has."""
    anew = {key for key, item in after.items() if is_named_as_gradient(key) and item is not before.get(key)}
    gradients = [
        (key, item)
        for key, item in after.items()
        if key not in taken and is_array(item) and (_looks(key) or key in anew)
    ]
    gradients += _of_all(left, before, after, taken)
    kept = [(name, item) for name, item in left if name not in after or plain(after[name]) is plain(item)]
    parameters = [(name, item) for name, item in kept if name not in taken | anew and not _looks(name)]
    for name, parameter in parameters:
        mine = [(key, item) for key, item in gradients if same_shape(parameter, item)]
        words = [_AFFIX.sub("", _bare(key), count=1).partition("_")[0].lower() for key, _ in mine]  # dW_curr, dW2: w
        own = _bare(name).lower()
        called = [i for word, (_, i) in zip(words, mine, strict=True) if own in (word, word.rstrip("0123456789"))]
        looking = [item for key, item in mine if _looks(key) and not _is_of_another(key, item, after)]
        rivals = [other for other, item in parameters if same_shape(parameter, item)]
        if len(called) == 1:
            yield Pair(name, parameter, called[0], "name")
        elif len(looking) == 1 and rivals == [name]:
            yield Pair(name, parameter, looking[0], "shape")


def _of_all(
    left: list[tuple[str, Any]], before: Mapping[str, Any], after: Mapping[str, Any], taken: set[str]
) -> list[tuple[str, Any]]:
    """The items of a list of gradients, `self.gradients = [dW, db]`, each of which has one parameter of its shape."""
    own = [item for name, item in left if name not in taken and plain(after.get(name)) is plain(item)]
    for key, items in after.items():
        is_new = isinstance(items, list | tuple) and items and items is not before.get(key)
        if (
            is_new
            and is_named_as_gradient(key)
            and all(is_array(item) and sum(same_shape(one, item) for one in own) == 1 for item in items)
        ):
            return [(key, item) for item in items]
    return []


def _is_of_another(name: str, gradient: Any, after: Mapping[str, Any]) -> bool:
    """Whether a gradient is named after an array: grad_a2 is of a2, and `grad` of nobody."""
    owner = after.get(stem(name))
    return owner is not gradient and is_array(owner)


def _looks(name: str) -> bool:
    """Whether a name is one for a gradient."""
    return "grad" in name.lower() or (name[:1] == "d" and name[1:2].isupper()) or name.startswith("d_")
