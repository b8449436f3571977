"""Is a gradient right under some other condition? It is judged at the values of that run alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dout.check.lab.probe import Lab, once
from dout.check.lab.shared_recording import examined
from dout.judge.gradient_judge import refuted_here
from dout.judge.judging_points import generic
from dout.judge.outcomes import NoRuleError, Word
from dout.run import PlainRun, copied

SMALL = 2.0**-30  # of a dout: no limit cuts what is so small


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
    lab: Lab, layer: Any, inputs: tuple[Any, ...], keywords: Mapping[str, Any], outputs: list[Any], small: bool = False
) -> RefutedNumber | None:
    """The first gradient that exact arithmetic refutes; None where it does not, or cannot say.

    `small`: for a dout that no limit cuts.
    """
    douts = lab.douts(outputs)
    douts = tuple(dout * SMALL for dout in douts) if small else douts
    found = examined(lab, layer, inputs, douts, keywords)
    if found is None or (any(e.kind == "specialised" for e in found.trace.events) and not found.is_steered):
        return None
    try:
        outcomes = refuted_here(found)
    except NoRuleError:
        return None
    for outcome in outcomes:
        if outcome.index is not None and not outcome.judged.is_unused:
            return RefutedNumber(_name(lab, outcome.judged.name), *outcome.at(outcome.index), outcome.index)
    return None


def _name(lab: Lab, name: str) -> str:
    """An input's own name; the recording numbers it where the layer keeps a value of the same name."""
    own, _, number = name.rpartition("_")
    return own if number.isdigit() and own in lab.names and name not in lab.names else name


def only_here(lab: Lab, run: PlainRun) -> RefutedNumber | None:
    """A gradient that is refuted on the inputs of this run, although none is on the layer's own.

    One that is right for a small `dout` is none: backward clips it.
    """
    if _is_wrong_as_given(lab):
        return None
    wrong = refuted(lab, lab.fresh(), tuple(map(copied, run.inputs)), {}, run.outputs)
    if wrong is None or refuted(lab, lab.fresh(), tuple(map(copied, run.inputs)), {}, run.outputs, small=True) is None:
        return None
    return wrong


@once
def _is_wrong_as_given(lab: Lab) -> bool:
    """Whether a gradient is refuted on the layer's own inputs, or near them: behind weights of 0 none is on them."""
    if refuted(lab, lab.fresh(), lab.inputs(), {}, lab.base.outputs) is not None:
        return True
    own = examined(lab, lab.fresh(), lab.inputs(), lab.base.douts)
    try:
        return own is not None and any(o.word == Word.REFUTED for o in own.outcomes(generic(own, 0))[0])
    except (NoRuleError, ValueError, IndexError):  # there a mask chooses another number of elements
        return False
