"""The parameters of a layer, and their gradients where a layer does not keep these: noted by the parameters' names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.adapt.interface.collaborators import Collaborator, Overheard
from dout.adapt.interface.held_values import held_at, may_be_put_at, places_of, put_at
from dout.run import attributes_of, flat
from dout.trace.session.pairing import GRADIENTS, is_named_as_gradient, is_parameter, is_residual, stem, value_of
from dout.trace.tracer.traced import plain

KEPT, FIXED, RESULTS, OWN_RATE = "_dout_kept", "_dout_fixed", "_dout_results", "_dout_rate"
ON_TAPE = "_dout_on_tape"  # what an operation keeps: an adapter that is laid over it keeps its own
OURS = (KEPT, ON_TAPE, FIXED, RESULTS, OWN_RATE, GRADIENTS)  # what an adapted layer keeps beside the user's attributes


def learn(layer: Any, gradients: Mapping[str, Any]) -> None:
    """Note gradients of parameters, by the parameters' names, where what pairs them looks."""
    if gradients:
        attributes = attributes_of(layer)
        attributes[GRADIENTS] = {**attributes.get(GRADIENTS, {}), **gradients}


def owned_by(order: Sequence[str], result: Any) -> dict[str, Any]:
    """Returned gradients by the names of those that they are for; of a list, `weights[]`, one for each of its items."""
    owned: dict[str, Any] = {}
    parts = as_lists(result) if any(name.endswith("[]") for name in order) else flat(result)
    for name, part in zip(order, parts, strict=False):
        owned |= {f"{name[:-1]}{i}]": g for i, g in enumerate(part)} if name.endswith("[]") else {name: part}
    return owned


def as_lists(result: Any) -> list[Any]:
    """Returned lists of gradients: those of a tuple of lists, or the only one. None where something else is there."""
    parts = [result] if isinstance(result, list) else list(result) if isinstance(result, tuple) else []
    return parts if all(isinstance(part, list) for part in parts) else []


def parameters_of(layer: Any) -> Iterator[tuple[str, Any]]:
    """The float arrays in a layer's attributes, also in its dicts and lists, each with a name that no other has.

    In the dict of an optimizer the arrays may be called as the parameters are: one beside `self.W` is `m[W]`.
    """
    held = [(name, item) for name, item in list(attributes_of(layer).items()) if name not in OURS]
    taken = {name for name, item in held if is_float_array(item)}
    for name, item in held:
        if is_float_array(item):
            yield name, item
            continue
        for inner, part in arrays_in(name, item):
            own = f"{name}[{inner}]" if inner in taken else inner
            taken.add(own)
            yield own, part


def arrays_in(name: str, item: Any) -> Iterator[tuple[str, Any]]:
    """The float arrays in a dict or list of this name, each with its own: its key, or its place.

    A dict that is a parameter has its value alone.
    """
    if isinstance(item, dict) and is_parameter(item):
        yield from [(name, value)] if (value := value_of(item)) is not None else []
    elif isinstance(item, dict):
        yield from ((str(key), part) for key, part in list(item.items()) if is_float_array(part))
    elif isinstance(item, list):
        yield from ((f"{name}[{i}]", part) for i, part in enumerate(item) if is_float_array(part))


def without_pairs(layer: Any, result: Any) -> Any:
    """What backward returned, without what says whose it is, which is learned: `return dx, [(self.W, dW)], {"b": db}`.

    A list has pairs of a parameter and its gradient, and a dict is of parameters alone.
    """
    items = result if isinstance(result, tuple) else ()
    names = {id(plain(array)): name for name, array in reversed(list(parameters_of(layer)))}
    pairs = [pair for part in items if isinstance(part, list) for pair in part if isinstance(pair, tuple)]
    pairs = [pair for pair in pairs if len(pair) == 2]
    owned = {names[id(plain(array))]: gradient for array, gradient in pairs if id(plain(array)) in names}
    known = list if owned and len(owned) == len(pairs) else ()
    owned = owned if known else {}
    own = [name for name, _ in parameters_of(layer) if not is_named_as_gradient(name)]
    dicts = [part for part in items if isinstance(part, dict) and part and all(by_owner(own, part))]
    for part in dicts:
        owned |= by_owner(own, part)
    if not owned:
        return result
    learn(layer, owned)
    kept = tuple(part for part in items if not (isinstance(part, known) or any(part is one for one in dicts)))
    return kept[0] if len(kept) == 1 else kept


def by_owner(names: Sequence[str], gradients: Mapping[Any, Any], parts: Sequence[str] = ()) -> dict[str, Any]:
    """Gradients from a dict by the names of those that its keys are called after; "" of one called after none.

    `parts` are places in parts, `cell.W`: a key means one if no other place ends so.
    """
    ends = [place.rpartition(".")[2] for place in parts]
    owners = {end: place for end, place in zip(ends, parts, strict=True) if ends.count(end) == 1}
    owners |= {stem(name): name for name in names} | {name: name for name in names}  # `A` and `a`
    return {owners.get(str(key)) or owners.get(stem(str(key)), ""): item for key, item in gradients.items()}


def is_float_array(item: Any) -> bool:
    """Whether something is an array of floats with axes."""
    value = plain(item)
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind == "f"


def is_number(item: Any) -> bool:
    """Whether something is one float without axes: a bias may be one."""
    return isinstance(plain(item), float)


def take_updates(
    layer: Any, before: Mapping[str, Any], where: Mapping[str, Any], rate: Any, read: Collection[str]
) -> None:
    """Where backward has changed parameters by `- rate * gradient`, note the gradients and put the parameters back.

    What forward does not read is kept by an optimizer. It is put back too, as if there had been no step; without a
    rate nothing is noted.
    """
    found = {}
    numbers = [(name, item) for name, item in attributes_of(layer).items() if name in before and is_number(item)]
    for name, now in [*parameters_of(layer), *numbers]:
        if name not in before or np.shape(plain(now)) != np.shape(plain(before[name])) or is_named_as_gradient(name):
            continue
        if not _is_same(np.asarray(plain(now)), plain(before[name])):
            if rate is not None and _attribute_with(layer, name) in read:
                found[name] = (before[name] - now) / rate
            _put(layer, name, where.get(name), before[name])
    learn(layer, found)


def arrays_of_parts(layer: Any, read: Callable[[Any], Collection[str]]) -> dict[str, Any]:
    """The float arrays that objects in a layer hold, by their places, and that their own forward reads."""
    found = {place: item for place, item in places_of(layer).items() if "." in place and is_float_array(item)}
    found = {place: item for place, item in found.items() if may_be_put_at(layer, place)}  # no cache of a call
    return {place: item for place, item in found.items() if _attribute_at(place) in read(_holder_at(layer, place))}


def _attribute_at(place: str) -> str:
    return re.split(r"\W", place.rpartition(".")[2])[0]


def _holder_at(layer: Any, place: str) -> Any:
    return held_at(layer, place.rpartition(".")[0])


def take_updates_of_parts(layer: Any, before: Mapping[str, Any], rate: Any) -> None:
    """As `take_updates`, of the parts of a network, which held copies of the arrays `before` while backward ran."""
    found = {}
    for place, old in before.items():
        now, named = held_at(layer, place), is_named_as_gradient(_attribute_at(place))
        if named or np.shape(plain(now)) != np.shape(plain(old)):
            continue
        if not _is_same(np.asarray(plain(now)), plain(old)):
            found[place] = (old - now) / rate
        put_at(layer, place, old)
    learn(layer, found)


def _is_same(one: Any, two: Any) -> bool:
    """Whether two arrays hold the same numbers; in a recording np.array_equal would be a branch of ours."""
    return bool(((one == two) | ((one != one) & (two != two))).all())


def _attribute_with(layer: Any, name: str) -> str:
    """The attribute that holds a parameter of this name: itself, or a dict or list that has it."""
    attributes = attributes_of(layer)
    holders = (k for k, item in attributes.items() if isinstance(item, dict) and name in item)
    return name if name in attributes else next(holders, name.partition("[")[0])


def _put(layer: Any, name: str, original: Any, value: Any) -> None:
    """A parameter as it was: the same array, holding the same numbers; None of a number."""
    if original is None:
        attributes_of(layer)[name] = value
        return
    original[...] = value
    _hold(layer, name, original)


def _hold(layer: Any, name: str, array: Any) -> None:
    """Let a layer hold this array for a parameter."""
    key = _attribute_with(layer, name)
    if key == name:
        attributes_of(layer)[name] = array
    else:
        item, inner = attributes_of(layer)[key], name.removeprefix(f"{key}[").removesuffix("]")
        item[int(inner) if isinstance(item, list) else next(k for k in item if str(k) == inner)] = array


def collaborators_of(layer: Any) -> list[Collaborator]:
    """What hears of gradients: in a layer's attributes, and what its backward was given."""
    attributes = attributes_of(layer)
    held = [*attributes.values(), *attributes.get(KEPT, {}).values()]
    return [item for item in held if isinstance(item, Collaborator)]


def take_recorded(layer: Any) -> None:
    """Note the gradients that a layer handed to its optimizers, or to that which its backward was given.

    The last may be given one for each sample, to average them itself: these are not noted.
    """
    given = list(attributes_of(layer).get(KEPT, {}).values())
    for item in collaborators_of(layer):
        for parameter, gradient in item.updates:
            if isinstance(gradient, tuple):
                learn(layer, _in_their_order(layer, gradient))
                continue
            if any(item is one for one in given) and np.ndim(plain(gradient)) > np.ndim(plain(parameter)) > 0:
                continue
            name = next((n for n, array in parameters_of(layer) if plain(array) is plain(parameter)), None)
            if isinstance(parameter, str):
                name = next((n for n, _ in parameters_of(layer) if stem(n) == stem(parameter)), None)
            elif name is None and not isinstance(item, Overheard):
                same = [n for n, a in parameters_of(layer) if np.shape(plain(a)) == np.shape(plain(parameter))]
                name = same[0] if same else None
            if name is not None:
                learn(layer, {name: gradient})
        item.updates.clear()


def _in_their_order(layer: Any, gradients: Sequence[Any]) -> dict[str, Any]:
    """Gradients by the names of as many parameters, in the order of both, each with as many numbers; else none."""
    held = [(n, np.size(plain(a))) for n, a in parameters_of(layer) if not (is_named_as_gradient(n) or is_residual(n))]
    found: dict[str, Any] = {}
    for gradient in gradients:
        name = next((n for n, size in held if n not in found and size == np.size(plain(gradient))), None)
        found |= {} if name is None else {name: gradient}
    return found if len(found) == len(gradients) else {}
