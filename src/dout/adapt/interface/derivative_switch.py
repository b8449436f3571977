"""Functions that give their own derivative when a switch is on: `sigmoid(x, derivative=True)`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

from dout.adapt.argument_names import taken_by
from dout.run import signature_of

_NAMES = re.compile(
    r"(is_|return_|calc_|get_)?(deriv(ative|ate|ada)?|der|prime|diff|(the_)?grad(ient)?|back(ward|prop)?|d_?dx|d)",
    re.IGNORECASE,
)


def derivative_switch(function: Callable[..., Any]) -> str:
    """The argument that makes a function give its derivative, `False` by default; empty where there is none.

    >>> def sigmoid(x, derivative=False): ...
    >>> derivative_switch(sigmoid)
    'derivative'
    """
    taken = taken_by(function)
    return next((p.name for p in taken[1:] if p.default is False and _NAMES.fullmatch(p.name)), "")


def has_derivative_switch(function: ast.FunctionDef) -> bool:
    """The same of a function's syntax."""
    taken = function.args.args
    pairs = zip(taken[-len(function.args.defaults) :], function.args.defaults, strict=False)
    return len(taken) > 1 and any(
        isinstance(item, ast.Constant) and item.value is False and _NAMES.fullmatch(argument.arg)
        for argument, item in pairs
    )


def switched(function: FunctionType, switch: str, on: bool) -> FunctionType:
    """The function with its switch on or off by default, which is no argument that anybody can see."""
    code = function.__code__
    own = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    own.__kwdefaults__ = dict(function.__kwdefaults__ or {}) or None
    given = signature_of(function).parameters
    names = [p.name for p in given.values() if p.default is not p.empty and p.kind is not p.KEYWORD_ONLY]
    if switch in names:
        own.__defaults__ = tuple(on if name == switch else given[name].default for name in names)
    else:
        own.__kwdefaults__ = {**(own.__kwdefaults__ or {}), switch: on}
    vars(own).update(vars(function))
    own.__module__, own.__qualname__, own.__doc__ = function.__module__, function.__qualname__, function.__doc__
    own.__signature__ = inspect.Signature([p for p in given.values() if p.name != switch])  # type: ignore[attr-defined]
    return own
