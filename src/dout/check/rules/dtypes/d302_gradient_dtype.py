"""D302: the gradient of a float32 input is float64, or that of a float64 input is float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.dtypes.float32_run import float32_run, is_float64
from dout.run import PlainRun, is_float_array

RULE = Rule("D302", "warning", "a gradient's dtype is not its input's")


def check(lab: Lab) -> Findings:
    """Yield a finding for the first gradient of another dtype. One that D301 reports is left out."""
    narrow = float32_run(lab)
    places = list(_of_another_dtype(lab.base, np.float64))
    if narrow is not None:
        others = _of_another_dtype(narrow, np.float32)
        places += [(i, got, expected) for i, got, expected in others if not is_float64(narrow.gradients[i])]
    for i, got, expected in places[:1]:
        message = f"the gradient of {lab.name(i)} is {got}, {lab.name(i)} is {expected}: return it as {expected}"
        yield RULE.about(lab.subject, message, argument=lab.name(i), cause="dtype", expected=expected, got=got)


def _of_another_dtype(run: PlainRun, wanted: type[np.floating]) -> Iterator[tuple[int, str, str]]:
    """The inputs of the wanted dtype whose gradient has another: place, the gradient's dtype, the input's."""
    for i, (x, gradient) in enumerate(zip(run.inputs, run.gradients, strict=False)):
        if is_float_array(x) and isinstance(gradient, np.ndarray) and gradient.dtype != x.dtype == np.dtype(wanted):
            yield i, str(gradient.dtype), str(x.dtype)
