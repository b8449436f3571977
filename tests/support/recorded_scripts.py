"""The trace of a script, for tests of what it says."""

from pathlib import Path

from dout.trace.record.script import run_script
from dout.trace.record.trace import Trace


def record_script(path: str | Path, *, rounds: int = 1, run_on: bool = False) -> Trace:
    """As `run_script`, and return the trace. What the file raises is raised, as UserCodeError."""
    run = run_script(path, rounds=rounds, run_on=run_on)
    if run.error is not None:
        raise run.error
    return run.trace()
