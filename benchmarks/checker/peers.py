"""The gradient checkers of other libraries on the same layers: is backward the derivative of forward?

A layer is wrapped as that library wants it, inputs and parameters alike as arguments, so that every gradient is
compared. A library that is not installed is left out.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.checker.case import Case, kept_copy

Passes = Callable[[Case], bool]


class Wrapped:
    """A layer as a function of its float inputs and parameters, and its backward as a function of dout."""

    def __init__(self, case: Case) -> None:
        self.case = case
        names = case.namespace()
        self.build = lambda: case.build(names)
        layer = self.build()
        self.places = [i for i, x in enumerate(case.inputs) if i not in case.labels and _is_float(x)]
        self.params = [path for path in case.params if _is_float(_get(layer, path))]
        arrays = [case.inputs[i] for i in self.places] + [_get(layer, path) for path in self.params]
        self.arguments = [np.array(a, dtype=np.float64) for a in arrays]

    def forward(self, *arguments: Any) -> Any:
        """The output, and the layer that made it."""
        layer, inputs = self.build(), [kept_copy(x) for x in self.case.inputs]
        for place, value in zip(self.places, arguments, strict=False):
            inputs[place] = np.array(value)
        for path, value in zip(self.params, arguments[len(self.places) :], strict=True):
            _set(layer, path, np.array(value))
        out = layer.forward(*inputs)
        self.layer = layer
        return tuple(np.array(o) for o in out) if isinstance(out, tuple) else np.array(out)

    def backward(self, *douts: Any) -> list[Any]:
        """One gradient for each argument of the last forward."""
        given = self.layer.backward(*douts)
        given = given if isinstance(given, tuple | list) else (given,)
        found = [given[i] if i < len(given) else None for i in self.places]
        found += [_get(self.layer, self.case.params[path]) for path in self.params]
        pairs = zip(found, self.arguments, strict=True)
        return [np.zeros_like(a) if g is None else np.array(g, dtype=float) for g, a in pairs]


def _is_float(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")


def _get(layer: Any, path: str) -> Any:
    return eval(f"layer.{path}", {"layer": layer})  # a path of the corpus: "W", "params[0]"


def _set(layer: Any, path: str, value: Any) -> None:
    exec(f"layer.{path} = value", {"layer": layer, "value": value})


def torch_gradcheck(fast: bool) -> Passes:
    """torch.autograd.gradcheck, in its slow or fast mode."""
    import torch

    def passes(case: Case) -> bool:
        wrapped = Wrapped(case)

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *tensors: Any) -> Any:
                out = wrapped.forward(*(t.numpy() for t in tensors))
                ctx.layer = wrapped.layer
                return tuple(map(torch.from_numpy, out)) if isinstance(out, tuple) else torch.from_numpy(out)

            @staticmethod
            def backward(ctx: Any, *douts: Any) -> Any:
                wrapped.layer = ctx.layer
                return tuple(torch.from_numpy(g) for g in wrapped.backward(*(d.numpy() for d in douts)))

        tensors = tuple(torch.from_numpy(a).requires_grad_() for a in wrapped.arguments)
        return bool(torch.autograd.gradcheck(Function.apply, tensors, fast_mode=fast, raise_exception=False))

    return passes


def jax_check_vjp() -> Passes:
    """jax.test_util.check_vjp, in 64 bits."""
    import jax
    from jax.test_util import check_vjp

    def passes(case: Case) -> bool:
        wrapped = Wrapped(case)

        def vjp(*arguments: Any) -> Any:
            out = wrapped.forward(*arguments)
            layer = wrapped.layer

            def back(dout: Any) -> Any:
                wrapped.layer = layer
                return tuple(wrapped.backward(*(dout if isinstance(out, tuple) else (dout,))))

            return out, back

        with jax.enable_x64(True):
            try:
                check_vjp(wrapped.forward, vjp, tuple(wrapped.arguments))
            except AssertionError:
                return False
        return True

    return passes


def autograd_check_grads() -> Passes:
    """autograd.test_util.check_grads, of every argument."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def passes(case: Case) -> bool:
        wrapped = Wrapped(case)
        function = primitive(wrapped.forward)

        def rule(argument: int) -> Any:
            return lambda ans, *arguments: lambda dout: wrapped.backward(dout)[argument]

        defvjp(function, *map(rule, range(len(wrapped.arguments))))
        try:
            check_grads(function, modes=["rev"], order=1)(*wrapped.arguments)
        except AssertionError:
            return False
        return True

    return passes


PEERS: dict[str, tuple[str, Callable[[], Passes]]] = {
    "torch gradcheck": ("torch", lambda: torch_gradcheck(fast=False)),
    "torch fast mode": ("torch", lambda: torch_gradcheck(fast=True)),
    "jax check_vjp": ("jax", jax_check_vjp),
    "autograd check_grads": ("autograd", autograd_check_grads),
}


def installed() -> dict[str, Passes]:
    """The checkers of the libraries that are there. What a layer or a checker raises counts as a complaint."""

    def safely(passes: Passes) -> Passes:
        def answer(case: Case) -> bool:
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    return passes(case)
            except Exception:
                return False

        return answer

    return {name: safely(make()) for name, (library, make) in PEERS.items() if importlib.util.find_spec(library)}
