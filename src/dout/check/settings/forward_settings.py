"""The arguments of forward and backward as the user wrote them, and settings that both of them take."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from types import FunctionType
from typing import Any

from dout.adapt.argument_names import taken_by
from dout.adapt.interface.adapted_layer import as_layer, is_adapted, layer_class, users_class
from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.interface.interface import Interface
from dout.check.exact.subject import Subject


def taken_in(subject: Subject, method: str) -> list[inspect.Parameter]:
    """The arguments of a method as the user wrote it, but the instance."""
    layer = type(subject.again())
    called = getattr(subject.interface, method) if subject.interface else method
    function = getattr(layer, method if method == "forward" else called, None)
    taken = taken_by(getattr(function, "__wrapped__", function))
    return taken if hasattr(layer, PAIR) and [p.name for p in taken[:1]] != ["self"] else taken[1:]


def with_default(subject: Subject, name: str, value: Any, fixed: Mapping[str, Any]) -> Subject:
    """The layer whose forward, and whose backward if it has that argument, too, have another default for one.

    A recording has no place for a word among the inputs. `fixed` is what an adapter gives to forward, by name.
    """
    layer, interface = type(subject.again()), subject.interface or Interface()
    users = users_class(layer)
    made: dict[str, Any] = {"__module__": users.__module__, "__qualname__": users.__qualname__}
    for method in (interface.forward, interface.backward):
        written = inspect.getattr_static(users, method)
        function = getattr(written, "__func__", written)
        if type(function) is FunctionType and name in inspect.signature(function).parameters:
            other = _with_default(function, name, value)
            made[method] = other if written is function else type(written)(other)
    own: Any = type(users)(users.__name__, (users,), made)
    if is_adapted(layer):
        given = {*fixed, *subject.names[: len(subject.inputs)]}
        own = layer_class(own, interface, [p.name for p in taken_in(subject, "forward") if p.name in given], fixed)
    return replace(subject, make=lambda: as_layer(subject.make(), own))


def _with_default(function: FunctionType, name: str, value: Any) -> FunctionType:
    """The function with another default for an argument: of all arguments, also those that a signature hides."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    last = dict(zip(reversed(names), reversed(function.__defaults__ or ()), strict=False))
    defaults = tuple(value if n == name else last[n] for n in names if n in last)
    other = FunctionType(function.__code__, function.__globals__, function.__name__, defaults, function.__closure__)
    other.__kwdefaults__ = {n: value if n == name else x for n, x in (function.__kwdefaults__ or {}).items()}
    taken = inspect.signature(function).parameters.values()
    given = [p.replace(default=value) if p.name == name else p for p in taken]
    other.__dict__.update({**function.__dict__, "__signature__": inspect.Signature(given)})
    other.__module__, other.__qualname__, other.__doc__ = function.__module__, function.__qualname__, function.__doc__
    return other
