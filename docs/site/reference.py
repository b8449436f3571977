"""The reference of the site, written by the code that it is about: commands, Python, primitives."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
from latex2mathml.converter import convert

import dout
from dout.cli import commands
from dout.draw import draw
from dout.errors import DoutError
from dout.ops import PRIMITIVES

_FAMILIES = {  # by the file of `ops` that has a row
    "elementwise": "On each element", "choices": "Comparing and choosing", "reduce": "Along axes",
    "shape": "Shapes and indices", "rearrange": "Moving elements", "linalg": "Products", "create": "New arrays",
    "special": "Special functions", "plain_math": "Functions of math",
}  # fmt: skip
_LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def write(docs: Path) -> None:
    """Write the pages of docs/reference/."""
    folder = docs / "reference"
    (folder / "primitives").mkdir(parents=True, exist_ok=True)
    pages = {"commands": _commands(), "python": _python(), "primitives": _primitives(folder / "primitives")}
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        file = folder / f"{name}.md"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def inside(text: str, name: str, docs: Path) -> str:
    """The text of a page in which links to files outside of docs/ are plain words: the site has none of them."""
    here = (docs / name).parent

    def linked(found: re.Match[str]) -> str:
        words, target, _ = found.groups()
        place = Path(os.path.normpath(here / target))
        if place.suffix == ".md" and place.is_relative_to(docs) and place.is_file():
            return found[0]
        if place in (docs / "findings", docs / "decisions"):
            return f"[{words}]({os.path.relpath(docs / 'sections' / f'{place.name}.md', here)})"
        return words

    return _LINK.sub(linked, text)


def _commands() -> Iterator[str]:
    yield "# Commands\n\nWhat `dout COMMAND --help` prints.\n"
    yield from _help(commands, "dout")


def _help(command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, max_content_width=92, terminal_width=92)
    yield f"## `{name}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for key in command.list_commands(context):
            yield from _help(command.commands[key], f"{name} {key}")


def _python() -> Iterator[str]:
    yield "# Python\n\n`import dout` loads NumPy alone; each of these loads what it needs when it is first used.\n"
    for name in sorted(dout.__all__, key=lambda name: (not name[:1].islower(), name)):
        item = getattr(dout, name)
        yield f"## `dout.{name}`\n"
        if not inspect.isclass(item):
            yield f"```python\n{name}{_signature(item)}\n```\n"
        yield _docstring(item)
        if inspect.isclass(item) and not issubclass(item, Exception):
            for key, method in sorted(vars(item).items()):
                found = method.fget if isinstance(method, property) else method
                if not key.startswith("_") and callable(found) and found.__doc__:
                    call = "" if isinstance(method, property) else _signature(found)
                    yield f"### `{name}.{key}`\n\n```python\n{key}{call}\n```\n\n{_docstring(found)}"


def _signature(item: Any) -> str:
    signature = inspect.signature(item)
    kept = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return str(signature.replace(parameters=kept, return_annotation=signature.empty))


def _docstring(item: Any) -> str:
    """A docstring as Markdown: its examples are code."""
    blocks = re.split(r"\n\s*\n", inspect.getdoc(item) or "")
    return "\n\n".join(f"```pycon\n{b}\n```" if b.lstrip().startswith(">>>") else b for b in blocks) + "\n"


def _primitives(folder: Path) -> Iterator[str]:
    """A table of all rows; those that take one or two numbers have a picture with values and gradients."""
    yield "# Primitives\n\nThe operations of a recording. A picture shows one run, with its derived gradients.\n"
    kinds: dict[str, list[Any]] = {}
    for row in PRIMITIVES.values():
        kinds.setdefault(_family(row), []).append(row)
    for kind, rows in sorted(kinds.items()):
        yield f"## {kind}\n"
        for row in sorted(rows, key=lambda row: row.name):
            yield f"### {row.name}\n\n{_formula(row)}\n"
            if row.says:
                yield f"Backward: {row.says}.\n"
            elif row.backward is None:
                yield "No gradient flows through it.\n"
            names = sorted({getattr(call, "__name__", "") for call in row.calls} - {""})
            if names:
                yield "Answers " + ", ".join(f"`{name}`" for name in names) + ".\n"
            if _drawn(row, folder / f"{row.name}.svg"):
                yield f"![{row.name} of numbers, with its gradients](primitives/{row.name}.svg)\n"


def _family(row: Any) -> str:
    """What a row is about."""
    functions = (row.backward, row.forward, row.python, row.infer, *row.calls.values())
    homes = [getattr(function, "__module__", None) or "" for function in functions]
    return next((_FAMILIES[home] for home in (h.rpartition(".")[2] for h in homes) if home in _FAMILIES), "Others")


def _formula(row: Any) -> str:
    """The formula as MathML: browsers show it without a script."""
    return convert(str(row.latex).format(*"xyzuvw")) if row.latex else ""


def _drawn(row: Any, file: Path) -> bool:
    """Whether a row could be drawn: what acts on numbers, and has a gradient."""
    if row.backward is None or row.kernel is None:
        return False
    for inputs in ((0.5,), (1.5,), (1.5, 0.5)):
        with suppress(DoutError, ImportError, TypeError, ValueError), np.errstate(all="ignore"):
            if np.isfinite(row.forward(*inputs)):
                trace = dout.trace(_of_numbers(row, len(inputs)), *map(np.float64, inputs), dout=np.float64(1.0))
                file.write_text(draw(trace).svg(), encoding="utf-8")
                return True
    return False


def _of_numbers(row: Any, count: int) -> Any:
    if count == 1:
        return lambda x: row(x)
    return lambda x, y: row(x, y)
