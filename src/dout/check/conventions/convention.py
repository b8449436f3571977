"""Conventions are not bugs: a gradient that is right up to a constant that people choose, or passed on to its loss.

Each rule looks at one gradient that was refuted and says which convention it keeps, if any. Another convention is
another rule in `RULES`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal

import numpy as np

from dout.adapt.argument_names import names_label, names_loss, stands_for
from dout.check.conventions.fused_loss import is_of_both
from dout.check.conventions.sample_scaling import Axes, Constant, Samples
from dout.check.conventions.softmax import gives_diagonal, handed_on, is_last_sigmoid, is_normalised, says_softmax
from dout.check.conventions.stop_gradient import stops_the_gradient
from dout.check.exact.judge import Convention, Judgement
from dout.check.exact.subject import Subject
from dout.check.repair import causes
from dout.check.report.codes import finding
from dout.check.report.layer_report import Report
from dout.check.report.verdicts import Cause, Finding, Verdict
from dout.judge.judged_run import is_label
from dout.judge.outcomes import Outcome, Word

Role = Literal["input", "parameter", "loss"]

_RIGHT = (Word.EXACT, Word.ROUNDED, Word.STABILISED, Word.SUBGRADIENT, Word.AGREES)
_SAMPLES, _LAST = Axes("N", (0,), "samples"), Axes("N", (-1,), "samples")
_STEPS = Axes("T", (1,), "steps")


@dataclass(frozen=True, eq=False)
class RefutedGradient:
    """One refuted gradient as a rule sees it, beside everything else that is known of its layer."""

    subject: Subject
    judgement: Judgement
    outcome: Outcome
    samples: Samples

    @property
    def name(self) -> str:
        """The input or parameter that the gradient is for."""
        return self.outcome.judged.name

    @cached_property
    def is_of_a_loss(self) -> bool:
        """Whether the layer is a loss."""
        return is_loss(self.subject, self.judgement, self.samples)

    @property
    def times_if_handed_on(self) -> float:
        """How many times right it is if a softmax at the end hands dout on; NaN where that says nothing."""
        memo, examination = self.subject.memo, self.judgement.examination
        if "handed on" not in memo:
            memo["handed on"] = handed_on(self.subject)
        name = self.name
        if examination is not None and not self.outcome.judged.parameter:
            named = dict(zip(examination.call.inputs, self.subject.names, strict=False))  # a trace may rename them
            name = named.get(self.outcome.judged.node, name)
        found: float = memo["handed on"].get(name, math.nan)
        return found

    def constant(self, guesses: Iterable[Constant]) -> Constant | None:
        """The first of these constants that the gradient is right up to, on other numbers of samples as well."""
        likeness = self.judgement.likeness.get(self.name)
        if likeness is None or likeness.ratio is None or not math.isfinite(likeness.ratio):
            return None
        return self.samples.first_that_holds(self.name, likeness.ratio, likeness.close, guesses)


_PARAMETERS = ("W", "Wh", "W2", "b", "b2", "gamma")
Rule = Callable[[RefutedGradient], Convention | None]


def by_convention(subject: Subject, judgement: Judgement) -> Judgement:
    """The judgement without those refutations that are conventions: they have a word of their own.

    What is refuted and stays so may get a remark, where it would be a convention in another place.
    """
    samples = Samples(subject, numerically=judgement.examination is None)
    if subject.interface is not None:  # functions are handed their parameters: `affine_forward(x, w, b)`
        handed = (name for name in subject.names[1:] if stands_for(name) in _PARAMETERS)
        judgement = replace(judgement, parameters=judgement.parameters | {*handed})
    found: dict[str, Convention] = {}
    remarks: dict[str, str] = {}
    uses_dout = not judgement.ignores_dout or is_loss(subject, judgement, samples)
    for outcome in judgement.refuted.values():
        gradient = RefutedGradient(subject, judgement, outcome, samples)
        convention = next(filter(None, (rule(gradient) for rule in (RULES if uses_dout else (_stops,)))), None)
        if convention is not None:
            found[gradient.name] = convention
        elif uses_dout and (remark := _lacks_the_rest(gradient) or _compounds(gradient)) is not None:
            remarks[gradient.name] = remark
    role: Role = "loss" if is_loss(subject, judgement, samples) else "input"
    return replace(
        judgement,
        verdicts=tuple(_said(v, found.get(v.argument), judgement, role) for v in judgement.verdicts),
        refuted={node: o for node, o in judgement.refuted.items() if o.judged.name not in found},
        conventions=found,
        excused={node: o for node, o in judgement.refuted.items() if o.judged.name in found},
        remarks=remarks,
    )


def _said(verdict: Verdict, convention: Convention | None, judgement: Judgement, role: Role) -> Verdict:
    """The verdict in the convention's words, with what compares it with those on other layers."""
    mine: Role = "parameter" if role != "loss" and verdict.argument in judgement.parameters else role
    if convention is None:
        return replace(verdict, role=mine, constant="1" if verdict.word in _RIGHT else "")
    word, because = convention.word, convention.because
    return replace(verdict, word=word, because=because, role=mine, constant=convention.constant)


def is_loss(subject: Subject, judgement: Judgement, samples: Samples) -> bool:
    """Whether forward gives one number, or one a sample, of arrays, and compares with a target or is called a loss.

    A mean or a norm gives one number, too: in the middle of a network a factor there is no convention.
    """
    if len(judgement.outputs) != 1 or math.prod(samples.shape) < 2:
        return False
    (output,) = judgement.outputs
    rows = samples.shape[0]
    if subject.ends and output == samples.shape:
        output = ()  # one number an element, and the gradient of their sum
    one_a_sample = len(samples.shape) > 1 and output in ((rows,), (rows, 1)) and not judgement.parameters
    if math.prod(output) != 1 and not one_a_sample:
        return False
    arrays = [i for i, x in enumerate(subject.inputs) if isinstance(x, np.ndarray)]
    names = [subject.names[i] for i in arrays[1:] if i < len(subject.names)]
    compares = any(names_label(n) and n.lower() != "y" for n in names) or any(
        is_label(subject.inputs[i]) for i in arrays[1:]
    )
    return compares or names_loss(subject.name.rpartition(".")[2]) or _assumes_one(subject)


def _assumes_one(subject: Subject) -> bool:
    """Whether backward can be called without an upstream gradient, as that of the end of a network."""
    try:
        arguments = list(inspect.signature(subject.again().backward).parameters.values())
    except Exception:
        return False
    return not arguments or arguments[0].default in (1, 1.0)


# --- the rules --------------------------------------------------------------------------------------------------------


def _of_a_loss(gradient: RefutedGradient) -> Convention | None:
    """Averaged over the samples or the elements where forward sums, or the other way; ½ or 2 of a square dropped."""
    if not gradient.is_of_a_loss:
        return None
    return _scaled(gradient, _factors_of_a_loss(len(gradient.samples.shape)))


def _factors_of_a_loss(axes: int) -> Iterator[Constant]:
    rest = Axes("C", tuple(range(1, axes)), "numbers a sample")
    counted: list[tuple[Axes, ...]] = [(_SAMPLES,), (_LAST,)] if axes == 2 else [(_SAMPLES,)]
    counted += [(_SAMPLES, _STEPS)] if axes > 2 else []
    counted += [(_SAMPLES, rest), (rest,)] if axes > 1 else []
    for number in (1.0, 0.5, 2.0):
        yield from (Constant(number, these, power) for these, power in product(counted, (-1, 1)))
        if number != 1:
            yield Constant(number)


def _of_parameters(gradient: RefutedGradient) -> Convention | None:
    """Averaged over the samples in the layer instead of in the loss; what goes on to other layers is right."""
    judgement = gradient.judgement
    inputs_are_right = all(o.judged.name in judgement.parameters for o in judgement.refuted.values())
    if gradient.is_of_a_loss or gradient.name not in judgement.parameters or not inputs_are_right:
        return None
    return _scaled(gradient, _averages(len(gradient.samples.shape)))


def _averages(axes: int) -> Iterator[Constant]:
    if axes:
        yield Constant(1.0, (_SAMPLES,), -1)
    if axes > 1:
        yield Constant(1.0, (_LAST,), -1)
    if axes > 2:
        yield Constant(1.0, (_SAMPLES, _STEPS), -1)
    if axes == 4:
        yield Constant(1.0, (_SAMPLES, Axes("P", (2, 3), "places")), -1)


def _scaled(gradient: RefutedGradient, guesses: Iterable[Constant]) -> Convention | None:
    constant = gradient.constant(guesses)
    if constant is None:
        return None
    return Convention("D106", Word.SCALED, constant.says(gradient.samples.shape), constant.symbol)


def _lacks_the_rest(gradient: RefutedGradient) -> str | None:
    """Of a softmax that is given dout: it could say more than its diagonal."""
    if not gives_diagonal(gradient.subject):
        return None
    return "it is the diagonal of the softmax's derivative alone: whole it is y * (dout - sum(y * dout))"


def _compounds(gradient: RefutedGradient) -> str | None:
    """Of an input that is averaged in the middle of a network: no convention, although it looks like one."""
    if gradient.is_of_a_loss or gradient.name in gradient.judgement.parameters:
        return None
    constant = gradient.constant(_averages(len(gradient.samples.shape)))
    if constant is None:
        return None
    says = constant.says(gradient.samples.shape)
    return f"it is {says}, and with every such layer once more: divide in the loss alone"


def _passes_on(gradient: RefutedGradient) -> Convention | None:
    """A softmax that hands dout on, alone or at the end of a layer: its loss gives the gradient of both together."""
    subject, likeness = gradient.subject, gradient.judgement.likeness.get(gradient.name)
    alone = not gradient.judgement.parameters and len(subject.inputs) == 1
    passed = alone and likeness is not None and likeness.passed
    if passed and (says_softmax(subject) or is_normalised(subject) or is_last_sigmoid(subject)):
        return Convention("D107", Word.PASSED, "backward passes dout on")
    constants = {"1": 1.0}
    if gradient.name in gradient.judgement.parameters and gradient.samples.shape:
        constants["1/N"] = 1 / gradient.samples.shape[0]
    for symbol, value in constants.items():
        if math.isclose(gradient.times_if_handed_on, value, rel_tol=1e-4):
            averaged = "" if symbol == "1" else ", and averages over the samples"
            because = f"the softmax at the end passes dout on{averaged}"
            return Convention("D107", Word.PASSED, because)
    return None


def _is_diagonal(gradient: RefutedGradient) -> Convention | None:
    """A softmax as one of many activations, each with a derivative number by number: it can give no more."""
    interface = gradient.subject.interface
    if interface is None or not interface.local or not gives_diagonal(gradient.subject):
        return None
    return Convention("D111", Word.DIAGONAL, "y (1 − y), the diagonal of its derivative")


def _of_both(gradient: RefutedGradient) -> Convention | None:
    """A loss that is given probabilities, and gives the gradient of what they were made of."""
    likeness = gradient.judgement.likeness.get(gradient.name)
    if likeness is not None and likeness.ratio is not None:
        return None  # a multiple of the right one, as of a square, whose own gradient that is
    if gradient.name in gradient.judgement.partly or not gradient.is_of_a_loss:
        return None
    if not is_of_both(gradient.subject, gradient.name):
        return None
    return Convention("D110", Word.JOINED, "prediction minus target: of the loss and its softmax or sigmoid together")


def _of_steps(gradient: RefutedGradient) -> Convention | None:
    """A step that a layer takes by itself, with a momentum of its own: a constant times rate and gradient."""
    interface, likeness = gradient.subject.interface, gradient.judgement.likeness.get(gradient.name)
    if (
        interface is None
        or interface.rate is None
        or likeness is None
        or gradient.name not in gradient.judgement.parameters
    ):
        return None
    if likeness.ratio is None or not 0 < likeness.ratio < math.inf:
        return None
    return Convention("D106", Word.SCALED, f"the first step is {likeness.ratio:.4g} × rate × gradient", "step")


def _stops(gradient: RefutedGradient) -> Convention | None:
    """What goes in comes out, and 0 goes back: it has no other use than to stop the gradient."""
    if not stops_the_gradient(gradient.subject):
        return None
    return Convention("D103", Word.STOPPED, "backward gives 0")


RULES: tuple[Rule, ...] = (_passes_on, _is_diagonal, _of_a_loss, _of_parameters, _of_both, _of_steps)


# --- findings ---------------------------------------------------------------------------------------------------------


def convention_findings(subject: Subject, judgement: Judgement) -> Iterator[Finding]:
    """Yield one finding for each convention that a layer keeps: a warning where its own gradients do not agree."""
    codes = dict.fromkeys(convention.code for convention in judgement.conventions.values())
    for code in codes:
        found = {name: c for name, c in judgement.conventions.items() if c.code == code}
        message, details = _MESSAGES.get(code, _plain_message)(subject, judgement, found)
        only = next(iter(found)) if len(found) == 1 else None
        because = "; ".join(_groups(found))
        where = subject.place
        if details.get("severity") == "warning" and (cause := _repair(subject, judgement)) is not None:
            where, details = cause.where or where, {**details, "fix": cause.fix}
        yield finding(code, message, where, layer=subject.name, argument=only, because=because, **details)


def _repair(subject: Subject, judgement: Judgement) -> Cause | None:
    """The first repaired line, of a layer that does not agree with itself."""
    if judgement.examination is None:
        return None
    found = causes(subject, judgement.examination, judgement.excused).values()
    return next((cause for cause in found if cause.fix), None)


Message = tuple[str, dict[str, Any]]
Found = dict[str, Convention]


def _plain_message(subject: Subject, judgement: Judgement, found: Found) -> Message:
    said = (f"{because}, in the {_listed(names)}" for because, names in _groups(found).items())
    return f"{subject.name}.backward: {'; '.join(said)}", {}


def _scaled_message(subject: Subject, judgement: Judgement, found: Found) -> Message:
    groups = _groups(found)
    if judgement.parameters and not any(v.role == "loss" for v in judgement.verdicts):
        right = [v.argument for v in judgement.verdicts if v.role == "parameter" and v.constant == "1"]
    else:
        right = [v.argument for v in judgement.verdicts if v.constant == "1"]
    if len(groups) == 1 and not right:
        (because,) = groups
        return f"{subject.name}.backward is {because}, in the {_listed([*found])}", {"cause": "factor"}
    parts = [f"the {_listed(names)} is {because}" for because, names in groups.items()]
    parts += [f"the {_listed(right)} is the derivative itself"] if right else []
    message = f"{subject.name}.backward does not keep to one constant: {', '.join(parts)}"
    return message, {"severity": "warning", "cause": "factor"}


def _passed_message(subject: Subject, judgement: Judgement, found: Found) -> Message:
    what = "softmax" if says_softmax(subject) else "sigmoid" if is_last_sigmoid(subject) else subject.name
    only = f"right only where its loss gives the gradient of {what} and loss together"
    return f"{subject.name}.backward passes dout on: {only}", {"cause": "passes dout on"}


def _diagonal_message(subject: Subject, judgement: Judgement, found: Found) -> Message:
    only = "right only under a loss that makes up for it, as (y − t) / (y (1 − y)) does"
    return f"{subject.name} gives y (1 − y), the diagonal of its derivative alone: {only}", {"cause": "diagonal"}


def _joined_message(subject: Subject, judgement: Judgement, found: Found) -> Message:
    what = f"{subject.name}'s backward is prediction minus target"
    return f"{what}: the gradient of loss and softmax (or sigmoid) together, which must pass it on", {"cause": "joined"}


def _stopped_message(subject: Subject, judgement: Judgement, found: Found) -> Message:
    what = f"{subject.name} hands its input on and gives 0 for it"
    return f"{what}: right where the gradient is to end, as at an input", {"severity": "note"}


_MESSAGES: dict[str, Callable[[Subject, Judgement, Found], Message]] = {
    "D106": _scaled_message,
    "D103": _stopped_message,
    "D107": _passed_message,
    "D110": _joined_message,
    "D111": _diagonal_message,
}


def _groups(found: Found) -> dict[str, list[str]]:
    """The arguments, by what is said of them."""
    groups: dict[str, list[str]] = {}
    for name, convention in found.items():
        groups.setdefault(convention.because, []).append(name)
    return groups


def _listed(names: Sequence[str]) -> str:
    """Whose gradient, or gradients: `gradient of W and b`."""
    return f"gradient of {', '.join(names[:-1])}{' and ' if len(names) > 1 else ''}{names[-1]}"


# --- a file -----------------------------------------------------------------------------------------------------------


def among_siblings(reports: Sequence[Report]) -> tuple[Report, ...]:
    """The reports on the layers of one file, where a constant factor that a layer of its kind has not is a warning.

    Layers are of one kind that are losses, or that have parameters.
    """
    return tuple(replace(r, findings=tuple(_beside(f, r, reports) for f in r.findings)) for r in reports)


def _beside(found: Finding, report: Report, reports: Sequence[Report]) -> Finding:
    if found.code != "D106" or found.severity != "note":
        return found
    mine = {(v.role, v.constant) for v in report.verdicts if v.word == Word.SCALED}
    for other in (r for r in reports if r is not report):
        for verdict in other.verdicts:
            kind, constant = verdict.role, verdict.constant
            if constant and kind in {role for role, _ in mine} and (kind, constant) not in mine:
                gives = "the derivative itself" if constant == "1" else f"another constant, {constant}"
                more = f"; {other.layer}.backward, in the same file, gives {gives}"
                return replace(found, severity="warning", message=found.message + more)
    return found
