"""Functions of the user's that a loop calls, or goes over: what they do, in the place of the calls."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any

from dout.engine.loop_source.liveness import Loop, Names, stored
from dout.engine.loop_source.surroundings import place_of

_PREFIX = "_dout_in"
_PERHAPS = ast.IfExp | ast.BoolOp | ast.comprehension | ast.Lambda  # in which a call is perhaps not made
_MOST = 8  # calls, also of those in functions that are called
ReadFunction = Callable[[FunctionType], ast.FunctionDef | None]


def inline_calls(tree: ast.FunctionDef, function: FunctionType | MethodType, read: ReadFunction) -> dict[str, Any]:
    """Change the loops of a function; gives the functions whose calls are gone, by the places that named them.

    These are functions of the same module and methods of the same object: some that set names in a row and return, and
    generators that are loops around one `yield`.
    """
    inliner = _Inliner(function, stored(tree), read)
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.For):
            inliner.enter(node)
    for node in list(ast.walk(tree)):
        if isinstance(node, Loop):
            node.body[:] = [one for statement in node.body for one in inliner.expanded(statement)]
    return inliner.done


def written_name(name: str) -> str:
    """A name as the user wrote it."""
    return re.sub(rf"^{_PREFIX}\d+_", "", name)


class _Inliner:
    def __init__(self, function: FunctionType | MethodType, changed: Names, read: ReadFunction) -> None:
        plain = function.__func__ if isinstance(function, MethodType) else function
        assert isinstance(plain, FunctionType)
        self.names, self.read = plain.__globals__, read
        self.local = changed | set(plain.__code__.co_varnames)
        own = plain.__code__.co_varnames[:1] if isinstance(function, MethodType) else ()
        self.receiver = own[0] if own and own[0] not in changed else ""
        self.owner = type(function.__self__) if isinstance(function, MethodType) else None
        self.done: dict[str, Any] = {}
        self.count = 0

    def enter(self, loop: ast.For) -> None:
        """Put the loops of a generator in the place of a loop over it."""
        found = self._callee(loop.iter)
        if found is None or not _plain_arguments(found[2]) or any(isinstance(one, ast.Break) for one in _own(loop)):
            return
        place, given, body = found
        nest = _nest(body)
        if nest is None:
            return
        before, first, innermost, value = nest
        means = _Means(dict(zip((one.arg for one in body.args.args), given, strict=True)), self._prefix())
        for one in before:
            means.learn(one)
        means.visit(first)
        innermost.body[-1:] = [ast.Assign([loop.target], means.visit(value)), *loop.body]
        loop.target, loop.iter, loop.body = first.target, first.iter, first.body
        _place(loop, loop.lineno)
        self.done[place] = self._meant(place)

    def expanded(self, statement: ast.stmt) -> Iterator[ast.stmt]:
        """A statement, after those of the functions that it calls."""
        call = self._call(statement) if isinstance(statement, ast.Assign | ast.AugAssign) else None
        if call is None:
            yield statement
            return
        node, place, given, body = call
        prefix = self._prefix()
        names = [one.arg for one in body.args.args]
        means = _Means({}, prefix)
        if isinstance(node.func, ast.Attribute):  # the receiver keeps its name
            means.known[names.pop(0)] = given[0]
            given = given[1:]
        means.own.update(names)
        *inner, last = (means.visit(one) for one in _statements(body))
        changed = _Exchanged(node, ast.Name(prefix, ast.Load())).visit(statement)
        self.done[place] = self._meant(place)
        before = [
            ast.Assign([ast.Name(prefix + one, ast.Store())], value) for one, value in zip(names, given, strict=True)
        ]
        for one in (*before, *inner, ast.Assign([ast.Name(prefix, ast.Store())], last.value)):
            _place(one, statement.lineno)
            yield from self.expanded(one)
        yield from self.expanded(changed)

    def _call(self, statement: ast.stmt) -> tuple[ast.Call, str, Sequence[ast.expr], ast.FunctionDef] | None:
        """A call that can be replaced, of a function that is nothing but statements in a row."""
        if any(isinstance(node, _PERHAPS) for node in ast.walk(statement)) or self.count >= _MOST:
            return None
        for node in ast.walk(statement):
            found = self._callee(node)
            if found is not None and _is_plain(found[2]):
                assert isinstance(node, ast.Call)
                return node, *found
        return None

    def _callee(self, node: ast.AST) -> tuple[str, Sequence[ast.expr], ast.FunctionDef] | None:
        """The place of a function that is called, all its arguments, and its syntax."""
        if not isinstance(node, ast.Call) or node.keywords or self.count >= _MOST:
            return None
        place = place_of(node.func)
        function = self._meant(place)
        if type(function) is not FunctionType or function.__globals__ is not self.names:
            return None
        if function.__closure__ is not None or set(function.__code__.co_names) & self.local:
            return None  # a name would mean something else here
        given = [node.func.value, *node.args] if isinstance(node.func, ast.Attribute) else node.args
        body = self.read(function)
        return (place, given, body) if body is not None and len(given) == len(body.args.args) else None

    def _meant(self, place: str) -> Any:
        """The function that stands in a place: a name of the module, or a method of the object."""
        receiver, dot, name = place.rpartition(".")
        if dot and receiver == self.receiver:
            return inspect.getattr_static(self.owner, name, None)
        return None if dot or place in self.local else self.names.get(place)

    def _prefix(self) -> str:
        self.count += 1
        return f"{_PREFIX}{self.count}_"


class _Means(ast.NodeTransformer):
    """Writes what names of a function stand for; its other names get a prefix."""

    def __init__(self, known: dict[str, ast.expr], prefix: str) -> None:
        self.known, self.prefix = known, prefix
        self.own: set[str] = set()

    def learn(self, one: ast.Assign) -> None:
        """A name that is set before the loops, or several to the parts of a tuple."""
        value, (target,) = self.visit(one.value), one.targets
        if isinstance(target, ast.Name):
            self.known[target.id] = value
            return
        assert isinstance(target, ast.Tuple)
        for i, name in enumerate(target.elts):
            assert isinstance(name, ast.Name)
            self.known[name.id] = ast.Subscript(value, ast.Constant(i), ast.Load())

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """No function inside."""
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """What the name stands for, once more."""
        if node.id in self.known:
            return ast.parse(ast.unparse(self.known[node.id]), mode="eval").body
        if isinstance(node.ctx, ast.Store):
            self.own.add(node.id)
        return ast.Name(self.prefix + node.id, node.ctx) if node.id in self.own else node


class _Exchanged(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        """The new one in the place of the old one."""
        return ast.copy_location(self.new, node) if node is self.old else super().visit(node)


def _place(made: ast.stmt, line: int) -> None:
    """Everything new on one line of the user's."""
    for one in ast.walk(made):
        if isinstance(one, ast.expr | ast.stmt) and not hasattr(one, "lineno"):
            one.lineno = one.end_lineno = line
            one.col_offset = one.end_col_offset = 0


def _own(loop: ast.For) -> Iterator[ast.AST]:
    """The statements of a loop that are in no loop inside it."""
    for one in loop.body:
        yield from _outside_loops(one)


def _outside_loops(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, Loop):
        for child in ast.iter_child_nodes(node):
            yield from _outside_loops(child)


def _statements(function: ast.FunctionDef) -> list[Any]:
    return [one for one in function.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]


def _plain_arguments(function: ast.FunctionDef) -> bool:
    given = function.args
    return not (given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg or given.defaults)


def _sets_names(one: ast.stmt) -> bool:
    return isinstance(one, ast.Assign) and len(one.targets) == 1 and _is_name(one.targets[0])


def _is_plain(function: ast.FunctionDef) -> bool:
    """Whether it has positional arguments alone, sets names, and returns at its end."""
    *steps, last = _statements(function) or [ast.Pass()]
    returns = isinstance(last, ast.Return) and last.value is not None
    return returns and _plain_arguments(function) and all(map(_sets_names, steps))


def _nest(function: ast.FunctionDef) -> tuple[list[ast.Assign], ast.For, ast.For, ast.expr] | None:
    """What a generator sets before its loops, the outermost and innermost one, and what it yields there at the end."""
    *before, one = _statements(function) or [ast.Pass()]
    if not isinstance(one, ast.For) or not all(map(_sets_names, before)):
        return None
    first = one
    while isinstance(one.body[-1], ast.For) and not one.orelse:
        one, steps = one.body[-1], one.body[:-1]
        if not all(map(_sets_names, steps)):
            return None
    *steps, last = one.body
    yields = isinstance(last, ast.Expr) and isinstance(last.value, ast.Yield) and last.value.value
    return (before, first, one, yields) if yields and not one.orelse and all(map(_sets_names, steps)) else None


def _is_name(target: ast.expr) -> bool:
    return all(map(_is_name, target.elts)) if isinstance(target, ast.Tuple) else isinstance(target, ast.Name)
