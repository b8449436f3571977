"""One element of a node's result, from elements of its inputs: a table with one function a row.

A rule is written once and interpreted twice: on indices it gives a formula, on axes it says which of them agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dout.explain.axes.element_arithmetic import combine, scaled
from dout.explain.axes.indices import NotReadableError, groups, joined, split
from dout.explain.axes.selections import place_conditions, places_of, solved
from dout.explain.terms.terms import (
    ONE,
    TWO,
    ZERO,
    Cases,
    Compare,
    FunctionCall,
    Number,
    Power,
    Term,
    negated,
    number,
    product,
    total,
)
from dout.graph import Node, Primitive
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.linalg import spelled_out
from dout.ops.reduce import axes_of
from dout.rewrite.simplify import is_elementwise


class ElementView(Protocol):
    """A node as a rule sees it, at the indices of one element of its result."""

    node: Node
    at: tuple[Term, ...]

    def read(self, argument: int, indices: Sequence[Term]) -> Term:
        """The element of an input at some indices."""

    def fresh(self, argument: int, axis: int, besides: Sequence[Term] = ()) -> Term:
        """A new index that goes along an axis of an input."""

    def size(self, argument: int, axis: int) -> Term:
        """The length of an axis of an input, as a letter; an argument of -1 is the result itself."""

    def over(self, indices: Sequence[Term], make: Callable[[], Term], symbol: str = "Σ") -> Term:
        """What `make` gives, added up over indices."""


Rule = Callable[[ElementView], Term]


def aligned(shape: Sequence[int], at: Sequence[Term]) -> tuple[Term, ...]:
    """The indices of an operand that is broadcast: its last axes are those of the result; one of length 1 has 0."""
    last = at[len(at) - len(shape) :] if len(at) >= len(shape) else (ZERO,) * (len(shape) - len(at)) + tuple(at)
    return tuple(ZERO if n == 1 else index for n, index in zip(shape, last, strict=True))


def _each(view: ElementView) -> Term:
    """Element by element, after broadcasting."""
    inputs = view.node.inputs
    return combine(view.node, [view.read(i, aligned(x.shape, view.at)) for i, x in enumerate(inputs)])


def _same(view: ElementView) -> Term:
    return view.read(0, aligned(view.node.inputs[0].shape, view.at))


def _matmul(view: ElementView) -> Term:
    x, y = (i.shape for i in view.node.inputs)
    shared = view.fresh(0, len(x) - 1)
    ends = (len(x) > 1) + (len(y) > 1)
    batch, last = view.at[: len(view.at) - ends], list(view.at[len(view.at) - ends :])
    left = (*aligned(x[:-2], batch), *([last.pop(0)] if len(x) > 1 else []), shared)
    right = (*aligned(y[:-2], batch), shared, *last)
    return view.over([shared], lambda: product(view.read(0, left), view.read(1, right)))


def _dot(view: ElementView) -> Term:
    x, y = (i.shape for i in view.node.inputs)
    if not x or not y:
        return product(view.read(0, view.at if x else ()), view.read(1, view.at if y else ()))
    shared = view.fresh(0, len(x) - 1)
    left, right = view.at[: len(x) - 1], view.at[len(x) - 1 :]
    inner = len(y) - 1 if view.node.primitive is PRIMITIVES["inner"] else max(len(y) - 2, 0)
    whole = (*right[:inner], shared, *right[inner:])
    return view.over([shared], lambda: product(view.read(0, (*left, shared)), view.read(1, whole)))


def _einsum(view: ElementView) -> Term:
    node = view.node
    written = spelled_out(node.static["subscripts"], [len(i.shape) for i in node.inputs])
    left, _, result = written.partition("->")
    terms = left.split(",")
    at = dict(zip(result, view.at, strict=True))
    summed: list[Term] = []
    for k, term in enumerate(terms):
        for axis, letter in enumerate(term):
            if letter not in at and node.inputs[k].shape[axis] != 1:
                at[letter] = view.fresh(k, axis, [*at.values()])
                summed.append(at[letter])

    def index(k: int) -> tuple[Term, ...]:
        return tuple(ZERO if n == 1 else at[c] for c, n in zip(terms[k], node.inputs[k].shape, strict=True))

    return view.over(summed, lambda: product(*(view.read(k, index(k)) for k in range(len(terms)))))


def reduced_axes(node: Node) -> list[int]:
    """The axes of its input that a reduction goes over."""
    return sorted(axes_of(node.static.get("axis"), len(node.inputs[0].shape)))


def gone_over(view: ElementView, besides: Sequence[Term] = ()) -> tuple[list[Term], tuple[Term, ...]]:
    """The indices of a reduction's axes, and those of its input."""
    node, axes = view.node, reduced_axes(view.node)
    if len(node.inputs) > 1 or "initial" in node.static:
        raise NotReadableError("a reduction of some elements, or one that begins with a number")
    kept = iter(index for i, index in enumerate(view.at) if not (node.static.get("keepdims") and i in axes))
    new: list[Term] = []
    whole: list[Term] = []
    for axis in range(len(node.inputs[0].shape)):
        if axis in axes:
            new.append(view.fresh(0, axis, [*besides, *new]))
        whole.append(new[-1] if axis in axes else next(kept))
    return new, tuple(whole)


def _reduction(symbol: str) -> Rule:
    def rule(view: ElementView) -> Term:
        new, whole = gone_over(view)
        return view.over(new, lambda: view.read(0, whole), symbol)

    return rule


def _count(view: ElementView) -> tuple[Term, ...]:
    return tuple(view.size(0, axis) for axis in reduced_axes(view.node))


def _mean(view: ElementView) -> Term:
    new, whole = gone_over(view)
    return scaled(view.over(new, lambda: view.read(0, whole)), _count(view))


def _variance(view: ElementView) -> Term:
    new, whole = gone_over(view)
    again, beside = gone_over(view, new)
    freedom = _count(view)
    if view.node.static.get("ddof"):
        freedom = (total(product(*freedom), negated(Number(view.node.static["ddof"]))),)

    def deviation() -> Term:
        mean = scaled(view.over(again, lambda: view.read(0, beside)), _count(view))
        return Power(total(view.read(0, whole), negated(mean)), TWO)

    return scaled(view.over(new, deviation), freedom)


def _running(view: ElementView) -> Term:
    axis = view.node.static["axis"]
    if axis is None:
        raise NotReadableError("a running sum of a whole array")
    new = view.fresh(0, axis)
    whole = (*view.at[:axis], new, *view.at[axis + 1 :])
    upto = Compare(new, "≤", view.at[axis])
    return view.over([new], lambda: Cases(((view.read(0, whole), upto),), ZERO))


# --- elements that only move ------------------------------------------------------------------------------------------


def _reshape(view: ElementView) -> Term:
    if view.node.static.get("order", "C") != "C":
        raise NotReadableError("elements are read in another order")
    shape, new = view.node.inputs[0].shape, view.node.shape
    indices: list[Term] = []
    for theirs, ours in groups(shape, new):
        index = joined([view.at[i] for i in ours], [new[i] for i in ours], [view.size(-1, i) for i in ours])
        indices += split(index, [shape[i] for i in theirs], [view.size(0, i) for i in theirs])
    return view.read(0, indices)


def _transpose(view: ElementView) -> Term:
    axes = view.node.static["axes"]
    return view.read(0, [view.at[axes.index(axis)] for axis in range(len(axes))])


def _getitem(view: ElementView) -> Term:
    places = places_of(view, view.node.static["key"], view.node.inputs[0].shape, view.at, 1)
    return view.read(0, [place.index for place in places])


def _scatter(view: ElementView) -> Term:
    return _scattered(view, 0, 1, view.node.static["key"], view.node.inputs[0].shape)


def _scattered(view: ElementView, source: int, first: int, key: Any, selected: Sequence[int]) -> Term:
    """Elements put back where a key takes them from, zero elsewhere; those of one place are added up."""
    new = _along(view, source, selected)
    places = places_of(view, key, view.node.shape, new, first)
    found, left, conditions = solved(new, places, view)
    there = aligned(view.node.inputs[source].shape, found)
    return view.over(left, lambda: place_conditions(view.read(source, there), conditions, ZERO))


def _along(view: ElementView, argument: int, selected: Sequence[int]) -> list[Term]:
    """An index for each axis that a key selects, each of which is an axis of the argument."""
    new: list[Term] = []
    shape = view.node.inputs[argument].shape
    for axis, length in enumerate(selected):
        own = axis - (len(selected) - len(shape))
        if length == 1:
            new.append(ZERO)
        elif own < 0 or shape[own] == 1:
            raise NotReadableError("a value that is repeated in the places it is put into")
        else:
            new.append(view.fresh(argument, own, new))
    return new


def _setitem(view: ElementView) -> Term:
    selected, x = view.node.static["selected"], view.node.inputs[1].shape
    new: list[Term] = []
    for axis, length in enumerate(selected):
        new.append(ZERO if length == 1 else view.fresh(-1, _axis_of_length(view.node.shape, length, axis), new))
    places = places_of(view, view.node.static["key"], view.node.shape, new, 2)
    found, left, conditions = solved(new, places, view)
    if left:
        raise NotReadableError("which of several writes to one place counts depends on values")
    before = view.read(0, view.at) if conditions else ZERO
    return place_conditions(view.read(1, aligned(x, found)), conditions, before)


def _axis_of_length(shape: Sequence[int], length: int, axis: int) -> int:
    """An axis whose letter may name an index of this length; it is solved for and does not stay."""
    return axis if axis < len(shape) and shape[axis] == length else 0


def _add_at(view: ElementView) -> Term:
    return total(view.read(0, view.at), _scattered(view, 1, 2, view.node.static["key"], view.node.static["selected"]))


def _concatenate(view: ElementView) -> Term:
    axis, start = view.node.static["axis"], 0
    index, pieces = view.at[axis], []
    for i, part in enumerate(view.node.inputs):
        end = start + part.shape[axis]
        place = (*view.at[:axis], total(index, negated(Number(start))), *view.at[axis + 1 :])
        pieces.append((view.read(i, place), Compare(index, "<", Number(end))))
        start = end
    return Cases(tuple(pieces[:-1]), pieces[-1][0]) if len(pieces) > 1 else pieces[0][0]


def _pad(view: ElementView) -> Term:
    value = view.node.static.get("value", 0)
    places, conditions = [], []
    for index, n, (a, b) in zip(view.at, view.node.inputs[0].shape, view.node.static["width"], strict=True):
        places.append(total(index, negated(Number(a))))
        conditions += [Compare(Number(a), "≤", index)] if a else []
        conditions += [Compare(index, "<", Number(a + n))] if b else []
    return place_conditions(view.read(0, places), conditions, number_term(value))


def number_term(value: Any) -> Term:
    """A plain number of any sign as a term."""
    return number(value.item() if hasattr(value, "item") else value)


def _array(view: ElementView) -> Term:
    first, rest = view.at[0], view.at[1:]
    if isinstance(first, Number):
        return view.read(int(first.value), rest)
    terms = [view.read(i, rest) for i in range(len(view.node.inputs))]
    pieces = tuple((term, Compare(first, "=", Number(i))) for i, term in enumerate(terms[:-1]))
    return Cases(pieces, terms[-1]) if pieces else terms[0]


def _half(symbol: str) -> Rule:
    def rule(view: ElementView) -> Term:
        row, column = view.at[-2:]
        if len(view.node.inputs[0].shape) < 2:
            raise NotReadableError("half of a vector that is repeated")
        inside = Compare(column, symbol, total(row, number_term(view.node.static["k"])))
        return Cases(((view.read(0, view.at), inside),), ZERO)

    return rule


def _diag(view: ElementView) -> Term:
    if view.node.static.get("k"):
        raise NotReadableError("a diagonal beside the main one")
    if len(view.at) == 1:
        return view.read(0, (view.at[0], view.at[0]))
    return Cases(((view.read(0, view.at[:1]), Compare(view.at[0], "=", view.at[1])),), ZERO)


def _windows(view: ElementView) -> Term:
    indices, inside = list(view.at[: len(view.node.inputs[0].shape)]), view.at[len(view.node.inputs[0].shape) :]
    for axis, offset in zip(view.node.static["axes"], inside, strict=True):
        indices[axis] = total(indices[axis], offset)
    return view.read(0, indices)


_ROWS: dict[str, Rule] = {
    "matmul": _matmul,
    "dot": _dot,
    "inner": _dot,
    "einsum": _einsum,
    "sum": _reduction("Σ"),
    "prod": _reduction("Π"),
    "max": _reduction("max"),
    "min": _reduction("min"),
    "mean": _mean,
    "var": _variance,
    "std": lambda view: FunctionCall("sqrt", (_variance(view),)),
    "cumsum": _running,
    "reshape": _reshape,
    "ravel": _reshape,
    "flatten": _reshape,
    "item": lambda view: view.read(0, (ZERO,) * len(view.node.inputs[0].shape)),
    "float": lambda view: view.read(0, (ZERO,) * len(view.node.inputs[0].shape)),
    "transpose": _transpose,
    "broadcast_to": _same,
    "full": _same,
    "zeros": lambda view: ZERO,
    "empty": lambda view: ZERO,
    "ones": lambda view: ONE,
    "getitem": _getitem,
    "scatter": _scatter,
    "setitem": _setitem,
    "add_at": _add_at,
    "concatenate": _concatenate,
    "pad": _pad,
    "array": _array,
    "tril": _half("≤"),
    "triu": _half("≥"),
    "diag": _diag,
    "windows": _windows,
}
_RULES = by_primitive(_ROWS)


def rule_of(node: Node) -> Rule:
    """The rule of a node's row. Raises NotReadableError where there is none."""
    row: Primitive = node.primitive
    if row in _RULES:
        return _RULES[row]
    if is_elementwise(node):
        return _each
    raise NotReadableError(f"no index form for {row}")
