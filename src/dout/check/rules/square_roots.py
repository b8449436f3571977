"""A root of a square is an absolute value with half the range."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Iterator

from dout.check.lab.probe import Lab, examined
from dout.check.lab.shared_recording import recorded_of
from dout.check.report.verdicts import Finding
from dout.graph import CONSTANT, Node
from dout.ops import PRIMITIVES, primitives


@examined
def roots(lab: Lab) -> Iterator[Finding]:
    """D401: np.sqrt(x**2) overflows where np.abs(x) does not, and has no derivative at 0 to go on with."""
    if "sqrt" not in _source(lab):
        return
    examination = recorded_of(lab).base
    for node in examination.trace.graph.nodes if examination is not None else ():
        if node.primitive in primitives("sqrt math_sqrt") and _is_square(node.inputs[0]):
            message = "the root of a square overflows from 1e154 on, in float32 from 1e19: np.abs(x) does not"
            yield lab.finding("D401", message, node.where, severity="note", cause="overflow")
            return


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
