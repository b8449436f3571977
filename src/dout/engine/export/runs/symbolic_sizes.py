"""Numbers in a text that depend on the sizes of arrays: found by comparing the texts of runs at several sizes.

What is the same number at every size stays. What differs is written as an expression of the arrays' shapes, such as
`x.shape[0]`, which gives the number at each of the sizes. They are primes, so that hardly another does by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement

from dout.errors import UnsupportedError
from dout.graph import Shape

# A shape: not what a function is called with. A number: not part of a name, nor of a tuple that is one.
_PARTS = re.compile(r"(?<![\w.])\((?:\d+(?:, \d+)+|\d+,)\)|(?<![\w.])\d+(?:\.\d*)?(?:e[-+]?\d+)?(?!\w)")
_FACTORS = 3  # symbols in one product

Sizes = tuple[float, ...]  # a number in each of the texts


class Lengths:
    """What is known of lengths: `shapes` gives for each array the user can name its shape in each of the runs."""

    def __init__(self, shapes: Mapping[str, Sequence[Shape]]) -> None:
        self.shapes = {name: tuple(found) for name, found in shapes.items()}
        self.symbols: dict[Sizes, str] = {}
        self.whole: dict[tuple[Shape, ...], str] = {}
        for name, found in self.shapes.items():
            if len(set(found)) > 1:
                self.whole.setdefault(found, f"{name}.shape")
            for axis, sizes in enumerate(zip(*found, strict=True)):
                if len(set(sizes)) > 1:
                    self.symbols.setdefault(sizes, f"{name}.shape[{axis}]")

    def relations(self) -> Iterator[str]:
        """The conditions under which the arrays' shapes are as the runs' were."""
        for name, found in self.shapes.items():
            if found in self.whole and self.whole[found] != f"{name}.shape":
                yield f"{name}.shape == {self.whole[found]}"
                continue
            for axis, sizes in enumerate(zip(*found, strict=True)):
                length = self.symbols.get(sizes) or str(sizes[0])
                if length != f"{name}.shape[{axis}]":
                    yield f"{name}.shape[{axis}] == {length}"

    def shape(self, found: Sequence[Shape]) -> str:
        """The expression of a shape. UnsupportedError where there is none."""
        if tuple(found) in self.whole:
            return self.whole[tuple(found)]
        lengths = [self.number(sizes) for sizes in zip(*found, strict=True)]
        return f"({', '.join(lengths)}{',' if len(lengths) == 1 else ''})"

    def number(self, sizes: Sizes) -> str:
        """The expression of a number. UnsupportedError where there is none."""
        if len(set(sizes)) == 1:
            return f"{sizes[0]:g}" if sizes[0] != int(sizes[0]) else str(int(sizes[0]))
        if sizes in self.symbols:
            return self.symbols[sizes]
        found = self._product(sizes) or self._sum(sizes)
        if found is None and all(sizes):
            inverse = self._product(tuple(round(1 / size, 9) for size in sizes))
            found = f"1 / ({inverse})" if inverse and "*" in inverse else inverse and f"1 / {inverse}"
        if found is None:
            raise UnsupportedError("a number in it depends on the sizes of its arrays in no way that dout knows")
        return found

    def _product(self, sizes: Sizes) -> str | None:
        """A whole multiple of lengths: `2 * x.shape[0] * x.shape[1]`."""
        for count in range(1, _FACTORS + 1):
            for chosen in combinations_with_replacement(self.symbols.items(), count):
                text = " * ".join(name for _, name in chosen)
                products = [1.0] * len(sizes)
                for vector, _ in chosen:
                    products = [product * size for product, size in zip(products, vector, strict=True)]
                ratios = {size / product for size, product in zip(sizes, products, strict=True)}
                if len(ratios) == 1 and (ratio := ratios.pop()) == int(ratio):
                    return text if ratio == 1 else f"{int(ratio)} * {text}"
        return None

    def _sum(self, sizes: Sizes) -> str | None:
        """A length and a whole number: `x.shape[0] - 1`."""
        for vector, name in self.symbols.items():
            differences = {size - length for size, length in zip(sizes, vector, strict=True)}
            if len(differences) == 1 and (difference := differences.pop()) == int(difference):
                return f"{name} {'-' if difference < 0 else '+'} {abs(int(difference))}"
        return None


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
