"""One change to one statement of a layer, with every other line as it was.

An `Edit` holds the changed source and says which line changed, from what to what. `rewritten` swaps one expression for
another inside its statement; `instead` and `above` work on whole statements. Nothing here judges an edit.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

Function = ast.FunctionDef


@dataclass(frozen=True)
class Edit:
    """A changed source. `name` is what was done, `cause` the word for what is wrong then."""

    name: str
    cause: str
    line: int
    before: str
    after: str
    source: str


@dataclass(frozen=True, eq=False)
class Layer:
    """The parsed source of one class with its helpers."""

    source: str
    cls: str

    @property
    def tree(self) -> ast.Module:
        """Parsed anew; nodes are found again by position."""
        return ast.parse(self.source)

    def functions(self, tree: ast.Module) -> Iterator[tuple[str, Function]]:
        """Methods of the class and helpers, `__init__` last of all left out."""
        for node in tree.body:
            if isinstance(node, Function):
                yield "helper", node
            elif isinstance(node, ast.ClassDef):
                yield from ((f.name, f) for f in node.body if isinstance(f, Function) and f.name != "__init__")

    def method(self, name: str) -> Function:
        """A method of the class itself."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == self.cls:
                for item in node.body:
                    if isinstance(item, Function) and item.name == name:
                        return item
        raise LookupError(name)

    def residuals(self) -> list[str]:
        """Attributes that forward sets and backward reads."""
        stored = [n.attr for n in ast.walk(self.method("forward")) if is_self(n) and isinstance(n.ctx, ast.Store)]
        read = {n.attr for n in ast.walk(self.method("backward")) if is_self(n) and isinstance(n.ctx, ast.Load)}
        return [name for name in dict.fromkeys(stored) if name in read]


def is_self(node: ast.AST) -> bool:
    """Whether a node is `self.something`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def statements(function: Function) -> Iterator[ast.stmt]:
    """Every statement of a function with one line of its own, in order.

    Docstrings are left out, and what stands in a `while`: with an edit there it may never end.
    """
    yield from _in_block(function.body)


def _in_block(block: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in block:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if (
            isinstance(statement, ast.Assign | ast.AugAssign | ast.Return | ast.Expr | ast.If | ast.For)
            and not docstring
        ):
            yield statement
        if isinstance(statement, ast.If | ast.For):
            yield from _in_block([*statement.body, *statement.orelse])


def expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Every expression that belongs to a statement itself, not to a body inside it."""
    roots: list[ast.AST] = [statement]
    if isinstance(statement, ast.If):
        roots = [statement.test]
    elif isinstance(statement, ast.For):
        roots = [statement.iter]
    for root in roots:
        yield from (node for node in ast.walk(root) if isinstance(node, ast.expr))


def text_of(statement: ast.stmt) -> str:
    """The source of a statement, or of the line that opens its body."""
    text = ast.unparse(statement)
    return text.split("\n")[0] if isinstance(statement, ast.If | ast.For) else text


def rewritten(layer: Layer, statement: ast.stmt, old: ast.expr, new: ast.expr, name: str, cause: str) -> Edit | None:
    """The statement with one expression replaced; None where that changes nothing."""
    marked = _swap(statement, old, new)
    before, after = text_of(statement), text_of(marked)
    return None if before == after else instead(layer, statement, [after], name, cause)


def _swap(statement: ast.stmt, old: ast.expr, new: ast.expr) -> ast.stmt:
    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is old else self.generic_visit(node)

    memo = {id(old): old}  # the copy keeps the very node that is looked for
    return ast.fix_missing_locations(Swap().visit(copy.deepcopy(statement, memo)))


def instead(layer: Layer, statement: ast.stmt, lines: list[str], name: str, cause: str) -> Edit:
    """Other lines in place of a statement, or of the line that opens its body."""
    last = statement.body[0].lineno - 1 if isinstance(statement, ast.If | ast.For) else statement.end_lineno
    return _spliced(layer, statement.lineno - 1, last or statement.lineno, statement.col_offset, lines, name, cause)


def above(layer: Layer, statement: ast.stmt, lines: list[str], name: str, cause: str) -> Edit:
    """Lines put in before a statement."""
    start = statement.lineno - 1
    return _spliced(layer, start, start, statement.col_offset, lines, name, cause)


def _spliced(layer: Layer, start: int, end: int, indent: int, lines: list[str], name: str, cause: str) -> Edit:
    all_lines = layer.source.splitlines()
    before = "\n".join(line.strip() for line in all_lines[start:end])
    fresh = [" " * indent + line for text in lines for line in text.split("\n")]
    source = "\n".join([*all_lines[:start], *fresh, *all_lines[end:]]) + "\n"
    return Edit(name, cause, start + 1, before, "\n".join(line.strip() for line in fresh), source)


def expression(text: str) -> ast.expr:
    """Source as an expression."""
    return ast.parse(text, mode="eval").body
