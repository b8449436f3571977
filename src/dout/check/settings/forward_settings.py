"""The arguments of forward and backward as the user wrote them, and settings that both of them take."""

from __future__ import annotations

import inspect
from dataclasses import replace

from dout.adapt.argument_names import taken_by
from dout.adapt.interface.adapted_layer import layer_class
from dout.adapt.interface.function_pairs import PAIR
from dout.check.exact.subject import Subject


def taken_in(subject: Subject, method: str) -> list[inspect.Parameter]:
    """The arguments of a method as the user wrote it, but the instance."""
    layer = type(subject.again())
    called = getattr(subject.interface, method) if subject.interface else method
    function = getattr(layer, method if method == "forward" else called, None)
    taken = taken_by(getattr(function, "__wrapped__", function))
    return taken if hasattr(layer, PAIR) and [p.name for p in taken[:1]] != ["self"] else taken[1:]


def told_both(subject: Subject, place: int, name: str) -> Subject | None:
    """The layer to which a setting of forward may be given so that backward gets it, too: `f(x, a=1)`, `df(x, a=1)`.

    None where that is not known: it is for pairs of functions, if the setting comes next in both.
    """
    interface, layer = subject.interface, type(subject.again())
    if interface is None or not hasattr(layer, PAIR) or place != len(subject.inputs):
        return None
    if not {name, f"{name}="} & {*interface.roles}:
        taken = [parameter.name for parameter in taken_in(subject, "backward")]
        if taken[len(interface.roles) :][:1] != [name]:
            return None
        interface = replace(interface, roles=(*interface.roles, name))
    names = (*subject.names[:place], name)
    make = layer_class(layer.__mro__[1], interface, names)
    return replace(subject, make=make, names=names)
