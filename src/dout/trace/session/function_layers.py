"""Functions that are a layer together, `forward_propagation` and `backward_propagation`: calls of them as of one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

from dout.run import attributes_of


class PairedFunctions(NamedTuple):
    """The names of a forward function and of its backward, and whether that is given the upstream gradient."""

    forward: str
    backward: str
    takes_dout: bool = True


PairsOf = Callable[[Mapping[str, Any]], Iterator[PairedFunctions]]


def no_pairs(names: Mapping[str, Any]) -> Iterator[PairedFunctions]:
    """The pairs of functions in a namespace, where they are not looked for."""
    yield from ()


class FunctionLayer:
    """What stands for the layer that two functions are: what they are given, or return, are its attributes."""

    def hold(self, arguments: Mapping[str, Any]) -> None:
        """Hold what forward is given; the parts of a dict by their keys."""
        own = attributes_of(self)
        own.clear()
        for name, item in arguments.items():
            own.update({str(key): part for key, part in item.items()} if isinstance(item, dict) else {name: item})

    def receive(self, result: Any, names: str | Sequence[str | None] | None) -> None:
        """Hold what backward returned, the parts of a tuple by the names that the caller gives them."""
        own = attributes_of(self)
        own.clear()
        if isinstance(result, dict):
            own["grads"] = dict(result)
        elif isinstance(result, tuple | list) and not isinstance(names, str):
            own.update({name: part for name, part in zip(names or (), result, strict=False) if name})
        elif isinstance(names, str):
            own[names] = result


def function_layer(forward: FunctionType, backward: FunctionType) -> type[FunctionLayer]:
    """A class that is called as the forward function is, and whose methods are the two."""
    methods = {"forward": _method(forward), "backward": _method(backward), "__module__": forward.__module__}
    return type(forward.__name__, (FunctionLayer,), methods)


def _method(function: FunctionType) -> Any:
    """A function as a method: the instance is no argument of its own."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    functools.update_wrapper(method, function)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = inspect.Signature([own, *inspect.signature(function).parameters.values()])  # type: ignore[attr-defined]
    return method
