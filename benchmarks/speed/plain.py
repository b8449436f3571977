"""The plain contender and dout, the same code as it is and compiled; and the floors, matmuls and copies alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.speed import layers
from benchmarks.speed.rows import Row
from benchmarks.speed.tasks import NETS, PURCHASE, RATE, TASKS, Arrays, Task, arrays, batch, images

Work = tuple[Callable[[], Any], Callable[[Any], list[Any]]]  # a call, and arrays to compare from what it gave
Compile = Callable[[Any], Any]


class MissingError(Exception):
    """What a contender lacks."""


def as_it_is(work: Any) -> Any:
    """What plain code does in place of compiling."""
    return work


def build(row: Row, compile: Compile = as_it_is, dtype: Any = None) -> Work:
    """The row's work, warm after its first call; in the row's dtype, or a given one."""
    dtype = np.dtype(dtype or row.dtype)
    if row.task == "net":
        return _training(row, compile, dtype)
    if row.task in NETS:
        gradient = compile(NETS[row.task](dtype).gradient)
        x, t = images(*row.shape, dtype)
        return lambda: gradient(x, t), lambda grads: list(grads.values())
    if row.task == "buy-fruits":
        buy = compile(layers.buy_fruits)
        return lambda: buy(*PURCHASE), list
    if row.task == "ten norms":
        norms, x = compile(layers.ten_norms), np.ones(row.shape, dtype)
        return lambda: norms(x), lambda out: [out]
    task = TASKS[row.task]
    data = arrays(task, row.shape, dtype)
    if row.kind in ("one step", "peak memory of a step", "new memory a step"):
        return _one_step(task, data, compile)
    return _two_calls(task, data, compile, dtype)


def build_compiled(row: Row) -> Work:
    """The same, compiled; a function's gradient is dout's."""
    return build(row, by_dout())


def build_few_steps(row: Row) -> Work:
    """The same with ten steps only: what a first call of many steps is compared with."""
    return build(replace(row, shape=(row.shape[0], 10, *row.shape[2:])), by_dout())


def build_numpy_by_torch(row: Row) -> Work:
    """The plain code again, unmodified, by torch.compile, which takes NumPy's functions for its own."""
    return build(row, by_torch)


def by_dout() -> Compile:
    """`dout.compile`, where this dout has it."""
    import dout

    if not hasattr(dout, "compile"):
        raise MissingError("dout.compile")
    return dout.compile


class LayerByTorch:
    """A layer whose two methods torch.compile has."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.forward, self.backward = by_torch(layer.forward), by_torch(layer.backward)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)


def by_torch(work: Any) -> Any:
    """The compiled function or layer; each row begins anew, and each size has its own kernels, as in PyTorch's rows."""
    import torch

    torch._logging.set_logs(all=logging.CRITICAL)
    if not callable(work):
        torch._dynamo.reset()
        return LayerByTorch(work)
    return torch.compile(work, dynamic=False)


def _two_calls(task: Task, data: Arrays, compile: Compile, dtype: Any) -> Work:
    held = [data[name] for name in task.held]
    given = [data[name] for name in task.leaves if name not in task.held] + ([data["t"]] if task.labels else [])
    dout = [] if task.labels else [data["dout"]]
    layer = compile(task.layer(dtype) if task.weighted else task.layer(*held))

    def call() -> Any:
        out = layer.forward(*given)
        return out, layer.backward(*dout)

    def results(answer: Any) -> list[Any]:
        out, grads = answer
        kept = [getattr(layer, name) for name in (*(f"d{name}" for name in task.held), *task.kept)]
        if task.weighted:
            kept = list(layer.grads.values() if isinstance(layer.grads, dict) else layer.grads)
        return [out, *(grads if isinstance(grads, tuple) else (grads,)), *kept]

    return call, results


def _one_step(task: Task, data: Arrays, compile: Compile) -> Work:
    """Value and gradient of the sum: by the layer's backward, or, compiled, by dout's derivative."""
    leaves = [data[name] for name in task.leaves]
    if compile is as_it_is:
        layer = task.layer()

        def call() -> Any:
            out = layer.forward(*leaves)
            return np.sum(out), layer.backward(np.ones_like(out))

    else:
        import dout

        function = task.function
        assert function is not None
        step = compile(dout.value_and_grad(lambda *xs: np.sum(function(*xs)), tuple(range(len(leaves)))))

        def call() -> Any:
            return step(*leaves)

    def results(answer: Any) -> list[Any]:
        value, grads = answer
        return [value, *(grads if isinstance(grads, tuple) else (grads,))]

    return call, results


def _training(row: Row, compile: Compile, dtype: Any) -> Work:
    *widths, size = row.shape
    net = layers.Net(tuple(widths), dtype)
    x, t = batch(tuple(widths), size, dtype)

    def step(x: Any, t: Any) -> None:
        grads = net.gradient(x, t)
        for name in net.params:
            net.params[name] -= RATE * grads[name]

    step = compile(step)
    before = {name: value.copy() for name, value in net.params.items()}
    return lambda: step(x, t), lambda _: [(before[name] - net.params[name]) / RATE for name in before]


def build_matmuls(row: Row) -> Work:
    """The products that the gradients of all parameters cannot do without, into arrays that exist."""
    rng = np.random.default_rng(3)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(row.dtype)

    jobs = []
    for i, (rows, inner, columns) in enumerate(_products(row)):
        x, weight, dout = normal(rows, inner), normal(inner, columns), normal(rows, columns)
        jobs += [(x, weight, normal(rows, columns)), (x.T, dout, normal(inner, columns))]
        if i:  # nobody asks for the gradient of the examples
            jobs.append((dout, weight.T, normal(rows, inner)))

    def call() -> None:
        for one, other, out in jobs:
            np.matmul(one, other, out=out)

    return call, lambda _: []


def _products(row: Row) -> list[tuple[int, int, int]]:
    """Rows, inner length and columns of each layer's product in forward."""
    if row.task == "convolutional net":
        (size,) = row.shape
        return [(size * 24 * 24, 25, 30), (size, 30 * 12 * 12, 100), (size, 100, 10)]
    *widths, size = row.shape
    return [(size, rows, columns) for rows, columns in pairwise(widths)]


def build_copy(row: Row) -> Work:
    """A copy, on every core, that moves as many bytes as the row's work has to: half read, half written."""
    task = TASKS[row.task]
    numbers = task.one_step if row.kind == "one step" else task.two_calls
    source = np.ones(int(numbers * row.shape[0]) // 2, np.float32)
    target = np.zeros_like(source)
    cores = os.cpu_count() or 1
    threads = ThreadPoolExecutor(cores)
    parts = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    return lambda: list(threads.map(lambda part: np.copyto(*part), parts)), lambda _: []
