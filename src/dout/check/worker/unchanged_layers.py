"""Layers whose own code is as it was, though a file has changed: what was found of them stands, where they are now.

A layer's code is its class or functions, what these name, what that names, and so on, in all files that were read; the
statements that bind no name; and whatever names the layer, which may show how it is used.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from dout.adapt.argument_names import names_loss
from dout.adapt.interface.function_pairs import forward_names
from dout.check.project.discover import UNREADABLE, Job
from dout.check.project.fixed_files import edited
from dout.check.report.fix import Fix, Position, TextEdit
from dout.check.rules.unjudged.d001_raises import RULE as RAISES
from dout.check.worker.jobs import Checked, JobOutcome, ObjectText
from dout.check.worker.kept_answers import signature
from dout.files import lines_of, text_of
from dout.judge.outcomes import Word
from dout.trace.session.user_modules import FINDERS

_WHOLE = ""  # a job itself
_NOT_JUDGED = "D0"  # codes that say why: other files may tell
_OPEN = FINDERS | {"globals", "locals", "vars", "eval", "exec", "getattr", "__globals__", "f_globals", "__subclasses__"}

Span = tuple[str, int, int]  # a file, and the first and the last line, counted from 1


@dataclass(frozen=True, slots=True)
class LayerCode:
    """What tells a layer's code from others, and where the parts of it stand, in an order of their own."""

    digest: str
    parts: tuple[Span, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A statement at the top of a file: the names that it binds, the words in it, and those of what it imports."""

    span: Span
    text: str
    names: frozenset[str]
    words: frozenset[str]
    imports: frozenset[str]
    is_layer: bool
    is_function: bool


def layer_codes(job: Job, layers: Iterable[Checked], files: Iterable[str]) -> dict[str, LayerCode]:
    """The code of each layer of a job, in the files that were read for it, by key, and that of the job itself.

    That is what its file leads to, without the layers that are not among these: a program did not use them.
    """
    known = {key_of(job, one): one.report.layer for one in layers}
    parts = [part for file in sorted(files) for part in _parts(file, signature(file))]
    code, names = _Code(parts, job.file), {name for part in parts if part.is_layer for name in part.names}
    itself = (part for part in code.parts if part.span[0] == job.file or part in code.always)
    roots = frozenset().union(*(part.words | part.names for part in itself))
    is_program = job.kind == "program"
    around = code.reached(roots if is_program else code.always_words, cut=names if is_program else ())
    found = {key: code.of(code.led_to(name) | around) for key, name in known.items()}
    found[_WHOLE] = code.of(code.reached(roots, cut=names - set(known.values())))
    return found


def key_of(job: Job, checked: Checked) -> str:
    """What a job calls a layer."""
    name = checked.report.layer
    return f"{os.path.realpath(checked.file)}:{name}" if job.kind == "program" else name


@lru_cache(maxsize=1 << 10)
def _parts(file: str, content: str) -> list[_Part]:
    """The statements at the top of a file; none of a file that cannot be read."""
    try:
        text = text_of(file)
        lines, tree = lines_of(text), ast.parse(text)
    except UNREADABLE:
        return []
    found = []
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        last = node.end_lineno or node.lineno
        words = frozenset(re.findall(r"\w+", ast.unparse(node)))
        span = (os.path.realpath(file), first, last)
        methods = {each.name for each in getattr(node, "body", ()) if isinstance(each, ast.FunctionDef)}
        is_layer = isinstance(node, ast.ClassDef) and {"forward", "backward"} <= methods
        bound, imports = frozenset(_bound(node)), frozenset(_imported(node))
        text = "".join(lines[first - 1 : last])
        found.append(_Part(span, text, bound, words, imports, is_layer, isinstance(node, ast.FunctionDef)))
    return found


def _imported(node: ast.stmt) -> Iterator[str]:
    """The words of the modules that a statement may import."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import | ast.ImportFrom):
            dotted = [getattr(each, "module", "") or "", *(alias.name for alias in each.names)]
            yield from (word for name in dotted for word in name.split("."))


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, if it does nothing else; of the block of `__main__` one that nobody uses."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [each for target in targets for each in getattr(target, "elts", [target])]
        yield from (
            (each.id for each in names if isinstance(each, ast.Name))
            if all(isinstance(each, ast.Name) for each in names)
            else ()
        )
    elif isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        yield "__main__"


def _stems(file: str) -> tuple[str, ...]:
    """What the module of a file may be imported as."""
    path = Path(file)
    return (path.parent.name,) if path.stem == "__init__" else (path.stem,)


class _Code:
    """The statements of a file and of those that it imports, and which lead to which; `every` has all others too."""

    def __init__(self, every: Sequence[_Part], file: str) -> None:
        self.every, files, waiting = every, set[str](), {file}
        while waiting:  # for what the files import that import each other
            files |= waiting
            words = {word for part in every if part.span[0] in waiting for word in part.imports}
            waiting = {part.span[0] for part in every if not words.isdisjoint(_stems(part.span[0]))} - files
        self.parts = [part for part in every if part.span[0] in files]
        self.by_name: dict[str, list[_Part]] = {}
        for part in self.parts:
            for name in part.names:
                self.by_name.setdefault(name, []).append(part)
        self.always = [part for part in self.parts if not part.names]
        self.always_words = {word for part in self.always for word in part.words}

    def of(self, parts: Iterable[_Part]) -> LayerCode:
        """These parts, with those that bind no name."""
        every = sorted({*parts, *self.always}, key=lambda part: (part.span[0], sorted(part.names), part.span[1]))
        digest = sha256("\0".join(f"{part.span[0]}\0{part.text}" for part in every).encode(errors="replace"))
        return LayerCode(digest.hexdigest(), tuple(part.span for part in every))

    def led_to(self, layer: str) -> set[_Part]:
        """What a layer leads to, and all that names it."""
        roots = {layer}
        if any(part.is_function for part in self.by_name.get(layer, ())):
            roots |= {n for n in self.by_name if names_loss(n) or layer in forward_names(n)}
        return self.reached(roots) | {part for part in self.every if layer in part.words}

    def reached(self, names: Iterable[str], cut: Collection[str] = ()) -> set[_Part]:
        """The parts that bind these names and the words in them, and so on; what is `cut` leads nowhere."""
        found: set[_Part] = set()
        waiting = [*names]
        while waiting:
            name = waiting.pop()
            new = {part for part in self.by_name.get(name, ()) if name not in cut} - found
            found |= new
            waiting += [word for part in new for word in part.words]
        is_open = any(not _OPEN.isdisjoint(part.words) for part in found)  # it may come to any name
        return {*self.parts} if is_open else found


def unchanged(
    known: JobOutcome, before: Mapping[str, LayerCode], differs: Collection[str], files: Iterable[str]
) -> tuple[dict[str, Checked], bool]:
    """Of the layers of an outcome those whose code is as it was, though these files differ, with their places now.

    And whether the job would run as it did: neither its file has changed, nor anything that this leads to.
    """
    now, found = layer_codes(known.job, known.layers, files), {}
    itself = known.job.file in map(os.path.realpath, differs)
    for one in known.layers:
        key = key_of(known.job, one)
        old, new = before.get(key), now[key]
        if old and old.digest == new.digest and _is_plain(one) and not (itself and one.used):
            with suppress(LookupError):
                found[key] = _Moved(differs, old.parts, new.parts).of(one)
    same = now[_WHOLE].digest == before[_WHOLE].digest and len(found) == len(known.layers)
    return found, same and not itself


def _is_plain(checked: Checked) -> bool:
    """Whether a layer was judged, and by its own code alone: no object was found for it, no other layer compared."""
    values = [*checked.init.values(), *checked.inputs.values()]
    if checked.trace or any(isinstance(value, ObjectText) for value in values):
        return False
    if any(verdict.word == Word.SCALED for verdict in checked.report.verdicts):
        return False
    codes = {finding.code for finding in checked.report.findings}
    return not any(code.startswith(_NOT_JUDGED) and code != RAISES.code for code in codes)


class _Moved:
    """What is found in some parts of files, as it is after some of these `files` have changed, and parts have moved."""

    def __init__(self, files: Iterable[str], old: Sequence[Span], new: Sequence[Span]) -> None:
        self.files = {os.path.realpath(file) for file in files}
        self.spans = [(*span, now[1] - span[1]) for span, now in zip(old, new, strict=True) if span[0] in self.files]
        names = "|".join(re.escape(Path(file).name) for file in self.files)
        self.place = re.compile(rf"\b({names}):(\d+)")

    def at(self, file: str, line: int) -> int:
        """Where a line is now. Raises LookupError where nothing tells."""
        for other, first, last, by in self.spans:
            if first <= line <= last and (other == os.path.realpath(file) or Path(other).name == file):
                return line + by
        raise LookupError(f"{file}:{line}")

    def of(self, item: Any) -> Any:
        """Something that was found, with its lines as they are now. Raises LookupError."""
        if type(item) is str:
            return self.place.sub(lambda found: f"{found[1]}:{self.at(found[1], int(found[2]))}", item)
        if isinstance(item, Fix):
            return self._fix(item) if self._has_changed(item) else item
        if is_dataclass(item) and not isinstance(item, type):
            changes = {each.name: self.of(getattr(item, each.name)) for each in fields(item)}
            if changes.get("line") and self._has_changed(item):
                changes["line"] = self.at(changes["file"], changes["line"])
            return replace(item, **changes)
        return tuple(map(self.of, item)) if type(item) is tuple else item

    def _has_changed(self, item: Any) -> bool:
        return bool(item.file) and os.path.realpath(item.file) in self.files

    def _fix(self, fix: Fix) -> Fix:
        def place(position: Position) -> Position:
            return self.at(fix.file, position[0]), position[1]

        text = text_of(fix.file)
        edits = [TextEdit(place(edit.start), place(edit.end), edit.new) for edit in fix.edits]
        return replace(fix, before=text, after=edited(text, edits))
