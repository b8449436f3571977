"""Comments that silence a finding: `# dout: ignore[D201]`, or `# dout: ignore` for every code.

It counts on the line of the finding, and on the `class` and `def` lines around it.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import NamedTuple

from dout.check.report.verdicts import Finding
from dout.files import text_of

_COMMENT = re.compile(r"#\s*dout:\s*ignore(?:\[([A-Za-z0-9,\s]*)\])?(?=\s|#|$)")


def is_silenced(finding: Finding) -> bool:
    """Whether a comment in the user's source silences a finding."""
    if not finding.file:
        return False
    try:
        ignored, blocks = _read(text_of(finding.file))
    except (OSError, SyntaxError, ValueError):
        return False
    return any(finding.code.startswith(ignored[n]) for n in _lines_for(finding, blocks) if n in ignored)


class SourceBlock(NamedTuple):
    """A class or function: its name, the lines of its head, decorators included, and all its lines."""

    name: str
    head: range
    whole: range


def _lines_for(finding: Finding, blocks: Iterable[SourceBlock]) -> set[int]:
    """The lines on which a comment is about a finding; where it has no line, the head of its class."""
    if finding.line is None:
        return {n for block in blocks if block.name == finding.layer.rpartition(".")[2] for n in block.head}
    return {finding.line} | {n for block in blocks if finding.line in block.whole for n in block.head}


@cache
def _read(text: str) -> tuple[dict[int, tuple[str, ...]], list[SourceBlock]]:
    """The codes that each line of a file ignores, and its classes and functions; nothing where it cannot be parsed."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        if ignored := _ignored(text):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ignored, list(_blocks(ast.parse(text)))
    return {}, []


def _blocks(tree: ast.Module) -> Iterator[SourceBlock]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            head = range(first, max(node.lineno, node.body[0].lineno - 1) + 1)
            yield SourceBlock(node.name, head, range(first, (node.end_lineno or node.lineno) + 1))


def _ignored(text: str) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline) if "dout:" in text else ():
        match = _COMMENT.search(token.string) if token.type == tokenize.COMMENT else None
        if match:
            listed = "D" if match[1] is None else match[1].upper()
            found[token.start[0]] = tuple(code.strip() for code in listed.split(",") if code.strip())
    return found
