"""Where a layer leaves what it gives, its output and its gradients; which outputs backward is for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.adapt import source
from dout.adapt.argument_names import names_label
from dout.adapt.interface.interface import CACHE, DOUT, FIRST, SHARED, Interface
from dout.adapt.interface.learned_gradients import KEPT, is_float_array, parameters_of
from dout.adapt.interface.method_pairs import reads_and_writes, required, required_by
from dout.adapt.interface.network_loss import loss_of
from dout.adapt.source.returned_names import returns_what_it_makes_of
from dout.run import arrays, attributes_of
from dout.trace.session.pairing import GRADIENTS, is_named_as_gradient, stem


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
    that is called after a parameter of its shape is that one's. A label has one only if something is left for it.
    """
    attributes = attributes_of(layer)
    network, made = loss_of(cls), written_by_forward(cls, interface)
    held = ((n, x) for n, x in parameters_of(layer) if n not in made and not is_named_as_gradient(n))
    own = {(stem(n), np.shape(x)) for n, x in held if network is not None}
    new = {n: g for n, g in attributes.items() if is_float_array(g) and seen.get(n) != id(g)}
    left = {n: g for n, g in new.items() if not any(g is dout for dout in douts)} or new
    if GRADIENTS in attributes:
        left = {n: g for n, g in left.items() if is_named_as_gradient(n)}
    found: dict[str, str] = {}
    for name in sorted(inputs, key=names_label):
        if network is not None and name == network.target:
            continue
        value, taken = inputs[name], found.values()
        fitting = [
            n for n, g in left.items() if np.shape(g) == np.shape(value) and n not in taken and is_float_array(value)
        ]
        likely = [n for n in fitting if stem(n) in (stem(name), "x", "in", "input", "inputs")]
        if network is not None and np.shape(inputs.get(network.target, ())) == np.shape(value):
            fitting = []  # as the gradient of its output has, which every backward of a network begins with
        likely = likely or [n for n in fitting if not (is_named_as_gradient(n) and (stem(n), np.shape(value)) in own)]
        if not likely and is_float_array(value):  # of another shape: a wrong one
            likely = [n for n in left if is_named_as_gradient(n) and stem(n) == stem(name) and n not in taken]
        if not likely:
            break
        found[name] = likely[0]
    last = max((place for place, name in enumerate(inputs) if name in found), default=-1)
    return tuple(found.get(name, "") for name in [*inputs][: last + 1])


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
    names = required_by(cls, interface.backward)
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


def written_by_forward(cls: type, interface: Interface) -> set[str]:
    """The attributes that forward makes anew: no parameters."""
    network = loss_of(cls)
    return reads_and_writes(cls, network.forward if network is not None else interface.forward)[1]


def reads_nothing(cls: type, layer: Any, forward: str) -> bool:
    """Whether forward reads weights of (0, 5), say: the sizes are too small. Others keep no numbers on purpose."""
    empty = {path.split(".")[1].split("[")[0] for path, x in arrays(layer).items() if x.ndim > 1 and not x.size}
    reads, writes = reads_and_writes(cls, forward) if empty else (set[str](), set[str]())
    return not empty.isdisjoint(reads - writes)


def has_gradients(layer: Any, owned: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
    """Whether there is a gradient of anything: `owned` are those that backward returned, by what they are for."""
    given = {name: gradient for name, gradient in owned.items() if gradient is not None}
    if any(name in inputs for name in given) or GRADIENTS in attributes_of(layer):
        return True
    if any(np.shape(given[name]) == np.shape(item) for name, item in parameters_of(layer) if name in given):
        return True
    held = (path.rpartition(".")[2] for path in arrays(layer))  # of its parts, too
    return any(map(is_named_as_gradient, (*attributes_of(layer), *held)))


def shapes_meant(layer: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of gradients that fit no parameter of their names: in another example there may be such."""
    held, found = attributes_of(layer), {}
    for name, gradient in held.items():
        others = {n: a for n, a in held.items() if n != name and not is_named_as_gradient(n)}
        is_one = is_named_as_gradient(name) or stem(name) in others  # `dgain` beside `gain`
        if is_one and (is_float_array(gradient) or isinstance(gradient, np.floating)):
            alike = {n: a for n, a in others.items() if stem(n) == stem(name)}
            mine = {n: a for n, a in alike.items() if isinstance(a, float) or is_float_array(a)}
            if mine and all(np.shape(a) != np.shape(gradient) for a in mine.values()):
                found.update(dict.fromkeys(mine, np.shape(gradient)))
    return found


def other_readings(cls: type, interface: Interface) -> Iterator[Interface]:
    """Other interfaces that the code allows: what was taken for a cache is the output, or another output is meant.

    Forward and backward have to call that output by one name, `return z, np.tanh(z)` and `backward(z)`: of
    `return out, x` a backward that hands its argument on would be right for x.
    """
    asked = required_by(cls, interface.backward)
    caches = [name for name, role in zip(asked, interface.roles, strict=False) if role == CACHE]
    is_one = len(caches) == 1 and FIRST not in interface.roles
    if is_one and returns_what_it_makes_of(getattr(cls, interface.forward), caches[0]):
        yield replace(interface, roles=tuple(FIRST if role == CACHE else role for role in interface.roles), order=())
    if interface.outputs == (0,):
        yield from (replace(interface, outputs=(place,), order=()) for place in (1, 2))
