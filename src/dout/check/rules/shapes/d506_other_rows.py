"""D506: the same rows give something else, or an error, in another number: one, fewer, more and none."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from dout.check.conventions.clipping import has_a_limit
from dout.check.exact.judge import judge
from dout.check.lab.batch_axis import fits, holds, resized, sized, takes_one_number_only
from dout.check.lab.conditional_exactness import only_here, refuted
from dout.check.lab.other_values import same
from dout.check.lab.plain_suspicion import is_suspicious
from dout.check.lab.probe import CrashError, Lab
from dout.check.repair import first_fix
from dout.check.repair.line_search import lines_that_run
from dout.check.report.fix import Fix
from dout.check.report.rule import Findings, Rule
from dout.check.report.verdicts import Finding
from dout.judge.judged_run import is_label
from dout.run import PlainRun, copied, is_float_array, otherwise

RULE = Rule("D506", "warning", "fails on another number of rows", compares=True)


def check(lab: Lab) -> Findings:
    """Yield a finding if a row is not, alone or among fewer or more, what it is among the given ones."""
    arrays = [i for i, x in enumerate(lab.subject.inputs) if isinstance(x, np.ndarray) and x.ndim]
    if not arrays or len(lab.subject.inputs[arrays[0]]) == 0:
        return
    length = len(lab.subject.inputs[arrays[0]])
    told = (x[0] for x in lab.subject.inputs if isinstance(x, tuple | list) and x)
    if any(type(size) is int and size == length for size in told):
        return  # `reshape(x, (3, 4))` is told how many rows there are
    if length == 1 and any(np.ndim(x) == 0 and np.asarray(x).dtype.kind in "iuf" for x in lab.subject.inputs):
        return  # the target of one sample, `mse(0, y)`: there is none for others
    together = [i for i in arrays if len(lab.subject.inputs[i]) == length]
    for group in dict.fromkeys((tuple(together), (arrays[0],))):
        found = _in_rows(lab, group, length)
        if found is not None:
            yield from found
            return


def _in_rows(lab: Lab, group: tuple[int, ...], length: int) -> Iterable[Finding] | None:
    """Return the findings on other numbers of rows in a group of inputs; None if these are no rows."""
    sizes = [n for n in dict.fromkeys((1, 2, length + 1, max(2 * length, 3), 4 * length + 5)) if n != length]
    ran = {n: sized(lab, group, length, n) for n in sizes}
    fine = {n: got for n, got in ran.items() if isinstance(got, PlainRun)}
    crashed = {n: got for n, got in ran.items() if isinstance(got, CrashError)}
    if any(got.refused for got in crashed.values()):
        return None
    unfit = next((n for n in (length + 1, 2 * length, 2) if n in ran and not fits(lab, ran[n], length, n)), None)
    if unfit is not None and _is_fixed(lab, group, length, unfit, ran):
        return [_only(lab, group, length, unfit, ran[unfit])]
    if len(fine) < 2 and not (len(fine) == 1 and length == 2):
        return None
    if any(n > 1 for n in crashed) or not any(n > 1 for n in fine):
        return None
    if 1 in crashed:
        if not all(_has_rows(got, n) for n, got in fine.items()):
            return None  # `image[i : i + rows]`: no smaller image has a place for the kernel
        message = f"with one row it raises {crashed[1]}: name the axis that squeeze or an index removes"
        return [RULE.about(lab.subject, message, crashed[1].where, cause="batch")]
    return _compared(lab, group, length, fine)


def _has_rows(got: PlainRun, size: int) -> bool:
    """Whether each row gives one of the output, or all together a number."""
    return all(np.shape(out)[:1] in ((), (size,)) for out in got.outputs)


def _is_fixed(lab: Lab, group: tuple[int, ...], length: int, unfit: int, ran: dict[int, PlainRun | CrashError]) -> bool:
    """Whether it is the layer that wants so many rows, and not what it was built with."""
    got = ran[unfit]
    others = [x for i, x in enumerate(lab.subject.inputs) if i not in group and isinstance(x, np.ndarray)]
    if any(length in np.shape(x) for x in others):
        return False  # `W.dot(a)`: it is the length of another input, too
    if any(holds(lab, length + len(x)) for x in others if x.ndim):
        return False  # `W @ np.vstack((h, x))`: it was built for both
    if len(group) > 1 and fits(lab, sized(lab, group[:1], length, unfit), length, unfit):
        return False  # a filter is as long by chance
    tables = [x for i in group if np.ndim(x := lab.subject.inputs[i]) > 1]
    if any(holds(lab, np.size(x)) for x in tables):
        return False  # `x.ravel() @ W`: it was built for so many numbers
    if isinstance(got, CrashError):
        if "unpack" in str(got):
            return False  # each row has a meaning
        fewer = [isinstance(ran[n], PlainRun) for n in ran if n < length]
        none = not any(isinstance(one, PlainRun) for one in ran.values())
        by_name = none and _is_batch(lab, group) and "shape" in str(got)  # of shapes that do not fit
        if unfit > length and not holds(lab, length) and (by_name or (fewer and all(fewer))):
            return True
    return takes_one_number_only(lab, group, length, unfit)


def _only(lab: Lab, group: tuple[int, ...], length: int, size: int, got: PlainRun | CrashError) -> Finding:
    """The finding on another number of rows; an error if forward takes it, and backward alone raises."""
    if isinstance(got, CrashError):
        for rows in (group, group[:1]):  # a filter is as long by chance
            alone = sized(lab, rows, length, size) if _goes_forward(lab, rows, length, size) else None
            if isinstance(alone, CrashError):
                raises = f"with {size} backward raises {alone}, and forward runs"
                there = replace(lab.subject, inputs=_of_rows(lab, rows, length, size))
                mended = lines_that_run(there, alone.error, lab.subject) if isinstance(alone.error, Exception) else None
                advice = mended.sentence if mended else "take the number from x.shape"
                message = f"works on {length} rows, {raises}: {advice}"
                details = {"fix": mended.fix, "because": mended.sentence} if mended else {}
                return RULE.about(lab.subject, message, alone.where, cause="batch", severity="error", **details)
        message = f"works on {length} rows, with {size} it raises {got}: take the number from x.shape"
        return RULE.about(lab.subject, message, got.where, cause="batch")
    shape = next(np.shape(out) for out in got.outputs if np.shape(out)[:1] != (size,))
    message = f"works on {length} rows, of {size} it makes an output of shape {shape}: take the number from x.shape"
    return RULE.about(lab.subject, message, cause="batch")


def _of_rows(lab: Lab, group: tuple[int, ...], length: int, size: int) -> tuple[Any, ...]:
    return tuple(resized(x, length, size) if i in group else x for i, x in enumerate(lab.inputs()))


@otherwise(False)
def _goes_forward(lab: Lab, group: tuple[int, ...], length: int, size: int) -> bool:
    """Whether forward gives for more rows as many, and the first are those that it gives for the given ones."""
    if size < length:
        return False
    inputs = _of_rows(lab, group, length, size)
    pairs = [*zip(lab.forward(lab.fresh(), inputs), lab.base.outputs, strict=True)]
    return all(np.shape(more)[:1] == (size,) and same(more[:length], given) for more, given in pairs)


def _compared(lab: Lab, group: tuple[int, ...], length: int, fine: dict[int, PlainRun]) -> Findings:
    """What is another number in another number of rows: beside the same rows among others, or beside the exact one."""
    for n, got in fine.items():
        i = next((i for i in group if _has_another_shape(got, i) and not _has_another_shape(lab.base, i)), None)
        if i is not None:
            shapes = f"has shape {np.shape(got.gradients[i])}, {lab.name(i)} has {got.inputs[i].shape}"
            message = f"with {n} row{'s' * (n > 1)} the gradient of {lab.name(i)} {shapes}: take it from x.shape"
            yield RULE.about(lab.subject, message, argument=lab.name(i), cause="batch")
            return
    for n in (length + 1, 1, max(fine)) if length == 2 else (1, length + 1, max(fine)):  # a factor 2 is seldom a number
        is_asked = n in fine and not has_a_limit(lab.subject, fine[n].gradients) and _may_be_wrong(lab, fine[n])
        wrong = only_here(lab, fine[n]) if is_asked else None
        if wrong is not None and _is_wrong_of_the_same(lab, group, length, n) and _means_a_column(lab, fine[n]):
            advice = (
                "where an index repeats, add with np.add.at"
                if _repeats(fine[n])
                else "take the number of rows from x.shape"
            )
            message = f"with {n} row{'s' * (n > 1)} {wrong.said()}; with {length} it is right: {advice}"
            any_more = n == length + 1 or _repeats(fine[n])  # some more: a layer may be built for no more than so many
            severity = "error" if any_more else RULE.severity
            fix = _fix(lab, fine[n])
            yield RULE.about(lab.subject, message, cause="batch", severity=severity, fix=fix, **wrong.details)
            return
    if any(_agrees(lab, group, got, min(n, length)) is not None for n, got in fine.items() if n > 1):
        return  # the rows depend on each other: there is nothing to compare with
    what = _agrees(lab, group, fine[1], 1) if 1 in fine else None
    if what is not None:
        message = f"with one row {what} is not what it is among {length} rows: an axis of length 1 is lost or averaged"
        yield RULE.about(lab.subject, message, cause="batch")
        return
    none = sized(lab, group, length, 0)
    if isinstance(none, CrashError):
        if not none.refused and isinstance(none.error, UnboundLocalError | IndexError | AttributeError | TypeError):
            message = f"with an empty batch it raises {none}; give the result a start value before the loop over rows"
            yield RULE.about(lab.subject, message, none.where, cause="batch")
    elif (wrong_shape := _agrees(lab, group, none, 0)) is not None:
        message = f"with an empty batch {wrong_shape} has the wrong shape: take it from x.shape"
        yield RULE.about(lab.subject, message, cause="batch")


def _fix(lab: Lab, run: PlainRun) -> Fix | None:
    """The repair of what is wrong in a run, with which the layer stays right as it is given."""
    subject = replace(lab.subject, inputs=tuple(map(copied, run.inputs)))
    with suppress(Exception):  # there is no rule, or the layer's own
        judgement = judge(subject.recorded(run.douts), ends=subject.ends)
        return first_fix(subject, judgement.examination, judgement.refuted, lab.subject)
    return None


@otherwise(True)
def _may_be_wrong(lab: Lab, run: PlainRun) -> bool:
    """Whether plain runs leave a doubt of the gradients in this run."""
    return is_suspicious(replace(lab.subject, inputs=tuple(map(copied, run.inputs))), lab.douts)


def _is_wrong_of_the_same(lab: Lab, group: tuple[int, ...], length: int, n: int) -> bool:
    """Whether a gradient is wrong on as many rows of the layer's own numbers: others may be beyond a limit."""
    rows = np.arange(n) % length
    inputs = tuple(x[rows] if i in group else x for i, x in enumerate(lab.inputs()))
    return refuted(lab, lab.fresh(), inputs, {}, lab.forward(lab.fresh(), tuple(map(copied, inputs)))) is not None


def _means_a_column(lab: Lab, run: PlainRun) -> bool:
    """Whether forward makes the same of labels in a column, `(n, 1)`, as of those in a line: `y[rows, t]` does not."""
    lines = tuple(x.ravel() if is_label(x) and np.shape(x)[1:] == (1,) else copied(x) for x in run.inputs)
    if all(np.shape(x) == np.shape(line) for x, line in zip(run.inputs, lines, strict=True)):
        return True
    try:
        return same(lab.forward(lab.fresh(), lines), run.outputs)
    except CrashError:
        return True


def _repeats(run: PlainRun) -> bool:
    """Whether an input has whole numbers of which one comes twice."""
    whole = [x for x in run.inputs if isinstance(x, np.ndarray) and x.dtype.kind in "iu"]
    return any(len(np.unique(x)) < x.size for x in whole)


def _has_another_shape(run: PlainRun, i: int) -> bool:
    """Whether an input has a gradient of another shape."""
    return i < len(run.gradients) and run.gradients[i] is not None and np.shape(run.gradients[i]) != run.inputs[i].shape


def _is_batch(lab: Lab, group: tuple[int, ...]) -> bool:
    """Whether a first axis is one of rows: there are others behind it, or labels beside it."""
    inputs = [lab.subject.inputs[i] for i in group]
    labels = any(x.dtype.kind in "iu" and x.ndim == 1 for x in inputs) and any(map(is_float_array, inputs))
    return labels or any(x.ndim > 1 for x in inputs)


def _agrees(lab: Lab, group: tuple[int, ...], got: PlainRun, size: int) -> str | None:
    """What differs from the first rows of the plain run: None where nothing does."""
    if len(got.outputs) != len(lab.base.outputs) or len(got.gradients) != len(lab.base.gradients):
        return "the number of results"
    for mine, theirs in zip(got.outputs, lab.base.outputs, strict=True):
        if isinstance(theirs, np.ndarray) and theirs.ndim:
            if not same(mine[:size] if np.ndim(mine) else mine, theirs[:size]):
                return "the output"
        elif size != 0:
            return "the output"  # one number of all rows
    for i, (mine, theirs) in enumerate(zip(got.gradients, lab.base.gradients, strict=True)):
        if i not in group or not isinstance(theirs, np.ndarray) or not theirs.ndim:
            continue
        if np.shape(mine) != np.shape(got.inputs[i]) or not same(mine[:size], theirs[:size]):
            return f"the gradient of {lab.name(i)}"
    return None
