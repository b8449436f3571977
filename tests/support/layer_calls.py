"""The ready-made layers, and one way to call those of one input and those of two."""

import numpy as np

from dout import layers
from dout.layers import AddLayer, DivLayer, ExpLayer, MaximumLayer, MinimumLayer, MulLayer, ReciprocalLayer, SubLayer

ONE_INPUT = [
    layers.Relu, layers.Sigmoid, ExpLayer, ReciprocalLayer,
    layers.NegLayer, layers.SquareLayer, layers.PowLayer, layers.AbsLayer,
    layers.SinLayer, layers.CosLayer,
    layers.LeakyRelu, layers.Relu6, layers.Hardtanh, layers.Hardsigmoid, layers.Hardswish,
    layers.Hardshrink, layers.Softshrink, layers.Threshold,
    layers.Tanh, layers.Tanhshrink, layers.Softsign, layers.Softplus, layers.LogSigmoid, layers.Elu, layers.Celu,
    layers.Selu, layers.Silu, layers.Mish, layers.Gelu,
]  # fmt: skip
TWO_INPUTS = [MulLayer, AddLayer, SubLayer, DivLayer, MaximumLayer, MinimumLayer]
ALL = ONE_INPUT + TWO_INPUTS
FLOATS = [np.float16, np.float32, np.float64]


def forward(layer, x):
    """Call `forward` on as many copies of `x` as the layer takes."""
    return layer.forward(x, x.copy()) if type(layer) in TWO_INPUTS else layer.forward(x)


def gradients(layer, dout):
    """Return the gradients of `backward` as a tuple, also where there is one."""
    result = layer.backward(dout)
    return result if isinstance(result, tuple) else (result,)
