"""Networks and layers with weights in PyTorch: the plain ones' own weights, and functions as its manual has them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.speed.plain import Work
from benchmarks.speed.rows import Row
from benchmarks.speed.tasks import NETS, TASKS, arrays, images

Weights = Mapping[str, Any]


def build(row: Row, compiled: bool) -> Work:
    """The gradients of a net, or two calls of a layer with weights; gradients start as None."""
    import torch

    torch._logging.set_logs(all=logging.ERROR)
    if row.task in MODULES:
        return _recurrent(row)
    return _gradient(row, compiled) if row.task in NETS else _layer(row, compiled)


def _gradient(row: Row, compiled: bool) -> Work:
    import torch
    from torch.nn import functional as F

    x, t = map(torch.from_numpy, images(*row.shape, np.dtype(row.dtype)))
    params = _tensors(NETS[row.task](np.dtype(row.dtype)).params)
    forward = FORWARD[row.task]

    def loss(x: Any, t: Any) -> Any:
        return F.cross_entropy(forward(params, x), t)

    loss = torch.compile(loss, dynamic=False) if compiled else loss

    def call() -> None:
        for param in params.values():
            param.grad = None
        loss(x, t).backward()

    return call, lambda _: [_as_plain(param.grad) for param in params.values()]


def _layer(row: Row, compiled: bool) -> Work:
    import torch

    task = TASKS[row.task]
    data = {name: torch.from_numpy(value) for name, value in arrays(task, row.shape, np.dtype(row.dtype)).items()}
    found = task.layer(np.dtype(row.dtype)).params if task.weighted else {}
    params = _tensors(found if isinstance(found, dict) else dict(enumerate(found)))
    x, forward = data["x"].requires_grad_(), FORWARD[row.task]

    def function(x: Any) -> Any:
        return forward(params, x)

    function = torch.compile(function, dynamic=False) if compiled else function

    def call() -> Any:
        for leaf in (x, *params.values()):
            leaf.grad = None
        out = function(x)
        out.backward(data["dout"])
        return out

    def results(out: Any) -> list[Any]:
        return [out.detach().numpy(), x.grad.numpy(), *(_as_plain(param.grad) for param in params.values())]

    return call, results


def _tensors(params: Mapping[Any, Any]) -> dict[Any, Any]:
    """Copies that need gradients; the matrices of affine layers lie as `nn.Linear` has them."""
    import torch

    copies = {name: torch.from_numpy((p.T if p.ndim == 2 else p).copy()) for name, p in params.items()}
    return {name: copy.requires_grad_() for name, copy in copies.items()}


def _as_plain(grad: Any) -> Any:
    return grad.numpy().T if grad.ndim == 2 else grad.numpy()


# Forward of each: parameters by name, then inputs.


def _two_layers(p: Weights, x: Any) -> Any:
    from torch.nn import functional as F

    return F.linear(F.relu(F.linear(x.flatten(1), p["W1"], p["b1"])), p["W2"], p["b2"])


def _convolutional(p: Weights, x: Any) -> Any:
    from torch.nn import functional as F

    x = F.max_pool2d(F.relu(F.conv2d(x, p["W1"], p["b1"])), 2).flatten(1)
    return F.linear(F.relu(F.linear(x, p["W2"], p["b2"])), p["W3"], p["b3"])


def _deep(p: Weights, x: Any) -> Any:
    from torch.nn import functional as F

    for i, pad in enumerate((1, 1, 1, 2, 1, 1), 1):
        x = F.relu(F.conv2d(x, p[f"W{i}"], p[f"b{i}"], padding=pad))
        x = F.max_pool2d(x, 2) if i % 2 == 0 else x
    return F.linear(F.relu(F.linear(x.flatten(1), p["W7"], p["b7"])), p["W8"], p["b8"])


def _lenet(p: Weights, x: Any) -> Any:
    import torch
    from torch.nn import functional as F

    x = F.avg_pool2d(torch.tanh(F.conv2d(x, p["W1"], p["b1"], padding=2)), 2)
    x = F.avg_pool2d(torch.tanh(F.conv2d(x, p["W2"], p["b2"])), 2).flatten(1)
    x = torch.tanh(F.linear(x, p["W3"], p["b3"]))
    return F.linear(torch.tanh(F.linear(x, p["W4"], p["b4"])), p["W5"], p["b5"])


def _residual(p: Weights, x: Any) -> Any:
    from torch.nn import functional as F

    out = x
    for i in (1, 2, 3):
        out = F.conv2d(F.relu(out) if i > 1 else out, p[f"W{i}"], p[f"b{i}"], padding=1)
    return F.relu(out + x)


def _block(p: Weights, x: Any, heads: int = 8) -> Any:
    from torch.nn import functional as F

    count, steps, width = x.shape
    qkv = F.linear(F.layer_norm(x, (width,), p["gamma1"], p["beta1"]), p["Wqkv"], p["bqkv"])
    q, k, v = (part.view(count, steps, heads, -1).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + F.linear(seen.transpose(1, 2).reshape(count, steps, width), p["Wout"], p["bout"])
    up = F.linear(F.layer_norm(x, (width,), p["gamma2"], p["beta2"]), p["Wup"], p["bup"])
    return x + F.linear(F.gelu(up, approximate="tanh"), p["Wdown"], p["bdown"])


def _naive_convolution(p: Any, x: Any) -> Any:
    from torch.nn import functional as F

    return F.conv2d(x, p[0], p[1], padding=1)


def _naive_pooling(_: Weights, x: Any) -> Any:
    from torch.nn import functional as F

    return F.max_pool2d(x, 2)


FORWARD: dict[str, Callable[[Any, Any], Any]] = {
    "two-layer net": _two_layers,
    "convolutional net": _convolutional,
    "deep convolutional net": _deep,
    "LeNet-5": _lenet,
    "residual block": _residual,
    "attention block": _block,
    "naive convolution": _naive_convolution,
    "naive max pooling": _naive_pooling,
}

# Recurrent layers: PyTorch's own, and the plain place of each of its gates.

MODULES = {
    "recurrent layer": ("LSTM", (2, 0, 1, 3)),
    "LSTM of cells": ("LSTM", (2, 0, 1, 3)),
    "GRU of cells": ("GRU", (0, 1, 2)),
    "RNN of cells": ("RNN", (0,)),
}


def _recurrent(row: Row) -> Work:
    import torch

    name, order = MODULES[row.task]
    data = arrays(TASKS[row.task], row.shape)
    Wx, Wh, b = TASKS[row.task].layer(np.float32).params

    def turned(weight: Any) -> Any:
        parts = np.split(weight, len(order), axis=-1)
        return torch.from_numpy(np.concatenate([parts[k] for k in order], axis=-1).T.copy())

    def back(grad: Any) -> Any:
        parts = np.split(grad.numpy().T, len(order), axis=-1)
        return np.concatenate([parts[order.index(k)] for k in range(len(order))], axis=-1)

    layer = getattr(torch.nn, name)(Wx.shape[0], Wh.shape[0], batch_first=True)
    layer.weight_ih_l0.data, layer.weight_hh_l0.data = turned(Wx), turned(Wh)
    layer.bias_ih_l0.data, layer.bias_hh_l0.data = turned(b), torch.zeros_like(turned(b))
    x, dout = torch.from_numpy(data["x"]).requires_grad_(), torch.from_numpy(data["dout"])

    def call() -> Any:
        layer.zero_grad()
        x.grad = None
        out, _ = layer(x)
        out.backward(dout)
        return out

    def results(out: Any) -> list[Any]:
        grads = (layer.weight_ih_l0.grad, layer.weight_hh_l0.grad, layer.bias_ih_l0.grad)
        return [out.detach().numpy(), x.grad.numpy(), *map(back, grads)]

    return call, results
