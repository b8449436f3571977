"""Which arguments of a method turn on what it keeps for its backward."""

from __future__ import annotations

import ast
from typing import Any

from dout.adapt.source.syntax import read, total, walk


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
