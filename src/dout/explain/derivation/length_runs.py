"""Recordings of other examples of a forward: they show which of its numbers are lengths of axes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any

import numpy as np

from dout.adapt.search.example import Example
from dout.adapt.target import Target
from dout.clock import spent
from dout.explain.axes.axis_classes import Axis
from dout.explain.axes.axis_letters import Letters
from dout.explain.terms.length_numbers import Length, LengthFormula, formula_of, length_text
from dout.graph import CONSTANT, INPUT, Node, same_kind
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import applied, constant
from dout.run import mapped, quiet
from dout.trace.record.trace import Trace

MOST_RUNS, MOST_SECONDS = 100, 3.0
_OTHERS: tuple[Callable[[int], int], ...] = (lambda n: n + 1, lambda n: 2 * n, lambda n: 3 * n, lambda n: n + 2)


@dataclass(frozen=True)
class KnownLengths:
    """What the numbers of a recording are: constants, the keys of steps, and letters that have to be one.

    `multiples` are lengths that have to be a multiple of another: K = 4·H.
    """

    constants: Mapping[Node, LengthFormula] = field(default_factory=dict)
    keys: Mapping[Node, Any] = field(default_factory=dict)
    alike: Sequence[tuple[Axis, Axis]] = ()
    multiples: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)

    def called(self, new: Mapping[str, str]) -> KnownLengths:
        """The same with other letters."""
        constants = {node: formula.called(new) for node, formula in self.constants.items()}
        keys = {node: with_letters(key, new) for node, key in self.keys.items()}
        return replace(self, constants=constants, keys=keys, lengths={new[a]: n for a, n in self.lengths.items()})


NO_LENGTHS = KnownLengths()


def sizes_by_default(target: Target) -> dict[str, Any]:
    """The whole numbers that a constructor has by default, alone or in a row: some may be lengths."""
    defaults = {p.name: p.default for p in target.constructor}
    return {name: item for name, item in defaults.items() if _is_whole(item)}


def _is_whole(item: Any) -> bool:
    return type(item) is int or (type(item) in (list, tuple) and bool(item) and all(map(_is_whole, item)))


def length_nodes(known: KnownLengths) -> tuple[dict[Node, tuple[str, int]], Callable[[Node], Node]]:
    """An input for each length that numbers are made of, with its letter; and what a recorded node is with them."""
    letters = dict.fromkeys(letter for formula in known.constants.values() for letter, _ in formula.halves)
    nodes = {letter: Node(INPUT, (), {}, (), int) for letter in letters}

    def told(node: Node) -> Node:
        if node in known.constants:
            made = _node_of(known.constants[node], nodes)
            if made.primitive is INPUT and not same_kind(made.dtype, node.dtype):
                made = _of("multiply", made, constant(1))
            return made if made.primitive is INPUT else replace(made, dtype=node.dtype)
        return replace(node, static={**node.static, "key": known.keys[node]}) if node in known.keys else node

    return {node: (letter, known.lengths[letter]) for letter, node in nodes.items()}, told


def _node_of(formula: LengthFormula, nodes: Mapping[str, Node]) -> Node:
    """A number as it is computed from lengths."""
    plain: dict[bool, list[Node]] = {True: [], False: []}
    inside: dict[bool, list[Node]] = {True: [], False: []}
    for letter, halves in formula.halves:
        (inside if halves % 2 else plain)[halves > 0].append(nodes[letter])
    for numbers, sides in ((formula.under, inside), (formula.scale, plain)):
        sides[True] += [constant(numbers.numerator)] if numbers.numerator != 1 else []
        sides[False] += [constant(numbers.denominator)] if numbers.denominator != 1 else []
    if inside[True]:
        plain[True].append(_of("sqrt", _quotient(inside)))
    elif inside[False]:
        plain[False].append(_of("sqrt", _quotient({True: inside[False], False: []})))
    made = _quotient(plain)
    return _of("add", made, constant(formula.offset)) if formula.offset else made


def _quotient(sides: Mapping[bool, Sequence[Node]]) -> Node:
    """The product of some nodes over that of others."""
    above, below = (reduce(lambda a, b: _of("multiply", a, b), side) if side else None for side in sides.values())
    first = above if above is not None else constant(1)
    return first if below is None else _of("divide", first, below)


def _of(name: str, *inputs: Node) -> Node:
    return applied(PRIMITIVES[name], inputs, {})


def known_lengths(trace: Trace, found: Example, letters: Letters, again: Callable[[Example], Trace]) -> KnownLengths:
    """The lengths in a recording, read off recordings of other examples by `again`; it may raise on some."""
    return _Search(trace, found, letters, again).result()


def distinct_lengths(trace: Trace, found: Example, letters: Letters, again: Callable[[Example], Trace]) -> Example:
    """The example with another length where one is 2, or that of another axis, as far as forward takes it.

    Else a 2 of a formula could be a length, and one length another.
    """
    search = _Search(trace, found, letters, again)
    lengths = search.lengths()
    free = iter(n for n in (3, 4, 5, 6, 7, 8) if n not in lengths.values())
    after: dict[str, int] = {}
    known = list(lengths.values())
    for letter in (letter for i, (letter, n) in enumerate(lengths.items()) if n == 2 or n in known[:i]):
        for n in (next(free, 9), 2 * lengths[letter]):  # an axis may be cut into halves
            longer = {**after, letter: n}
            if search.recorded(longer, lengths, whole=False) is not None:
                after = longer
                break
    return search.example(after, lengths, whole=False) if after else found


@dataclass(eq=False)
class _Search:
    trace: Trace
    found: Example
    letters: Letters
    again: Callable[[Example], Trace]
    runs: int = 0
    until: float = field(default_factory=lambda: spent() + MOST_SECONDS)

    def result(self) -> KnownLengths:
        """The lengths found by changing each letter alone, then letters that must change together."""
        lengths = self.lengths()
        others: dict[str, tuple[int, Trace]] = {}
        groups = {letter: frozenset({letter}) for letter in lengths}
        for letter in lengths:
            if (alone := self._changed(groups[letter], lengths)) is not None:
                others[letter] = alone
        bound = [letter for letter in lengths if letter not in others]
        same: dict[str, str] = {}
        multiples: dict[str, tuple[int, str]] = {}
        for letter in sorted(bound, key=lengths.__getitem__):
            if letter in same or letter in multiples or letter in others:
                continue
            for group in self._groups(letter, [b for b in bound if b not in others], lengths):
                together = self._changed(group, lengths)
                if together is not None and self._changed(group, lengths, besides=together[0]) is not None:
                    others[letter], groups[letter] = together, group
                    same |= {b: letter for b in group if lengths[b] == lengths[letter] and b != letter}
                    ratios = {b: lengths[b] // lengths[letter] for b in group}
                    multiples |= {b: (ratio, letter) for b, ratio in ratios.items() if ratio > 1}
                    break
        constants, keys = self._read(others, lengths)
        again = {a: self._changed(groups[a], lengths, besides=after) or others[a] for a, (after, _) in others.items()}
        confirmed, confirmed_keys = self._read(again, lengths)  # H − 2 of one other length may be H / 2 of the next
        constants = {node: formula for node, formula in constants.items() if confirmed.get(node) == formula}
        keys = {node: key for node, key in keys.items() if _texts(confirmed_keys.get(node)) == _texts(key)}
        return KnownLengths(constants, keys, self._alike(same), multiples, lengths)

    def _read(
        self, others: Mapping[str, tuple[int, Trace]], lengths: Mapping[str, int]
    ) -> tuple[dict[Node, LengthFormula], dict[Node, Any]]:
        """The constants and keys that are made of lengths, by what they are with each length changed."""
        pairs = {letter: (lengths[letter], after) for letter, (after, _) in others.items()}
        traces = {letter: trace for letter, (_, trace) in others.items()}
        return dict(self._constants(traces, pairs)), dict(self._keys(traces, pairs))

    def lengths(self) -> dict[str, int]:
        """The length of each letter of the inputs, in their order; without those that a reshape joined."""
        axes = ((letter, n) for node in self._inputs for letter, n in zip(self.letters[node], node.shape, strict=True))
        return {letter: n for letter, n in axes if n > 1 and letter.isalnum()}

    @property
    def _inputs(self) -> list[Node]:
        return [n for n in self.trace.graph.nodes if n.primitive is INPUT and n.shape and n in self.letters]

    @staticmethod
    def _groups(letter: str, bound: Sequence[str], lengths: Mapping[str, int]) -> Iterator[frozenset[str]]:
        """Groups of letters that may have to change together: few of equal length, and multiples of it."""
        n = lengths[letter]
        equal = [b for b in bound if lengths[b] == n and b != letter]
        multiple = frozenset(b for b in bound if lengths[b] > n and lengths[b] % n == 0)
        for count in range(len(equal) + 1):
            for chosen in itertools.combinations(equal, count):
                group = frozenset({letter, *chosen})
                yield from (group, group | multiple) if multiple else (group,)

    # --- other recordings -------------------------------------------------------------------------------------------

    def _changed(self, group: frozenset[str], lengths: Mapping[str, int], besides: int = 0) -> tuple[int, Trace] | None:
        """The length that the shortest of some letters becomes, and the recording with these changed alike."""
        least = min(lengths[letter] for letter in group)
        wholes = (False, True) if any(type(item) is int for item in self.found.init.values()) else (False,)
        for other, whole in itertools.product(_OTHERS, wholes):
            if other(least) == besides:
                continue
            after = {letter: lengths[letter] // least * other(least) for letter in group}
            made = self.recorded(after, lengths, whole=whole)
            if made is not None:
                return other(least), made
        return None

    def recorded(self, after: Mapping[str, int], lengths: Mapping[str, int], *, whole: bool) -> Trace | None:
        """The recording with other lengths of some letters; None where forward does not take them, or goes on else."""
        if self.runs >= MOST_RUNS or spent() > self.until:
            return None
        self.runs += 1
        try:
            with quiet():
                made = self.again(self.example(after, lengths, whole=whole))
        except Exception:  # whatever the user's code raises: it does not take these lengths
            return None
        return made if self._is_same(made, after, lengths) else None

    def example(self, after: Mapping[str, int], lengths: Mapping[str, int], *, whole: bool) -> Example:
        """The example with other lengths of some letters; `whole`: numbers of the constructor, too."""
        numbers = {lengths[letter]: n for letter, n in after.items()} if whole else {}

        def changed(name: str, item: Any) -> Any:
            if isinstance(item, np.ndarray):
                for axis, letter in enumerate(self._letters_of(item, name)):
                    if letter in after:
                        item = np.take(item, np.arange(after[letter]) % item.shape[axis], axis)
                return item
            return numbers.get(item, item) if type(item) is int else item

        given = {name: mapped(item, partial(changed, name)) for name, item in self.found.init.items()}
        inputs = {n: mapped(x, partial(changed, n)) if type(x) is not int else x for n, x in self.found.inputs.items()}
        return replace(self.found, init=given, inputs=inputs)

    def _letters_of(self, item: Any, name: str) -> tuple[str, ...]:
        """The letters of an array that enters the recording: by its name, or by its value."""
        data, named = self.trace.data, self.trace.graph.inputs.get(name)
        if named is not None and named in self.letters and named.shape == item.shape:
            return self.letters[named]
        same = (n for n in self._inputs if n.shape == item.shape and n in data and np.array_equal(data[n], item))
        return next((self.letters[node] for node in same), ())

    def _is_same(self, made: Trace, after: Mapping[str, int], lengths: Mapping[str, int]) -> bool:
        """Whether a recording has the same steps, the lengths that were asked for, and none that is 1 in one alone."""
        mine, theirs = _forward(self.trace), _forward(made)
        if [n.primitive for n in mine] != [n.primitive for n in theirs]:
            return False
        for node, other in zip(mine, theirs, strict=True):
            if len(node.shape) != len(other.shape):
                return False
            doubled = {(1, 2)} if any(n == 2 * lengths[letter] for letter, n in after.items()) else set()
            pairs = zip(node.shape, other.shape, strict=True)
            if any((a == 1) != (b == 1) and (a, b) not in doubled for a, b in pairs):
                return False
            if node in self.letters and node.primitive is INPUT:
                wanted = [after.get(a, n) for a, n in zip(self.letters[node], node.shape, strict=True)]
                if list(other.shape) != wanted:
                    return False
        return True

    # --- what is read off them --------------------------------------------------------------------------------------

    def _alike(self, same: Mapping[str, str]) -> list[tuple[Axis, Axis]]:
        """Pairs of axes whose letters must be equal."""
        first: dict[str, Axis] = {}
        for node in self._inputs:
            for axis, letter in enumerate(self.letters[node]):
                first.setdefault(letter, (node, axis))
        return [(first[b], first[a]) for a, b in same.items()]

    def _constants(
        self, traces: Mapping[str, Trace], lengths: Mapping[str, tuple[int, int]]
    ) -> Iterator[tuple[Node, LengthFormula]]:
        others = {letter: _forward(trace) for letter, trace in traces.items()}
        for place, node in enumerate(_forward(self.trace)):
            value = node.static.get("value") if node.primitive is CONSTANT else None
            if isinstance(value, int | float | np.integer) and not isinstance(value, bool):
                became = {letter: nodes[place].static["value"] for letter, nodes in others.items()}
                formula = formula_of(value, became, lengths)
                if formula is not None:
                    yield node, formula

    def _keys(self, traces: Mapping[str, Trace], lengths: Mapping[str, tuple[int, int]]) -> Iterator[tuple[Node, Any]]:
        others = {letter: _forward(trace) for letter, trace in traces.items()}
        for place, node in enumerate(_forward(self.trace)):
            if "key" in node.static:
                became = {letter: nodes[place].static["key"] for letter, nodes in others.items()}
                key = _with_lengths(node.static["key"], became, lengths)
                if key is not None:
                    yield node, key


def _forward(trace: Trace) -> list[Node]:
    return [n for n in trace.graph.nodes if n not in trace.backward]


def _with_lengths(key: Any, others: Mapping[str, Any], lengths: Mapping[str, tuple[int, int]]) -> Any:
    """A key whose slices know the lengths that they are made of; None where they are made of none."""
    parts = key if isinstance(key, tuple) else (key,)
    new: list[Any] = []
    for i, part in enumerate(parts):
        if not isinstance(part, slice):
            new.append(part)
            continue
        there = {letter: (k if isinstance(k, tuple) else (k,))[i] for letter, k in others.items()}
        ends = [_end(part, there, lengths, name) for name in ("start", "stop")]
        new.append(slice(ends[0], ends[1], part.step))
    if not any(isinstance(end, Length) for part in new if isinstance(part, slice) for end in (part.start, part.stop)):
        return None
    return tuple(new) if isinstance(key, tuple) else new[0]


def _texts(key: Any) -> list[str]:
    """What the ends of the slices of a key are told as."""
    parts = key if isinstance(key, tuple) else (key,)
    ends = (end for part in parts if isinstance(part, slice) for end in (part.start, part.stop))
    return ["" if end is None else length_text(end) for end in ends]


def _end(part: slice, there: Mapping[str, Any], lengths: Mapping[str, tuple[int, int]], name: str) -> Any:
    end = getattr(part, name)
    became = {letter: getattr(other, name) for letter, other in there.items() if isinstance(other, slice)}
    if type(end) is not int or not all(type(other) is int for other in became.values()):
        return end
    formula = formula_of(end, became, lengths)
    return end if formula is None else Length.of(end, formula)


def with_letters(key: Any, new: Mapping[str, str]) -> Any:
    """A key whose lengths have other letters."""
    if isinstance(key, tuple):
        return tuple(with_letters(part, new) for part in key)
    if isinstance(key, slice):
        return slice(with_letters(key.start, new), with_letters(key.stop, new), key.step)
    return Length.of(key, key.formula.called(new)) if isinstance(key, Length) else key


def with_repeats(found: Example, given: Collection[str]) -> Example:
    """An example whose whole numbers were chosen, with one of them twice: a backward has to add up where it repeats."""
    repeated = {
        name: np.append(item.ravel()[:-1], item.flat[0]).reshape(item.shape)
        for name, item in found.inputs.items()
        if name not in given and isinstance(item, np.ndarray) and item.dtype.kind in "iu"
        and 1 < item.size == len(np.unique(item))
    }  # fmt: skip
    return replace(found, inputs={**found.inputs, **repeated}) if repeated else found
