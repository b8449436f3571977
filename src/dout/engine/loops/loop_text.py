"""The text of a kernel while it is written: lines, names, loops over elements, and ways out where NumPy would raise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count

from dout.engine.loop_source.loop_refusal import LoopRefusal
from dout.engine.loops.loop_values import FORMS, ONE, LoopArray, LoopNumber

_FEW = 12  # lines, which may be written twice


class LoopText:
    """Lines of a kernel. `leave` is what it does where the loop has to run plainly instead."""

    def __init__(self, leave: str) -> None:
        self.leave = leave
        self.lines: list[str] = []
        self.before: list[str] = []  # what stands before all of them
        self.depth = 1
        self.rounds = False  # whether something is computed in another way than NumPy does it
        self.may_leave = False
        self.helpers: set[str] = set()
        self.usual: dict[str, int] = {}  # small numbers that were given, and lengths that are such a number as a rule
        self._known: dict[tuple[str, str, str], str] = {}  # what `index` and `end` gave, while it is the same
        self._changed: list[str] = []  # names that were set, in the order of the lines
        self._numbers = count(1)

    def add(self, line: str) -> None:
        """Write a line."""
        self.lines.append("    " * self.depth + line)

    def new(self, stem: str) -> str:
        """A name that nothing has."""
        return f"{stem}{next(self._numbers)}"

    def let(self, stem: str, text: str) -> str:
        """Give a value a name."""
        name = self.new(stem)
        self.add(f"{name} = {text}")
        return name

    def call(self, helper: str, *given: str) -> str:
        """The call of a helper."""
        self.helpers.add(helper)
        return f"{helper}({', '.join(given)})"

    def leave_if(self, condition: str) -> None:
        """Go no further where this holds."""
        self.may_leave = True
        self.add(f"if {condition}:")
        self.add(f"    {self.leave}")

    def set(self, name: str, text: str) -> None:
        """Give a name of the user's a value: what was computed from an earlier one has to be computed again."""
        self.add(f"{name} = {text}")
        self._changed.append(name)
        self._known = _without(self._known, [name])

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """Lines under a head."""
        self.add(head)
        self.depth += 1
        start, changed, known = len(self.lines), len(self._changed), self._known
        self._known = {} if head.startswith("for ") else dict(known)
        try:
            yield
        finally:
            if len(self.lines) == start:
                self.add("pass")
            self.depth -= 1
            self._known = _without(known, self._changed[changed:])

    @contextmanager
    def over(self, lengths: Sequence[str]) -> Iterator[list[str]]:
        """Lines for each element of a shape; gives the names of its indices.

        They are written twice where the shape is that of a small window as a rule: LLVM unrolls loops of known lengths.
        """
        indices, start, known, changed = [], len(self.lines), self._known, len(self._changed)
        self._known = dict(known)
        for length in lengths:
            if length == ONE:
                indices.append("0")
                continue
            indices.append(name := self.new("i"))
            self.add(f"for {name} in range({length}):")
            self.depth += 1
        try:
            yield indices
        finally:
            self.depth -= sum(index != "0" for index in indices)
            self._known = _without(known, self._changed[changed:])
            self._unrolled(start, {length: self.usual[length] for length in lengths if length in self.usual})

    def _unrolled(self, start: int, known: Mapping[str, int]) -> None:
        body = self.lines[start:]
        if known and len(body) <= _FEW:
            short = [re.sub(r"range\((\w+)\)", lambda m: f"range({known.get(m[1], m[1])})", line) for line in body]
            del self.lines[start:]
            for head, lines in (f"if {' and '.join(f'{n} == {k}' for n, k in known.items())}:", short), ("else:", body):
                self.add(head)
                self.lines += ["    " + line for line in lines]

    # --- arrays -------------------------------------------------------------------------------------------------------

    def broadcast(self, *arrays: LoopArray) -> tuple[str, ...]:
        """The common shape of arrays. Where lengths are equal is seen in the kernel; a length of 1 must be known."""
        axes = max(len(array.lengths) for array in arrays)
        found = [ONE] * axes
        for array in arrays:
            for axis, length in enumerate(array.lengths, start=axes - len(array.lengths)):
                if found[axis] == ONE:
                    found[axis] = length
                else:
                    self.agree(length, found[axis])
        return tuple(found)

    def agree(self, length: str, wanted: str) -> None:
        """Go no further where a length is another than this one, if it is not one."""
        if length not in (ONE, wanted):
            self.leave_if(f"{length} != {wanted}")
            for one, other in ((length, wanted), (wanted, length)):
                if one in self.usual:
                    self.usual.setdefault(other, self.usual[one])

    def made(self, array: LoopArray, stem: str = "a") -> LoopArray:
        """The array in memory of its own."""
        name = self.empty(array.lengths, array.letter, stem)
        with self.over(array.lengths) as indices:
            self.add(f"{element(name, indices)} = {array.element(indices)}")
        return LoopArray(array.lengths, array.letter, lambda at: element(name, at), frozenset([name]), True)

    def empty(self, lengths: Sequence[str], letter: str, stem: str = "a") -> str:
        """The name of a new array."""
        return self.let(stem, f"np.empty(({', '.join(lengths)},), np.{FORMS[letter]})")

    def row(self, array: LoopArray, at: Sequence[str] = (), axes: Sequence[int] | None = None) -> tuple[str, str]:
        """An array that begins with all elements, or those along some axes at a place of the others; how many they are.

        All turns share its memory, which grows where it is too small.
        """
        axes = axes or range(len(array.lengths))
        size = self.let("n", " * ".join(array.lengths[a] for a in axes) or ONE)
        name, form = self.new("a"), f"np.{FORMS[array.letter]}"
        self.before.append(f"{name} = np.empty(0, {form})")
        with self.inside(f"if {name}.size < {size}:"):
            self.add(f"{name} = np.empty({size}, {form})")
        place = self.let("k", "0")
        with self.over([array.lengths[a] for a in axes]) as inner:
            indices = list(at) or [""] * len(array.lengths)
            for axis, index in zip(axes, inner, strict=True):
                indices[axis] = index
            self.add(f"{element(name, [place])} = {array.element(indices)}")
            self.add(f"{place} += 1")
        return name, size

    def index(self, number: LoopNumber, length: str) -> str:
        """An index, counted from the beginning; the kernel leaves where there is no such element."""
        if not number.is_whole:
            raise LoopRefusal("an index is no whole number")
        return self._once("j", number, length, self._checked)

    def end(self, number: LoopNumber, length: str) -> str:
        """An end of a slice with a positive step: counted from the beginning, and never outside."""
        return self._once("e", number, length, self._clipped)

    def _once(self, stem: str, number: LoopNumber, length: str, look: Callable[[str, bool, str], None]) -> str:
        """A place among so many elements, which is looked at once while nothing that it is computed from changes."""
        key = stem, number.text, length
        if key in self._known:
            return self._known[key]
        name = self.let(stem, number.text)
        look(name, number.natural, length)
        if "[" not in number.text:  # elements of arrays may change
            self._known[key] = name
        return name

    def _checked(self, name: str, natural: bool, length: str) -> None:
        if natural:
            self.leave_if(f"{name} >= {length}")
            return
        with self.inside(f"if {name} < 0:"):
            self.add(f"{name} += {length}")
        self.leave_if(f"{name} < 0 or {name} >= {length}")

    def _clipped(self, name: str, natural: bool, length: str) -> None:
        if not natural:
            with self.inside(f"if {name} < 0:"):
                self.add(f"{name} = {name} + {length} if {name} > -{length} else 0")
        with self.inside(f"if {name} > {length}:"):
            self.add(f"{name} = {length}")

    def expect(self, count: str, lower: str, upper: str) -> None:
        """Note how many elements a slice from one number to another has as a rule, if that is this number and a few."""
        added = upper.removeprefix(f"({lower} + ").removesuffix(")")
        few = re.fullmatch(r"np\.int64\((\d)\)", added)
        if added in self.usual or few:
            self.usual[count] = int(few[1]) if few else self.usual[added]

    def count(self, first: str, last: str, step: str = ONE) -> str:
        """How many whole numbers there are from one to another, with a positive step."""
        if step == ONE and first == "0":
            return self.let("n", f"{last} if {last} > 0 else 0")
        many = f"{last} - {first}" if step == ONE else f"({last} - {first} + {step} - 1) // {step}"
        return self.let("n", f"{many} if {last} > {first} else 0")


def _without(known: Mapping[tuple[str, str, str], str], names: Sequence[str]) -> dict[tuple[str, str, str], str]:
    """What is computed from none of these names."""
    return {key: one for key, one in known.items() if not set(re.findall(r"\w+", key[1])) & set(names)}


def element(name: str, indices: Sequence[str]) -> str:
    """One element of an array in memory. Unsigned indices are not looked at again."""
    return f"{name}[{', '.join(f'np.uint64({index})' for index in indices)}]"


def reindexed(array: LoopArray, indices: Sequence[str]) -> str:
    """The element of an array at the indices of a shape that it is broadcast to."""
    own = indices[len(indices) - len(array.lengths) :]
    return array.element(["0" if length == ONE else index for length, index in zip(array.lengths, own, strict=True)])


def converted(array: LoopArray, at: Sequence[str], form: str) -> str:
    """The element of an array at the indices of a larger shape, in another form."""
    text = reindexed(array, at)
    return text if FORMS[array.letter] == form else f"np.{form}({text})"
