"""Whose each gradient is that a backward returns."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from dout.adapt import source
from dout.adapt.argument_names import names_gradients, names_label, stands_for
from dout.adapt.interface.held_values import places_of
from dout.adapt.interface.interface import EACH, Interface
from dout.adapt.interface.learned_gradients import arrays_in, as_lists, is_float_array, is_number, parameters_of
from dout.adapt.interface.method_pairs import reads_and_writes
from dout.adapt.interface.network_loss import loss_of
from dout.adapt.source.attribute_reads import attributes_always_set
from dout.adapt.trial.places_left import written_by_forward
from dout.run import attributes_of, flat
from dout.trace.session.pairing import GRADIENTS, is_named_as_gradient, is_residual, stem


def in_a_list(result: Any, inputs: Mapping[str, Any]) -> bool:
    """Whether backward returned the gradient of its only input as a list of parts: of each channel, or number."""
    parts = isinstance(result, list) and all(is_float_array(p) or isinstance(p, float | np.floating) for p in result)
    if not parts or len(inputs) != 1:
        return False
    (given,) = inputs.values()
    if isinstance(given, list | tuple):  # whose parts have a gradient each
        return False
    shape = np.shape(given)[1:]  # as many of several numbers, so of this axis, may be too few: the layer takes fewer
    return (len(result) == len(given) or bool(shape)) and {np.shape(part) for part in result} == {shape}


def of_a_list(result: Any, inputs: Mapping[str, Any]) -> bool:
    """Whether backward returned one array with a gradient for each input, or for each array of one that is a list."""
    given = next(iter(inputs.values())) if len(inputs) == 1 else list(inputs.values())
    if not isinstance(given, list) or len(given) < 2 or not is_float_array(result):
        return False
    return {(len(given), *np.shape(part)) for part in given} == {np.shape(result)}


def owners_of(cls: type, interface: Interface, result: Any, inputs: Mapping[str, Any], layer: Any) -> tuple[str, ...]:
    """Whose each returned gradient is; empty where they are the inputs' in their order.

    By name, `return dWx, db`, where each is called after a parameter or an input of its shape; `return dh_0` where
    places cannot say it: of an argument that forward was not given, or of fewer gradients than inputs. Else by shape;
    where names say another order than shapes, places speak, in which they may be wrong.
    """
    returned = _names_returned(interface, cls, getattr(cls, interface.backward))
    owners = [*inputs, *dict(parameters_of(layer))]
    if interface.gives and returned and all(_is_of_another(name, owners) for name in returned):
        return ("",) * len(returned)
    called = (
        (not _is_of_inputs(result, inputs) and _by_list(returned, result, layer, written_by_forward(cls, interface)))
        or _by_parts(result, layer)
        or _by_name(returned, result, inputs, layer, attributes_always_set(getattr(cls, interface.forward, None)))
    )
    if called and not set(called) <= set(inputs):
        return called
    if some := _by_some_names(source.names_told(getattr(cls, interface.backward)), result, inputs, layer):
        return some
    if len(returned) < len(inputs) and (some := _of_some(returned, inputs)):
        return some
    taken = {stem(name): name for name in inspect.signature(getattr(cls, interface.forward)).parameters}
    named = tuple(taken.get(stem(name), "") if is_named_as_gradient(name) else "" for name in returned)
    if all(named) and not inputs.keys() >= {*named}:
        return named
    order = _of_a_parameter(cls, interface, result, inputs, layer) or _by_shape_or_place(
        cls, interface, result, inputs, layer
    )
    contradicts = all(named) and order != named and sorted(order) == sorted(named)
    return () if contradicts else order


def _names_returned(interface: Interface, cls: type, backward: Any) -> tuple[str, ...]:
    """What backward calls the gradients that it returns; without the loss that it returns before them."""
    tells_a_loss = interface.gives or any(map(loss_of, cls.__mro__))
    return source.gradients_returned(backward) if tells_a_loss else source.returned_by(backward)


def are_guessed(interface: Interface, gradients: Mapping[str, Any], inputs: Mapping[str, Any], layer: Any) -> bool:
    """Whether returned gradients, by owner, were given to inputs and parameters by place alone: some fit several.

    Names tell: `return dW, db`, and a shape that only one of them has.
    """
    returned = _names_returned(interface, type(layer), inspect.unwrap(type(layer).backward))
    if not interface.order or set(interface.order) <= {*inputs}:
        return False
    if len(returned) != len(interface.order):
        return False  # a dict has keys
    named = {owner for name, owner in zip(returned, interface.order, strict=True) if _is_called_after(name, owner)}
    if named >= {*interface.order}:
        return False
    if all(owner.endswith("[]") for owner in interface.order):  # lists, of shapes that may be those of one alone
        lists = [x for x in attributes_of(layer).values() if isinstance(x, list) and all(map(is_float_array, x))]
        own = [[*map(np.shape, attributes_of(layer)[owner.removesuffix("[]")])] for owner in interface.order]
        return any([[*map(np.shape, item)] for item in lists].count(shapes) > 1 for shapes in own)
    shapes = [np.shape(x) for x in inputs.values()]
    shapes += [np.shape(x) for name, x in parameters_of(layer) if not is_named_as_gradient(name)]
    open_ = [g for owner, g in gradients.items() if g is not None and owner not in named]
    return any(shapes.count(np.shape(gradient)) != 1 for gradient in open_)


def _is_called_after(gradient: str, owner: str) -> bool:
    return is_named_as_gradient(gradient) and stem(gradient) == stem(owner.removesuffix("[]"))


def _is_of_inputs(result: Any, inputs: Mapping[str, Any]) -> bool:
    """Whether a returned list may have a gradient for each input, or for each item of one that is a list."""
    is_listed = any(isinstance(x, list | tuple) for x in inputs.values())
    return isinstance(result, list) and (is_listed or len(result) == len(inputs))


def _by_list(names: Sequence[str], result: Any, layer: Any, written: Collection[str]) -> tuple[str, ...]:
    """The parameters in lists whose gradients are in lists called after them, or of their shapes, one for one.

    One list alone may be of several of these shapes: it is taken for the first, a guess.
    """
    gradients, attributes = as_lists(result), attributes_of(layer)
    stepped = {name.partition("[")[0] for name in attributes.get(GRADIENTS, {})}  # backward made a step with these
    lists = [name for name, item in attributes.items() if isinstance(item, list) and name not in {*written, *stepped}]
    held = {stem(name): name for name in reversed(lists)}
    owners = [held.get(stem(name), "") for name in names]
    if not all(owners) and gradients:
        shapes = {name: [*map(np.shape, attributes[name])] for name in lists}
        fitting = [[name for name, own in shapes.items() if own == [*map(np.shape, part)]] for part in gradients]
        is_alone = len(gradients) == 1
        owners = [own[0] if len(own) == 1 or (own and is_alone) else "" for own in fitting]
    if not (owners and all(owners) and len(gradients) == len(owners)):
        return ()
    pairs = [(attributes[owner], g) for owner, g in zip(owners, gradients, strict=True)]
    fits = all(len(items) == len(g) for items, g in pairs)
    return tuple(f"{owner}[]" for owner in owners) if fits else ()


def _by_parts(result: Any, layer: Any) -> tuple[str, ...]:
    """The parameters of parts whose gradients are in lists, those of one name in each, from the first or the last part.

    As `return weight_gradients, bias_gradients` of a network that has gone back through its layers.
    """
    lists = [result] if isinstance(result, list) else result
    if not (isinstance(lists, tuple | list) and lists and all(isinstance(part, list) and part for part in lists)):
        return ()
    rows: dict[str, list[str]] = {}
    held = {place: item for place, item in places_of(layer).items() if "." in place and is_float_array(item)}
    for place in held:
        rows.setdefault(place.rpartition(".")[2], []).append(place)
    owners: list[str] = []
    for gradients in lists:
        shapes = [*map(np.shape, gradients)]
        own = [row for name, row in rows.items() if not (is_named_as_gradient(name) or is_residual(name))]
        ways = {tuple(way) for row in own for way in (row, row[::-1])}
        fitting = [way for way in ways if [np.shape(held[place]) for place in way] == shapes]
        if len(fitting) != 1 or set(fitting[0]) & set(owners):
            return ()
        owners += fitting[0]
    return tuple(owners)


def _by_name(
    names: Sequence[str], result: Any, inputs: Mapping[str, Any], layer: Any, cached: Collection[str]
) -> tuple[str, ...]:
    """The inputs and parameters after which gradients are called, each of its shape; empty where that is not plain.

    A parameter that is called as an input has no name of its own here: its gradient is nobody's. What forward caches
    is no parameter: `return dxc` is the gradient of the input, taken for that of `self.xc` by mistake.
    """
    held = [
        (n, array)
        for n, array in parameters_of(layer)
        if not (is_named_as_gradient(n) or is_residual(n) or n in cached)
        and (n not in inputs or np.shape(array) != np.shape(inputs[n]))  # it kept that
    ]
    values = [*inputs.items(), *((name if name not in inputs else "", array) for name, array in held)]
    stems = [stem(name) for name in (*inputs, *(name for name, _ in held))]
    found = []
    for gradient, called in zip(flat(result), names, strict=False):
        known = zip(stems, values, strict=True)
        called_so = [(n, x) for own, (n, x) in known if own == stem(called) and np.shape(x) == np.shape(gradient)]
        if len(called_so) != 1 or not is_named_as_gradient(called):
            return ()
        found.append(called_so[0][0])
    named = [name for name in found if name]
    return tuple(found) if len(found) == len(names) and len(set(named)) == len(named) else ()


def _by_some_names(told: Sequence[str], result: Any, inputs: Mapping[str, Any], layer: Any) -> tuple[str, ...]:
    """The same where some are computed in the `return`: these are of the inputs that are left, the first of each shape.

    Empty where a name has several owners, or none.
    """
    owners = [*inputs, *(name for name, _ in parameters_of(layer) if name not in inputs)]
    found = [[owner for owner in owners if _is_called_after(name, owner)] if name else [] for name in told]
    items = list(flat(result))
    if "" not in told or len(items) != len(told) or any(len(own) != 1 for own, n in zip(found, told, strict=True) if n):
        return ()
    named = {own[0] for own in found if own}
    left = {name: np.shape(x) for name, x in inputs.items() if name not in named}
    order = []
    for own, item in zip(found, items, strict=True):
        fitting = own or [name for name, shape in left.items() if shape == np.shape(item)]
        if not fitting:
            return ()
        left.pop(fitting[0], None)
        order.append(fitting[0])
    return tuple(order) if named and len(set(order)) == len(order) else ()


def _is_of_another(gradient: str, owners: Sequence[str]) -> bool:
    """Whether a gradient is called after something that is none of these: `dZ` where forward is given `A`."""
    if names_gradients(gradient) or names_gradients(f"{gradient}s"):  # of nothing by name
        return False
    own, stems = stem(gradient), list(map(stem, owners))
    plain_name = own in ("x", "in", "input", "inputs", "out") or not is_named_as_gradient(gradient)
    return not plain_name and not any(name.startswith(own) or own.startswith(name) for name in stems)


def _of_some(returned: Sequence[str], inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """The inputs that gradients are named after, `dMean` after `t_mean`; empty where that is not plain."""
    meant = [[n for n in inputs if stem(n) == stem(g) or _ends_with(stem(n), stem(g))] for g in returned]
    named = all(map(is_named_as_gradient, returned)) and all(len(owners) == 1 for owners in meant)
    owners = tuple(owners[0] for owners in meant) if named else ()
    return owners if len(set(owners)) == len(owners) > 1 else ()


def _ends_with(name: str, end: str) -> bool:
    return len(end) > 2 and name.endswith(end)


def _of_a_parameter(
    cls: type, interface: Interface, result: Any, inputs: Mapping[str, Any], layer: Any
) -> tuple[str, ...]:
    """The parameter that alone has the shape of what a backward returns which ends: that goes to no layer before."""
    items = list(flat(result)) if interface.ends else []
    shapes = [np.shape(x) for x in (*inputs.values(), *items)]
    made = reads_and_writes(cls, interface.forward)[1]
    own = {name: np.shape(a) for name, a in parameters_of(layer) if name not in made and not is_named_as_gradient(name)}
    mine = [name for name, shape in own.items() if len(items) == 1 and shape == shapes[-1]]
    return (mine[0],) if len(mine) == 1 and shapes.count(shapes[-1]) == 1 else ()


def _by_shape_or_place(
    cls: type, interface: Interface, result: Any, inputs: Mapping[str, Any], layer: Any
) -> tuple[str, ...]:
    """Whose each returned gradient is by its shape; empty where they are the inputs' in their order."""
    handed = (pair for name, item in inputs.items() if isinstance(item, dict) for pair in arrays_in(name, item))
    known = (*((name, a) for name, a in parameters_of(layer) if not is_residual(name)), *handed)
    noted = attributes_of(layer).get(GRADIENTS, {})  # backward made a step with these, say
    parameters = {name: a for name, a in known if name not in noted and not is_named_as_gradient(name)}
    items = list(flat(result))
    floats = [name for name, x in inputs.items() if is_float_array(x) or isinstance(x, float)]
    if len(items) == len(floats) == 1:  # before it may stand whole numbers
        return () if floats[0] == next(iter(inputs)) else (floats[0],)
    fits = _fit(items, [*inputs.values()])
    holds_places = any(g is None for g in items)  # of those that need no gradient
    by_place = () if floats == [*inputs][: len(floats)] else tuple(floats)  # whole numbers need none
    if len(items) == len(floats) and not holds_places and _fit(items, [inputs[name] for name in floats]):
        return by_place
    shapes = {np.shape(inputs[name]) for name in floats}
    is_open = len(items) == 1 and shapes == {np.shape(items[0])}  # a run tells whose it is
    if len(items) == 1 and not is_open and (some := floats or [*inputs]) and names_label(some[0]):
        return tuple([name for name in some if not names_label(name)][:1])
    if len(items) <= len(inputs) and (fits or holds_places):
        return ()
    if len(items) == 1:  # of the first, or of the only one that has its shape
        fitting = [name for name in floats if np.shape(inputs[name]) == np.shape(items[0])]
        return tuple(fitting) if len(fitting) == 1 else ()
    order = _by_shapes(items, {name: inputs[name] for name in floats}, parameters)
    if len(items) == len(floats):  # one for each input: in another order, or by place and of a wrong shape
        of_parameters = len(items) > 1 and {*order} <= {*parameters}
        return tuple(order) if sorted(order) == sorted(floats) or of_parameters else by_place
    order = _in_between(order, [*inputs])
    left = [name for name in parameters if name not in order]
    if any(order) and not any(np.ndim(item) for name, item in zip(order, items, strict=True) if not name):
        read = reads_and_writes(cls, interface.forward)[0]
        alone = [name for name, item in attributes_of(layer).items() if is_number(item) and name in read]
        own = alone[0] if len(alone) == order.count("") == 1 else ""  # else `db = 0` is no gradient of an array
        return tuple(name or own for name in order)
    if not any(order) or order.count("") > len(left):  # of the constructor's numbers, say: whose they are is not known
        told_apart = len({np.shape(item) for item in items}) > 1
        return () if fits and told_apart else ("",) * len(items)
    return tuple(name or left.pop(0) for name in order)


def _fit(gradients: Sequence[Any], values: Sequence[Any]) -> bool:
    """Whether gradients have the shapes of these values, place by place, as far as both go."""
    return all(g is None or np.shape(g) == np.shape(x) for g, x in zip(gradients, values, strict=False))


def _in_between(order: list[str], names: Sequence[str]) -> list[str]:
    """The order with the inputs at the places of what fits nothing, where all others are inputs in their order."""
    known = [(place, name) for place, name in enumerate(order) if name]
    if len(order) > len(names) or len(known) < 2 or any(names[place] != name for place, name in known):
        return order
    return [*names[: len(order)]]


def _by_shapes(items: Sequence[Any], inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """Whose each gradient is by its shape, inputs first, each once; "" where it fits nothing."""
    left, mine, order = list(inputs), dict(parameters), list[str]()
    for i, gradient in enumerate(items):
        fitting = [n for n in left if np.shape(inputs[n]) == np.shape(gradient)]
        owners = [n for n, a in mine.items() if np.shape(a) == np.shape(gradient)]
        if fitting and not (owners and i and len(left) < len(inputs)):
            order.append(fitting[0])
            left.remove(fitting[0])
        elif owners:
            order.append(owners[0])
            del mine[owners[0]]
        else:
            order.append("")
    return order


def is_finite(output: Any) -> bool:
    """Whether an output is made of finite numbers."""
    try:
        return bool(np.all(np.isfinite(output)))
    except TypeError:
        return False


def differs(value: Any, gradient: Any) -> bool:
    """Whether a gradient that is there has another shape than its value."""
    is_float = isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
    return is_float and gradient is not None and np.shape(value) != np.shape(gradient)


def may_mean(shape: tuple[int, ...], returned: tuple[int, ...], name: str, first: bool) -> bool:
    """Whether an input of this shape may have been chosen where one as its gradient was meant.

    The first input was repeated along an axis of 1, or lacks axes in front, those of a mask; another has rows,
    `(3, 4)` for `(4,)`, or no axes of 1, `(4,)` for `(1, 4)`, or more axes than `h.reshape(N, 1, H)` asks for,
    `(3, 2, 4)` for `(3, 8)`. A gradient with more numbers than its input is one that is not summed, and a number alone
    one that is summed too much: these are wrong. Data whose name is none of a parameter may lack axes in front, too.
    """
    if not first and not stands_for(name) and 0 < len(shape) < len(returned):
        return returned[-len(shape) :] == shape
    if first and len(returned) > len(shape):
        return returned[-len(shape) :] == shape or [n for n in returned if n > 1] == [n for n in shape if n > 1]
    if first:
        return len(shape) == len(returned) and all(a in (1, b) for a, b in zip(shape, returned, strict=True))
    if 1 < len(returned) < len(shape) and np.prod(returned) == np.prod(shape):
        return True
    if not returned or np.prod(returned) > np.prod(shape):
        return False
    pairs = zip(reversed(shape), reversed(returned), strict=False)
    return len(returned) > len(shape) or all(b in (1, a) for a, b in pairs)


def of_items(interface: Interface, result: Any, names: Sequence[str]) -> tuple[str, ...]:
    """Whose each gradient is that backward returns for `*args`, where forward takes other arguments before them."""
    items = [name for name in names if "[" in name]
    number = len(result) if isinstance(result, tuple | list) else 1
    return tuple(items[:number]) if EACH in interface.roles and number <= len(items) < len(names) else ()
