"""Functions that give their own derivative when a switch is on: `sigmoid(x, derivative=True)`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

from dout.adapt.argument_names import taken_by
from dout.adapt.source.empty_methods import read_by
from dout.run import function_copy, signature_of

_NAMES = re.compile(  # and neither `back`, of what undoes itself, nor `grad`, of what keeps a tape
    r"(is_|return_|calc_|get_|use_)?(deriv(ative|ate|ada)?|derivada|prime|d_?dx)", re.IGNORECASE
)


def derivative_switch(function: Callable[..., Any]) -> str:
    """The argument that makes a function give its derivative, `False` by default; empty where it reads none such.

    What a decorator puts around it may hide the argument.

    >>> derivative_switch(lambda x, derivative=False: 1 - np.tanh(x) ** 2 if derivative else np.tanh(x))
    'derivative'
    """
    code = getattr(function, "__code__", None)
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code is not None else ()
    named = [p.name for p in taken_by(function)[1:] if p.default is False and _NAMES.fullmatch(p.name)]
    return next((name for name in named if name in own and name in read_by(function, named)), "")


def has_derivative_switch(function: ast.FunctionDef) -> bool:
    """The same of a function's syntax."""
    taken = function.args.args
    pairs = zip(taken[-len(function.args.defaults) :], function.args.defaults, strict=False)
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return len(taken) > 1 and any(
        isinstance(item, ast.Constant) and item.value is False and _NAMES.fullmatch(a.arg) and a.arg in read
        for a, item in pairs
    )


def switched(function: FunctionType, switch: str, on: bool) -> FunctionType:
    """The function with its switch on or off by default, which is no argument that anybody can see."""
    own = function_copy(function)
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
