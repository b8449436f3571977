"""Repairs of a line for findings about memory and dtypes, and the lines that look like the cause of one."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from dout.check.repair.expression_places import ParsedFile, ScratchFunction
from dout.check.repair.scratch_functions import Scratch, code_of, patched
from dout.check.report.fix import Fix
from dout.graph import Where
from dout.run import objects_in

_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_CREATING = frozenset({"zeros", "ones", "empty", "full", "eye", "arange", "linspace", "rand", "randn"})


def copied_first(function: Any, name: str, where: Where | None) -> Iterator[Fix]:
    """Changes after which a method works on a copy of its argument `name`, which the line at `where` writes into.

    First `x *= y` becomes `x = x * y`, then a line at the top makes the copy.
    """
    for source, tree in _parsed(function):
        if name not in {arg.arg for arg in (*tree.args.posonlyargs, *tree.args.args)}:
            continue  # a decorator's own function, say
        for node in ast.walk(tree):
            if not isinstance(node, ast.AugAssign) or where is None or node.lineno != where.line:
                continue
            if ast.unparse(node.target) == name and type(node.op) in _SIGNS:
                value = source.segment(node.value)
                value = f"({value})" if isinstance(node.value, ast.BinOp | ast.UnaryOp | ast.IfExp) else value
                yield source.fix(source.replaced(node, f"{name} = {name} {_SIGNS[type(node.op)]} {value}"))
        first = tree.body[1] if ast.get_docstring(tree) and len(tree.body) > 1 else tree.body[0]
        copying = f"{name} = {name}.copy(){source.between(first)}"
        yield source.fix(source.replaced(first, f"{copying}{source.segment(first)}"))


def with_text(function: ScratchFunction, text: str) -> Callable[[Any], None]:
    """What gives a copy of a layer a method as it stands in another text of its file. Raises SyntaxError."""
    scratch = Scratch({function: code_of(patched(function, text))})
    return lambda copy: scratch.install(objects_in(copy))


def returning(function: Any) -> Where | None:
    """The last `return` of a method."""
    for source, tree in _parsed(function):
        lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]
        return Where(source.file, max(lines)) if lines else None
    return None


def creates_float64(layer: Any) -> Where | None:
    """The first line of forward or backward that makes an array without saying of which dtype."""
    for method in (type(layer).forward, type(layer).backward):
        for source, tree in _parsed(method):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and _makes_float64(node):
                    return Where(source.file, node.lineno)
    return None


def _makes_float64(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "astype":
        return bool(call.args) and ast.unparse(call.args[0]) in ("float", "np.float64", "'float64'", "'f8'")
    dtypes = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "dtype"]
    return name in _CREATING and (not dtypes or dtypes[0] in ("float", "np.float64"))


def _parsed(function: Any) -> Iterator[tuple[ParsedFile, ast.FunctionDef]]:
    """The file of a function and its syntax there; nothing without a source."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    source = ParsedFile.of(code.co_filename) if code is not None else None
    if code is not None and source is not None and code.co_firstlineno in source.functions:
        yield source, source.functions[code.co_firstlineno]
