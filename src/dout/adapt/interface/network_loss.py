"""Networks with a loss apart: `forward(X)`, `cost(A, Y)` and `backward(X, Y)` are one layer, `cost(forward(X), Y)`.

Where no code computes the loss, it is one of those that everybody takes, if backward is right for it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce, update_wrapper
from operator import getitem
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from dout.adapt.argument_names import (
    names_cache,
    names_label,
    names_loss,
    names_output,
    names_plain_upstream,
    stands_for,
    taken_by,
)
from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.interface.interface import PENALTY
from dout.adapt.interface.interface_candidates import setting_role
from dout.adapt.interface.learned_gradients import RESULTS, is_float_array
from dout.adapt.interface.loss_calls import compared_with, given_upstream, has_residual, loss_call
from dout.adapt.interface.method_pairs import (
    PAIRS,
    as_static,
    is_called_in_a_loop,
    is_static,
    loss_names,
    pairs_of,
    reads_and_writes,
    required_by,
)
from dout.adapt.interface.output_deltas import of_activated
from dout.adapt.repository.written_rounds import written_round
from dout.adapt.source.empty_methods import read_by
from dout.adapt.source.linear_use import only_asked
from dout.adapt.source.returned_names import gives_gradients, gradients_given, items_returned, returned_by
from dout.run import attributes_of
from dout.trace.model.user_source import behind
from dout.trace.tracer.traced import plain

IN_ITS_PLACE = "dout_other_"  # before the name of a user's method: the attribute that runs instead of it

_made: WeakKeyDictionary[type, type] = WeakKeyDictionary()


@dataclass(frozen=True)
class NetworkLoss:
    """A network: its forward, its loss, what backward calls the target, and whether the loss is only assumed.

    The target may be an input of forward, which the network is to give back. Then nobody asks for its gradient.

    `taken` and `asked` are the arguments of forward and of backward, `settings` those of the latter that are no arrays;
    `handed` are those that forward has returned, each with its place there, or was given, with its name there.
    """

    forward: str
    backward: str
    target: str
    taken: Sequence[str]
    asked: Sequence[str]
    handed: Mapping[str, int | str]
    settings: Sequence[str]
    loss: str = ""
    assumed: bool = False
    is_called: bool = False  # by backward itself, which may read what it keeps: then it is meant for this loss
    one: str = ""  # backward takes one sample: it makes "outer" products, or is called in a "loop"
    compared: tuple[str, tuple[int, ...]] = "", ()  # what backward takes the target from, and the place in that

    @property
    def is_given_back(self) -> bool:
        """Whether the target is an input of forward, as an autoencoder's."""
        return self.target in self.taken

    @property
    def shaped_target(self) -> str:
        """The target that has to have the shape of what forward gives; "" where it is an input itself."""
        return "" if self.is_given_back else self.target

    @property
    def inputs(self) -> tuple[str, ...]:
        """What forward and its loss take together."""
        return tuple(dict.fromkeys((*self.taken, self.target)))

    def handed_on(self, result: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What backward is handed of what forward returned, and of the inputs, by its names."""
        items = result if isinstance(result, tuple) else (result,)
        return {name: inputs[at] if isinstance(at, str) else items[at] for name, at in self.handed.items()}

    def output_in(self, result: Any, inputs: Mapping[str, Any]) -> Any:
        """The output among what forward returned: what backward takes the target from, or the last array."""
        items = result if isinstance(result, tuple) else (result,)
        name, places = self.compared
        found = self.handed_on(result, inputs).get(name)
        found = reduce(getitem, places, found) if isinstance(found, list | tuple) else found
        return found if is_float_array(found) else [item for item in items if is_float_array(item)][-1]

    @property
    def takes_weights(self) -> bool:
        """Whether forward is given its parameters: the first input may be one, and its rows are no samples."""
        return any(map(stands_for, self.taken))


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
        return of_activated(cls) or _with_upstream(cls)
    if gives_gradients(_function(cls, network.backward)):
        return _class_with(cls, network, {"loss": None})
    for name in loss_names(cls):
        asked = required_by(cls, name)
        places = [one for one in asked if setting_role(one, "") != PENALTY]
        strength = dict.fromkeys([one for one in asked if one not in places], float(PENALTY))
        if network.forward in inspect.unwrap(_function(cls, name)).__code__.co_names:
            whole = {*places} <= {*network.inputs}  # it runs forward by itself: `loss(X, Y)`
            whole = whole and bool(network.handed) and not {*network.asked}.isdisjoint(network.taken)
            if whole:
                return _class_with(cls, network, {name: _whole_loss(name, places, strength)})
            called = loss_call(cls, network.forward, network.target)  # `for x, y in data: self.cost.fn(self(x), y)`
            one = network.one or ("loop" if is_called_in_a_loop(cls, network.forward) else "")
            return None if called is None else _class_with(cls, replace(network, one=one), {called.name: called})
        named = [place for place in places if names_label(place) and not names_output(place)]
        labels = [network.target] if network.target in places else named
        if len(labels) == 1 and len(places) <= 2:
            loss = _loss(name, alone=len(places) == 1, first=places[0] == labels[0], strength=strength)
            return _class_with(cls, network, {name: loss})
    if (called := loss_call(cls, network.forward, network.target)) is not None:
        return _class_with(cls, network, {called.name: called})
    upstream = _with_upstream(cls)
    if upstream is None and (network.handed or has_residual(_function(cls, network.backward), network.target)):
        return _class_with(cls, network, _ASSUMED)
    return upstream


def _with_upstream(cls: type) -> type | None:
    """The class with a backward that is given what it asks a loss; None where it asks none."""
    pairs = [] if hasattr(cls, "dout_interface") or hasattr(cls, PAIR) else pairs_of(cls)
    return next((made for pair in pairs if (made := given_upstream(cls, *pair)) is not None), None)


def _network(cls: type) -> NetworkLoss | None:
    """A forward that is no loss, with a backward that takes the target, and else what forward is given or returns.

    Or nothing else: then a loss that was given the target has kept it.
    """
    pairs = [] if hasattr(cls, "dout_interface") else pairs_of(cls)
    ahead, back = next((pair for pair in pairs if not names_loss(pair[0]) and pair[0] != pair[1]), ("", ""))
    if not ahead:
        return None
    taken, asked = required_by(cls, ahead), required_by(cls, back)
    settings = [name for name in asked if setting_role(name, "") and name not in taken]
    results = returned_by(_function(cls, ahead))
    arrays = asked if asked != settings else [name for loss in loss_names(cls) for name in required_by(cls, loss)][:2]
    open_ = [name for name in arrays if name not in (*taken, *results)]
    of_losses = [name for loss in loss_names(cls) for name in required_by(cls, loss)]  # `loss(y, context)`
    targets = [n for n in open_ if names_label(n)] or [n for n in open_ if n in of_losses and not names_cache(n)]
    if not targets and len(asked) > 1:  # one argument alone is what arrives, whatever it is called
        targets = [n for n in open_ if has_residual(_function(cls, back), n)]
    given_back = _given_back(cls, taken) if {*asked} <= {*taken, *settings} else []
    targets = [name for name in targets if not (given_back and names_output(name))] or given_back
    if not targets or any(map(names_label, taken)) or any(map(names_plain_upstream, asked)):
        return None
    is_open = len(targets) > 1 or not {*asked} <= {*taken, *targets, *settings}  # what is handed on has to be read
    written = written_round(_file(cls, back), cls, ahead, back, taken, asked, len(settings)) if is_open else None
    if written is not None:  # what neither went into forward nor came out of it
        targets = [name for name in asked if name not in (*written, *settings)]
    if len(targets) != 1 or {*targets} & {*asked} - read_by(
        _function(cls, back), targets
    ):  # as all layers are given it
        return None
    others = [name for name in asked if name not in (*taken, *targets, *settings)]
    handed = _handed(others, results, _function(cls, ahead))
    if written is not None and {*others} <= {*written}:
        handed = {name: written[name] for name in others}
    elif len(others) == len(taken) == 1 and taken[0] not in asked and items_returned(_function(cls, ahead)) <= 1:
        needs = reads_and_writes(cls, ahead)[1] & reads_and_writes(cls, back)[0]
        handed = handed if needs else {others[0]: taken[0]}  # `feedforward(a)`, `backprop(x, y)`
    if handed is None or any(only_asked(_function(cls, back), name) for name in others):  # a loss, say
        return None
    makes_outer = "outer" in getattr(behind(_function(cls, back)), "__code__", _joined.__code__).co_names
    compared = compared_with(_function(cls, back), targets[0])
    one = "outer" if makes_outer else "loop" if is_called_in_a_loop(cls, back) else ""
    return NetworkLoss(ahead, back, targets[0], taken, asked, handed, settings, one=one, compared=compared)


def _given_back(cls: type, taken: Sequence[str]) -> list[str]:
    """The input of forward that a loss compares with the output: `loss(x, out)` of an autoencoder."""
    for asked in (required_by(cls, name) for name in loss_names(cls)):
        inputs = [name for name in asked if name in taken]
        if len(asked) == 2 and len(inputs) == 1 and any(names_output(name) for name in asked if name not in taken):
            return inputs
    return []


def _handed(names: Sequence[str], results: Sequence[str], forward: Any) -> dict[str, int | str] | None:
    """Which of forward's results each argument is: by its name, or by place where there are as many; None of others."""
    if set(names) <= set(results):
        return {name: results.index(name) for name in names}
    number = max(len(results), items_returned(forward), 1)
    if len(names) == number:
        return {name: place for place, name in enumerate(names)}
    return {names[0]: -1 if names_cache(names[0]) else 0} if len(names) == 1 else None


def _file(cls: type, method: str) -> str | None:
    """The file in which a method is written."""
    code = getattr(behind(_function(cls, method)), "__code__", None)
    return code.co_filename if code is not None else None


def _function(cls: type, name: str) -> Any:
    found = inspect.getattr_static(cls, name)
    return found.__func__ if isinstance(found, staticmethod | classmethod) else found


def _class_with(cls: type, network: NetworkLoss, losses: Mapping[str, Callable[..., Any] | None]) -> type:
    """The class with the methods that are the losses of its forward, and a backward that takes the target alone.

    A loss of None is the number that backward returns with its gradients.
    """
    made: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    own = _function(cls, network.backward)
    names = {f"{name}_of_{network.forward}": loss for name, loss in losses.items()}
    for name, loss in names.items():
        made[name] = _as_written(_forward(cls, network, loss), cls, network.forward, _by_place(network.inputs))
    gives = None in losses.values()
    if network.handed or gives:
        backward = _backward_of_loss if gives else _backward(cls, network)
        taken = _by_place((network.target, *network.settings))
        made[network.backward] = _as_written(backward, cls, network.backward, taken)
    else:
        made[network.backward] = _plainly(cls, network)
    pairs = [(name, network.backward) for name in names]
    first = next(iter(losses))
    called = getattr(behind(own), "__code__", None)
    kept = reads_and_writes(cls, first)[1] & reads_and_writes(cls, network.backward)[0]  # by the loss, for backward
    is_called = gives or bool(kept) or (called is not None and first in called.co_names)
    how = replace(network, loss=first, assumed=losses is _ASSUMED, is_called=is_called)
    new: type = type(cls)(cls.__name__, (cls,), {**made, PAIR: pairs[0], PAIRS: pairs, "dout_loss": how})
    return new


def _by_place(names: Sequence[str]) -> list[inspect.Parameter]:
    return [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]


def _as_written(function: Any, cls: type, name: str, taken: Sequence[inspect.Parameter]) -> Any:
    """`function`, which says where the user's is written, and takes these arguments."""
    update_wrapper(function, _function(cls, name))
    function.__signature__ = inspect.Signature([*_by_place(["self"]), *taken])
    return function


def _forward(cls: type, network: NetworkLoss, loss: Callable[..., Any] | None) -> Any:
    def joined(self: Any, *inputs: Any) -> Any:
        named = dict(zip(network.inputs, inputs, strict=True))
        target = named[network.target]
        result = getattr(self, network.forward)(*inputs[: len(network.taken)])
        if loss is None or network.handed:
            attributes_of(self)[RESULTS] = named | network.handed_on(result, named)
        if loss is None:
            value, *gradients = _backward(cls, network)(self, target)
            if np.size(plain(value)) != 1:
                raise TypeError(f"{network.backward} returns a loss for each sample, with gradients of each")
            gradients = gradients[: gradients_given(_function(cls, network.backward)) or len(gradients)]
            attributes_of(self)[RESULTS] = gradients[0] if len(gradients) == 1 else tuple(gradients)
            return value
        if network.handed:
            return loss(self, network.output_in(result, named), target)
        items = result if isinstance(result, tuple) else (result,)
        value = loss(self, items[0], target)
        return (value, *items[1:]) if items[1:] else value

    return joined


def _backward_of_loss(self: Any, target: Any, *settings: Any) -> Any:
    return attributes_of(self)[RESULTS]


def _backward(cls: type, network: NetworkLoss) -> Any:
    names = returned_by(_function(cls, network.backward))

    def backward(self: Any, target: Any, *settings: Any) -> Any:
        kept = attributes_of(self)[RESULTS] | dict(zip(network.settings, settings, strict=False))
        found = _users_own(self, cls, network.backward)(*(kept[name] for name in network.asked))
        told = isinstance(found, tuple) and len(names) == len(found) and all(map(is_float_array, found))
        return dict(zip(names, found, strict=True)) if told else found

    return backward


def _plainly(cls: type, network: NetworkLoss) -> Any:
    """A backward without the number that it may return: that is the loss, and no gradient of an array."""

    def backward(self: Any, *args: Any, **keywords: Any) -> Any:
        result = _users_own(self, cls, network.backward)(*args, **keywords)
        is_loss = isinstance(plain(result), float | np.floating)
        return None if network.is_given_back or is_loss else result

    taken = taken_by(_function(cls, network.backward))[not is_static(cls, network.backward) :]
    return _as_written(backward, cls, network.backward, taken)


def _users_own(layer: Any, cls: type, name: str) -> Callable[..., Any]:
    """The method of the class below one of ours with its name; or what `IN_ITS_PLACE` of the layer is."""
    found: Callable[..., Any] = getattr(cls, name)
    other = getattr(layer, IN_ITS_PLACE + name, None)
    return other or (found if is_static(cls, name) else partial(found, layer))


def _loss(name: str, *, alone: bool, first: bool, strength: Mapping[str, float]) -> Callable[..., Any]:
    """The user's loss, of the target `alone`, or with that `first` or last; and with the `strength` of its penalty."""
    return lambda self, output, target: getattr(self, name)(
        *((target,) if alone else (target, output) if first else (output, target)), **strength
    )


def _whole_loss(name: str, places: Sequence[str], strength: Mapping[str, Any]) -> Callable[..., Any]:
    """The user's loss that runs forward itself, where backward is handed what forward has returned."""
    return lambda self, output, target: getattr(self, name)(
        *(attributes_of(self)[RESULTS][place] for place in places), **strength
    )


def _ones_at(target: Any, output: Any) -> Any:
    """The target in the shape of an output; whole numbers as a 1 among zeros in the place that each says."""
    if np.ndim(target) != 1 or np.ndim(output) != 2:
        return target
    rows, columns = np.shape(output)
    ones = target[:, None] == np.arange(columns) if len(target) == rows else target == np.arange(rows)[:, None]
    return ones * 1.0


def _classes(target: Any) -> int:
    """The axis along which a target says which class a sample is of: its rows add up to 1, or its columns."""
    return -1 if np.ndim(target) < 2 or np.allclose(np.sum(plain(target), axis=-1), 1) else 0


def _several(output: Any) -> Any:
    """Scores of several classes; NaN for one score of each sample, which says nothing beside others."""
    return output if min(np.shape(output)[-2:], default=0) > 1 else output * np.nan


def _assumed(form: Callable[[Any, Any], Any], mean: Callable[[tuple[int, ...]], int]) -> Callable[..., Any]:
    """A loss that everybody takes, as a sum, or a mean over what is counted of a shape."""

    def loss(self: Any, output: Any, target: Any) -> Any:
        return np.sum(form(output, _ones_at(target, output))) / mean(np.shape(output))

    return loss


_FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "cross_entropy": lambda a, y: -y * np.log(a),
    "binary_cross_entropy": lambda a, y: -y * np.log(a) - (1 - y) * np.log(1 - a),
    "softmax_cross_entropy": lambda a, y: (
        -y * (a - np.log(np.sum(np.exp(_several(a)), axis=_classes(y), keepdims=True)))
    ),
    "half_squared_error": lambda a, y: (a - y) ** 2 / 2,
    "squared_error": lambda a, y: (a - y) ** 2,
}
_MEANS: dict[str, Callable[[tuple[int, ...]], int]] = {
    "": lambda shape: 1,
    "column_mean_": lambda shape: shape[-1],
    "row_mean_": lambda shape: shape[0],
    "mean_": math.prod,
}
_ASSUMED = {f"{mean}{name}": _assumed(form, count) for mean, count in _MEANS.items() for name, form in _FORMS.items()}
