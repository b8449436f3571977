"""What backward should be, derived from forward, where no small edit makes it right: one line of it, or all of it."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakSet

import numpy as np

from dout.adapt.interface.adapted_layer import is_adapted, users_class
from dout.adapt.interface.interface import DOUT, Interface
from dout.check.exact.subject import Subject
from dout.check.repair.edit_test import EditTest
from dout.check.repair.edits.compared_terms import compared
from dout.check.repair.edits.expression_places import ExpressionPlace, ScratchFunction, places
from dout.check.repair.edits.seen_values import is_float
from dout.check.repair.edits.source_edit import Edit
from dout.check.repair.place_survey import PlaceSurvey
from dout.check.repair.repair_proof import Repair
from dout.check.repair.repair_search import SECONDS, RepairSearch
from dout.check.repair.scratch_functions import OF_TRIED_CODE, Scratch, tapped
from dout.check.repair.test_stand import near, values_of
from dout.check.report.fix import Fix
from dout.check.report.verdicts import DERIVED, Cause
from dout.clock import TimeIsOver, WorkBudget, within
from dout.files import text_of
from dout.graph import Node
from dout.judge.outcomes import Outcome

MOST_SECONDS = 6.0
_TOO_LONG: WeakSet[type] = WeakSet()
_COST = 4.0  # what a line costs that is written anew
_UNSAFE = "it writes the whole backward anew"
_SENTENCE = "no small repair is known, the backward below is derived from forward"


def with_derived_backward(
    subject: Subject, refuted: Mapping[Node, Outcome], causes: Mapping[Node, Cause]
) -> dict[Node, Cause]:
    """The causes, and for the first wrong gradient without a repair the whole derived backward as one.

    It was run and judged exactly when it was derived. Only a class in the plain interface is rewritten.
    """
    found = dict(causes)
    open_ = [node for node in refuted if node not in found or found[node].fix is None]
    fix = derived_fix(subject) if len(open_) == len(refuted) else None
    if fix is not None:
        first = found.get(open_[0])
        known = first or Cause(DERIVED, "")
        sentence = f"{known.sentence}; {_SENTENCE}" if known.sentence else _SENTENCE
        found[open_[0]] = replace(known, word=DERIVED, sentence=sentence, fix=fix, where=known.where or subject.place)
    return found


def derived_fix(subject: Subject) -> Fix | None:
    """The change of the class's file that gives it its derived backward; None if there is none.

    There is none either if that takes long; it is not tried for the same class again.
    """
    from dout.explain.loops.looped_class import derived
    from dout.explain.verb.in_place import replaced_source

    cls = type(subject.again())
    if subject.interface is not None and not is_adapted(cls):
        return None
    cls = users_class(cls)
    if not _is_called_alike(subject.interface) or "<" in cls.__qualname__ or cls in _TOO_LONG:
        return None
    file = inspect.getsourcefile(cls) or ""
    text = text_of(file)
    try:
        with within(MOST_SECONDS):
            if subject.interface is None:
                made = derived(subject.again(), None, dict(zip(subject.names, subject.fresh_inputs(), strict=False)))
            else:
                made = derived(cls)  # by its own names
    except TimeIsOver:
        _TOO_LONG.add(cls)
        return None
    numpy = _numpy_in(text)
    named = replace(made, source=re.sub(r"\bnp\.", f"{numpy}.", made.source)) if numpy else made
    after = replaced_source(text, cls.__qualname__, named)
    return Fix(file, text, after, _UNSAFE) if _names_read(after) <= {*_names_read(text), *dir(builtins)} else None


def _numpy_in(text: str) -> str:
    """What a file calls NumPy; empty if it imports it in another way."""
    aliases = (alias for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for alias in node.names)
    return next((alias.asname or alias.name for alias in aliases if alias.name == "numpy"), "")


def _names_read(text: str) -> set[str]:
    """The names that a file reads, but for those that it gives to something: NumPy may not be among them."""
    nodes = [*ast.walk(ast.parse(text))]
    names = [node for node in nodes if isinstance(node, ast.Name)]
    given = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    given |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return {node.id for node in names} - given


def _is_called_alike(interface: Interface | None) -> bool:
    """Whether a derived backward is called as the user's is: with the upstream gradients alone, by whatever name."""
    if interface is None:
        return True
    plain = Interface(interface.forward, interface.backward, interface.roles)
    return interface == plain and bool(interface.roles) and set(interface.roles) == {DOUT}


# --- one line ---------------------------------------------------------------------------------------------------------


def derived_lines(search: RepairSearch) -> list[Repair]:
    """Repairs that write what forward gives into one line of backward."""
    with suppress(*OF_TRIED_CODE):
        search.budget = WorkBudget(max(search.budget.left, 0) + 2 * SECONDS)
        numbered = places(search.behind)
        survey = PlaceSurvey(search.stands[0], search.wrong, search.others)
        seen, handicaps = survey.looked_at(search.behind, numbered, False, search.budget)
        alone = {function for function in search.behind if _is_alone(function, search.stands[0].subject)}
        values = {p: seen[p.i].value for p in numbered if p.i in handicaps and p.function in alone and _is_whole(p)}
        edits = _edits(search, numbered, {place: value for place, value in values.items() if is_float(value)})
        ordered = sorted(((edit.cost, edit) for edit in edits), key=lambda item: item[0])
        search.budget = WorkBudget(SECONDS)  # there are few of them
        return search.tried(search.behind, False, numbered, seen, ordered)
    return []


def _is_alone(function: ScratchFunction, subject: Subject) -> bool:
    """Whether a function is this layer's alone: another one that runs it, too, has another forward."""
    cls, interface = type(subject.again()), subject.interface
    cls = users_class(cls)
    if function.owner is None:
        return interface is not None and function.name == interface.backward
    return function.owner is cls and all(sub.__qualname__ == cls.__qualname__ for sub in cls.__subclasses__())


def _is_whole(place: ExpressionPlace) -> bool:
    """Whether an expression is all that is assigned or returned, or one of several."""
    above = next(p for p in place.parents if not isinstance(p, ast.Tuple))
    kinds = ast.Assign | ast.AugAssign | ast.Return
    return isinstance(above, kinds) and above.value in (place.node, *place.parents)


def _edits(
    search: RepairSearch, numbered: Sequence[ExpressionPlace], whole: Mapping[ExpressionPlace, Any]
) -> Iterator[Edit]:
    """For each line that mends all as soon as it has the gradient of some value of forward: that, as text."""
    from dout.explain.derive.line_text import LineScene, gradient_text
    from dout.explain.spelling.size_words import UnspelledError

    codes = {f: tapped(f, {p.node: p.i for p in numbered if p.function is f}) for f in search.behind}
    scratch = Scratch(codes)
    tests = [EditTest(stand, scratch, False, search.others) for stand in search.stands if stand.examination is not None]
    literals = {number for function in search.functions for number in function.numbers}
    axes = {axis for function in search.functions if function not in search.behind for axis in function.axes}
    dot = any(".dot(" in ast.unparse(function.node) for function in search.behind)
    for place, value in whole.items():
        with suppress(*OF_TRIED_CODE):  # it is evaluated more than once, say
            for node in _meant(place, value, tests[0], search.budget):
                scenes, first = list[LineScene](), tests[0].seen_at(place)
                for test in tests:
                    here = test.seen_at(place) if scenes else first
                    terms = {**dict(here.terms), **place.function.constants}
                    own, seeds, data = test.twin(node, tests[0]), test.examination.seeds, test.examination.trace.data
                    scenes.append(LineScene(own, seeds, data, terms, test.at_one, here.shapes))
                with suppress(UnspelledError):
                    yield _edit(place, *gradient_text(scenes, literals, axes, dot), first.names)


def _meant(place: ExpressionPlace, value: Any, test: EditTest, budget: WorkBudget) -> Iterator[Node]:
    """The values of forward whose gradient makes all right in this place."""
    examination, tried = test.examination, list[Any]()
    values = values_of(examination, examination.derived.values(), test.at_one)
    pairs = ((np.shape(right), np.shape(test.stand.got.get(name, 0))) for name, right in test.stand.expected.items())
    shapes = {np.shape(value), *(right for right, got in pairs if right != got)}
    for node, gradient in examination.derived.items():
        right = values[gradient]
        alike = np.shape(right) in shapes and node not in examination.trace.backward
        if not alike or budget.is_over() or any(near(right, one, 1e-12) for one in tried):
            continue
        tried.append(right)
        if test.gives_right(place, np.asarray(right, np.asarray(value).dtype)):
            yield node


def _edit(place: ExpressionPlace, lines: Sequence[str], text: str, names: Mapping[str, Any]) -> Edit:
    """The edit that gives a place a derived text, with lines in front of its statement."""
    cost = _COST + sum(map(len, (*lines, text))) / 1000
    if not lines:
        word = "formula"
        with suppress(*OF_TRIED_CODE):  # a part of it alone may raise
            word, text = compared(place, text, names)
        return Edit(place, cost, word, text)
    source, steps = place.function.source, [line.partition(" = ") for line in lines]
    statement = source.with_parts(place.statement, {place.node: text})
    run = ", ".join([*(f"({name} := {value})" for name, _, value in steps), text])
    return Edit(place, cost, "formula", source.between(place.statement).join([*lines, statement]), None, f"({run})[-1]")
