"""A wrong line's own operations in; the one that has to be another for its result to be right out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from dout.explain.beside.derived_quantities import DerivedQuantities
from dout.explain.beside.meaning import UNNAMED, Meaning
from dout.explain.beside.point_values import Numbers, PointValues, alike
from dout.explain.beside.statements import Statement
from dout.explain.model.explanation import Phrase
from dout.explain.terms.terms import TWO, Power
from dout.graph import CONSTANT, Node, topological
from dout.ops import PRIMITIVES, by_primitive, primitives

Edit = tuple[Numbers | None, Phrase]  # what the operation would be, and how that is said
_ALONG = primitives("sum mean max min cumsum")
_MOST_NODES = 40  # of one line


def edited(
    statement: Statement,
    node: Node,
    right: Numbers,
    quantities: DerivedQuantities,
    values: PointValues,
    meaning: Meaning,
) -> Phrase | None:
    """The first edit of one operation of a statement after which its result is right."""
    adding = {n: PRIMITIVES["add_at"] for n in statement.made if n.primitive is PRIMITIVES["setitem"]}
    if adding and alike(values.rewritten(node, adding), right):
        return Phrase("beside_overwritten")
    for made in reversed(statement.made[-_MOST_NODES:]):
        if not quantities.leads(node, made):
            continue
        for changed, reason in _edits(made, quantities, values, meaning):
            if changed is None:
                continue
            result = changed if made is node else values.changed({made: changed})[node]
            if alike(result, right):
                return reason
    return None


def right_without_repeats(statement: Statement, node: Node, quantities: DerivedQuantities, values: PointValues) -> bool:
    """Whether a right line writes by indices of an input, where it should add: a repeated one would be lost."""
    entered = set(quantities.call.inputs)

    def may_repeat(made: Node) -> bool:
        places = [i for i in made.inputs[2:] if i.shape and i.kind in "iu"]
        return bool(places) and all(entered & set(topological([place])) for place in places)

    writes = {n: PRIMITIVES["add_at"] for n in statement.made if n.primitive is PRIMITIVES["setitem"] and may_repeat(n)}
    return bool(writes) and alike(values.rewritten(node, writes), values[node])


def _edits(node: Node, quantities: DerivedQuantities, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    rule = _RULES.get(node.primitive)
    if rule is not None:
        yield from rule(node, values, meaning)
    if node.primitive in _ALONG:
        for axis in range(len(node.inputs[0].shape)):
            if axis != node.static.get("axis"):
                fields = {"mine": node.static.get("axis"), "axis": axis, "gradient": UNNAMED}
                yield values.applied(node, node.inputs, axis=axis), Phrase("beside_axis_here", fields)
    yield from _swapped(node, quantities, values, meaning)


def _swapped(node: Node, quantities: DerivedQuantities, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    """One operand exchanged for another value of forward, or for a gradient."""
    for place, mine in enumerate(node.inputs):
        named = meaning.term(mine) if mine in quantities.forward else None
        if named is None:
            continue
        yield (
            _of(partial(_with_square, node, place), node, values),
            Phrase("beside_swapped", {"mine": named, "right": Power(named, TWO)}),
        )
        for other in quantities.forward:
            term = meaning.term(other)
            if other is not mine and other.shape == mine.shape and term not in (None, named):
                inputs = (*node.inputs[:place], other, *node.inputs[place + 1 :])
                yield values.applied(node, inputs), Phrase("beside_swapped", {"mine": named, "right": term})


def _with_square(node: Node, place: int, *row: Any) -> Any:
    """What a node computes with the square of one operand."""
    return node.primitive(*row[:place], row[place] * row[place], *row[place + 1 :], **node.static)


def _of(function: Callable[..., Any], node: Node, values: PointValues) -> Numbers | None:
    operands = [values[i] for i in node.inputs]
    if None in operands:
        return None
    first, *others = operands
    assert first is not None
    return first.made(function, *(o for o in others if o is not None))


def _product(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    a, b = (meaning.term(i) for i in node.inputs)
    for term, alone, over in (
        (b, lambda x, y: x + y * 0, lambda x, y: x / y),
        (a, lambda x, y: y + x * 0, lambda x, y: y / x),
    ):
        if term is not None:
            yield _of(alone, node, values), Phrase("beside_factor_extra", {"factor": term})
            yield _of(over, node, values), Phrase("beside_multiplies", {"factor": term})


def _quotient(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    term = meaning.term(node.inputs[1])
    if term is not None:
        yield _of(lambda x, y: x + y * 0, node, values), Phrase("beside_factor_missing", {"factor": term})
        yield _of(lambda x, y: x * y, node, values), Phrase("beside_divides", {"factor": term})


def _term_signs(*functions: Callable[[Any, Any], Any]) -> Callable[..., Iterator[Edit]]:
    def rule(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
        for function in functions:
            yield _of(function, node, values), Phrase("beside_term_sign")

    return rule


def _opposite(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    yield _of(lambda x: -x, node, values), Phrase("beside_term_sign")


def _power(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    exponent = node.inputs[1]
    if exponent.primitive is CONSTANT:
        mine = exponent.static["value"]
        for right in (mine - 1, mine + 1):
            if right >= 1 and right == int(right):
                fields = {"mine": mine, "right": right}
                yield _of(lambda x, y, n=int(right): x**n + y * 0, node, values), Phrase("beside_power", fields)


def _transposed(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    if node.inputs[0].shape == node.shape:
        yield values[node.inputs[0]], Phrase("beside_operand_transposed")


def _matrices(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    reason = Phrase("beside_operand_transposed")
    multiply = PRIMITIVES["matmul"].forward
    for form in (
        lambda x, y: multiply(x, _flipped(y)), lambda x, y: multiply(_flipped(x), y),
        lambda x, y: multiply(_flipped(x), _flipped(y)), lambda x, y: multiply(y, x),
    ):  # fmt: skip
        made = _of(form, node, values)
        yield (made if made is not None and made.shape == node.shape else None), reason


def _flipped(matrix: Any) -> Any:
    return np.swapaxes(matrix, -1, -2) if np.ndim(matrix) > 1 else matrix


def _contrary(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    yield _of(lambda x, *_: 1 - x, node, values), Phrase("beside_mask_contrary")


def _other_side(node: Node, values: PointValues, meaning: Meaning) -> Iterator[Edit]:
    c, a, b = node.inputs
    yield values.applied(node, (c, b, a)), Phrase("beside_mask_contrary")


_RULES = by_primitive(
    {
        "multiply": _product,
        "divide": _quotient,
        "add": _term_signs(lambda x, y: x - y, lambda x, y: y - x),
        "subtract": _term_signs(lambda x, y: x + y, lambda x, y: y - x),
        "negative": _opposite,
        "pow": _power,
        "transpose": _transposed,
        "matmul": _matrices,
        "dot": _matrices,
        "logical_not": _contrary,
        "where": _other_side,
    }
)
