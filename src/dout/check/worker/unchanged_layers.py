"""Layers of a file that has changed, and whose own code has not: what was found of them stands, where they are now.

A layer's code is its class, the classes and functions that it names and those that these name, all that stands outside
of classes, and the classes that name it, which may show how it is used.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from dout.check.project.discover import UNREADABLE
from dout.check.project.fixed_files import edited
from dout.check.report.fix import Fix, Position, TextEdit
from dout.check.report.verdicts import Finding
from dout.check.worker.jobs import Checked, ObjectText
from dout.files import lines_of, text_of

_NOT_JUDGED = "D0"  # codes that say why: other files may tell


@dataclass(frozen=True, slots=True)
class LayerCode:
    """What tells a layer's code from others, and the lines of its class, counted from 1."""

    digest: str
    first: int
    last: int


def layer_codes(file: str) -> dict[str, LayerCode]:
    """The code of each class at the top of a file; nothing of a file that cannot be read."""
    try:
        text = text_of(file)
        tree = ast.parse(text)
    except UNREADABLE:
        return {}
    lines = lines_of(text)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    spans = {name: (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.end_lineno or node.lineno)
             for name, node in classes.items()}  # fmt: skip
    texts = {name: "".join(lines[first - 1 : last]) for name, (first, last) in spans.items()}
    inside = {line for first, last in spans.values() for line in range(first, last + 1)}
    outside = "".join(line for n, line in enumerate(lines, 1) if n not in inside and line.strip())
    words = {name: _words(text) for name, text in texts.items()} | {
        node.name: _words(ast.unparse(node)) for node in tree.body if isinstance(node, ast.FunctionDef)
    }
    runs = [node for node in tree.body if not isinstance(node, ast.ClassDef | ast.FunctionDef) and not _is_main(node)]
    always = set().union(*(_words(ast.unparse(node)) for node in runs))
    found = {}
    for name, (first, last) in spans.items():
        known = _reached({name} | always, words)
        about = [text for other, text in texts.items() if other in known or name in words[other]]
        found[name] = LayerCode(sha256("\0".join([outside, *about]).encode()).hexdigest(), first, last)
    twice = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and classes[node.name] is not node]
    return {name: code for name, code in found.items() if name not in twice}


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _reached(names: set[str], words: Mapping[str, set[str]]) -> set[str]:
    """These names, those in the code that they name, and so on."""
    found, waiting = set(names), list(names)
    while waiting:
        new = words.get(waiting.pop(), set()) & words.keys() - found
        found |= new
        waiting += new
    return found


def unchanged(checked: Mapping[str, Checked], before: Mapping[str, LayerCode], file: str) -> dict[str, Checked]:
    """Of layers that were checked those whose code is as it was, with their places in the file as it is now."""
    now, found = layer_codes(file), {}
    for name, one in checked.items():
        old, new = before.get(name), now.get(name)
        if old and new and old.digest == new.digest and _is_plain(one):
            moved = _Moved(file, old, new.first - old.first)
            if all(old.first <= line <= old.last for line in moved.lines(one)):
                found[name] = moved.of(one)
    return found


def _is_plain(checked: Checked) -> bool:
    """Whether a layer was judged as it is, and nothing else of the module had to be found for that."""
    values = [*checked.init.values(), *checked.inputs.values()]
    if checked.used or checked.interface or checked.trace or any(isinstance(value, ObjectText) for value in values):
        return False
    return bool(checked.report.verdicts) and not any(f.code.startswith(_NOT_JUDGED) for f in checked.report.findings)


class _Moved:
    """What is found in some lines of a file, as it is after these have moved `by` so many."""

    def __init__(self, file: str, code: LayerCode, by: int) -> None:
        self.file, self.code, self.by = file, code, by
        self.place = re.compile(rf"\b({re.escape(Path(file).name)}:)(\d+)")

    def lines(self, item: Any) -> Iterator[int]:
        """All lines of the file that something names."""
        if isinstance(item, str):
            yield from (int(line) for _, line in self.place.findall(item))
        elif isinstance(item, Fix) and self._is_here(item):
            yield from (line for edit in item.edits for line in (edit.start[0], edit.end[0]))
        elif is_dataclass(item) and not isinstance(item, Fix):
            for each in fields(item):
                yield from self.lines(getattr(item, each.name))
            yield from [item.line] if isinstance(item, Finding) and item.line and self._is_here(item) else []
        elif isinstance(item, tuple):
            for each in item:
                yield from self.lines(each)

    def of(self, item: Any) -> Any:
        """The same, moved."""
        if isinstance(item, str) and type(item) is str:
            return self.place.sub(lambda found: f"{found[1]}{int(found[2]) + self.by}", item)
        if isinstance(item, Fix):
            return self._fix(item) if self._is_here(item) else item
        if is_dataclass(item) and not isinstance(item, type):
            changes = {each.name: self.of(getattr(item, each.name)) for each in fields(item)}
            if changes.get("line") is not None and self._is_here(item):
                changes["line"] += self.by
            return replace(item, **changes)
        return tuple(map(self.of, item)) if type(item) is tuple else item

    def _is_here(self, item: Any) -> bool:
        return bool(item.file) and os.path.realpath(item.file) == os.path.realpath(self.file)

    def _fix(self, fix: Fix) -> Fix:
        def place(position: Position) -> Position:
            return position[0] + self.by, position[1]

        text = text_of(self.file)
        edits = [TextEdit(place(edit.start), place(edit.end), edit.new) for edit in fix.edits]
        return replace(fix, before=text, after=edited(text, edits))
