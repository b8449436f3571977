"""The search for a repair: one edit of one expression after which every gradient is right at every point.

An expression is worth a try only where a small change of it moves every wrong gradient. What is tried runs in the
user's own functions, on the layer's own memory; what makes the gradients right is proven from the patched text.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.repair.edit_test import (
    EditTest,
    LineEffects,
    compiled,
    computing,
    constants,
    right_values,
    up_to_constants,
)
from dout.check.repair.edits.candidate_edits import candidates
from dout.check.repair.edits.computed_edits import echoes
from dout.check.repair.edits.expression_places import ExpressionPlace, ScratchFunction, functions_at, places
from dout.check.repair.edits.other_users import heirs_beside
from dout.check.repair.edits.seen_values import Seen
from dout.check.repair.edits.source_edit import Edit
from dout.check.repair.first_wrong import NamedGradient, print_of, prints_of_forward
from dout.check.repair.place_survey import IN_FORWARD, PlaceSurvey
from dout.check.repair.repair_proof import Repair, written
from dout.check.repair.scratch_functions import OF_TRIED_CODE, Scratch, switched
from dout.check.repair.test_stand import KIND_ALONE, Stand
from dout.check.repair.whole_gradients import is_scaled
from dout.clock import WorkBudget, count
from dout.graph import Node, Where
from dout.run import objects_in

SECONDS = 0.5  # for the search in backward, and as many for that in forward
LIKELY, FARTHEST = 1.4, 9.0  # what a repair costs that needs no rival, and what none does
NEAR_IN_FORWARD, FARTHEST_IN_FORWARD = 1.3, 2.1  # a change of what forward keeps: beside another repair, and alone
FARTHEST_MASK = 1.5
# A repair is the less likely by so much: if forward then returns other numbers, with a literal that is the value of a
# name in scope, if it is right up to a constant that people choose, and if backward then writes into dout.
OTHER_OUTPUT, BY_CHANCE, UP_TO_A_CONSTANT, OVERWRITING = 0.25, 0.3, 0.3, 1.0
FACTOR_UP_TO_A_CONSTANT = 1.0  # it is both what was wrong and what nobody asks for: another may be right without
OF_A_BASE = 0.05  # in a class that others may share
IN_WHAT_IS_KNOWN = 0.3  # inside of what is a value of forward as it stands
IS_RIGHT = 0.1  # and a sign at what forward computes, too, or at what is computed on one side of a condition alone
FIRST = 1.25  # what repairs cost that are tried before others are looked for
ENOUGH, ENOUGH_IN_FORWARD = 6, 4  # repairs that do: the likeliest of them is taken
AS_LIKELY = 0.25  # beyond the cost of the best so far a candidate is not tried
_AN_EDIT = 0.1e-3  # seconds to compile it


@dataclass(eq=False)
class RepairSearch:
    """Looks for repairs of one layer, with the time that it may take."""

    stands: Sequence[Stand]
    wrong: frozenset[str]
    others: frozenset[str]  # gradients that are wrong for another reason: they may stay so
    examination: Examination | None  # None where the layer cannot be recorded
    named: list[NamedGradient]
    budget: WorkBudget
    by_chance: set[tuple[tuple[int, int], str]] = field(default_factory=set)  # edits that are no repairs elsewhere
    hits: list[Repair] = field(default_factory=list)
    known: set[tuple[Any, ...]] | None = None  # what forward computes

    def __post_init__(self) -> None:
        objects, subject = objects_in(self.stands[0].make()), self.stands[0].subject
        nodes = (self.examination.trace.backward, self.examination.forward) if self.examination else ((), ())
        names = subject.forward_name, subject.backward_name
        behind = _functions({n.where for n in nodes[0] if n.where}, objects, *names[::-1])
        self.ahead = ahead = _functions({n.where for n in nodes[1] if n.where}, objects, *names)
        owners = (None, *type(objects[0]).__mro__)
        own = {f for f in (*ahead, *behind) if f.owner in owners}  # a part that is wrong is wrong by itself, too
        self.own = {f for f in own if not heirs_beside(f, type(objects[0]))}
        self.behind = sorted(behind, key=lambda f: f not in self.own)
        self.nearest = next((cls for cls in owners[1:] if any(f.owner is cls for f in behind)), None)
        self.functions = list(dict.fromkeys((*ahead, *self.behind)))
        self.is_scaled = any(is_scaled(name, self.stands) for name in self.wrong)  # then all is right up to a constant
        numbers = [constants(stand, self.wrong) for stand in self.stands]
        self.constants = numbers if self.examination and not self.is_scaled else [one[:1] for one in numbers]

    def repairs_of_backward(self) -> list[Repair]:
        """Repairs of the backward alone."""
        with suppress(*OF_TRIED_CODE):
            return self._found(self.behind, False, FARTHEST) if self.behind else []
        return []

    def repairs(self) -> list[Repair]:
        """Repairs of the backward; where there is none, of what the forward computes or keeps."""
        sides = [(self.behind, False), (self.functions, True)]
        if any(not np.any(self.stands[0].expected[name]) for name in self.wrong):
            sides = sides[1:]  # forward does not use it
        sides = sides[:1] if KIND_ALONE.get() else sides
        for functions, in_forward in sides:
            best = min((hit.cost for hit in self.hits), default=FARTHEST)
            if functions and best > LIKELY and not self.budget.is_over():
                with suppress(*OF_TRIED_CODE):  # the layer does not run by itself here
                    found = self._found(functions, in_forward, best)
                    self.hits = [repair for repair in found if repair.cost < best] or self.hits
        return self.hits

    def _found(self, functions: list[ScratchFunction], in_forward: bool, worst: float) -> list[Repair]:
        """Try edits from the likeliest on, as long as they cost less than `worst`."""
        numbered = places(functions)
        looking = WorkBudget(min(3 * SECONDS, self.budget.left / 2))
        survey = PlaceSurvey(self.stands[0], self.wrong, self.others, () if in_forward else self.ahead)
        seen, handicaps = survey.looked_at(functions, numbered, in_forward, looking)
        found = list[Repair]()
        for limit in (FIRST, worst):  # there are few of the likeliest, and thousands of others
            best = min((repair.cost for repair in found), default=FARTHEST)
            if best + AS_LIKELY > FIRST and not self.budget.is_over():
                ordered = self._ordered(numbered, seen, handicaps, in_forward, min(limit, worst, best + AS_LIKELY))
                found = self.tried(functions, in_forward, numbered, seen, ordered) or found
                if limit == worst and not (found or in_forward):
                    found = self._computed(functions, numbered, seen, ordered)
        return found

    def _computed(
        self,
        functions: list[ScratchFunction],
        numbered: list[ExpressionPlace],
        seen: Mapping[int, Seen],
        ordered: list[tuple[float, Edit]],
    ) -> list[Repair]:
        """The repairs among thousands of edits that there was no time to run: of those that compute what is right.

        Up to a constant, if that is a convention.
        """
        stand = self.stands[0]
        right, effects = right_values(stand, self.named), LineEffects(stand, self.wrong, constants(stand, self.wrong))
        budget = WorkBudget(min(2 * SECONDS, 0.75 * self.budget.left))  # to run what is found takes time, too
        return self.tried(functions, False, numbered, seen, [*computing(ordered, seen, right, effects, budget)])

    def tried(
        self,
        functions: list[ScratchFunction],
        in_forward: bool,
        numbered: list[ExpressionPlace],
        seen: Mapping[int, Seen],
        ordered: list[tuple[float, Edit]],
    ) -> list[Repair]:
        """The repairs among some edits, the likeliest first."""
        codes = {f: switched(f, numbered) for f in functions}
        tests = [EditTest(stand, Scratch(codes), in_forward, self.others) for stand in self.stands]
        found: dict[str, Repair] = {}
        for test in tests:
            test.gradients()
        budget = WorkBudget(min(max(SECONDS, 150 * self.stands[0].subject.seconds), 3 * SECONDS, self.budget.left))
        best, most = FARTHEST, ENOUGH_IN_FORWARD if in_forward else ENOUGH
        interface = self.stands[0].subject.interface
        is_one = interface is not None and interface.gives  # forward and backward are one function
        scaled = up_to_constants(self.stands[0], self.wrong)
        outputs = not (self.hits or is_one)  # beside a repair of backward none that changes what forward returns
        tried = set(self.by_chance)
        for cost, edit in ordered:
            if budget.is_over() or len(found) >= most or cost > best + AS_LIKELY:
                break
            if edit.key in tried:
                continue
            tried.add(edit.key)
            count(_AN_EDIT)
            code = compiled(edit.text)
            constant = self._constant_of(edit, code, tests, outputs) if code is not None else None
            if constant is None:
                continue
            more = OTHER_OUTPUT * tests[0].moves() + BY_CHANCE * edit.fits_by_chance(seen[edit.place.i])
            if constant:
                more += FACTOR_UP_TO_A_CONSTANT if edit.said == "factor" else UP_TO_A_CONSTANT
            more += OVERWRITING * tests[0].overwrote()
            repair = written(edit, self.functions, edit.cost + more, scaled if constant else self.stands[0].negated)
            if repair is not None:
                found.setdefault(repair.text, repair)
                best = min(best, cost + more)
        return list(found.values())

    def _constant_of(self, edit: Edit, code: CodeType, tests: Sequence[EditTest], outputs: bool) -> int | None:
        """The number of the constant up to which every gradient is right with an edit, the same at each stand.

        0 is that of no constant, None that it is right up to none. Of an edit that only scales that says nothing.
        """
        left = set(range(len(self.constants[0])))
        for test, numbers in zip(tests, self.constants, strict=True):
            left &= test.right(edit, code, outputs, numbers)
            if left - {0} and test.only_scales():
                left &= {0}
            if left and self.is_scaled and not test.leaves(self.others):
                return None  # the place where a length is missing is that gradient's own
            if not left:
                return None
        return min(left)

    def _ordered(
        self,
        numbered: list[ExpressionPlace],
        seen: Mapping[int, Seen],
        handicaps: Mapping[int, float],
        in_forward: bool,
        worst: float,
    ) -> list[tuple[float, Edit]]:
        """All candidates with what they cost at their place, the likeliest first."""
        limit = min(NEAR_IN_FORWARD if self.hits else FARTHEST_IN_FORWARD, worst - IN_FORWARD) if in_forward else worst
        focus = set() if in_forward else self._lines_to_the_first_wrong()
        elsewhere = echoes(self.functions)
        found: list[tuple[float, Edit]] = []
        place_of: dict[ast.AST, int] = {place.node: place.i for place in numbered if isinstance(place.node, ast.Call)}
        right = {i for i in place_of.values() if i in seen and self._is_of_forward(seen[i].value)}
        for i, handicap in handicaps.items():
            place = numbered[i]
            own = range(place.statement.lineno, (place.statement.end_lineno or 0) + 1)
            is_recorded = isinstance(seen[i].value, np.ndarray | float) or place.is_exponent  # others are no nodes
            is_recorded &= not place.is_another_name
            unlikely = is_recorded and bool(focus) and focus.isdisjoint(own)
            unlikely = unlikely or place.function not in self.own
            known = not in_forward and any(place_of[p] in right for p in place.parents if p in place_of)
            more = (
                handicap
                + 0.4 * unlikely
                + IN_WHAT_IS_KNOWN * known
                + OF_A_BASE * (place.function.owner not in (self.nearest, None))
            )
            is_right = IS_RIGHT * (self._is_of_forward(seen[i].value) or place.is_on_one_side)  # it needs no sign
            edits = (e for e in candidates(place, seen[i], elsewhere, limit) if e.cost <= limit)
            likely = (e for e in edits if not in_forward or _is_likely_ahead(e))
            found += [(e.cost + more + is_right * (e.meant == "-{p}"), e) for e in likely]
        return sorted(found, key=lambda item: item[0])

    def _is_of_forward(self, value: Any) -> bool:
        """Whether forward computes an array of the same elements."""
        if self.known is None:
            self.known = prints_of_forward(self.stands[0].examination) if self.stands[0].examination else set()
        return isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and print_of(value) in self.known

    def _lines_to_the_first_wrong(self) -> set[int]:
        """The lines of backward from gradients in between that are right to the first that is wrong, unless negated."""
        first = next((gradient for gradient in self.named if not gradient.right), None)
        if first is None or first.negated:
            return set()
        passed = {gradient.node for gradient in self.named if gradient.right}
        examination, lines, left = self.stands[0].examination, set[int](), [first.node]
        own = set(examination.trace.backward) if examination is not None else set[Node]()
        while left:
            node = left.pop()
            if node in own and node not in passed:
                passed.add(node)  # each `+=` of a loop reads the array and what is added: the ways double
                lines |= {node.where.line} if node.where else set()
                left += node.inputs
        return lines


def _is_likely_ahead(edit: Edit) -> bool:
    """Whether an edit is one of the forward, and not a mask put in there: with it many a backward is right.

    Nor another branch: which one is taken is what forward means.
    """
    is_mask = edit.word == "mask" and edit.cost > FARTHEST_MASK
    return edit.place.function.name != "backward" and not is_mask and not isinstance(edit.place.statement, ast.If)


def _functions(where: set[Where], objects: list[Any], own: str, other: str) -> list[ScratchFunction]:
    """The functions that compute at these places, and those called `own`, but for the `other` way."""
    return [f for f in functions_at(where, objects, own) if own == other or f.name not in (other, "__init__")]
