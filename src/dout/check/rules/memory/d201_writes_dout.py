"""D201: backward writes into dout.

Whoever computed dout may use it again. The finding shows such a use: in `y = layer(x) + x` the gradient of `y` goes to
both operands, and what backward writes into it spoils the second one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.check.lab.other_values import few
from dout.check.lab.probe import CrashError, Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.memory.written_arrays import Write, report_write, writes
from dout.run import copied, differs_at

RULE = Rule("D201", "error", "backward writes into dout", for_foreign=True)


def check(lab: Lab) -> Findings:
    """Yield a finding for each upstream gradient that backward changes."""
    for write in writes(lab):
        if write.kind == "dout":
            right, got, numbers = _in_a_sum(lab, write) or _element(write)
            because = "who computed dout may use it again: as the other gradient of an addition, or to print it"
            yield report_write(RULE, lab, write, numbers, because, expected=right, got=got, cause="overwrites dout")


def _element(write: Write) -> tuple[Any, Any, str]:
    return float(write.before[write.index]), float(write.after[write.index]), write.numbers


def _in_a_sum(lab: Lab, write: Write) -> tuple[Any, Any, str] | None:
    """The gradient of x in y = layer(x) + x: right, as it becomes, and in words. None if there is no such sum."""
    layer = lab.fresh()
    try:
        outputs = lab.forward(layer, tuple(map(copied, write.inputs)))
        if len(outputs) != 1:
            return None
        dout = np.ones_like(write.before)
        gradient = np.asarray(lab.backward(layer, (dout,))[0])
    except (CrashError, IndexError):
        return None
    if gradient.shape != dout.shape or gradient.dtype.kind != "f" or np.array_equal(dout, np.ones_like(dout)):
        return None
    right, got = gradient + 1, gradient + dout
    becomes, wanted = few(got), few(right)
    if becomes == wanted:  # they differ in a later element
        index = differs_at(got, right)
        becomes, wanted = f"{few(got[index])} at {list(index)}", few(right[index])
    numbers = f"in y = layer(x) + x, where x is used twice, the gradient of x becomes {becomes}, right: {wanted}"
    return right.tolist(), got.tolist(), numbers
