"""A network whose loss stands apart, `forward(X)`, `cost(A, Y)`, `backward(X, Y)`: the layer `cost(forward(X), Y)`."""

from __future__ import annotations

import functools
import inspect
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from dout.adapt.argument_names import names_label, names_loss, names_output, names_plain_upstream
from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.interface.method_pairs import is_static, loss_names, pairs_of, required

_made: WeakKeyDictionary[type, type] = WeakKeyDictionary()


class NetworkLoss(NamedTuple):
    """The methods of a network: its forward and the loss of what that gives; and what backward calls the target."""

    forward: str
    loss: str
    target: str


def with_loss(cls: type) -> type:
    """The class with a method that is the loss of its forward, where its backward takes the target; else itself."""
    try:
        if cls not in _made:
            _made[cls] = _joined(cls) or cls
    except TypeError:  # a metaclass that does not hash
        return cls
    return _made[cls]


def loss_of(cls: type) -> NetworkLoss | None:
    """How the loss of a class was joined to its forward; None where it was not."""
    return vars(cls).get("dout_loss")


def _joined(cls: type) -> type | None:
    pair = _pair(cls)
    if pair is None:
        return None
    ahead, back = pair
    taken, asked = _required(cls, ahead), _required(cls, back)
    targets = [name for name in asked if names_label(name) and name not in taken]
    if len(targets) != 1 or any(map(names_label, taken)) or any(map(names_plain_upstream, asked)):
        return None
    for name in loss_names(cls):
        places = _required(cls, name)
        labels = [place for place in places if names_label(place) and not names_output(place)]
        if len(places) == 2 and len(labels) == 1:
            return _class_with(cls, pair, NetworkLoss(ahead, name, targets[0]), places.index(labels[0]))
    return None


def _pair(cls: type) -> tuple[str, str] | None:
    """The forward of a class that is no loss, and its backward."""
    if hasattr(cls, "dout_interface"):
        return None
    return next((pair for pair in pairs_of(cls) if not names_loss(pair[0]) and pair[0] != pair[1]), None)


def _required(cls: type, name: str) -> list[str]:
    return required(getattr(cls, name), bound=not is_static(cls, name))


def _class_with(cls: type, pair: tuple[str, str], how: NetworkLoss, place: int) -> type:
    """The class with the joined method, whose arguments are those of forward and then the target."""
    ahead, back = pair
    written = inspect.getattr_static(cls, ahead)
    written = written.__func__ if isinstance(written, staticmethod | classmethod) else written

    @functools.wraps(written)
    def joined(self: Any, *inputs: Any) -> Any:
        result = getattr(self, ahead)(*inputs[:-1])
        given, *rest = result if isinstance(result, tuple) else (result,)
        value = getattr(self, how.loss)(*((inputs[-1], given) if place == 0 else (given, inputs[-1])))
        return (value, *rest) if rest else value

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = ["self", *_required(cls, ahead), how.target]
    joined.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    name = f"{how.loss}_of_{ahead}"
    kept = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    made: type = type(cls)(cls.__name__, (cls,), {**kept, name: joined, PAIR: (name, back), "dout_loss": how})
    return made
