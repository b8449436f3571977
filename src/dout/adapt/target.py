"""What the user named, resolved once: a class, a layer or a function, with what it takes and where it is written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from types import FunctionType
from typing import Any

from dout.adapt.argument_names import any_number_of, is_named, taken_by
from dout.adapt.interface.adapted_layer import as_layer
from dout.adapt.interface.function_pairs import pair_of
from dout.adapt.interface.held_values import argument_name
from dout.adapt.interface.interface import Interface
from dout.adapt.interface.interface_candidates import meant_pairs
from dout.adapt.interface.method_pairs import forwards_of, is_static, pair_in_class
from dout.adapt.interface.network_loss import loss_of, with_loss
from dout.adapt.source import switches_for
from dout.errors import NotTakenError, TargetError
from dout.run import arrays, copied, deep_copy, fresh, is_class, quiet, vars_of
from dout.trace.model.user_source import behind


class Target:
    """A class, an instance of one, or a function, as the user `named` it; `cls` is the class itself, or its own."""

    def __init__(self, named: Any, *, joined: bool = True) -> None:
        """Take what was named; `joined`, with the loss that a backward from the target is the gradient of."""
        self.is_class = is_class(named)
        self.is_function = inspect.isroutine(named)
        own = named if self.is_class else type(named)
        self.cls: type = with_loss(own) if joined and not self.is_function else own
        self.named = self.cls if self.is_class else named

    @classmethod
    def of(cls, item: Any) -> Target:
        """The target of this name; a target is its own."""
        return item if isinstance(item, cls) else cls(item)

    @classmethod
    def alone(cls, item: Any) -> Target:
        """The target of this name as it is written: without the loss that may be joined to its forward."""
        target = cls.of(item)
        if loss_of(target.cls) is None:
            return target
        return cls(target.cls.__mro__[1] if target.is_class else target.named, joined=False)

    @classmethod
    def paired(cls, item: Any) -> Target:
        """The target of this name; a function together with the backward that its module has beside it."""
        return cls.of(pair_of(item) or pair_in_class(item) or item)

    @cached_property
    def name(self) -> str:
        """What a class, a function, or the class of an instance is called."""
        return getattr(self.named, "__qualname__", None) or self.cls.__qualname__

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """The names of forward and backward, whatever they are, the likeliest first; none of a function."""
        return [] if self.is_function else meant_pairs(self.cls)

    @property
    def has_both(self) -> bool:
        """Whether it has a forward and a backward."""
        return bool(self.pairs)

    @cached_property
    def forward_name(self) -> str:
        """What its forward is called, with or without a backward beside it; "" of a function."""
        if self.is_function:
            return ""
        plain = "forward" if hasattr(self.cls, "forward") else ""
        return self.pairs[0][0] if self.pairs else next(iter(forwards_of(self.cls)), plain)

    @cached_property
    def forward(self) -> Any:
        """What its inputs are given to: its forward, whatever that is called, or the function itself."""
        return behind(self._method(self.forward_name) if self.forward_name else self.named)

    def _method(self, name: str) -> Any:
        """A method of an instance or a class; the class may have more of them here than the instance."""
        return getattr(self.named if hasattr(self.named, name) else self.cls, name)

    def forward_alone(self, forward: str) -> type:
        """The class as one of a layer with this forward, and a backward that does nothing.

        Of a network whose loss was joined to its forward it is the user's own class, and forward without the loss.
        """
        network, cls = loss_of(self.cls), self.cls
        if network is not None and not hasattr(cls.__mro__[1], forward):
            cls, forward = cls.__mro__[1], network.forward
        own = {"forward": inspect.getattr_static(cls, forward), "backward": lambda self, *given, **named: None}
        return type(cls.__name__, (cls,), {**own, "__module__": cls.__module__})

    def inputs(self, interface: Interface | None = None) -> list[inspect.Parameter]:
        """The arguments of its forward that are inputs: neither `self` nor a context.

        A `__call__` of `*args` hands them on to the forward.
        """
        known = interface is not None and not hasattr(self.named, "dout_interface")
        if known and interface and interface.given:
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
            return [inspect.Parameter(argument_name(place), kind) for place in interface.given]
        found = taken_by(behind(self._method(interface.forward)) if known and interface else self.forward)
        if known and hasattr(self.named, "forward") and not any(is_named(p) for p in found if p.name != "self"):
            found = taken_by(behind(self.named.forward))
        return [p for i, p in enumerate(found) if p.name != "self" and not (i == 0 and p.name in ("ctx", "context"))]

    @cached_property
    def constructor(self) -> list[inspect.Parameter]:
        """The arguments of the constructor; none of what is built already, or never: both methods take no instance."""
        never = bool(self.pairs) and all(is_static(self.cls, name) for pair in self.pairs for name in pair)
        return taken_by(self.named) if self.is_class and not never else []

    def not_given(self, init: Mapping[str, Any]) -> list[str]:
        """The constructor arguments that must be given, and are not."""
        return [p.name for p in self.constructor if p.default is p.empty and p.name not in init and is_named(p)]

    def sizes_of_nothing(self, init: Mapping[str, Any]) -> list[str]:
        """The constructor arguments that are 0 where nobody gives them, if the layer holds empty arrays then."""
        zeros = [p.name for p in self.constructor if type(p.default) is int and not p.default and p.name not in init]
        if not zeros or self.not_given(init):
            return []
        try:
            with quiet():
                held = arrays(self.fresh(init)).values()
        except Exception:
            return []
        return zeros if any(not x.size for x in held) else []

    def builder(self, init: Mapping[str, Any]) -> Callable[[], Any]:
        """Return a function that gives a fresh instance of a class with these arguments, or what was named itself.

        Raises TargetError naming the arguments that are missing or unknown.
        """
        if not self.is_class:
            if init:
                raise TargetError(f"{self.name} is not a class: --init has nothing to build")
            return lambda: self.named
        unknown = set(init) - {p.name for p in self.constructor} if all(map(is_named, self.constructor)) else set()
        if unknown:
            raise TargetError(f"{self.name} has no argument {', '.join(sorted(unknown))}")
        if missing := self.not_given(init):
            raise self.needs(missing)
        return lambda: self.fresh(init)

    def needs(self, missing: list[str], why: str = "") -> NotTakenError:
        """The error that constructor arguments are missing."""
        short, give = f"{self.name} needs {', '.join(missing)}", " ".join(f"--init '{name}=…'" for name in missing)
        return NotTakenError(f"{short} to be built: give {give}{why}", short + why)

    def refuse_unknown(self, parameters: list[inspect.Parameter], given: Mapping[str, Any]) -> None:
        """Raise TargetError where inputs are named that forward does not take."""
        names = {p.name: None for p in parameters}
        unknown = ", ".join(sorted(set(given) - set(names)))
        if all(map(is_named, parameters)) and unknown:
            raise TargetError(f"{self.name}.forward takes {', '.join(names) or 'nothing'}, not {unknown}")

    def switched_on(self, interface: Interface | None) -> dict[str, bool]:
        """The flags of forward without which backward would find nothing."""
        if not self.has_both or hasattr(self.cls, "dout_interface"):
            return {}
        forward = behind(self._method(interface.forward)) if interface else self.forward
        return dict.fromkeys(switches_for(forward), True)

    def arguments(
        self, given: Mapping[str, Any], interface: Interface | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        """How to pass inputs, by name, to its forward: a list by place, and the rest by name.

        Of a layer whose forward takes none, they are those that the interface names.
        """
        return passed(self.inputs(interface if interface and interface.given else None), given)

    def fresh(self, init: Mapping[str, Any]) -> Any:
        """A layer that may be changed."""
        return fresh(self.named, init)

    def instance(self, init: Mapping[str, Any], cls: type) -> Any:
        """A layer of its own: of the class as it is called here, or a copy of the instance that was named."""
        return fresh(cls, init) if self.is_class else self.adapted_to(cls)

    def adapted_to(self, cls: type) -> Any:
        """What was named, as this class, in which it was adapted: the class itself, or a copy of the instance."""
        return cls if self.is_class else as_layer(deep_copy(self.named), cls)

    @cached_property
    def file(self) -> str | None:
        """The file in which the class is written."""
        try:
            return inspect.getsourcefile(self.cls)
        except Exception:  # it says that it is of another module, or raises
            methods = (item for item in vars_of(self.cls).values() if type(item) is FunctionType)
            return next((method.__code__.co_filename for method in methods), None)


def placed(key: str, parameters: list[inspect.Parameter]) -> str:
    """An input given without a name is for the argument in its place; `*inputs` take several."""
    if not key.isdigit() or int(key) >= len(parameters):
        return key
    there = parameters[int(key)]
    return key if there.kind is there.VAR_POSITIONAL else there.name


def passed(parameters: list[inspect.Parameter], named: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """How to pass them: by place, with the defaults of those left out before; by name what goes by name only."""
    any_number = any_number_of(parameters)
    if not any(p.name in named for p in parameters) and any_number:
        return list(named.values()), {}
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    while places and places[-1].name not in named:
        places.pop()
    ordered = [named.get(p.name, p.default) for p in places]
    names = {p.name for p in places} | {key for key in named if any_number and key.startswith(f"{any_number}[")}
    ordered += [named[key] for key in named if key in names and "[" in key]
    return ordered, {key: value for key, value in named.items() if key not in names}


def names_passed(parameters: list[inspect.Parameter], named: Mapping[str, Any]) -> list[str]:
    """The names of those that are passed by place: `x`, then `args[0]`, `args[1]` of `*args`."""
    numbered = [name for name in named if "[" in name]
    return [*(p.name for p in parameters if is_named(p) or not numbered), *numbered]


def copies(values: Mapping[str, Any]) -> dict[str, Any]:
    """Each a copy, so that a trial changes nothing of another."""
    return {key: copied(item) for key, item in values.items()}
