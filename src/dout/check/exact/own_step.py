"""A backward that changes its parameters before it is done with them: its own step makes other gradients wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from dout.adapt.interface.interface import Interface
from dout.adapt.interface.users_backward import step_at
from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.check.report.verdicts import Cause
from dout.graph import Node, topological
from dout.judge.outcomes import CLOSE, Outcome

_SMALL = 2.0**-36  # a learning rate at which a step changes next to nothing


def of_own_step(subject: Subject, examination: Examination, refuted: Mapping[Node, Outcome]) -> dict[Node, Cause]:
    """The cause of those wrong gradients that are right where backward's own step is next to nothing."""
    interface = subject.interface
    if interface is None or not interface.steps:
        return {}
    still = replace(subject, make=partial(_stepping_little, subject.make, interface))
    found = judge_numerically(still, still.run())
    if not found.parameters:  # no step changes anything
        return {}
    right = {verdict.argument for verdict in found.verdicts if verdict.word in CLOSE}
    wrong = {node: outcome for node, outcome in refuted.items() if outcome.judged.name in right}
    derived = topological([o.judged.derived for o in wrong.values() if o.judged.derived is not None])
    needed = {judged.name for judged in examination.judged if judged.node in {*derived}}
    changed = ", ".join(sorted(needed & {*found.parameters} or found.parameters))
    sentence = (
        f"backward has made its step by then, and computes with {changed} as changed: compute all gradients first"
    )
    return {node: Cause("order", sentence) for node in wrong}


def _stepping_little(make: Callable[[], Any], interface: Interface) -> Any:
    layer = make()
    step_at(layer, interface, _SMALL)
    return layer
