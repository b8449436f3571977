"""What the user calls: a function with the signature of theirs, which tries the programs and else asks for one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.engine.driver import MISS
from dout.engine.text import Text
from dout.errors import ShapeError

if TYPE_CHECKING:
    from dout.engine.compiled import Compiled

_PLAIN = inspect.Parameter.POSITIONAL_OR_KEYWORD


def stub(owner: Compiled) -> Callable[..., Any]:
    """Return the function that stands for the user's one, with its name, signature, defaults and documentation.

    It also takes `out`, an array for the result, where the user's function does not.
    """
    try:
        parameters = list(inspect.signature(owner.function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    simple = parameters and all(p.kind is _PLAIN and p.name not in ("out", "run", "owner", "MISS") for p in parameters)
    made = _named(owner, parameters) if simple else _general(owner)
    functools.update_wrapper(made, owner.function)
    return made


def _named(owner: Compiled, parameters: list[inspect.Parameter]) -> Callable[..., Any]:
    text = Text()
    for name, item in {"owner": owner, "MISS": MISS, "into": into}.items():
        text.constant(item, name)
    declared = [
        p.name + ("" if p.default is p.empty else f"={text.constant(p.default, 'default')}") for p in parameters
    ]
    given = ", ".join(p.name for p in parameters)
    source = f"""def stub({", ".join(declared)}, *, out=None):
    for run in owner.runs:
        result = run({given})
        if result is not MISS:
            return result if out is None else into(out, result)
    result = owner.slowly(({given},), {{}})
    return result if out is None else into(out, result)
"""
    exec(source, text.namespace)
    made: Callable[..., Any] = text.namespace["stub"]
    return made


def _general(owner: Compiled) -> Callable[..., Any]:
    """For signatures with *args, **kwargs, keyword-only parameters or an `out` of their own."""

    def stub(*args: Any, **kwargs: Any) -> Any:
        for run in owner.by_form.get((len(args), *kwargs), ()):
            result = run(*args, *kwargs.values())
            if result is not MISS:
                return result
        return owner.slowly(args, kwargs)

    return stub


def into(out: Any, result: Any) -> Any:
    """Write a result where the caller wants it, as NumPy does. ShapeError where it is no array of that shape."""
    single = isinstance(result, np.ndarray | np.generic | float | int | complex)
    if not single or np.shape(result) != np.shape(out):
        what = f"one of shape {np.shape(result)}" if single else f"a {type(result).__name__}"
        raise ShapeError(f"out is an array of shape {np.shape(out)}, but the result is {what}")
    np.copyto(out, result, casting="same_kind")
    return out
