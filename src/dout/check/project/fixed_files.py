"""Fixes in; the files with them out, in which every other byte is as it was."""

from __future__ import annotations

import io
import linecache
import os
import re
import tokenize
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from dout.check.report.fix import Fix, Position, TextEdit
from dout.check.report.verdicts import Finding
from dout.errors import TargetError
from dout.files import Kind, near, regular, write

SOURCE = Kind("a Python file", (".py",), rb"")  # the user's own: it is asked to be changed
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def fixable(findings: Iterable[Finding], unsafe: bool) -> dict[Fix, list[Finding]]:
    """Return the fixes of findings. Those of warnings are unsafe as well: a warning may be no mistake."""
    found: dict[Fix, list[Finding]] = {}
    for finding in findings:
        if finding.fix is not None and (unsafe or (finding.severity == "error" and not finding.fix.unsafe)):
            found.setdefault(finding.fix, []).append(finding)
    return found


def fixes_told(findings: Iterable[Finding], checked: Collection[str]) -> list[str]:
    """Say how many findings can be fixed in the files that are `checked`, without links; nothing where none can."""
    findings = [item for item in findings if item.fix is not None and os.path.realpath(item.fix.file) in checked]
    safe, all_ = (sum(map(len, fixable(findings, unsafe).values())) for unsafe in (False, True))
    told = [f"{safe} with --fix"] if safe else []
    told += [f"{all_ - safe} {'more ' if safe else ''}with --fix --unsafe-fixes"] if all_ > safe else []
    return [f"can be fixed: {', '.join(told)}"] if told else []


@dataclass(frozen=True)
class FixedFile:
    """A file with some fixes, as bytes before and after."""

    path: Path
    before: bytes
    after: bytes
    encoding: str
    fixes: tuple[Fix, ...]

    @property
    def diff(self) -> str:
        """All that changes, as a unified diff from the working folder."""
        before, after = (data.decode(self.encoding) for data in (self.before, self.after))
        path = str(self.path)
        return Fix(path, before, after).diff(name=near(path))

    def write(self) -> None:
        """Put it in the place of the file. Raises TargetError where that has changed, or cannot be written."""
        _put(self.path, self.before, self.after)

    def put_back(self) -> None:
        """Put what was there before in its place again. Raises TargetError as `write` does."""
        _put(self.path, self.after, self.before)


def fixed_files(fixes: Iterable[Fix], checked: Collection[str]) -> tuple[list[FixedFile], list[str]]:
    """Return the files with their fixes, and for each file that stays as it is a line that says why.

    Of fixes that overlap in a file, the first one is taken. `checked` are the files that were checked, without links.
    """
    by_file: dict[str, list[Fix]] = {}
    for fix in dict.fromkeys(fixes):
        by_file.setdefault(os.path.realpath(fix.file), []).append(fix)
    found, refused = [], []
    for file, of_file in by_file.items():
        try:
            if file not in checked:
                raise TargetError("it is not one of the files that are checked; check it by its name")
            found.append(fixed_file(Path(file), of_file))
        except TargetError as error:
            refused.append(f"{near(file)} is not fixed: {error}")
    return found, refused


def fixed_file(path: Path, fixes: Iterable[Fix]) -> FixedFile:
    """Return a file with those of the fixes that do not overlap. Raises TargetError that says why there is none."""
    try:
        data = regular(path).read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (OSError, SyntaxError, ValueError, LookupError) as error:
        raise TargetError(f"it cannot be read: {error}") from None
    if text.encode(encoding) != data:
        raise TargetError(f"its bytes are not what {encoding} makes of its text; save it as UTF-8")
    known = text.replace("\r\n", "\n").replace("\r", "\n")
    taken: list[Fix] = []
    edits: list[TextEdit] = []
    for fix in fixes:
        if fix.before.removesuffix("\n") != known.removesuffix("\n"):
            raise TargetError("it has changed since it was checked; check it again")
        mine = [edit for edit in fix.edits if edit not in edits]
        if not any(_overlap(one, other) for one in mine for other in edits):
            taken.append(fix)
            edits += mine
    try:
        after = edited(text, edits).encode(encoding)
    except UnicodeEncodeError:
        raise TargetError(f"the fix has characters that {encoding} has not; save it as UTF-8") from None
    return FixedFile(path, data, after, encoding, tuple(taken))


def _overlap(one: TextEdit, other: TextEdit) -> bool:
    """Whether two edits change the same characters, or insert at the same place."""
    return max(one.start, other.start) < min(one.end, other.end) or one.start == other.start


def edited(text: str, edits: Iterable[TextEdit]) -> str:
    """A text with edits, whose new lines end as its own do."""
    lines = _LINE.findall(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    ending = next((line[len(line.rstrip("\r\n")) :] for line in lines), "") or "\n"

    def at(position: Position) -> int:
        line, column = position
        return min(starts[min(line - 1, len(lines))] + column, len(text))

    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: at(edit.start)] + edit.new.replace("\n", ending) + text[at(edit.end) :]
    return text


def _put(path: Path, known: bytes, new: bytes) -> None:
    try:
        is_known = regular(path).read_bytes() == known
    except OSError as error:
        raise TargetError(f"{path} cannot be read: {error}") from None
    if not is_known:
        raise TargetError(f"{path} has changed since it was checked; check it again")
    write([path], [new], SOURCE, force=True)
    linecache.clearcache()
