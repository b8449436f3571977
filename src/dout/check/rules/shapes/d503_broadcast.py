"""D503: an operand was repeated by broadcasting, and its gradient is not summed back to its shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.check.exact.judge import Judgement, judge
from dout.check.exact.subject import Subject
from dout.check.lab.probe import CrashError, Lab
from dout.check.repair.line_repairs import returning
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.wrong_gradients import is_summed_later
from dout.check.rules.shapes.elementwise_layer import is_elementwise
from dout.judge.judged_run import is_label
from dout.run import is_float_array, otherwise

_SUM = "sum it over the axes along which {} was repeated"
_BECAUSE = "each repetition is a use, and the gradients of uses add up"

RULE = Rule("D503", "warning", "gradients of broadcast inputs are not summed")


def check(lab: Lab) -> Findings:
    """Yield one finding for all inputs of an elementwise layer whose gradient keeps the shape of the output."""
    if len(lab.subject.inputs) < 2 or not is_elementwise(lab) or lab.subject.inputs[0].ndim < 2:
        return
    wrong: dict[str, tuple[Any, Any]] = {}
    for i in reversed(range(len(lab.subject.inputs))):
        for smaller in (np.index_exp[0], np.index_exp[..., :1]):
            inputs = tuple(x[smaller].copy() if k == i else x for k, x in enumerate(lab.inputs()))
            got = lab.trial(inputs)
            if isinstance(got, CrashError) or np.shape(got.outputs[0]) != np.shape(lab.base.outputs[0]):
                continue
            gradient = got.gradients[i] if i < len(got.gradients) else None
            if gradient is not None and np.shape(gradient) != inputs[i].shape:
                wrong.setdefault(lab.name(i), (inputs[i].shape, np.shape(gradient)))
    if not wrong:
        return
    name, *others = wrong
    expected, got_shape = wrong[name]
    message = (
        f"with {name} of shape {expected}, repeated by broadcasting to {lab.base.inputs[0].shape}, "
        f"the gradient of {name} has shape {got_shape}: "
        f"{_SUM.format(name)}"
        f"{'; so with ' + ', '.join(others) if others else ''}"
    )
    yield RULE.about(
        lab.subject, message, returning(type(lab.layer).backward), argument=name, expected=expected, got=got_shape,
        cause="broadcast", because=_BECAUSE,
    )  # fmt: skip


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for each parameter that is right for one sample, and repeated where forward takes a batch."""
    if judgement.refuted or is_summed_later(subject) or (found := _in_a_batch(subject, judgement)) is None:
        return
    batch, there = found
    for outcome in there.refuted.values():
        own, got = outcome.judged.node.shape, np.shape(outcome.got)
        if outcome.judged.parameter:
            name, shapes = outcome.judged.name, ", ".join(str(np.shape(x)) for x in batch.inputs)
            numbers = f"has shape {got}, {name} has {own}" if got != own else "is not the sum over both samples"
            message = f"on two samples, of shape {shapes}, the gradient of {name} {numbers}: {_SUM.format(name)}"
            yield RULE.about(
                subject, message, argument=name, expected=own, got=got, cause="broadcast", because=_BECAUSE,
            )  # fmt: skip


@otherwise(None)
def _in_a_batch(subject: Subject, judgement: Judgement) -> tuple[Subject, Judgement] | None:
    """Two samples for the one that a layer was judged on, if forward makes of each what it makes of it alone."""
    numbers = all(is_float_array(x) and x.ndim and not is_label(x) for x in subject.inputs)
    if judgement.examination is None or not numbers:
        return None
    most = max(x.ndim for x in subject.inputs)
    own = [one for one in judgement.examination.judged if one.parameter]
    if any(one.only_axes_of_one for one in own) or not any(len(one.node.shape) >= most for one in own):
        return None  # it is told already, or the inputs have the axis of a batch
    join: Callable[[Sequence[Any]], Any] = np.stack
    if _has_rows(subject):
        if any(len(x) > 1 for x in subject.inputs):
            return None
        join = np.concatenate
    batch = replace(subject, inputs=tuple(join([x, x * 1.5]) for x in subject.fresh_inputs()))
    run, alone = batch.run(), subject.run()
    each = [alone.outputs, subject.run(tuple(x * 1.5 for x in subject.fresh_inputs())).outputs]
    pairs = [(out, join([a, b])) for out, a, b in zip(run.outputs, *each, strict=True)]
    if not all(np.shape(out) == both.shape and np.allclose(out, both) for out, both in pairs):
        return None
    return batch, judge(batch.recorded(run.douts), ends=subject.ends)


@otherwise(False)
def _has_rows(subject: Subject) -> bool:
    """Whether forward makes of the first row what it makes of it among all: the first axis is that of a batch."""
    firsts = subject.run(tuple(x[:1].copy() for x in subject.fresh_inputs())).outputs
    pairs = zip(firsts, subject.run().outputs, strict=True)
    return all(np.shape(first) == np.shape(out[:1]) and np.allclose(first, out[:1]) for first, out in pairs)
