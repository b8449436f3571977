"""Lengths and shapes as expressions of arrays at hand: `x.shape[0]`, never the number of an example.

A length is known at several recordings, as a tuple of one number each. What is the same in all of them is a number;
what differs is an expression that gives each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import combinations, combinations_with_replacement

from dout.explain.spelling.written_text import tupled
from dout.graph import Shape

Sizes = tuple[int, ...]  # a length in each of the recordings
Shapes = tuple[Shape, ...]  # a shape in each of them
_FACTORS = 3  # lengths in one product
_MOST_PARTS = 16  # into which a length is divided
_SMALL = 2  # a greater whole number next to a length is more likely one that the layer holds


class UnspelledError(Exception):
    """Nothing in NumPy says this in a way that holds at every size: the `key` of a reason, and its `fields`."""

    def __init__(self, key: str, **fields: object) -> None:
        self.key, self.fields = key, fields
        super().__init__(key, fields)


class SizeWords:
    """The names of arrays at hand, the likeliest first, each with its shapes.

    `ask` is called with shapes that no array at hand has, or one length of which is not known otherwise; it returns the
    names of more arrays. `literals` are the whole numbers that forward itself has: others are lengths, if there is an
    array of that length. `tuples` are those of the names that hold a shape and no array, beside those called so.
    """

    def __init__(
        self,
        arrays: Mapping[str, Shapes],
        more: Callable[[], Iterator[tuple[str, Shapes]]] | None = None,
        numbers: Mapping[str, Sizes] | None = None,
        *,
        all_vary: bool = True,
        literals: Collection[float] = (),
        tuples: Collection[str] = (),
    ):
        self.arrays, self.all_vary = dict(arrays), all_vary
        self.literals, self.tuples = literals, tuples
        self.numbers = dict(numbers or {})  # whole numbers at hand: `self.size`
        self._more = more

    def _candidates(self) -> Iterator[tuple[str, Shapes]]:
        yield from list(self.arrays.items())
        if self._more is not None:
            yield from self._more()

    def shape(self, shapes: Shapes) -> str:
        """The expression of a shape. Raises UnspelledError where there is none."""
        for name, found in self._candidates():
            if found == shapes and shapes[0]:
                return self._shape_of(name)
        lengths = [self._length(sizes) for sizes in zip(*shapes, strict=True)]
        return tupled(lengths)

    def _length(self, sizes: Sizes) -> str:
        """The length of an axis. Where not all lengths vary, a number may be one, and has to be that of one array."""
        if len(set(sizes)) == 1 and sizes[0] > 1 and not self.all_vary:
            return self._untried(sizes)
        return self.number(sizes)

    def _untried(self, sizes: Sizes) -> str:
        """The text of a length that is equal in all recordings, by the only array that has it."""
        found = [text for text, known in self._known() if known == sizes]
        if len(found) != 1:
            raise UnspelledError("derive untried length", length=sizes[0])
        return found[0]

    def like(self, shapes: Shapes) -> str | None:
        """An array at hand of these shapes."""
        return next((name for name, found in self.arrays.items() if found == shapes), None)

    def known(self, sizes: Sizes) -> str | None:
        """An array's length or a number at hand that equals this length; None if there is none."""
        return next((text for text, known in self._known() if known == sizes), None)

    def number(self, sizes: Sequence[int]) -> str:
        """The expression of a length, or of a number computed from lengths. Raises UnspelledError if there is none."""
        sizes = tuple(sizes)
        if len(set(sizes)) == 1:
            may_be_length = sizes[0] > 1 and not self.all_vary and sizes[0] not in self.literals
            return self._untried(sizes) if may_be_length and self.known(sizes) else str(sizes[0])
        for text, known in self._known():
            if known == sizes:
                return text
        return self._computed(sizes)

    def _known(self) -> Iterator[tuple[str, Sizes]]:
        yield from self.numbers.items()
        for name, found in self._candidates():
            whole = self._shape_of(name)
            yield from ((f"{whole}[{axis}]", sizes) for axis, sizes in enumerate(zip(*found, strict=True)))
            if len(found[0]) > 1 and whole != name:
                yield f"{name}.size", tuple(map(math.prod, found))

    def _shape_of(self, name: str) -> str:
        return name if name in self.tuples or name.endswith(_SHAPE) else f"{name}.shape"

    def _computed(self, sizes: Sizes) -> str:
        known: dict[Sizes, str] = {}
        for text, one in self._known():
            if len(set(one)) > 1:
                known.setdefault(one, text)
        computed = (
            _product(sizes, known)
            or _sum(sizes, known, _SMALL)
            or _more(sizes, known, self.numbers)
            or _sum(sizes, known)
            or _quotient(sizes, known)
            or _part(sizes, known)
            or _smaller(sizes, known)
        )
        if computed is None:
            raise UnspelledError("derive number", numbers=", ".join(map(str, sizes)))
        return computed


_SHAPE = "_shape"


def _product(sizes: Sizes, known: Mapping[Sizes, str]) -> str | None:
    """A whole multiple of lengths: `2 * x.shape[0]`; or a length divided by a number."""
    for count in range(1, _FACTORS + 1):
        for chosen in combinations_with_replacement(known.items(), count):
            text = " * ".join(name for _, name in chosen)
            products = [1] * len(sizes)
            for vector, _ in chosen:
                products = [product * size for product, size in zip(products, vector, strict=True)]
            pairs = list(zip(sizes, products, strict=True))
            if all(product and size % product == 0 for size, product in pairs):
                ratios = {size // product for size, product in pairs}
                if len(ratios) == 1:
                    ratio = ratios.pop()
                    return text if ratio == 1 else f"{ratio} * {text}"
            if count == 1 and all(size and product % size == 0 for size, product in pairs):
                ratios = {product // size for size, product in pairs}
                if len(ratios) == 1:
                    return f"{text} // {ratios.pop()}"
    return None


def _quotient(sizes: Sizes, known: Mapping[Sizes, str]) -> str | None:
    """A length divided by another: `x.shape[2] // self.size`."""
    for one, text in known.items():
        for other, under in known.items():
            if all(b and a % b == 0 and a // b == n for n, a, b in zip(sizes, one, other, strict=True)):
                return f"{text} // {under}"
    return None


def _part(sizes: Sizes, known: Mapping[Sizes, str]) -> str | None:
    """A length divided by a small number, rounded down: `x.shape[1] // 3`."""
    for vector, text in known.items():
        for under in range(2, _MOST_PARTS + 1):
            if all(length // under == n for n, length in zip(sizes, vector, strict=True)):
                return f"{text} // {under}"
    return None


def _smaller(sizes: Sizes, known: Mapping[Sizes, str]) -> str | None:
    """The smaller of two lengths, as that of a diagonal."""
    for (one, text), (other, under) in combinations(known.items(), 2):
        if tuple(map(min, one, other)) == sizes:
            return f"min({text}, {under})"
    return None


def _sum(sizes: Sizes, known: Mapping[Sizes, str], greatest: float = math.inf) -> str | None:
    """A length and a whole number, up to a greatest one: `x.shape[0] - 1`."""
    for vector, name in known.items():
        differences = {size - length for size, length in zip(sizes, vector, strict=True)}
        if len(differences) == 1 and abs(difference := differences.pop()) <= greatest:
            return f"{name} {'-' if difference < 0 else '+'} {abs(difference)}"
    return None


def _more(sizes: Sizes, known: Mapping[Sizes, str], numbers: Mapping[str, Sizes]) -> str | None:
    """A length and a multiple of a number that the layer holds: `x.shape[2] + 2 * self.pad`."""
    for vector, text in known.items():
        rest = [size - length for size, length in zip(sizes, vector, strict=True)]
        for name, number in numbers.items():
            ratios = {a // b if b and a % b == 0 else None for a, b in zip(rest, number, strict=True) if a or b}
            if len(ratios) == 1 and (ratio := ratios.pop()):
                many = name if abs(ratio) == 1 else f"{abs(ratio)} * {name}"
                return f"{text} {'+' if ratio > 0 else '-'} {many}"
    return None
