"""The codes of findings: one table that the checks, the command and docs/findings/ share.

D1xx formula, D2xx state and memory, D3xx dtype, D4xx numerics, D5xx shapes and layout, D6xx determinism; D0xx is what
kept a layer from being judged. An error is a wrong gradient or somebody else's data corrupted; a warning is wrong or
crashing under the conditions it states; a note is a convention.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dout.check.report.verdicts import Finding, Severity
from dout.graph import Where


class Code(NamedTuple):
    """What a code stands for."""

    severity: Severity
    title: str


CODES: dict[str, Code] = {
    "D001": Code("error", "forward or backward raises"),
    "D002": Code("note", "could not be judged"),
    "D003": Code("error", "the run was stopped: time, memory, or an exit"),
    "D004": Code("warning", "a name that NumPy has removed"),
    "D101": Code("error", "wrong gradient"),
    "D102": Code("warning", "wrong gradient at a kink or a tie"),
    "D103": Code("error", "backward ignores dout"),
    "D104": Code("note", "a loss that assumes dout is 1"),
    "D105": Code("note", "no gradient for an input or a parameter"),
    "D106": Code("note", "a constant factor: a convention"),
    "D107": Code("note", "backward passes dout on"),
    "D108": Code("warning", "the gradient of a parameter is computed and kept nowhere"),
    "D109": Code("note", "the local derivative: the caller multiplies by dout"),
    "D110": Code("note", "a loss gives the gradient of its activation as well"),
    "D111": Code("warning", "a softmax gives the diagonal of its derivative alone"),
    "D201": Code("error", "backward writes into dout"),
    "D202": Code("error", "an input is overwritten"),
    "D203": Code("note", "what is returned shares memory with dout or an input"),
    "D204": Code("warning", "two gradients share memory"),
    "D205": Code("note", "what is returned shares memory with what the layer keeps"),
    "D206": Code("warning", "a second backward gives another gradient"),
    "D207": Code("note", "gradients of parameters add up over calls"),
    "D208": Code("note", "used twice before backward, the first call's residuals are lost"),
    "D209": Code("error", "instances share state"),
    "D210": Code("warning", "backward changes parameters"),
    "D301": Code("warning", "float32 in, float64 out"),
    "D302": Code("warning", "a gradient's dtype is not its input's"),
    "D303": Code("warning", "whole numbers are cut off"),
    "D401": Code("warning", "overflow"),
    "D402": Code("warning", "digits are lost"),
    "D403": Code("warning", "not a number, or divided by zero"),
    "D501": Code("error", "a gradient's shape is not its input's"),
    "D502": Code("note", "more gradients than inputs"),
    "D503": Code("warning", "gradients of broadcast inputs are not summed"),
    "D504": Code("warning", "fails on plain Python numbers"),
    "D505": Code("warning", "fails on arrays without axes"),
    "D506": Code("warning", "fails on another number of rows"),
    "D507": Code("warning", "depends on the memory layout"),
    "D601": Code("warning", "not deterministic"),
    "D602": Code("warning", "backward draws random numbers anew"),
    "D603": Code("warning", "fails in evaluation mode"),
}


def finding(code: str, message: str, where: Where | None = None, **details: Any) -> Finding:
    """A finding of this code at a place, with the severity that the table gives it unless `details` say otherwise."""
    place = {"file": where.file, "line": where.line} if where else {}
    return Finding(code=code, message=message, **{"severity": CODES[code].severity, **place, **details})
