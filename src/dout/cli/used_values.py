"""Values for a layer that takes none of those that dout chooses: what a program of its repository gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from dout.cli.cli_target import split
from dout.errors import NotTakenError, visible

SECONDS = 20.0  # of work, for one program
MOST_NUMBERS = 5_000  # of a use that is shown, written and timed: more take minutes, and all of the memory
_Made = TypeVar("_Made")
Values = dict[str, Any]


def with_values(
    target: str, given: tuple[Mapping[str, Any], Mapping[str, Any]], make: Callable[[Values, Values], _Made],
    timeout: float,
) -> _Made:  # fmt: skip
    """What `make` returns for constructor arguments and inputs: those given, or else as a program uses the layer.

    Programs run only where `make` raises NotTakenError, each for `timeout` seconds at most; the error is raised where
    none gives values that can be written, too.
    """
    init, inputs = map(dict, given)
    try:
        return make(init, inputs)
    except NotTakenError:
        found = _as_used(target, min(timeout or SECONDS, SECONDS))
        if found is None:
            raise
    said, used_init, used_inputs = found
    click.echo(visible(said), err=True)
    return make({**used_init, **init}, {**used_inputs, **inputs})


def _as_used(target: str, timeout: float) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """A line on a use of a layer, and its constructor arguments and inputs; None where no program shows them."""
    import numpy as np

    from dout.check.project.discover import Job
    from dout.check.project.target_kind import kind_of
    from dout.check.worker.jobs import GivenArguments, ObjectText
    from dout.check.worker.program_phase import used_layers
    from dout.cli.output.cli_values import as_options
    from dout.run import flat

    where, name = split(target)
    if name is None or kind_of(where, name) != "file":
        return None
    click.echo(
        visible(f"{name} takes none of the values that dout chose: looking for a program that uses it"), err=True
    )
    job = Job(where, "file", (name,))
    found = used_layers([job], GivenArguments(unjudged=True), processes=1, timeout=timeout).layers
    used = found.get(job.file, {}).get(name)
    values = list(flat([used.init, used.inputs])) if used is not None else []
    can_be_given = bool(values) and not any(isinstance(item, ObjectText) for item in values)
    if used is None or not can_be_given or sum(map(np.size, values)) > MOST_NUMBERS:
        return None
    told = [*as_options("--init", used.init, ()), *as_options("--input", used.inputs, ())]
    return f"{name} {used.used}: {' '.join(told)}", dict(used.init), dict(used.inputs)
