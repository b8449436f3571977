"""One function a layer: from a random generator, a layer with random options, PyTorch's, and inputs for both."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from dout import layers

Generator = np.random.Generator


@dataclass(frozen=True)
class Case:
    """A layer, what PyTorch has for it, their inputs, and (gradient's name, PyTorch's parameter, its form) triples."""

    layer: Any
    torch: Callable[..., torch.Tensor]
    inputs: tuple[Any, ...]
    parameters: list[tuple[str, Any, Callable[[Any], Any]]] = field(default_factory=list)
    target: Any = None  # what a loss is given beside


def shape(generator: Generator, axes: int | None = None) -> tuple[int, ...]:
    """Return a shape of one to four axes, or of so many."""
    return tuple(int(n) for n in generator.integers(1, 6, size=axes or generator.integers(1, 5)))


def numbers(generator: Generator, size: tuple[int, ...]) -> np.ndarray:
    """Return normal numbers, now and then large ones."""
    return generator.normal(size=size) * generator.choice([0.1, 1.0, 10.0])


def _gelu(number: float) -> str:
    """One of the two forms of GELU."""
    return "tanh" if number > 1 else "none"


def elementwise(
    layer: Any, function: Callable[..., torch.Tensor], positive: bool = False, axes: int = 0
) -> Callable[[Generator], Case]:
    """Return the row of a layer of one input; `layer` and `function` are given the generator's options, if any."""

    def make(generator: Generator) -> Case:
        options = [float(x) for x in generator.uniform(0.1, 2.0, size=2)]
        x = numbers(generator, (*(2,) * axes, *shape(generator)))
        return Case(layer(*options), function(*options), (np.abs(x) + 0.01 if positive else x,))

    return make


def used(layer: Any) -> Any:
    """Return the layer as it is when it does not train."""
    layer.training = False
    return layer


def pairs(layer: Any, function: Callable[..., torch.Tensor]) -> Callable[[Generator], Case]:
    """Return the row of a layer of two inputs, of which the second may be repeated."""

    def make(generator: Generator) -> Case:
        size = shape(generator)
        smaller = tuple(1 if generator.random() < 0.3 else n for n in size)[generator.integers(0, len(size)) :]
        x, y = numbers(generator, size), numbers(generator, smaller)
        return Case(layer(), function, (x, np.where(np.abs(y) < 0.01, 1.0, y)))

    return make


def along(layer: Any, module: Any) -> Callable[[Generator], Case]:
    """Return the row of a layer along an axis."""

    def make(generator: Generator) -> Case:
        size = shape(generator)
        axis = int(generator.integers(-len(size), len(size)))
        size = tuple(2 * n if i == axis % len(size) else n for i, n in enumerate(size))
        return Case(layer(axis), module(dim=axis), (numbers(generator, size),))

    return make


def prelu(generator: Generator) -> Case:
    """Return a PRelu with one slope, or one a channel."""
    size = shape(generator, int(generator.integers(2, 5)))
    channels = int(generator.choice([1, size[1]]))
    layer, module = layers.PRelu(channels), nn.PReLU(channels, dtype=torch.float64)
    return Case(layer, module, (numbers(generator, size),), [("da", module.weight, lambda grad: grad)])


def affine(generator: Generator) -> Case:
    """Return an Affine and a Linear of the same weights."""
    n, d, m = shape(generator, 3)
    W, b = numbers(generator, (d, m)), numbers(generator, (m,))
    linear = nn.Linear(d, m, dtype=torch.float64)
    linear.weight.data, linear.bias.data = torch.tensor(W.T.copy()), torch.tensor(b)
    parameters = [("dW", linear.weight, lambda grad: grad.T), ("db", linear.bias, lambda grad: grad)]
    return Case(layers.Affine(W, b), linear, (numbers(generator, (n, d)),), parameters)


def matmul(generator: Generator) -> Case:
    """Return a MatMul and a Linear without bias."""
    size = shape(generator, int(generator.integers(2, 5)))
    W = numbers(generator, (size[-1], int(generator.integers(1, 6))))
    linear = nn.Linear(*W.shape, bias=False, dtype=torch.float64)
    linear.weight.data = torch.tensor(W.T.copy())
    return Case(layers.MatMul(W), linear, (numbers(generator, size),), [("dW", linear.weight, lambda grad: grad.T)])


def embedding(generator: Generator) -> Case:
    """Return a table and numbers of its rows; there is no gradient of these."""
    W = numbers(generator, shape(generator, 2))
    table = nn.Embedding(*W.shape, dtype=torch.float64)
    table.weight.data = torch.tensor(W)
    idx = generator.integers(0, len(W), size=shape(generator))
    return Case(layers.Embedding(W), table, (idx,), [("dW", table.weight, lambda grad: grad)])


def distance(layer: Any, module: Any, *settings: str) -> Callable[[Generator], Case]:
    """Return the row of a loss of elements with a random reduction, and a random number for each setting."""

    def make(generator: Generator) -> Case:
        size, reduction = shape(generator), str(generator.choice(["mean", "sum", "none"]))
        chosen = {name: float(generator.uniform(0.1, 2)) for name in settings}
        x, t = numbers(generator, size), numbers(generator, size)
        function = module(reduction=reduction, **chosen)
        return Case(layer(reduction=reduction, **chosen), lambda x: function(x, torch.tensor(t)), (x,), target=t)

    return make


def divergence(generator: Generator) -> Case:
    """Return a KLDivergence of logarithms and shares."""
    reduction, log_target = str(generator.choice(["batchmean", "mean", "sum", "none"])), bool(generator.random() < 0.5)
    x, t = numbers(generator, size := shape(generator)), layers.Softmax().forward(generator.normal(size=size))
    t = np.log(t) if log_target else t * (generator.random(size) < 0.8)
    function = nn.KLDivLoss(reduction=reduction, log_target=log_target)
    layer = layers.KLDivergence(reduction, log_target=log_target)
    return Case(layer, lambda x: function(x, torch.tensor(t)), (x,), target=t)


def cross_entropy(generator: Generator) -> Case:
    """Return a SoftmaxWithLoss with any of its options, for classes or for shares."""
    n, c = (int(k) for k in generator.integers(2, 7, size=2))
    weight = generator.uniform(0.1, 3, size=c) if generator.random() < 0.5 else None
    smoothing, reduction = float(generator.choice([0, 0.1, 0.7])), str(generator.choice(["mean", "sum", "none"]))
    if generator.random() < 0.3:
        t, ignore = layers.Softmax().forward(generator.normal(size=(n, c))), None
    else:
        t, ignore = generator.integers(0, c, size=n), int(generator.choice([-100, 0]))
        t[0] = c - 1  # not all of them are ignored
        t[1:] = np.where(generator.random(n - 1) < 0.3, ignore, t[1:])
    other = -100 if ignore is None else ignore
    module = nn.CrossEntropyLoss(
        None if weight is None else torch.tensor(weight), ignore_index=other, reduction=reduction,
        label_smoothing=smoothing,
    )  # fmt: skip
    layer = layers.SoftmaxWithLoss(weight, smoothing, ignore, reduction)
    return Case(layer, lambda x: module(x, torch.tensor(t)), (numbers(generator, (n, c)),), target=t)


def yes_or_no(generator: Generator) -> Case:
    """Return a SigmoidWithLoss with weights of the yes."""
    size, reduction = shape(generator), str(generator.choice(["mean", "sum", "none"]))
    weight, t = generator.uniform(0.1, 3, size=size[-1]), generator.uniform(size=size)
    module = nn.BCEWithLogitsLoss(reduction=reduction, pos_weight=torch.tensor(weight))
    layer = layers.SigmoidWithLoss(weight, reduction)
    return Case(layer, lambda x: module(x, torch.tensor(t)), (numbers(generator, size),), target=t)


def hinge(generator: Generator) -> Case:
    """Return a HingeLoss of rows."""
    n, c = (int(k) for k in generator.integers(2, 7, size=2))
    margin, reduction = float(generator.uniform(0.1, 3)), str(generator.choice(["mean", "sum", "none"]))
    t, module = generator.integers(0, c, size=n), nn.MultiMarginLoss(margin=margin, reduction=reduction)
    x = numbers(generator, (n, c))
    return Case(layers.HingeLoss(margin, reduction), lambda x: module(x, torch.tensor(t)), (x,), target=t)


def normalization(layer: Any, module: Any, axes: tuple[int, int], grouped: bool = False) -> Callable[[Generator], Case]:
    """Return the row of a normalization of channels, on so many axes."""

    def make(generator: Generator) -> Case:
        size = (
            int(generator.integers(2, 5)),
            *(int(n) for n in generator.integers(2, 5, int(generator.integers(*axes)))),
        )
        eps, groups = float(generator.choice([1e-5, 0.1])), 1 + int(generator.integers(0, 3))
        size = (size[0], size[1] * groups, *size[2:])
        gamma, beta = numbers(generator, size[1:2]), numbers(generator, size[1:2])
        norm = module[len(size)](*((groups,) if grouped else ()), size[1], eps, dtype=torch.float64, **(
            {"affine": True} if "Instance" in module[len(size)].__name__ else {}
        ))  # fmt: skip
        norm.weight.data, norm.bias.data = torch.tensor(gamma), torch.tensor(beta)
        mine = layer(gamma, beta, groups, eps) if grouped else layer(gamma, beta, eps)
        if hasattr(mine, "training") and generator.random() < 0.5:
            other = numbers(generator, size)
            mine.forward(other)
            norm(torch.tensor(other))
            norm.eval()
            mine.training = False
        parameters = [("dgamma", norm.weight, lambda grad: grad), ("dbeta", norm.bias, lambda grad: grad)]
        return Case(mine, norm, (numbers(generator, size),), parameters)

    return make


def of_last_axes(generator: Generator, rms: bool = False) -> Case:
    """Return a LayerNorm, or an RmsNorm, over one or more last axes."""
    size, eps = tuple(int(n) + 1 for n in shape(generator)), float(generator.choice([1e-5, 0.1]))
    own = size[int(generator.integers(0, len(size))) :]
    gamma, beta = numbers(generator, own), numbers(generator, own)
    norm = (nn.RMSNorm if rms else nn.LayerNorm)(own, eps, dtype=torch.float64)
    norm.weight.data = torch.tensor(gamma)
    parameters: list[Any] = [("dgamma", norm.weight, lambda grad: grad)]
    if rms:
        return Case(layers.RmsNorm(gamma, eps), norm, (numbers(generator, size),), parameters)
    norm.bias.data = torch.tensor(beta)
    parameters.append(("dbeta", norm.bias, lambda grad: grad))
    return Case(layers.LayerNorm(gamma, beta, eps), norm, (numbers(generator, size),), parameters)


def convolution(generator: Generator, transposed: bool = False) -> Case:
    """Return a convolution of one to three axes, or a transposed one, with random options."""
    axes = int(generator.integers(1, 4))
    groups, stride, dilation = (int(n) for n in generator.integers(1, 4, size=3))
    kernel = tuple(int(n) for n in generator.integers(1, 4, size=axes))
    pad = tuple(int(generator.integers(0, k)) for k in kernel)
    inside, outside = (groups * int(n) for n in generator.integers(1, 3, size=2))
    sizes = tuple(dilation * (k - 1) + 1 + int(generator.integers(0, 3)) for k in kernel)
    how = {"stride": stride, "padding": pad, "dilation": dilation, "groups": groups, "dtype": torch.float64}
    if transposed:
        extra = int(generator.integers(0, max(stride, dilation)))
        modules = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
        module: Any = modules[axes - 1](inside, outside, kernel, output_padding=extra, **how)
        layer: Any = layers.TransposedConvolution
        options: tuple[Any, ...] = (stride, pad, dilation, groups, extra)
    else:
        module = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](inside, outside, kernel, **how)
        layer, options = layers.Convolution, (stride, pad, dilation, groups)
    W, b = module.weight.detach().numpy().copy(), module.bias.detach().numpy().copy()
    parameters = [("dW", module.weight, lambda grad: grad), ("db", module.bias, lambda grad: grad)]
    return Case(layer(W, b, *options), module, (numbers(generator, (2, inside, *sizes)),), parameters)


def pooling(generator: Generator, kind: str) -> Case:
    """Return a pooling of one to three axes."""
    axes = int(generator.integers(1, 4))
    kernel = tuple(int(n) for n in generator.integers(1, 4, size=axes))
    stride, pad = int(generator.integers(1, 4)), tuple(int(generator.integers(0, k // 2 + 1)) for k in kernel)
    sizes = tuple(2 * (k - 1) + 1 + int(generator.integers(0, 4)) for k in kernel)
    x = numbers(generator, (2, 3, *sizes))
    if kind == "max":
        dilation = int(generator.integers(1, 3))
        module: Any = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1](kernel, stride, pad, dilation)
        return Case(layers.MaxPool(kernel, stride, pad, dilation), module, (x,))
    if kind == "mean":
        count = bool(generator.random() < 0.5)
        module = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[axes - 1](kernel, stride, pad, count_include_pad=count)
        return Case(layers.AvgPool(kernel, stride, pad, count_pad=count), module, (x,))
    adaptive = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1]
    if kind == "global":
        mean = adaptive(1)
        return Case(layers.GlobalAvgPool(), lambda x: mean(x).reshape(x.shape[:2]), (x,))
    if kind == "global max":
        largest = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)[axes - 1](1)
        return Case(layers.GlobalMaxPool(), lambda x: largest(x).reshape(x.shape[:2]), (x,))
    if kind == "adaptive max":
        largest = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)[axes - 1](kernel)
        return Case(layers.AdaptiveMaxPool(kernel), largest, (x,))
    return Case(layers.AdaptiveAvgPool(kernel), adaptive(kernel), (x,))


def recurrent(generator: Generator, kind: str) -> Case:
    """Return a recurrent layer, now and then in both directions, with PyTorch's weights."""
    n, steps, d, h = shape(generator, 4)
    both = bool(generator.random() < 0.4)
    module = getattr(nn, kind.upper())(d, h, batch_first=True, bidirectional=both, dtype=torch.float64)
    cells, parameters = [], []
    for suffix in ("", "_reverse")[: 1 + both]:
        names = [f"{name}_l0{suffix}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        Wx, Wh, bx, bh = (getattr(module, name).detach().numpy().T.copy() for name in names)
        cells.append(layers.Gru(Wx, Wh, bx, bh) if kind == "Gru" else getattr(layers, kind)(Wx, Wh, bx + bh))
        own = ("dWx", "dWh", "dbx", "dbh") if kind == "Gru" else ("dWx", "dWh", "db", "db")
        path = "" if not both else "back." if suffix else "there."
        pairs_of_names = zip(own, names, strict=True)
        parameters += [(path + mine, getattr(module, theirs), lambda grad: grad.mT if grad.ndim > 1 else grad)
                       for mine, theirs in pairs_of_names]  # fmt: skip
    layer = layers.Bidirectional(*cells) if both else cells[0]
    return Case(layer, lambda x: module(x)[0], (numbers(generator, (n, steps, d)),), parameters)


def attention(generator: Generator) -> Case:
    """Return a DotProductAttention, now and then causal."""
    t, s, d, e, n = shape(generator, 5)
    causal = bool(generator.random() < 0.5)
    inputs = tuple(generator.normal(size=(n, 2, *size)) for size in ((t, d), (s, d), (s, e)))
    function = partial(nn.functional.scaled_dot_product_attention, is_causal=causal)
    return Case(layers.DotProductAttention(causal=causal), function, inputs)


def heads(generator: Generator) -> Case:
    """Return a MultiHeadAttention of words that ask each other, or others."""
    n, t, s, part = shape(generator, 4)
    number = int(generator.integers(1, 4))
    d = part * number
    module = nn.MultiheadAttention(d, number, bias=False, batch_first=True, dtype=torch.float64)
    Wq, Wk, Wv = (W.T.copy() for W in np.split(module.in_proj_weight.detach().numpy(), 3))
    layer = layers.MultiHeadAttention(Wq, Wk, Wv, module.out_proj.weight.detach().numpy().T.copy(), number)
    each = [(f"dW{name}", module.in_proj_weight, partial(_third, number=i)) for i, name in enumerate("qkv")]
    parameters = [*each, ("dWo", module.out_proj.weight, lambda grad: grad.T)]
    x, y = generator.normal(size=(n, t, d)), generator.normal(size=(n, s, d))
    if generator.random() < 0.5:
        return Case(layer, lambda x: module(x, x, x)[0], (x,), parameters)
    return Case(layer, lambda x, y: module(x, y, y)[0], (x, y), parameters)


def _third(grad: torch.Tensor, number: int) -> torch.Tensor:
    return torch.chunk(grad, 3)[number].T


ROWS: dict[str, Callable[[Generator], Case]] = {
    "MulLayer": pairs(layers.MulLayer, torch.mul), "AddLayer": pairs(layers.AddLayer, torch.add),
    "SubLayer": pairs(layers.SubLayer, torch.sub), "DivLayer": pairs(layers.DivLayer, torch.div),
    "MaximumLayer": pairs(layers.MaximumLayer, torch.maximum),
    "MinimumLayer": pairs(layers.MinimumLayer, torch.minimum),
    "NegLayer": elementwise(lambda a, b: layers.NegLayer(), lambda a, b: torch.neg),
    "SquareLayer": elementwise(lambda a, b: layers.SquareLayer(), lambda a, b: torch.square),
    "PowLayer": elementwise(lambda a, b: layers.PowLayer(a), lambda a, b: lambda x: torch.pow(x, a), positive=True),
    "SqrtLayer": elementwise(lambda a, b: layers.SqrtLayer(), lambda a, b: torch.sqrt, positive=True),
    "LogLayer": elementwise(lambda a, b: layers.LogLayer(), lambda a, b: torch.log, positive=True),
    "ExpLayer": elementwise(lambda a, b: layers.ExpLayer(), lambda a, b: torch.exp),
    "ReciprocalLayer": elementwise(lambda a, b: layers.ReciprocalLayer(), lambda a, b: torch.reciprocal, positive=True),
    "AbsLayer": elementwise(lambda a, b: layers.AbsLayer(), lambda a, b: torch.abs),
    "SinLayer": elementwise(lambda a, b: layers.SinLayer(), lambda a, b: torch.sin),
    "CosLayer": elementwise(lambda a, b: layers.CosLayer(), lambda a, b: torch.cos),
    "Relu": elementwise(lambda a, b: layers.Relu(), lambda a, b: nn.ReLU()),
    "LeakyRelu": elementwise(lambda a, b: layers.LeakyRelu(a), lambda a, b: nn.LeakyReLU(a)),
    "PRelu": prelu,
    "RRelu": elementwise(
        lambda a, b: used(layers.RRelu(min(a, b), max(a, b))), lambda a, b: nn.RReLU(min(a, b), max(a, b)).eval()
    ),
    "Flatten": elementwise(lambda a, b: layers.Flatten(), lambda a, b: nn.Flatten(), axes=2),
    "Relu6": elementwise(lambda a, b: layers.Relu6(), lambda a, b: nn.ReLU6()),
    "Hardtanh": elementwise(lambda a, b: layers.Hardtanh(-a, b), lambda a, b: nn.Hardtanh(-a, b)),
    "Hardsigmoid": elementwise(lambda a, b: layers.Hardsigmoid(), lambda a, b: nn.Hardsigmoid()),
    "Hardswish": elementwise(lambda a, b: layers.Hardswish(), lambda a, b: nn.Hardswish()),
    "Hardshrink": elementwise(lambda a, b: layers.Hardshrink(a), lambda a, b: nn.Hardshrink(a)),
    "Softshrink": elementwise(lambda a, b: layers.Softshrink(a), lambda a, b: nn.Softshrink(a)),
    "Threshold": elementwise(lambda a, b: layers.Threshold(a, b), lambda a, b: nn.Threshold(a, b)),
    "Sigmoid": elementwise(lambda a, b: layers.Sigmoid(), lambda a, b: nn.Sigmoid()),
    "Tanh": elementwise(lambda a, b: layers.Tanh(), lambda a, b: nn.Tanh()),
    "Tanhshrink": elementwise(lambda a, b: layers.Tanhshrink(), lambda a, b: nn.Tanhshrink()),
    "Softsign": elementwise(lambda a, b: layers.Softsign(), lambda a, b: nn.Softsign()),
    # PyTorch's threshold is put where x and the curve are the same number.
    "Softplus": elementwise(lambda a, b: layers.Softplus(a), lambda a, b: nn.Softplus(a, threshold=40)),
    "LogSigmoid": elementwise(lambda a, b: layers.LogSigmoid(), lambda a, b: nn.LogSigmoid()),
    "Elu": elementwise(lambda a, b: layers.Elu(a), lambda a, b: nn.ELU(a)),
    "Celu": elementwise(lambda a, b: layers.Celu(a), lambda a, b: nn.CELU(a)),
    "Selu": elementwise(lambda a, b: layers.Selu(), lambda a, b: nn.SELU()),
    "Silu": elementwise(lambda a, b: layers.Silu(), lambda a, b: nn.SiLU()),
    "Mish": elementwise(lambda a, b: layers.Mish(), lambda a, b: nn.Mish()),
    "Gelu": elementwise(lambda a, b: layers.Gelu(_gelu(a)), lambda a, b: nn.GELU(_gelu(a))),
    "Softmax": along(layers.Softmax, nn.Softmax), "Softmin": along(layers.Softmin, nn.Softmin),
    "LogSoftmax": along(layers.LogSoftmax, nn.LogSoftmax), "Glu": along(layers.Glu, nn.GLU),
    "MatMul": matmul, "Affine": affine, "Embedding": embedding,
    "MeanSquaredError": distance(layers.MeanSquaredError, nn.MSELoss),
    "MeanAbsoluteError": distance(layers.MeanAbsoluteError, nn.L1Loss),
    "HuberLoss": distance(layers.HuberLoss, nn.HuberLoss, "delta"),
    "SmoothL1Loss": distance(layers.SmoothL1Loss, nn.SmoothL1Loss, "beta"),
    "KLDivergence": divergence, "SoftmaxWithLoss": cross_entropy, "SigmoidWithLoss": yes_or_no, "HingeLoss": hinge,
    "BatchNorm": normalization(
        layers.BatchNorm, {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}, (1, 5)
    ),
    "InstanceNorm": normalization(
        layers.InstanceNorm, {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}, (2, 5)
    ),
    "GroupNorm": normalization(layers.GroupNorm, dict.fromkeys(range(2, 6), nn.GroupNorm), (1, 5), grouped=True),
    "Convolution": convolution, "TransposedConvolution": lambda generator: convolution(generator, transposed=True),
    **{name: partial(pooling, kind=kind) for name, kind in {
        "MaxPool": "max", "AvgPool": "mean", "GlobalAvgPool": "global", "GlobalMaxPool": "global max",
        "AdaptiveAvgPool": "adaptive", "AdaptiveMaxPool": "adaptive max",
    }.items()},
    **{kind: partial(recurrent, kind=kind) for kind in ("Rnn", "Lstm", "Gru")},
    "DotProductAttention": attention, "MultiHeadAttention": heads,
    "LayerNorm": of_last_axes, "RmsNorm": lambda generator: of_last_axes(generator, rms=True),
}  # fmt: skip
