"""Where a layer leaves what it gives: its output and its inputs' gradients, and whose each returned gradient is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.adapt import source
from dout.adapt.argument_names import names_gradients, names_label, stands_for
from dout.adapt.interface.held_values import places_of
from dout.adapt.interface.interface import DOUT, SHARED, Interface
from dout.adapt.interface.learned_gradients import KEPT, arrays_in, is_float_array, is_number, parameters_of
from dout.adapt.interface.method_pairs import is_static, reads_and_writes, required
from dout.adapt.interface.network_loss import loss_of
from dout.adapt.source.attribute_reads import attributes_always_set
from dout.run import attributes_of, flat
from dout.trace.session.pairing import GRADIENTS, is_named_as_gradient, is_residual, stem


def output_left(layer: Any, held: set[str], names: Sequence[str]) -> str | None:
    """The attribute in which forward has left its output."""
    held_now = attributes_of(layer).items()
    new = [n for n, item in held_now if is_float_array(item) and n != KEPT and not is_named_as_gradient(n)]
    fresh = [n for n in new if n not in held and n not in names]
    likely = ("output", "outputs", "out", "activations", "activation", "a", "y", "result", "value", "loss")
    order = [n for n in likely if n in new] or [n for n in reversed(fresh) if n not in ("inputs", "input", "x", "X")]
    return order[0] if order else None


_INLET = re.compile(
    r"delta|diff|d?_?(out|output|y)_?(grad|delta)?|grad(ient)?s?|errors?|d(out|output|y)", re.IGNORECASE
)


def inlet_of(layer: Any, outputs: Sequence[Any], inputs: Mapping[str, Any]) -> str | None:
    """The attribute into which the next layer would put the upstream gradient: forward leaves zeros for it there."""
    held = {n: item for n, item in attributes_of(layer).items() if is_float_array(item) and _INLET.fullmatch(n)}
    shapes = [np.shape(outputs[0]), *map(np.shape, inputs.values())]
    fitting = [n for n, item in held.items() if np.shape(item) in shapes and not np.any(item)]
    return fitting[0] if fitting and len(outputs) == 1 else None


def gradients_left(
    cls: type,
    interface: Interface,
    layer: Any,
    seen: Mapping[str, int],
    inputs: Mapping[str, Any],
    douts: Sequence[Any],
) -> tuple[str, ...]:
    """The attributes in which backward has left the inputs' gradients; called so, where it returned some of others.

    What arrived may be kept, too: `self.in_gradient = in_gradient`. The target of a network has none: ""; one there
    that is called after a parameter of its shape is that one's.
    """
    attributes = attributes_of(layer)
    network, made = loss_of(cls), _written_by_forward(cls, interface)
    held = ((n, x) for n, x in parameters_of(layer) if n not in made and not is_named_as_gradient(n))
    own = {(stem(n), np.shape(x)) for n, x in held if network is not None}
    new = {n: g for n, g in attributes.items() if is_float_array(g) and seen.get(n) != id(g)}
    left = {n: g for n, g in new.items() if not any(g is dout for dout in douts)} or new
    if GRADIENTS in attributes:
        left = {n: g for n, g in left.items() if is_named_as_gradient(n)}
    found = []
    for name, value in inputs.items():
        if network is not None and name == network.target:
            found.append("")
            continue
        fitting = [
            n for n, g in left.items() if np.shape(g) == np.shape(value) and n not in found and is_float_array(value)
        ]
        likely = [n for n in fitting if stem(n) in (stem(name), "x", "in", "input", "inputs")]
        likely = likely or [n for n in fitting if not (is_named_as_gradient(n) and (stem(n), np.shape(value)) in own)]
        if not likely and is_float_array(value):  # of another shape: a wrong one
            likely = [n for n in left if is_named_as_gradient(n) and stem(n) == stem(name) and n not in found]
        if not likely:
            break
        found.append(likely[0])
    return tuple(found) if any(found) else ()


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
        _by_list(returned, result, layer, _written_by_forward(cls, interface))
        or _by_parts(result, layer)
        or _by_name(returned, result, inputs, layer, attributes_always_set(getattr(cls, interface.forward, None)))
    )
    if called and not set(called) <= set(inputs):
        return called
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


def are_guessed(interface: Interface, gradients: Sequence[Any], inputs: Mapping[str, Any], layer: Any) -> bool:
    """Whether returned gradients were given to inputs and parameters by place alone: some fit several, or none.

    Names tell: `return dW, db`, and a shape that only one of them has.
    """
    returned = _names_returned(interface, type(layer), inspect.unwrap(type(layer).backward))
    if not interface.order or set(interface.order) <= {*inputs}:
        return False
    if len(returned) != len(interface.order) or all(map(_is_called_after, returned, interface.order)):
        return False  # a dict has keys
    if all(owner.endswith("[]") for owner in interface.order):  # lists, of shapes that may be those of one alone
        lists = [x for x in attributes_of(layer).values() if isinstance(x, list) and all(map(is_float_array, x))]
        own = [[*map(np.shape, attributes_of(layer)[owner.removesuffix("[]")])] for owner in interface.order]
        return any([[*map(np.shape, item)] for item in lists].count(shapes) > 1 for shapes in own)
    shapes = [np.shape(x) for x in inputs.values()]
    shapes += [np.shape(x) for name, x in parameters_of(layer) if not is_named_as_gradient(name)]
    return any(g is not None and shapes.count(np.shape(g)) != 1 for g in gradients)


def _is_called_after(gradient: str, owner: str) -> bool:
    return is_named_as_gradient(gradient) and stem(gradient) == stem(owner.removesuffix("[]"))


def _written_by_forward(cls: type, interface: Interface) -> set[str]:
    """The attributes that forward makes anew: no parameters."""
    network = loss_of(cls)
    return reads_and_writes(cls, network.forward if network is not None else interface.forward)[1]


def _by_list(names: Sequence[str], result: Any, layer: Any, written: Collection[str]) -> tuple[str, ...]:
    """The parameters in lists whose gradients are in lists called after them, or of their shapes, one for one."""
    lists = [name for name, item in attributes_of(layer).items() if isinstance(item, list) and name not in written]
    held = {stem(name): name for name in reversed(lists)}
    owners = [held.get(stem(name), "") for name in names]
    if not all(owners) and isinstance(result, tuple) and all(isinstance(part, list) for part in result):
        shapes = {name: [*map(np.shape, attributes_of(layer)[name])] for name in held.values()}
        fitting = [[name for name, own in shapes.items() if own == [*map(np.shape, part)]] for part in result]
        owners = [names[0] if len(names) == 1 else "" for names in fitting]
    if not (owners and all(owners) and isinstance(result, tuple) and len(result) == len(owners)):
        return ()
    pairs = [(attributes_of(layer)[owner], g) for owner, g in zip(owners, result, strict=True)]
    fits = all(isinstance(g, list) and len(items) == len(g) for items, g in pairs)
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


def outputs_meant(cls: type, interface: Interface, number: int) -> tuple[int, ...]:
    """The places of the outputs that backward wants upstream gradients of, of so many: by name, else the first ones.

    `backward(dy2)` of `return y1, y2` means the second.
    """
    backward = getattr(cls, interface.backward)
    wanted = required(backward, bound=not isinstance(inspect.getattr_static(cls, interface.backward), staticmethod))
    called = [stem(name) for name, role in zip(wanted, interface.roles, strict=False) if role == DOUT]
    returned = [stem(name) for name in source.returned_by(getattr(cls, interface.forward))[:number]]
    if len(set(returned)) == number and len(set(called)) == len(called) and set(called) <= set(returned):
        return tuple(map(returned.index, called))
    return tuple(range(len(called)))


def with_several_uses(cls: type, interface: Interface, number: int) -> Interface | None:
    """The interface for upstream gradients of several uses of one output, which share it.

    Those of one output are called alike: `backward(dh, dh_next, dc_next)` of `return h, c`. None where they are not.
    Of `return h` all are: `backward(dout, dh_next)`.
    """
    names = required(getattr(cls, interface.backward), bound=not is_static(cls, interface.backward))
    uses: list[str] = []
    roles = []
    for name, role in zip(names, interface.roles, strict=False):
        first = stem(name)[:1] if number > 1 else ""
        again = role == DOUT and first in uses
        uses += [first] if role == DOUT and not again else []
        roles.append(f"{SHARED}{uses.index(first) + 1}" if again else role)
    return (
        replace(interface, roles=tuple(roles)) if len(uses) == number and len(roles) == len(interface.roles) else None
    )


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
    fits = all(g is None or np.shape(g) == np.shape(x) for g, x in zip(items, inputs.values(), strict=False))
    if len(items) <= len(inputs) and fits:
        return ()
    if len(items) == 1 and floats and names_label(floats[0]):  # `loss(y_true, y_pred)`
        return tuple([name for name in floats if not names_label(name)][:1])
    if len(items) == 1:  # of the first, or of the only one that has its shape
        fitting = [name for name in floats if np.shape(inputs[name]) == np.shape(items[0])]
        return tuple(fitting) if len(fitting) == 1 else ()
    order = _by_shapes(items, {name: inputs[name] for name in floats}, parameters)
    if len(items) == len(floats):  # one for each input: in another order, or by place and of a wrong shape
        of_parameters = len(items) > 1 and {*order} <= {*parameters}
        return tuple(order) if sorted(order) == sorted(floats) or of_parameters else ()
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
