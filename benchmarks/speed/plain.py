"""The plain contender and dout, the same code as it is and compiled; and the floors, matmuls and copies alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.speed import layers, networks
from benchmarks.speed.rows import Row
from benchmarks.speed.tasks import PURCHASE, RATE, TASKS, Arrays, Task, arrays, batch, images

Work = tuple[Callable[[], Any], Callable[[Any], list[Any]]]  # a call, and arrays to compare from what it gave
Compile = Callable[[Any], Any]


class MissingError(Exception):
    """What a contender lacks."""


def as_it_is(work: Any) -> Any:
    """What plain code does in place of compiling."""
    return work


def build(row: Row, compile: Compile = as_it_is, dtype: Any = np.float32) -> Work:
    """The row's work, warm after its first call."""
    if row.task == "net":
        return _training(row, compile, dtype)
    if row.task == "convolutional net":
        return _gradient(row, compile, dtype)
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
    return _two_calls(task, data, compile)


def build_compiled(row: Row) -> Work:
    """The same, compiled; a function's gradient is dout's."""
    import dout

    if not hasattr(dout, "compile"):
        raise MissingError("dout.compile")
    return build(row, dout.compile)


def _two_calls(task: Task, data: Arrays, compile: Compile) -> Work:
    held = [data[name] for name in task.held]
    given = [data[name] for name in task.leaves if name not in task.held] + ([data["t"]] if task.labels else [])
    dout = [] if task.labels else [data["dout"]]
    layer = compile(task.layer(*held))

    def call() -> Any:
        out = layer.forward(*given)
        return out, layer.backward(*dout)

    def results(answer: Any) -> list[Any]:
        out, grads = answer
        kept = [getattr(layer, name) for name in (*(f"d{name}" for name in task.held), *task.kept)]
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


def _gradient(row: Row, compile: Compile, dtype: Any) -> Work:
    net = networks.ConvolutionalNet(dtype)
    gradient = compile(net.gradient)
    x, t = images(*row.shape, dtype)
    return lambda: gradient(x, t), lambda grads: [grads[name] for name in net.params]


def build_matmuls(row: Row) -> Work:
    """The products a training step cannot do without, into arrays that exist."""
    *widths, size = row.shape
    rng = np.random.default_rng(3)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, np.float32)

    jobs = []
    for i, (rows, columns) in enumerate(pairwise(widths)):
        x, weight, dout = normal(size, rows), normal(rows, columns), normal(size, columns)
        jobs += [(x, weight, normal(size, columns)), (x.T, dout, normal(rows, columns))]
        if i:  # nobody asks for the gradient of the examples
            jobs.append((dout, weight.T, normal(size, rows)))

    def call() -> None:
        for one, other, out in jobs:
            np.matmul(one, other, out=out)

    return call, lambda _: []


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
