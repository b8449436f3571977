"""The user's own backward, line by line: which step of the derivation each line is, and where it goes wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from dout.explain.beside.blame import WRITES, Blame, BlameSearch
from dout.explain.beside.derived_quantities import DerivedQuantities, HandedOut
from dout.explain.beside.differences import GradientDifference
from dout.explain.beside.matches import Match, Matcher, MatchKind
from dout.explain.beside.meaning import UNNAMED, Meaning
from dout.explain.beside.operation_edits import edited, right_without_repeats
from dout.explain.beside.point_values import PointValues, same
from dout.explain.beside.statements import Statement, statements_of
from dout.explain.model.explanation import BackwardLine, Phrase
from dout.explain.terms.known_numbers import term_of_number
from dout.explain.terms.notation import PUTTING
from dout.explain.terms.terms import Symbol, Term, Transposed, negated
from dout.explain.terms.walk import calls_in
from dout.graph import CONSTANT, Node, topological
from dout.trace.model.derived_gradients import Edge
from dout.trace.model.recorded import LayerCall, RecordedRun

_LONGEST = 24  # operations of a line whose formula is shown
_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")  # as it is written in Python


def backward_lines(trace: RecordedRun, call: LayerCall, meaning: Meaning) -> tuple[BackwardLine, ...]:
    """Say of each statement of a layer's backward which quantity of the derivation it is, in the order of the text.

    That is found by comparing values at generic points in exact arithmetic, in float64 where that would take long. A
    statement that is nothing known has neither step nor match. No line is wrong where all gradients are right. Nothing
    comes of a call without backward, or whose source is not there.
    """
    statements = statements_of(trace, call)
    if call.gradients is None or not statements:
        return ()
    return _Comparison(trace, call, meaning, statements).lines()


class _Comparison:
    def __init__(
        self, trace: RecordedRun, call: LayerCall, meaning: Meaning, statements: tuple[Statement, ...]
    ) -> None:
        self.meaning, self.statements = meaning, statements
        nodes = [node for s in statements for node in (*s.made, *(n for turns in s.results for n in turns))]
        self.quantities = DerivedQuantities(trace, call, nodes)
        self.matcher = Matcher(self.quantities)
        self.search = BlameSearch(statements, self.quantities, self.matcher, lambda b: self._why(b) is not None)
        self.blames = self.search.found()
        self.results = {r.gradient: r for r in self.quantities.results}

    def lines(self) -> tuple[BackwardLine, ...]:
        found = [self._line(s) for s in self.statements if not self._says_nothing(s)]
        return tuple(sorted(found, key=lambda line: (line.where.file, line.where.line)))

    def _says_nothing(self, statement: Statement) -> bool:
        """Whether a statement only hands on, under the same name, what an earlier line computed."""
        if not statement.alias or any(node in self.quantities.seeds.values() for node in statement.last):
            return False
        if all(node in self.results for node in statement.last):
            return True
        maker = self.search.maker.get(statement.last[0])
        named = [value for target in statement.targets for value in self.search.named(target)]
        before = [value for target in maker.targets for value in self.search.named(target)] if maker else []
        return not named or named == before

    def _line(self, statement: Statement) -> BackwardLine:
        blame = next((b for b in self.blames if b.statement is statement), None)
        if blame is not None:
            return self._wrong(statement, blame)
        matched = [self._match(statement, place) for place in range(len(statement.results))]
        if any(match is None for match, _ in matched):
            return BackwardLine(statement.where, statement.source)
        told = [self._told(statement, place, match, given) for place, (match, given) in enumerate(matched) if match]
        if len(told) == 1:
            return told[0]
        steps = tuple(sorted({n for line in told for n in line.steps}))
        terms = tuple(line.matches for line in told)
        reason = next((line.reason for line in told if line.reason), None) or Phrase(
            "beside_several", {"gradients": terms}
        )
        step = steps[0] if len(steps) == 1 else None
        return BackwardLine(statement.where, statement.source, step, None, steps=steps, reason=reason)

    # --------------------------------------------------------------------------------------------------- right lines

    def _match(self, statement: Statement, place: int) -> tuple[Match | None, Blame | None]:
        """The quantity that a line computes, and the blame for an earlier line that must be corrected first, if any."""
        result = self._handed_out(statement, place)
        ways: list[tuple[PointValues, Blame | None]] = [(self.quantities.values, None)]
        ways += [(blame.after, blame) for blame in self.blames]
        if result is not None:
            kept = result not in self.quantities.wrong
            right = (way for values, way in ways if kept or self.quantities.is_right(result, values))
            return next(((Match(MatchKind.GRADIENT, (result.of,)), way) for way in right), (None, None))
        turns = statement.results[place]
        turns = turns[-1:] if self.search.adds_up(turns) else turns
        found: tuple[Match | None, Blame | None] = None, None
        for values, way in ways:
            matches = [self.matcher.match(turn, values) for turn in turns]
            told = next((m for m in reversed(matches) if m and m.kind is not MatchKind.CONSTANT), matches[-1])
            plainly = told is not None and told.kind is MatchKind.GRADIENT
            if all(matches) and (found[0] is None or (plainly and found[0].kind is not MatchKind.GRADIENT)):
                found = told, way
        return found

    def _handed_out(self, statement: Statement, place: int) -> HandedOut | None:
        """The gradient that a value of a line is; of several that are one array, `return dx, dx`, that of its place."""
        node = statement.last[place]
        alike = [result for result in self.quantities.results if result.gradient is node]
        places = [i for i, other in enumerate(statement.last) if other is node]
        return alike[places.index(place)] if len(alike) == len(places) else self.results.get(node)

    def _told(self, statement: Statement, place: int, match: Match, given: Blame | None) -> BackwardLine:
        node = statement.last[place]
        value = self._meant(statement, place, match)
        steps = self._steps(statement, match, value)
        term, reason = self._words(statement, node, match, value, steps)
        if given is not None:
            reason = Phrase("beside_given", {"name": self._name(given)})
        elif reason is None and right_without_repeats(statement, node, self.quantities, self.quantities.values):
            reason = Phrase("beside_no_repeats")
        elif reason is None and self._is_nearly(node):
            reason = self._nearly()
        step = steps[0] if len(steps) == 1 else None
        return BackwardLine(statement.where, statement.source, step, term, steps=steps, reason=reason)

    def _nearly(self) -> Phrase:
        """Why a right gradient is not the same number: forward has a tiny one that backward leaves out, or digits."""
        tiny = {n for zeros in self.quantities.judge.without_stabilisers for n in zeros}
        numbers = tuple(dict.fromkeys(term_of_number(self.quantities.data[node]) for node in tiny))
        return Phrase("beside_finite", {"numbers": numbers}) if numbers else Phrase("beside_nearly")

    def _is_nearly(self, node: Node) -> bool:
        """Whether a gradient that is handed out is right, but not the same number."""
        result = self.results.get(node)
        return result is not None and not self.quantities.is_right(result, self.quantities.values)

    def _name(self, blame: Blame) -> Any:
        targets = blame.statement.targets
        return targets[0] if targets else self.meaning.gradient(blame.of)

    def _meant(self, statement: Statement, place: int, match: Match) -> Node | None:
        """The value of forward that a match speaks of: of several the one that the line is named for."""
        if not match.values:
            return None
        target = statement.targets[min(place, len(statement.targets) - 1)] if statement.targets else ""
        named = [value for value in self.search.named(target) if value in match.values]
        known = [value for value in match.values if self.meaning.term(value) is not None]
        return (named or known or list(match.values))[0]

    def _words(
        self, statement: Statement, node: Node, match: Match, value: Node | None, steps: tuple[int, ...]
    ) -> tuple[Term | None, Phrase | None]:
        if match.kind is MatchKind.CONSTANT:
            return None, Phrase("beside_start" if self._is_filled_later(statement) else "beside_number")
        if match.kind is MatchKind.LOCAL:
            later, earlier = (self.meaning.term(v) or self.meaning.gradient(v) for v in match.values)
            return self._written(statement, node), Phrase("beside_local", {"of": later, "by": earlier})
        if match.kind is MatchKind.PRODUCT or value is None:
            return self._written(statement, node), Phrase("beside_on_the_way")
        if match.kind is MatchKind.VALUE:
            term = self.meaning.term(value)
            return term, Phrase("beside_kept") if term is None else Phrase("beside_again", {"value": term})
        gradient = self.meaning.gradient(value)
        if match.kind is MatchKind.USE:
            user, _ = match.edges[0]
            through = self.meaning.term(user) or self.meaning.gradient(user)
            return self._written(statement, node), Phrase("beside_use", {"gradient": gradient, "through": through})
        whole = gradient if self.quantities.is_of_dout(node) else self.meaning.term(value) or gradient
        if match.kind is MatchKind.OPPOSITE:
            return negated(whole), Phrase("beside_opposite", {"gradient": whole})
        if match.kind is MatchKind.TRANSPOSED:
            return Transposed(whole), None
        if match.kind is MatchKind.PIECE:
            return None, Phrase("beside_piece", {"whole": whole})
        return (gradient if len(steps) == 1 else self._written(statement, node) or gradient), None

    def _is_filled_later(self, statement: Statement) -> bool:
        """Whether a later line writes into an array that a statement makes, or adds to it."""
        later = self.statements[self.statements.index(statement) + 1 :]
        made = ((other, node) for other in later for node in other.made if set(statement.last) & set(node.inputs[:1]))
        return any(node.primitive in WRITES or set(statement.targets) & set(other.targets) for other, node in made)

    def _written(self, statement: Statement, node: Node, known: Mapping[Node, Term] | None = None) -> Term | None:
        """The formula of a line; None for a long line, a loop, or an input without a name.

        None also where a number in it is not one of the line's own: it may be the size of a batch, or come from one.
        """
        known = {n: term for n, term in (known or self._known).items() if n is not node}
        read = [i for i in self.search.read(statement) if i.primitive is not CONSTANT]
        if len(statement.made) > _LONGEST or not statement.made or any(i not in known for i in read):
            return None
        numbers = {float(number) for number in _NUMBER.findall(statement.source)}
        constants = [n for n in topological([node], known=known) if n.primitive is CONSTANT]
        if any(not _is_one_of(n.static["value"], numbers) for n in constants):
            return None
        made = self.meaning.written(node, known)
        return None if made is None or PUTTING & calls_in(made) else made

    @cached_property
    def _known(self) -> dict[Node, Term]:
        """The terms of everything a line may read: values of forward, upstream gradients, results of other lines."""
        known = {n: term for n in self.quantities.forward if (term := self.meaning.term(n)) is not None}
        for output, dout in self.quantities.seeds.items():
            known[dout] = self.meaning.gradient(output)
        for statement in self.statements:
            for place, node in enumerate(statement.last):
                match, given = self._match(statement, place)
                value = self._meant(statement, place, match) if match else None
                plainly = match and value is not None and not given and node not in known
                plainly = plainly and value is not None and self.meaning.gradient(value) != Symbol(UNNAMED)
                if match and value is not None and plainly and match.kind is MatchKind.GRADIENT:
                    known[node] = self.meaning.gradient(value)
                elif match and value is not None and plainly and match.kind is MatchKind.OPPOSITE:
                    known[node] = negated(self.meaning.gradient(value))
                elif node not in known and (term := self._written(statement, node, known)) is not None:
                    known[node] = term
        return known

    # -------------------------------------------------------------------------------------------------------- steps

    def _steps(self, statement: Statement, match: Match, value: Node | None) -> tuple[int, ...]:
        """The numbers of the derivation steps from the gradients that a line reads to its own."""
        if value is None or match.kind not in (
            MatchKind.GRADIENT,
            MatchKind.USE,
            MatchKind.OPPOSITE,
            MatchKind.TRANSPOSED,
        ):
            return ()
        if not (self.quantities.is_of_dout(statement.last[-1]) or self.quantities.ignores_dout):
            return ()
        values, uses = self._read(statement, value)
        waiting = [e for e in match.edges if e[0].inputs[e[1]] is value] or self.quantities.edges_from(value)
        seen: set[Edge] = set()
        steps: set[int] = set()
        while waiting and value not in values:
            edge = waiting.pop()
            if edge in seen or edge in uses:
                continue
            seen.add(edge)
            if (step := self.meaning.step(edge[0])) is not None:
                steps.add(step)
            if edge[0] not in values:
                waiting += self.quantities.edges_from(edge[0])
        return tuple(sorted(steps))

    def _read(self, statement: Statement, value: Node) -> tuple[set[Node], set[Edge]]:
        """The values whose gradients a statement reads, and the single uses.

        An upstream gradient is never that of the `value` whose gradient is computed, though they may be equal.
        """
        values: set[Node] = set()
        uses: set[Edge] = set()
        for node in self.search.read(statement):
            match = self._first_match(node) if self.quantities.is_of_dout(node) else None
            if match is not None and match.kind is MatchKind.USE:
                uses |= set(match.edges)
            elif match is not None:
                given = statement.alias or node in self.quantities.seeds.values()
                values |= set(match.values) - ({value} if given else set())
        return values, uses

    def _first_match(self, node: Node) -> Match | None:
        worlds = [self.quantities.values, *(b.after for b in self.blames)]
        return next((match for world in worlds if (match := self.matcher.match(node, world)) is not None), None)

    # --------------------------------------------------------------------------------------------------- wrong lines

    def _wrong(self, statement: Statement, blame: Blame) -> BackwardLine:
        reason = self._why(blame) or self._plainly(blame)
        steps = self._steps(statement, Match(MatchKind.GRADIENT, (blame.of,)), blame.of)
        step = steps[0] if len(steps) == 1 else None
        whole = blame.use is None and blame.layer is None and blame.local is None
        instead = self.meaning.spell(blame.of) if whole else None
        return BackwardLine(statement.where, statement.source, step, None, True, instead or "", reason, steps)

    def _why(self, blame: Blame) -> Phrase | None:
        """What is wrong with a line, if that can be said in a sentence."""
        if blame.layer is not None:
            return Phrase("beside_layer", {"name": blame.layer.name})
        if blame.local is not None:
            return self._not_local(blame)
        if blame.before[blame.node] is None:  # it cannot be computed from the lines that were mended
            return None
        return self._difference(blame).reason() or edited(
            blame.statement, blame.node, blame.right, self.quantities, blame.before, self.meaning
        )

    def _not_local(self, blame: Blame) -> Phrase:
        """What is wrong with a local derivative: its sign, one operation, or nothing that is known."""
        mine = blame.before[blame.node]
        if mine is not None and same(mine.made(lambda x: -x), blame.right):
            return Phrase("beside_sign")
        of, by = (self.meaning.term(n) or self.meaning.gradient(n) for n in (blame.local or blame.of, blame.of))
        change = edited(blame.statement, blame.node, blame.right, self.quantities, blame.before, self.meaning)
        return change or Phrase("beside_not_local", {"of": of, "by": by})

    def _plainly(self, blame: Blame) -> Phrase:
        difference, mine = self._difference(blame), blame.before[blame.node]
        is_other = mine is not None and mine.shape != blame.of.shape and sorted(mine.shape) == sorted(blame.of.shape)
        if mine is not None and (is_other or mine.near.size != blame.right.near.size):
            return difference.other_shape()
        return Phrase("beside_differs", {"gradient": difference.gradient})

    def _difference(self, blame: Blame) -> GradientDifference:
        return GradientDifference(
            self.quantities, self.meaning, blame.before, blame.node, blame.of, blame.right, blame.use
        )


def _is_one_of(value: Any, numbers: set[float]) -> bool:
    """Whether a constant is one of some numbers, of either sign."""
    return isinstance(value, int | float | np.number) and abs(float(value)) in numbers
