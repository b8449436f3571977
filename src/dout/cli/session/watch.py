"""`dout check --watch`: check again as soon as something has changed that was read."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from runpy import run_module

import click

from dout.check.worker import kept_answers
from dout.cli.output.kept_output import question
from dout.cli.session.warm_process import warm_process
from dout.errors import TargetError, visible
from dout.files import near

_LOOK = 0.1  # seconds between looks at what was read
_PATIENCE = 3.0  # seconds in which a check that was interrupted has ended
_SETTLED = 0.05  # seconds in which an editor has written the rest


def watch(arguments: Sequence[str]) -> None:
    """Check as this command line says, and again after each change, until somebody interrupts.

    Raises TargetError where nothing says what to watch.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with suppress(KeyboardInterrupt):
        while True:
            _check_apart(arguments)
            found = question(arguments).kept()
            if found is None:
                raise TargetError(
                    "--watch needs a cache, and nothing can be kept; set DOUT_CACHE_DIR to a folder of yours"
                )
            while (path := next(kept_answers.changed(found[0]), None)) is None:
                time.sleep(_LOOK)
            time.sleep(_SETTLED)
            click.echo(f"\n{visible(near(path))} has changed", err=True)
    sys.exit(130)


def _check_apart(arguments: Sequence[str]) -> None:
    """Check in a process of its own, which ends with this function."""
    process = warm_process(_check, list(arguments))
    try:
        process.start()
        process.join()
    finally:
        if process.pid is not None:  # not interrupted before it was there
            process.terminate()
            process.join(_PATIENCE)
            process.kill()  # what has swallowed both signals; its own workers end with it
            process.join()


def _check(arguments: list[str]) -> None:
    sys.argv = ["dout", *arguments]
    run_module("dout")
