"""Kernels by Numba's own dispatcher, for a Python whose objects do not lie as the door of kernels reads them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numba import types as nt
from numba.np.numpy_support import from_dtype

from dout.engine.lowering.entry_point import ArrayType, KernelType


def function(name: str, module: str, text: str, file: str) -> Any:
    """The decorated function `name` of a kernel's text. Python knows its module before it runs: Numba looks for it."""
    made = ModuleType(module)
    made.__file__ = file
    sys.modules[module] = made
    exec(compile(text, file, "exec"), made.__dict__)
    return getattr(made, name)


def signature(types: Sequence[KernelType]) -> tuple[Any, ...]:
    """The types, as Numba names them."""
    return tuple(
        nt.Array(from_dtype(kind.dtype), kind.ndim, "C" if kind.layout == "C" else "A")
        if isinstance(kind, ArrayType)
        else from_dtype(kind)
        for kind in types
    )


def dispatched(dispatcher: Any, types: Sequence[KernelType], results: Sequence[np.dtype[Any]]) -> Callable[..., Any]:
    """The kernel by Numba's own dispatcher: slower to call, and compiled anew by each process."""
    dispatcher.compile(signature(types))
    dispatcher.disable_compile()
    if any(isinstance(kind, ArrayType) and kind.layout == "rows" for kind in types):
        dispatcher = _with_rows(dispatcher, types)
    if not results:
        run: Callable[..., Any] = dispatcher
        return run

    def call(*arguments: Any) -> Any:
        out = dispatcher(*arguments)
        if isinstance(out, tuple):
            return tuple(dtype.type(value) for dtype, value in zip(results, out, strict=True))
        return results[0].type(out)

    return call


def _with_rows(dispatcher: Any, types: Sequence[KernelType]) -> Callable[..., Any]:
    """Numba does not look whether rows are contiguous."""

    def run(*arguments: Any) -> Any:
        for place, (kind, given) in enumerate(zip(types, arguments, strict=False)):
            if not isinstance(kind, ArrayType) or kind.layout != "rows":
                continue
            if getattr(given, "strides", ())[-1:] != (kind.dtype.itemsize,):
                raise TypeError(f"{dispatcher.__name__}: argument {place + 1} is not {kind}")
        return dispatcher(*arguments)

    return run
