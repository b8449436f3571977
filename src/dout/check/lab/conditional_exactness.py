"""Is a gradient right under some other condition? Differences of plain runs suspect, the exact route decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dout.check.exact.judge import judge
from dout.check.exact.subject import PlainRun, copied, one_or_all
from dout.check.lab.other_values import is_float_array
from dout.check.lab.probe import CrashError, Lab, users_code
from dout.errors import DoutError
from dout.judge.ball_values import NoRuleError
from dout.trace.record.record import record

_STEP = 1e-6  # of central differences, relative to the size of the inputs
_SUSPECT = 1e-4  # what they find is only a suspicion


class RefutedNumber(NamedTuple):
    """A gradient that exact arithmetic refutes: whose, the right and the wrong number, and their place."""

    name: str
    expected: float
    got: float
    place: tuple[int, ...]

    def said(self, digits: int = 6) -> str:
        """The numbers in words."""
        at = f" at {list(self.place)}" if self.place else ""
        return f"the gradient of {self.name} is {self.got:.{digits}g}{at}, right: {self.expected:.{digits}g}"

    @property
    def details(self) -> dict[str, Any]:
        """What a finding tells of it."""
        return {"argument": self.name, "index": self.place, "expected": self.expected, "got": self.got}


def refuted(
    lab: Lab, layer: Any, inputs: tuple[Any, ...], keywords: Mapping[str, Any], outputs: list[Any]
) -> RefutedNumber | None:
    """The first gradient that exact arithmetic refutes; None where it does not, or cannot say."""
    douts = lab.douts(outputs)
    lab.rewind()
    try:
        with users_code():
            trace = record(layer, *inputs, dout=one_or_all(douts), **keywords)
            if None in (trace.calls[0].douts or (None,)):
                return None  # where an upstream gradient came in is not known
            judgement = judge(trace)
    except (CrashError, DoutError, NoRuleError):
        return None
    for outcome in judgement.refuted.values():
        index = outcome.index
        if index is not None:
            return RefutedNumber(_name(lab, outcome.judged.name), *outcome.at(index), index)
    return None


def _name(lab: Lab, name: str) -> str:
    """An input's own name; the recording numbers it where the layer keeps a value of the same name."""
    own, _, number = name.rpartition("_")
    return own if number.isdigit() and own in lab.names and name not in lab.names else name


def only_here(lab: Lab, run: PlainRun) -> RefutedNumber | None:
    """A gradient that is refuted on the inputs of this run, although none is on the layer's own."""
    if not _suspicious(lab, run) or _suspicious(lab, lab.base):
        return None
    if refuted(lab, lab.fresh(), lab.inputs(), {}, lab.base.outputs) is not None:
        return None
    return refuted(lab, lab.fresh(), tuple(map(copied, run.inputs)), {}, run.outputs)


def _suspicious(lab: Lab, run: PlainRun) -> bool:
    """Whether a central difference along one direction is not what the gradients say."""
    generator = np.random.default_rng(5)
    inside = [
        i
        for i, (x, g) in enumerate(zip(run.inputs, run.gradients, strict=False))
        if is_float_array(x) and np.shape(g) == x.shape and is_float_array(g)
    ]
    if not inside or not all(np.asarray(out).dtype.kind == "f" for out in run.outputs):
        return False
    steps = {i: generator.normal(size=run.inputs[i].shape) for i in inside}
    size = max(np.abs(np.asarray(run.inputs[i])).max(initial=0) for i in inside) * _STEP
    sides = []
    for sign in (1.0, -1.0):
        moved = tuple(x + sign * size * steps[i] if i in steps else copied(x) for i, x in enumerate(run.inputs))
        sides.append(lab.forward(lab.fresh(), moved))
    pairs = zip(run.douts, *sides, strict=True)
    measured = sum(float(np.sum(dout * (plus - minus))) for dout, plus, minus in pairs) / (2 * size or 1.0)
    products = np.concatenate([(run.gradients[i] * steps[i]).ravel() for i in inside])
    return bool(abs(measured - products.sum()) > _SUSPECT * np.abs(products).sum())
