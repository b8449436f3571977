"""D401: a number overflows on the way to a finite result."""

from __future__ import annotations

import inspect
import linecache

from dout.check.lab.probe import Lab
from dout.check.lab.shared_recording import recorded_of
from dout.check.report.rule import Findings, Rule
from dout.check.rules.numerics.stressed_runs import TroubleKind, worst_trouble
from dout.graph import CONSTANT, Node
from dout.ops import PRIMITIVES, primitives

RULE = Rule("D401", "warning", "overflow")


def check(lab: Lab) -> Findings:
    """Yield a finding for an overflow that was met, and a note for the root of a square, which has half the range."""
    root = _root_of_a_square(lab)
    if root is not None:
        message = "the root of a square overflows from 1e154 on, in float32 from 1e19: np.abs(x) does not"
        yield RULE.about(lab.subject, message, root.where, severity="note", cause="overflow")
    yield from worst_trouble(RULE, lab, TroubleKind.OVERFLOW)


def _root_of_a_square(lab: Lab) -> Node | None:
    """The first root of a square. The layer is recorded for it only if the source has a root at all."""
    if "sqrt" not in _source(lab):
        return None
    examination = recorded_of(lab).base
    nodes = examination.trace.graph.nodes if examination is not None else ()
    roots = primitives("sqrt math_sqrt")
    return next((node for node in nodes if node.primitive in roots and _is_square(node.inputs[0])), None)


def _source(lab: Lab) -> str:
    """The file that the layer is written in."""
    code = getattr(inspect.unwrap(type(lab.layer).forward), "__code__", None)
    return "".join(linecache.getlines(code.co_filename)) if code is not None else ""


def _is_square(node: Node) -> bool:
    row, inputs = node.primitive, node.inputs
    if row is PRIMITIVES["multiply"]:
        return inputs[0] is inputs[1]
    is_two = len(inputs) == 2 and inputs[1].primitive is CONSTANT and inputs[1].static["value"] == 2
    return row is PRIMITIVES["square"] or (row in primitives("power pow") and is_two)
