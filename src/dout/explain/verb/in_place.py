"""A file's text and a derived class in; the text with only that class's forward and backward changed out."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence

from dout.errors import TargetError
from dout.explain.derive.class_text import DerivedClass, lines_spanned
from dout.explain.derive.forward_source import indent_of
from dout.files import lines_of


def replaced_source(file_text: str, class_name: str, derived: DerivedClass) -> str:
    """Return the text of a file in which a class has the derived forward and backward; all else stays.

    A class inside another is named with dots. Raises TargetError where the file has no such class, or that has no
    forward of its own.
    """
    definition = _class_in(file_text, class_name)
    methods = {item.name: item for item in definition.body if isinstance(item, ast.FunctionDef)}
    ahead, behind = derived.methods
    if ahead not in methods:
        raise TargetError(f"{class_name} has no {ahead} of its own in this file")
    new = _methods_of(derived.source)
    if behind in methods:
        new[behind] = _as_it_was_called(new[behind], methods[behind], file_text)
    lines = lines_of(file_text)
    edits = [(*lines_spanned(methods[name]), new[name]) for name in (ahead, behind) if name in methods and name in new]
    if behind not in methods:
        first, last, text = edits[0]
        edits[0] = (first, last, [*text, "", *new[behind]])
    step = _step(methods[ahead], lines)
    for first, last, text in sorted(edits, reverse=True):
        indent = indent_of(lines[first - 1])
        ending = "\n" if lines[last - 1].endswith("\n") else ""
        text = [line.replace(indent_of(line), step * (len(indent_of(line)) // 4), 1) for line in text] if step else text
        lines[first - 1 : last] = ["\n".join(f"{indent}{line}" if line else "" for line in text) + ending]
    return "".join(lines)


def _step(method: ast.FunctionDef, lines: Sequence[str]) -> str:
    """The indentation of a method's body relative to its head; "" for the usual four spaces."""
    head, first = (indent_of(lines[node.lineno - 1]) for node in (method, method.body[0]))
    step = first.removeprefix(head)
    return step if first.startswith(head) and step != " " * 4 else ""


def _as_it_was_called(lines: list[str], before: ast.FunctionDef, file_text: str) -> list[str]:
    """The lines of a backward with the docstring of the one before, and its name for what arrives."""
    names = [argument.arg for argument in before.args.args[1:]]
    text = "\n".join(lines)
    if len(names) == 1 and re.search(rf"\b{names[0]}\b", text) is None:
        lines = re.sub(r"\bdout\b", names[0], text).splitlines()
    if ast.get_docstring(before) is None:
        return lines
    first, last = before.body[0].lineno, before.body[0].end_lineno
    doc = textwrap.dedent("".join(lines_of(file_text)[first - 1 : last]))
    return [lines[0], *textwrap.indent(doc, " " * 4).splitlines(), *lines[1:]]


def _class_in(text: str, name: str) -> ast.ClassDef:
    body: list[ast.stmt] = ast.parse(text).body
    found: ast.ClassDef
    for part in name.split("."):
        last = [item for item in body if isinstance(item, ast.ClassDef) and item.name == part][-1:]
        if not last:
            raise TargetError(f"there is no class {name} in this file")
        (found,) = last
        body = found.body
    return found


def _methods_of(source: str) -> dict[str, list[str]]:
    """The lines of each method of a class, without its indentation."""
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    lines = source.splitlines()
    found = {}
    for item in definition.body:
        if isinstance(item, ast.FunctionDef):
            first, last = lines_spanned(item)
            indent = len(indent_of(lines[first - 1]))
            found[item.name] = [line[indent:] for line in lines[first - 1 : last]]
    return found
