"""What became of a job, kept until something changes that was read for it; as data alone: a pickle would be run."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dout.check.project.discover import Job
from dout.check.report.fix import Fix
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, NothingTaken, OtherOrder, Raised, Refuted, Undivided, Verdict
from dout.check.rules.unjudged.d004_removed_numpy_name import RemovedName
from dout.check.worker.jobs import Checked, GivenArguments, JobOutcome, ObjectText
from dout.check.worker.kept_answers import Question, changed, users
from dout.check.worker.unchanged_layers import LayerCode, layer_codes, unchanged
from dout.judge.outcomes import Word

_RECORDS = {
    cls.__name__: cls
    for cls in (
        Job, JobOutcome, Checked, Report, Verdict, Finding, Fix, Raised, NothingTaken, OtherOrder, Refuted, Undivided,
        RemovedName, LayerCode,
    )
}  # fmt: skip
_SEQUENCES = {cls.__name__: cls for cls in (tuple, list, set, frozenset)}
_TEXTS = {cls.__name__: cls for cls in (ObjectText, Word)}


def question_of(job: Job, given: GivenArguments, known: Mapping[str, Checked]) -> Question:
    """What decides the outcome of a job: what is given to it, and its layers that are `known` already."""
    known = {name: replace(one, report=replace(one.report, seconds=0.0)) for name, one in known.items()}
    how = given.rules, given.interface, given.memory, given.pictures, given.kind_alone, given.unjudged
    return Question("job", Path.cwd(), to_data(job), *how, *map(to_data, (given.init, given.inputs, known)))


def recalled(outcome: JobOutcome, question: Question) -> dict[str, Checked] | None:
    """Put what was kept into an outcome that still stands, and return None; else its layers that still stand."""
    signed, data = question.kept() or ({}, None)
    try:
        known, codes = from_data(data) if data is not None else (None, {})
        if not isinstance(known, JobOutcome):
            return {}
        differs, files = set(changed(signed)), _sources(signed)
        if not differs <= {path for path in files if signed[path]}:
            return {}
        still, is_same = unchanged(known, codes, differs, files) if differs else ({}, True)
        if is_same:
            layers = [*still.values()] if differs else known.layers
            vars(outcome).update({**vars(known), "layers": layers, "read": set(signed)})
            return None
        outcome.read.update(signed)
        return still
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def remember(outcome: JobOutcome, question: Question, scratch: str) -> None:
    """Keep an outcome, if it stands; what lies beside its `scratch` folder is of this run alone."""
    outcome.read = {path for path in outcome.read if Path(scratch).parent not in (Path(path), *Path(path).parents)}
    codes = layer_codes(outcome.job, outcome.layers, _sources(outcome.read))
    answer = (replace(outcome, read=set()), codes)
    question.keep(to_data(answer) if outcome.stands else None, outcome.read)


def _sources(paths: Iterable[str]) -> list[str]:
    """The files of the user's among these that hold Python."""
    return [path for path in users(paths) if path.endswith(".py")]


def to_data(value: Any) -> Any:
    """A value as plain data: scalars as they are, anything else as a list that begins with its kind.

    Raises TypeError for what `from_data` would not know.
    """
    kind = type(value).__name__
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return ["array", value.dtype.str, list(value.shape), value.ndim == 0, b64encode(value.tobytes()).decode()]
    if kind in _RECORDS and is_dataclass(value):
        return [kind, *(to_data(getattr(value, each.name)) for each in fields(value))]
    if kind in _SEQUENCES:
        return [kind, *map(to_data, value)]
    if kind in _TEXTS:
        return [kind, str(value)]
    if isinstance(value, Mapping):
        return ["dict", *([to_data(key), to_data(item)] for key, item in value.items())]
    raise TypeError(f"{kind} is no plain data")


def from_data(data: Any) -> Any:
    """The value again."""
    if not isinstance(data, list):
        return data
    kind, *parts = data
    if kind == "array":
        dtype, shape, single, content = parts
        array = np.frombuffer(b64decode(content), dtype).reshape(shape).copy()
        return array[()] if single else array
    if kind == "dict":
        return {from_data(key): from_data(item) for key, item in parts}
    if kind in _TEXTS:
        return _TEXTS[kind](*parts)
    inside = map(from_data, parts)
    return _SEQUENCES[kind](inside) if kind in _SEQUENCES else _RECORDS[kind](*inside)
