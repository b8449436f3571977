"""The search for a repair: one edit of one expression after which every gradient is right at every point.

An expression is worth a try only where a small change of it moves every wrong gradient. What is tried runs in the
user's own functions, on the layer's own memory; what makes the gradients right is proven from the patched text.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.repair.edits.candidate_edits import candidates
from dout.check.repair.edits.computed_edits import echoes
from dout.check.repair.edits.expression_places import (
    ExpressionPlace,
    ScratchFunction,
    at_other_indices,
    functions_at,
    places,
)
from dout.check.repair.edits.other_users import heirs_beside
from dout.check.repair.edits.seen_values import Seen, is_bool, is_float, is_number
from dout.check.repair.edits.source_edit import Edit
from dout.check.repair.first_wrong import NamedGradient
from dout.check.repair.known_values import computing, constants, right_values
from dout.check.repair.repair_proof import Repair, written
from dout.check.repair.scratch_functions import OF_TRIED_CODE, Scratch, switched, tapped
from dout.check.repair.test_stand import KIND_ALONE, BackwardRuns, Stand, near
from dout.clock import WorkBudget, count
from dout.graph import Node, Where
from dout.run import deep_copy, objects_in, size_of

SECONDS = 0.5  # for the search in backward, and as many for that in forward
LIKELY, FARTHEST = 1.4, 9.0  # what a repair costs that needs no rival, and what none does
NEAR_IN_FORWARD, FARTHEST_IN_FORWARD = 1.3, 2.1  # a change of what forward keeps: beside another repair, and alone
FARTHEST_MASK = 1.5
# A repair is the less likely by so much: in forward, if forward then returns other numbers, and with a literal that is
# the value of a name in scope.
IN_FORWARD, OTHER_OUTPUT, BY_CHANCE = 0.3, 0.25, 0.3
FIRST = 1.25  # what repairs cost that are tried before others are looked for
ENOUGH, ENOUGH_IN_FORWARD = 6, 4  # repairs that do: the likeliest of them is taken
AS_LIKELY = 0.25  # beyond the cost of the best so far a candidate is not tried
_MOST_PARTS = 6
_AN_EDIT = 0.1e-3  # seconds to compile it


@dataclass(eq=False)
class RepairSearch:
    """Looks for repairs of one layer, with the time that it may take."""

    stands: list[Stand]
    wrong: frozenset[str]
    others: frozenset[str]  # gradients that are wrong for another reason: they may stay so
    examination: Examination
    named: list[NamedGradient]
    budget: WorkBudget
    by_chance: set[tuple[tuple[int, int], str]] = field(default_factory=set)  # edits that are no repairs elsewhere
    hits: list[Repair] = field(default_factory=list)
    ahead: set[int] = field(default_factory=set)  # the places of what forward returns

    def __post_init__(self) -> None:
        objects, trace = objects_in(self.stands[0].make()), self.examination.trace
        subject = self.stands[0].subject
        names = subject.forward_name, subject.backward_name
        behind = _functions({n.where for n in trace.backward if n.where}, objects, *names[::-1])
        ahead = _functions({n.where for n in self.examination.forward if n.where}, objects, *names)
        owners = (None, *type(objects[0]).__mro__)
        own = {f for f in (*ahead, *behind) if f.owner in owners}  # a part that is wrong is wrong by itself, too
        self.own = {f for f in own if not heirs_beside(f, type(objects[0]))}
        self.behind = sorted(behind, key=lambda f: f not in self.own)
        self.functions = list(dict.fromkeys((*ahead, *self.behind)))

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
                    self.hits = self._found(functions, in_forward, best) or self.hits
        return self.hits

    def _found(self, functions: list[ScratchFunction], in_forward: bool, worst: float) -> list[Repair]:
        """Try edits from the likeliest on, as long as they cost less than `worst`."""
        numbered = places(functions)
        looking = WorkBudget(min(3 * SECONDS, self.budget.left / 2))
        seen, handicaps = self.looked_at(functions, numbered, in_forward, looking)
        found = list[Repair]()
        for limit in (FIRST, worst):  # there are few of the likeliest, and thousands of others
            best = min((repair.edit.cost for repair in found), default=FARTHEST)
            if best + AS_LIKELY > FIRST and not self.budget.is_over():
                ordered = self._ordered(numbered, seen, handicaps, in_forward, min(limit, worst))
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
        right, times = right_values(self.stands[0], self.named), [constants(s, self.wrong) for s in self.stands]
        budget = WorkBudget(min(SECONDS, self.budget.left))
        known = [*computing(ordered, seen, right, times[0], budget)]
        for which in sorted({i for i, _ in known}):
            expected = [dict(stand.expected) for stand in self.stands]
            self._scale([numbers[which] for numbers in times])
            edits = [edit for i, edit in known if i == which]
            if found := self.tried(functions, False, numbered, seen, edits):
                return found
            for stand, before in zip(self.stands, expected, strict=True):
                stand.expected, stand.scaled = before, frozenset()
        return []

    def _scale(self, times: list[float]) -> None:
        """Take the wrong gradients to be right up to a constant at each stand."""
        for stand, number in zip(self.stands, times, strict=True):
            stand.expected |= {name: number * stand.expected[name] for name in self.wrong if number != 1}
            stand.scaled = self.wrong if number != 1 else frozenset()

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
            if code is None or not all(test.right(edit, code, outputs) for test in tests):
                continue
            more = OTHER_OUTPUT * tests[0].moves() + BY_CHANCE * edit.fits_by_chance(seen[edit.place.i])
            repair = written(edit, self.functions, edit.cost + more)
            if repair is not None:
                found.setdefault(repair.text, repair)
                best = min(best, cost + more)
        return list(found.values())

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
        for i, handicap in handicaps.items():
            place = numbered[i]
            own = range(place.statement.lineno, (place.statement.end_lineno or 0) + 1)
            is_recorded = isinstance(seen[i].value, np.ndarray | float)  # a plain whole number is no node
            unlikely = is_recorded and bool(focus) and focus.isdisjoint(own)
            unlikely = unlikely or place.function not in self.own
            more = handicap + 0.4 * unlikely
            edits = (e for e in candidates(place, seen[i], elsewhere, limit) if e.cost <= limit)
            found += [(e.cost + more, e) for e in edits if not in_forward or _is_likely_ahead(e)]
        return sorted(found, key=lambda item: item[0])

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

    def looked_at(
        self, functions: list[ScratchFunction], numbered: list[ExpressionPlace], in_forward: bool, budget: WorkBudget
    ) -> tuple[dict[int, Seen], dict[int, float]]:
        """What each expression was, and which of them move every wrong gradient: with a handicap that says how well."""
        self.ahead = set()
        scratch = Scratch({f: tapped(f, {p.node: p.i for p in numbered if p.function is f}) for f in functions})
        test = EditTest(self.stands[0], scratch, in_forward, self.others)
        seen: dict[int, Seen] = {}
        again = set[int]()

        def look(i: int, value: Any, frame: FrameType) -> Any:
            if i not in seen:
                seen[i] = Seen(copy.copy(value) if isinstance(value, np.ndarray) else value, dict(frame.f_locals))
            elif i not in again:  # what is carried from turn to turn is 0 in the first one
                again.add(i)
                seen[i].names |= {n: item for n, item in frame.f_locals.items() if _is_zero(seen[i].names.get(n))}
            return value

        scratch.told = look
        test.gradients()
        scratch.told = None
        before = {k: deep_copy(v) for k, v in test.gradients().items()}
        moved = {
            place: self._moved(place, test, scratch, before, seen[place.i].value)
            for place in numbered
            if place.i in seen and not budget.is_over()
        }
        conditions: dict[ast.AST, set[str] | None] = {
            place.node: names for place, names in moved.items() if isinstance(place.node, ast.Compare)
        }
        for place, names in moved.items():
            if names is not None:  # a small change of what is compared turns no condition
                names.update(*(conditions.get(parent) or () for parent in place.parents))
            for outer, others in moved.items() if names else ():
                if isinstance(outer.node, ast.Call) and outer.node in place.parents:
                    moved[outer] = (others or set()) | (names or set())  # a layer's backward also keeps gradients
        useful = {
            place.i: cost + IN_FORWARD * (place.i in self.ahead)
            for place, names in moved.items()
            if (cost := self._handicap(names, in_forward, seen[place.i].value)) is not None
        }
        parts = {f: _parts(numbered, seen, f) for f in functions}
        variants = {f: at_other_indices(dict(own), f) for f, own in parts.items()}
        for i in useful:
            own = numbered[i].function
            seen[i].parts = [*parts[own], *_evaluated(variants[own], own, seen[i].names)]
        return seen, useful

    def _moved(
        self, place: ExpressionPlace, test: EditTest, scratch: Scratch, before: Mapping[str, Any], value: Any
    ) -> set[str] | None:
        """The gradients that a change of a place moves; None where it is no number, or the layer does not run then."""
        if not is_number(value) or not np.size(value):
            return None
        scratch.told = lambda i, item, frame: _shaken(item) if i == place.i else item
        try:
            after = test.gradients()
            if test.moves():
                self.ahead.add(place.i)
        except OF_TRIED_CODE:
            return None
        finally:
            scratch.told = None
        return {n for n, g in before.items() if g is None or not near(after.get(n), g, 1e-12)}

    def _handicap(self, moved: set[str] | None, in_forward: bool, value: Any) -> float | None:
        """What a place costs more; None where a change of it does not move every wrong gradient."""
        if moved is None and is_number(value) and np.size(value):
            return 0.2
        if moved is None:
            return 0.05 if isinstance(value, tuple | list | np.ndarray) else None
        if not self.wrong <= moved and not in_forward and is_float(value):
            return None
        return 0.15 * min(len(moved - self.wrong), 3)


class EditTest:
    """One stand at which edits are tried."""

    def __init__(self, stand: Stand, scratch: Scratch, in_forward: bool, others: frozenset[str]) -> None:
        self.stand = stand
        self.scratch = scratch
        self.in_forward = in_forward
        self.others = others
        self.runner: BackwardRuns | None = None if in_forward else stand.after_forward(self._prepare)
        self.outputs = stand.outputs
        wrong = stand.wrong(stand.got) - others
        self.unused = in_forward and any(not np.any(stand.expected[name]) for name in wrong)  # forward ignores it

    @property
    def examination(self) -> Examination:
        """The stand's own."""
        assert self.stand.examination is not None
        return self.stand.examination

    @property
    def at_one(self) -> bool:
        """Whether backward is not given the upstream gradient: it is 1, or the caller multiplies by it."""
        interface = self.stand.subject.interface
        return self.examination.ignores_dout or (interface is not None and interface.local)

    def twin(self, node: Node, of: EditTest) -> Node:
        """The node of this stand's recording in the place of one of another's."""
        return self.examination.trace.graph.nodes[of.examination.trace.graph.nodes.index(node)]

    def seen_at(self, place: ExpressionPlace) -> Seen:
        """What an expression is here, and the names in scope there; ValueError where it is evaluated more than once."""
        found = list[Seen]()

        def look(i: int, value: Any, frame: FrameType) -> Any:
            if i == place.i:
                found.append(Seen(copy.copy(value), deep_copy(dict(frame.f_locals))))
            return value

        self._told(look)
        (seen,) = found
        return seen

    def gives_right(self, place: ExpressionPlace, value: Any) -> bool:
        """Whether every gradient is right with this value in a place."""
        with suppress(*OF_TRIED_CODE):
            return (
                not self.stand.wrong(self._told(lambda i, item, frame: value if i == place.i else item)) - self.others
            )
        return False

    def _told(self, told: Callable[[int, Any, FrameType], Any]) -> dict[str, Any]:
        self.scratch.told = told
        try:
            return self.gradients()
        finally:
            self.scratch.told = None

    def _prepare(self, layer: Any) -> None:
        self.scratch.install(objects_in(layer))

    def gradients(self) -> dict[str, Any]:
        """What the backward gives, with a forward before it where that is under test."""
        runner = self.runner or self.stand.after_forward(self._prepare)
        self.outputs = runner.outputs
        return runner.gradients()

    def right(self, edit: Edit, code: CodeType, may_change_output: bool) -> bool:
        """Whether every gradient is right with the code of an edit in its place."""
        self.scratch.use(edit.place.i, code)
        try:
            gradients = self.gradients()
            if self.moves():
                # within a comparison an edit may make it one that never holds: `x**2 < 0`
                compared = any(isinstance(parent, ast.Compare) for parent in edit.place.parents)
                alike = may_change_output and not (self.others or compared)
                alike = alike and not self._does_less(gradients, edit.word == "mask")
                return alike and self.stand.fits(gradients, self._prepare)
            return not self.unused and not self.stand.wrong(gradients) - self.others
        except OF_TRIED_CODE:
            return False
        finally:
            self.scratch.use(-1, None)

    def moves(self) -> bool:
        """Whether forward returned other numbers in the last run."""
        pairs = zip(self.outputs, self.stand.outputs, strict=True)
        return self.in_forward and any(not near(now, before, 1e-12) for now, before in pairs)

    def _does_less(self, now: Mapping[str, Any], masks: bool) -> bool:
        """Whether a gradient of another forward is 0 in more places: of one that does nothing 0 is right."""
        wrong = self.stand.wrong(self.stand.got)
        for name, expected in self.stand.expected.items():
            zeros, before = (np.size(g) - np.count_nonzero(g) for g in (now[name], expected))
            is_nothing = zeros == np.size(now[name]) and (name in wrong or zeros > before)
            if is_nothing or (name in wrong and zeros > before and not masks):
                return True
        return False


def compiled(text: str) -> CodeType | None:
    """The code of an expression."""
    try:
        return compile(f"({text}\n)", "<repair>", "eval")
    except (SyntaxError, ValueError):
        return None


def _is_likely_ahead(edit: Edit) -> bool:
    """Whether an edit is one of the forward, and not a mask put in there: with it many a backward is right.

    Nor another branch: which one is taken is what forward means.
    """
    is_mask = edit.word == "mask" and edit.cost > FARTHEST_MASK
    return edit.place.function.name != "backward" and not is_mask and not isinstance(edit.place.statement, ast.If)


def _functions(where: set[Where], objects: list[Any], own: str, other: str) -> list[ScratchFunction]:
    """The functions that compute at these places, and those called `own`, but for the `other` way."""
    return [f for f in functions_at(where, objects, own) if own == other or f.name not in (other, "__init__")]


def _shaken(value: Any) -> Any:
    """A value that is a little another; of conditions the contrary."""
    if type(value) is int:
        return value
    array = np.asarray(value)
    if is_bool(value):
        return ~array[()] if isinstance(value, np.ndarray | np.generic) else not value
    if array.dtype.kind != "f":
        return value
    wave = np.cos(np.arange(array.size)).reshape(array.shape)
    shaken = (array * (1 + 1e-3 * wave) + 1e-4 * size_of(array) * wave).astype(array.dtype)[()]
    return float(shaken) if type(value) is float else shaken


def _parts(
    numbered: Iterable[ExpressionPlace], seen: Mapping[int, Seen], function: ScratchFunction
) -> list[tuple[str, Any]]:
    """The elements and slices of arrays that a function writes, `hs[:, t]`, its calls and `out.grad` of its objects."""
    own = [p for p in numbered if p.function is function and p.i in seen and is_number(seen[p.i].value)]
    held = {p.text: seen[p.i].value for p in own if isinstance(p.node, ast.Attribute) and _is_of_object(p)}
    elements = {p.text: seen[p.i].value for p in own if isinstance(p.node, ast.Subscript)}
    calls = {p.text: seen[p.i].value for p in own if isinstance(p.node, ast.Call) and not p.is_of_module}
    return [part for found in (held, elements, calls) for part in [*found.items()][:_MOST_PARTS]]


def _is_of_object(place: ExpressionPlace) -> bool:
    """Whether an attribute is one of a local name that is not the instance, and no part of an array."""
    named = place.text.split(".")
    return len(named) == 2 and named[0] != "self" and named[1] not in ("T", "real", "size", "ndim")


def _evaluated(texts: Iterable[str], function: ScratchFunction, names: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Expressions with their values among some local names, of those that have a number there."""
    space, found = {**function.function.__globals__, **names}, list[tuple[str, Any]]()
    for text in texts:
        with suppress(*OF_TRIED_CODE):
            found.append((text, eval(text, space)))  # the user's own names
    return [(text, value) for text, value in found if is_number(value)]


def _is_zero(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not np.any(value)
