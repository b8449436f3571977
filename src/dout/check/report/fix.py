"""A change of a source file that mends a finding."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from dout.files import lines_of

_UNENDED = "\\ No newline at end of file"  # as `diff` says it
Position = tuple[int, int]  # a line, counted from 1, and a character in it, counted from 0


@dataclass(frozen=True, slots=True)
class TextEdit:
    """What stands from `start` to `end` becomes `new`."""

    start: Position
    end: Position
    new: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A file before and after; its text has newlines alone as line endings. It reads as a unified diff.

    `unsafe` says why somebody has to look at it, as a clause that begins with "it"; empty if nobody has to.
    """

    file: str
    before: str
    after: str
    unsafe: str = ""

    def __str__(self) -> str:
        short = self.diff(context=0)
        added, removed = ({line[1:] for line in short.splitlines()[2:] if line[0] == sign} for sign in "+-")
        is_longer = all(edit.start == edit.end for edit in self.edits)
        return self.diff(context=1) if is_longer or added & removed else short

    def diff(self, context: int = 3, name: str = "") -> str:
        """The change as a unified diff, which `patch` takes; the file is called by its last name, or otherwise."""
        name = name or Path(self.file).name
        before, after = lines_of(self.before), lines_of(self.after)
        lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=context)
        return "".join(line if line.endswith("\n") else f"{line}\n{_UNENDED}\n" for line in lines)

    @property
    def edits(self) -> tuple[TextEdit, ...]:
        """The least that changes, in the order of the file."""
        before, after = lines_of(self.before), lines_of(self.after)
        head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
        before, after = before[head:], after[head:]
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        blocks = ((i, before[i:j], after[k:n]) for what, i, j, k, n in matcher.get_opcodes() if what != "equal")
        return tuple(_trimmed(head + first, "".join(old), "".join(new)) for first, old, new in blocks)


def _trimmed(line: int, old: str, new: str) -> TextEdit:
    """The edit that makes the lines from `line` on (counted from 0) another text, without what both have in common."""
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    return TextEdit(_at(line, old[:head]), _at(line, old[: len(old) - tail]), new[head : len(new) - tail])


def _at(line: int, before: str) -> Position:
    return line + 1 + before.count("\n"), len(before) - before.rfind("\n") - 1
