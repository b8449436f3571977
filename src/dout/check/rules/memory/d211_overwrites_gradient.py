"""D211: an operation on a tape assigns the gradient of an operand, to which another use may have added its own."""

from __future__ import annotations

import ast

import numpy as np

from dout.adapt.interface.learned_gradients import ON_TAPE
from dout.adapt.source.syntax import read, walk
from dout.adapt.tapes.tape_operations import is_operation
from dout.check.lab.other_values import same
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.graph import Where
from dout.run import attributes_of, copied

RULE = Rule("D211", "error", "an operation overwrites the gradient that another use has left")


def check(lab: Lab) -> Findings:
    """Yield one finding for the operands whose gradient is the same with one from another use before it."""
    if not is_operation(type(lab.layer)):
        return
    layer = lab.fresh()
    lab.forward(layer, lab.inputs())
    kept = attributes_of(layer)[ON_TAPE]
    others = [np.ones(np.shape(gradient)) for gradient in lab.base.gradients]
    nodes = [(node, other) for (node, _), other in zip(kept.nodes, others, strict=True)]
    attributes_of(layer)[ON_TAPE] = kept._replace(nodes=nodes)
    gradients = lab.backward(layer, tuple(map(copied, lab.base.douts)))
    pairs = zip(gradients, lab.base.gradients, strict=True)
    lost = [lab.name(i) for i, (now, alone) in enumerate(pairs) if np.any(alone) and same(now, alone)]
    if lost:
        names = " and ".join(lost)
        message = (
            f"{lab.subject.name} assigns the gradient of {names}, and what another use has left there is lost: "
            "write += instead of ="
        )
        yield RULE.about(lab.subject, message, _assignment(type(lab.layer).forward, kept.slot), argument=lost[0])


def _assignment(function: object, slot: str) -> Where | None:
    """Where an operation assigns to this attribute."""
    own = read(function)
    for node in walk(own.node) if own is not None else ():
        if isinstance(node, ast.Assign) and any(getattr(t, "attr", "") == slot for t in node.targets):
            code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
            return Where(code.co_filename, node.lineno) if code is not None else None
    return None
