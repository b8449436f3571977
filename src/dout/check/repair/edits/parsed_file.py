"""A file of the user's, parsed: its functions, and the text and place of each expression."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from dout.check.report.fix import Fix
from dout.files import lines_of


@dataclass(frozen=True, eq=False)
class ParsedFile:
    """The text of a file, parsed."""

    file: str
    text: str

    @classmethod
    def of(cls, file: str) -> ParsedFile | None:
        """The source of a file, a notebook cell or an `exec`'d text that linecache knows; None where there is none."""
        return _parsed(file, "".join(linecache.getlines(file)))

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def functions(self) -> dict[int, ast.FunctionDef]:
        """Its functions and methods by their first lines, decorators included."""
        found = (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef))
        return {min([node.lineno, *(d.lineno for d in node.decorator_list)]): node for node in found}

    @cached_property
    def starts(self) -> list[int]:
        """Where each line begins, in bytes: the columns of the tree count bytes."""
        starts = [0]
        for line in lines_of(self.text):
            starts.append(starts[-1] + len(line.encode()))
        return starts

    @cached_property
    def data(self) -> bytes:
        """The text as bytes."""
        return self.text.encode()

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where an expression or statement stands, in bytes."""
        return (
            self.starts[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
            self.starts[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )

    def segment(self, node: ast.AST) -> str:
        """The text of an expression or statement."""
        return self.with_parts(node, {})

    def replaced(self, node: ast.AST, text: str) -> str:
        """The text of the file with another one in the place of an expression or statement."""
        start, end = self.span(node)
        return self.data[:start].decode() + text + self.data[end:].decode()

    def between(self, statement: ast.stmt) -> str:
        """What stands between a statement and another one beside it: a new line, or `def f(x): one; other`."""
        before = self.data[self.starts[statement.lineno - 1] : self.span(statement)[0]].decode()
        return "; " if before.strip() else f"\n{before}"

    def fix(self, text: str, unsafe: str = "") -> Fix:
        """The change from the file to another text."""
        return Fix(self.file, self.text, text, unsafe)

    def with_parts(self, node: ast.AST, parts: Mapping[Any, str]) -> str:
        """The text of an expression or statement, with other texts in the place of some of its parts."""
        start, end = self.span(node)
        data = self.data[start:end]
        for (a, b), text in sorted(((self.span(part), text) for part, text in parts.items()), reverse=True):
            data = data[: a - start] + text.encode() + data[b - start :]
        return data.decode()


@lru_cache(maxsize=8)
def _parsed(file: str, text: str) -> ParsedFile | None:
    """The source, parsed once for all the gradients and layers of a file; nobody changes its tree."""
    try:
        found = ParsedFile(file, text)
        return found if text and found.tree else None
    except (SyntaxError, ValueError):
        return None
