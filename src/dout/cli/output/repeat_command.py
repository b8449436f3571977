"""The values that dout chose for a layer, in sentences, and the command that repeats its run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dout.check.worker.jobs import ObjectText
from dout.cli.output.cli_values import written
from dout.errors import visible
from dout.files import near
from dout.judge.outcomes import Word

if TYPE_CHECKING:
    from dout.check.project.discover import Job
    from dout.check.worker.jobs import Checked

_INDENT = "  "
_LONGEST = 60  # characters of an object that are told


def about(checked: Checked) -> list[str]:
    """A line for where the values are from and what they are, and one for an interface that is not the plain one."""
    built = ", ".join(f"{name} {_short(value)}" for name, value in checked.init.items())
    given = ", ".join(f"{name} {_short(value)}" for name, value in checked.inputs.items())
    chosen = ", ".join(filter(None, (built and f"built with {built}", given and f"on {given}")))
    called = f"called as {checked.interface}" if checked.interface else ""
    first = ": ".join(filter(None, (checked.used, chosen))) if checked.used else chosen and f"{chosen}, chosen by dout"
    return [line for line in (first, called) if line]


def _short(value: Any) -> str:
    shape = getattr(value, "shape", ())
    if isinstance(value, list | tuple) and any(getattr(item, "shape", ()) for item in value):
        return f"[{', '.join(_short(item).removeprefix('= ') for item in value)}]"
    if isinstance(value, ObjectText) and len(value) > _LONGEST:
        return f"= {value[:_LONGEST]}…"
    return str(shape) if shape else f"= {value}"


class Again:
    """The command that checks a layer on the same values; `given` are the options `--init NAME` as they were typed."""

    def __init__(self, job: Job, checked: Checked, given: Mapping[str, str] | None = None) -> None:
        self.job, self.checked = job, checked
        self.parts: list[tuple[str, ...]] = [("dout", "check", _target(job, checked))]
        self.unwritten: list[str] = []
        self.parts += [(key.split()[0], text) for key, text in (given or {}).items() if key in checked.took]
        if not (checked.used or checked.report.in_doubt):  # else the program, or dout, gives the same again
            for option, values in (("--init", checked.init), ("--input", checked.inputs)):
                for name, value in values.items():
                    self._add(option, name, value)

    def _add(self, option: str, name: str, value: Any) -> None:
        text = None if isinstance(value, ObjectText) or not name.isidentifier() else written(value, name)
        if text is None:
            self.unwritten.append(name)
        else:
            self.parts.append((option, f"{name}={text}"))

    @property
    def command(self) -> str | None:
        """The command in one line, as a shell takes it; None where a value has no text, or there is no such layer."""
        return None if self.unwritten else " ".join(" ".join(map(shlex.quote, part)) for part in self.parts)

    def lines(self, width: int) -> Iterator[str]:
        """The command in lines that a shell takes; or the names of values that have no text, such as an object."""
        if not (self.checked.init or self.checked.inputs):
            return
        if self.unwritten:
            names = ", ".join(map(visible, self.unwritten))
            yield f"{_INDENT}again: no command, because these values have no text: {names}"
            return
        line = f"{_INDENT}again:"
        for part in self.parts:
            word = visible(" ".join(map(shlex.quote, part)))
            if len(line) + len(word) + 3 > width and len(line) > 10:
                yield f"{line} \\"
                line = _INDENT * 2
            line += f" {word}"
        yield line
        if any(verdict.word == Word.REFUTED for verdict in self.checked.report.verdicts):
            yield f"{_INDENT}why: dout explain {visible(shlex.quote(self.parts[0][-1]))}"


def _target(job: Job, checked: Checked) -> str:
    """What names one layer: `layers.py:Conv`, `package.layers:Conv`, `Sigmoid`."""
    layer = checked.report.layer
    if job.kind == "ready":
        return layer
    where = near(checked.file or job.where) if job.kind == "file" else job.where
    return f"{'./' if where.startswith('-') else ''}{Path(where).as_posix() if job.kind == 'file' else where}:{layer}"
