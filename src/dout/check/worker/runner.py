"""Runs jobs, each file in a process of its own, a few at a time; what a file does to its process hurts nobody else.

On Linux a process is forked from this one, which has loaded what it takes and none of the user's code: that costs a few
milliseconds and gives each file the same fresh state. Elsewhere it is started anew. A process that ends, or is silent
for too long, is killed with its children; the layer it was at gets a finding, and the rest of the file a new process.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import inf
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any

from dout.check.project.discover import Job, line_of_class
from dout.check.report.report import Report
from dout.check.rules import modules
from dout.check.rules.choices.d106_constant_factor import among_siblings
from dout.check.rules.unjudged.d003_stopped import RULE as STOPPED
from dout.check.worker import kept_answers
from dout.check.worker.audit_guard import GuardRules
from dout.check.worker.jobs import Checked, GivenArguments, JobOutcome, settle
from dout.check.worker.kept_answers import Question
from dout.check.worker.kept_outcomes import question_of, recalled, remember
from dout.check.worker.statement_runner import Kind, Stop
from dout.check.worker.work_sharing import Turns, shared
from dout.check.worker.worker import work
from dout.clock import spent_by

METHOD = "fork" if sys.platform == "linux" else "spawn"
_LOOK = 0.2  # seconds between looks at processes that say nothing
_PATIENCE = 0.5  # seconds, after which a file's layers are shared with a process that has nothing to do
_FAST = 2.0  # seconds, within which a file must load to be loaded once more
_GRACE = 2.0  # seconds beyond the limit, in which a process ends its statement itself
_PATIENT = (
    3.0  # times the limit of work that may pass by the clock on the wall: processors are shared, and code may sleep
)
MOST_STOPS = 20  # statements of one file that end its process
MOST_RUNS = 2  # of one program


class Interruption:
    """The signal by which somebody asked to end, 0 for none. What has been found until then is told."""

    signal = 0


def run(
    jobs: Sequence[Job],
    given: GivenArguments,
    *,
    processes: int = 1,
    timeout: float = 0.0,
    asked: Container[str] | None = None,
    used: Mapping[str, Mapping[str, Checked]] = {},
    isolated: bool = False,
    seconds: float = inf,
    more: Callable[[], Job | None] = lambda: None,
    done: Callable[[JobOutcome], None] = lambda outcome: None,
    waiting: Callable[[], None] = lambda: None,
    method: str = METHOD,
) -> list[JobOutcome]:
    """Run every job, at most `processes` at a time; the outcomes, in the order of `jobs`.

    `timeout` is how many seconds loading a file, or one layer, may take (0: no limit). `done` is called with each
    outcome as soon as it is there, `waiting` every moment. Whatever ends this function, no process outlives it, and no
    file: what is temporary lies in a folder that is removed.

    `asked` are the places that were named, and not only their folder (None: all); what keeps another from being run is
    no problem, it is skipped. `used` are the layers that are checked already, as programs use them: by their file,
    without links, and by name. With `isolated` the files run in an empty folder, without a network. After so many
    `seconds` of work, or at an Interruption, all processes end, and what they have found so far stands. `more` gives a
    job whenever another could begin.
    """
    outcomes = [JobOutcome(job) for job in jobs]
    queue = deque(outcomes)
    running: list[_Process] = []
    scratch = tempfile.mkdtemp(prefix="dout-")
    try:
        while seconds > 0:
            while len(running) < max(1, processes) and not Interruption.signal:
                if not queue and (job := more()) is not None:
                    outcomes.append(JobOutcome(job))
                    queue.append(outcomes[-1])
                first = None if queue else next((p for p in running if p.may_be_helped(processes)), None)
                if not queue and first is None:
                    break
                outcome = queue.popleft() if first is None else first.outcome
                is_asked = asked is None or outcome.job.where in asked
                limited = replace(given, rules=GuardRules("", is_asked, timeout, isolated=isolated))
                process = _process_for(outcome, limited, used.get(outcome.job.file, {}), first, method, scratch)
                if process is not None:
                    running.append(process)
                else:
                    done(outcome)
            if not running:
                break
            connection.wait([process.pipe for process in running], timeout=_LOOK)
            waiting()
            seconds = 0.0 if Interruption.signal else seconds - max(process.step() for process in running)
            for process in list(running):
                if process.advance() or (seconds <= 0 and process.is_cut_short()):
                    running.remove(process)
                    if not process.first.at_work:
                        done(process.outcome)
        for outcome in queue if Interruption.signal else ():
            outcome.cut_short, outcome.stands = True, False
    finally:
        for process in running:
            process.kill()
        shutil.rmtree(scratch, ignore_errors=True)
        kept_answers.read.difference_update([path for path in kept_answers.read if path.startswith(scratch)])
    return outcomes


def _process_for(
    outcome: JobOutcome, given: GivenArguments, known: Mapping[str, Checked], first: _Process | None, method: str,
    scratch: str,
) -> _Process | None:  # fmt: skip
    """Begin a job, or the help for the `first` process that has it; None where its outcome was kept and stands."""
    question = first.question if first else question_of(outcome.job, given, known)
    if first is None and given.kept:
        if (still := recalled(outcome, question)) is None:
            return None
        known = {**still, **known}
    _load()
    rules = replace(given.rules, scratch=tempfile.mkdtemp(dir=scratch))
    return _Process(outcome, replace(given, rules=rules), method, first, known, question)


@cache
def _load() -> None:
    """Load what it takes to judge a layer, here, so that each fork has it, and shares its memory."""
    modules()
    for name in ("numpy.random", "dout.check.repair.suspected_cause", "dout.check.repair.shrink"):  # are loaded late
        importlib.import_module(name)
    gc.freeze()
    gc.enable()  # the command begins without


class _Process:
    """A job under way, or the help that the `first` process of a job gets once no other job waits."""

    def __init__(
        self, outcome: JobOutcome, given: GivenArguments, method: str, first: _Process | None,
        known: Mapping[str, Checked], question: Question,
    ) -> None:  # fmt: skip
        self.outcome, self.given, self.timeout, self.method = outcome, given, given.rules.timeout, method
        self.question = question
        self.first = first or self
        self.names: list[str] | None = None
        self.by_name: dict[str, Checked] = first.by_name if first else dict(known)
        self.stops: list[Stop] = first.stops if first else []
        self.fatal: list[Stop] = []  # those that ended the process
        self.lost: dict[str, str] = first.lost if first else {}
        self.silent: set[str] = set()  # layers of which nothing was found
        taken: Any = first.turns.taken if first else shared(method)
        self.turns: Turns = Turns(taken, helps=first is not None)
        self.at_work, self.helpers, self.began, self.loaded = 0, 0, time.monotonic(), 0.0
        self.first.at_work += 1
        self.first.helpers += first is not None
        self.start()

    @property
    def is_program(self) -> bool:
        """Whether it runs a program: another process would see it run otherwise."""
        return self.outcome.job.kind in ("program", "recording")

    def may_be_helped(self, processes: int) -> bool:
        """Whether another process would soon take over layers: the file is loaded fast, and has several left."""
        if self.names is None or self.turns.helps or self.outcome.job.names is not None or self.is_program:
            return False
        fast = self.loaded - self.began < _FAST and time.monotonic() - self.loaded > _PATIENCE
        return fast and self.helpers < processes - 1 and self.turns.left(self.names) > 1

    def start(self) -> None:
        """Begin, or go on in a new process with the layers that are left."""
        context: Any = get_context(self.method)
        self.pipe, theirs = context.Pipe(duplex=False)
        skipped = frozenset(self.by_name) | self.silent
        stops = self.fatal if self.is_program else self.stops  # a training that was cut short has used its layers
        left_out = frozenset((stop.file, stop.line) for stop in stops if stop.kind in ("time", "died"))
        self.given = replace(self.given, rules=replace(self.given.rules, left_out=left_out))
        given = (theirs, self.outcome.job, self.given, skipped, self.turns)
        self.process = context.Process(target=work, args=given, daemon=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: OpenBLAS has its own care
            self.process.start()
        theirs.close()
        self.over = False
        self.current: str | None = None
        self.ran = False  # whether it has run on an example
        self.severity = STOPPED.severity  # of a stop before that
        self.kept: Checked | None = None  # what was found of it, while more is tried
        self.at: tuple[str, int] | None = None
        self.work = 0.0
        self.since = self.seen = self.spent()
        self.heard = time.monotonic()

    def spent(self) -> float:
        """Seconds of work of the process, from an arbitrary beginning; of one that has ended as it was last seen."""
        found = spent_by(self.process.pid or 0)
        if self.process.is_alive():  # else the system has forgotten what it did
            self.work = found
        return self.work

    def step(self) -> float:
        """Seconds of work since the last look."""
        before, self.seen = self.seen, self.spent()
        return max(self.seen - before, 0.0)

    def advance(self) -> bool:
        """Take in what has been said; whether the job is over."""
        try:
            while self.pipe.poll():
                if self._hear(*self.pipe.recv()):
                    return True
        except (EOFError, OSError):
            return self._has_died(self._exit_words())
        except Exception as error:  # what was sent cannot be read
            return self._has_died(f"sent what cannot be read ({type(error).__name__})")
        if not self.process.is_alive() and not self.pipe.poll():
            return self._has_died(self._exit_words())
        grace = _GRACE if self.names is None else 0.0  # a statement that is slow to load is ended in the process itself
        late = time.monotonic() - self.heard > _PATIENT * (self.timeout + grace)  # it sleeps, or waits for something
        if self.timeout and (late or self.spent() - self.since > self.timeout + grace):
            self.outcome.stands &= not late  # by the clock on the wall, which may say something else next time
            return self._has_died(f"did not end within {self.timeout:g} s")
        return False

    def _hear(self, kind: str, *content: Any) -> bool:
        self.since, self.heard = self.spent(), time.monotonic()
        if kind == "at":
            self.at = content
        elif kind == "read":
            self.outcome.read.add(content[0])
        elif kind in ("remark", "refused", "data", "went_back"):
            told = getattr(self.outcome, {"remark": "remarks"}.get(kind, kind))
            told += [text for text in content if text not in told]
        elif kind == "stop":
            if content[0].place not in {stop.place for stop in self.stops}:  # it is told again by a second process
                self.stops.append(content[0])
        elif kind == "lost":
            self.lost[content[0]] = content[1]
        elif kind == "layers":
            self.names, self.loaded = list(dict.fromkeys([*(self.names or ()), *content[0]])), time.monotonic()
        elif kind == "start":
            self.silent.update([self.current] if self.current else [])
            self.current, self.ran, self.kept = content[0], False, None
            self.severity = content[1] if len(content) > 1 else STOPPED.severity
        elif kind == "ran":
            self.ran = True
        elif kind == "kept":
            self.kept = content[0]
        elif kind == "done":
            self._note(content[0])
        elif kind == "problem":
            text, traceback = content
            if self.turns.helps:
                return False  # the first process says so as well
            self.outcome.problem = "; ".join(filter(None, (self.outcome.problem, text)))
            self.outcome.traceback += traceback
        else:
            self._finish()
            return True
        return False

    def _note(self, checked: Checked) -> None:
        self.by_name[self.current or checked.report.layer] = checked
        self.current = None

    def _has_died(self, how: str) -> bool:
        """Note the layer that did it and go on with the rest, in a new process."""
        seconds = max(self.spent() - self.since, 0.0)
        self.kill()
        kind: Kind = "time" if "within" in how else "died"
        self.outcome.stands &= kind == "time"
        if self.turns.helps and self.current is None:  # the first process goes on without it
            self._finish()
            return True
        again = self.at is not None and (*self.at, kind) in {stop.place for stop in self.stops}
        dead = sum(stop.kind in ("time", "died") for stop in self.stops)
        most = MOST_RUNS if self.is_program else MOST_STOPS
        if self.names is None and self.at is not None and not again and dead + 1 < most:
            self.fatal.append(Stop(*self.at, kind, f"{how}, while it was loaded"))
            self.stops.append(self.fatal[-1])
            self.start()  # without that statement
            return False
        if self.current is None:
            what = "while it was loaded" if self.names is None else "between two layers"
            self.outcome.problem = f"{self.outcome.job.where} {how}, {what}; it was stopped"
            self._finish()
            return True
        name, file = self.current, self.outcome.job.where if self.outcome.job.kind == "file" else None
        message = f"{name} {how}; the other layers were judged without it"
        severity = self.severity if kind == "died" else "warning"  # nothing wrong was found
        if kind == "time" and self.ran:
            message = f"{name} runs, and could not be judged within {self.timeout:g} s"
        line = line_of_class(file, name) if file else None
        stopped = STOPPED.finding(message, layer=name, file=file, line=line, severity=severity, cause=kind)
        alone = Report(name, findings=(stopped,), file=stopped.file, line=stopped.line, seconds=seconds)
        self._note(self.kept or Checked(alone))
        if set(self.names or ()) <= self.by_name.keys() | self.silent:
            self._finish()
            return True
        self.start()
        return False

    def is_cut_short(self) -> bool:
        """End it with what it has found; true."""
        self.outcome.cut_short = True
        self.outcome.stands &= not Interruption.signal
        self._finish()
        return True

    def _exit_words(self) -> str:
        self.process.join(2.0)
        code = self.process.exitcode
        if code is None:
            return "closed everything that was open"
        if code >= 0:
            return f"ended the interpreter, with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"crashed ({signal.Signals(-code).name})"
        return f"crashed (signal {-code})"

    def _finish(self) -> None:
        self.kill()
        self.first.at_work -= 1
        if self.first.at_work:
            return  # another process has layers of this file still
        order = self.first.names if self.first.names is not None else list(self.by_name)
        found = [self.by_name[name] for name in order if name in self.by_name]
        placed = tuple(self._placed(checked.report) for checked in found)
        reports = placed if self.is_program else among_siblings(placed)  # a program's layers are of several files
        self.outcome.layers = [replace(c, report=report) for c, report in zip(found, reports, strict=True)]
        settle(self.outcome, self.stops, self.lost, self.given.rules.asked)
        if self.given.kept:
            remember(self.outcome, self.question, self.given.rules.scratch)

    def _placed(self, report: Report) -> Report:
        """The report with the file called as it was given."""
        where = self.outcome.job.where
        whole = os.path.realpath(where)

        def place(item: Any) -> Any:
            same = item.file and item.file != where and os.path.realpath(item.file) == whole
            return replace(item, file=where) if same else item

        if self.outcome.job.kind != "file":
            return report
        return place(report.with_each(place))  # type: ignore[no-any-return]

    def kill(self) -> None:
        """End the process and whatever it started; nothing, where that is done."""
        if self.over:
            return
        self.over = True
        identity = self.process.pid
        if identity and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(identity, signal.SIGKILL)
        with contextlib.suppress(Exception):
            self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()
        shutil.rmtree(self.given.rules.scratch, ignore_errors=True)
        Path(self.given.rules.scratch).mkdir()  # a next process has it empty
