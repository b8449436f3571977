"""Files to check in; their outcomes out, found by the workers of a Dask cluster: `dout check --dask ADDRESS FOLDER`.

A worker gives some files at a time to a process of its own, which does what a check does here. It has to see the folder
in which the check began under the same path. What goes there and comes back is plain data.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dout.check.project.discover import Job
from dout.check.worker import kept_answers
from dout.check.worker.jobs import Checked, GivenArguments, JobOutcome
from dout.check.worker.kept_outcomes import from_data, to_data
from dout.check.worker.runner import run
from dout.errors import TargetError

_AT_ONCE = 8  # files for one process: that takes a second to begin
_PATIENCE = 10  # seconds, to reach the scheduler
_WITHOUT = 60  # seconds without any worker


def run_spread(
    address: str, jobs: Sequence[Job], given: GivenArguments, *, used: Mapping[str, Mapping[str, Checked]],
    asked: Iterable[str], timeout: float, isolated: bool, done: Callable[[JobOutcome], None],
) -> list[JobOutcome]:  # fmt: skip
    """Run every job on some worker; the outcomes, in the order of `jobs`.

    Raises TargetError without a scheduler, or without workers.
    """
    from distributed import Client

    how = {"asked": sorted(asked), "timeout": timeout, "isolated": isolated}
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise TargetError(f"--dask {address}: no scheduler answers there: {error}") from None
    outcomes: dict[int, list[JobOutcome]] = {}
    with client:
        futures = {}
        for begin in range(0, len(jobs), _AT_ONCE):
            some = jobs[begin : begin + _AT_ONCE]
            known = {job.file: dict(used[job.file]) for job in some if job.file in used}
            more = [given.init, given.inputs, given.memory, given.interface, given.pictures]
            asking = json.dumps([to_data(list(some)), to_data(more), to_data(known), how])
            futures[client.submit(checked_there, str(Path.cwd()), asking, pure=False)] = begin
        for future in _completed(client, list(futures), address):
            begin = futures[future]
            try:
                outcomes[begin] = from_data(json.loads(future.result()))
            except Exception as error:  # of Dask: a worker has ended again and again, or has no dout
                said = f"was not checked: {type(error).__name__}: {error}"
                outcomes[begin] = [JobOutcome(job, problem=f"{job.where} {said}", stands=False)
                                   for job in jobs[begin : begin + _AT_ONCE]]  # fmt: skip
            for outcome in outcomes[begin]:
                done(outcome)
    return [outcome for begin in sorted(outcomes) for outcome in outcomes[begin]]


def _completed(client: Any, futures: list[Any], address: str) -> Iterator[Any]:
    """Each future when it is done. Raises TargetError when there has been no worker for a minute."""
    from distributed import CancelledError, wait

    while futures:
        try:
            client.wait_for_workers(1, timeout=_WITHOUT)
        except TimeoutError:
            said = f"the scheduler has had no worker for {_WITHOUT:g} s: start one: dask worker {address}"
            raise TargetError(f"--dask {address}: {said}") from None
        try:
            over, rest = wait(futures, timeout=_PATIENCE, return_when="FIRST_COMPLETED")
        except TimeoutError:
            continue
        except CancelledError:  # each result says so
            over, rest = set(futures), set()
        futures = list(rest)
        yield from over


def checked_there(folder: str, asking: str) -> str:
    """Check some files, on a worker: in a process of its own, because those of Dask may have no children."""
    command = [sys.executable, "-m", __name__]
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}  # as in `dout check`
    told = subprocess.run(command, input=asking, cwd=folder, capture_output=True, text=True, env=environment)
    if told.returncode:
        raise RuntimeError((told.stderr.strip() or f"exit code {told.returncode}").splitlines()[-1])
    return told.stdout.splitlines()[-1]


def _main() -> None:
    kept_answers.listen()
    jobs, given, used, how = json.loads(sys.stdin.read())
    init, inputs, memory, interface, pictures = from_data(given)
    arguments = GivenArguments(init, inputs, memory, interface=interface, pictures=pictures)
    outcomes = run(from_data(jobs), arguments, used=from_data(used), **how)
    sys.stdout.write("\n" + json.dumps(to_data(outcomes)) + "\n")


if __name__ == "__main__":
    _main()
