"""What stands elsewhere in the user's functions: `x` may be meant as the `x + 3` of forward's `clip(x + 3, 0, 6)`."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from dout.check.repair.scratch_functions import ExpressionPlace, ScratchFunction
from dout.check.repair.written_expressions import Found, bare, part

Echoes = dict[str, dict[tuple[str, str, str], None]]  # an operand → what stands before and after it elsewhere, a word
_WORDS = {ast.Add: "missing term", ast.Sub: "missing term", ast.Mult: "factor", ast.Div: "factor"}


def echoes(functions: Iterable[ScratchFunction]) -> Echoes:
    """The sums, products and calls of these functions, by each of their operands as it is written without `self.`."""
    found: Echoes = {}
    for function in functions:
        source = function.source
        for node in ast.walk(function.node):
            parts = [node.left, node.right] if isinstance(node, ast.BinOp) else []
            if isinstance(node, ast.Call):
                parts = node.args[:1]
            word = _WORDS.get(type(node.op), "") if isinstance(node, ast.BinOp) else "formula"
            for operand in parts if word else ():
                (start, end), (a, b) = source.span(node), source.span(operand)
                around = (source.data[start:a].decode(), source.data[b:end].decode(), word)
                found.setdefault(_key(source.segment(operand)), {})[around] = None
    return found


def echoed(place: ExpressionPlace, known: Echoes) -> Found:
    """The expression as an operand of what it is an operand of elsewhere."""
    text = bare(place, place.node)
    for before, after, word in known.get(_key(text), ()):
        whole = text if word == "formula" else part(place, place.node)
        yield 1.45, word, f"{before}{whole}{after}"


def _key(text: str) -> str:
    return text.replace("self.", "")
