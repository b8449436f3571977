"""Wrong gradients in; the lines in which they go wrong out, each with what it should be.

A line is to blame if what is computed after it comes out right as soon as its own value is what it should be. That is
tried in exact arithmetic, line after line; once a line is mended in this way, the next one is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dout.explain.beside.derived_quantities import DerivedQuantities, Result
from dout.explain.beside.matches import SETTLED, Kind, Matcher
from dout.explain.beside.point_values import Numbers, PointValues
from dout.explain.beside.statements import Statement
from dout.graph import Node
from dout.ops import primitives

_MOST = 8  # wrong lines
_MOST_TRIED = 60  # gradients in the place of a line whose name says nothing
_WRITES = primitives("setitem add_at")
_NAMED = re.compile(r"d_?(\w+)|grad_(\w+)|(\w+)_grad")


@dataclass(frozen=True, eq=False)
class Blame:
    """A line that is wrong: the value of it that should be the gradient of `of`, which is `right`, and the others then."""

    statement: Statement
    node: Node
    of: Node
    right: Numbers
    before: PointValues
    after: PointValues
    results: tuple[Result, ...] = ()  # that are right then, or handed out by this line


class BlameSearch:
    """Looks for the lines in which the gradients of one backward go wrong."""

    def __init__(
        self, statements: Sequence[Statement], quantities: DerivedQuantities, matcher: Matcher
    ) -> None:
        self.statements, self.quantities, self.matcher = statements, quantities, matcher
        self.maker = {node: s for s in statements for node in s.made}

    def found(self) -> tuple[Blame, ...]:
        """The wrong lines, in the order in which the mistakes were found."""
        found: list[Blame] = []
        wrong, values = list(self.quantities.wrong), self.quantities.values
        while wrong and len(found) < _MOST:
            blame = self._next(wrong, values, {b.statement for b in found})
            if blame is None:
                break
            found.append(blame)
            values = blame.after
            wrong = [r for r in wrong if r not in blame.results and not self.quantities.is_right(r, values)]
        return tuple(found)

    def _next(self, wrong: list[Result], values: PointValues, done: set[Statement]) -> Blame | None:
        open_ = [statement for statement in self.statements if statement not in done]
        for search in (self._single, self._named_for_it, self._handed_out):
            for statement in open_:
                for place, node in enumerate(statement.last):
                    if (blame := search(statement, place, node, wrong, values)) is not None:
                        return blame
        return None

    # ------------------------------------------------------------------------------------------------ three searches

    def _single(
        self, statement: Statement, place: int, node: Node, wrong: list[Result], values: PointValues
    ) -> Blame | None:
        """The line alone is to blame: with its right value, every wrong gradient that it leads to is right."""
        own = [r for r in wrong if r.gradient is node]
        if own and self._settled(statement, values):
            return self._blame(statement, node, own[0], values)
        affected = [r for r in wrong if self.quantities.leads(r.gradient, node)]
        if not affected or own or node in self.quantities.seeds.values():
            return None
        for of, instead in self._options(statement, place, node, values):
            mended = values.changed(instead)
            if all(self.quantities.is_right(r, mended) for r in affected):
                return Blame(statement, node, of, instead[node], values, mended, tuple(affected))
        return None

    def _named_for_it(
        self, statement: Statement, place: int, node: Node, wrong: list[Result], values: PointValues
    ) -> Blame | None:
        """The line does not compute the gradient that it is named for, though all that it reads is right."""
        leads = any(self.quantities.leads(r.gradient, node) for r in wrong)
        if not leads or self._is_settled(node, values) or not self._settled(statement, values):
            return None
        for of, instead in self._by_name(statement, place, node, values):
            return Blame(statement, node, of, instead[node], values, values.changed(instead))
        return None

    def _handed_out(
        self, statement: Statement, place: int, node: Node, wrong: list[Result], values: PointValues
    ) -> Blame | None:
        """The line that hands out a wrong gradient, where nothing tells in which line it went wrong."""
        own = [r for r in wrong if r.gradient is node]
        return self._blame(statement, node, own[0], values) if own else None

    def _blame(self, statement: Statement, node: Node, result: Result, values: PointValues) -> Blame:
        right = self.quantities.right(result) or Numbers((np.zeros(result.of.shape),) * len(values.points))
        fixed = node in self.quantities.seeds.values()  # `return dout`
        after = values if fixed else values.changed({node: right})
        return Blame(statement, node, result.of, right, values, after, (result,))

    # ----------------------------------------------------------------------------------------------- what is settled

    def _settled(self, statement: Statement, values: PointValues) -> bool:
        """Whether all that a statement reads of other lines is known to be right."""
        return all(self._is_settled(node, values) for node in self.read(statement))

    def _is_settled(self, node: Node, values: PointValues) -> bool:
        match = self.matcher.match(node, values)
        if not self.quantities.is_of_dout(node):
            return True
        maker = self.maker.get(node)
        named = maker is not None and any(self.named(target) for target in maker.targets)
        return match is not None and (match.kind in SETTLED or not named)

    def read(self, statement: Statement) -> list[Node]:
        """The nodes that a statement reads, but for numbers."""
        own = set(statement.made)
        found = {i: None for node in statement.made for i in node.inputs if i not in own}
        return list(found) if statement.made else list(self.quantities.seeds.values())

    # -------------------------------------------------------------------------------------------------- what it may be

    def named(self, target: str) -> tuple[Node, ...]:
        """The values of forward whose gradient a name says it is: W for `self.dW`, x for `grad_x`."""
        match = _NAMED.fullmatch(target.rpartition(".")[2])
        wanted = next(filter(None, match.groups()), None) if match else None
        return self._called.get(wanted, ()) if wanted else ()

    @property
    def _called(self) -> Mapping[str, tuple[Node, ...]]:
        found: dict[str, tuple[Node, ...]] = {}
        for node in self.quantities.of:
            name = self.quantities.trace.names.get(node)
            if name is not None:
                key = name.rpartition(".")[2]
                found[key] = (*found.get(key, ()), node)
        return found

    def _options(
        self, statement: Statement, place: int, node: Node, values: PointValues
    ) -> Iterator[tuple[Node, dict[Node, Numbers]]]:
        """What a line may be meant to be: the gradient that it is named for, or any one where it is nothing known."""
        match = self.matcher.match(node, values)
        yield from self._by_name(statement, place, node, values)
        if match is None and len(statement.results[place]) == 1:
            for value, gradient in list(self.quantities.of.items())[:_MOST_TRIED]:
                numbers = self._fitted(self.quantities.values[gradient], node)
                if numbers is not None:
                    yield value, {node: numbers}

    def _by_name(
        self, statement: Statement, place: int, node: Node, values: PointValues
    ) -> Iterator[tuple[Node, dict[Node, Numbers]]]:
        if not statement.targets:
            return
        named = self.named(statement.targets[min(place, len(statement.targets) - 1)])
        match = self.matcher.match(node, values)
        if match is not None and match.kind is Kind.GRADIENT and any(v in named for v in match.values):
            return
        turns = statement.results[place]
        for value in named:
            numbers = self._fitted(self.quantities.values[self.quantities.of[value]], node)
            if numbers is not None and (len(turns) == 1 or self.adds_up(turns)):
                yield value, {node: numbers}
        if len(turns) == len(named) > 1:  # a loop over time: the last turn is of the first value, or of the last
            for order in (named, named[::-1]):
                each = [self._fitted(self.quantities.values[self.quantities.of[v]], n) for v, n in zip(order, turns, strict=True)]
                known = {n: numbers for n, numbers in zip(turns, each, strict=True) if numbers is not None}
                if len(known) == len(turns):
                    yield (order[0], known)

    @staticmethod
    def adds_up(turns: Sequence[Node]) -> bool:
        """Whether a line adds to, or writes into, what it made in the turn before: then its last value is its result."""
        return len(turns) > 1 and (turns[-1].primitive in _WRITES or turns[-2] in turns[-1].inputs)

    @staticmethod
    def _fitted(numbers: Numbers | None, node: Node) -> Numbers | None:
        if numbers is None or numbers.near.size != int(np.prod(node.shape, dtype=int)):
            return None
        return numbers.made(lambda x: np.reshape(x, node.shape))
