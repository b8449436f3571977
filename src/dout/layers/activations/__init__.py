"""Activations: what stands between the layers with weights, for each element, or along an axis."""

from dout.layers.activations.piecewise import (
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyRelu,
    PRelu,
    Relu6,
    RRelu,
    Softshrink,
    Threshold,
)
from dout.layers.activations.smooth import (
    Celu,
    Elu,
    Gelu,
    LogSigmoid,
    Mish,
    Selu,
    Silu,
    Softplus,
    Softsign,
    Tanh,
    Tanhshrink,
)
from dout.layers.activations.softmaxes import Glu, LogSoftmax, Softmax, Softmin

__all__ = [
    "Celu", "Elu", "Gelu", "Glu", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyRelu", "LogSigmoid",
    "LogSoftmax", "Mish", "PRelu", "RRelu", "Relu6", "Selu", "Silu", "Softmax", "Softmin", "Softplus", "Softshrink",
    "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip
