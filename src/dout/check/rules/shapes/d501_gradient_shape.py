"""D501: a gradient has another shape than its input or parameter, or is at the place of another."""

from __future__ import annotations

import ast
import math
import re
import textwrap

import numpy as np

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.report.verdicts import OtherOrder
from dout.check.rules.formula.wrong_gradients import is_summed_later, other_methods, wrong_finding, wrong_gradients
from dout.graph import Shape
from dout.run import otherwise, places

RULE = Rule("D501", "error", "a gradient's shape is not its input's")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for each gradient of another shape.

    It is a warning if only axes of length 1 are too many or missing, and a step spreads no parameter over more numbers,
    or a method of the layer may reshape the gradient first; or if the gradients come in another order.
    """
    yield from _in_another_order(subject)
    for wrong in wrong_gradients(subject, judgement):
        if wrong.has_another_shape and not wrong.ignores_dout:
            item = wrong_finding(RULE, subject, wrong)
            shape, own = np.shape(wrong.outcome.got), wrong.outcome.judged.node.shape
            later = len(shape) > len(own) and shape[-len(own) :] == own and is_summed_later(subject)
            yield item.doubted("; another method sums what backward keeps") if later else item
    for judged in judgement.examination.judged if judgement.examination else ():
        if judged.only_axes_of_one:
            shapes = f"has shape {judged.gradient.shape}, {judged.name} has {judged.node.shape}"
            got, own = judged.gradient.shape, judged.node.shape
            is_error = judged.parameter and not _may_be_subtracted(got, own) and not _may_be_reshaped(subject, got)
            said = "subtracting it gives another shape" if is_error else "broadcasting may spread them"
            message = f"the gradient of {judged.name} {shapes}: the numbers fit, and {said}"
            severity = "error" if is_error else "warning"
            yield RULE.about(subject, message, severity=severity, argument=judged.name, got=got, expected=own)


def _may_be_subtracted(gradient: Shape, parameter: Shape) -> bool:
    """Whether a parameter has as many numbers after a step as before."""
    try:
        return math.prod(np.broadcast_shapes(gradient, parameter)) == math.prod(parameter)
    except ValueError:
        return False


@otherwise(False)
def _may_be_reshaped(subject: Subject, got: Shape) -> bool:
    """Whether a method of the layer's own reads the gradient that backward keeps, and does not subtract it as it is."""
    paths = [p.path for p in places(subject.run().layer) if isinstance(p.item, np.ndarray) and p.item.shape == got]
    holders = {found[0] for path in paths if (found := re.match(r"self\.\w+", path))}
    texts = [text for text in other_methods(subject) if any(re.search(rf"{one}\b", text) for one in holders)]
    operands = [
        operand
        for text in texts
        for node in ast.walk(ast.parse(textwrap.dedent(text)))
        for operand in ((node.left, node.right) if isinstance(node, ast.BinOp) else (getattr(node, "value", None),))
        if isinstance(node, ast.BinOp | ast.AugAssign) and operand is not None
    ]
    return bool(texts) and {*paths}.isdisjoint(map(ast.unparse, operands))


def _in_another_order(subject: Subject) -> Findings:
    """Their shapes told which gradient is whose: a caller that unpacks them gets those of another input.

    Not where they are of inputs behind others, `return db, dw` of `cost(X, y, w, b)`: nobody unpacks them as these.
    """
    order = subject.interface.order if subject.interface is not None else ()
    places = [subject.names.index(name) for name in order if name in subject.names]
    is_start = sorted(places) == [*range(len(order))]
    if subject.interface is None or places == sorted(places) or not is_start:
        return
    mine, theirs = ", ".join(order), ", ".join(subject.names)
    message = (
        f"{subject.interface.backward} returns the gradients of {mine} in this order, "
        f"{subject.interface.forward} takes {theirs}: "
        "a caller that unpacks them in that order gets the gradient of another input"
    )
    moved = tuple(taken for taken, given in zip(subject.names, order, strict=False) if taken != given)
    reason = OtherOrder(moved)
    yield RULE.about(subject, message, severity="warning", argument=moved[0], cause="swapped", reason=reason)
