"""D302: the gradient of a float32 input is float64, that of a float64 input is float32, or is rounded on the way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.dtypes.float32_run import float32_run, is_float64
from dout.graph import Node, topological
from dout.run import PlainRun, is_float_array

RULE = Rule("D302", "warning", "a gradient's dtype is not its input's")
_COARSE = np.dtype(np.float16)  # three digits


def check(lab: Lab) -> Findings:
    """Yield a finding for the first gradient of another dtype. One that D301 reports is left out.

    It is an error if the gradient is float16.
    """
    narrow = float32_run(lab)
    places = list(_of_another_dtype(lab.base, np.float64))
    if narrow is not None:
        others = _of_another_dtype(narrow, np.float32)
        places += [(i, got, expected) for i, got, expected in others if not is_float64(narrow.gradients[i])]
    for i, got, expected in places[:1]:
        message = f"the gradient of {lab.name(i)} is {got}, {lab.name(i)} is {expected}: return it as {expected}"
        yield RULE.about(
            lab.subject, message, argument=lab.name(i), cause="dtype", expected=expected, got=got,
            severity="error" if got == _COARSE else RULE.severity,
        )  # fmt: skip


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for the first gradient of the right dtype that backward rounds to a narrower one on the way.

    Not where forward rounds as well: then that is the layer's precision. It is an error if it rounds to float16.
    """
    examination = judgement.examination
    if examination is None or any(map(_is_rounding, topological(examination.call.outputs))):
        return
    for judged in examination.judged:
        rounding = next(filter(_is_rounding, topological([judged.gradient])), None)
        wide = np.dtype(judged.node.dtype)
        narrow = wide if rounding is None else np.dtype(rounding.dtype)
        if rounding is not None and judged.gradient.dtype == wide and narrow.itemsize < wide.itemsize:
            message = f"the gradient of {judged.name} is rounded to {narrow} on the way: keep it {wide}"
            severity = "error" if narrow == _COARSE else RULE.severity
            yield RULE.about(subject, message, rounding.where, argument=judged.name, cause="dtype", severity=severity)
            return


def _is_rounding(node: Node) -> bool:
    """Whether a node gives floats of fewer digits than an array that it is given."""
    if node.kind != "f":
        return False
    given = [one for one in node.inputs if one.kind == "f" and one.shape]
    return any(np.dtype(one.dtype).itemsize > np.dtype(node.dtype).itemsize for one in given)


def _of_another_dtype(run: PlainRun, wanted: type[np.floating]) -> Iterator[tuple[int, str, str]]:
    """The inputs of the wanted dtype whose gradient has another: place, the gradient's dtype, the input's."""
    for i, (x, gradient) in enumerate(zip(run.inputs, run.gradients, strict=False)):
        if is_float_array(x) and isinstance(gradient, np.ndarray) and gradient.dtype != x.dtype == np.dtype(wanted):
            yield i, str(gradient.dtype), str(x.dtype)
