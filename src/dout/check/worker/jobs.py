"""What a process is given to check, and what it sends back of each layer: nothing of the user's own classes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.adapt.interface.method_pairs import is_static
from dout.adapt.target import Target
from dout.check.project.discover import Job
from dout.check.report.report import Report, some
from dout.check.report.verdicts import Finding, NothingTaken, Raised, Reason
from dout.check.worker.audit_guard import HERE, GuardRules, shown
from dout.check.worker.statement_runner import Stop

MOST_TEXT = 2000  # characters of one message


@dataclass(frozen=True)
class GivenArguments:
    """Constructor arguments and inputs that the user gave, for every layer that takes them; limits of a process."""

    init: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    memory: float = 0.0  # GB
    rules: GuardRules = field(default_factory=GuardRules)
    interface: str = ""  # how every layer is called; found out where it is empty
    pictures: bool = False  # whether the recording of a layer with a wrong gradient is wanted
    kind_alone: bool = False  # whether of a mistake only its kind is wanted, and no repair
    kept: bool = True  # whether an outcome is kept: not of a file that is gone afterwards
    unjudged: bool = False  # whether nothing is wanted but the values that a program gives a layer

    def taken_by(self, target: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """What of the constructor arguments and inputs a layer takes."""

        def of(function: Any, values: Mapping[str, Any], unbound: int) -> dict[str, Any]:
            parameters = taken_by(function)[unbound:]
            any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
            names = {p.name for p in parameters}
            place = {key for key in values if key.isdigit() and int(key) < len(parameters)}
            return {key: value for key, value in values.items() if any_name or key in names or key in place}

        what = Target(target)
        init = of(target, self.init, 0) if what.is_class else {}
        if what.has_both and not what.inputs():  # what it reads from attributes is known when it has run
            return init, dict(self.inputs)
        unbound = what.is_class and not is_static(what.cls, what.forward_name)  # a function of JAX has no forward
        return init, of(what.forward, self.inputs, int(unbound))


@dataclass(frozen=True)
class Checked:
    """A report, what was chosen to make it (constructor arguments and inputs), and which given names the layer took.

    `interface` says how the layer was called, where that is not the plain `forward(x)` and `backward(dout)`; `trace` is
    the document of a recording that shows a wrong gradient, where pictures are wanted. `used` says which program uses
    the layer so, "as used in train.py:41", `file` is where the class is written then, and `turn` the place of its
    backward among those that the program called, -1 where it called none, and `dout_of` the class whose backward gave
    it its upstream gradient. `of_one_sample` says that the program gives it a single sample: another that gives several
    shows more.
    """

    report: Report
    init: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    took: frozenset[str] = frozenset()
    interface: str = ""
    trace: Mapping[str, Any] | None = None
    used: str = ""
    file: str = ""
    turn: int = -1
    dout_of: str = ""
    of_one_sample: bool = False


@dataclass
class JobOutcome:
    """What became of a job: the layers in their order, or the problem that kept the file from being run.

    `skipped` says why no layer of a file was judged that nobody named (a library is not there, say); `refused` are the
    acts that the check did not allow, and `remarks` what else happened: a statement of the file failed. `data` says
    which data of a program were stood for, and `network` where its gradients are wrong first.

    `went_back` are the layers, as `file:name`, whose backward returned in a program.
    `read` are the paths that were read for it. It `stands` where the same would come out again: no process that ended
    had a part in it, and no limit of time but those of work.
    """

    job: Job
    layers: list[Checked] = field(default_factory=list)
    problem: str = ""
    traceback: str = ""
    skipped: str = ""
    refused: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    network: str = ""
    went_back: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    stands: bool = True
    cut_short: bool = False  # its time was over


class ObjectText(str):
    """An object of the user's classes, as text: it cannot be written on a command line."""

    __slots__ = ()


def portable(checked: Checked) -> Checked:
    """The same without any object of the user's classes, which the parent does not know."""

    def told(item: Finding) -> Finding:
        return replace(
            item,
            message=_text(item.message),
            because=_text(item.because),
            first_wrong=item.first_wrong and _from_here(item.first_wrong),
            reason=_told(item.reason),
            expected=_plain(item.expected),
            got=_plain(item.got),
            inputs={str(key): _plain(value) for key, value in item.inputs.items()},
        )

    init = {key: _plain(value) for key, value in checked.init.items()}
    inputs = {key: _plain(value) for key, value in checked.inputs.items()}
    branches = tuple(map(_from_here, checked.report.branches))
    report = replace(checked.report.with_each(told), branches=branches)
    return replace(checked, report=report, init=init, inputs=inputs)


def _told(reason: Reason | None) -> Reason | None:
    """A reason with its texts as a message has them."""
    if isinstance(reason, NothingTaken):
        reason = replace(reason, short=_text(reason.short))
    return replace(reason, text=_text(reason.text)) if isinstance(reason, Raised) else reason


def _text(text: str) -> str:
    return _cut(_from_here(text))


def _from_here(text: str) -> str:
    """Text with the paths of files below the folder we began in as they are from there."""
    below = os.path.join(HERE, "")  # noqa: PTH118 - which ends with one separator, also where we began in the root
    return text.replace(below, "") if below != os.sep else text


def _cut(text: str) -> str:
    """Text without its middle, where an error of the user's says more than anyone reads."""
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT // 2]} … {text[-MOST_TEXT // 2 :]}"


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, tuple | list):
        return type(value)([_plain(item) for item in value]) if type(value) in (tuple, list) else str(value)
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return np.array(value, subok=False)[()]
    return ObjectText(_cut(_named(value)))


def _named(value: Any) -> str:
    """A function by its name, an object by its class where it says nothing else than its place in memory."""
    if inspect.isroutine(value):
        return value.__name__.lstrip("_")
    says_nothing = all(getattr(type(value), name) is getattr(object, name) for name in ("__repr__", "__str__"))
    return f"{type(value).__name__}()" if says_nothing else str(value)


def settle(outcome: JobOutcome, stops: Sequence[Stop], lost: Mapping[str, str], asked: bool) -> None:
    """Say what stopped a file: a problem in one that was named, a reason to skip another, a remark beside layers."""
    failures = [stop for stop in stops if stop.is_failure]
    first = failures[0] if failures else None
    why = _reasons(lost) or (str(first) if first else "")
    if outcome.problem and not asked:
        outcome.skipped, outcome.problem, outcome.traceback = outcome.problem, "", ""
    elif asked and first is not None:
        outcome.problem = "; ".join(filter(None, (outcome.problem, _problem(outcome.job.where, first))))
        outcome.traceback += first.traceback
    elif not outcome.layers and lost:
        if asked:
            outcome.problem = outcome.problem or f"{outcome.job.where}: {why}"
        else:
            outcome.skipped = f"{outcome.job.where}: {why}"
    told = [stop for stop in stops if stop.kind not in ("import", "refused") and not (asked and stop is first)]
    outcome.remarks += [str(stop) for stop in told if str(stop) not in outcome.remarks]
    if outcome.layers and lost:
        outcome.remarks.append(f"{outcome.job.where}: {_reasons(lost)}")


def _reasons(lost: Mapping[str, str]) -> str:
    """What classes need, those of one reason together: `A, B need torch, which is not installed`."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in lost.items():
        by_reason.setdefault(reason, []).append(name)
    return "; ".join(f"{some(names, 3)} {_plural(reason, names)}" for reason, names in by_reason.items())


def _plural(reason: str, names: Sequence[str]) -> str:
    return f"need{reason.removeprefix('needs')}" if len(names) > 1 and reason.startswith("needs") else reason


def _problem(where: str, stop: Stop) -> str:
    """A named file's failure in a line."""
    if stop.kind == "raised":
        return f"{where} {stop.why.partition(':')[0]}, at {shown(stop.file)}:{stop.line}"
    if stop.kind == "exit":
        return f"{where} {stop.why}"
    return f"{where} {stop.why}; it was stopped"
