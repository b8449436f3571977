"""Ready-made layers in the slides' manner: plain NumPy, `forward(*inputs)` and `backward(dout)`, nothing else.

Each file is a family that can be read aloud and lifted out: this folder imports nothing but NumPy. What the files
share, `form`, holds `dout` against the shape that went out; a layer computes the same without it.
"""

from dout.layers import form as form
from dout.layers.activations import (
    Celu,
    Elu,
    Gelu,
    Glu,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyRelu,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PRelu,
    Relu6,
    RRelu,
    Selu,
    Silu,
    Softmax,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
    Threshold,
)
from dout.layers.affine import Affine, Bias, Embedding, MatMul
from dout.layers.arithmetic import (
    AbsLayer,
    CosLayer,
    DivLayer,
    LogLayer,
    MaximumLayer,
    MinimumLayer,
    NegLayer,
    PowLayer,
    SinLayer,
    SqrtLayer,
    SquareLayer,
    SubLayer,
)
from dout.layers.attention import DotProductAttention, MultiHeadAttention, PositionalEncoding
from dout.layers.basic import AddLayer, ExpLayer, MulLayer, ReciprocalLayer, Relu, Sigmoid
from dout.layers.class_losses import FocalLoss, HingeLoss, SigmoidWithLoss, SoftmaxWithLoss
from dout.layers.convolution import Convolution, TransposedConvolution
from dout.layers.dropout import Dropout, Dropout2d
from dout.layers.losses import HuberLoss, KLDivergence, MeanAbsoluteError, MeanSquaredError, SmoothL1Loss
from dout.layers.normalization import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RmsNorm
from dout.layers.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from dout.layers.recurrent import Bidirectional, Gru, Lstm, Rnn, TimeDistributed
from dout.layers.reshaping import Concat, Flatten, MeanLayer, RepeatLayer, Reshape, Residual, Split, SumLayer, Transpose

__all__ = [
    "AbsLayer", "AdaptiveAvgPool", "AdaptiveMaxPool", "AddLayer", "Affine", "AvgPool", "BatchNorm", "Bias",
    "Bidirectional", "Celu", "Concat", "Convolution", "CosLayer", "DivLayer", "DotProductAttention", "Dropout",
    "Dropout2d", "Elu", "Embedding", "ExpLayer", "Flatten", "FocalLoss", "Gelu", "GlobalAvgPool", "GlobalMaxPool",
    "Glu", "GroupNorm", "Gru", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "HingeLoss", "HuberLoss",
    "InstanceNorm", "KLDivergence", "LayerNorm", "LeakyRelu", "LogLayer", "LogSigmoid", "LogSoftmax", "Lstm", "MatMul",
    "MaxPool", "MaximumLayer", "MeanAbsoluteError", "MeanLayer", "MeanSquaredError", "MinimumLayer", "Mish",
    "MulLayer", "MultiHeadAttention", "NegLayer", "PRelu", "PositionalEncoding", "PowLayer", "RRelu",
    "ReciprocalLayer", "Relu", "Relu6", "RepeatLayer", "Reshape", "Residual", "RmsNorm", "Rnn", "Selu", "Sigmoid",
    "SigmoidWithLoss", "Silu", "SinLayer", "SmoothL1Loss", "Softmax", "SoftmaxWithLoss", "Softmin", "Softplus",
    "Softshrink", "Softsign", "Split", "SqrtLayer", "SquareLayer", "SubLayer", "SumLayer", "Tanh", "Tanhshrink",
    "Threshold", "TimeDistributed", "Transpose", "TransposedConvolution",
]  # fmt: skip
