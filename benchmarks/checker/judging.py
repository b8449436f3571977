"""One case by every checker: what runs in the processes of `run`."""

from __future__ import annotations

import atexit
import shutil
import signal
import tempfile
import time
from collections import Counter
from typing import Any

import dout
from benchmarks.checker.case import Case, write
from benchmarks.checker.peers import installed

SECONDS = 30  # for one case: a layer that was made to loop is left


def _ring(*_: Any) -> None:
    raise TimeoutError(f"no answer within {SECONDS} s")


signal.signal(signal.SIGALRM, _ring)
_peers: dict[str, Any] = {}
_folder = tempfile.mkdtemp()
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


def start(with_peers: bool) -> None:
    """Load the other checkers, once a process."""
    _peers.update(installed() if with_peers else {})


def _module_of(case: Case) -> dict[str, Any]:
    """The case as a file, run: a checker reads the source."""
    path = write(case, _folder, example=False)
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), names)
    return names


def judged(case: Case) -> tuple[Counter[str], tuple[Any, ...], tuple[str, ...], float, frozenset[str], str]:
    """Codes, findings, what is not covered, seconds, the other checkers that complain, and what broke."""
    layer = case.build(_module_of(case))
    begun = time.perf_counter()
    signal.alarm(SECONDS)
    try:
        report = dout.check(layer, *case.inputs)
    except Exception as error:
        return Counter(), (), (), 0.0, frozenset(), f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    seconds = time.perf_counter() - begun
    findings = tuple((f.code, f.severity, f.argument, f.index, f.cause) for f in report.findings)
    complained = frozenset(name for name, passes in _peers.items() if not passes(case))
    return Counter(f[0] for f in findings), findings, report.branches, seconds, complained, ""
