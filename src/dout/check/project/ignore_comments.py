"""Comments that silence a finding: `# dout: ignore[D201]`, or `# dout: ignore` for every code.

It counts on the line of the finding, and on the `class` and `def` lines of what that line stands in.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from functools import cache

from dout.check.report.verdicts import Finding
from dout.files import text_of

_COMMENT = re.compile(r"#\s*dout:\s*ignore(?:\[([A-Za-z0-9,\s]*)\])?(?=\s|#|$)")


def is_silenced(finding: Finding) -> bool:
    """Whether a comment in the user's source silences a finding."""
    if not finding.file:
        return False
    source = _read(finding.file)
    return any(
        any(finding.code.startswith(code) for code in source.ignored[line])
        for line in source.lines_for(finding.line, finding.layer)
        if line in source.ignored
    )


class _Source:
    """Which lines ignore which codes, and where classes and functions begin and end."""

    def __init__(self, text: str) -> None:
        self.ignored = _ignored(text)
        self.blocks: list[tuple[str, range, range]] = []  # name, lines of the head, all lines
        if not self.ignored:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                head = range(first, max(node.lineno, node.body[0].lineno - 1) + 1)
                self.blocks.append((node.name, head, range(first, (node.end_lineno or node.lineno) + 1)))

    def lines_for(self, line: int | None, layer: str) -> set[int]:
        """The lines on which a comment is about a finding at `line`; where it has none, the head of its class."""
        if line is None:
            return {n for name, head, _ in self.blocks if name == layer.rpartition(".")[2] for n in head}
        return {line} | {n for _, head, whole in self.blocks if line in whole for n in head}


@cache
def _read(file: str) -> _Source:
    try:
        return _Source(text_of(file))
    except (OSError, SyntaxError, ValueError):
        return _Source("")


def _ignored(text: str) -> dict[int, tuple[str, ...]]:
    if "dout:" not in text:
        return {}
    found: dict[int, tuple[str, ...]] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match = _COMMENT.search(token.string) if token.type == tokenize.COMMENT else None
            if match:
                listed = match.group(1)
                codes = ("D",) if listed is None else tuple(c.strip().upper() for c in listed.split(",") if c.strip())
                found[token.start[0]] = codes
    except (tokenize.TokenError, SyntaxError):
        pass
    return found
