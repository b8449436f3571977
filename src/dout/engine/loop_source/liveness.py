"""Which names of a function may be read after a statement, before they are set again."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

Names = frozenset[str]
Loop = ast.For | ast.While
_NONE: Names = frozenset()
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


def loaded(*nodes: ast.AST | None) -> Names:
    """The names that are read somewhere inside."""
    return frozenset(n.id for n in _names(nodes) if not isinstance(n.ctx, ast.Store))


def stored(*nodes: ast.AST) -> Names:
    """The names that are set somewhere inside."""
    return frozenset(n.id for n in _names(nodes) if isinstance(n.ctx, ast.Store | ast.Del))


def _names(nodes: Iterable[ast.AST | None]) -> list[ast.Name]:
    """All names inside, in any order. With `ast.walk`, to find kernels for loops took a fifth longer."""
    found, waiting = list[ast.Name](), [node for node in nodes if node is not None]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            found.append(node)
            continue
        for item in [getattr(node, name, None) for name in node._fields]:
            if isinstance(item, list):
                waiting += [part for part in item if isinstance(part, ast.AST)]
            elif isinstance(item, ast.AST):
                waiting.append(item)
    return found


def captured(function: ast.AST) -> Names:
    """The names that others may read or set at any time: functions inside a function, or its module."""
    declared = (n for n in ast.walk(function) if isinstance(n, ast.Global | ast.Nonlocal))
    return frozenset(name for one in declared for name in one.names) | frozenset(
        n.id
        for scope in ast.walk(function)
        if isinstance(scope, _SCOPES) and scope is not function
        for n in ast.walk(scope)
        if isinstance(n, ast.Name)
    )


class Liveness:
    """The names that are live before and after each statement of a function."""

    def __init__(self, function: ast.FunctionDef) -> None:
        self.before: dict[ast.stmt, Names] = {}
        self.after: dict[ast.stmt, Names] = {}
        self._block(function.body, _NONE, _NONE, _NONE)

    def _block(self, body: Sequence[ast.stmt], after: Names, at_break: Names, at_continue: Names) -> Names:
        for statement in reversed(body):
            self.after[statement] = after
            after = self.before[statement] = self._statement(statement, after, at_break, at_continue)
        return after

    def _statement(self, one: ast.stmt, after: Names, at_break: Names, at_continue: Names) -> Names:
        match one:
            case ast.Return() | ast.Raise():
                return loaded(one)
            case ast.Break():
                return at_break
            case ast.Continue():
                return at_continue
            case ast.If():
                ways = [self._block(way, after, at_break, at_continue) for way in (one.body, one.orelse)]
                return loaded(one.test) | ways[0] | ways[1]
            case ast.For() | ast.While():
                return self._loop(one, after)
            case ast.Assign() | ast.AnnAssign():
                targets = one.targets if isinstance(one, ast.Assign) else [one.target]
                return loaded(*targets, one.value) | (after - _set(targets))
            case ast.AugAssign():
                return loaded(one.target, one.value) | stored(one.target) | after
            case ast.Expr():
                return loaded(one) | after
        self._inner(one, after | loaded(one))
        return loaded(one) | stored(one) | after  # with, try, del …: nothing is known

    def _inner(self, one: ast.stmt, live: Names) -> None:
        everything = live | stored(one)
        for field in ("body", "orelse", "finalbody"):
            self._block(getattr(one, field, []), everything, everything, everything)
        for handler in getattr(one, "handlers", []):
            self._block(handler.body, everything, everything, everything)

    def _loop(self, loop: Loop, after: Names) -> Names:
        finished = self._block(loop.orelse, after, after, after)
        head = loaded(loop.iter if isinstance(loop, ast.For) else loop.test) if isinstance(loop, ast.While) else _NONE
        targets = _set([loop.target]) if isinstance(loop, ast.For) else _NONE
        again = finished | head
        while True:
            turn = (self._block(loop.body, again, after, again) - targets) | finished | head
            if turn <= again:
                break
            again |= turn
        return again | (loaded(loop.iter, loop.target) if isinstance(loop, ast.For) else _NONE)


def _set(targets: Iterable[ast.expr]) -> Names:
    """Names that are surely set by an assignment to these targets."""
    found: set[str] = set()
    for target in targets:
        if isinstance(target, ast.Name):
            found.add(target.id)
        elif isinstance(target, ast.Tuple | ast.List):
            found |= _set(target.elts)
    return frozenset(found)
