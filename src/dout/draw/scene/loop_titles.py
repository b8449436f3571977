"""The head of the user's loop that repeats some steps, read from the source: "for t in range(2000)"."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from dout.draw.scene.nesting import Unit
from dout.draw.words.safe_text import NAME_LIMIT, shorten
from dout.files import regular, text_of
from dout.trace.model.recorded import LayerCall

_LARGEST = 2_000_000  # bytes of a file that is read


def loop_title(turn: Sequence[Unit], turns: int) -> str:
    """The innermost loop around the lines of one turn, with the number of turns if it does not say it.

    Empty if there is none, if it is a loop over layers, whose names say more, or if one turn of it makes fewer steps.
    """
    places = [unit.where for unit in turn if unit.where is not None]
    if len(places) < len(turn) or len({place.file for place in places}) != 1:
        return ""
    lines = {place.line for place in places}
    loops = [loop for loop in _loops(places[0].file) if loop.body[0].lineno <= min(lines) <= max(lines) <= _end(loop)]
    if not loops:
        return ""
    loop = max(loops, key=lambda loop: loop.lineno)
    if _calls_its_variable(loop):
        return ""
    layers = Counter(unit.where.line for unit in turn if isinstance(unit, LayerCall) and unit.where is not None)
    calls = Counter(part.lineno for part in ast.walk(loop) if isinstance(part, ast.Call))
    if any(calls[line] < number for line, number in layers.items()):
        return ""
    head = f"for {ast.unparse(loop.target)} in {ast.unparse(loop.iter)}"
    many = "" if str(turns) in head else f" ×{turns}"
    return f"{shorten(head, NAME_LIMIT - len(many))}{many}"


def _end(loop: ast.For) -> int:
    return loop.body[-1].end_lineno or loop.body[-1].lineno


def _calls_its_variable(loop: ast.For) -> bool:
    """True for `for layer in layers: x = layer.forward(x)`."""
    own = {part.id for part in ast.walk(loop.target) if isinstance(part, ast.Name)}
    called = (part.func for body in loop.body for part in ast.walk(body) if isinstance(part, ast.Call))
    holders = (function.value if isinstance(function, ast.Attribute) else function for function in called)
    return any(isinstance(holder, ast.Name) and holder.id in own for holder in holders)


def _loops(file: str) -> tuple[ast.For, ...]:
    """The loops of a file; none where it cannot be read, is no Python any more, or is too large for a program."""
    try:
        status = regular(file).stat()
        return _loops_of(file, status.st_mtime_ns) if status.st_size <= _LARGEST else ()
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


@lru_cache(maxsize=64)
def _loops_of(file: str, changed: int) -> tuple[ast.For, ...]:
    """The loops of a file as it was when it was `changed`."""
    return tuple(node for node in ast.walk(ast.parse(text_of(file))) if isinstance(node, ast.For))
