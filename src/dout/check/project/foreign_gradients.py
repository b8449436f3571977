"""Gradients written by hand for other libraries: a `torch.autograd.Function`, a `jax.custom_vjp` function.

Each becomes a layer on NumPy arrays that calls the library. Neither library is imported here: who has such a target has
loaded it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from dout.run import is_class, module_of, mro_of


class TorchLayer:
    """A `torch.autograd.Function` as a layer. Tensors share their memory with the arrays, so that writes are seen."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.written = function.backward

    def forward(self, *inputs: Any) -> Any:
        """Apply it to float tensors that want a gradient, and to anything else as it is."""
        torch = sys.modules["torch"]
        tensors = [torch.from_numpy(i) if isinstance(i, np.ndarray) else i for i in inputs]
        self.wanted = [t.requires_grad_() for t in tensors if torch.is_tensor(t) and t.is_floating_point()]
        out = self.function.apply(*tensors)
        self.outputs = out if isinstance(out, tuple) else (out,)
        arrays = tuple(o.detach().numpy() for o in self.outputs)
        return arrays if isinstance(out, tuple) else arrays[0]

    def backward(self, *douts: Any) -> Any:
        """The gradients of the float inputs."""
        torch = sys.modules["torch"]
        given = [torch.from_numpy(np.asarray(dout)) for dout in douts]
        found = torch.autograd.grad(self.outputs, self.wanted, given, retain_graph=True, allow_unused=True)
        return tuple(None if g is None else g.numpy() for g in found)


class JaxLayer:
    """A `jax.custom_vjp` function as a layer, in 64 bits."""

    def __init__(self, function: Any) -> None:
        self.function = lambda *inputs: function(*inputs)  # a copy of the layer holds it as it is: it cannot be copied
        self.written = getattr(function, "bwd", None)

    def forward(self, *inputs: Any) -> Any:
        """Call it, and keep the function that gives the gradients."""
        jax = sys.modules["jax"]
        with _in_64_bits(jax):
            out, self.back = jax.vjp(self.function, *map(jax.numpy.asarray, inputs))
            self.single = not isinstance(out, tuple)
            return np.array(out) if self.single else tuple(map(np.array, out))

    def backward(self, *douts: Any) -> Any:
        """The gradients of all inputs; None for those of whole numbers."""
        jax = sys.modules["jax"]
        with _in_64_bits(jax):
            given = tuple(map(jax.numpy.asarray, douts))
            found = [np.array(g) for g in self.back(given[0] if self.single else given)]
        return tuple(g if g.dtype.kind == "f" else None for g in found)


def _in_64_bits(jax: Any) -> AbstractContextManager[None]:
    context: Callable[..., AbstractContextManager[None]]
    context = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    return context(True)


def foreign_layer(target: Any) -> Callable[[], Any] | None:
    """How to make a layer of another library's target; None where it is none."""
    if is_class(target) and any(_is(c, "torch", "Function") for c in mro_of(target)):
        return lambda: TorchLayer(target)
    if is_custom_vjp(target):
        return lambda: JaxLayer(target)
    return None


def is_custom_vjp(target: Any) -> bool:
    """Whether a target is a function of JAX with a gradient written by hand."""
    return _is(type(target), "jax", "custom_vjp")


def _is(cls: type, library: str, name: str) -> bool:
    return module_of(cls).split(".")[0].lstrip("_") == library and cls.__name__ == name
