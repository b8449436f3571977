"""A loss in another manner in; a layer whose forward takes the scores and the target, and is one number, out.

`loss.calculate(y, t)`, `loss(y, t)` with `loss.gradient(y, t)`, functions `mse(y, t)` and `mse_prime(y, t)`, or one
that returns both. In which order scores and target go in, and which method is the loss, runs tell: the gradient has
to be the slope of the number.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from dout.errors import DoutError, TrainingError
from dout.run import central_difference, deep_copy
from dout.train.nets.other_manners import as_manner, aside, has_both, is_of_user, manner_of, may_be_layer

_STEP = 1e-4
_CLOSE = 1e-2
_MOST = 24  # scores that are moved


class PairedLoss:
    """A loss and its gradient as two functions, each of scores and target in an order of its own."""

    def __init__(self, ahead: Callable[..., Any], behind: Callable[..., Any]) -> None:
        self.ahead, self.behind = ahead, behind
        names = [list(inspect.signature(one).parameters) for one in (ahead, behind)]
        is_same = len(names[1]) == 2 and set(names[0][:2]) == set(names[1])
        self.order = [names[0].index(name) for name in names[1]] if is_same else [0, 1]

    def forward(self, *given: Any) -> Any:
        """The loss."""
        self.given = given
        return self.ahead(*given)

    def backward(self, dout: Any = 1) -> Any:
        """What the second function returns."""
        return self.behind(*[self.given[place] for place in self.order])


class CombinedLoss:
    """A function that returns the loss with its gradient."""

    def __init__(self, ahead: Callable[..., Any]) -> None:
        self.ahead = ahead

    def forward(self, *given: Any) -> Any:
        """The loss; the gradient is kept."""
        loss, self.dout = self.ahead(*given)
        return loss

    def backward(self, dout: Any = 1) -> Any:
        """The gradient that was returned with the loss."""
        return self.dout


class OrderedLoss:
    """A loss whose forward takes scores and target in this order, and whose backward gives the scores' gradient.

    `layer` may take the target first; `number` is its method that returns one number, where forward gives many.
    """

    def __init__(self, layer: Any, name: str, *, target_first: bool, number: str = "forward") -> None:
        self.layer, self.dout_name = layer, name
        self.target_first, self.number = target_first, number

    def forward(self, scores: Any, t: Any) -> Any:
        """The loss."""
        call = getattr(self.layer, self.number)
        return call(t, scores) if self.target_first else call(scores, t)

    def backward(self) -> Any:
        """The gradient of the scores."""
        back = self.layer.backward(1)
        if type(back) is tuple:
            return back[1] if self.target_first and len(back) > 1 else back[0]
        return back


def is_loss(loss: Any) -> bool:
    """Whether something is a loss in some manner: a function, two of them, or an object that has methods for it."""
    if isinstance(loss, tuple | list):
        return len(loss) == 2 and all(map(callable, loss))
    return isinstance(loss, FunctionType) or may_be_layer(loss) or (is_of_user(loss) and callable(loss))


def loss_in_manner(loss: Any, begins: Sequence[Any], scores: Any, t: Any) -> Any:
    """The loss as a layer of scores and target: the first way to call it in which its gradient is the slope.

    Where none is, the first that gives a number and a gradient in the shape of the scores: many losses leave out a
    factor, or are joined with the layer before. Raises TrainingError where nothing runs.
    """
    first, errors = None, list[DoutError]()
    name = getattr(loss, "__name__", type(loss).__name__)
    with aside(loss):
        for one in _ways(loss, begins, deep_copy(scores), deep_copy(t), errors):
            agrees = _agrees(one, () if one is not loss else begins, scores, t, errors)
            if agrees:
                return one
            first = one if first is None and agrees is not None else first
    if first is not None:
        return first
    if has_both(loss):
        return loss  # the training tells the error
    if isinstance(loss, FunctionType):
        said = f"{name} has no gradient beside it: give both functions, loss=({name}, …)"
    elif isinstance(loss, tuple | list):
        said = "the two functions of the loss give no number and a gradient in the shape of the scores"
    else:
        said = f"{name} has no methods that give a loss and the gradient of the scores"
    raise TrainingError(f"{said}{f': {errors[0]}' if errors else ''}")


def _ways(loss: Any, begins: Sequence[Any], scores: Any, t: Any, errors: list[DoutError]) -> Iterator[Any]:
    if isinstance(loss, tuple | list):
        yield from _both_orders(PairedLoss(*loss), getattr(loss[0], "__name__", "loss"))
        return
    name = getattr(loss, "__name__", type(loss).__name__)
    if isinstance(loss, FunctionType):
        from dout.adapt.interface.function_pairs import pair_of

        if (pair := pair_of(loss)) is not None:
            ahead, behind = (getattr(pair, one) for one in pair.dout_pair)  # type: ignore[attr-defined]
            yield from _both_orders(PairedLoss(ahead, behind), name)
        yield from _both_orders(CombinedLoss(loss), name)
        return
    if has_both(loss):
        yield loss
    from dout.adapt.interface.method_pairs import loss_names

    for target_first in (False, True):
        given = (t, scores) if target_first else (scores, t)
        try:
            layer = as_manner(loss, manner_of(deep_copy(loss), given))
        except DoutError as error:
            errors.append(error)
            continue
        methods = dict.fromkeys(("forward", "calculate", *loss_names(type(loss))))
        numbers = [one for one in methods if callable(getattr(layer, one, None))]
        yield from (OrderedLoss(layer, name, target_first=target_first, number=one) for one in numbers)
    if callable(loss):
        yield from _both_orders(CombinedLoss(loss), name)


def _both_orders(layer: Any, name: str) -> Iterator[OrderedLoss]:
    yield from (OrderedLoss(layer, name, target_first=one) for one in (False, True))


def _agrees(loss: Any, begins: Sequence[Any], scores: Any, t: Any, errors: list[DoutError]) -> bool | None:
    """Whether the gradient is the slope of the loss, up to a factor; None where there is no number or no gradient."""
    try:
        copy = deep_copy(loss)
        number, back = copy.forward(deep_copy(scores), deep_copy(t)), copy.backward(*begins)
    except Exception:  # the user's code, called in a way that it may not be made for
        return None
    gradient = back[0] if type(back) is tuple and back else back
    if isinstance(number, tuple | list | dict):
        return None
    if np.ndim(number):
        errors.append(TrainingError(f"it gives an array of shape {np.shape(number)}, not one number: take its mean"))
        return None
    if not isinstance(scores, np.ndarray):
        return back is not None or None  # a loss of several scores: there is no slope to compare
    if np.shape(gradient) != scores.shape:
        return None
    chosen = np.random.default_rng(0).permutation(scores.size)[:_MOST]
    slopes = np.array([_slope(loss, scores, t, one) for one in chosen])
    ours = np.asarray(gradient, float).reshape(-1)[chosen]
    size = float(np.linalg.norm(slopes) * np.linalg.norm(ours))
    return size > 0 and float(slopes @ ours) > (1 - _CLOSE) * size


def _slope(loss: Any, scores: Any, t: Any, place: int) -> float:
    def moved(step: float) -> float:
        there = np.array(scores, dtype=float)
        there.reshape(-1)[place] += step
        return float(deep_copy(loss).forward(there, t))

    return float(central_difference(moved, _STEP))
