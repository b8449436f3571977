"""A net and its loss in; one round out: forward, loss and backward, as a loop of one's own would call them.

These calls are recorded and compiled as a user's code is: what a round reads and writes is held here, and nothing else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from dout.errors import TrainingError
from dout.run import deep_copy
from dout.train.nets.layer_graphs import LayerGraph, Sequential
from dout.train.nets.other_losses import is_loss, loss_in_manner
from dout.train.nets.other_manners import as_manner, aside, has_both, is_of_user, may_be_layer, net_in_manner

HOW = (
    "a net is an object with forward and backward, a list of such layers, or one with params and gradient(x, t), or "
    "with params and a loss(x, t) that returns the loss and a dict of gradients; "
    "give the loss beside it, unless its forward takes the target: fit(net, x, t, loss=SoftmaxWithLoss())"
)


_FEW = 4  # samples of a batch, on which a loss is tried first


class NetRound:
    """The calls of one net: `run` gives the loss and the scores and leaves gradients, `loss_of` leaves none."""

    def __init__(self, net: Any, loss: Any = None) -> None:
        self.net: Any = Sequential(*net) if isinstance(net, list | tuple) else net
        self.loss = loss() if isinstance(loss, type) else loss
        if self.loss is not None and is_in_other_manner(net):
            self.net = Sequential(net)
        self.is_settled = False  # whether runs have shown how the user's net and loss are called
        self.returned = SimpleNamespace(grads=None)  # gradients of a net that returns them; beside its params
        self.begins: Sequence[Any] = ()  # what the first backward is given
        self.run = self._way()

    def _way(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        net, name = self.net, type(self.net).__name__
        if isinstance(net, type):
            raise TrainingError(f"{net.__name__} is a class: make an object of it")
        layered = has_both(net)
        if layered and self.loss is not None:
            if not is_loss(self.loss):
                way = "backward" if callable(getattr(self.loss, "forward", None)) else "forward"
                raise TrainingError(f"the loss, {type(self.loss).__name__}, has no {way}: a loss is a layer, too")
            self.begins = _upstream(self.loss.backward) if has_both(self.loss) else ()
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
        """Whether no run has shown yet how the user's net, one of its layers or the loss is called."""
        if isinstance(self.net, LayerGraph) and self.net.is_open():
            return True
        users = is_of_user(self.net) or (self.loss is not None and is_of_user(self.loss))
        return not self.is_settled and self.run == self._with_loss and users

    def settle(self, x: Any, t: Any) -> None:
        """Find out, before the first round, how the user's net and loss are called: copies run with a few samples.

        The net or the loss may be another object afterwards, which holds the user's.
        """
        inputs = x if type(x) is tuple else (x,)
        if self.run == self._with_loss and not self.is_settled:
            self.is_settled = True
            self.net = settled_net(self.net, inputs)
            if is_of_user(self.loss):
                self._settle_loss(x, t)
        elif isinstance(self.net, LayerGraph):
            self.net.settle(*inputs)

    def _settle_loss(self, x: Any, t: Any) -> None:
        count = len(t) if np.ndim(t) else 1
        for few in dict.fromkeys((min(_FEW, count), count)):
            parts = [one[:few] for one in x] if type(x) is tuple else x[:few] if np.ndim(x) else x
            try:
                with aside(self.net):
                    scores = deep_copy(self).scores_of(tuple(parts) if type(x) is tuple else parts)
            except Exception:  # the user's code, on what it may not be made for: the round tells the error
                continue
            self.loss = loss_in_manner(self.loss, self.begins, scores, t[:few] if np.ndim(t) else t)
            self.begins = _upstream(self.loss.backward)
            return

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


def is_in_other_manner(net: Any) -> bool:
    """Whether a whole net is a layer in another manner: neither forward and backward nor calls of a net's own."""
    has_calls = isinstance(getattr(net, "params", None), dict) or callable(getattr(net, "predict", None))
    return not isinstance(net, type | list | tuple) and not has_calls and not has_both(net) and may_be_layer(net)


def settled_net(net: Any, inputs: Sequence[Any]) -> Any:
    """The net, or one that calls it in its manner: a run of copies with a few samples tells."""
    if isinstance(net, LayerGraph):
        net.settle(*inputs)
        return net
    manner = net_in_manner(net, inputs)
    return net if manner is None else Sequential(as_manner(net, manner))


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
