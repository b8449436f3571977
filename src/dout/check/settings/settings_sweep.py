"""Clean is earned: before a layer is called right, it runs at other settings, and on inputs of other lengths.

Plain runs look for a suspicion: one difference quotient of forward, with everything moved at once, beside backward's
gradients. Exact arithmetic decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.argument_names import names_label
from dout.adapt.search.example_repair import alike
from dout.adapt.target import Target
from dout.check.conventions.convention import by_convention
from dout.check.conventions.fused_loss import takes_the_target
from dout.check.conventions.softmax import passes_a_sigmoid, takes_targets_from_dout
from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.judge import Judgement, judge
from dout.check.exact.subject import Subject
from dout.check.lab.input_variants import confirmed
from dout.check.lab.other_values import same
from dout.check.lab.plain_suspicion import BackwardError, is_moved, is_suspicious
from dout.check.lab.probe import CrashError
from dout.check.settings.declared_size import DeclaredSizes
from dout.check.settings.fitting_numbers import FittingNumbers
from dout.check.settings.other_inputs import OtherSubject, larger_inputs
from dout.check.settings.other_settings import in_training, other_subjects
from dout.clock import WorkBudget
from dout.errors import DoutError
from dout.graph import Shape
from dout.judge.judging_points import nearby
from dout.judge.outcomes import NoRuleError, Word
from dout.run import EndedError, arrays, attributes_of, otherwise, quiet, upstream
from dout.trace.program.stub_modules import NeedsError
from dout.trace.session.pairing import pairs

MOST_SECONDS = 1.5  # for all settings of a layer
_MOST_NUMBERS = 10_000  # of an input that is made as large as an output
MOST_SETTINGS = 120


class WrongElsewhere(NamedTuple):
    """A judgement with wrong gradients, and the subject at the setting that it is of."""

    judgement: Judgement
    subject: Subject

    @property
    def meant(self) -> bool:
        """Whether the layer is plainly meant for that setting."""
        return not self.judgement.not_meant


class RaisedElsewhere(NamedTuple):
    """What backward raised at a setting at which forward runs, the words for that setting, and the layer `there`.

    It `always` does so there if it is of no shape by chance: on larger inputs, and with parameters of the same shapes.
    It `is_meant` for that setting, unless it is right there where other numbers fit it.
    """

    error: Exception
    words: str
    always: bool
    there: Subject
    is_meant: bool


class Sweep(NamedTuple):
    """What came of the settings that were tried, and what the report says of those that there was no time for."""

    wrong: WrongElsewhere | None
    raised: RaisedElsewhere | None = None
    untried: tuple[str, ...] = ()


def settings_swept(subject: Subject, judgement: Judgement, target: Any, init: Mapping[str, Any]) -> Sweep:
    """Judge a layer that is right so far at other settings, until it is wrong at one.

    A penalty comes after all others; then a setting that the layer may not be meant for, as another number of axes.
    """
    budget = WorkBudget(MOST_SECONDS)
    penalised: WrongElsewhere | None = None
    doubtful: WrongElsewhere | None = None
    raised: RaisedElsewhere | None = None
    usual = on_usual_numbers(subject, judgement)
    subject = subject if usual is None else usual.subject
    numbers = FittingNumbers(Target(target), init)
    larger = _on_larger(subject)
    room = larger is not None and _takes(larger, judgement)
    first = [*([usual] if usual else []), *([larger] if larger is not None and not room else [])]
    for tried, other in enumerate(chain(first, other_subjects(subject, target, init, room))):
        if tried == MOST_SETTINGS or budget.is_over():
            untried = f"{other.words}, and at other settings that are not tried: there are too many"
            return Sweep(penalised or doubtful, raised, (untried,))
        other = _with_axes_it_makes(_of_two_classes(other) if other.of_a_word else other, subject)
        try:
            is_asked = not _may_fit_by_accident(subject, other) and _is_suspicious(other, judgement)
            found = _judged(other, subject, judgement) if is_asked else None
        except BackwardError as error:
            is_taken = not (other.of_inputs and _reads_no_more(other, subject))
            if is_taken and isinstance(error.__cause__, Exception) and not _is_refusal(other, error.__cause__):
                of_lengths = "to unpack" in str(error.__cause__)
                if of_lengths and any(isinstance(item, tuple) for item in other.changed.values()):
                    continue  # it takes tuples of one length
                of_axes = other.of_a_word and of_lengths  # a word for tables alone
                is_wrong = partial(_is_wrong, given=subject, judgement=judgement)
                fits = numbers.make_it_right(other, is_wrong)
                always = not (of_axes or fits) and _always_raises(other, subject, judgement)
                raised = raised or RaisedElsewhere(error.__cause__, other.words, always, other.subject, not fits)
            continue
        except (Exception, NeedsError):  # the layer's own: it does not take this, or needs for it what is not there
            continue
        if found is None or (found.refuted and (takes_the_target(other.subject) or _repeats_an_input(other, found))):
            continue
        if other.of_inputs and (_reads_no_more(other, subject) or _is_right_as_returned(other, found, judgement)):
            continue
        if _is_paired_there_alone(other, found, subject, judgement):
            continue
        found.covered.add(judgement.covered)
        if not found.refuted:
            penalised = penalised or WrongElsewhere(found, other.subject)
            continue
        is_wrong = partial(_is_wrong, given=subject, judgement=judgement)
        told = DeclaredSizes(subject, Target(target), init)
        if _is_of_the_inputs(other, found, subject, judgement) or told.explain(other, found, is_wrong):
            continue
        forgotten = _is_read_by_backward_alone(other, subject)
        if _is_meant(other, found) and (not forgotten or told.is_forgotten_step(other, found)):
            return Sweep(WrongElsewhere(_forgotten(other, found) if forgotten else found, other.subject), raised)
        knows_one = other.meant and other.of_inputs and not forgotten and _ranks(other.subject) == _ranks(subject)
        doubtful = doubtful or WrongElsewhere(replace(found, not_meant=True, of_one_size=knows_one), other.subject)
    return Sweep(penalised or doubtful, raised)


def _ranks(subject: Subject) -> list[int]:
    """How many axes each input has."""
    return [*map(np.ndim, subject.inputs)]


def _of_two_classes(other: OtherSubject) -> OtherSubject:
    """The same on two columns where each array has one, if it runs: a softmax of one number is 1, whatever that is."""
    arrays_given = [x for x in other.subject.inputs if isinstance(x, np.ndarray)]
    if not arrays_given or any(x.ndim < 2 or x.shape[-1] != 1 or x.dtype.kind != "f" for x in arrays_given):
        return other
    inputs = [np.append(x, 1 - x, axis=-1) if isinstance(x, np.ndarray) else x for x in other.subject.fresh_inputs()]
    wider = replace(other.subject, inputs=tuple(inputs))
    try:
        wider.run()
    except Exception:  # the layer's own: it does not take them
        return other
    return replace(other, subject=wider)


def _with_axes_it_makes(other: OtherSubject, given: Subject) -> OtherSubject:
    """The same on an input with as many axes as its output, where a setting makes that more: it is one for images."""
    return _of_images(other, given) or other


@otherwise(None)
def _of_images(other: OtherSubject, given: Subject) -> OtherSubject | None:
    (x,), (output,) = other.subject.inputs, other.subject.forward()
    is_longer = np.ndim(output) > np.ndim(x) == np.ndim(given.forward()[0]) and np.size(output) <= _MOST_NUMBERS
    if other.of_inputs or not is_longer or not is_moved(x):
        return None
    image = np.random.default_rng(0).normal(size=np.shape(output))
    there = replace(other.subject, inputs=(image,))
    return replace(other, subject=there) if np.ndim(there.forward()[0]) == np.ndim(image) else None


def _is_refusal(other: OtherSubject, error: Exception) -> bool:
    """Whether a layer is not meant for a setting at which backward raises, or says so itself."""
    not_meant = not other.meant or other.of_a_flag or other.of_nothing
    return not_meant or isinstance(error, NotImplementedError | AssertionError | EndedError)


def _always_raises(other: OtherSubject, given: Subject, judgement: Judgement) -> bool:
    """Whether backward raises at a setting that changes no parameter's shape, and does so on larger inputs, too."""
    shapes = [{path: x.shape for path, x in arrays(one.again()).items()} for one in (given, other.subject)]
    larger = larger_inputs(other.subject)
    if other.of_inputs or larger is None or shapes[0] != shapes[1]:
        return False
    try:
        _is_suspicious(replace(other, subject=replace(other.subject, inputs=larger)), judgement)
    except BackwardError as error:
        crash = CrashError(error.__cause__ or error)
        return crash.where is not None and not crash.refused  # else it is ours
    except Exception:  # the layer's own
        return False
    return False


@otherwise(None)
def on_usual_numbers(subject: Subject, judgement: Judgement) -> OtherSubject | None:
    """The layer on numbers near noughts and ones that have a gradient, and are no labels: of those w is sign(w)."""
    judged = {verdict.argument for verdict in judgement.verdicts} - judgement.parameters
    named = enumerate(zip(subject.names, subject.inputs, strict=False))
    moved = [(i, x) for i, (name, x) in named if name in judged and not names_label(name) and is_moved(x)]
    places = [i for i, x in moved if np.ndim(x) and x.size and np.isin(x, (0, 1)).all()]
    if not places:
        return None
    generator = np.random.default_rng(0)
    inputs = tuple(nearby(x, generator) if i in places else x for i, x in enumerate(subject.fresh_inputs()))
    found = replace(subject, inputs=inputs)
    usual = all(np.all(np.isfinite(output)) for output in found.run().outputs)
    return OtherSubject(f"on other numbers than 0 and 1 in {subject.names[places[0]]}", found) if usual else None


def _on_larger(subject: Subject) -> OtherSubject | None:
    """The layer as it is, on larger inputs."""
    inputs = larger_inputs(subject)
    if inputs is None:
        return None
    words = f"on larger inputs, {np.shape(inputs[0])}"
    return OtherSubject(words, replace(subject, inputs=inputs), of_inputs=True)


@otherwise(False)
def _takes(larger: OtherSubject, judgement: Judgement) -> bool:
    """Whether the layer takes larger inputs, and nothing is wrong on them: it may know the size of its own."""
    return not _is_suspicious(larger, judgement)


def _may_fit_by_accident(subject: Subject, other: OtherSubject) -> bool:
    """Whether an array of the layer has an axis of 1 there alone, so that it may fit its inputs by accident, or of 0.

    Nor is known whose a returned gradient is where the layer has another number of arrays, whose gradients have places.
    """
    mine, theirs = arrays(subject.runner.layer), arrays(other.subject.runner.layer)
    if subject.interface is not None and len(subject.interface.order) > len(subject.names) and len(mine) != len(theirs):
        return True
    pairs = [
        (x.shape, theirs[path].shape) for path, x in mine.items() if path in theirs and x.ndim == theirs[path].ndim
    ]
    return any(a != b < 2 for one, two in pairs for a, b in zip(one, two, strict=True))


def _is_meant(other: OtherSubject, found: Judgement) -> bool:
    """Whether the layer is plainly meant for a setting, or for inputs of these shapes.

    If the gradient of the only array, or of a loss, has a shape that is wrong, the layer may know one size, or one
    number of axes. A flag may stop the gradient.
    """
    alone = other.subject.ends or sum(isinstance(x, np.ndarray) for x in other.subject.inputs) == 1
    of_shape = all(outcome.index is None for outcome in found.refuted.values())
    stops = other.of_a_flag and not any(np.any(outcome.got) for outcome in found.refuted.values())
    # By one word of several it may leave its sigmoid to the loss, or take the target from its softmax's, on purpose.
    ends = (passes_a_sigmoid, takes_targets_from_dout)
    left = other.of_a_word and any(rule(other.subject, found.parameters) for rule in ends)
    return other.meant and not (stops or left) and not (other.of_inputs and alone and of_shape)


@otherwise(False)
def _reads_no_more(other: OtherSubject, given: Subject) -> bool:
    """Whether forward gives the same on longer inputs: it reads no more of them, `b[0, 0, 0, c]` for each filter."""
    return same(other.subject.forward(), given.forward())


@otherwise(False)
def _is_read_by_backward_alone(other: OtherSubject, given: Subject) -> bool:
    """Whether forward gives the same at a setting: it may have to agree with an input, as the size of a kernel."""
    as_given = replace(given, inputs=other.subject.inputs)
    return not (other.of_inputs or other.of_a_flag) and same(other.subject.forward(), as_given.forward())


def _is_paired_there_alone(other: OtherSubject, found: Judgement, given: Subject, judgement: Judgement) -> bool:
    """Whether all that is wrong is of parameters that have no gradient as given: at these sizes shapes are alike.

    A flag or a word may ask for gradients; so does every setting at which there is one by the parameter's name.
    """
    if other.of_a_flag or other.of_a_word:
        return False
    there = pairs(attributes_of(other.subject.again()), attributes_of(other.subject.run().layer))
    named = {pair.name for pair in there if pair.by == "name"}
    layer, judged = given.runner.layer, {verdict.argument for verdict in judgement.verdicts}
    held, wrong = {*arrays(layer), *attributes_of(layer)}, {o.judged for o in found.refuted.values()}
    return bool(wrong) and all(one.parameter and one.name in held - judged - named for one in wrong)


def _forgotten(other: OtherSubject, found: Judgement) -> Judgement:
    """What is wrong by a setting that forward forgets: no repair of backward is looked for."""
    said = f"forward gives the same whatever {' and '.join(other.changed)} is, and backward reads it"
    names = [outcome.judged.name for outcome in found.refuted.values()]
    return replace(found, as_given=None, remarks={**found.remarks, **dict.fromkeys(names, said)})


def _repeats_an_input(other: OtherSubject, found: Judgement) -> bool:
    """Whether an axis of 1 of an input is broadcast at a setting that needs it longer: a width without its inputs."""
    wrong = [] if other.of_inputs else [o for o in found.refuted.values() if o.index is None and not o.judged.parameter]
    pairs = [(outcome.judged.node.shape, np.shape(outcome.got)) for outcome in wrong]
    return any(len(x) == len(dx) and any(a == 1 != b for a, b in zip(x, dx, strict=True)) for x, dx in pairs)


@otherwise(False)
def _is_right_as_returned(other: OtherSubject, found: Judgement, judgement: Judgement) -> bool:
    """Whether inputs that keep an axis of 1, as their gradients have, make everything right: they are repeated."""
    wrong = {o.judged.name: np.shape(o.got) for o in found.refuted.values() if o.index is None}
    subject = other.subject
    inputs = {n: alike(x, wrong.get(n, np.shape(x)), n) for n, x in zip(subject.names, subject.inputs, strict=True)}
    kept = dict(zip(subject.names, map(np.shape, subject.inputs), strict=True))
    if len(wrong) < len(found.refuted) or not {*wrong} <= {*inputs}:
        return False
    if not all(_differ_in_ones_alone(kept[name], shape) for name, shape in wrong.items()):
        return False
    meant = replace(other, subject=replace(subject, inputs=tuple(inputs.values())))
    return _judged(meant, subject, judgement) is None


def _differ_in_ones_alone(shape: Shape, returned: Shape) -> bool:
    """Whether a gradient has 1 wherever its length is not that of its input."""
    return len(shape) == len(returned) and all(b == 1 for a, b in zip(shape, returned, strict=True) if a != b)


@otherwise(False)
def _is_of_the_inputs(other: OtherSubject, found: Judgement, given: Subject, judgement: Judgement) -> bool:
    """Whether a gradient has a wrong shape on inputs that came with a setting, and the setting has no part in it."""
    if other.of_inputs or [*map(np.shape, other.subject.inputs)] == [*map(np.shape, given.inputs)]:
        return False
    if any(outcome.index is not None for outcome in found.refuted.values()):
        return False
    there = _judged(replace(other, subject=replace(given, inputs=other.subject.inputs)), given, judgement)
    names = {outcome.judged.name for outcome in found.refuted.values()}
    return there is not None and names <= {outcome.judged.name for outcome in there.refuted.values()}


def _judged(other: OtherSubject, given: Subject, judgement: Judgement) -> Judgement | None:
    """The judgement at another setting where a gradient is wrong, or penalised by backward alone, else None."""
    with quiet():
        run = other.subject.run()
        may_ignore = judgement.ignores_dout or judgement.is_loss
        try:
            found = judge(other.subject.recorded(run.douts), ends=other.subject.ends).of_used()
            found = confirmed(found, other.subject, run)
        except (DoutError, NoRuleError):  # the layer itself runs there
            found = None
        if found is None or (found.ignores_dout and not may_ignore):
            found = judge_numerically(other.subject, run, may_ignore=may_ignore)
        found = _without_scale(by_convention(other.subject, found), judgement)
        if found.refuted and (training := in_training(other.subject)) is not None:
            found = by_convention(training, judge(training.recorded(run.douts), ends=training.ends))
    known = {name for name, kept in judgement.conventions.items() if kept.word == Word.PENALISED}
    penalised = any(kept.word == Word.PENALISED and name not in known for name, kept in found.conventions.items())
    if other.of_nothing:
        judged = {verdict.argument for verdict in judgement.verdicts}
        found = replace(found, refuted={n: o for n, o in found.refuted.items() if o.judged.name in judged})
    if not (found.refuted or penalised) or _is_beyond_a_limit(found, judgement):
        return None
    there = (replace(v, because=v.because or other.words) if v.word == Word.REFUTED else v for v in found.verdicts)
    return replace(found, verdicts=tuple(there), elsewhere=other.words, as_given=given)


def _is_wrong(other: OtherSubject, given: Subject, judgement: Judgement) -> bool:
    found = _judged(other, given, judgement) if _is_suspicious(other, judgement) else None
    return found is not None and bool(found.refuted)


def _without_scale(found: Judgement, given: Judgement) -> Judgement:
    """A constant factor is a convention at all settings or at none: a loss that sums divides by nothing.

    Refuted are those gradients up to a constant that are the derivative itself as given.
    """
    exact = {v.argument for v in given.verdicts if v.constant == "1" and given.likeness[v.argument].ratio == 1}
    scaled = {name: kept for name, kept in found.conventions.items() if kept.is_of_all and name in exact}
    if not scaled:
        return found
    verdicts = (
        replace(v, word=Word.REFUTED, because="", constant="") if v.argument in scaled else v for v in found.verdicts
    )
    return replace(
        found,
        verdicts=tuple(verdicts),
        refuted={**found.refuted, **{n: o for n, o in found.excused.items() if o.judged.name in scaled}},
        excused={n: o for n, o in found.excused.items() if o.judged.name not in scaled},
        conventions={name: kept for name, kept in found.conventions.items() if name not in scaled},
        remarks={**found.remarks, **{name: f"it is {kept.because}" for name, kept in scaled.items()}},
    )


def _is_beyond_a_limit(found: Judgement, judgement: Judgement) -> bool:
    """Whether a limit is passed there alone that is meant to be no derivative: a gradient is cut off."""
    if found.examination is None:
        return False
    conditions = found.examination.conditions
    excused = {conditions.place(node) for node in conditions.nodes if conditions.is_excused(node)}
    return any(place in excused for place, _ in judgement.covered.gains(conditions.seen_in_the_run()))


def _is_suspicious(other: OtherSubject, judgement: Judgement) -> bool:
    """Whether plain runs say that a gradient there may be wrong. Raises BackwardError where backward raises."""
    ones = (lambda outputs: tuple(np.ones(np.shape(o))[()] for o in outputs)) if judgement.ignores_dout else None
    return is_suspicious(other.subject, ones or upstream)
