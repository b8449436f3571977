"""Runs jobs, each file in a process of its own, a few at a time; what a file does to its process hurts nobody else.

On Linux a process is forked from this one, which has loaded what it takes and none of the user's code: that costs a few
milliseconds and gives each file the same fresh state. Elsewhere it is started anew. A process that ends, or is silent
for too long, is killed with its children; the layer it was at gets a finding, and the rest of the file a new process.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from typing import Any

from dout.check.codes import finding
from dout.check.discover import Job, line_of_class
from dout.check.model import Report
from dout.check.worker import Checked, Given, work

METHOD = "fork" if sys.platform == "linux" else "spawn"
_LOOK = 0.2  # seconds between looks at processes that say nothing


@dataclass
class Outcome:
    """What became of a job: the layers in their order, or the problem that kept the file from being run."""

    job: Job
    layers: list[Checked] = field(default_factory=list)
    problem: str = ""
    traceback: str = ""


def run(
    jobs: Sequence[Job],
    given: Given,
    *,
    processes: int = 1,
    timeout: float = 0.0,
    done: Callable[[Outcome], None] = lambda outcome: None,
    waiting: Callable[[], None] = lambda: None,
    method: str = METHOD,
) -> list[Outcome]:
    """Run every job, at most `processes` at a time; the outcomes, in the order of `jobs`.

    `timeout` is how many seconds loading a file, or one layer, may take (0: no limit). `done` is called with each
    outcome as soon as it is there, `waiting` every moment. Whatever ends this function, no process outlives it.
    """
    outcomes = [Outcome(job) for job in jobs]
    queue = deque(range(len(jobs)))
    running: list[_Process] = []
    gc.freeze()  # what is loaded stays shared with the forks
    try:
        while queue or running:
            while queue and len(running) < max(1, processes):
                running.append(_Process(outcomes[queue.popleft()], given, timeout, method))
            connection.wait([process.pipe for process in running], timeout=_LOOK)
            waiting()
            for process in list(running):
                if process.advance():
                    running.remove(process)
                    done(process.outcome)
    finally:
        for process in running:
            process.kill()
        gc.unfreeze()
    return outcomes


class _Process:
    """A job under way."""

    def __init__(self, outcome: Outcome, given: Given, timeout: float, method: str) -> None:
        self.outcome, self.given, self.timeout, self.method = outcome, given, timeout, method
        self.names: list[str] | None = None
        self.by_name: dict[str, Checked] = {}
        self.start()

    def start(self) -> None:
        """Begin, or go on in a new process with the layers that are left."""
        context: Any = get_context(self.method)
        self.pipe, theirs = context.Pipe(duplex=False)
        skipped = frozenset(self.by_name)
        self.process = context.Process(target=work, args=(theirs, self.outcome.job, self.given, skipped), daemon=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: OpenBLAS has its own care
            self.process.start()
        theirs.close()
        self.over = False
        self.current: str | None = None
        self.since = time.monotonic()

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
        if self.timeout and time.monotonic() - self.since > self.timeout:
            return self._has_died(f"did not end within {self.timeout:g} s")
        if not self.process.is_alive() and not self.pipe.poll():
            return self._has_died(self._exit_words())
        return False

    def _hear(self, kind: str, *content: Any) -> bool:
        self.since = time.monotonic()
        if kind == "layers":
            (self.names,) = content
        elif kind == "start":
            (self.current,) = content
        elif kind == "done":
            self._note(content[0])
        elif kind == "problem":
            text, traceback = content
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
        seconds = time.monotonic() - self.since
        self.kill()
        if self.current is None:
            what = "while it was loaded" if self.names is None else "between two layers"
            self.outcome.problem = f"{self.outcome.job.where} {how}, {what}; it was stopped"
            self._finish()
            return True
        name, file = self.current, self.outcome.job.where if self.outcome.job.kind == "file" else None
        message = f"{name} {how}; the other layers were judged without it"
        stopped = finding("D003", message, layer=name, file=file, line=line_of_class(file, name) if file else None)
        self._note(Checked(Report(name, findings=(stopped,), file=stopped.file, line=stopped.line, seconds=seconds)))
        if set(self.names or ()) <= set(self.by_name):
            self._finish()
            return True
        self.start()
        return False

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
        order = self.names if self.names is not None else list(self.by_name)
        self.outcome.layers = [self.by_name[name] for name in order if name in self.by_name]

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
