"""Layers with a loss that no code computes: judged on one recorded round, by what its backward begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from dout.adapt.interface.script_layers import methods_of, pairs_of
from dout.adapt.target import Target
from dout.check.project.discover import line_of_class
from dout.check.report.report import Report
from dout.check.report.source_places import class_at
from dout.check.report.verdicts import WORDS, Verdict
from dout.check.rules.formula.d101_wrong_gradient import RULE as WRONG
from dout.errors import TargetError, UnknownLossError
from dout.files import near
from dout.graph import Node, Where
from dout.judge.implied_upstream import implied_upstream
from dout.judge.outcomes import Word
from dout.run import quiet
from dout.trace.model.recorded import LayerCall, Parameter
from dout.trace.record.record import record
from dout.trace.record.script import run_script
from dout.trace.record.trace import Trace
from dout.trace.record.training_step import NAME as WHOLE_STEP


class _Row(NamedTuple):
    """A parameter that a class holds, or a part of it, and the verdict on its gradient.

    What is a multiple of the right gradient may have a rate of its own, and is no mistake then.
    """

    name: str
    parameter: Parameter
    word: Word


class RecordedRound:
    """A round that `run` records, with the first gradient of its backward, and the classes it has parts of."""

    def __init__(self, run: Callable[[], Trace], route: str) -> None:
        self.rows: dict[str, list[_Row]] = {}
        self.begin: Where | None = None
        self.route = route
        with suppress(Exception), quiet():  # of the user's code, and of what cannot be recorded
            trace = run()
            gradients = {p.node: p.gradient for call in trace.calls for p in call.parameters}
            descends = all(p.by == "update" for call in trace.calls for p in call.parameters)
            found = implied_upstream(trace.graph.nodes, trace.backward, trace.data, gradients, descends=descends)
            if found is not None:
                self.begin = found.gradient.where
                may_be = Word.REFUTED if found.is_sure else Word.INCONCLUSIVE
                wrong = [Word.INCONCLUSIVE if multiple else may_be for multiple in found.multiple]
                words = [Word.AGREES if right else word for right, word in zip(found.right, wrong, strict=True)]
                for name, row in _rows(trace, dict(zip(gradients, words, strict=True))):
                    self.rows.setdefault(name, []).append(row)

    @classmethod
    def of_program(cls, path: str | Path) -> RecordedRound:
        """One round of the program in a file."""
        run = partial(run_script, path, methods_of=methods_of, pairs_of=pairs_of)
        return cls(lambda: run().trace(), "the numbers of its program")

    def report(self, name: str, file: str | None) -> Report:
        """What the round says of a class, one of `rows`, that is written in a file."""
        rows: dict[str, _Row] = {}
        for row in self.rows[name]:  # of several instances the worst
            known = rows.setdefault(row.name, row)
            rows[row.name] = max(known, row, key=lambda one: WORDS.index(one.word))
        verdicts = [Verdict(row.name, row.word, self.route, role="parameter") for row in rows.values()]
        begin = f"{near(self.begin.file)}:{self.begin.line}" if self.begin else "the end of forward"
        findings = [
            WRONG.finding(
                f"the gradient of {row.name} does not follow from the one that backward begins with, at {begin}; "
                "those of other parameters do",
                row.parameter.gradient.where, layer=name, argument=row.name,
                severity="error" if row.word == Word.REFUTED else "warning",
            )
            for row in rows.values() if row.word != Word.AGREES
        ]  # fmt: skip
        line = line_of_class(file, name) if file else None
        return Report(name, tuple(verdicts), tuple(findings), file=file, line=line)


def of_unknown_loss(name: str, target: Any, error: TargetError) -> Report | None:
    """What a round on chosen inputs says of a network whose loss is not known; None where it says nothing."""
    if not isinstance(error, UnknownLossError) or error.round is None:
        return None
    make, inputs = error.round
    found = RecordedRound(lambda: record(make(), *inputs), "the gradient that backward begins with")
    what = Target(target)
    return found.report(what.name, what.file) if what.name in found.rows else None


def _rows(trace: Trace, words: Mapping[Node, Word]) -> Iterator[tuple[str, _Row]]:
    """The parameters of each class that has calls in a run; a whole training step is of the class that it stands in."""
    for call in trace.calls:
        times = Counter(parameter.name for parameter in call.parameters)
        for owner in call.outward():
            name = _class_of(owner)
            for parameter in call.parameters if name else ():
                own = parameter.name or "parameter"
                own = own if times[parameter.name] == 1 else f"{own} {parameter.node.shape}"
                own = own if owner is call else f"{call.name}.{own}"
                yield name, _Row(own, parameter, words[parameter.node])


def _class_of(call: LayerCall) -> str:
    """The class of a call; of a whole training step that in which its gradients are written, if it is one."""
    if call.cls != WHOLE_STEP:
        return call.cls
    places = {parameter.gradient.where for parameter in call.parameters}
    names = {class_at(place.file, place.line) for place in places if place is not None}
    return names.pop() if len(names) == 1 else ""
