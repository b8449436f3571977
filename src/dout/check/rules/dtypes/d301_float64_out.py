"""D301: with float32 inputs and parameters, the output or a gradient is float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.check.lab.probe import Lab
from dout.check.repair.line_repairs import creates_float64
from dout.check.report.rule import Findings, Rule
from dout.check.rules.dtypes.float32_run import float32_run, is_float64

RULE = Rule("D301", "warning", "float32 in, float64 out")


def check(lab: Lab) -> Findings:
    """Yield a finding for arrays of float64; a note for a single float64 number, which widens what it meets."""
    run = float32_run(lab)
    if run is None:
        return
    wide = [what for what, item in lab.results(run) if is_float64(item)]
    dtypes: dict[str, Any] = {"cause": "dtype", "expected": "float32", "got": "float64"}
    if wide:
        where = creates_float64(lab.layer)
        because = "an array is made here without a dtype: say dtype=x.dtype" if where else ""
        are = "is" if len(wide) == 1 else "are"
        message = f"with float32 inputs and parameters, {', '.join(dict.fromkeys(wide))} {are} float64"
        message += "; np.zeros and the like need dtype=x.dtype, and np.float64 numbers widen what they touch"
        yield RULE.about(lab.subject, message, where, because=because, **dtypes)
    elif any(isinstance(out, np.float64) for out in run.outputs):
        message = "with float32 inputs and parameters, the output is a float64 number, and widens what it touches"
        yield RULE.about(lab.subject, message, severity="note", **dtypes)
