"""The number that a formula of one element is, in exact arithmetic; and whether two sides of a formula agree."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any

import numpy as np
from flint import arb, ctx

from dout.explain.axes.axis_letters import JOIN, Letters, index_name, lengths_of
from dout.explain.terms.known_numbers import known_number, shortest_float
from dout.explain.terms.terms import (
    ORDER,
    Cases,
    Compare,
    FunctionCall,
    Number,
    Power,
    Product,
    Sum,
    SumOver,
    Symbol,
    Term,
)
from dout.explain.terms.walk import names_in, parts_of
from dout.graph import CONSTANT, INPUT, Node, evaluate, topological
from dout.judge.ball_numbers import ball, exact, is_exact, middle
from dout.judge.ball_values import PRECISION, Balls
from dout.judge.exact_judge import relation
from dout.judge.outcomes import NoRuleError, Word
from dout.ops import PRIMITIVES, primitives

MANY, SOME = 40, 20  # elements that are all compared, and how many of more
LARGE = 300_000  # numbers, from which on float64 computes the value that a formula is compared with
ROUNDING = 1e-9
_PRODUCTS = primitives("matmul dot inner")


class NoValueError(Exception):
    """A formula that has no number here, or not one alone."""


@dataclass(frozen=True)
class Meanings:
    """What symbols stand for: values by name, without axes of length 1 that have no index, and lengths by letter."""

    values: Mapping[str, Any]
    lengths: Mapping[str, int]

    def range_of(self, index: str, term: Term) -> range:
        """The places that an index goes over, from the axes that it goes along in a term."""
        found = {
            n
            for part in parts_of(term)
            if isinstance(part, Symbol) and part.indices and part.name in self.values
            for place, axis in zip(part.indices, np.shape(self.values[part.name]), strict=False)
            for n in self._along(index, place, axis)
        } or {n for letter, n in self.lengths.items() if index_name(letter) == index}
        if len(found) != 1:
            raise NoValueError(f"{index} goes along axes of {found}")
        return range(found.pop())

    def _along(self, index: str, place: Term, length: int) -> Iterator[int]:
        """How far an index goes that is the place along an axis, or one of several that a reshape joined: h·K + k."""
        rest = length
        steps: dict[str, int] = {}
        for part in place.terms if isinstance(place, Sum) else (place,):
            factors = part.factors if isinstance(part, Product) else (part,)
            names = [f.name for f in factors if isinstance(f, Symbol) and not f.indices and f.name not in self.lengths]
            sizes = [self.lengths[f.name] for f in factors if isinstance(f, Symbol) and f.name in self.lengths]
            if len(names) != 1 or len(names) + len(sizes) != len(factors):
                return
            steps[names[0]] = prod(sizes)
        if any(a <= b for a, b in itertools.pairwise(steps.values())):
            return  # i + p along a window
        for name, step in steps.items():
            if name == index and rest % step == 0:
                yield rest // step
            rest = step


def holds(
    left: Symbol, right: Term, node: Node, names: Mapping[Node, str], letters: Letters, values: Mapping[Node, Any]
) -> bool:
    """Whether a formula gives the elements of a node, from the values of named nodes, in exact arithmetic.

    `left` is the element that `right` is: dx[n, d]. All elements are compared, or 20 of many; of large arrays within
    rounding. False also where that cannot be decided: a value is missing, or two of them have one name.
    """
    used = names_in(right)
    own = node.inputs and names.get(node, left.name) == left.name
    named = {n for n in names if n in values and not (own and n is node)}
    needed = {*sources(node, named), *(n for n in named if names[n] in used)}
    given = {n: values[n] for n in needed if n in values}
    try:
        value = _computed(node, given)
        setting = _setting(names, letters, given, right)
        found = _indexed(value, letters[node])
        places = list(_places(left, found, setting))
        expected = [found[tuple(value_of(i, place, setting) for i in left.indices)] for place in places]
        got = [value_of(right, place, setting) for place in places]
    except (NoValueError, NoRuleError, KeyError, IndexError, TypeError, ZeroDivisionError):
        return False
    return _agree(_objects(expected), _objects(got), exactly=is_exact(value))


def equal_values(one: Node, given: Mapping[Node, Any], other: Node, known: Mapping[Node, Any]) -> bool:
    """Whether two nodes have one value, each computed from the values of some nodes, as exactly as `holds`."""
    try:
        found = [_computed(one, given), _computed(other, known)]
    except (NoRuleError, KeyError, TypeError):
        return False
    exactly = all(map(is_exact, found))
    return _agree(*(exact(np.asarray(value)) for value in found), exactly=exactly)


def constants_meant(nodes: Iterable[Node]) -> dict[Node, Any]:
    """The exact numbers behind constants that are not their float: √2, 2 / 3, and 0.1 for a float32."""
    ctx.prec = PRECISION  # π has as many digits as what it is compared with
    floats = {n: n.static["value"] for n in nodes if n.primitive is CONSTANT and np.ndim(n.static["value"]) == 0}
    known = {node: number for node, value in floats.items() if (number := known_number(value)) is not None}
    short = {node: ball(shortest_float(value)) for node, value in floats.items() if isinstance(value, np.floating)}
    return short | {node: ball(value_of(number, {}, Meanings({}, {}))) for node, number in known.items()}


def _computed(node: Node, given: Mapping[Node, Any]) -> Any:
    """The value of a node over balls; of large arrays, where that takes long, in float64."""
    nodes = topological([node], known=given)
    if sum(map(_work, nodes)) > LARGE:
        with np.errstate(all="ignore"):
            return np.asarray(evaluate([node], given)[node])
    balls = Balls({**given, **constants_meant(nodes)})
    balls.compute(nodes)
    return exact(balls.values[node])


def _work(node: Node) -> int:
    """About how many numbers a node computes."""
    inner = node.inputs[0].shape[-1:] if node.primitive in _PRODUCTS else ()
    return prod((*node.shape, *inner)) + sum(prod(i.shape) for i in node.inputs)


def _agree(expected: Any, got: Any, *, exactly: bool) -> bool:
    if exactly or np.shape(expected) != np.shape(got):
        return relation(expected, got)[0] == Word.EXACT
    return bool(np.allclose(middle(got), middle(expected), rtol=ROUNDING, atol=ROUNDING * _largest(middle(expected))))


def _largest(value: Any) -> float:
    return float(np.max(np.abs(value), initial=0.0))


def sources(node: Node, known: Collection[Node]) -> Iterator[Node]:
    """The nodes that a node is computed from: known ones, and inputs."""
    if node in known or not node.inputs:
        yield node
    for below in topological([node], known=known):
        yield from (i for i in below.inputs if i in known or i.primitive is INPUT)


def _setting(names: Mapping[Node, str], letters: Letters, given: Mapping[Node, Any], right: Term) -> Meanings:
    used = names_in(right)
    found: dict[str, Any] = {}
    for node, name in names.items():
        if name in used and node in given and node in letters:
            if name in found:
                raise NoValueError(f"two values are called {name}")
            found[name] = _indexed(exact(np.asarray(given[node])), letters[node])
    return Meanings(found, {a: n for a, n in lengths_of(letters).items() if JOIN not in a})


def _indexed(value: Any, letters: tuple[str, ...]) -> Any:
    """A value without the axes that have no index."""
    array = np.asarray(value)
    kept = tuple(n for n, letter in zip(array.shape, letters, strict=True) if letter != "1")
    return array.reshape(kept) if letters else array


def _places(left: Symbol, found: Any, setting: Meanings) -> Iterator[dict[str, int]]:
    """The places of the element on the left: each, or some of many."""
    free = sorted(names_in(left.indices))
    free = [name for name in free if name not in setting.lengths]
    own = Meanings({left.name: found}, setting.lengths)
    every = list(itertools.product(*(own.range_of(name, left) for name in free)))
    if len(every) > MANY:
        every = random.Random(0).sample(every, SOME)
    return (dict(zip(free, place, strict=True)) for place in every)


def _objects(items: list[Any]) -> Any:
    array = np.empty(len(items), object)
    array[:] = [ball(item) for item in items]
    return array


# --- terms as numbers -------------------------------------------------------------------------------------------------


def value_of(term: Term, places: Mapping[str, int], setting: Meanings) -> Any:
    """The number of a term at these places of its free indices: a ball, a whole number, or a condition."""
    reader = _READERS.get(type(term))
    if reader is None:
        raise NoValueError(f"no number for {type(term).__name__}")
    return reader(term, places, setting)


def _number(term: Any, places: Mapping[str, int], setting: Meanings) -> Any:
    value = term.value
    return arb(value.numerator) / value.denominator if isinstance(value, Fraction) else exact(value)


def _symbol(term: Any, places: Mapping[str, int], setting: Meanings) -> Any:
    meanings: list[Any] = []
    if not term.indices:
        meanings = [kind[term.name] for kind in (places, setting.lengths) if term.name in kind]
    if term.name in setting.values and np.ndim(setting.values[term.name]) == len(term.indices):
        indices = tuple(value_of(i, places, setting) for i in term.indices)
        if any(not 0 <= i < n for i, n in zip(indices, setting.values[term.name].shape, strict=True)):
            raise NoValueError(f"{term.name} has no such element")
        meanings.append(setting.values[term.name][indices])
    if not meanings and not term.indices and term.name in _NUMBERS:
        return _NUMBERS[term.name]()
    if not meanings or any(ball(meaning) != ball(meanings[0]) for meaning in meanings):
        raise NoValueError(f"{term.name} may be {len(meanings)} things")
    return int(meanings[0]) if isinstance(meanings[0], np.integer) else meanings[0]


def _sum(term: Any, places: Mapping[str, int], setting: Meanings) -> Any:
    return sum(value_of(part, places, setting) for part in term.terms)


def _times(items: list[Any]) -> Any:
    return reduce(lambda a, b: a * b, items, 1)


def _product(term: Any, places: Mapping[str, int], setting: Meanings) -> Any:
    above = _times([value_of(part, places, setting) for part in term.factors])
    below = [value_of(part, places, setting) for part in term.over]
    under = _times(below)
    whole: Any
    if below and type(above) is int and type(under) is int and under and above % under == 0:
        whole = above // under  # the place of an element: d − D / 2
    else:
        whole = ball(above) / ball(under) if below else above
    return -whole if term.negative else whole


def _power(term: Any, places: Mapping[str, int], setting: Meanings) -> Any:
    base, exponent = value_of(term.base, places, setting), value_of(term.exponent, places, setting)
    return ball(base) ** exponent


def _call(term: Any, places: Mapping[str, int], setting: Meanings) -> Any:
    name = _ROWS_OF.get(term.function, term.function)
    row = PRIMITIVES.get(name) or PRIMITIVES.get(f"special_{name}")
    if row is None or term.axis:
        raise NoValueError(f"no number for {term.function}")
    arguments = {
        Node(INPUT, (), {}, (), float): ball(value_of(argument, places, setting)) for argument in term.arguments
    }
    node = Node(row, tuple(arguments), {}, (), float)
    balls = Balls(arguments)
    balls.compute([node])
    return balls.values[node]


def _compare(term: Any, places: Mapping[str, int], setting: Meanings) -> bool:
    if term.symbol in _JOINING:
        known = _is_true(term.left, places, setting) == _JOINING[term.symbol]
        return _JOINING[term.symbol] if known else _is_true(term.right, places, setting)
    if isinstance(term.left, Compare) and {term.symbol, term.left.symbol} <= set(ORDER):
        rest = Compare(term.left.right, term.symbol, term.right)
        return bool(_compare(term.left, places, setting) and _compare(rest, places, setting))
    left, right = ball(value_of(term.left, places, setting)), ball(value_of(term.right, places, setting))
    if left != right and left.overlaps(right):
        raise NoValueError("a comparison of two numbers that nothing tells apart")
    return bool(_COMPARED[term.symbol](left, right))


def _is_true(condition: Term, places: Mapping[str, int], setting: Meanings) -> bool:
    """Whether a condition holds; a value counts as a condition that holds unless it is 0."""
    return bool(ball(value_of(condition, places, setting)) != 0)


def _cases(term: Any, places: Mapping[str, int], setting: Meanings) -> Any:
    for piece, when in term.pieces:
        if _is_true(when, places, setting):
            return value_of(piece, places, setting)
    return value_of(term.otherwise, places, setting)


def _over(term: Any, places: Mapping[str, int], setting: Meanings) -> Any:
    ranges = [setting.range_of(index, term.term) for index in term.indices]
    items = [
        value_of(term.term, {**places, **dict(zip(term.indices, place, strict=True))}, setting)
        for place in itertools.product(*ranges)
    ]
    return _FOLDED[term.symbol](items)


_NUMBERS: dict[str, Callable[[], arb]] = {"π": arb.pi, "e": lambda: arb(1).exp()}
_ROWS_OF = {"abs": "absolute", "max": "maximum", "min": "minimum"}
_JOINING = {"∧": False, "∨": True}  # the left side that decides alone
_COMPARED: dict[str, Callable[[arb, arb], Any]] = {
    "<": lambda a, b: a < b,
    "≤": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "≥": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "≠": lambda a, b: a != b,
}
_FOLDED: dict[str, Callable[[list[Any]], Any]] = {
    "Σ": sum,
    "Π": _times,
    "max": lambda items: reduce(lambda a, b: a.max(b), map(ball, items)),
    "min": lambda items: reduce(lambda a, b: a.min(b), map(ball, items)),
}
_READERS: dict[type[Term], Callable[[Any, Mapping[str, int], Meanings], Any]] = {
    Number: _number,
    Symbol: _symbol,
    Sum: _sum,
    Product: _product,
    Power: _power,
    FunctionCall: _call,
    Compare: _compare,
    Cases: _cases,
    SumOver: _over,
}
