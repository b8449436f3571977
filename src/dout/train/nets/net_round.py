"""A net and its loss in; one round out: forward, loss and backward, as a loop of one's own would call them.

These calls are recorded and compiled as a user's code is: what a round reads and writes is held here, and nothing else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from dout.errors import TrainingError
from dout.train.nets.layer_graphs import LayerGraph, Sequential
from dout.train.nets.other_manners import is_in_other_manner

HOW = (
    "a net is an object with forward and backward, a list of such layers, or one with params and gradient(x, t), or "
    "with params and a loss(x, t) that returns the loss and a dict of gradients; "
    "give the loss beside it, unless its forward takes the target: fit(net, x, t, loss=SoftmaxWithLoss())"
)


class NetRound:
    """The calls of one net: `run` gives the loss and the scores and leaves gradients, `loss_of` leaves none."""

    def __init__(self, net: Any, loss: Any = None) -> None:
        self.net: Any = Sequential(*net) if isinstance(net, list | tuple) else net
        self.loss = loss() if isinstance(loss, type) else loss
        if self.loss is not None and is_in_other_manner(net):
            self.net = Sequential(net)
        self.returned = SimpleNamespace(grads=None)  # gradients of a net that returns them; beside its params
        self.begins: Sequence[Any] = ()  # what the first backward is given
        self.run = self._way()

    def _way(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        net, name = self.net, type(self.net).__name__
        if isinstance(net, type):
            raise TrainingError(f"{net.__name__} is a class: make an object of it")
        layered = all(callable(getattr(net, way, None)) for way in ("forward", "backward"))
        if layered and self.loss is not None:
            for way in ("forward", "backward"):
                if not callable(getattr(self.loss, way, None)):
                    raise TrainingError(f"the loss, {type(self.loss).__name__}, has no {way}: a loss is a layer, too")
            self.begins = _upstream(self.loss.backward)
            return self._with_loss
        if layered and _takes_target(net):
            self.begins = _upstream(net.backward)
            return self._with_own_loss
        if callable(getattr(net, "gradient", None)) and isinstance(getattr(net, "params", None), dict):
            return self._with_own_gradient
        if callable(getattr(net, "loss", None)) and isinstance(getattr(net, "params", None), dict):
            return self._with_returned_loss
        if layered:
            raise TrainingError(f"{name}.forward takes no target, and there is no loss: {HOW}")
        raise TrainingError(f"{name} cannot be trained: {HOW}")

    def is_open(self) -> bool:
        """Whether layers are in another manner, and it is not known yet in which."""
        return isinstance(self.net, LayerGraph) and self.net.is_open()

    def settle(self, x: Any) -> None:
        """Find out how layers in another manner are called, before the first round."""
        if self.is_open():
            self.net.settle(*(x if type(x) is tuple else (x,)))

    # Each way to call a net:

    def _with_loss(self, x: Any, t: Any) -> tuple[Any, Any]:
        scores = self.net.forward(*x) if type(x) is tuple else self.net.forward(x)
        loss = self.loss.forward(scores, t)
        self._back_through_loss(scores)
        return loss, scores

    def _back_through_loss(self, scores: Any) -> None:
        dout = self.loss.backward(*self.begins)
        back = self.net.backward(dout[0] if type(dout) is tuple and not _one_for_each(dout, scores) else dout)
        if type(back) is dict:
            self.returned.grads = back

    def _with_own_loss(self, x: Any, t: Any) -> tuple[Any, Any]:
        loss = self.net.forward(*x, t) if type(x) is tuple else self.net.forward(x, t)
        back = self.net.backward(*self.begins)
        if type(back) is dict:
            self.returned.grads = back
        return loss, None

    def _with_own_gradient(self, x: Any, t: Any) -> tuple[Any, Any]:
        loss = self.net.loss(x, t)
        self.returned.grads = self.net.gradient(x, t)
        return loss, None

    def _with_returned_loss(self, x: Any, t: Any) -> tuple[Any, Any]:
        loss, self.returned.grads = self.net.loss(x, t)
        return loss, None

    # A round in two parts, where something is to be seen between them:

    @property
    def is_in_two(self) -> bool:
        """Whether backward is a call of its own, with nothing of forward in it."""
        return self.run in (self._with_loss, self._with_own_loss)

    def front(self, x: Any, t: Any) -> tuple[Any, Any]:
        """The loss and the scores, as before a backward."""
        if self.run == self._with_loss:
            return self.loss_of(x, t)
        if self.run == self._with_own_loss:
            return (self.net.forward(*x, t) if type(x) is tuple else self.net.forward(x, t)), None
        return (self.net.loss(x, t) if self.run == self._with_own_gradient else None), None

    def back(self, x: Any, t: Any, scores: Any) -> None:
        """The rest of a round after `front`."""
        if self.run == self._with_loss:
            self._back_through_loss(scores)
        elif self.run == self._with_own_loss:
            back = self.net.backward(*self.begins)
            self.returned.grads = back if type(back) is dict else self.returned.grads
        elif self.run == self._with_own_gradient:
            self.returned.grads = self.net.gradient(x, t)
        else:
            _, self.returned.grads = self.net.loss(x, t)

    def roots(self) -> dict[str, Any]:
        """The net, and the loss where there is one."""
        return {"net": self.net} if self.loss is None else {"net": self.net, "loss": self.loss}

    def with_returned(self, before: Any) -> Any:
        """What was seen before a round; of a net that returns its gradients, these beside its params."""
        params = getattr(self.net, "params", None)
        if self.returned.grads is None or not isinstance(params, dict):
            return before
        self.returned.params = params
        return [("net", self.returned, {"params": params})]

    def scores_of(self, x: Any) -> Any:
        """What the net says of samples; None where only its loss is known."""
        if self.run == self._with_loss:
            return self.net.forward(*x) if type(x) is tuple else self.net.forward(x)
        predict = getattr(self.net, "predict", None)
        return predict(x) if callable(predict) else None

    def loss_of(self, x: Any, t: Any) -> tuple[Any, Any]:
        """The loss and the scores, without gradients."""
        scores = self.scores_of(x)
        if self.run == self._with_loss:
            return self.loss.forward(scores, t), scores
        loss = self.net.forward if self.run == self._with_own_loss else self.net.loss
        found = loss(*x, t) if type(x) is tuple else loss(x, t)
        return (found[0] if self.run == self._with_returned_loss else found), scores


def _one_for_each(dout: Any, scores: Any) -> bool:
    """Whether a loss has returned one gradient for each of several scores, and not some for its other arguments."""
    if type(scores) is not tuple or len(dout) != len(scores):
        return False
    return all(
        type(one) is not tuple and one is not None and getattr(one, "shape", ()) == getattr(score, "shape", ())
        for one, score in zip(dout, scores, strict=True)
    )


def _takes_target(net: Any) -> bool:
    if isinstance(net, LayerGraph):
        return len(net.inputs) > 1
    required = [
        parameter for parameter in inspect.signature(net.forward).parameters.values()
        if parameter.default is parameter.empty and parameter.kind in (0, 1)
    ]  # fmt: skip
    return len(required) > 1


def _upstream(backward: Callable[..., Any]) -> Sequence[Any]:
    """What a loss's backward begins with: 1, or nothing where it takes nothing."""
    return (1,) if _arguments(backward) else ()


def _arguments(function: Any) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []
