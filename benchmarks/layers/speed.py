"""Ready-made layers, compiled, beside PyTorch's of the same name, eager: forward and backward in float32.

    PYTHONPATH=src python -m benchmarks.layers.speed [--threads 1] [--seconds 0.3] [NAME …]

PyTorch has to be there. Both are in one process and take turns; the least processor time of all turns counts, so other
programs on the machine hardly matter with one thread. A line a layer: microseconds of two calls, and PyTorch's time
by ours.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before NumPy is loaded
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3, help="of the turns of a contender")
    parser.add_argument("names", nargs="*")
    ASKED = parser.parse_args()
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(ASKED.threads)
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch import nn

import dout
from dout import layers

TURNS, SHORT = 7, 1e-3  # seconds: shorter calls are timed in batches
MATRIX, IMAGES, STEPS = (64, 1024), (32, 16, 28, 28), (20, 35, 100)


@dataclass(frozen=True)
class Race:
    """A layer, what PyTorch has for it, and the shapes of their inputs; `target` is what a loss is given beside."""

    layer: Callable[[], Any]
    torch: Callable[[], Callable[..., Any]]
    shapes: tuple[tuple[int, ...], ...] = (MATRIX,)
    target: Any = None
    positive: bool = False


def normal(*shape: int) -> np.ndarray:
    """The same normal numbers at each call."""
    return np.random.default_rng(3).standard_normal(shape, np.float32)


def same(function: Callable[..., Any]) -> Callable[[], Callable[..., Any]]:
    """A maker of a function that PyTorch has ready."""
    return lambda: function


def loss(layer: Any, module: Any, target: np.ndarray, **given: Any) -> Race:
    """A loss of a matrix and `target`."""
    return Race(layer, lambda: partial(_swapped, module(**given), torch.from_numpy(target)), target=target)


def _swapped(function: Any, target: Any, x: Any) -> Any:
    return function(x, target)


def weights(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Small weights."""
    return [0.1 * normal(*shape) for shape in shapes]


def norm(layer: Any, module: Any, shape: tuple[int, ...], size: Any, *before: int) -> Race:
    """A normalization with scale and shift."""
    return Race(
        lambda: layer(np.ones(size, np.float32), np.zeros(size, np.float32), *before),
        lambda: module(*before, size, **({"affine": True} if "Instance" in module.__name__ else {})),
        (shape,),
    )


def recurrent(layer: Any, module: Any, gates: int, biases: int = 1) -> Race:
    """A recurrent layer of 100 numbers."""
    return Race(
        lambda: layer(*weights(*[(100, 100 * gates)] * 2), *[np.zeros(100 * gates, np.float32)] * biases),
        lambda: partial(_first, module(100, 100, batch_first=True)),
        (STEPS,),
    )


def _first(module: Any, x: Any) -> Any:
    return module(x)[0]


def heads() -> Callable[..., Any]:
    """PyTorch's attention of eight heads to itself."""
    module = nn.MultiheadAttention(256, 8, bias=False, batch_first=True)
    return lambda x: module(x, x, x, need_weights=False)[0]


CLASSES = np.random.default_rng(3).integers(0, 1024, 64)
SHARES = layers.Softmax().forward(normal(*MATRIX))
CHANCES = np.random.default_rng(3).random(MATRIX, np.float32)
WORDS = np.random.default_rng(3).integers(0, 5000, (20, 35))
TWO = (MATRIX, MATRIX)
RACES = {
    "MulLayer": Race(layers.MulLayer, same(torch.mul), TWO), "AddLayer": Race(layers.AddLayer, same(torch.add), TWO),
    "SubLayer": Race(layers.SubLayer, same(torch.sub), TWO), "DivLayer": Race(layers.DivLayer, same(torch.div), TWO),
    "MaximumLayer": Race(layers.MaximumLayer, same(torch.maximum), TWO),
    "MinimumLayer": Race(layers.MinimumLayer, same(torch.minimum), TWO),
    "NegLayer": Race(layers.NegLayer, same(torch.neg)), "SquareLayer": Race(layers.SquareLayer, same(torch.square)),
    "PowLayer": Race(lambda: layers.PowLayer(1.5), same(lambda x: torch.pow(x, 1.5)), positive=True),
    "SqrtLayer": Race(layers.SqrtLayer, same(torch.sqrt), positive=True),
    "LogLayer": Race(layers.LogLayer, same(torch.log), positive=True),
    "ExpLayer": Race(layers.ExpLayer, same(torch.exp)),
    "ReciprocalLayer": Race(layers.ReciprocalLayer, same(torch.reciprocal)),
    "AbsLayer": Race(layers.AbsLayer, same(torch.abs)), "SinLayer": Race(layers.SinLayer, same(torch.sin)),
    "CosLayer": Race(layers.CosLayer, same(torch.cos)),
    "Relu": Race(layers.Relu, nn.ReLU), "LeakyRelu": Race(layers.LeakyRelu, nn.LeakyReLU),
    "PRelu": Race(layers.PRelu, nn.PReLU), "Relu6": Race(layers.Relu6, nn.ReLU6),
    "RRelu": Race(layers.RRelu, nn.RReLU), "Dropout": Race(layers.Dropout, nn.Dropout),
    "Hardtanh": Race(layers.Hardtanh, nn.Hardtanh), "Hardsigmoid": Race(layers.Hardsigmoid, nn.Hardsigmoid),
    "Hardswish": Race(layers.Hardswish, nn.Hardswish), "Hardshrink": Race(layers.Hardshrink, nn.Hardshrink),
    "Softshrink": Race(layers.Softshrink, nn.Softshrink),
    "Threshold": Race(lambda: layers.Threshold(0.1, 0.2), lambda: nn.Threshold(0.1, 0.2)),
    "Sigmoid": Race(layers.Sigmoid, nn.Sigmoid), "Tanh": Race(layers.Tanh, nn.Tanh),
    "Tanhshrink": Race(layers.Tanhshrink, nn.Tanhshrink), "Softsign": Race(layers.Softsign, nn.Softsign),
    "Softplus": Race(layers.Softplus, nn.Softplus), "LogSigmoid": Race(layers.LogSigmoid, nn.LogSigmoid),
    "Elu": Race(layers.Elu, nn.ELU), "Celu": Race(layers.Celu, nn.CELU), "Selu": Race(layers.Selu, nn.SELU),
    "Silu": Race(layers.Silu, nn.SiLU), "Mish": Race(layers.Mish, nn.Mish),
    "Gelu": Race(layers.Gelu, nn.GELU), "Gelu by tanh": Race(lambda: layers.Gelu("tanh"), lambda: nn.GELU("tanh")),
    "Softmax": Race(layers.Softmax, lambda: nn.Softmax(-1)), "Softmin": Race(layers.Softmin, lambda: nn.Softmin(-1)),
    "LogSoftmax": Race(layers.LogSoftmax, lambda: nn.LogSoftmax(-1)), "Glu": Race(layers.Glu, nn.GLU),
    "MatMul": Race(lambda: layers.MatMul(*weights((1024, 512))), lambda: nn.Linear(1024, 512, bias=False)),
    "Bias": Race(lambda: layers.Bias(normal(1024)), lambda: nn.Parameter(torch.ones(1024)).__add__),
    "Affine": Race(lambda: layers.Affine(*weights((1024, 512), (512,))), lambda: nn.Linear(1024, 512)),
    "Embedding": Race(lambda: layers.Embedding(*weights((5000, 100))), lambda: nn.Embedding(5000, 100), (), WORDS),
    "MeanSquaredError": loss(layers.MeanSquaredError, nn.MSELoss, normal(*MATRIX) + 1),
    "MeanAbsoluteError": loss(layers.MeanAbsoluteError, nn.L1Loss, normal(*MATRIX) + 1),
    "HuberLoss": loss(layers.HuberLoss, nn.HuberLoss, normal(*MATRIX) + 1),
    "SmoothL1Loss": loss(layers.SmoothL1Loss, nn.SmoothL1Loss, normal(*MATRIX) + 1),
    "KLDivergence": loss(layers.KLDivergence, nn.KLDivLoss, SHARES, reduction="batchmean"),
    "SoftmaxWithLoss": loss(layers.SoftmaxWithLoss, nn.CrossEntropyLoss, CLASSES),
    "SigmoidWithLoss": loss(layers.SigmoidWithLoss, nn.BCEWithLogitsLoss, CHANCES),
    "HingeLoss": loss(layers.HingeLoss, nn.MultiMarginLoss, CLASSES),
    "BatchNorm": norm(layers.BatchNorm, nn.BatchNorm1d, MATRIX, 1024),
    "BatchNorm of images": norm(layers.BatchNorm, nn.BatchNorm2d, IMAGES, 16),
    "LayerNorm": norm(layers.LayerNorm, nn.LayerNorm, MATRIX, 1024),
    "RmsNorm": Race(lambda: layers.RmsNorm(np.ones(1024, np.float32)), lambda: nn.RMSNorm(1024)),
    "GroupNorm": Race(
        lambda: layers.GroupNorm(np.ones(16, np.float32), np.zeros(16, np.float32), 4),
        lambda: nn.GroupNorm(4, 16), (IMAGES,),
    ),
    "InstanceNorm": norm(layers.InstanceNorm, nn.InstanceNorm2d, IMAGES, 16),
    "Convolution": Race(
        lambda: layers.Convolution(*weights((32, 16, 3, 3), (32,)), 1, 1), lambda: nn.Conv2d(16, 32, 3, padding=1),
        (IMAGES,),
    ),
    "Convolution of 5 × 5": Race(
        lambda: layers.Convolution(*weights((6, 1, 5, 5), (6,)), 1, 2), lambda: nn.Conv2d(1, 6, 5, padding=2),
        ((100, 1, 28, 28),),
    ),
    "TransposedConvolution": Race(
        lambda: layers.TransposedConvolution(*weights((16, 8, 2, 2), (8,)), 2), lambda: nn.ConvTranspose2d(16, 8, 2, 2),
        (IMAGES,),
    ),
    "MaxPool": Race(layers.MaxPool, lambda: nn.MaxPool2d(2), (IMAGES,)),
    "MaxPool of 3 × 3": Race(lambda: layers.MaxPool(3, 2), lambda: nn.MaxPool2d(3, 2), (IMAGES,)),
    "AvgPool": Race(lambda: layers.AvgPool(2), lambda: nn.AvgPool2d(2), (IMAGES,)),
    "GlobalAvgPool": Race(layers.GlobalAvgPool, lambda: lambda x: x.mean((2, 3)), (IMAGES,)),
    "GlobalMaxPool": Race(layers.GlobalMaxPool, lambda: lambda x: torch.amax(x, (2, 3)), (IMAGES,)),
    "AdaptiveAvgPool": Race(lambda: layers.AdaptiveAvgPool(7), lambda: nn.AdaptiveAvgPool2d(7), (IMAGES,)),
    "AdaptiveMaxPool": Race(lambda: layers.AdaptiveMaxPool(7), lambda: nn.AdaptiveMaxPool2d(7), (IMAGES,)),
    "Rnn": recurrent(layers.Rnn, nn.RNN, 1), "Lstm": recurrent(layers.Lstm, nn.LSTM, 4),
    "Gru": recurrent(layers.Gru, nn.GRU, 3, 2),
    "DotProductAttention": Race(
        layers.DotProductAttention, same(nn.functional.scaled_dot_product_attention), ((8, 8, 128, 32),) * 3,
    ),
    "MultiHeadAttention": Race(
        lambda: layers.MultiHeadAttention(*weights(*[(256, 256)] * 4), 8), heads, ((8, 128, 256),),
    ),
    "Flatten": Race(layers.Flatten, nn.Flatten, (IMAGES,)),
    "SumLayer": Race(layers.SumLayer, same(torch.sum)), "MeanLayer": Race(layers.MeanLayer, same(torch.mean)),
    "Concat": Race(layers.Concat, same(lambda x, y: torch.cat((x, y), -1)), TWO),
}  # fmt: skip


def contenders(race: Race) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Two calls of the compiled layer, and of PyTorch's."""
    arrays = [normal(*shape) for shape in race.shapes]
    if len(arrays) == 3:
        arrays = [array + 0.1 * i for i, array in enumerate(arrays)]
    arrays = [np.abs(array) + np.float32(0.01) for array in arrays] if race.positive else arrays
    given = [*arrays, *(() if race.target is None else (race.target,))]
    mine, theirs = dout.compile(race.layer()), race.torch()
    leaves = [torch.from_numpy(array).requires_grad_() for array in arrays]
    inputs = leaves or [torch.from_numpy(race.target)]
    parameters = [*theirs.parameters()] if isinstance(theirs, nn.Module) else []
    like = theirs(*inputs)
    douts = [normal(*like.shape)] if like.ndim else []
    ones = [np.float32(1)] if race.target is None else []

    def own() -> None:
        mine.forward(*given)
        mine.backward(*(douts or ones))

    def other() -> None:
        for leaf in (*leaves, *parameters):
            leaf.grad = None
        theirs(*inputs).backward(*map(torch.from_numpy, douts))

    return own, other


def least(calls: tuple[Callable[[], Any], ...], seconds: float) -> list[float]:
    """The least processor time of a call of each, in turns."""
    found = [float("inf")] * len(calls)
    for call in calls:
        for _ in range(3):
            call()
    for _ in range(TURNS):
        for k, call in enumerate(calls):
            begun = time.process_time()
            call()
            many = max(1, round(SHORT / max(time.process_time() - begun, 1e-7)))
            end = time.process_time() + seconds / TURNS
            while (begun := time.process_time()) < end:
                for _ in range(many):
                    call()
                found[k] = min(found[k], (time.process_time() - begun) / many)
    return found


def main() -> None:
    """Print the table."""
    torch.set_num_threads(ASKED.threads)
    print(f"{'layer':24}{'dout':>10}{'torch':>10}{'':>8}   PyTorch {torch.__version__}, threads: {ASKED.threads}")
    slower = 0
    for name, race in RACES.items():
        if ASKED.names and name not in ASKED.names:
            continue
        own, other = least(contenders(race), ASKED.seconds)
        slower += other < own
        print(f"{name:24}{own * 1e6:7.1f} µs{other * 1e6:7.1f} µs{other / own:6.2f} ×", flush=True)
    print(f"slower than PyTorch: {slower}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
