"""How parameters follow their gradients: plain NumPy in the book's manner, `optimizer.update(params, grads)`.

`params` and `grads` are two dicts with the same keys, or two lists. A parameter is changed in place and keeps its
dtype; a gradient is only read. What an optimizer remembers of each parameter is `optimizer.state`, by name and key.

    v ← momentum · v − lr · dW
    W ← W + v

Each class is these lines. `weight_decay` adds `weight_decay · W` to the gradient, which is the slope of a penalty
`weight_decay / 2 · ΣW²`; AdamW and Lion shrink the parameter instead, by `lr · weight_decay`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, ref

import numpy as np

from dout.errors import TrainingError
from dout.run import deep_copy, places

Array = np.ndarray[Any, Any]
_TRIED = 100  # calls of an optimizer, to see which it takes
_SMALL = 1 << 14  # numbers: in smaller parameters, calls of NumPy take longer than what they compute
COUNT = "t"  # in what is remembered of a parameter: how many updates it has had
Arrays = Mapping[Any, Array] | Sequence[Array]


class Optimizer:
    """What all of them share: their memory, the count of updates `t`, and the loop over the parameters."""

    kept: ClassVar[tuple[str, ...]] = ()  # what is remembered of each parameter

    def __init__(self, lr: float = 0.01, weight_decay: float = 0.0) -> None:
        if not lr > 0:
            raise ValueError(f"{type(self).__name__}: lr is {lr}: a learning rate is larger than 0")
        self.lr, self.weight_decay = lr, weight_decay
        self.state: dict[str, dict[Any, Array]] = {name: {} for name in self.kept}
        self.t = 0

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Change each parameter that has a gradient, in place."""
        self.t += 1
        first = next(iter(self.state.values()), None)
        small: dict[Any, list[Any]] = {}
        for key in keys_of(params):
            grad = grads.get(key) if isinstance(grads, Mapping) else grads[key]
            if grad is None:
                continue
            param = params[key]
            if first is not None and (key not in first or first[key].shape != param.shape):
                for name, held in self.state.items():
                    held[key] = np.zeros((), np.int64) if name == COUNT else np.zeros_like(param)
            if param.size < _SMALL and type(self).step.__module__ == __name__:
                counts = int(self.state[COUNT][key]) if COUNT in self.state else 0
                small.setdefault((param.dtype, grad.dtype, counts), []).append((key, param, grad))
            else:
                self._step_alone(key, param, grad)
        for group in small.values():
            self._step_together(group)

    def _step_alone(self, key: Any, param: Array, grad: Array) -> None:
        self.step(param, self.decayed(param, grad), *(held[key] for held in self.state.values()))

    def _step_together(self, group: list[tuple[Any, Array, Array]]) -> None:
        """One step of small parameters laid end to end: the same numbers as of each alone, in fewer calls of NumPy."""
        keys = [key for key, _, _ in group]
        if len(keys) == 1:
            self._step_alone(*group[0])
            return
        every = np.concatenate([param.ravel() for _, param, _ in group])
        slope = np.concatenate([grad.ravel() for _, _, grad in group])
        memory = [self.state[name][keys[0]] if name == COUNT else self._laid_out(name, keys) for name in self.state]
        self.step(every, self.decayed(every, slope), *memory)
        for key in keys[1:] if COUNT in self.state else ():
            self.state[COUNT][key][...] = self.state[COUNT][keys[0]]
        at = 0
        for _, param, _ in group:
            param[...] = every[at : at + param.size].reshape(param.shape)
            at += param.size

    def _laid_out(self, name: str, keys: list[Any]) -> Array:
        """What is remembered of these parameters, end to end: the array of each is a part of it."""
        held, known = self.state[name], self.__dict__.setdefault("_dout_laid_out", {})
        every, order = known.get(name, (None, None))
        if order != keys or any(held[key].base is not every for key in keys):
            every = np.concatenate([held[key].ravel() for key in keys])
            at = 0
            for key in keys:
                size = held[key].size
                held[key] = every[at : at + size].reshape(held[key].shape)
                at += size
            known[name] = every, keys
        return every  # type: ignore[no-any-return]

    def decayed(self, param: Array, grad: Array) -> Array:
        """The gradient with that of the penalty on large weights."""
        return grad + self.weight_decay * param if self.weight_decay else grad

    def step(self, param: Array, grad: Array, *state: Array) -> None:
        """The lines of the optimizer, for one parameter."""
        raise NotImplementedError


class DecoupledDecay(Optimizer):
    """Weight decay that is none of the gradient's business: the parameter shrinks by `lr * weight_decay`."""

    def decayed(self, param: Array, grad: Array) -> Array:
        """The gradient itself: the parameter is shrunk instead."""
        if self.weight_decay:
            param *= 1 - self.lr * self.weight_decay
        return grad


class SGD(Optimizer):
    """Downhill, a step as long as the slope: `W -= lr * dW`. Stochastic gradient descent.

    >>> W, dW = np.array([1.0, 2.0]), np.array([10.0, -10.0])
    >>> SGD(lr=0.01).update([W], [dW])
    >>> W
    array([0.9, 2.1])
    """

    def step(self, param: Array, grad: Array, *state: Array) -> None:
        """Go against the gradient."""
        param -= self.lr * grad


class Momentum(Optimizer):
    """A ball that rolls: `v = momentum * v - lr * dW`, `W += v`."""

    kept = ("v",)

    def __init__(self, lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.momentum = momentum

    def step(self, param: Array, grad: Array, *state: Array) -> None:
        """Add to the speed, and go on with it."""
        (v,) = state
        v *= self.momentum
        v -= self.lr * grad
        param += v


class Nesterov(Momentum):
    """Momentum whose slope is that of the place to which the speed will lead: `W += momentum * v - lr * dW`.

    Source: Nesterov (1983), in the form of Bengio, Boulanger-Lewandowski and Pascanu (2012).
    """

    def step(self, param: Array, grad: Array, *state: Array) -> None:
        """Add to the speed, and look one step ahead."""
        (v,) = state
        v *= self.momentum
        v -= self.lr * grad
        param += self.momentum * v - self.lr * grad


class AdaGrad(Optimizer):
    """Shorter steps where it has been steep: `h += dW²`, `W -= lr * dW / (√h + eps)`.

    Source: Duchi, Hazan and Singer (2011), "Adaptive subgradient methods".
    """

    kept = ("h",)

    def __init__(self, lr: float = 0.01, eps: float = 1e-10, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.eps = eps

    def step(self, param: Array, grad: Array, *state: Array) -> None:
        """Remember the square of the slope, and divide by the root of all."""
        (h,) = state
        h += grad * grad
        param -= self.lr * grad / (np.sqrt(h) + self.eps)


class RMSprop(Optimizer):
    """AdaGrad that forgets: `h = decay * h + (1 - decay) * dW²`, `W -= lr * dW / (√h + eps)`.

    Source: Tieleman and Hinton (2012), lecture 6.5 of "Neural networks for machine learning".
    """

    kept = ("h",)

    def __init__(self, lr: float = 0.01, decay: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.decay, self.eps = decay, eps

    def step(self, param: Array, grad: Array, *state: Array) -> None:
        """Move the mean of the squares, and divide by its root."""
        (h,) = state
        h *= self.decay
        h += (1 - self.decay) * grad * grad
        param -= self.lr * grad / (np.sqrt(h) + self.eps)


class Adam(Optimizer):
    """Momentum and RMSprop at once, neither too small at the start.

    `m = beta1 * m + (1 - beta1) * dW`, `v = beta2 * v + (1 - beta2) * dW²`; both begin at 0, and are too small by
    `1 - beta1ᵗ` and `1 - beta2ᵗ` after t updates of the parameter. `W -= lr * m̂ / (√v̂ + eps)`.
    Source: Kingma and Ba (2014), "Adam: a method for stochastic optimization".
    """

    kept = ("m", "v", COUNT)

    def __init__(
        self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(lr, weight_decay)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def step(self, param: Array, grad: Array, *state: Array) -> None:
        """Move both means, and divide the first by the root of the second."""
        m, v, count = state
        count += 1
        t = int(count)
        m *= self.beta1
        m += (1 - self.beta1) * grad
        v *= self.beta2
        v += (1 - self.beta2) * grad * grad
        rate = self.lr / (1 - self.beta1**t)
        param -= rate * m / (np.sqrt(v) / (1 - self.beta2**t) ** 0.5 + self.eps)


class AdamW(DecoupledDecay, Adam):
    """Adam whose weight decay is none of its gradient's business: `W -= lr * weight_decay * W`, then Adam's step.

    Source: Loshchilov and Hutter (2017), "Decoupled weight decay regularization".
    """

    def __init__(
        self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:  # fmt: skip
        super().__init__(lr, beta1, beta2, eps, weight_decay)


class Lion(DecoupledDecay):
    """The sign of a moving mean alone: `W -= lr * sign(beta1 * m + (1 - beta1) * dW)`; then the mean moves on by beta2.

    Steps are all of one length: take a learning rate a third to a tenth of Adam's.
    Source: Chen and others (2023), "Symbolic discovery of optimization algorithms".
    """

    kept = ("m",)

    def __init__(self, lr: float = 0.0001, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.beta1, self.beta2 = beta1, beta2

    def step(self, param: Array, grad: Array, *state: Array) -> None:
        """Go by the sign of the mean, then move it."""
        (m,) = state
        param -= self.lr * np.sign(self.beta1 * m + (1 - self.beta1) * grad)
        m *= self.beta2
        m += (1 - self.beta2) * grad


def keys_of(params: Arrays) -> Iterable[Any]:
    """The keys of a dict, or the places of a list."""
    return params if isinstance(params, Mapping) else range(len(params))


def clipped(grads: Mapping[Any, Array], most: float, norm: float) -> dict[Any, Array]:
    """The gradients, made shorter together where their length `norm` is above `most`: the direction stays.

    Source: Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural networks".
    """
    return {key: grad * (most / norm) for key, grad in grads.items()} if norm > most else dict(grads)


def update(
    optimizer: Any, params: Mapping[str, Any], gradients: Mapping[str, Any], as_dicts: bool, where: str = ""
) -> None:
    """Let an optimizer change the parameters that have a gradient; one that makes new arrays is followed, too.

    Raises TrainingError where the user's own one raises.
    """
    if isinstance(optimizer, Optimizer):
        optimizer.update(params, gradients)
        return
    names = [name for name in params if name in gradients]
    own: Any = {name: params[name] for name in names} if as_dicts else [params[name] for name in names]
    slopes: Any = {name: gradients[name] for name in names} if as_dicts else [gradients[name] for name in names]
    try:
        optimizer.update(own, slopes)
    except Exception as error:
        said = f"{type(optimizer).__name__}.update raises {type(error).__name__}: {error}"
        raise TrainingError(f"{where}: {said}" if where else said) from error
    for place, name in enumerate(names):
        new = own[name if as_dicts else place]
        if new is not params[name]:
            params[name][...] = new


_LEARNED: WeakKeyDictionary[Optimizer, dict[str, ref[Array]]] = WeakKeyDictionary()  # what each was last used for


def remember_net(optimizer: Any, params: Mapping[str, Array]) -> None:
    """Remember which arrays one of our optimizers has moved."""
    if isinstance(optimizer, Optimizer):
        known = _LEARNED.setdefault(optimizer, {})
        for name, array in params.items():
            if array.ndim and (name not in known or known[name]() is not array):
                known[name] = ref(array)


def forget_other_nets(optimizer: Any, net: Any, *, for_good: bool = True) -> None:
    """Let one of ours begin anew where it has been used for a net that shares no array with this one.

    Its means are those of other parameters, though their names may be the same. Who puts them back says so.
    """
    known = _LEARNED.get(optimizer) if isinstance(optimizer, Optimizer) else None
    held = {id(place.item) for place in places(net)} if known else set[int]()
    if known and not any((one := array()) is not None and id(one) in held for array in known.values()):
        optimizer.state, optimizer.t = {name: {} for name in optimizer.kept}, 0
        if for_good:
            known.clear()


def takes_dicts(optimizer: Any) -> bool:
    """Whether an optimizer takes dicts, and not lists alone: copies of one of the user's are tried until they move.

    One may gather gradients for some calls. Where neither moves, the one that raises nothing is right.
    """
    if isinstance(optimizer, Optimizer):
        return True
    dicts, lists = (
        _moves(optimizer, {"W": np.ones(2)}, {"W": np.ones(2)}),
        _moves(optimizer, [np.ones(2)], [np.ones(2)]),
    )
    return dicts is True or (dicts is False and lists is None)


def _moves(optimizer: Any, params: Any, grads: Any) -> bool | None:
    """Whether a copy of an optimizer moves a parameter within some calls; None where it raises."""
    one = deep_copy(optimizer)
    try:
        for _ in range(_TRIED):
            one.update(params, grads)
            if not np.array_equal(next(iter(params.values() if isinstance(params, dict) else params)), np.ones(2)):
                return True
    except Exception:  # the user's own: it does not take this
        return None
    return False
