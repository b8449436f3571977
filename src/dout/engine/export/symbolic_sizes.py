"""Numbers in a text that depend on the sizes of arrays: found by comparing the texts of runs at several sizes.

What is the same number at every size stays. What differs is written as an expression of the arrays' shapes, such as
`x.shape[0]`, which gives the number at each of the sizes. They are primes, so that hardly another does by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from dout.errors import UnsupportedError
from dout.explain.spelling.size_words import SizeWords, UnspelledError
from dout.explain.spelling.written_text import tupled
from dout.graph import Shape

# A shape: not what a function is called with. A number: not part of a name, nor of a tuple that is one.
_PARTS = re.compile(r"(?<![\w.])\((?:\d+(?:, \d+)+|\d+,)\)|(?<![\w.])\d+(?:\.\d*)?(?:e[-+]?\d+)?(?!\w)")

Sizes = tuple[float, ...]  # a number in each of the texts


class Lengths:
    """What is known of lengths: `shapes` gives for each array the user can name its shape in each of the runs."""

    def __init__(self, shapes: Mapping[str, Sequence[Shape]]) -> None:
        self.shapes = {name: tuple(found) for name, found in shapes.items()}
        self.symbols: dict[Sizes, str] = {}  # of lengths that differ
        for name, found in self.shapes.items():
            for axis, sizes in enumerate(zip(*found, strict=True)):
                if len(set(sizes)) > 1:
                    self.symbols.setdefault(sizes, f"{name}.shape[{axis}]")
        self._words = SizeWords({name: found for name, found in self.shapes.items() if len(set(found)) > 1})

    def relations(self) -> Iterator[str]:
        """The conditions under which the arrays' shapes are as the runs' were."""
        for name, found in self.shapes.items():
            if (other := self._words.like(found)) not in (None, name):
                yield f"{name}.shape == {other}.shape"
                continue
            for axis, sizes in enumerate(zip(*found, strict=True)):
                length = self.symbols.get(sizes) or str(sizes[0])
                if length != f"{name}.shape[{axis}]":
                    yield f"{name}.shape[{axis}] == {length}"

    def shape(self, found: Sequence[Shape]) -> str:
        """The expression of a shape. UnsupportedError where there is none."""
        other = self._words.like(tuple(found))
        return f"{other}.shape" if other else tupled([self.number(sizes) for sizes in zip(*found, strict=True)])

    def number(self, sizes: Sizes) -> str:
        """The expression of a number. UnsupportedError where there is none."""
        if len(set(sizes)) == 1:
            return f"{sizes[0]:g}" if sizes[0] != int(sizes[0]) else str(int(sizes[0]))
        if all(sizes) and max(sizes) < 1:
            inverse = self.number(tuple(round(1 / size, 9) for size in sizes))
            return f"1 / ({inverse})" if " " in inverse else f"1 / {inverse}"
        try:
            return self._words.number(tuple(map(_whole, sizes)))
        except (UnspelledError, ValueError):
            why = "a number in it depends on the sizes of its arrays in no way that dout knows"
            raise UnsupportedError(why) from None


def _whole(number: float) -> int:
    """ValueError if it is none."""
    if number != int(number):
        raise ValueError(number)
    return int(number)


def aligned(texts: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The parts in which texts that differ in numbers alone are one: what stands before a number, and the numbers.

    The last part has no numbers. UnsupportedError where they differ in more.

    >>> list(aligned(["a[0] = (5, 4)", "a[0] = (7, 4)"]))
    [('a[', ('0', '0')), ('] = ', ('(5, 4)', '(7, 4)')), ('', ())]
    """
    between = [_PARTS.split(text) for text in texts]
    if any(one != between[0] for one in between):
        raise UnsupportedError("the steps of it depend on the sizes of its arrays")
    numbers = zip(*(_PARTS.findall(text) for text in texts), strict=True)
    yield from zip(between[0], [*numbers, ()], strict=True)


def written(texts: Sequence[str], lengths: Lengths) -> str:
    """The one text that holds at every size. UnsupportedError where there is none."""
    parts = []
    for before, numbers in aligned(texts):
        parts.append(before)
        if len(set(numbers)) > 1:
            parts.append(
                lengths.shape([_shape(n) for n in numbers]) if numbers[0][0] == "(" else _number(numbers, lengths)
            )
        elif numbers:
            parts.append(numbers[0])
    return "".join(parts)


def parametrised(texts: Sequence[str], lengths: Lengths) -> tuple[str, dict[str, str]]:
    """The one text of a function, and the parameters that it needs for what depends on sizes, each with its value."""
    parts, given = [], dict[str, str]()
    for before, numbers in aligned(texts):
        parts.append(before)
        if len(set(numbers)) > 1:
            if numbers[0][0] == "(":
                raise UnsupportedError("a shape in it depends on the sizes of its arrays")
            value = _number(numbers, lengths)
            name = next(
                (name for name, known in given.items() if known == value),
                f"number_{len(given) + 1}" if given else "number",
            )
            given[name] = value
            parts.append(name)
        elif numbers:
            parts.append(numbers[0])
    return "".join(parts), given


def _shape(text: str) -> Shape:
    return tuple(map(int, re.findall(r"\d+", text)))


def _number(texts: Sequence[str], lengths: Lengths) -> str:
    return lengths.number(tuple(map(float, texts)))
