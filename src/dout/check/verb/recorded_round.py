"""Layers with a loss that no code computes: judged on one recorded round, by what its backward begins with."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from dout.adapt.interface.script_layers import methods_of, pairs_of
from dout.adapt.target import Target
from dout.check.project.discover import line_of_class
from dout.check.report.report import Report
from dout.check.report.source_places import class_at
from dout.check.report.verdicts import WORDS, Verdict
from dout.check.rules.formula.d101_wrong_gradient import RULE as WRONG
from dout.errors import UnknownLossError
from dout.files import near
from dout.graph import Node, Where, computed_from, leading_to_all, uses_of
from dout.judge.implied_upstream import ImpliedUpstream, implied_upstream, times_derived
from dout.judge.outcomes import Word
from dout.run import differs_at, quiet
from dout.trace.model.recorded import LayerCall
from dout.trace.model.updates import Updates
from dout.trace.program import notebooks
from dout.trace.record.record import record
from dout.trace.record.script import run_script
from dout.trace.record.trace import Trace
from dout.trace.record.training_step import NAME as WHOLE_STEP


class _Row(NamedTuple):
    """A parameter that a class holds, or a part of it, and the verdict on its gradient; or an input of the class.

    `excuse` says why a gradient that does not follow may be no mistake, `because` why nothing is known of it. `where`
    is the place of the gradient, `given` and `follows` are its numbers: as they are, and as they follow.
    """

    name: str
    where: Where | None
    word: Word
    excuse: str = ""
    because: str = ""
    role: Literal["input", "parameter"] = "parameter"
    given: Any = None
    follows: Any = None

    @property
    def details(self) -> dict[str, Any]:
        """Of a finding: the first place where the gradient is another than the one that follows, and both numbers."""
        if np.shape(self.given) != np.shape(self.follows):
            return {"expected": np.shape(self.follows), "got": np.shape(self.given)}
        index = differs_at(*(np.round(one / np.max(np.abs(self.follows)), 6) for one in (self.given, self.follows)))
        return {"index": index, "expected": float(self.follows[index]), "got": float(self.given[index])}


_EXCUSE = "; it may have a rate, a mask, a limit or a penalty of its own"
_CLIMBS = "the update makes the loss larger"
_NOTHING_TOLD = "its numbers are 0, or one alone"
Key = tuple[str, str]  # the file of a class, without links, and its qualified name


class RecordedRound:
    """A round that `run` records, with the first gradient of its backward, and the classes it has parts of."""

    def __init__(self, run: Callable[[], Trace], route: str) -> None:
        self.rows: dict[Key, list[_Row]] = {}
        self.missing: dict[Key, dict[str, None]] = {}  # the parameters for which it has no gradient, by name
        self.begin: Where | None = None
        self.climbs: Where | None = None  # an update that makes the loss larger, where all do
        self.route = route
        with suppress(Exception), quiet():  # of the user's code, and of what cannot be recorded
            trace = run()
            gradients = {p.node: p.gradient for call in trace.calls for p in call.parameters}
            found = implied_upstream(trace.graph.nodes, trace.backward, trace.data, gradients)
            if found is not None:
                self.begin, self.climbs = found.gradient.where, _where_it_climbs(trace, found, gradients)
                follows = _following(trace, found)
                for key, row in _rows(trace, follows, dict(zip(gradients, _judged(found), strict=True))):
                    self.rows.setdefault(key, []).append(row)
                for key in _scaled_by_themselves(trace, found) | _contradicted(trace, follows):
                    self.rows.pop(key, None)
                for key, name in _without_gradient(trace):
                    self.missing.setdefault(key, {})[name] = None

    @classmethod
    def of_program(cls, path: str | Path) -> RecordedRound:
        """One round of the program in a file."""
        run = partial(run_script, path, methods_of=methods_of, pairs_of=pairs_of)
        return cls(lambda: run().trace(), "the numbers of its program")

    def report(self, name: str, file: str | None) -> Report:
        """What the round says of a class, one of `rows`, that is written in a file."""
        key = key_of(file, name)
        rows: dict[str, _Row] = {}
        for row in self.rows[key]:  # of several instances the worst
            known = rows.setdefault(row.name, row)
            rows[row.name] = max(known, row, key=lambda one: WORDS.index(one.word))
        verdicts = [
            Verdict(row.name, row.word, self.route, because=row.because, role=row.role) for row in rows.values()
        ]
        begin = f"{near(self.begin.file)}:{self.begin.line}" if self.begin else "the end of forward"
        findings = [
            WRONG.finding(
                f"the gradient of {row.name} does not follow from the one that backward begins with, at {begin}; "
                f"those of other parameters do{row.excuse}",
                row.where, layer=name, argument=row.name, **row.details,
                severity="error" if row.word == Word.REFUTED else "warning",
            )
            for row in rows.values() if row.word != Word.AGREES and not row.because
        ]  # fmt: skip
        if self.climbs is not None:
            right = Word.AGREES
            verdicts = [replace(v, word=Word.INCONCLUSIVE, because=_CLIMBS) if v.word == right else v for v in verdicts]
            told = f"{_CLIMBS}: each parameter is moved along its gradient, and the one that backward begins with, at"
            told = f"{told} {begin}, is that of a usual loss"
            findings.append(WRONG.finding(told, self.climbs, layer=name, severity="warning"))
        line = line_of_class(file, name) if file else None
        missing = tuple(name for name in self.missing.get(key, ()) if name not in rows)
        return Report(name, tuple(verdicts), tuple(findings), missing, file=file, line=line)


def of_unknown_loss(target: Any, error: UnknownLossError) -> Report | None:
    """What a round on chosen inputs says of a network whose loss is not known; None where it says nothing."""
    if error.round is None:
        return None
    make, inputs = error.round
    found = RecordedRound(lambda: record(make(), *inputs), "the gradient that backward begins with")
    what = Target(target)
    return found.report(what.name, what.file) if key_of(what.file, what.name) in found.rows else None


def key_of(file: str | None, name: str) -> Key:
    """What a class is found by; of a class in a cell the file is the notebook."""
    return os.path.realpath(re.sub(rf"({re.escape(notebooks.SUFFIX)}), cell \d+$", r"\1", file)) if file else "", name


def _judged(found: ImpliedUpstream) -> Iterator[_Row]:
    """What is said of each gradient, without names and places."""
    may_be = Word.REFUTED if found.is_sure else Word.INCONCLUSIVE
    for right, excused, is_open, given, derived in zip(
        found.right, found.excused, found.open, found.given, found.derived, strict=True
    ):
        row = _Row("", None, Word.AGREES if right else may_be, given=given, follows=found.factor * derived)
        if is_open and not right:
            row = row._replace(word=Word.INCONCLUSIVE, because=_NOTHING_TOLD)
        elif excused and not right:
            row = row._replace(word=Word.INCONCLUSIVE, excuse=_EXCUSE)
        yield row


def _where_it_climbs(trace: Trace, found: ImpliedUpstream, parameters: Iterable[Node]) -> Where | None:
    """The place of an update, where every element of every parameter goes along the gradient of a usual loss."""
    updates, ways, place = Updates(), set(), None
    for node in trace.graph.nodes:
        updates.met(node)
    for parameter, derived, right in zip(parameters, found.derived, found.right, strict=True):
        after = updates.first.get(parameter)
        if right and after is not None and after in trace.data:
            along = (trace.data[after] - trace.data[parameter]) * found.sign * derived
            ways.update(np.sign(along[along != 0]))
            place = after.where
    return place if ways == {1.0} else None


def _rows(trace: Trace, follows: Mapping[LayerCall, bool], judged: Mapping[Node, _Row]) -> Iterator[tuple[Key, _Row]]:
    """The parameters of each class that has calls in a run, and an input whose gradient follows.

    A whole training step is of the class that it stands in.
    """
    for call in trace.calls:
        times = Counter(parameter.name for parameter in call.parameters)
        for owner in call.outward():
            key = _class_of(owner)
            if key is None:
                continue
            for parameter in call.parameters:
                own = parameter.name or "parameter"
                own = own if times[parameter.name] == 1 else f"{own} {parameter.node.shape}"
                own = own if owner is call else f"{call.name}.{own}"
                yield key, judged[parameter.node]._replace(name=own, where=parameter.gradient.where)
        key = _class_of(call)
        if key is not None and follows.get(call, False):
            (gradient,) = call.gradients or (None,)
            where = gradient.where if gradient is not None else None
            yield key, _Row(trace.names.get(call.inputs[0]) or "input", where, Word.AGREES, role="input")


def _following(trace: Trace, found: ImpliedUpstream) -> dict[LayerCall, bool]:
    """Whether the gradient that a call's backward returns, if it returns one, follows for the call's input.

    Without calls at whose input nothing follows, and those that return one number, from which any would follow.
    """
    follows = dict[LayerCall, bool]()
    for call in trace.calls:
        gradient = call.gradients[0] if call.gradients and len(call.gradients) == 1 else None
        if gradient is not None and math.prod(gradient.shape) > 1 and call.inputs[0] in found.gradients:
            factor = times_derived(found, call.inputs[0], gradient, trace.data)
            follows[call] = factor is not None and math.isclose(factor, found.factor, rel_tol=1e-4)
    return follows


def _is_inside(trace: Trace, node: Node, call: LayerCall) -> bool:
    """Whether a node was computed in a call, or in one of its parts."""
    own = trace.call_of.get(node)
    return own is not None and own.inside(call)


def _contradicted(trace: Trace, follows: Mapping[LayerCall, bool]) -> set[Key]:
    """The classes that return another gradient for an input than the one that follows, in one call at least.

    Not of an input that others use as well: the gradients of its uses add up.
    """
    users = uses_of(node for node in trace.graph.nodes if node not in trace.backward)
    wrong = (call for call, does in follows.items() if not does)
    alone = (c for c in wrong if all(_is_inside(trace, user, c) for user, _ in users.get(c.inputs[0], ())))
    return {key for call in alone if (key := _class_of(call)) is not None}


def _without_gradient(trace: Trace) -> Iterator[tuple[Key, str]]:
    """The arrays that each class reads in its forward besides its inputs, and for which no gradient is known."""
    known = {parameter.node for call in trace.calls for parameter in call.parameters}
    given = [node for call in trace.calls for node in call.inputs]
    known |= {*given} | computed_from(trace.graph.nodes, given)
    for node in trace.graph.nodes:
        call = trace.call_of.get(node)
        key = _class_of(call) if call is not None and call.cls != WHOLE_STEP and node not in trace.backward else None
        for read in node.inputs if key is not None else ():
            name = trace.names.get(read)
            if key is not None and name and read not in known and read.shape and read.kind == "f":
                yield key, name


def _class_of(call: LayerCall) -> Key | None:
    """The class of a call; of a whole training step that in which its gradients are written, if it is one."""
    if call.cls != WHOLE_STEP:
        return key_of(*call.defined)
    places = {parameter.gradient.where for parameter in call.parameters}
    keys = {key_of(place.file, class_at(place.file, place.line)) for place in places if place is not None}
    key = keys.pop() if len(keys) == 1 else ("", "")
    return key if key[1] else None


def _scaled_by_themselves(trace: Trace, found: ImpliedUpstream) -> set[Key]:
    """The classes that are given an upstream gradient, and multiply the gradients that follow from it by a number.

    Such a number is a mistake, but for the share of one sample.
    """
    scaled = set()
    for call in trace.calls:
        gradients, key = [parameter.gradient for parameter in call.parameters], _class_of(call)
        if call.cls == WHOLE_STEP or not gradients or key is None or len(call.outputs) != 1:
            continue
        (out,) = call.outputs
        apart = {n for n in trace.backward if n not in trace.call_of}
        like = [n for n in leading_to_all(trace.graph.nodes, gradients) if n in apart and n.shape == out.shape]
        factors = (times_derived(found, out, given, trace.data) for given in reversed(like))
        given = next((factor for factor in factors if factor is not None), None)
        usual = (1.0, *(1.0 / n for n in out.shape if n))
        if given and not any(math.isclose(found.factor / given, one, rel_tol=1e-4) for one in usual):
            scaled.add(key)
    return scaled
