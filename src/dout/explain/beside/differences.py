"""A wrong gradient and the right one in; why they differ out, if some small change accounts for it exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from dout.explain.beside.derived_quantities import DerivedQuantities
from dout.explain.beside.meaning import Meaning
from dout.explain.beside.point_values import Numbers, PointValues, alike, is_zero, same
from dout.explain.model.explanation import Phrase
from dout.explain.terms.terms import ONE, TWO, FunctionCall, Number, Power, Symbol, Term, negated, product, total
from dout.graph import CONSTANT, Node
from dout.ops import primitives
from dout.trace.model.derived_gradients import Edge

_SUMS = primitives("sum")
_KEEPS = primitives("reshape astype")

# What may be missing or one too many as a factor, of a value: itself, 1 − y, y², …
_FACTORS: tuple[tuple[Callable[[Any], Any], Callable[[Term], Term]], ...] = (
    (lambda v: v, lambda t: t),
    (lambda v: 1 - v, lambda t: total(ONE, negated(t))),
    (lambda v: v * v, lambda t: Power(t, TWO)),
    (lambda v: 1 - v * v, lambda t: total(ONE, negated(Power(t, TWO)))),
)


@dataclass(frozen=True, eq=False)
class GradientDifference:
    """A line's value `mine`, and what is `right` there: the gradient of a value `of` forward, or of one `use` of it."""

    quantities: DerivedQuantities
    meaning: Meaning
    values: PointValues
    node: Node
    of: Node
    right: Numbers
    use: Edge | None = None

    @cached_property
    def mine(self) -> Numbers:
        """The value that the line computes."""
        numbers = self.values[self.node]
        assert numbers is not None
        return numbers

    @cached_property
    def gradient(self) -> Term:
        """The right gradient by its name."""
        return self.meaning.gradient(self.of)

    def reason(self) -> Phrase | None:
        """The first change that accounts for the difference; None where none of them does."""
        for looked_for in (
            self._plain, self._sums, self._constant, self._parts, self._masks, self._factors, self._others,
        ):  # fmt: skip
            for reason in looked_for():
                return reason
        return None

    def other_shape(self) -> Phrase:
        """The line has not the shape of the value whose gradient it should be."""
        of = self.meaning.term(self.of) or self.gradient
        return Phrase("beside_shape", {"mine": self.mine.shape, "right": self.of.shape, "of": of})

    # ---------------------------------------------------------------------------------------------------- one by one

    def _plain(self) -> Iterator[Phrase]:
        mine, right = self.mine, self.right
        if mine.near.size and is_zero(mine):
            yield Phrase("beside_zero", {"gradient": self.gradient})
        derived = self.quantities.of.get(self.of)
        if not self.quantities.is_of_dout(self.node) and derived is not None:
            alone = self.quantities.ones[derived]
            if alike(mine, alone):
                yield Phrase("beside_no_dout")
        if same(mine.made(lambda x: -x), right):
            yield Phrase("beside_sign")
        if len(mine.shape) > 1 and same(mine.made(np.transpose), right):
            yield Phrase("beside_transposed")
        if len(mine.shape) == len(self.of.shape) and mine.shape != self.of.shape and alike(mine, right):
            yield self.other_shape()

    def _edges(self) -> list[tuple[Edge, Node]]:
        uses = [self.use] if self.use else self.quantities.edges_from(self.of)
        return [(edge, self.quantities.edges[edge]) for edge in uses]

    @cached_property
    def _unsummed(self) -> tuple[Numbers, tuple[int, ...], Node] | None:
        """What the right gradient is the sum of, along which axes, and the step of forward that asks for the sum."""
        edges = self._edges()
        if len(edges) != 1:
            return None
        (user, _), node = edges[0]
        while node.primitive in _KEEPS:
            node = node.inputs[0]
        if node.primitive not in _SUMS:
            return None
        before = node.inputs[0]
        numbers, total_of = self.quantities.values[before], self.quantities.values[node]
        if numbers is None or total_of is None:
            return None
        for count in range(1, len(numbers.shape) + 1):
            for axes in combinations(range(len(numbers.shape)), count):
                if alike(numbers.made(lambda x, axes=axes: x.sum(axis=axes)), total_of):
                    return numbers, axes, user
        return None

    def _sums(self) -> Iterator[Phrase]:
        if self._unsummed is None:
            return
        whole, axes, user = self._unsummed
        axis: Any = axes[0] if len(axes) == 1 else axes
        fields = {"step": self.meaning.step(user), "axes": self._spoken(whole, axes, user), "axis": axis}
        if alike(self.mine, whole):
            yield Phrase("beside_not_summed", fields)
        for count in range(1, len(whole.shape) + 1):
            for other in combinations(range(len(whole.shape)), count):
                for summed in (np.sum, np.mean):
                    made = whole.made(lambda x, s=summed, other=other: s(x, axis=other))
                    if (
                        other != axes
                        and self.mine.near.size == (made.near.size if made else -1)
                        and alike(self.mine, made)
                    ):
                        yield Phrase("beside_axis", fields)

    def _spoken(self, whole: Numbers, axes: Sequence[int], user: Node) -> str:
        letters = self.meaning.axes(user)
        names = [letters[i] if len(letters) == len(whole.shape) else str(whole.shape[i]) for i in axes]
        words = {0: "rows", 1: "columns"} if len(whole.shape) == 2 else {}
        parts = [f"the {n} {words[i]}" if i in words else f"axis {i} ({n})" for i, n in zip(axes, names, strict=True)]
        return " and ".join(parts)

    def _constant(self) -> Iterator[Phrase]:
        ratio = self._ratio(self.mine, self.right)
        if ratio is None:
            yield from self._root()
            return
        length = self._length(ratio)
        if length is not None:
            key, n = length
            yield Phrase(f"beside_{key}", {"n": n, "gradient": self.gradient})
        yield Phrase("beside_times", {"factor": ratio, "gradient": self.gradient})

    def _root(self) -> Iterator[Phrase]:
        """Whether one is the root of a length times the other: √D."""
        square = self._ratio(self.mine.made(lambda x: x * x), self.right.made(lambda x: x * x))
        length = self._length(square) if square is not None else None
        if length is not None and np.all(np.sign(self.mine.near) == np.sign(self.right.near)):
            n = round(square if length[0] == "not_divided" else 1 / square) if square else 0
            axes = ((letter, m) for node in self.quantities.forward
                    for letter, m in zip(self.meaning.axes(node), node.shape, strict=False))  # fmt: skip
            fitting = {letter for letter, m in axes if m == n}  # of two axes of one length, which it is is not known
            root: Term = FunctionCall("sqrt", (Symbol(fitting.pop()) if len(fitting) == 1 else Number(n),))
            factor = root if length[0] == "not_divided" else product(ONE, over=(root,))
            yield Phrase("beside_times", {"factor": factor, "gradient": self.gradient})

    def _ratio(self, mine: Numbers | None, right: Numbers | None) -> int | float | None:
        """The number that one is of the other everywhere: whole numbers as such."""
        if mine is None or right is None or mine.shape != right.shape or not right.near.size:
            return None
        with np.errstate(all="ignore"):
            at = int(np.argmax(np.abs(np.nan_to_num(right.near))))
            ratio = float(mine.near.flat[at] / right.near.flat[at])
        if not np.isfinite(ratio):
            return None
        for exactly in (round(ratio), *(1 / n for n in self._lengths if n)):
            if exactly and abs(ratio - exactly) < 1e-9 * abs(ratio):
                one_over = round(1 / exactly)
                by = (lambda x, n=one_over: x / n) if abs(exactly) < 1 else (lambda x, n=exactly: x * n)
                return exactly if same(right.made(by), mine) else None
        rounded = float(f"{ratio:.6g}")
        close = abs(ratio - rounded) < 1e-9 * abs(ratio)
        return rounded if close and ratio and same(right.made(lambda x: x * rounded), mine) else None

    @cached_property
    def _lengths(self) -> dict[int, str]:
        """The lengths of axes, and sizes, of the values of forward, each with its letter."""
        found: dict[int, str] = {}
        for node in self.quantities.forward:
            letters = self.meaning.axes(node)
            for i, n in enumerate(node.shape):
                found.setdefault(n, letters[i] if len(letters) == len(node.shape) else str(n))
        for node in self.quantities.forward:
            size = int(np.prod(node.shape, dtype=int))
            found.setdefault(size, str(size))
        return {n: text for n, text in found.items() if n > 1}

    def _length(self, ratio: float) -> tuple[str, str] | None:
        if ratio in self._lengths:
            return "not_divided", self._lengths[int(ratio)]
        if ratio and abs(ratio) < 1 and round(1 / ratio) in self._lengths:
            return "divided", self._lengths[round(1 / ratio)]
        return None

    def _parts(self) -> Iterator[Phrase]:
        """Where several uses of a value add up: one of them is missing, doubled, negated or scaled."""
        by_user: dict[Node, Numbers | None] = {}
        for (user, _), node in self._edges():  # of x · x both are one part
            numbers = self.quantities.values[node]
            before = by_user.get(user)
            by_user[user] = before.made(lambda a, b: a + b, numbers) if before and numbers else numbers
        for user, part in by_user.items() if len(by_user) > 1 else ():
            through = {"through": self.meaning.term(user) or self.meaning.gradient(user)}
            off = part and self.mine.made(lambda mine, right: mine - right, self.right)
            if part is None or off is None or off.shape != part.shape:
                continue
            if same(self.mine.made(lambda mine, x: mine + x, part), self.right):
                yield Phrase("beside_part_missing", through)
            share = off.made(lambda a, b: a + b, part)
            if share is None:
                continue
            ratio = self._ratio(share, part)
            length = self._length(ratio) if ratio else None
            if length is not None:
                yield Phrase(f"beside_part_{length[0]}", {**through, "n": length[1]})
            elif ratio in (2, -1):
                yield Phrase("beside_part_twice" if ratio == 2 else "beside_part_sign", through)
            elif ratio:
                yield Phrase("beside_part_times", {**through, "factor": ratio})

    def _masks(self) -> Iterator[Phrase]:
        for value in self.quantities.forward:
            mask = self.quantities.values[value] if value.dtype in (bool, np.dtype(bool)) else None
            if mask is None:
                continue
            for passed, blocked in (
                (lambda x, m: x * m, lambda x, m: x * (1 - m)),
                (lambda x, m: x * (1 - m), lambda x, m: x * m),
            ):
                if same(self.right.made(passed, mask), self.right):
                    if same(self.mine.made(passed, mask), self.right):
                        yield Phrase("beside_mask_missing", {"gradient": self.gradient})
                    seeds = [self.quantities.values[dout] for dout in self.quantities.seeds.values()]
                    if any(same(self.mine, s and s.made(blocked, mask)) for s in seeds):
                        yield Phrase("beside_mask_contrary")

    def _factors(self) -> Iterator[Phrase]:
        """A factor that is missing or one too many, maybe within the sum."""
        whole, axes = (self._unsummed[0], self._unsummed[1]) if self._unsummed else (self.right, ())
        for value, of_value, of_term in self._possible():
            numbers = self.quantities.values[value]
            factor = numbers and numbers.made(of_value)
            term = self.meaning.term(value)
            if factor is None or term is None:
                continue
            for key, change in (("missing", lambda x, f: x / f), ("extra", lambda x, f: x * f)):
                made = whole.made(lambda x, f, c=change: c(x, f).sum(axis=axes) if axes else c(x, f), factor)
                if made is not None and made.near.size == self.mine.near.size and alike(self.mine, made):
                    forgotten = key == "extra" and isinstance(of_term(term), Symbol)
                    if forgotten and not self.quantities.leads(self.node, value):  # the line knows nothing of it
                        yield Phrase("beside_not_divided", {"n": of_term(term), "gradient": self.gradient})
                    yield Phrase(f"beside_factor_{key}", {"factor": of_term(term)})

    def _possible(self) -> Iterator[tuple[Node, Callable[[Any], Any], Callable[[Term], Term]]]:
        for of_value, of_term in _FACTORS:
            for value in self.quantities.forward:
                if value.primitive is not CONSTANT:
                    yield value, of_value, of_term

    def _others(self) -> Iterator[Phrase]:
        for value, node in self.quantities.of.items():
            if value is not self.of and same(self.mine, self.quantities.values[node]):
                yield Phrase("beside_other", {"other": self.meaning.gradient(value), "gradient": self.gradient})
