"""Limits on the user's code while a command runs it: time, output, questions."""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TextIO

import click

from dout.errors import EndOfRun, LimitError, visible
from dout.files import shown_place
from dout.trace.model.user_source import is_ours, line_of, users_place
from dout.trace.program.removed_numpy_names import Removed, said_of

MOST_OUTPUT = 1_000_000  # characters a script may print
_GRACE = 5.0  # seconds for the user's code to end once it was told to
_TICK = 0.2  # seconds between looks at the time
_COMMANDS = os.path.dirname(__file__)  # noqa: PTH120 - below these frames stands the script that calls them


class Meter(io.TextIOBase):
    """A stdout or stderr that counts, keeps what was printed, and passes it on unchanged."""

    def __init__(self, through: TextIO | None) -> None:
        self.through = through
        self.parts: list[str] = []
        self.line = 0  # the place among them where the last line begins
        self.is_rewound = False  # whether what comes next is written from the beginning of that line
        self.count = 0
        self.buffer = _Bytes(self)
        self.over: Callable[[], object] = lambda: None  # to be called when the user's code has ended: time is free now

    encoding = "utf-8"

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """Whether the real stdout is a terminal."""
        return self.through is not None and self.through.isatty()

    def fileno(self) -> int:
        """The real stdout's descriptor."""
        return self.through.fileno() if self.through is not None else 1

    def write(self, text: str) -> int:
        """Keep and pass on; beyond the limit the script is stopped. What it says of being stopped is dropped."""
        if not isinstance(text, str):  # what may write bytes asks whether it can
            raise TypeError(f"string argument expected, got {type(text).__name__!r}")
        if EndOfRun.begun or not text:
            return len(text)
        if text.strip("\r\n") and (self.is_rewound or text.startswith("\r")):  # a progress bar, over what stands there
            self.count -= sum(map(len, self.parts[self.line :]))
            del self.parts[self.line :]
        self.is_rewound = text.endswith("\r")
        self.count += len(text)
        if self.count > MOST_OUTPUT:
            where = line_of(sys._getframe(1))
            raise EndOfRun(f"printed more than {MOST_OUTPUT} characters{f', at {where}' if where else ''}")
        self.parts.append(text)
        self.line = len(self.parts) if "\n" in text else self.line
        if self.through is not None:
            self.through.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the real stdout."""
        if self.through is not None:
            self.through.flush()


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer` of a metered stdout."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """As `Meter.write`, of UTF-8."""
        self.meter.write(bytes(data).decode("utf-8", "replace"))
        return len(data)


@contextmanager
def guarded(what: str, *, timeout: float, capture: bool) -> Iterator[Meter]:
    """Run the user's code inside: at most `timeout` seconds (0: no limit), bounded output, nothing waits for a person.

    With `capture` nothing reaches the real stdout, also not from C code and child processes; the Meter has it all.
    Names that NumPy has removed are answered, and told on stderr afterwards. Raises LimitError naming the line that was
    running.
    """
    meter, EndOfRun.begun = Meter(None if capture else sys.stdout), False
    kept, folder = (sys.stdout, sys.stdin, sys.stderr), os.getcwd()  # noqa: PTH109
    removed = Removed()
    with _descriptor_kept(meter) if capture else nullcontext(), open(os.devnull) as nothing:  # noqa: PTH123
        sys.stdout, sys.stdin, sys.stderr = meter, nothing, Meter(kept[2])
        try:
            removed.install()
            with _alarm(what, timeout) as meter.over:
                yield meter
        except EndOfRun as stop:
            raise LimitError(f"{what} {stop}; it was stopped") from None
        finally:
            removed.remove()
            sys.stdout, sys.stdin, sys.stderr = kept
            os.chdir(folder)
            kept[0].flush()
            for use in removed.take():
                click.echo(visible(f"{shown_place(use.where.file, use.where.line)} {said_of(use.name)}"), err=True)


@contextmanager
def _descriptor_kept(meter: Meter) -> Iterator[None]:
    """Keep the text that is written straight to file descriptor 1 with the rest of the output."""
    sys.stdout.flush()
    real = os.dup(1)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(real, 1)
            os.close(real)
            file.seek(0)
            meter.parts.append(file.read(MOST_OUTPUT).decode("utf-8", "replace"))


@contextmanager
def _alarm(what: str, timeout: float) -> Iterator[Callable[[], object]]:
    """Interrupt the user's code after `timeout` seconds, and soon again what catches that. Yields: off.

    So is a program that has been told to end before. A process that ignores it is ended.
    """
    if timeout <= 0 or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    said, until = "", time.monotonic() + timeout

    def ring(number: int, frame: Any) -> None:
        nonlocal said
        if not said and time.monotonic() >= until:
            where = users_place(frame, above=(_COMMANDS,))
            said = f"did not end within {timeout:g} s{f', at {where}' if where else ''}"
        elif not EndOfRun.begun or is_ours(frame.f_code.co_filename):
            return
        raise EndOfRun(said, last.cancel)

    def give_up() -> None:
        message = f"dout: {what} {said or f'did not end within {timeout:g} s'}, and cannot be interrupted there\n"
        os.write(2, message.encode("utf-8", "replace"))
        os._exit(2)

    kept = signal.signal(signal.SIGALRM, ring)
    last = threading.Timer(timeout + _GRACE, give_up)
    last.daemon = True
    last.start()
    signal.setitimer(signal.ITIMER_REAL, min(timeout, _TICK), _TICK)

    def call_off() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        last.cancel()

    try:
        yield call_off
    finally:
        call_off()
        signal.signal(signal.SIGALRM, kept)
