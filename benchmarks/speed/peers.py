"""The same work in PyTorch, eager and compiled, in JAX under jit, and in micrograd: as their manuals have it."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.speed import layers, torch_networks
from benchmarks.speed.plain import Work
from benchmarks.speed.rows import Row
from benchmarks.speed.tasks import PURCHASE, RATE, TASKS, arrays, batch


def build_torch(row: Row, compiled: bool = False) -> Work:
    """Leaves that need a gradient, a forward, `.backward()`; gradients start as None, as zero_grad leaves them."""
    import torch
    from torch.nn import functional as F

    torch._dynamo.reset()  # each size its own kernels: no dynamic shapes, which are slower
    if row.task == "net":
        return _torch_training(row, compiled)
    if row.task in torch_networks.MODULES or row.task in torch_networks.FORWARD:
        return torch_networks.build(row, compiled)
    task = TASKS[row.task]
    data = {name: torch.from_numpy(value) for name, value in arrays(task, row.shape).items()}
    leaves = [data[name].requires_grad_() for name in task.leaves]
    rest = [data["t"]] if task.labels else []
    kept = [torch.zeros(row.shape[-1]) for _ in task.kept]

    def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
        return F.batch_norm(x, kept[0], kept[1], gamma, beta, training=True)

    functions = {
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "chain": lambda x, a, b: torch.sigmoid(x * a + b) * torch.relu(x),
        "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
        "gelu erf": F.gelu,
        "silu": F.silu,
        "softplus": F.softplus,
        "tanh": torch.tanh,
        "softmax cross-entropy": F.cross_entropy,
        "layer norm": lambda x, gamma, beta: F.layer_norm(x, x.shape[-1:], gamma, beta),
        "batch norm": batch_norm,
    }
    forward = functions[row.task]
    one = row.kind == "one step"
    function = (lambda *xs: forward(*xs).sum()) if one else forward
    function = torch.compile(function, dynamic=False) if compiled else function
    dout = data.get("dout") if not (one or task.labels) else None

    def call() -> Any:
        for leaf in leaves:
            leaf.grad = None
        out = function(*leaves, *rest)
        out.backward(dout)
        return out

    def results(out: Any) -> list[Any]:
        if kept:  # PyTorch keeps n / (n − 1) times the variance that the layer divides by
            kept[1] *= (row.shape[0] - 1) / row.shape[0]
        return [value.numpy() for value in (out.detach(), *(leaf.grad for leaf in leaves), *kept)]

    return call, results


def build_torch_compiled(row: Row) -> Work:
    """By torch.compile."""
    return build_torch(row, compiled=True)


def _torch_training(row: Row, compiled: bool) -> Work:
    import torch
    from torch import nn

    *widths, size = row.shape
    x, t = map(torch.from_numpy, batch(tuple(widths), size))
    params = layers.Net(tuple(widths)).params
    parts: list[Any] = []
    for i, (rows, columns) in enumerate(pairwise(widths), 1):
        parts += [nn.Linear(rows, columns), nn.ReLU()]
        parts[-2].weight.data = torch.from_numpy(params[f"W{i}"].T.copy())
        parts[-2].bias.data = torch.from_numpy(params[f"b{i}"].copy())
    model = nn.Sequential(*parts[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def loss(x: Any, t: Any) -> Any:
        return nn.functional.cross_entropy(model(x), t)

    loss = torch.compile(loss, dynamic=False) if compiled else loss
    torch._logging.set_logs(all=logging.ERROR)
    update = torch.compile(optimizer.step) if compiled else optimizer.step

    def call() -> None:
        optimizer.zero_grad()
        loss(x, t).backward()
        update()

    def results(_: Any) -> list[Any]:
        after = [p.detach().numpy() for p in model.parameters()]
        after = [value.T if value.ndim == 2 else value for value in after]
        return [(before - now) / RATE for before, now in zip(params.values(), after, strict=True)]

    return call, results


def build_jax(row: Row) -> Work:
    """Forward and backward in one jitted function, the most that JAX can fuse, and a wait for all of its results."""
    import jax
    import jax.numpy as jnp

    if row.task == "net":
        return _jax_training(row)
    task = TASKS[row.task]
    data = {name: jax.device_put(value) for name, value in arrays(task, row.shape).items()}
    leaves = [data[name] for name in task.leaves]

    def normal(x: Any, gamma: Any, beta: Any, axis: int) -> Any:
        mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
        return gamma * (x - mean) * jax.lax.rsqrt(var + 1e-5) + beta, mean.ravel(), var.ravel()

    functions = {
        "sigmoid": jax.nn.sigmoid,
        "relu": jax.nn.relu,
        "chain": lambda x, a, b: jax.nn.sigmoid(x * a + b) * jax.nn.relu(x),
        "gelu tanh": jax.nn.gelu,
        "gelu erf": lambda x: jax.nn.gelu(x, approximate=False),
        "silu": jax.nn.silu,
        "softplus": jax.nn.softplus,
        "tanh": jnp.tanh,
        "softmax cross-entropy": lambda x, t: -jnp.take_along_axis(jax.nn.log_softmax(x), t[:, None], 1).mean(),
        "layer norm": lambda x, gamma, beta: normal(x, gamma, beta, 1)[0],
        "batch norm": lambda x, gamma, beta: normal(x, gamma, beta, 0),
    }
    forward = functions[row.task]

    def two(dout: Any, *leaves: Any) -> Any:
        out, back = jax.vjp(forward, *leaves)
        return out, *back(dout)

    if row.kind == "one step":
        step = jax.jit(jax.value_and_grad(lambda *xs: forward(*xs).sum(), tuple(range(len(leaves)))))
        given = leaves
    elif task.labels:
        step, given = jax.jit(jax.value_and_grad(forward)), [*leaves, data["t"]]
    elif task.kept:
        return _jax_batch_norm(forward, data["dout"], leaves)
    else:
        step, given = jax.jit(two), [data["dout"], *leaves]
    return lambda: jax.block_until_ready(step(*given)), lambda answer: list(map(np.asarray, jax.tree.leaves(answer)))


def build_jax_sync(row: Row) -> Work:
    """The same, dispatched without another thread: faster for small arrays, slower for large ones."""
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    return build_jax(row)


def _jax_batch_norm(forward: Any, dout: Any, leaves: list[Any]) -> Work:
    """The running statistics go in and come out."""
    import jax
    import jax.numpy as jnp

    running = [jnp.zeros_like(leaves[1])] * 2

    @jax.jit
    def step(running: Any, dout: Any, *leaves: Any) -> Any:
        out, back, statistics = jax.vjp(lambda *xs: ((r := forward(*xs))[0], r[1:]), *leaves, has_aux=True)
        return (out, *back(dout)), [0.9 * r + 0.1 * s for r, s in zip(running, statistics, strict=True)]

    def call() -> Any:
        nonlocal running
        answer, running = jax.block_until_ready(step(running, dout, *leaves))
        return answer

    return call, lambda answer: list(map(np.asarray, (*answer, *running)))


def _jax_training(row: Row) -> Work:
    import jax
    import jax.numpy as jnp

    *widths, size = row.shape
    x, t = map(jax.device_put, batch(tuple(widths), size))
    first = layers.Net(tuple(widths)).params
    state = {name: jnp.array(value) for name, value in first.items()}

    def loss(params: Any, x: Any, t: Any) -> Any:
        for i in range(1, len(widths)):
            x = x @ params[f"W{i}"] + params[f"b{i}"]
            x = jax.nn.relu(x) if i < len(widths) - 1 else x
        return -(t * jax.nn.log_softmax(x)).sum() / size

    @jax.jit(donate_argnums=0)
    def step(params: Any, x: Any, t: Any) -> Any:
        return jax.tree.map(lambda p, g: p - RATE * g, params, jax.grad(loss)(params, x, t))

    def call() -> None:
        nonlocal state
        state = jax.block_until_ready(step(state, x, t))

    return call, lambda _: [(first[name] - np.asarray(state[name])) / RATE for name in first]


def build_micrograd(row: Row) -> Work:
    """New values at each call, as a graph of micrograd is made by computing."""
    from micrograd.engine import Value

    def call() -> Any:
        inputs = apple, apples, orange, oranges, tax = [Value(number) for number in PURCHASE]
        price = (apple * apples + orange * oranges) * tax
        price.backward()
        return [price.data, *(value.grad for value in inputs)]

    return call, list
