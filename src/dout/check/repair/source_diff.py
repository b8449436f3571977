"""A repair as text: the patched file, and the lines that change as a unified diff."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path

from dout.check.repair.expression_edits import Edit


def patched_text(edit: Edit) -> str:
    """The file with the edit made; parentheses only where the expression would be read otherwise."""
    source = edit.place.function.source
    if edit.spans:
        return spliced(source.data, list(edit.spans))
    start, end = source.span(edit.place.node)
    safe = spliced(source.data, [(start, end, f"({edit.text})")])
    meant = ast.dump(ast.parse(safe))
    in_parentheses = source.data[start - 1 : start] == b"(" and source.data[end : end + 1] == b")"
    for more in (in_parentheses, 0):
        plain = spliced(source.data, [(start - more, end + more, edit.text)])
        try:
            if ast.dump(ast.parse(plain)) == meant:
                return plain
        except SyntaxError:
            continue
    return safe


def spliced(data: bytes, spans: list[tuple[int, int, str]]) -> str:
    """The text with other text in these places."""
    for start, end, text in sorted(spans, reverse=True):
        data = data[:start] + text.encode() + data[end:]
    return data.decode()


def unified(edit: Edit, text: str) -> str:
    """The change as a unified diff of the lines that differ, which `patch` takes."""
    source = edit.place.function.source
    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    name = Path(source.file).name
    lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=0)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
