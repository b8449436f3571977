"""Processes that begin with NumPy and dout loaded, and end with this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

_PRELOAD = "dout.cli.session.preload"


def warm_process(target: Callable[..., object], *arguments: Any) -> Any:
    """A process, not started yet, that calls `target`; forked from one that has loaded all that a check loads.

    That one is started with the first, and runs no code of the user's. Where the system cannot fork, each loads anew.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process with threads is not to be forked
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([_PRELOAD])
    return context.Process(target=_run, args=(target, arguments))


def _run(target: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    from dout.check.worker.sandbox import die_with_the_parent

    die_with_the_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    target(*arguments)
