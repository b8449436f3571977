"""Wrong gradients in; the lines in which they go wrong out, each with what it should be.

A line is to blame if what is computed after it comes out right as soon as its own value is what it should be. That is
tried in exact arithmetic, line after line; once a line is mended in this way, the next one is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from dout.explain.beside.derived_quantities import DerivedQuantities, HandedOut
from dout.explain.beside.matches import SETTLED, Matcher, MatchKind
from dout.explain.beside.point_values import Numbers, PointValues
from dout.explain.beside.statements import Statement
from dout.graph import INPUT, Node
from dout.ops import primitives
from dout.trace.model.derived_gradients import Edge
from dout.trace.model.recorded import LayerCall

_MOST = 8  # wrong lines
_MOST_TRIED = 60  # gradients in the place of a line whose name says nothing
WRITES = primitives("setitem add_at")
_TIMES = primitives("multiply")
_NAMED = re.compile(r"d_?(\w+)|grad_(\w+)|(\w+)_grad")


@dataclass(frozen=True, eq=False)
class Blame:
    """A wrong line: its value `node` should be `right`, the gradient of `of` or of one `use` of it.

    `before` are the values as they are, where earlier lines may have been mended, and `after` those where this one is,
    too. `results` are the gradients that are right then, or handed out by this line.
    """

    statement: Statement
    node: Node
    of: Node
    right: Numbers
    before: PointValues
    after: PointValues
    results: tuple[HandedOut, ...] = ()
    use: Edge | None = None
    layer: LayerCall | None = None  # inside, whose own backward is wrong
    local: Node | None = None  # the output, where the line gives its derivative with respect to `of`


Option = tuple[Node, Edge | None, dict[Node, Numbers]]  # what a line may be meant to be, and what its nodes are then


class BlameSearch:
    """Looks for the lines in which the gradients of one backward go wrong.

    `explained` says whether one small change accounts for what is wrong with a line.
    """

    def __init__(
        self, statements: Sequence[Statement], quantities: DerivedQuantities, matcher: Matcher,
        explained: Callable[[Blame], bool],
    ) -> None:  # fmt: skip
        self.statements, self.quantities, self.matcher, self.explained = statements, quantities, matcher, explained
        self.maker = {node: s for s in statements for node in s.made}
        self.last = {target: s for s in statements if not s.alias for target in s.targets}

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
            wrong = self._still(wrong, blame)
        return tuple(found)

    def _still(self, wrong: list[HandedOut], blame: Blame) -> list[HandedOut]:
        return [r for r in wrong if r not in blame.results and not self.quantities.is_right(r, blame.after)]

    def _next(self, wrong: list[HandedOut], values: PointValues, done: set[Statement]) -> Blame | None:
        """The next line to blame: by the search that tells the most."""
        places = [(s, i) for s in self.statements if s not in done and self._computes(s) for i in range(len(s.results))]
        searches = (
            self._layer,
            self._alone,
            self._local,
            self._by_itself,
            self._in_pair,
            self._on_the_way,
            self._in_a_turn,
            self._handed_out,
            self._named_for_it,
        )
        for search in (*searches, self._mended, self._at_last):
            for statement, place in places:
                if (blame := search(statement, place, wrong, values)) is not None:
                    return blame
        return None

    def _computes(self, statement: Statement) -> bool:
        """Whether a statement computes something, or hands out an upstream gradient as it came."""
        return not statement.alias or any(node in self.quantities.seeds.values() for node in statement.last)

    # --------------------------------------------------------------------------------------------------- the searches

    def _layer(self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues) -> Blame | None:
        """A layer inside whose own backward is wrong."""
        layer, node = statement.layer, statement.last[place]
        affected = [r for r in wrong if self.quantities.leads(r.gradient, node)]
        if layer is None or not affected:
            return None
        inside = DerivedQuantities(self.quantities.trace, layer, ())
        refuted = next((r for r in inside.wrong if r.gradient is node), None)
        right = None if refuted is None else self._fitted(self.quantities.gradient_inside(refuted.of, layer), node)
        if refuted is None or right is None:
            return None
        fixed = node in self.quantities.seeds.values()
        after = values if fixed else values.changed({node: right})
        return Blame(statement, node, refuted.of, right, values, after, tuple(affected) if fixed else (), layer=layer)

    def _local(self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues) -> Blame | None:
        """The line gives the local derivative, and all that follows is the product with the upstream gradient."""
        node = statement.last[place]
        match = self.matcher.match(node, values)
        if self.quantities.is_of_dout(node) or (match is not None and match.kind is MatchKind.LOCAL):
            return None
        for result in wrong:
            inputs = result.gradient.inputs if result.gradient.primitive in _TIMES else ()
            for output, dout in self.quantities.seeds.items():
                right, upstream = self.quantities.right(result), values[dout]
                if {*inputs} != {node, dout} or not node.shape == dout.shape == result.of.shape:
                    continue
                slope = right.made(lambda a, b: a / b, upstream) if right and upstream else None
                if slope is not None:
                    after = values.changed({node: slope})
                    return Blame(statement, node, result.of, slope, values, after, (result,), local=output)
        return None

    def _alone(self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues) -> Blame | None:
        """Everything that the line reads is right, and correcting the line corrects all results that follow from it."""
        return self._mended(statement, place, wrong, values) if self._settled(statement, values) else None

    def _by_itself(self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues) -> Blame | None:
        """The line hands out a wrong gradient by one small change, and what it reads is on the way to a gradient."""
        handed_out = any(r.gradient is statement.last[place] for r in wrong)
        read = [self.matcher.match(node, values) for node in self.read(statement) if self.quantities.is_of_dout(node)]
        on_the_way = all(match is not None and match.kind is not MatchKind.OPPOSITE for match in read)
        return self._mended(statement, place, wrong, values) if handed_out and on_the_way else None

    def _mended(self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues) -> Blame | None:
        """Correcting the line corrects all results that follow from it, whatever the line reads."""
        node = statement.last[place]
        own = [r for r in wrong if r.gradient is node]
        if own:
            blame = self._blame(statement, node, own[0], values)
            return blame if self.explained(blame) else None
        affected = [r for r in wrong if self.quantities.leads(r.gradient, node)]
        if not affected or node in self.quantities.seeds.values():
            return None
        named = self._named(statement, place)
        for of, use, instead in self._options(statement, place, values):
            mended = values.changed(instead)
            right = [r for r in affected if self.quantities.is_right(r, mended)]
            blame = Blame(statement, node, of, instead[node], values, mended, tuple(right), use)
            enough = any if of in named else all  # a name is evidence, too
            if enough(r in right for r in affected) and (of in named or not named or self.explained(blame)):
                return blame
        return None

    def _in_pair(self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues) -> Blame | None:
        """The line misses the gradient in its name, and after correcting it, one other line alone is to blame."""
        node = statement.last[place]
        if any(r.gradient is node for r in wrong) or not any(self.quantities.leads(r.gradient, node) for r in wrong):
            return None
        for of, use, instead in self._by_name(statement, place, values):
            blame = Blame(statement, node, of, instead[node], values, values.changed(instead), (), use)
            if not self.explained(blame):
                continue
            for other in self.statements:
                for at in range(len(other.results)) if other is not statement and self._computes(other) else ():
                    if self._alone(other, at, self._still(wrong, blame), blame.after) is not None:
                        return blame
        return None

    def _on_the_way(
        self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues
    ) -> Blame | None:
        """The line multiplies a gradient; with another gradient in its place, several results become right."""
        node = statement.last[place]
        match, affected = (
            self.matcher.match(node, values),
            [r for r in wrong if self.quantities.leads(r.gradient, node)],
        )
        if len(affected) < 2 or match is None or match.kind is not MatchKind.PRODUCT or self._named(statement, place):
            return None
        for of, use, numbers in self._any(node) if self._settled(statement, values) else ():
            mended = values.changed({node: numbers})
            if all(self.quantities.is_right(r, mended) for r in affected):
                return Blame(statement, node, of, numbers, values, mended, tuple(affected), use)
        return None

    def _in_a_turn(self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues) -> Blame | None:
        """A line in a loop goes wrong in one turn although its inputs are right, and one small change explains it."""
        turns = statement.results[place]
        affected = tuple(r for r in wrong if self.quantities.leads(r.gradient, turns[0]))
        if len(turns) == 1 or self.adds_up(turns) or not affected:
            return None
        turn = next((node for node in turns if self.matcher.match(node, values) is None), None)
        own = {node for node in statement.made if turn and self.quantities.leads(turn, node)}
        if turn is None or not all(self._is_settled(i, values) for node in own for i in node.inputs if i not in own):
            return None
        for of, use, numbers in self._any(turn):
            blame = Blame(statement, turn, of, numbers, values, values, affected, use)
            if self.explained(blame):
                return blame
        return None

    def _named_for_it(
        self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues
    ) -> Blame | None:
        """The line does not compute the gradient in its name, although all its inputs are right."""
        node = statement.last[place]
        leads = any(self.quantities.leads(r.gradient, node) for r in wrong)
        if not leads or self._is_settled(node, values) or not self._settled(statement, values):
            return None
        for of, use, instead in self._by_name(statement, place, values):
            return Blame(statement, node, of, instead[node], values, values.changed(instead), (), use)
        return None

    def _handed_out(
        self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues
    ) -> Blame | None:
        """The line hands out a wrong gradient, and all that it reads is right."""
        return self._at_last(statement, place, wrong, values) if self._settled(statement, values) else None

    def _at_last(self, statement: Statement, place: int, wrong: list[HandedOut], values: PointValues) -> Blame | None:
        """The line hands out a wrong gradient, and nothing tells in which line that went wrong."""
        own = [r for r in wrong if r.gradient is statement.last[place]]
        return self._blame(statement, statement.last[place], own[0], values) if own else None

    def _blame(self, statement: Statement, node: Node, result: HandedOut, values: PointValues) -> Blame:
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
        named = maker is not None and any(self._named(maker, place) for place in range(len(maker.results)))
        return match is not None and (match.kind in SETTLED or not named)

    def read(self, statement: Statement) -> list[Node]:
        """The nodes that a statement reads, but for numbers."""
        own = set(statement.made)
        found = {i: None for node in statement.made for i in node.inputs if i not in own}
        if statement.made or statement.alias:
            return list(found) or list(statement.last)
        return list(self.quantities.seeds.values())

    # -------------------------------------------------------------------------------------------------- what it may be

    def named(self, target: str) -> tuple[Node, ...]:
        """The values of forward whose gradient a name says it is: W for `self.dW`, x for `grad_x`."""
        match = _NAMED.fullmatch(target.rpartition(".")[2])
        wanted = next(filter(None, match.groups()), None) if match else None
        return self._called.get(wanted, ()) if wanted else ()

    @cached_property
    def _called(self) -> Mapping[str, tuple[Node, ...]]:
        found: dict[str, tuple[Node, ...]] = {}
        for node in self.quantities.of:
            name = self.quantities.trace.names.get(node)
            if name is not None and (node.inputs or node.primitive is INPUT):  # not an array of zeros that h starts as
                key = name.rpartition(".")[2]
                found[key] = (*found.get(key, ()), node)
        return found

    def _named(self, statement: Statement, place: int) -> tuple[Node, ...]:
        """The values whose gradient a statement is named for; a name that is written again later says nothing yet."""
        if not statement.targets:
            return ()
        target = statement.targets[min(place, len(statement.targets) - 1)]
        return self.named(target) if self.last.get(target) is statement else ()

    def _options(self, statement: Statement, place: int, values: PointValues) -> Iterator[Option]:
        """The gradients that a line may be meant to be: the one in its name; any, if its value is not recognised."""
        node = statement.last[place]
        yield from self._by_name(statement, place, values)
        match = self.matcher.match(node, values)
        may_be_any = match is None or (match.kind is MatchKind.PRODUCT and self._named(statement, place))
        if len(statement.results[place]) > 1 or not may_be_any:
            return
        for of, use, numbers in self._any(node):
            yield of, use, {node: numbers}

    def _any(self, node: Node) -> Iterator[tuple[Node, Edge | None, Numbers]]:
        """The gradients of values, and on edges, that a node could be by its size."""
        of, on = self.quantities.of, self.quantities.edges
        uses = [(edge[0].inputs[edge[1]], edge, gradient) for edge, gradient in on.items()]
        every = (*((value, None, gradient) for value, gradient in of.items()), *uses)
        fitting = ((v, use, self._fitted(self.quantities.values[gradient], node)) for v, use, gradient in every)
        yield from islice(((v, use, numbers) for v, use, numbers in fitting if numbers is not None), _MOST_TRIED)

    def _by_name(self, statement: Statement, place: int, values: PointValues) -> Iterator[Option]:
        node, turns, named = statement.last[place], statement.results[place], self._named(statement, place)
        match = self.matcher.match(node, values)
        if match is not None and match.kind is MatchKind.GRADIENT and any(v in named for v in match.values):
            return
        right = [self.quantities.values[self.quantities.of[value]] for value in named]
        if len(turns) == 1 or self.adds_up(turns):
            for value, numbers in zip(named, right, strict=True):
                fitted = self._fitted(numbers, node)
                if fitted is not None:
                    yield value, None, {node: fitted}
        elif len(turns) == len(named):  # a loop over time: the last turn is of the first value, or of the last
            for way in (1, -1):
                each = [self._fitted(numbers, turn) for numbers, turn in zip(right[::way], turns, strict=True)]
                known = {turn: numbers for turn, numbers in zip(turns, each, strict=True) if numbers is not None}
                if len(known) == len(turns):
                    yield named[::way][-1], None, known

    @staticmethod
    def adds_up(turns: Sequence[Node]) -> bool:
        """Whether a line adds to, or writes into, what it made in the turn before: its last value is its result."""
        return len(turns) > 1 and (turns[-1].primitive in WRITES or turns[-2] in turns[-1].inputs)

    @staticmethod
    def _fitted(numbers: Numbers | None, node: Node) -> Numbers | None:
        if numbers is None or numbers.near.size != int(np.prod(node.shape, dtype=int)):
            return None
        return numbers.made(lambda x: np.reshape(x, node.shape))
