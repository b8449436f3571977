"""What stands beside a sheet: the picture of its forward, or of what is wrong, and hints.

A sheet is somebody's code. It runs in a process of its own, with the limits under which `dout check` runs code.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from dout.adapt import example, record_example
from dout.check.worker.audit_guard import Guard, GuardRules, into_scratch, without_network
from dout.check.worker.runner import METHOD
from dout.check.worker.sandbox import take_place
from dout.draw import draw
from dout.errors import DoutError
from dout.exercise.hints import hint_on
from dout.exercise.sheet import Sheet
from dout.trace.record.script import load_file
from dout.trace.record.trace_reader import from_document

_SECONDS = 10.0  # that a sheet may take
_GIGABYTES = 2.0


@cache
def forward_picture(text: str) -> str:
    """The forward of a sheet as SVG; nothing where it cannot be drawn."""
    return _apart(_drawn, text)


@cache
def hint_text(text: str, degree: int) -> str:
    """A hint for a sheet, as text."""
    return (
        _apart(_hinted, text, degree) or "There is no hint for this sheet: its forward does not run, or has no formula."
    )


def wrong_picture(document: Mapping[str, Any]) -> str:
    """A recording in which a gradient is wrong, as SVG."""
    try:
        return draw(from_document(dict(document))).svg()
    except DoutError:
        return ""


def _apart(work: Callable[..., str], *arguments: Any) -> str:
    """What a function returns in a process of its own; nothing where that raises, ends or takes too long."""
    scratch = tempfile.mkdtemp(prefix="dout-exercise-")
    context: Any = multiprocessing.get_context(METHOD)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_guarded, args=(theirs, scratch, work, arguments), daemon=True)
    try:
        process.start()
        theirs.close()
        return str(ours.recv()) if ours.poll(_SECONDS) else ""
    except (EOFError, OSError):
        return ""
    finally:
        process.kill()
        process.join()
        ours.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _guarded(answer: Any, scratch: str, work: Callable[..., str], arguments: tuple[Any, ...]) -> None:
    take_place(_GIGABYTES)
    into_scratch(GuardRules(scratch, isolated=True))
    without_network()
    Guard(scratch, "", lambda line: None).start()
    with suppress(Exception):  # whatever the sheet raises: there is no picture, then
        answer.send(work(*arguments))


def _drawn(text: str) -> str:
    found = _class_of(text)
    known = example(found, {}, {})
    return draw(record_example(found, known.init, known.inputs)[0]).svg()


def _hinted(text: str, degree: int) -> str:
    return hint_on(_class_of(text), degree, width=72)


def _class_of(text: str) -> Any:
    """The class of a sheet that nobody has written into."""
    sheet = Sheet.read(text, "the sheet")
    file = Path("sheet.py").absolute()
    file.write_text(text, encoding="utf-8")
    found = getattr(load_file(str(file), sheet.name), sheet.name)
    for answer in sheet.answers:
        if answer.label != "forward" and answer.label in vars(found):
            delattr(found, answer.label)  # it would raise that it is not written
    return found
