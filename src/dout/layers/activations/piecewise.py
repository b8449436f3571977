"""Activations made of straight pieces: each is a switch, or several, that `forward` sets and `dout` meets again.

They take a number or an array of any shape, write into nothing, and hand out fresh arrays in the dtype they were given.
At a corner, where two pieces meet, the gradient is that of PyTorch. NaN passes, forward and backward.
"""

import numpy as np

from dout.layers.form import Value, arriving, either, keep_form


class LeakyRelu:
    """Let `x` through above 0, and a small share of it below: no unit is ever dead. PyTorch: `torch.nn.LeakyReLU`.

    `y = x where x > 0, else a·x`, and `dx = dout where x > 0, else a·dout`, with `a = slope`.
    `x` has any shape, and so has `dx`.
    Source: Maas, Hannun and Ng (2013), "Rectifier nonlinearities improve neural network acoustic models".

    >>> import numpy as np
    >>> layer = LeakyRelu(slope=0.1)
    >>> layer.forward(np.array([2.0, -2.0]))
    array([ 2. , -0.2])
    >>> layer.backward(np.array([1.0, 1.0]))
    array([1. , 0.1])
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Value) -> Value:
        """Return `x` where it is positive, and `slope * x` elsewhere."""
        self.positive = x > 0
        out = either(self.positive, x, self.slope * x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `x` was positive, and `slope * dout` elsewhere."""
        dout = arriving(self, dout)

        return either(self.positive, dout, self.slope * dout)


class PRelu:
    """A LeakyRelu that learns its slope, one for all or one for each channel. PyTorch: `torch.nn.PReLU`.

    `y = x where x > 0, else a·x`; `dx = dout where x > 0, else a·dout`; `da` is the sum of `dout·x` over all `x ≤ 0`
    that share this `a`.

    `x` has shape (N,), or (N, C) and more axes; `a` has shape (1,) or (C,). Parameter `a`, gradient `da`.
    Source: He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers".
    """

    def __init__(self, channels: int = 1, slope: float = 0.25) -> None:
        self.a = np.full(channels, slope)
        self.da = np.zeros(channels)

    def forward(self, x: Value) -> Value:
        """Return `x` where it is positive, and `a * x` elsewhere."""
        channels = np.shape(x)[1] if np.ndim(x) > 1 else 1
        if len(self.a) not in (1, channels):
            raise ValueError(
                f"PRelu.forward: x has shape {np.shape(x)}, and the layer {len(self.a)} slopes: "
                f"write PRelu({channels}) for one slope a channel, or PRelu() for one of all"
            )
        self.x = x
        self.positive = x > 0
        self.slopes = self.a[0] if len(self.a) == 1 else self.a.reshape(-1, *(1,) * (np.ndim(x) - 2))  # over axis 1
        out = either(self.positive, x, self.slopes * x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `da` in the layer."""
        dout = arriving(self, dout)
        da = either(self.positive, 0, dout * self.x)
        shared = tuple(axis for axis in range(np.ndim(da)) if axis != 1 or len(self.a) == 1)
        self.da = np.reshape(np.sum(da, axis=shared), self.a.shape)

        return either(self.positive, dout, self.slopes * dout)


class RRelu:
    """A LeakyRelu whose slope is drawn anew for each element while it trains. PyTorch: `torch.nn.RReLU`.

    `y = x where x > 0, else a·x`, and `dx = dout where x > 0, else a·dout`, with `a` between `low` and `high`; with
    `training = False` the middle of the two. With a `seed` the same slopes come in every run.
    `x` has any shape, and so has `dx`.
    Source: Xu, Wang, Chen and Li (2015), "Empirical evaluation of rectified activations in convolutional network".
    """

    def __init__(self, low: float = 1 / 8, high: float = 1 / 3, seed: int | None = None) -> None:
        if low > high:
            raise ValueError(f"RRelu: low is {low} and high is {high}: low must not be above high")
        self.low, self.high = low, high
        self.generator = np.random.default_rng(seed)
        self.training = True

    def forward(self, x: Value) -> Value:
        """Return `x` where it is positive, and a share of it elsewhere."""
        self.slope: Value = (self.low + self.high) / 2
        if self.training:
            drawn = self.generator.uniform(self.low, self.high, np.shape(x))
            self.slope = np.asarray(drawn, np.result_type(np.asarray(x), np.float16))  # float32 for float32
        self.positive = x > 0
        out = either(self.positive, x, self.slope * x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `x` was positive, and the same share of it elsewhere."""
        dout = arriving(self, dout)

        return either(self.positive, dout, self.slope * dout)


class Relu6:
    """A Relu with a ceiling at 6. PyTorch: `torch.nn.ReLU6`.

    `y = min(max(x, 0), 6)`, and `dx = dout where 0 < x < 6, else 0`.
    `x` has any shape, and so has `dx`.
    Source: Krizhevsky (2010), "Convolutional deep belief networks on CIFAR-10".
    """

    def forward(self, x: Value) -> Value:
        """Return `x` cut off at 0 and 6."""
        self.blocked = (x <= 0) | (x >= 6)
        out = np.clip(x, 0, 6)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `x` was between 0 and 6."""
        dout = arriving(self, dout)

        return either(self.blocked, 0, dout)


class Hardtanh:
    """A tanh of three straight pieces. PyTorch: `torch.nn.Hardtanh`.

    `y = min(max(x, low), high)`, and `dx = dout where low < x < high, else 0`.
    `x` has any shape, and so has `dx`.
    Source: Collobert (2004), "Large scale machine learning".
    """

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        if not low < high:
            raise ValueError(f"Hardtanh: low is {low} and high is {high}: low must be below high")
        self.low, self.high = low, high

    def forward(self, x: Value) -> Value:
        """Return `x` cut off at `low` and `high`."""
        self.blocked = (x <= self.low) | (x >= self.high)
        out = np.clip(x, self.low, self.high)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `x` was between `low` and `high`."""
        dout = arriving(self, dout)

        return either(self.blocked, 0, dout)


class Hardsigmoid:
    """A sigmoid of three straight pieces: 0 up to -3, 1 from 3 on. PyTorch: `torch.nn.Hardsigmoid`.

    `y = min(max(x + 3, 0), 6) / 6`, and `dx = dout / 6 where -3 < x < 3, else 0`.
    `x` has any shape, and so has `dx`.
    Source: Howard et al. (2019), "Searching for MobileNetV3".
    """

    def forward(self, x: Value) -> Value:
        """Return `x + 3`, cut off at 0 and 6, over 6."""
        self.blocked = (x <= -3) | (x >= 3)
        out = np.clip(x + 3, 0, 6) / 6
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout / 6` where `x` was between -3 and 3."""
        dout = arriving(self, dout)

        return either(self.blocked, 0, dout / 6)


class Hardswish:
    """`x` times its Hardsigmoid: a Silu without exp. PyTorch: `torch.nn.Hardswish`.

    `y = x · h` with `h = min(max(x + 3, 0), 6) / 6`, and `dx = dout · (h + x / 6)` where `-3 < x < 3`, else `dout · h`.
    `x` has any shape, and so has `dx`.
    Source: Howard and others (2019), "Searching for MobileNetV3".
    """

    def forward(self, x: Value) -> Value:
        """Return `x` times its Hardsigmoid."""
        self.x = x
        self.share = np.clip(x + 3, 0, 6) / 6
        out = x * self.share
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx` by the product rule: the share moves with `x` between -3 and 3."""
        dout = arriving(self, dout)
        straight = (self.x <= -3) | (self.x >= 3)

        return dout * (self.share + either(straight, 0, self.x / 6))


class Hardshrink:
    """Set small numbers to 0 and leave the others as they are. PyTorch: `torch.nn.Hardshrink`.

    `y = x where |x| > λ, else 0`, and `dx = dout where |x| > λ, else 0`, with `λ = limit`.
    `x` has any shape, and so has `dx`.
    Source: Donoho and Johnstone (1994), "Ideal spatial adaptation by wavelet shrinkage".
    """

    def __init__(self, limit: float = 0.5) -> None:
        self.limit = limit

    def forward(self, x: Value) -> Value:
        """Return `x` where it is beyond the limit on either side, and 0 elsewhere."""
        self.blocked = np.abs(x) <= self.limit
        out = either(self.blocked, 0, x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `x` went through."""
        dout = arriving(self, dout)

        return either(self.blocked, 0, dout)


class Softshrink:
    """Move every number towards 0, and those that reach it stay there. PyTorch: `torch.nn.Softshrink`.

    `y = x - min(max(x, -λ), λ)`, and `dx = dout where |x| > λ, else 0`, with `λ = limit`.
    `x` has any shape, and so has `dx`.
    Source: Donoho (1995), "De-noising by soft-thresholding".
    """

    def __init__(self, limit: float = 0.5) -> None:
        if limit < 0:
            raise ValueError(f"Softshrink: limit is {limit}: it must not be negative")
        self.limit = limit

    def forward(self, x: Value) -> Value:
        """Return `x`, nearer to 0 by the limit."""
        self.blocked = np.abs(x) <= self.limit
        out = x - np.clip(x, -self.limit, self.limit)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `x` was beyond the limit."""
        dout = arriving(self, dout)

        return either(self.blocked, 0, dout)


class Threshold:
    """Put one value in the place of all numbers up to a threshold. PyTorch: `torch.nn.Threshold`.

    `y = x where x > threshold, else value`, and `dx = dout where x > threshold, else 0`.
    `x` has any shape, and so has `dx`.
    Source: Konda, Memisevic and Krueger (2014), "Zero-bias autoencoders".
    """

    def __init__(self, threshold: float = 0.0, value: float = 0.0) -> None:
        self.threshold, self.value = threshold, value

    def forward(self, x: Value) -> Value:
        """Return `x` above the threshold, and `value` elsewhere."""
        self.blocked = x <= self.threshold
        out = either(self.blocked, self.value, x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `x` went through."""
        dout = arriving(self, dout)

        return either(self.blocked, 0, dout)
