"""Where a sheet runs: as a file in a folder of its own, and in a process with the limits that `dout check` sets."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dout.check.worker.audit_guard import Guard, GuardRules, into_scratch, without_network
from dout.check.worker.runner import METHOD
from dout.check.worker.sandbox import take_place
from dout.exercise.sheet import Sheet
from dout.trace.record.script import load_file

GIGABYTES = 2.0  # that a sheet may take
_SECONDS = 10.0


@contextmanager
def on_disk(sheet: Sheet) -> Iterator[Path]:
    """The file of a sheet, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dout-exercise-") as folder:
        file = Path(folder, "sheet.py")
        file.write_text(sheet.text, encoding="utf-8")
        yield file


def apart(work: Callable[..., str], sheet: Sheet, *arguments: Any) -> str:
    """What a function makes of the class of a sheet, in a process of its own; nothing where it raises or is too slow.

    The class is that of a sheet that nobody has written into: it has no method that would say so.
    """
    context: Any = multiprocessing.get_context(METHOD)
    ours, theirs = context.Pipe(duplex=False)
    with on_disk(sheet) as file:
        process = context.Process(target=_guarded, args=(theirs, file, sheet, work, arguments), daemon=True)
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


def _guarded(answer: Any, file: Path, sheet: Sheet, work: Callable[..., str], arguments: tuple[Any, ...]) -> None:
    scratch = str(file.parent)
    take_place(GIGABYTES)
    into_scratch(GuardRules(scratch, isolated=True))
    without_network()
    Guard(scratch, "", lambda line: None).start()
    with suppress(Exception):  # whatever the sheet raises: there is no answer, then
        found = getattr(load_file(str(file), sheet.name), sheet.name)
        for label in (one.label for one in sheet.answers):
            if label != "forward" and label in vars(found):
                delattr(found, label)
        answer.send(work(found, *arguments))
