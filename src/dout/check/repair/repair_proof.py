"""What a repair has to prove before it is shown, with the repair written into the source.

Every gradient is right at every stand, and the exact check agrees. Forward's output stays as it was, to the bit; a
repair that changes it is a suspicion, unless a docstring or another function has the changed expression. A condition
that was met on one side only, and that the repair turns to the other, is named.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import Judgement, judge
from dout.check.exact.subject import Subject, axis_with, kept
from dout.check.repair.edits.expression_places import ScratchFunction
from dout.check.repair.edits.source_edit import Edit
from dout.check.repair.scratch_functions import Scratch, code_of, patched
from dout.check.repair.test_stand import Stand, near, shorter
from dout.clock import WorkBudget, count
from dout.judge.judged_run import is_label, is_one_hot
from dout.judge.outcomes import CLOSE, RIGHT, Word
from dout.run import arrays as held_arrays
from dout.run import attributes_of, flat, objects_in, one_or_all, otherwise, quiet, upstream
from dout.trace.capture.covered_sides import FALSE, TRUE, ConditionPlace, Covered
from dout.trace.capture.watched_conditions import watched
from dout.trace.model.replay import same_bits_deep
from dout.trace.record.record import record
from dout.trace.record.trace import Trace

_MOST_CUT = 3  # elements of an axis
_SECONDS = 0.4  # for second examples
_A_JUDGEMENT = 20  # times as long as a plain run takes
_PLACES = (ast.Subscript, ast.Slice, ast.keyword)
_OFF = 1e-6  # from 1, of a ratio
_ROUNDED = 1e-9  # of an output
_STABILISER = 1e-3  # what is smaller only keeps from dividing by 0
_MOST_NUMBERS = 6  # in a layer, that are changed
_LEAST_TELLING = 5  # characters of an expression that is not written twice by chance


@dataclass(frozen=True, eq=False)
class Repair:
    """An edit written into the source; `prepare` puts the patched function into a copy of the layer."""

    edit: Edit
    text: str  # of the patched file
    function: ScratchFunction  # as it is patched
    prepare: Callable[[Any], None]
    cost: float
    scaled: frozenset[str] = frozenset()  # the gradients that it makes right up to a constant, as by a convention

    @property
    def longer(self) -> int:
        """How much longer the source gets."""
        return len(self.text) - len(self.edit.place.function.source.text)


class Elsewhere(Enum):
    """What a repaired layer is on a second example."""

    HOLDS = "right"
    UNTRIED = "not known: the layer takes no second example, or a number in the code is a length in each of them"
    FAILS = "wrong: the repair fits by chance, or the example is none for this layer"
    CONSTANT = "wrong by a constant: a number that the repair brings in fits by chance"


@dataclass(frozen=True, eq=False)
class ProvenRepair:
    """A repair that the exact check passes, with its examination; `remarks` say what else it changes.

    `keeps_forward` says that forward returns the same bits as before. Where it does not, and nothing shows which of the
    two is meant, there is `another_forward`.
    """

    repair: Repair
    examination: Examination
    keeps_forward: bool
    another_forward: bool
    remarks: str
    turns: bool  # a condition that was met on one side only
    mends: frozenset[str]  # the gradients that are right with it
    elsewhere: Elsewhere = Elsewhere.HOLDS  # a second example on which it fails may be none for this layer


def written(
    edit: Edit, functions: Sequence[ScratchFunction], cost: float, scaled: frozenset[str] = frozenset()
) -> Repair | None:
    """The edit as a repair in the source; None where the patched source cannot be compiled."""
    text, function = edit.patched(), edit.place.function
    try:
        changed = patched(function, text)
        scratch = Scratch({f: code_of(changed if f.node is function.node else f) for f in functions})
    except SyntaxError:
        return None
    return Repair(edit, text, changed, lambda layer: scratch.install(objects_in(layer)), cost, scaled)


def proven(
    repair: Repair, stands: Sequence[Stand], functions: Sequence[ScratchFunction], others: frozenset[str]
) -> ProvenRepair | None:
    """The repair, if the exact check passes every gradient of the repaired layer but `others`, kinks aside."""
    judgement = judge(stands[0].recorded(repair.prepare), ends=stands[0].subject.ends)
    at_kinks = {outcome.judged.name for outcome in judgement.at_kinks.values()}
    negated = {name for name in repair.scaled if (judgement.likeness[name].ratio or 0) > 0}
    judged = [verdict for verdict in judgement.verdicts if verdict.argument not in others | at_kinks | negated]
    if judgement.examination is None:
        return None
    right = RIGHT if not judgement.examination.is_large else RIGHT | CLOSE  # that is judged in float64
    if any(verdict.word not in right for verdict in judged):
        return None
    keeps = all(same_bits_deep(stand.after_forward(repair.prepare).outputs, stand.outputs) for stand in stands)
    turned = [*turned_conditions(repair, stands, functions, judgement.examination)]
    kinks = ["; where values are equal the gradient is then still wrong"] if at_kinks else []
    another = not keeps and not is_written_elsewhere(repair.edit, functions)
    mends = frozenset(negated.union(verdict.argument for verdict in judgement.verdicts if verdict.word in right))
    chosen = ["; it is then right up to a constant that people choose"] if negated - stands[0].negated else []
    remarks = "".join([*turned, *kinks, *chosen])
    return ProvenRepair(repair, judgement.examination, keeps, another, remarks, bool(turned), mends)


def stays_right(repair: Repair, given: Subject) -> bool:
    """Whether a repair that was proven at another setting leaves the layer right as it is given, and its output.

    There forward and backward fit each other: no other forward is meant. Where values are equal its gradients may be as
    wrong as they were.
    """
    trace = _as_given(given, repair.prepare)
    outputs = [trace.data[node] for node in trace.calls[0].outputs]
    if not all(near(new, old, _ROUNDED) for new, old in zip(outputs, given.run().outputs, strict=True)):
        return False
    words = _words(given, trace)
    at_kinks = Word.BUT_AT_KINKS in words and Word.BUT_AT_KINKS not in _words(given, _as_given(given))
    return bool(words) and not at_kinks and not words & {Word.REFUTED, Word.INCONCLUSIVE}


def _as_given(given: Subject, prepare: Callable[[Any], None] = lambda layer: None) -> Trace:
    """The recording of a layer as it is given, prepared for it."""
    layer = given.again()
    prepare(layer)
    with quiet():
        given.runner.rewind()
        return record(layer, *given.fresh_inputs(), dout=one_or_all(given.run().douts))


def _words(given: Subject, trace: Trace) -> set[Word]:
    return {verdict.word for verdict in judge(trace, ends=given.ends).verdicts}


def elsewhere(
    repair: Repair,
    subject: Subject,
    mended: frozenset[str],
    others: frozenset[str],
    functions: Iterable[ScratchFunction],
) -> Elsewhere:
    """What the `mended` gradients are on a second example: with other lengths or numbers in the layer, or a run later.

    Where a length, or the stride, is 2, what is added to itself is multiplied by it. An example on which more than
    these and `others` are wrong is none for this layer: two columns for a network that takes one. A number that is a
    length in all of them tells nothing: `* 5` beside `x.shape[1]`.
    """
    is_safe = not any("as_strided" in f.function.__code__.co_names for f in functions)  # it reads beyond an array
    settings = _with_other_numbers(subject) if is_safe else ()
    lengths = (resized(subject, axis) for axis in (-1, -2, -3) for resized in (_with_shorter, _with_longer))
    here, budget = Elsewhere.UNTRIED, WorkBudget(_SECONDS)
    fixed, edit = _lengths(subject), repair.edit
    for subjects in chain(_after_a_run(subject), lengths, settings):
        if budget.is_over():
            break
        count(_A_JUDGEMENT * subject.seconds)
        labelled = (one for one in subjects if _keeps_labels(subject.inputs, one.inputs))
        judged = ((one, found) for one in labelled if (found := _judged_on(one, repair.prepare)) is not None)
        first = next(judged, None)
        if first is None:
            continue
        given, found = first
        wrong = frozenset(
            name
            for name in _refuted_in(found) - others
            if not (name in repair.scaled and (found.likeness[name].ratio or 0) > 0)
        )
        if not wrong <= mended and wrong - mended <= _refuted_in(_judged_on(given, lambda layer: None)):
            continue
        ratios = [found.likeness[name].ratio for name in wrong]
        if any(ratio is not None and abs(ratio - 1) > _OFF for ratio in ratios):
            return Elsewhere.CONSTANT
        fixed &= _lengths(given)
        here = Elsewhere.FAILS if wrong or here is Elsewhere.FAILS else Elsewhere.HOLDS
    brought = _numbers_in(edit.written) - _numbers_in(edit.old)
    brought |= _numbers_in(ast.unparse(edit.place.statement)) if edit.word == "factor" else set()
    return Elsewhere.UNTRIED if fixed & brought and here is Elsewhere.HOLDS else here


def _keeps_labels(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether what had one 1 along an axis still has it: of a sample without a class no gradient of a loss is right."""
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if isinstance(one, np.ndarray)]
    pairs += [(one.T, other.T) for one, other in pairs]
    return all(is_one_hot(other) for one, other in pairs if is_one_hot(one))


def _lengths(subject: Subject) -> set[int]:
    """The lengths of all axes of what a layer is given and holds."""
    items = [*flat(subject.inputs), *held_arrays(subject.again()).values()]
    return {n for x in items for n in np.shape(x)}


def _numbers_in(text: str) -> set[int]:
    """The whole numbers in code that are neither places, axes nor powers; 1 and 2 are hardly lengths."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a part of a statement
        return set()
    places = [n.slice if isinstance(n, ast.Subscript) else n for n in ast.walk(tree) if isinstance(n, _PLACES)]
    places += [n.right for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow)]
    apart = {id(part) for place in places for part in ast.walk(place)}
    constants = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in apart]
    return {n.value for n in constants if isinstance(n.value, int) and not isinstance(n.value, bool)} - {0, 1, 2}


def _with_shorter(subject: Subject, axis: int) -> Iterator[Subject]:
    """With some elements less along an axis: the layer may take multiples of a length alone."""
    shape = np.shape(subject.inputs[0]) if subject.inputs else ()
    length = shape[axis] if len(shape) >= -axis else 0
    for less in range(1, min(length, _MOST_CUT + 1)):
        yield replace(subject, inputs=shorter(subject.inputs, axis, length - less))


def _with_longer(subject: Subject, axis: int) -> Iterator[Subject]:
    """With one element more along an axis: of a length of 2 each index is its own negative. Else with twice as many.

    Of 4 channels of which a layer makes one, for example, an order of axes tells little.
    """
    first = next((x for x in subject.inputs[:1] if isinstance(x, np.ndarray)), np.zeros(()))
    length = first.shape[axis] if first.ndim >= -axis else 0

    def longer(item: Any, extra: int) -> Any:
        at = axis_with(item, first.shape, axis)
        if at is None:
            return item
        more = np.take(item, range(extra), axis=at)
        if not is_label(item):
            more = 0.7 * more + 0.1
        elif np.all(item.sum(axis=at) == 1):  # of classes: nobody is in the new one
            more = 0 * more
        return np.concatenate([item, more], axis=at)

    for extra in (1, length) if length else ():
        yield replace(subject, inputs=tuple(longer(item, extra) for item in subject.inputs))


@kept
@otherwise(())
def _after_a_run(subject: Subject) -> tuple[tuple[Subject], ...]:
    """The layer when forward has run before, where a number that it holds goes on with each run: a counter."""
    later = [replace(subject, make=partial(_run_before, subject, runs)) for runs in (1, 2)]
    one, two = ({n: x for n, x in attributes_of(s.again()).items() if type(x) in (int, float)} for s in later)
    return ((later[0],),) if one != two else ()


def _run_before(subject: Subject, runs: int) -> Any:
    layer = subject.again()
    for _ in range(runs):
        layer.forward(*subject.fresh_inputs())
    return layer


def _with_other_numbers(subject: Subject) -> Iterator[tuple[Subject]]:
    """With another number in the place of each that the layer holds, if forward then gives something else.

    And of each whole number that forward is given.
    """
    numbers = ((name, x) for name, x in attributes_of(subject.again()).items() if type(x) in (int, float))
    held = {name: x for name, x in numbers if abs(x) > _STABILISER or not x}
    outputs = _outputs(subject)
    for name, value in list(held.items())[:_MOST_NUMBERS]:
        other = value + 1 if isinstance(value, int) else 0.6 * value + 0.05
        changed = replace(subject, make=partial(_changed, subject.make, name, other))
        now = _outputs(changed)
        if now is not None and not same_bits_deep(now, outputs):
            yield (changed,)
    for i, value in enumerate(subject.inputs):
        if type(value) is int:
            yield (replace(subject, inputs=(*subject.inputs[:i], value + 1, *subject.inputs[i + 1 :])),)


_outputs = otherwise(None)(Subject.forward)


def _changed(make: Callable[[], Any], name: str, value: Any) -> Any:
    layer = make()
    attributes_of(layer)[name] = value
    return layer


def _refuted_in(judgement: Judgement | None) -> frozenset[str]:
    """The gradients whose numbers are wrong, and not at a kink; of another shape are those of what was repeated."""
    if judgement is None:
        return frozenset()
    kinks = {outcome.judged.name for outcome in judgement.at_kinks.values()}
    same = (o for o in judgement.refuted.values() if np.shape(o.got) == o.judged.node.shape)
    return frozenset({outcome.judged.name for outcome in same} - kinks)


@otherwise(None)
def _judged_on(subject: Subject, prepare: Callable[[Any], None]) -> Judgement | None:
    first = subject.again()
    prepare(first)
    with quiet():
        outputs = list(flat(first.forward(*subject.fresh_inputs())))
        at_one = (d if np.ndim(d) else np.ones_like(d)[()] for d in upstream(outputs))  # a loss may ignore it
        return judged_repaired(subject, prepare, tuple(at_one))


def judged_repaired(subject: Subject, prepare: Callable[[Any], None], douts: tuple[Any, ...]) -> Judgement:
    """The judgement on a repaired layer, as on the layer itself: by differences where it cannot be recorded."""
    repaired = replace(subject, make=partial(_prepared, subject, prepare))
    try:
        return judge(repaired.recorded(douts), ends=subject.ends)
    except Exception:  # the recording, or the exact arithmetic: the layer itself runs, or it raises below
        return judge_numerically(repaired, repaired.run(douts=douts))


def _prepared(subject: Subject, prepare: Callable[[Any], None]) -> Any:
    layer = subject.again()
    prepare(layer)
    return layer


# --- forward's output -------------------------------------------------------------------------------------------------


def is_written_elsewhere(edit: Edit, functions: Sequence[ScratchFunction]) -> bool:
    """Whether a docstring, or other code of the layer, has the changed expression, or one that it is a part of."""
    if edit.run:
        return False
    source, node = edit.place.function.source, edit.place.node
    changed = [edit.written]
    changed += [
        source.with_parts(p, {node: f"({edit.written})"}) for p in edit.place.parents if isinstance(p, ast.expr)
    ]
    telling = (n for f in functions for n in ast.walk(f.node) if isinstance(n, ast.BinOp | ast.Call))
    code = {_bare(ast.unparse(n)) for n in telling}
    before = {_bare(ast.unparse(n)) for n in ast.walk(edit.place.statement) if isinstance(n, ast.expr)}
    owners = [f.owner for f in functions if f.owner is not None]
    described = "\n".join(_bare(item.__doc__ or "") for item in (*owners, *(f.function for f in functions)))
    for text in changed:
        try:
            bare = _bare(ast.unparse(ast.parse(f"({text}\n)", mode="eval")))
        except SyntaxError:
            continue
        telling_enough = len(bare) >= _LEAST_TELLING and not bare.isidentifier() and bare not in before
        if telling_enough and (bare in code or bare in described):
            return True
    return False


def _bare(text: str) -> str:
    return "".join(text.replace("self.", "").replace("np.", "").split())


# --- conditions -------------------------------------------------------------------------------------------------------


def turned_conditions(
    repair: Repair, stands: Sequence[Stand], functions: Sequence[ScratchFunction], after: Examination
) -> Iterator[str]:
    """Say which conditions of the layer came out one way only on examples of these lengths, and do not with a repair.

    Those in what it computes with, as in the class of a tensor, say nothing of it.
    """
    owners = {*type(stands[0].make()).__mro__, repair.edit.place.function.owner, None}
    own, before, now = [f for f in functions if f.owner in owners], Covered(), Covered()
    for stand in (stand for stand in stands if not stand.shortened):
        for covered, prepare in ((before, _as_it_is), (now, repair.prepare)):
            with watched() as seen:
                stand.after_forward(prepare).gradients()
            covered.add(seen)
    for covered, examination in ((before, stands[0].examination), (now, after)):
        if examination is not None:
            covered.add(examination.conditions.seen_in_the_run())
    found = {_start(place): sides.seen for place, sides in now.sides.items()}
    for place, sides in before.open.items():
        is_own = any(f.source.file == place.file and f.has_line(place.span[0]) for f in own)
        if is_own and sides.may == (TRUE, FALSE) and sides.seen and found.get(_start(place), set()) - sides.seen:
            yield f"; {place} {sides} on the examples, and with this repair it is not"


def _as_it_is(layer: Any) -> None:
    """Nothing is changed."""


def _start(place: ConditionPlace) -> tuple[Any, ...]:
    """Where a condition begins: a repair of the condition itself may end elsewhere."""
    return place.file, place.span[0], place.span[2], place.part
