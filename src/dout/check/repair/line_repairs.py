"""Repaired lines of the user's source, as unified diffs, and lines that look like the cause."""

from __future__ import annotations

import ast
import difflib
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dout.graph import Where

_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_CREATING = frozenset({"zeros", "ones", "empty", "full", "eye", "arange", "linspace", "rand", "randn"})


def copied_first(function: Any, name: str, where: Where | None) -> str | None:
    """The diff that makes a method work on a copy of its argument `name`, which the line at `where` writes into."""
    found = _parsed(function)
    if found is None or name not in {arg.arg for arg in (*found[1].args.posonlyargs, *found[1].args.args)}:
        return None  # a decorator's own function, say
    file, tree, offset = found
    lines = linecache.getlines(file)
    body = tree.body[1:] if ast.get_docstring(tree) and len(tree.body) > 1 else tree.body
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id == name
            and where is not None and node.lineno + offset == where.line and node.lineno == node.end_lineno
            and type(node.op) in _SIGNS
        ):  # fmt: skip
            value = ast.unparse(node.value)
            value = f"({value})" if isinstance(node.value, ast.BinOp | ast.UnaryOp | ast.IfExp) else value
            at = where.line - 1
            return _diff(file, lines, at, [f"{_indent(lines[at])}{name} = {name} {_SIGNS[type(node.op)]} {value}\n"], 1)
    at = body[0].lineno + offset - 1
    return _diff(file, lines, at, [f"{_indent(lines[at])}{name} = {name}.copy()\n"], 0) if at < len(lines) else None


def replaced(where: Where | None, change: Callable[[str], str]) -> str | None:
    """The diff that changes one line; None where it stays."""
    if where is None:
        return None
    lines = linecache.getlines(where.file)
    if not 0 < where.line <= len(lines):
        return None
    new = change(lines[where.line - 1])
    return _diff(where.file, lines, where.line - 1, [new], 1) if new != lines[where.line - 1] else None


def returning(function: Any) -> Where | None:
    """The last `return` of a method."""
    found = _parsed(function)
    if found is None:
        return None
    file, tree, offset = found
    lines = [node.lineno + offset for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]
    return Where(file, max(lines)) if lines else None


def creates_float64(layer: Any) -> Where | None:
    """The first line of forward or backward that makes an array without saying of which dtype."""
    for method in (type(layer).forward, type(layer).backward):
        found = _parsed(method)
        if found is None:
            continue
        file, tree, offset = found
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _makes_float64(node):
                return Where(file, node.lineno + offset)
    return None


def _makes_float64(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "astype":
        return bool(call.args) and ast.unparse(call.args[0]) in ("float", "np.float64", "'float64'", "'f8'")
    dtypes = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "dtype"]
    return name in _CREATING and (not dtypes or dtypes[0] in ("float", "np.float64"))


def _parsed(function: Any) -> tuple[str, ast.FunctionDef, int] | None:
    try:
        function = inspect.unwrap(function)
        file = inspect.getsourcefile(function)
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    if file is None or not isinstance(tree, ast.FunctionDef):
        return None
    return file, tree, first - 1


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _diff(file: str, lines: list[str], at: int, new: list[str], instead_of: int) -> str:
    near = slice(max(0, at - 3), at + 4)  # difflib need not see the whole file
    before = lines[near]
    after = [*lines[near.start : at], *new, *lines[at + instead_of : near.stop]]
    name = Path(file).name
    return "".join(_numbered(difflib.unified_diff(before, after, name, name, n=1), near.start)).rstrip("\n")


def _numbered(diff: Iterator[str], shift: int) -> Iterator[str]:
    for line in diff:
        if line.startswith("@@"):
            old, new = (part[1:].split(",") for part in line.split()[1:3])
            spans = [",".join([str(int(part[0]) + shift), *part[1:]]) for part in (old, new)]
            yield f"@@ -{spans[0]} +{spans[1]} @@\n"
        else:
            yield line
