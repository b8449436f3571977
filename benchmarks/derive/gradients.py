"""A forward and a backward, run: the gradients by name. And the same by PyTorch, and by exact arithmetic."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flint
import numpy as np

from benchmarks.checker import oracle
from benchmarks.checker.case import Case, module_of
from benchmarks.derive.rows import SMALL, Draw, Example, ForwardRow

try:
    import torch
except ModuleNotFoundError:
    torch = None  # type: ignore[assignment]

Gradients = dict[str, Any]
BITS = 3000  # exp(1000) has 1443 before the point


def outputs_of(out: Any) -> tuple[Any, ...]:
    """What forward returned, as a tuple."""
    return tuple(out) if isinstance(out, tuple | list) else (out,)


def forward(layer: Any, example: Example) -> tuple[Any, ...]:
    """The outputs of forward, the same draws each time."""
    np.random.seed(5)  # noqa: NPY002 - the corpus draws as people draw
    return outputs_of(layer.forward(*example.arguments))


def upstream(outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Gradients of no special size that arrive, in the outputs' shapes and dtypes."""
    rng = np.random.default_rng(17)
    return tuple(np.asarray(rng.uniform(0.5, 1.5, np.shape(o)), np.asarray(o).dtype)[()] for o in outputs)


def backward(layer: Any, douts: tuple[Any, ...]) -> Any:
    """Call backward with one gradient for each output."""
    if len(douts) > 1 and len(inspect.signature(layer.backward).parameters) == 1:
        return layer.backward(douts)
    return layer.backward(*douts)


def run(row: ForwardRow, layer: Any, example: Example) -> Gradients:
    """The gradients that backward returns or leaves behind; those that it does not give are missing."""
    found = backward(layer, upstream(forward(layer, example)))
    parts = found if isinstance(found, tuple | list) else (found,)
    names = tuple(example.inputs) if len(parts) == len(example.inputs) else row.differentiable
    gradients = {name: part for name, part in zip(names, parts, strict=False) if name in row.differentiable}
    for place, name in enumerate(row.learned):
        gradient = _left_behind(layer, name, place)
        if gradient is not None:
            gradients[name] = gradient
    return gradients


def _left_behind(layer: Any, name: str, place: int) -> Any:
    """The gradient of a parameter: `dW`, or in `grads`, by name or by place."""
    if hasattr(layer, f"d{name}"):
        return getattr(layer, f"d{name}")
    kept = getattr(layer, "grads", None)
    if isinstance(kept, Mapping):
        return kept.get(name)
    return kept[place] if isinstance(kept, list | tuple) and place < len(kept) else None


def by_torch(row: ForwardRow, example: Example) -> Gradients | None:
    """PyTorch's gradients in float64; None without PyTorch, or where it has nothing that computes the same."""
    if torch is None or row.torch is None:
        return None
    douts = upstream(forward(example.made(row.layer), example))
    names = {**example.init, **example.inputs}
    tensors = {n: torch.as_tensor(v) if isinstance(v, np.ndarray | np.generic) else v for n, v in names.items()}
    wanted = [*row.differentiable, *row.learned]
    for name in wanted:
        tensors[name].requires_grad_()
    out = outputs_of(eval(row.torch, {"torch": torch, **tensors}))
    total = sum((o * torch.as_tensor(d)).sum() for o, d in zip(out, douts, strict=True))
    found = torch.autograd.grad(total, [tensors[name] for name in wanted], allow_unused=True)
    return {n: np.zeros(np.shape(names[n])) if g is None else g.numpy() for n, g in zip(wanted, found, strict=True)}


def exactly(row: ForwardRow, example: Example) -> Gradients:
    """The gradients as exact arithmetic has them, rounded to float64. Raises what forward raises on balls."""
    source = Path(sys.modules[row.layer.__module__].__file__ or "").read_text(encoding="utf-8")
    layer = example.made(row.layer)
    names = tuple(example.inputs)
    case = Case(
        id=row.name,
        source=module_of(source, row.name),
        cls=row.name,
        init=dict(example.init),
        inputs=tuple(example.inputs.values()),
        kind=row.family,
        labels=frozenset(i for i, name in enumerate(names) if name not in row.differentiable),
        params={_path(layer, name, place): f"d{name}" for place, name in enumerate(row.learned)},
        dout=_joined(upstream(forward(layer, example))),
    )
    np.random.seed(5)  # noqa: NPY002
    flint.ctx.prec = BITS
    try:
        return oracle.truth(case, kinks=0).gradients
    finally:
        flint.ctx.prec = 300


def _joined(douts: tuple[Any, ...]) -> Any:
    return np.stack(douts) if len(douts) > 1 else douts[0]


def _path(layer: Any, name: str, place: int) -> str:
    """Where a parameter is in an instance."""
    if hasattr(layer, name):
        return name
    return f"params[{name!r}]" if isinstance(layer.params, Mapping) else f"params[{place}]"


def scaled(row: ForwardRow, size: float) -> Example:
    """An example whose inputs reach this size, but for probabilities and data."""
    example = row.example(SMALL, np.random.default_rng(23))
    large = {
        name: value * (size / np.abs(value).max())
        if isinstance(draw := row.inputs[name], Draw) and draw.has_scale and name in row.differentiable
        else value
        for name, value in example.inputs.items()
    }
    return Example(example.init, large)
