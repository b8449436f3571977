"""Arguments that switch what a function does: giving its derivative, or keeping what its backward reads."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

from dout.adapt.argument_names import taken_by
from dout.adapt.source.empty_methods import read_by
from dout.adapt.source.syntax import read, total, walk
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


@total(tuple)
def switches_for(function: Any) -> tuple[str, ...]:
    """The arguments that are False by default, and without which a method keeps nothing on its instance.

    Read from `if save_cache: self.cache["A"] = X`.
    """
    own = read(function)
    if own is None:
        return ()
    me = own.me or ("self" if "self" in own.parameters[:1] else "")  # a decorator's stands in no class
    if not me:
        return ()
    arguments = own.node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(
        zip([a.arg for a in plain[len(plain) - len(arguments.defaults) :]], arguments.defaults, strict=True)
    )
    off = [name for name, node in defaults.items() if isinstance(node, ast.Constant) and node.value is False]
    tests = [node for node in walk(own.node) if isinstance(node, ast.If)]
    body = own.node.body if isinstance(own.node.body, list) else []
    return tuple(name for name in off if any(_is_test(t.test, name) and _adds(t, _after(body, t), me) for t in tests))


def _is_test(test: ast.expr, name: str) -> bool:
    """Whether a test is that of a name alone: `if train`, `if train is True`, `if train == True`."""
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is | ast.Eq):
        true = test.comparators[0]
        return _is_test(test.left, name) and isinstance(true, ast.Constant) and true.value is True
    return isinstance(test, ast.Name) and test.id == name


def _after(body: list[ast.stmt], branch: ast.If) -> list[ast.stmt]:
    """What runs where a branch is not taken and one that is taken ends: its `else`, and the statements after it."""
    ends = any(isinstance(node, ast.Return) for statement in branch.body for node in walk(statement))
    after = body[body.index(branch) + 1 :] if ends and branch in body else []
    return [*branch.orelse, *after]


def _adds(branch: ast.If, other: list[ast.stmt], me: str) -> bool:
    """Whether a branch keeps what the other way through does not: `if eval: self.x = x; return …` is no such one."""
    return _keeps(branch.body, me) and not _keeps(other, me)


def _keeps(body: list[ast.stmt], me: str) -> bool:
    """Whether statements write to the instance, or to what it holds, or call a method of it for that alone."""
    for statement in body:
        for node in walk(statement):
            match node:
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)), args=[_, *_])) if name == me:
                    return True
            targets = node.targets if isinstance(node, ast.Assign) else ()
            for target in targets:
                while isinstance(target, ast.Subscript | ast.Attribute):
                    target = target.value
                    if isinstance(target, ast.Name) and target.id == me:
                        return True
    return False
