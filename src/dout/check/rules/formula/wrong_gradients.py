"""The refuted gradients of a layer, each with its suspected cause and the smallest inputs on which it fails."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.adapt.interface.held_values import held_at
from dout.check.exact.exact_route import Examination
from dout.check.exact.inherited_mistakes import InheritedMistakes
from dout.check.exact.judge import Judgement
from dout.check.exact.missing_gradients import missing_gradients
from dout.check.exact.subject import Subject, kept
from dout.check.repair import cause_by_differences, causes, smallest_failing
from dout.check.report.rule import Rule
from dout.check.report.verdicts import DERIVED, Cause, Finding, Refuted
from dout.clock import WorkBudget
from dout.files import dedented
from dout.graph import Node
from dout.judge.judged_run import elements
from dout.judge.judging_points import upstream
from dout.judge.outcomes import Outcome, Word
from dout.run import otherwise, quiet

if TYPE_CHECKING:
    from dout.check.repair.shrink import Failing

MOST_REPAIRED = 100_000  # elements of a recording at another setting: a repair is tried in a hundred ways
_NEAR = 1e-3  # to -1, of a ratio by differences
MOST_SECONDS = 1.5  # for the smallest failing inputs of a layer: a network has dozens of wrong gradients


@dataclass(frozen=True, eq=False)
class WrongGradient:
    """A refuted gradient. `unused` says that forward makes no use of its parameter.

    It is `forgotten` if no method but backward reads it: else it may be a copy that packs others, or turned off.

    It is wrong `through` the parts of the layer, classes, whose backward alone makes it wrong: none if the layer's own
    does; None if no part is wrong.

    `only` says at which inputs or settings it is wrong, where it is right on the given ones. If the layer may be
    `not_meant` for these, as inputs with another number of axes, it is a warning; if it may only be `of_one_size`, a
    small repair with which it is right on both says that it is not.
    """

    outcome: Outcome
    cause: Cause | None = None
    failing: Failing | None = None
    ignores_dout: bool = False
    unused: bool = False
    forgotten: bool = False
    through: tuple[str, ...] | None = None
    only: str = ""
    not_meant: bool = False
    of_one_size: bool = False

    @property
    def has_another_shape(self) -> bool:
        """Whether there are no numbers to compare."""
        return self.outcome.index is None


@kept
def wrong_gradients(subject: Subject, judgement: Judgement) -> tuple[WrongGradient, ...]:
    """Return the refuted gradients; of a backward that does not use `dout` those that are wrong at another `dout`."""
    examination, refuted = judgement.examination, judgement.refuted
    only, not_meant = f", {judgement.elsewhere}" if judgement.elsewhere else "", judgement.not_meant
    if examination is None:
        names = {outcome.judged.name for outcome in refuted.values()}
        known = (
            cause_by_differences(subject, names, ignores_dout=judgement.ignores_dout) if names and not only else None
        )
        return tuple(
            WrongGradient(
                outcome, _remarked(known or _by_ratio(outcome, judgement), outcome, judgement),
                only=only, not_meant=not_meant,
                unused=(unused := _is_unused(subject, outcome)),
                forgotten=unused and _is_never_read(subject, outcome.judged.name),
            )
            for outcome in refuted.values()
        )  # fmt: skip
    ignores_dout = judgement.ignores_dout and not judgement.is_loss
    if ignores_dout:
        others = _ignoring(examination)
        refuted = {node: o for node, o in others.items() if o.judged.name not in judgement.conventions}
    if not refuted:
        return ()
    given = judgement.as_given
    on_a_side = judgement.elsewhere and given is None  # a repair has to do on the given inputs
    too_slow = given is not None and elements(examination.nodes) > MOST_REPAIRED
    parts = InheritedMistakes(subject, examination)
    through = {node: parts.of(outcome) for node, outcome in refuted.items()}
    own = {node: outcome for node, outcome in refuted.items() if not through[node]}
    found = {} if on_a_side or too_slow else causes(subject, examination, own, given)
    if parts.wrong_parts:  # what is known of a gradient without a repair may be their mistake
        repaired = {node: cause for node, cause in found.items() if cause.fix}
        left_out = {node: cause for node, outcome in own.items() if (cause := _left_out(parts, outcome))}
        found = {node: _of_parts(classes) for node, classes in through.items() if classes} | left_out | repaired
    budget = WorkBudget(MOST_SECONDS)
    lacks = any(item.parameter for item in missing_gradients(examination))
    return tuple(
        WrongGradient(
            outcome,
            cause=_remarked(found.get(node), outcome, judgement),
            failing=None
            if too_slow or through[node] or budget.is_over()
            else smallest_failing(subject, examination, outcome),
            ignores_dout=ignores_dout,
            unused=(unused := outcome.judged.is_unused),
            forgotten=unused and not lacks and _is_never_read(subject, outcome.judged.name),
            through=through[node] if parts.wrong_parts else None,
            only=only,
            not_meant=not_meant,
            of_one_size=judgement.of_one_size,
        )
        for node, outcome in refuted.items()
    )


def _of_parts(classes: Sequence[str]) -> Cause:
    """The cause of a gradient that parts of a layer make wrong."""
    gives = "gives a wrong gradient" if len(classes) == 1 else "give wrong gradients"
    return Cause("part", f"{' and '.join(classes)} {gives}")


def _left_out(parts: InheritedMistakes, outcome: Outcome) -> Cause | None:
    """The cause of a gradient that lacks that of one use of its value, whatever parts add to it."""
    use, name = parts.left_out(outcome), outcome.judged.name
    if use is None:
        return None
    return Cause("missing term", f"a term is missing: the gradient from the use of {name} at {use.where}")


@otherwise(False)
def _is_unused(subject: Subject, outcome: Outcome) -> bool:
    """Whether forward gives the same with other numbers in a parameter: it may use a copy, which was made before.

    The numbers move by different steps: what they have in common may be taken out again, as a norm does with a bias.
    """
    layer = subject.again()
    parameter = held_at(layer, outcome.judged.name) if outcome.judged.parameter else None
    if not isinstance(parameter, np.ndarray) or np.any(outcome.expected):
        return False
    parameter += np.random.default_rng(0).uniform(-1, 1, parameter.shape)
    with quiet():
        moved = subject.runner.forward(layer, subject.fresh_inputs())
    return all(map(np.array_equal, moved, subject.forward()))


def _is_never_read(subject: Subject, name: str) -> bool:
    """Whether no method but the constructor and backward names a parameter, and backward makes no step of its own."""
    if not name.isidentifier() or (subject.interface is not None and subject.interface.steps):
        return False
    texts = other_methods(subject)
    return bool(texts) and not any(re.search(rf"\b{name}\b", text) for text in texts)


def is_summed_later(subject: Subject) -> bool:
    """Whether another method reads what backward keeps, and sums: the gradients of all steps, before it takes one."""
    kept_by_backward = re.findall(
        r"self\.(\w+)[^=\n]*=[^=]", _text(getattr(subject.again(), subject.backward_name, None))
    )
    texts = [text for text in other_methods(subject) if re.search(r"\bsum\(", text) and "def forward(" not in text]
    return any(re.search(rf"self\.{name}\b", text) for name in kept_by_backward for text in texts)


def other_methods(subject: Subject) -> list[str]:
    """The source of a layer's methods but the constructor and backward."""
    cls, own = type(subject.again()), {"__init__", "backward", subject.backward_name}
    return [text for name in dir(cls) if name not in own and (text := _text(getattr(cls, name, None)))]


def _text(method: Any) -> str:
    """The source of a method; empty where there is none."""
    with suppress(OSError, TypeError):
        return inspect.getsource(method) if inspect.isroutine(method) else ""
    return ""


def _by_ratio(outcome: Outcome, judgement: Judgement) -> Cause | None:
    """What the gradient of a layer that cannot be recorded is of the right one, where it is a multiple of it."""
    like = judgement.likeness.get(outcome.judged.name)
    if like is None or not like.ratio or not np.isfinite(like.ratio) or outcome.judged.name in judgement.remarks:
        return None
    if abs(like.ratio + 1) < _NEAR:
        return Cause("sign", "it has the other sign")
    return Cause("sign" if like.ratio < 0 else "factor", f"it is the right gradient times {like.ratio:.4g}")


def _remarked(cause: Cause | None, outcome: Outcome, judgement: Judgement) -> Cause | None:
    """The cause with the remark that there is on this gradient."""
    remark = judgement.remarks.get(outcome.judged.name)
    if remark is None:
        return cause
    if cause is None:
        return Cause("factor", remark)
    parts = (remark, cause.sentence) if cause.word == DERIVED else (cause.sentence, remark)
    return replace(cause, sentence="; ".join(parts))


def _ignoring(examination: Examination) -> dict[Node, Outcome]:
    """The gradients that are wrong at an upstream gradient other than ones: at ones they may be right."""
    outcomes, _ = examination.outcomes(upstream(examination, examination.base))
    found = {outcome.judged.node: outcome for outcome in outcomes if outcome.word == Word.REFUTED}
    return found or {outcome.judged.node: outcome for outcome in outcomes}


def wrong_finding(rule: Rule, subject: Subject, wrong: WrongGradient, only: str = "", **details: Any) -> Finding:
    """Return the finding on a wrong gradient: its numbers on the given inputs, or on the first that refute it."""
    outcome, cause, failing = wrong.outcome, wrong.cause, wrong.failing
    name, index = outcome.judged.name, outcome.index
    shown = name if not outcome.judged.parameter else _with_its_argument(subject.again(), name)
    if index is None:
        numbers = f"has shape {np.shape(outcome.got)}, {name} has {outcome.judged.node.shape}"
        details |= {"expected": np.shape(outcome.expected), "got": np.shape(outcome.got)}
    else:
        expected, got = outcome.at(index)
        numbers = said(index, expected, got)
        details |= {"expected": expected, "got": got}
    is_ignored = wrong.ignores_dout or (cause is not None and cause.word == "ignores dout" and not cause.sentence)
    ignored = " does not depend on dout:" if is_ignored else ""
    because = f": {cause.sentence}" if cause and cause.sentence else ""
    message = f"the gradient of {shown}{ignored} {numbers}{because}{wrong.only}{only}"
    is_mended = cause is not None and cause.fix is not None and cause.word != DERIVED
    if wrong.not_meant and not (wrong.of_one_size and wrong.has_another_shape and is_mended):
        details["severity"] = "warning"
    if wrong.unused:
        message = f"forward makes no use of {name}, and backward gives a gradient for it that is not 0"
        details["severity"] = "error" if wrong.forgotten else "warning"
    if cause is not None:
        details |= {"cause": cause.word, "fix": cause.fix, "first_wrong": cause.first_wrong}
    if failing is not None:
        there = said(failing.index, failing.expected, failing.got)
        details |= {"inputs": failing.inputs, "there": f"there it {there}"}
    zero = bool(np.any(outcome.got)) and not np.any(outcome.expected)
    holder = held_at(subject.again(), name.rpartition(".")[0]) if "." in name else None
    part = type(holder).__name__ if holder is not None else ""
    reason = Refuted(zero, elsewhere=bool(wrong.only), part=part, through=wrong.through)
    return rule.about(
        subject, message, (cause and cause.where) or None, argument=name, index=index,
        because=cause.sentence if cause else outcome.because,
        reason=reason, **details,
    )  # fmt: skip


def said(index: tuple[int, ...], expected: float, got: float) -> str:
    """Say a number and the right one, with as many digits as tell them apart."""
    digits = next((d for d in (6, 9, 12) if f"{got:.{d}g}" != f"{expected:.{d}g}"), 17)
    return f"is {got:.{digits}g}{f' at {list(index)}' if index else ''}, right: {expected:.{digits}g}"


def _with_its_argument(layer: Any, path: str) -> str:
    """A parameter that is kept in a list, with the argument of `__init__` that it came from: `params[1] (b)`."""
    listed, _, place = path.partition("[")
    try:
        body = ast.parse(dedented(inspect.getsource(type(layer).__init__)))
    except (OSError, TypeError, SyntaxError):
        return path
    for node in ast.walk(body):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple):
            names = [item.id if isinstance(item, ast.Name) else "" for item in node.value.elts]
            kept = any(isinstance(t, ast.Attribute) and t.attr == listed for t in node.targets)
            if kept and place[:-1].isdigit() and int(place[:-1]) < len(names) and names[int(place[:-1])]:
                return f"{path} ({names[int(place[:-1])]})"
    return path
