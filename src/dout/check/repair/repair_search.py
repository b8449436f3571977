"""The search for a repair: one edit of one expression after which every gradient is right at every point.

An expression is worth a try only where a small change of it moves every wrong gradient. What is tried runs in the
user's own functions, on the layer's own memory; what makes the gradients right is compiled from the patched text and
run once more, from the beginning.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.repair.expression_edits import Edit, edits
from dout.check.repair.first_wrong import named_gradients
from dout.check.repair.forward_echoes import echoes
from dout.check.repair.scratch_functions import (
    ExpressionPlace,
    Scratch,
    ScratchFunction,
    code_of,
    functions_at,
    patched,
    places,
    switched,
)
from dout.check.repair.source_diff import patched_text
from dout.check.repair.test_stand import BackwardRuns, Stand, expected_of, near
from dout.check.repair.written_expressions import Seen
from dout.clock import spent
from dout.graph import Where
from dout.run import deep_copy, objects_in, quiet, size_of

SECONDS = 0.3  # for the search in backward, and as many for that in forward
LIKELY, FARTHEST = 1.4, 9.0  # what a repair costs that needs no rival, and what none does
NEAR_IN_FORWARD, FARTHEST_IN_FORWARD = 1.3, 2.1  # a change of what forward keeps: beside another repair, and alone
FARTHEST_OUTPUT = 2.1  # and of what it returns, which may be right as it stands
FARTHEST_MASK = 1.5
OTHER_OUTPUT = 0.25
IN_FORWARD = 0.3  # a repair of forward is the less likely by so much
ENOUGH, ENOUGH_IN_FORWARD = 6, 4  # repairs that do: the likeliest of them is taken
EXACTLY = 2  # points at which another forward is derived anew; at the others differences have confirmed it
_MOST_TERMS, _MOST_PARTS = 24, 6
_Prepare = Callable[[Any], None]


@dataclass(frozen=True, eq=False)
class Repair:
    """An edit that makes every gradient right, with the patched file; `prepare` puts it into a copy of the layer."""

    edit: Edit
    text: str
    prepare: _Prepare
    in_forward: bool = False
    changes_output: bool = False

    @property
    def cost(self) -> float:
        """How far-fetched it is: what forward returns is likelier right than what it keeps for backward."""
        return self.edit.cost + OTHER_OUTPUT * self.changes_output


@dataclass(eq=False)
class RepairSearch:
    """Looks for repairs of one layer, with the time that it may take."""

    stands: list[Stand]
    wrong: frozenset[str]
    examination: Examination
    latest: float = float("inf")  # when it is to be over, by the clock of `dout.clock`
    others: frozenset[str] = frozenset()  # gradients that are wrong for another reason: they may stay so
    tried: int = 0
    hits: list[Repair] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.objects = objects_in(self.stands[0].make())
        self.functions: list[ScratchFunction] = []

    def repairs(self) -> list[Repair]:
        """Repairs of the backward; where there is none, of what the forward computes or keeps."""
        trace = self.examination.trace
        behind = _functions({n.where for n in trace.backward if n.where}, self.objects, "backward")
        ahead = _functions({n.where for n in self.examination.forward if n.where}, self.objects, "forward")
        self.functions = list(dict.fromkeys((*ahead, *behind)))
        sides = [(behind, False), (self.functions, True)]
        if any(not np.any(self.stands[0].expected[name]) for name in self.wrong):
            sides = sides[1:]  # forward does not use it
        for functions, in_forward in sides:
            best = min((hit.cost for hit in self.hits), default=FARTHEST)
            if functions and best > LIKELY and spent() < self.latest:
                try:
                    self._search(functions, in_forward, best)
                except Exception:  # the layer does not run by itself here
                    continue
        return self.hits

    def _search(self, functions: list[ScratchFunction], in_forward: bool, worst: float) -> None:
        """Try edits from the likeliest on, as long as they cost less than `worst`."""
        begun = spent()
        numbered = places(functions)
        seen, useful = self._looked_at(functions, numbered, in_forward, min(begun + 3 * SECONDS, self.latest))
        elsewhere = echoes(self.functions)
        candidates = [edit for p in numbered if p.i in useful for edit in edits(p, seen[p.i], elsewhere)]
        focus = set() if in_forward else self._focus()
        for i in useful:
            place = numbered[i]
            if focus and place.function.name == "backward":
                useful[i] += 0.0 if place.statement.lineno in focus else 0.4
        if in_forward:
            limit = min(NEAR_IN_FORWARD if self.hits else FARTHEST_IN_FORWARD, worst - IN_FORWARD)
            candidates = [e for e in candidates if e.cost <= limit and _is_likely_ahead(e)]
        candidates.sort(key=lambda e: e.cost + useful[e.place.i])
        rivals, self.hits = self.hits, []
        codes = {f: switched(f, numbered) for f in functions}
        tests = [_Test(stand, Scratch(codes), in_forward, self.others) for stand in self.stands]
        first = tests[0]
        with np.errstate(all="ignore"):
            for test in tests:
                test.gradients()
            slow = spent()
            first.gradients()
            slow = spent() - slow
            until = min(begun + min(max(SECONDS, 150 * slow), 3 * SECONDS), self.latest)
            best = None
            most = ENOUGH_IN_FORWARD if in_forward else ENOUGH
            for edit in candidates:
                now = spent()
                too_far = best is not None and edit.cost + useful[edit.place.i] > best + 0.25
                if now > until or len(self.hits) >= most or too_far:
                    break
                self.tried += 1
                code = compiled(edit.text)
                if code is None or not first.right(
                    edit.place.i, code, outputs=not rivals and edit.cost <= FARTHEST_OUTPUT
                ):
                    continue
                if all(test.right(edit.place.i, code) for test in tests[1:]) and (
                    repair := self._verified(edit, in_forward, first.is_changed())
                ):
                    self.hits.append(repair)
                    cost = repair.cost + useful[edit.place.i]
                    best = cost if best is None else min(best, cost)
        self.hits = self.hits or rivals

    def _focus(self) -> set[int]:
        """The line of the first gradient in between that is wrong by its name; none where it is the negative."""
        found = self.stands[0].examination
        named = [n for n in named_gradients(found) if not n.right and n.where] if found else []
        return {n.where.line for n in named[:1] if n.where and not n.negated}

    def _looked_at(
        self, functions: list[ScratchFunction], numbered: list[ExpressionPlace], in_forward: bool, until: float
    ) -> tuple[dict[int, Seen], dict[int, float]]:
        """What each expression was, and which of them move every wrong gradient: with a handicap that says how well."""
        stand = self.stands[0]
        scratch = Scratch({f: switched(f, numbered, tapped=True) for f in functions})
        test = _Test(stand, scratch, in_forward, self.others)
        seen: dict[int, Seen] = {}

        def look(i: int, value: Any, frame: FrameType) -> Any:
            if i in seen:
                seen[i].times += 1
            else:
                seen[i] = Seen(copy.copy(value) if isinstance(value, np.ndarray) else value, dict(frame.f_locals))
            return value

        useful: dict[int, float] = {}
        with np.errstate(all="ignore"):
            scratch.told = look
            test.gradients()
            scratch.told = None
            before = {k: deep_copy(v) for k, v in test.gradients().items()}
            for place in numbered:
                if place.i in seen and spent() < until:
                    useful.update(self._use(place, test, scratch, before, seen[place.i]))
        terms: dict[int, list[tuple[str, Any]]] = {}
        for i in useful:
            names = seen[i].names
            key = hash(tuple((k, id(v)) for k, v in names.items()))
            if key not in terms:
                terms[key] = list(_terms(names))
            seen[i].terms = [*terms[key], *_parts(numbered, seen, numbered[i].function)]
        return seen, useful

    def _use(
        self, place: ExpressionPlace, test: _Test, scratch: Scratch, before: Mapping[str, Any], seen: Seen
    ) -> dict[int, float]:
        value = seen.value
        if not _is_number(value):
            return {place.i: 0.05} if isinstance(value, tuple | list) else {}

        def shake(i: int, item: Any, frame: FrameType) -> Any:
            return _shaken(item) if i == place.i else item

        scratch.told = shake
        try:
            after = test.gradients()
        except Exception:
            return {place.i: 0.2}
        finally:
            scratch.told = None
        moved = {n for n, g in before.items() if g is None or not near(after.get(n), g, 1e-12)}
        if not self.wrong <= moved and test.in_forward is False and _is_float(value):
            return {}
        return {place.i: 0.15 * min(len(moved - self.wrong), 3)}

    def _does_less(self, now: Mapping[str, Any], before: Mapping[str, Any], masks: bool) -> bool:
        """Whether another forward has a gradient that is 0 in more places: of one that does nothing 0 is right."""
        return any(not np.any(now[n]) or (_zeros(now[n]) > _zeros(before[n]) and not masks) for n in self.wrong)

    def _verified(self, edit: Edit, in_forward: bool, changes_output: bool) -> Repair | None:
        """The repair as text, where the patched source makes every gradient right from the beginning."""
        text = patched_text(edit)
        function = edit.place.function
        try:
            code = patched(function, text)
        except SyntaxError:
            return None
        if code is None:
            return None
        scratch = Scratch({**{f: code_of(f, f.node) for f in self.functions}, function: code})
        in_both = in_forward or function.owner is None

        def prepare(layer: Any) -> None:
            scratch.install(objects_in(layer))

        for stand in self.stands[:EXACTLY] if in_both else self.stands:
            try:
                expected = None
                if in_both:
                    expected = expected_of(Examination(stand.recorded(prepare)))
                    if self._does_less(expected, stand.expected, edit.word == "mask"):
                        return None
                with quiet():
                    gradients = stand.after_forward(prepare).gradients()
            except Exception:
                return None
            if stand.wrong(gradients, expected) - self.others:
                return None
        return Repair(edit, text, prepare, in_forward, changes_output)


def _zeros(gradient: Any) -> int:
    return int(np.size(gradient) - np.count_nonzero(gradient))


def _is_likely_ahead(edit: Edit) -> bool:
    """Whether an edit is one of the forward, and not a mask put in there: with it many a backward is right."""
    return edit.place.function.name != "backward" and not (edit.word == "mask" and edit.cost > FARTHEST_MASK)


class _Test:
    """One point at which edits are tried."""

    def __init__(self, stand: Stand, scratch: Scratch, in_forward: bool, others: frozenset[str]) -> None:
        self.stand = stand
        self.scratch = scratch
        self.in_forward = in_forward
        self.others = others
        self.outputs: list[Any] = []
        self.before: list[Any] = []
        self.runner: BackwardRuns | None = None if in_forward else stand.after_forward(self._prepare)

    def _prepare(self, layer: Any) -> None:
        self.scratch.install(objects_in(layer))

    def gradients(self) -> dict[str, Any]:
        """What the backward gives, with a forward before it where that is under test."""
        runner = self.runner or self.stand.after_forward(self._prepare)
        if self.in_forward:
            self.outputs = runner.outputs
            self.before = self.before or runner.outputs
        return runner.gradients()

    def is_changed(self) -> bool:
        """Whether the last forward returned something else than that of the layer as it stands."""
        return any(not near(o, b, 1e-12) for o, b in zip(self.outputs, self.before, strict=True))

    def right(self, i: int, code: CodeType, *, outputs: bool = True) -> bool:
        """Whether every gradient is right with this code in the place `i`; `outputs` may it change."""
        self.scratch.use(i, code)
        try:
            gradients = self.gradients()
            if self.is_changed():
                return outputs and not self.others and self.stand.fits(gradients, self._prepare)
            return not self.stand.wrong(gradients) - self.others
        except Exception:
            return False
        finally:
            self.scratch.use(-1, None)


def compiled(text: str) -> CodeType | None:
    """The code of an expression."""
    try:
        return compile(f"({text}\n)", "<repair>", "eval")
    except (SyntaxError, ValueError):
        return None


def _functions(where: set[Where], objects: list[Any], kind: str) -> list[ScratchFunction]:
    found = functions_at(where, objects, kind)
    other = "forward" if kind == "backward" else "backward"
    return [f for f in found if f.name not in (other, "__init__")]


def _is_number(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) or type(value) in (int, float, bool)


def _is_float(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")


def _shaken(value: Any) -> Any:
    """A value that is a little another; of conditions the contrary."""
    if type(value) is bool:
        return not value
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype == bool:
            return ~array
        if array.dtype.kind != "f":
            return value
        wave = np.cos(np.arange(array.size)).reshape(array.shape)
        return (array * (1 + 1e-3 * wave) + 1e-4 * size_of(array) * wave).astype(array.dtype)[()]
    return value if type(value) is int else value * 1.001 + 1e-4 * size_of(value)


def _terms(names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The numbers that can be written at a place, with how: local names, arguments, attributes of self."""
    count = 0
    for text, value in _written(names):
        if _is_number(value) and type(value) is not bool and count < _MOST_TERMS:
            count += 1
            yield text, value


def _parts(
    numbered: list[ExpressionPlace], seen: Mapping[int, Seen], function: ScratchFunction
) -> list[tuple[str, Any]]:
    """The parts of arrays that the function itself speaks of: hs[:, t]."""
    found = {
        function.source.segment(p.node): seen[p.i].value
        for p in numbered
        if p.function is function and isinstance(p.node, ast.Subscript) and p.i in seen and _is_number(seen[p.i].value)
    }
    return list(found.items())[:_MOST_PARTS]


def _written(names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from sorted(((k, v) for k, v in names.items() if k != "self"), key=lambda item: item[0] != "dout")
    for name, value in getattr(names.get("self"), "__dict__", {}).items():
        if isinstance(value, dict):
            yield from ((f'self.{name}["{k}"]', v) for k, v in value.items() if isinstance(k, str))
        elif isinstance(value, list | tuple):
            yield from ((f"self.{name}[{i}]", v) for i, v in enumerate(value[:4]))
        else:
            yield f"self.{name}", value
