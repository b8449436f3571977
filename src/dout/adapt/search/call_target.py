"""What a target takes, by name and by place, and how to call it: a class, a layer or a function."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dout.adapt.interface.adapted_layer import as_layer
from dout.adapt.interface.interface import Interface, pairs_of
from dout.adapt.search.refusals import name_of
from dout.adapt.source import switches_for
from dout.errors import TargetError
from dout.run import copied, deep_copy, fresh
from dout.trace.model.user_source import behind


def has_both(cls: type) -> bool:
    """Whether a class has a forward and a backward, whatever they are called."""
    return bool(pairs_of(cls))


def forward_of(target: Any) -> Any:
    """What a target's inputs are given to: its forward, whatever that is called, or the function itself."""
    cls = target if inspect.isclass(target) else type(target)
    pairs = [] if inspect.isroutine(target) else pairs_of(cls)
    return behind(getattr(target, pairs[0][0]) if pairs else getattr(target, "forward", target))


def inputs_of(target: Any, interface: Interface | None = None) -> list[inspect.Parameter]:
    """The arguments of its forward that are inputs: neither `self` nor a context.

    A `__call__` of `*args` hands them on to the forward.
    """
    known = interface is not None and not hasattr(target, "dout_interface")
    found = taken_by(behind(getattr(target, interface.forward)) if known and interface else forward_of(target))
    if known and hasattr(target, "forward") and not any(is_named(p) for p in found if p.name != "self"):
        found = taken_by(behind(target.forward))
    return [p for i, p in enumerate(found) if p.name != "self" and not (i == 0 and p.name in ("ctx", "context"))]


def taken_by(function: Any) -> list[inspect.Parameter]:
    """The arguments of a function or a constructor; none where Python cannot say.

    A constructor of `*args, **kwargs` hands them on: they are those of the class above.
    """
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    above = [base for base in function.__mro__[1:] if "__init__" in vars(base)] if inspect.isclass(function) else []
    kinds = {p.kind for p in found}
    if above[:-1] and kinds == {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return taken_by(above[0]) or found
    return found


def not_given(target: Any, init: Mapping[str, Any]) -> list[str]:
    """The constructor arguments that must be given, and are not."""
    if not inspect.isclass(target):
        return []
    wanted = taken_by(target)
    return [p.name for p in wanted if p.default is p.empty and p.name not in init and is_named(p)]


def is_named(parameter: inspect.Parameter) -> bool:
    """Whether it is one argument, and not any number of them."""
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def placed(key: str, parameters: list[inspect.Parameter]) -> str:
    """An input given without a name is for the argument in its place."""
    return parameters[int(key)].name if key.isdigit() and int(key) < len(parameters) else key


def refuse_unknown(target: Any, parameters: list[inspect.Parameter], named: Mapping[str, Any]) -> None:
    """Raise TargetError where inputs are named that forward does not take."""
    names = {p.name: None for p in parameters}
    if all(map(is_named, parameters)) and set(named) - set(names):
        takes = ", ".join(names) or "nothing"
        raise TargetError(f"{name_of(target)}.forward takes {takes}, not {', '.join(sorted(set(named) - set(names)))}")


def switched_on(target: Any, interface: Interface | None) -> dict[str, bool]:
    """The flags of forward without which backward would find nothing."""
    cls = target if inspect.isclass(target) else type(target)
    if inspect.isroutine(target) or not has_both(cls) or hasattr(cls, "dout_interface"):
        return {}
    forward = getattr(target, interface.forward) if interface else forward_of(target)
    return dict.fromkeys(switches_for(behind(forward)), True)


def passed(parameters: list[inspect.Parameter], named: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """How to pass them: by place, with the defaults of those left out before; by name what goes by name only."""
    if not any(p.name in named for p in parameters) and any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return list(named.values()), {}
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    while places and places[-1].name not in named:
        places.pop()
    ordered = [named.get(p.name, p.default) for p in places]
    names = {p.name for p in places}
    return ordered, {key: value for key, value in named.items() if key not in names}


def arguments(target: Any, inputs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """How to pass inputs, by name, to a target's forward: a list by place, and the rest by name."""
    return passed(inputs_of(target), inputs)


def instance(target: Any, init: Mapping[str, Any], cls: type) -> Any:
    """A layer of its own: of the class as it is called here, or a copy of the instance that was given."""
    return fresh(cls, init) if inspect.isclass(target) else as_layer(deep_copy(target), cls)


def copies(values: Mapping[str, Any]) -> dict[str, Any]:
    """Each a copy, so that a trial changes nothing of another."""
    return {key: copied(item) for key, item in values.items()}
