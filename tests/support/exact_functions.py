"""What the elementwise layers compute, in the words of mpmath: with 50 digits, and no formula of a slope."""

from dataclasses import dataclass
from typing import Any

import mpmath as mp

from dout import layers


@dataclass(frozen=True)
class ExactFunction:
    """A layer, the function that it computes, and numbers to try; where it has a corner there is none of them."""

    layer: Any
    function: Any
    points: tuple[float, ...] = (-30.0, -7.25, -2.5, -1.5, -0.75, -0.3, 0.2, 0.7, 1.25, 2.9, 3.5, 6.5, 30.0)

    @property
    def name(self):
        """The layer with its settings."""
        settings = {k: v for k, v in vars(self.layer).items() if isinstance(v, int | float)}
        return f"{type(self.layer).__name__}{settings or ''}"

    def value(self, x):
        """The exact value at a number."""
        with mp.workdps(50):
            return self.function(mp.mpf(x))

    def slope(self, x):
        """The derivative at a number, by differences with 50 digits."""
        with mp.workdps(50):
            return mp.diff(self.function, mp.mpf(x))


def _softplus(x):
    return mp.log1p(mp.exp(x))


def _clip(x, low, high):
    return min(max(x, low), high)


def _elu(x, a):
    return x if x > 0 else a * mp.expm1(x)


def _selu(x):
    scale, a = mp.mpf(layers.Selu.scale), mp.mpf(layers.Selu.bottom)
    return scale * _elu(x, a)


def _gelu(x):
    return x * (1 + mp.erf(x / mp.sqrt(2))) / 2


def _gelu_by_tanh(x):
    return x * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))) / 2


POSITIVE = (1e-3, 0.3, 1.0, 2.5, 700.0)
NONZERO = (-30.0, -2.5, -0.3, 0.2, 1.0, 40.0)

EXACT = [
    ExactFunction(layers.NegLayer(), lambda x: -x),
    ExactFunction(layers.SquareLayer(), lambda x: x**2),
    ExactFunction(layers.PowLayer(), lambda x: x**2),
    ExactFunction(layers.PowLayer(5), lambda x: x**5),
    ExactFunction(layers.PowLayer(-2.0), lambda x: x**-2, NONZERO),
    ExactFunction(layers.PowLayer(0.5), mp.sqrt, POSITIVE),
    ExactFunction(layers.SqrtLayer(), mp.sqrt, POSITIVE),
    ExactFunction(layers.LogLayer(), mp.log, POSITIVE),
    ExactFunction(layers.AbsLayer(), abs),
    ExactFunction(layers.SinLayer(), mp.sin),
    ExactFunction(layers.CosLayer(), mp.cos),
    ExactFunction(layers.ReciprocalLayer(), lambda x: 1 / x, NONZERO),
    ExactFunction(layers.ExpLayer(), mp.exp),
    ExactFunction(layers.Relu(), lambda x: max(x, 0)),
    ExactFunction(layers.LeakyRelu(), lambda x: x if x > 0 else mp.mpf(0.01) * x),
    ExactFunction(layers.LeakyRelu(-0.5), lambda x: x if x > 0 else -x / 2),
    ExactFunction(layers.Relu6(), lambda x: _clip(x, 0, 6)),
    ExactFunction(layers.Hardtanh(), lambda x: _clip(x, -1, 1)),
    ExactFunction(layers.Hardtanh(-2.0, 0.5), lambda x: _clip(x, -2, mp.mpf(0.5))),
    ExactFunction(layers.Hardsigmoid(), lambda x: _clip(x + 3, 0, 6) / 6),
    ExactFunction(layers.Hardswish(), lambda x: x * _clip(x + 3, 0, 6) / 6),
    ExactFunction(layers.Hardshrink(), lambda x: x if abs(x) > 0.5 else mp.mpf(0)),
    ExactFunction(layers.Softshrink(), lambda x: x - _clip(x, mp.mpf(-0.5), mp.mpf(0.5))),
    ExactFunction(layers.Softshrink(2.0), lambda x: x - _clip(x, -2, 2)),
    ExactFunction(layers.Threshold(1.0, 20.0), lambda x: x if x > 1 else mp.mpf(20)),
    ExactFunction(layers.Sigmoid(), lambda x: 1 / (1 + mp.exp(-x))),
    ExactFunction(layers.Tanh(), mp.tanh),
    ExactFunction(layers.Tanhshrink(), lambda x: x - mp.tanh(x)),
    ExactFunction(layers.Softsign(), lambda x: x / (1 + abs(x))),
    ExactFunction(layers.Softplus(), _softplus),
    ExactFunction(layers.Softplus(3.0), lambda x: _softplus(3 * x) / 3),
    ExactFunction(layers.LogSigmoid(), lambda x: -_softplus(-x)),
    ExactFunction(layers.Elu(), lambda x: _elu(x, 1)),
    ExactFunction(layers.Elu(0.5), lambda x: _elu(x, mp.mpf(0.5))),
    ExactFunction(layers.Celu(2.0), lambda x: x if x > 0 else 2 * mp.expm1(x / 2)),
    ExactFunction(layers.Selu(), _selu),
    ExactFunction(layers.Silu(), lambda x: x / (1 + mp.exp(-x))),
    ExactFunction(layers.Mish(), lambda x: x * mp.tanh(_softplus(x))),
    ExactFunction(layers.Gelu(), _gelu),
    ExactFunction(layers.Gelu("tanh"), _gelu_by_tanh),
]
