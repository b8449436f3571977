"""Activations without corners: tanh and its relatives, the exponential units, and those that weigh `x` with a sigmoid.

They take a number or an array of any shape, write into nothing, and hand out fresh arrays in the dtype they were given.
`exp` is only ever taken of numbers that are not positive, so nothing overflows.
"""

import math

import numpy as np

from dout.layers.form import Value, arriving, either, erf, fresh, keep_form, sigmoid


class Tanh:
    """Squash `x` into -1 … 1; backward needs only the output. PyTorch: `torch.nn.Tanh`.

    `y = tanh(x)`, and `dx = dout · (1 - y²)`.
    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 35.

    >>> import numpy as np
    >>> layer = Tanh()
    >>> layer.forward(np.array([0.0, 20.0]))
    array([0., 1.])
    >>> layer.backward(np.array([3.0, 3.0]))
    array([3., 0.])
    """

    def forward(self, x: Value) -> Value:
        """Return `tanh(x)`."""
        self.out = np.tanh(x)
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `dout * (1 - y**2)`, where `y` is what `forward` returned."""
        dout = arriving(self, dout)

        return dout * (1 - self.out * self.out)


class Tanhshrink:
    """What tanh leaves of `x`. PyTorch: `torch.nn.Tanhshrink`.

    `y = x - tanh(x)`, and `dx = dout · tanh(x)²`. Near 0 the difference has as few digits as `x` has after `tanh(x)`
    is taken off: `y` is about `x³ / 3`.
    `x` has any shape, and so has `dx`.
    Source: the table of derivatives.
    """

    def forward(self, x: Value) -> Value:
        """Return `x - tanh(x)`."""
        self.tanh = np.tanh(x)
        out = x - self.tanh
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout * tanh(x)**2`."""
        dout = arriving(self, dout)

        return dout * (self.tanh * self.tanh)


class Softsign:
    """Squash `x` into -1 … 1 without exp; the ends are reached slowly. PyTorch: `torch.nn.Softsign`.

    `y = x / (1 + |x|)`, and `dx = dout / (1 + |x|)²`.
    `x` has any shape, and so has `dx`.
    Source: Bergstra, Desjardins, Lamblin and Bengio (2009), "Quadratic polynomials learn better image features".
    """

    def forward(self, x: Value) -> Value:
        """Return `x / (1 + |x|)`."""
        self.size = 1 + np.abs(x)
        out = x / self.size
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout / (1 + |x|)**2`."""
        dout = arriving(self, dout)

        return dout / (self.size * self.size)


class Softplus:
    """A Relu without the corner; its slope is the sigmoid. PyTorch: `torch.nn.Softplus`, but for its `threshold`.

    `y = log(1 + exp(b·x)) / b`, and `dx = dout · (1 - exp(-b·y))`, with `b = sharpness` (PyTorch's `beta`). PyTorch
    returns `x` itself above `threshold / b`, where the two agree to nine digits; this layer needs no such limit.
    `x` has any shape, and so has `dx`.
    Source: Dugas and others (2000), "Incorporating second-order functional knowledge for better option pricing".
    """

    def __init__(self, sharpness: float = 1.0) -> None:
        if not sharpness > 0:
            raise ValueError(f"Softplus: sharpness is {sharpness}: it must be positive")
        self.sharpness = sharpness

    def forward(self, x: Value) -> Value:
        """Return `log(1 + exp(b * x)) / b`."""
        self.out = _softplus(self.sharpness * x) / self.sharpness
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `dout * (1 - exp(-b * y))`, where `y` is what `forward` returned; `expm1` keeps its digits near 0."""
        dout = arriving(self, dout)

        return dout * -np.expm1(-self.sharpness * self.out)


class LogSigmoid:
    """The logarithm of a sigmoid, as a loss needs it. PyTorch: `torch.nn.LogSigmoid`.

    `y = -log(1 + exp(-x))`, and `dx = dout · (1 - exp(y))`.
    `x` has any shape, and so has `dx`.
    Source: the table of derivatives.
    """

    def forward(self, x: Value) -> Value:
        """Return `-log(1 + exp(-x))`."""
        self.out = -_softplus(-1.0 * x)
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `dout * (1 - exp(y))`, where `y` is what `forward` returned; `expm1` keeps its digits near 0."""
        dout = arriving(self, dout)

        return dout * -np.expm1(self.out)


class Elu:
    """`x` above 0, and an exponential that ends at -a below. PyTorch: `torch.nn.ELU`.

    `y = x where x > 0, else a·(exp(x) - 1)`, and `dx = dout where x > 0, else dout·a·exp(x)`, with `a = bottom`.
    `x` has any shape, and so has `dx`.
    Source: Clevert, Unterthiner and Hochreiter (2016), "Fast and accurate deep network learning by exponential linear
    units".
    """

    def __init__(self, bottom: float = 1.0) -> None:
        self.bottom = bottom

    def forward(self, x: Value) -> Value:
        """Return `x` where it is positive, and `a * (exp(x) - 1)` elsewhere."""
        positive = x > 0
        below = either(positive, 0, x)  # exp of the others is not wanted, and would overflow
        self.slope = either(positive, 1, self.bottom * np.exp(below))
        out = either(positive, x, self.bottom * np.expm1(below))
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` times the slope of the curve."""
        dout = arriving(self, dout)

        return dout * self.slope


class Celu:
    """An Elu whose slope has no jump at 0, whatever `a` is. PyTorch: `torch.nn.CELU`.

    `y = x where x > 0, else a·(exp(x/a) - 1)`, and `dx = dout where x > 0, else dout·exp(x/a)`, with `a = bottom`.
    `x` has any shape, and so has `dx`.
    Source: Barron (2017), "Continuously differentiable exponential linear units".
    """

    def __init__(self, bottom: float = 1.0) -> None:
        if not bottom > 0:
            raise ValueError(f"Celu: bottom is {bottom}: it must be positive; the curve ends at -bottom")
        self.bottom = bottom

    def forward(self, x: Value) -> Value:
        """Return `x` where it is positive, and `a * (exp(x / a) - 1)` elsewhere."""
        positive = x > 0
        below = either(positive, 0, x / self.bottom)  # exp of the others is not wanted, and would overflow
        self.slope = either(positive, 1, np.exp(below))
        out = either(positive, x, self.bottom * np.expm1(below))
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` times the slope of the curve."""
        dout = arriving(self, dout)

        return dout * self.slope


class Selu:
    """An Elu with the two constants that keep mean 0 and variance 1 from layer to layer. PyTorch: `torch.nn.SELU`.

    `y = s·x where x > 0, else s·a·(exp(x) - 1)`, and `dx = s·dout where x > 0, else dout·s·a·exp(x)`.
    `x` has any shape, and so has `dx`.
    Source: Klambauer, Unterthiner, Mayr and Hochreiter (2017), "Self-normalizing neural networks".
    """

    bottom = 1.6732632423543772848170429916717
    scale = 1.0507009873554804934193349852946

    def forward(self, x: Value) -> Value:
        """Return `s * x` where `x` is positive, and `s * a * (exp(x) - 1)` elsewhere."""
        positive = x > 0
        below = either(positive, 0, x)  # exp of the others is not wanted, and would overflow
        self.slope = either(positive, self.scale, self.scale * self.bottom * np.exp(below))
        out = either(positive, self.scale * x, self.scale * self.bottom * np.expm1(below))
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` times the slope of the curve."""
        dout = arriving(self, dout)

        return dout * self.slope


class Silu:
    """`x` weighed by its own sigmoid, also called Swish. PyTorch: `torch.nn.SiLU`.

    `y = x · s` with `s = 1 / (1 + exp(-x))`, and `dx = dout · s · (1 + x · (1 - s))`.
    `x` has any shape, and so has `dx`.
    Source: Elfwing, Uchibe and Doya (2018), "Sigmoid-weighted linear units for neural network function approximation".
    """

    def forward(self, x: Value) -> Value:
        """Return `x * sigmoid(x)`."""
        self.x = x
        self.share = sigmoid(x)
        out = x * self.share
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx` by the product rule, with the slope `s * (1 - s)` of the sigmoid."""
        dout = arriving(self, dout)

        return dout * self.share * (1 + self.x * (1 - self.share))


class Mish:
    """`x` weighed by the tanh of its Softplus. PyTorch: `torch.nn.Mish`.

    `y = x · t` with `t = tanh(log(1 + exp(x)))`, and `dx = dout · (t + x · (1 - t²) · s)` with `s = 1 / (1 + exp(-x))`.
    `x` has any shape, and so has `dx`.
    Source: Misra (2020), "Mish: a self regularized non-monotonic activation function".
    """

    def forward(self, x: Value) -> Value:
        """Return `x * tanh(softplus(x))`."""
        self.x = x
        self.share = np.tanh(_softplus(x))
        out = x * self.share
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx` by the product rule and the chain rule; the slope of Softplus is the sigmoid."""
        dout = arriving(self, dout)
        dshare = (1 - self.share * self.share) * sigmoid(self.x)

        return dout * (self.share + self.x * dshare)


class Gelu:
    """`x` weighed by the chance that a normal number is smaller. PyTorch: `torch.nn.GELU`.

    `approximate="none"` is exact: `y = x · Φ` with `Φ = (1 + erf(x/√2)) / 2`, and `dx = dout · (Φ + x · φ)` with
    `φ = exp(-x²/2) / √(2π)`. NumPy has no error function: SciPy's is taken, or, where it is not installed, Python's,
    which is twenty times slower.
    `approximate="tanh"` is close: `y = x · (1 + t) / 2` with `t = tanh(u)` and `u = √(2/π)·(x + 0.044715·x³)`, and
    `dx = dout · ((1 + t) / 2 + x · (1 - t²) / 2 · √(2/π)·(1 + 0.134145·x²))`.
    `x` has any shape, and so has `dx`. Another word for `approximate` raises ValueError.
    Source: Hendrycks and Gimpel (2016), "Gaussian error linear units".

    >>> import numpy as np
    >>> layer = Gelu()
    >>> np.round(layer.forward(np.array([-1.0, 0.0, 1.0])), 6)
    array([-0.158655,  0.      ,  0.841345])
    >>> np.round(layer.backward(np.array([1.0, 1.0, 1.0])), 6)
    array([-0.083315,  0.5     ,  1.083315])
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f'Gelu: approximate is {approximate!r}; write "none" or "tanh"')
        self.approximate = approximate

    def forward(self, x: Value) -> Value:
        """Return `x` times its share, the distribution function of the normal distribution."""
        self.x = x
        if self.approximate == "tanh":
            self.tanh = np.tanh(_ROOT * (x + 0.044715 * (x * x * x)))
            out = x * (1 + self.tanh) / 2
        else:
            self.share = (1 + erf(x / _ROOT_OF_2)) / 2
            out = x * self.share
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx` by the product rule and the chain rule."""
        dout = arriving(self, dout)
        if self.approximate == "tanh":
            du = _ROOT * (1 + 3 * 0.044715 * (self.x * self.x))
            dtanh = (1 - self.tanh * self.tanh) * du
            return dout * (1 + self.tanh + self.x * dtanh) / 2
        bell = np.exp(self.x * self.x / -2) / _ROOT_OF_2PI

        return dout * (self.share + self.x * bell)


_ROOT_OF_2, _ROOT_OF_2PI = math.sqrt(2), math.sqrt(2 * math.pi)
_ROOT = math.sqrt(2 / math.pi)


def _softplus(x: Value) -> Value:
    """Return `log(1 + exp(x))`, for a positive x as `x + log(1 + exp(-x))`."""
    positive = x >= 0
    small = np.exp(either(positive, -1.0 * x, x))  # both branches have the slope of the curve; abs(x) has none at 0
    return either(positive, x, 0) + np.log1p(small)
