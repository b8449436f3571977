"""Normalization: numbers of one kind get mean 0 and variance 1, and then a scale and a shift that are learned.

All of them compute `out = gamma · x̂ + beta` with `x̂ = (x - μ) / σ`, and differ in the axes that μ and σ are taken over.
Backward has two steps: `dgamma = Σ dout·x̂` and `dbeta = Σ dout`, over the axes along which these were repeated, and
with `dx̂ = dout · gamma`

    dx = (dx̂ - mean(dx̂) - x̂ · mean(dx̂ · x̂)) / σ

over the axes of μ and σ: `x` moves its own `x̂`, and μ and σ with it. Parameters `gamma` and `beta`, gradients `dgamma`
and `dbeta`. Nothing that comes in is written into, and float32 stays float32.
"""

from typing import Any

import numpy as np

from dout.layers.form import Value, arriving, keep_form, sum_back


class BatchNorm:
    """Over the batch, for each channel. PyTorch: `torch.nn.BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d`.

    `x` has shape (N, C) or (N, C, …), `gamma` and `beta` (C,). With `training = False` the mean and variance that were
    gathered while it trained, `running_mean` and `running_var`, take the place of those of the batch; then
    `dx = dout · gamma / σ`. `momentum` is the share of the newest batch in them.
    Source: Ioffe and Szegedy (2015), "Batch normalization"; Saito, "Deep Learning from Scratch", chapter 6.
    """

    def __init__(self, gamma: Value, beta: Value, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.gamma, self.beta, self.eps, self.momentum = gamma, beta, eps, momentum
        self.dgamma, self.dbeta = np.zeros_like(gamma), np.zeros_like(beta)
        self.running_mean, self.running_var = np.zeros_like(gamma), np.ones_like(gamma)
        self.training = True

    def forward(self, x: Value) -> Value:
        """Return `x`, normalized in each channel."""
        _check_channels(self, x)
        self.axes = (0, *range(2, x.ndim))
        mean, var = np.mean(x, axis=self.axes, keepdims=True), np.var(x, axis=self.axes, keepdims=True)
        self.by_batch = self.training  # backward goes the way that this forward went
        if self.by_batch:
            unbiased = var * (x.size / max(x.size - len(self.gamma), 1))
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean.ravel()
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * unbiased.ravel()
        else:
            mean, var = _over_channels(self.running_mean, x), _over_channels(self.running_var, x)
        self.std = np.sqrt(var + self.eps)
        self.xn = (x - mean) / self.std
        out = _over_channels(self.gamma, x) * self.xn + _over_channels(self.beta, x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dgamma` and `dbeta` in the layer."""
        dout = arriving(self, dout)
        self.dgamma, self.dbeta = np.sum(dout * self.xn, axis=self.axes), np.sum(dout, axis=self.axes)
        dxn = dout * _over_channels(self.gamma, dout)

        return _through_normalization(dxn, self.xn, self.std, self.axes) if self.by_batch else dxn / self.std


class LayerNorm:
    """Over the last axes, for each sample, or each word, alone. PyTorch: `torch.nn.LayerNorm`.

    `x` has shape (…, D); `gamma` and `beta` have shape (D,), or that of more last axes: those are normalized together.
    Source: Ba, Kiros and Hinton (2016), "Layer normalization".
    """

    def __init__(self, gamma: Value, beta: Value, eps: float = 1e-5) -> None:
        self.gamma, self.beta, self.eps = gamma, beta, eps
        self.dgamma, self.dbeta = np.zeros_like(gamma), np.zeros_like(beta)

    def forward(self, x: Value) -> Value:
        """Return `x`, normalized in each sample."""
        self.axes = _last_axes(self, x)
        self.xn, self.std = _normalized(x, self.axes, self.eps)
        out = self.gamma * self.xn + self.beta
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dgamma` and `dbeta` in the layer."""
        dout = arriving(self, dout)
        self.dgamma = sum_back(dout * self.xn, np.shape(self.gamma))
        self.dbeta = sum_back(dout * 1, np.shape(self.beta))

        return _through_normalization(dout * self.gamma, self.xn, self.std, self.axes)


class RmsNorm:
    """A LayerNorm that takes off no mean, and shifts by nothing. PyTorch: `torch.nn.RMSNorm`.

    `out = gamma · x̂` with `x̂ = x / r` and `r = √(mean(x²) + eps)`, and `dx = (dx̂ - x̂ · mean(dx̂ · x̂)) / r`. `x` has
    shape (…, D), and `gamma` (D,), or that of more last axes.
    Source: Zhang and Sennrich (2019), "Root mean square layer normalization".
    """

    def __init__(self, gamma: Value, eps: float = 1e-5) -> None:
        self.gamma, self.eps = gamma, eps
        self.dgamma = np.zeros_like(gamma)

    def forward(self, x: Value) -> Value:
        """Return `x` over its root mean square, times `gamma`."""
        self.axes = _last_axes(self, x)
        self.root = np.sqrt(np.mean(x * x, axis=self.axes, keepdims=True) + self.eps)
        self.xn = x / self.root
        out = self.gamma * self.xn
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dgamma` in the layer."""
        dout = arriving(self, dout)
        self.dgamma = sum_back(dout * self.xn, np.shape(self.gamma))
        dxn = dout * self.gamma

        return (dxn - self.xn * np.mean(dxn * self.xn, axis=self.axes, keepdims=True)) / self.root


class GroupNorm:
    """Over groups of channels, for each sample alone: batches may be small. PyTorch: `torch.nn.GroupNorm`.

    `x` has shape (N, C, …), `gamma` and `beta` (C,), and C is divisible by `groups`. With one group for all it is a
    LayerNorm over channels and places, with one for each channel an InstanceNorm.
    Source: Wu and He (2018), "Group normalization".
    """

    def __init__(self, gamma: Value, beta: Value, groups: int = 1, eps: float = 1e-5) -> None:
        if groups < 1 or len(gamma) % groups:
            raise ValueError(f"{type(self).__name__}: {len(gamma)} channels cannot be parted into {groups} groups")
        self.gamma, self.beta, self.groups, self.eps = gamma, beta, groups, eps
        self.dgamma, self.dbeta = np.zeros_like(gamma), np.zeros_like(beta)

    def forward(self, x: Value) -> Value:
        """Return `x`, normalized in each group of channels of each sample."""
        _check_channels(self, x)
        xn, self.std = _normalized(self._grouped(x), (2,), self.eps)
        self.xn = xn.reshape(x.shape)
        out = _over_channels(self.gamma, x) * self.xn + _over_channels(self.beta, x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dgamma` and `dbeta` in the layer."""
        dout = arriving(self, dout)
        others = (0, *range(2, dout.ndim))
        self.dgamma, self.dbeta = np.sum(dout * self.xn, axis=others), np.sum(dout, axis=others)
        dxn = dout * _over_channels(self.gamma, dout)
        dx = _through_normalization(self._grouped(dxn), self._grouped(self.xn), self.std, (2,))

        return dx.reshape(dout.shape)

    def _grouped(self, x: Value) -> Value:
        """Return `x` as (N, groups, numbers of a group)."""
        return x.reshape(len(x), self.groups, int(np.prod(x.shape[1:])) // self.groups)


class InstanceNorm(GroupNorm):
    """Over the places of each channel of each sample alone. PyTorch: `torch.nn.InstanceNorm2d(affine=True)`.

    `x` has shape (N, C, …), `gamma` and `beta` (C,).
    Source: Ulyanov, Vedaldi and Lempitsky (2016), "Instance normalization".
    """

    def __init__(self, gamma: Value, beta: Value, eps: float = 1e-5) -> None:
        super().__init__(gamma, beta, len(gamma), eps)

    def forward(self, x: Value) -> Value:
        """Return `x`, normalized over the places of each channel."""
        if np.ndim(x) < 3:
            raise ValueError(f"InstanceNorm.forward: x has shape {np.shape(x)}, without places: give (N, C, L) or more")
        return super().forward(x)


def dout_example() -> dict[str, Any]:
    """What `dout check` and `dout show` take for a LayerNorm: more than one sample, of more than two numbers."""
    x = np.array([[0.5, -1.0, 2.0, 0.25], [1.5, 0.75, -0.5, 1.0], [-2.0, 0.0, 1.25, 3.0]])
    init = {"gamma": np.array([1.0, 0.5, -1.5, 2.0]), "beta": np.array([0.0, 1.0, -0.5, 0.25])}
    return {"LayerNorm": {"init": init, "inputs": {"x": x}}}


def _normalized(x: Value, axes: tuple[int, ...], eps: float) -> tuple[Value, Value]:
    """Return `x̂` and σ over these axes."""
    std = np.sqrt(np.var(x, axis=axes, keepdims=True) + eps)
    return (x - np.mean(x, axis=axes, keepdims=True)) / std, std


def _through_normalization(dxn: Value, xn: Value, std: Value, axes: tuple[int, ...]) -> Value:
    """Return `dx` from `dx̂`: what moves μ and σ is taken off."""
    mean = np.mean(dxn, axis=axes, keepdims=True)
    return (dxn - mean - xn * np.mean(dxn * xn, axis=axes, keepdims=True)) / std


def _over_channels(values: Value, x: Value) -> Value:
    """Return one value a channel, so that it is repeated along all axes of `x` but axis 1."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))


def _last_axes(layer: Any, x: Value) -> tuple[int, ...]:
    shape = np.shape(layer.gamma)
    if np.shape(x)[-len(shape) :] != shape:
        raise ValueError(
            f"{type(layer).__name__}.forward: x has shape {np.shape(x)}, gamma has shape {shape}: "
            "x must end with the axes of gamma"
        )
    return tuple(range(-len(shape), 0))


def _check_channels(layer: Any, x: Value) -> None:
    if np.ndim(x) < 2 or np.shape(x)[1] != len(layer.gamma):
        raise ValueError(
            f"{type(layer).__name__}.forward: x has shape {np.shape(x)}, gamma has {len(layer.gamma)} channels: "
            f"give (N, {len(layer.gamma)}, …)"
        )
