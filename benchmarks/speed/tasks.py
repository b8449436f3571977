"""What each task computes on: its plain code, and its arrays, the same for every contender."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.speed import attention, layers, naive, networks, recurrent

Arrays = dict[str, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Task:
    """A layer or function of layers.py; `leaves` are the arrays that get a gradient, in order."""

    layer: Callable[..., Any]
    leaves: tuple[str, ...] = ("x",)
    held: tuple[str, ...] = ()  # leaves that the layer is made with; it keeps their gradients
    kept: tuple[str, ...] = ()  # attributes that forward updates
    weighted: bool = False  # made with a dtype; it has `params`, and after backward their `grads`, in dicts or lists
    labels: bool = False  # a loss: forward takes t, backward nothing
    function: Callable[..., Any] | None = None
    two_calls: float = 0  # numbers moved an element: arguments, results and kept arrays, each once a call
    one_step: float = 0  # the same for value and gradient in one
    example: Shape = (3, 4)  # a small shape that it takes
    given_back: Callable[[Shape], Shape] = tuple  # the shape of its result


TASKS = {
    "sigmoid": Task(layers.Sigmoid, function=layers.sigmoid, two_calls=2 + 3),
    "relu": Task(layers.Relu, two_calls=2.25 + 2.25),  # a mask is a byte an element
    "chain": Task(layers.Chain, ("x", "a", "b"), function=layers.chain, two_calls=5 + 8, one_step=6),
    "gelu tanh": Task(layers.GeluTanh, function=layers.gelu_tanh, two_calls=3 + 4, one_step=2),
    "gelu erf": Task(layers.GeluErf, function=layers.gelu_erf, two_calls=3 + 4, one_step=2),
    "silu": Task(layers.Silu, function=layers.silu, two_calls=3 + 4, one_step=2),
    "softplus": Task(layers.Softplus, function=layers.softplus, two_calls=2 + 3, one_step=2),
    "tanh": Task(layers.Tanh, function=layers.tanh, two_calls=2 + 3, one_step=2),
    "softmax cross-entropy": Task(layers.SoftmaxWithLoss, labels=True),
    "layer norm": Task(layers.LayerNorm, ("x", "gamma", "beta"), held=("gamma", "beta")),
    "batch norm": Task(
        layers.BatchNorm, ("x", "gamma", "beta"), held=("gamma", "beta"), kept=("running_mean", "running_var")
    ),
    "naive convolution": Task(
        naive.NaiveConvolution,
        weighted=True,
        example=(1, 3, 2, 3),
        given_back=lambda shape: (shape[0], 16, *shape[2:]),
    ),
    "naive max pooling": Task(
        naive.NaiveMaxPooling,
        example=(1, 2, 2, 4),
        given_back=lambda shape: (*shape[:2], shape[2] // 2, shape[3] // 2),
    ),
    "loop over numbers": Task(naive.ElementLoop, example=(5,)),
    "loop of calls": Task(naive.CallingLoop, example=(5,)),
    "residual block": Task(networks.ResidualBlock, weighted=True, example=(1, 16, 2, 3)),
    "recurrent layer": Task(recurrent.Recurrent, weighted=True, example=(1, 2, 100)),
    "RNN of cells": Task(recurrent.SimpleSteps, weighted=True, example=(1, 2, 100)),
    "GRU of cells": Task(recurrent.GatedSteps, weighted=True, example=(1, 2, 100)),
    "LSTM of cells": Task(recurrent.LongSteps, weighted=True, example=(1, 2, 100)),
    "attention block": Task(attention.Block, weighted=True, example=(1, 3, 256)),
}
NETS: dict[str, Callable[[Any], Any]] = {  # of images; made with a dtype, they have `params` and `gradient(x, t)`
    "two-layer net": networks.TwoLayerNet,
    "convolutional net": networks.ConvolutionalNet,
    "deep convolutional net": networks.DeepConvolutionalNet,
    "LeNet-5": networks.LeNet,
}
PURCHASE = (100.0, 2.0, 150.0, 3.0, 1.1)
RATE = 0.01  # small: many steps must not end where gradients are subnormal, and slow


def arrays(task: Task, shape: tuple[int, ...], dtype: Any = np.float32) -> Arrays:
    """The same numbers at each call: rounded to float32, then widened where float64 is asked for."""
    rng = np.random.default_rng(3)

    def normal(*size: int) -> Any:
        drawn = rng.standard_normal(size, np.float32)
        drawn[drawn == 0] = 1  # a gradient of relu at 0 is a matter of taste
        return drawn.astype(dtype, copy=False)

    found = {name: normal(*(shape[-1:] if name in task.held else shape)) for name in task.leaves}
    if task.labels:
        return found | {"t": rng.integers(0, shape[-1], shape[0])}
    return found | {"dout": normal(*task.given_back(shape))}


def batch(widths: tuple[int, ...], size: int, dtype: Any = np.float32) -> tuple[Any, Any]:
    """Examples about as bright as handwritten digits, and their classes as rows of zeros with a one."""
    rng = np.random.default_rng(3)
    x = 0.3 * rng.standard_normal((size, widths[0]), np.float32)
    return x.astype(dtype, copy=False), np.eye(widths[-1], dtype=dtype)[rng.integers(0, widths[-1], size)]


def images(size: int, dtype: Any = np.float32) -> tuple[Any, Any]:
    """Images of 28 by 28 with one channel, and their classes as rows of zeros with a one."""
    x, t = batch((28 * 28, 10), size, dtype)
    return x.reshape(size, 1, 28, 28), t
