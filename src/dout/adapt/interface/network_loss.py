"""Networks with a loss apart: `forward(X)`, `cost(A, Y)` and `backward(X, Y)` are one layer, `cost(forward(X), Y)`.

Where no code computes the loss, it is one of those that everybody takes, if backward is right for it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from dout.adapt.argument_names import names_label, names_loss, names_output, names_plain_upstream
from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.interface.learned_gradients import RESULTS
from dout.adapt.interface.loss_calls import has_residual, loss_call
from dout.adapt.interface.method_pairs import PAIRS, as_static, is_static, loss_names, pairs_of, required
from dout.adapt.source.returned_names import returned_by
from dout.run import attributes_of
from dout.trace.model.user_source import behind
from dout.trace.tracer.traced import plain

_made: WeakKeyDictionary[type, type] = WeakKeyDictionary()


@dataclass(frozen=True)
class NetworkLoss:
    """A network: its forward, its loss, what backward calls the target, and whether the loss is only assumed.

    `taken` and `asked` are the arguments of forward and of backward, `results` the names of what forward returns.
    """

    forward: str
    backward: str
    target: str
    taken: Sequence[str]
    asked: Sequence[str]
    results: Sequence[str]
    loss: str = ""
    assumed: bool = False
    is_called: bool = False  # by backward itself: then it is meant for this loss

    @property
    def by_name(self) -> bool:
        """Whether backward is given what forward returns: `backward(A2, W1, X, Y)`."""
        return bool(set(self.asked) & set(self.results))


def with_loss(cls: type) -> type:
    """The class with a method that is the loss of its forward, where its backward takes the target; else itself.

    Functions in a class that take no instance are static.
    """
    try:
        if cls not in _made:
            own = as_static(cls)
            _made[cls] = _joined(own) or own
    except TypeError:  # a metaclass that does not hash
        return cls
    return _made[cls]


def loss_of(cls: type) -> NetworkLoss | None:
    """How the loss of a class was joined to its forward; None where it was not."""
    return vars(cls).get("dout_loss")


def _joined(cls: type) -> type | None:
    network = _network(cls)
    if network is None:
        return None
    for name in loss_names(cls):
        places = _required(cls, name)
        if network.forward in inspect.unwrap(_function(cls, name)).__code__.co_names:
            return None  # it runs forward by itself: `loss(X, Y)` is whole as it is
        labels = [place for place in places if names_label(place) and not names_output(place)]
        if len(places) == 2 and len(labels) == 1:
            first = places[0] == labels[0]
            return _class_with(cls, network, {name: _loss(name, first=first)})
    if (called := loss_call(cls, network.forward, network.target)) is not None:
        return _class_with(cls, network, {called.name: called})
    if network.by_name or has_residual(_function(cls, network.backward), network.target):
        return _class_with(cls, network, _ASSUMED)
    return None


def _network(cls: type) -> NetworkLoss | None:
    """A forward that is no loss, with a backward that takes the target, and else what forward is given or returns."""
    pairs = [] if hasattr(cls, "dout_interface") else pairs_of(cls)
    ahead, back = next((pair for pair in pairs if not names_loss(pair[0]) and pair[0] != pair[1]), ("", ""))
    if not ahead:
        return None
    taken, asked = _required(cls, ahead), _required(cls, back)
    results = [name for name in returned_by(_function(cls, ahead)) if name]
    targets = [name for name in asked if names_label(name) and name not in (*taken, *results)]
    if len(targets) != 1 or any(map(names_label, taken)) or any(map(names_plain_upstream, asked)):
        return None
    known = {*taken, *results, *targets}
    return NetworkLoss(ahead, back, targets[0], taken, asked, results if set(asked) <= known else ())


def _required(cls: type, name: str) -> list[str]:
    return required(getattr(cls, name), bound=not is_static(cls, name))


def _function(cls: type, name: str) -> Any:
    found = inspect.getattr_static(cls, name)
    return found.__func__ if isinstance(found, staticmethod | classmethod) else found


def _class_with(cls: type, network: NetworkLoss, losses: Mapping[str, Callable[..., Any]]) -> type:
    """The class with the methods that are the losses of its forward, and a backward that takes the target alone."""
    made: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    by_name = network.by_name
    own = _without_loss(_function(cls, network.backward))
    made |= {} if by_name else {network.backward: staticmethod(own) if is_static(cls, network.backward) else own}
    names = {f"{name}_of_{network.forward}": loss for name, loss in losses.items()}
    for name, loss in names.items():
        made[name] = _as_written(
            _forward(network, loss, by_name), cls, network.forward, (*network.taken, network.target)
        )
    if by_name:
        made[network.backward] = _as_written(_backward(cls, network), cls, network.backward, (network.target,))
    pairs = [(name, network.backward) for name in names]
    first = next(iter(losses))
    called = getattr(behind(_function(cls, network.backward)), "__code__", None)
    is_called = called is not None and first in called.co_names
    how = replace(network, loss=first, assumed=losses is _ASSUMED, is_called=is_called)
    new: type = type(cls)(cls.__name__, (cls,), {**made, PAIR: pairs[0], PAIRS: pairs, "dout_loss": how})
    return new


def _as_written(function: Any, cls: type, name: str, arguments: Sequence[str]) -> Any:
    """`function`, which says where the user's is written, and takes these arguments."""
    functools.update_wrapper(function, _function(cls, name))
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in ("self", *arguments)])
    return function


def _forward(network: NetworkLoss, loss: Callable[..., Any], by_name: bool) -> Any:
    def joined(self: Any, *inputs: Any) -> Any:
        result = getattr(self, network.forward)(*inputs[:-1])
        if by_name:
            items = result if isinstance(result, tuple) else (result,)
            named = zip(
                (*network.taken, *network.results, network.target), (*inputs[:-1], *items, inputs[-1]), strict=True
            )
            attributes_of(self)[RESULTS] = dict(named)
            return loss(self, items[-1], inputs[-1])
        given, *rest = result if isinstance(result, tuple) else (result,)
        value = loss(self, given, inputs[-1])
        return (value, *rest) if rest else value

    return joined


def _backward(cls: type, network: NetworkLoss) -> Any:
    names = returned_by(_function(cls, network.backward))

    def backward(self: Any, target: Any) -> Any:
        kept = attributes_of(self)[RESULTS]
        own = () if is_static(cls, network.backward) else (self,)
        found = getattr(cls, network.backward)(*own, *(kept[name] for name in network.asked))
        return dict(zip(names, found, strict=True)) if names and isinstance(found, tuple) else found

    return backward


def _without_loss(function: Any) -> Any:
    """A backward without the number that it may return: that is the loss, and no gradient of an array."""

    @functools.wraps(function)
    def backward(*args: Any, **keywords: Any) -> Any:
        result = function(*args, **keywords)
        return None if isinstance(plain(result), float | np.floating) else result

    return backward


def _loss(name: str, *, first: bool) -> Callable[..., Any]:
    """The user's loss, with the target `first` or last."""
    return lambda self, output, target: getattr(self, name)(*((target, output) if first else (output, target)))


def _ones_at(target: Any, output: Any) -> Any:
    """The target in the shape of an output; whole numbers as a 1 among zeros in the place that each says."""
    if np.ndim(target) != 1 or np.ndim(output) != 2:
        return target
    rows, columns = np.shape(output)
    ones = target[:, None] == np.arange(columns) if len(target) == rows else target == np.arange(rows)[:, None]
    return ones * 1.0


def _assumed(form: Callable[[Any, Any], Any], axis: int | None) -> Callable[..., Any]:
    """A loss that everybody takes, as a sum, or a mean over the samples along an axis."""

    def loss(self: Any, output: Any, target: Any) -> Any:
        total = np.sum(form(output, _ones_at(target, output)))
        return total if axis is None else total / np.shape(output)[axis]

    return loss


_FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "cross_entropy": lambda a, y: -y * np.log(a),
    "binary_cross_entropy": lambda a, y: -y * np.log(a) - (1 - y) * np.log(1 - a),
    "squared_error": lambda a, y: (a - y) ** 2 / 2,
}
_MEANS: dict[str, int | None] = {"": None, "column_mean_": 1, "row_mean_": 0}
_ASSUMED = {f"{mean}{name}": _assumed(form, axis) for mean, axis in _MEANS.items() for name, form in _FORMS.items()}
