"""A survey of expressions: what each was in a run, and which gradients a small change of it moves."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from dout.check.repair.edit_test import EditTest
from dout.check.repair.edits.expression_places import ExpressionPlace, ScratchFunction, at_other_indices
from dout.check.repair.edits.forward_terms import forward_terms
from dout.check.repair.edits.seen_values import (
    NOTHING,
    Seen,
    has_an_order,
    is_bool,
    is_float,
    is_number,
    number_in,
    with_number,
)
from dout.check.repair.scratch_functions import OF_TRIED_CODE, Scratch, tapped
from dout.check.repair.test_stand import Stand, near
from dout.clock import WorkBudget
from dout.run import deep_copy, size_of

IN_FORWARD = 0.3  # a repair of what forward returns is the less likely by so much
_MOST_PARTS = 6


@dataclass(eq=False)
class PlaceSurvey:
    """Looks at expressions in a run at one stand, for repairs of its `wrong` gradients; `others` may stay so."""

    stand: Stand
    wrong: frozenset[str]
    others: frozenset[str]
    forward: Sequence[ScratchFunction] = ()  # what it computes may be a term of backward
    ahead: set[int] = field(default_factory=set)  # the places of what forward returns

    def looked_at(
        self, functions: list[ScratchFunction], numbered: list[ExpressionPlace], in_forward: bool, budget: WorkBudget
    ) -> tuple[dict[int, Seen], dict[int, float]]:
        """What each expression was, and which of them move every wrong gradient: with a handicap that says how well."""
        self.ahead = set()
        scratch = Scratch({f: tapped(f, {p.node: p.i for p in numbered if p.function is f}) for f in functions})
        test = EditTest(self.stand, scratch, in_forward, self.others)
        seen: dict[int, Seen] = {}
        again = set[int]()

        def look(i: int, value: Any, frame: FrameType) -> Any:
            if i not in seen:
                number = number_in(value)
                seen[i] = Seen(copy.copy(number) if isinstance(number, np.ndarray) else number, dict(frame.f_locals))
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
        for function in functions:
            own = [seen[i] for i in useful if numbered[i].function is function]
            self._give_terms(function, own, _parts(numbered, seen, function))
        return seen, useful

    def _give_terms(self, function: ScratchFunction, places: Sequence[Seen], parts: list[tuple[str, Any]]) -> None:
        """Give the places of one function what it is made of, at other indices, too, and what forward computes."""
        variants = at_other_indices(dict(parts), function)
        composed = forward_terms(
            [*self.forward, function], {name: x for seen in places for name, x in seen.names.items()}
        )
        for seen in places:
            terms = [(t, x) for t, x in _evaluated(composed, function, seen.names) if np.ndim(x)]
            seen.parts = [*parts, *_evaluated(variants, function, seen.names), *terms]
            seen.composed = frozenset(text for text, _ in terms)

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
            return 0.05 if has_an_order(value) else None
        if not self.wrong <= moved and not in_forward and is_float(value):
            return None
        return 0.15 * min(len(moved - self.wrong), 3)


def _shaken(value: Any) -> Any:
    """A value that is a little another; of conditions the contrary."""
    if type(value) is int:
        return value
    if (number := number_in(value)) is not value:
        return with_number(value, _shaken(number))
    array = np.asarray(value)
    if is_bool(value):
        return ~array[()] if isinstance(value, np.ndarray | np.generic) else not value
    if array.dtype.kind != "f":
        return value
    wave = np.cos(np.arange(array.size)).reshape(array.shape)
    size = size_of(array) if np.max(np.abs(array), initial=0.0) > NOTHING else 1.0  # of rounding a change moves nothing
    shaken = (array * (1 + 1e-3 * wave) + 1e-4 * size * wave).astype(array.dtype)[()]
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
    return (isinstance(value, np.ndarray) or type(value) in (int, float)) and not np.any(value)
