"""The calls of one name, in a repository's files or in a text, the most telling first."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

from dout.adapt.usage.observed_call import Call, bulk, unknowns
from dout.adapt.usage.project_files import MOST_FILES, SourceFile, examples_in, parsed, statements_in, text_of
from dout.adapt.usage.statement_reader import calls_in

_MOST_BYTES = 1_000_000
_MOST_SECONDS = 0.5
_MOST_CALLS = 64
_PARSED_IN_A_SECOND = 1e6  # characters


def calls_of(name: str, files: Iterable[str | Path]) -> list[Call]:
    """How `name` is called in these files and in their docstrings' examples, the most telling and smallest first.

    Half a second at most, 400 files, none larger than a megabyte; a file is parsed only if it has `name(` in it.
    """
    until = time.monotonic() + _MOST_SECONDS
    wanted = re.compile(rf"(?<!\w){re.escape(name)}\s*\(")
    found: list[tuple[int, Call]] = []
    for path in sorted(map(Path, list(files)[:MOST_FILES]), key=_where):
        if time.monotonic() > until or len(found) >= 4 * _MOST_CALLS:
            break
        try:
            source = SourceFile.of(path)
            text = text_of(source) if source.size <= _MOST_BYTES else ""
            if wanted.search(text) and len(text) / _PARSED_IN_A_SECOND <= until - time.monotonic():
                found += [(_where(path), call) for call in calls_in(parsed(source), name, str(path))]
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            continue
    return _best_first(found)


def calls_in_text(name: str, text: str) -> list[Call]:
    """How `name` is called in Python text, or in the examples (`>>>`) of a docstring; the most telling first."""
    try:
        text = examples_in(text) if re.search(r"(?m)^\s*>>> ", text) else text
        return _best_first([(0, call) for call in calls_in(statements_in(text), name, "")])
    except (TypeError, AttributeError, RecursionError):
        return []


def _where(path: Path) -> int:
    """Where calls are likely to be small and whole: tests, then scripts, then the rest."""
    text = "/".join(path.parts[-3:]).lower()
    return 0 if re.search(r"test|check|example|demo", text) else 1 if re.search(r"train|main|run|ipynb", text) else 2


def _best_first(found: list[tuple[int, Call]]) -> list[Call]:
    unique = {repr((call.args, call.kwargs, call.methods)): (where, call) for where, call in reversed(found)}

    def rank(item: tuple[int, Call]) -> tuple[float, ...]:
        where, call = item
        inputs = [method.args for method in call.methods if method.args and not unknowns(method.args)]
        size = bulk([*call.args, *call.kwargs.values(), *inputs])
        return call.unknown, not inputs, where, size, call.line

    return [call for _, call in sorted(unique.values(), key=rank)][:_MOST_CALLS]
