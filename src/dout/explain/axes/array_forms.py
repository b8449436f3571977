"""A gradient as a formula of whole arrays, and how the shapes in it go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dout.explain.axes.axis_letters import Letters
from dout.explain.axes.element_arithmetic import combine
from dout.explain.axes.element_rules import reduced_axes
from dout.explain.axes.index_forms import constant_term, size_term
from dout.explain.axes.indices import NotReadableError
from dout.explain.terms.axis_row_terms import AXIS_FORMS
from dout.explain.terms.terms import (
    FunctionCall,
    Symbol,
    Term,
    is_negative,
    negated,
)
from dout.graph import CONSTANT, Node
from dout.ops import by_primitive, primitives
from dout.rewrite.simplify import is_elementwise

_PRODUCTS, _INNER = primitives("matmul dot inner"), primitives("inner")
_RESHAPES = primitives("reshape ravel flatten")
_SUMS = primitives("sum")
_QUIET = primitives("reshape broadcast_to astype copy asarray")  # whole arrays read the same with and without


@dataclass(frozen=True)
class ArrayForm:
    """A formula of whole arrays: dout · Wᵀ, with shapes (N, M)·(M, D) → (N, D)."""

    term: Term
    shapes: str


def array_form(node: Node, names: Mapping[Node, str], letters: Letters) -> ArrayForm | None:
    """The formula of a node of whole arrays, from the named nodes; None if there is no readable one."""
    try:
        term = _Arrays(names, letters).write(node)
    except NotReadableError:
        return None
    return ArrayForm(term, _shapes(node, names, letters))


def shape_text(letters: Sequence[str]) -> str:
    """A shape as Python writes it: (N, D), (M,), ().

    >>> shape_text(("M",)), shape_text(("N", "C·H·W"))
    ('(M,)', '(N, C·H·W)')
    """
    return f"({letters[0]},)" if len(letters) == 1 else f"({', '.join(letters)})"


def _shapes(node: Node, names: Mapping[Node, str], letters: Letters) -> str:
    """How shapes go together in the last matrix product or sum of a node; "" if each element stays in its place."""
    core = _core(node, names)
    if core.primitive in _PRODUCTS:
        left, right = (shape_text(letters[i]) for i in core.inputs)
        return f"{left}·{right} → {shape_text(letters[core])}"
    if core.primitive in _SUMS:
        return f"{shape_text(letters[core.inputs[0]])} → {shape_text(letters[node])}"
    first = core if core in names else next((i for i in core.inputs if i.shape), core)
    return "" if letters[first] == letters[node] else f"{shape_text(letters[first])} → {shape_text(letters[node])}"


def _core(node: Node, names: Mapping[Node, str]) -> Node:
    """The node below steps that only change how a result lies there."""
    while node not in names and node.primitive in _QUIET:
        node = node.inputs[0]
    return node


class _Arrays:
    """Writes nodes as formulas of whole arrays."""

    def __init__(self, names: Mapping[Node, str], letters: Letters) -> None:
        self.names, self.letters = names, letters

    def write(self, node: Node) -> Term:
        """The formula of a node from its operands, by name if they have one."""
        if not node.inputs:
            return self.operand(node)
        if node.primitive in _RULES:
            return _RULES[node.primitive](self, node)
        if is_elementwise(node):
            return combine(node, [self.operand(i) for i in node.inputs])
        raise NotReadableError(f"no array form for {node.primitive}")

    def operand(self, node: Node) -> Term:
        """A node by name, as a number, or written out."""
        if node in self.names:
            return Symbol(self.names[node])
        if node.primitive is CONSTANT:
            return constant_term(node)
        if not node.inputs:
            raise NotReadableError("an input without a name")
        return self.write(node)


def _product(arrays: _Arrays, node: Node) -> Term:
    x, y = node.inputs
    if node.primitive in _INNER and (len(x.shape) > 2 or len(y.shape) != 2):
        raise NotReadableError("a product of more than two axes")
    return AXIS_FORMS[node.primitive](node, (arrays.operand(x), arrays.operand(y)))


def _transpose(arrays: _Arrays, node: Node) -> Term:
    """A transposed array; in another order of more axes, with these."""
    axes, n = tuple(node.static["axes"]), len(node.static["axes"])
    made = AXIS_FORMS[node.primitive](node, (arrays.operand(node.inputs[0]),))
    is_plain = axes in (tuple(range(n)), (*range(n - 2), n - 1, n - 2))
    return made if is_plain or not isinstance(made, FunctionCall) else replace(made, axis=tuple(arrays.letters[node]))


def _reduction(arrays: _Arrays, node: Node) -> Term:
    if len(node.inputs) > 1 or node.static.get("ddof") or "initial" in node.static:
        raise NotReadableError("a reduction of some elements, or with a number of its own")
    source = node.inputs[0]
    long = [axis for axis in reduced_axes(node) if source.shape[axis] != 1]
    axes = tuple(arrays.letters[source][axis] if node.primitive in _SUMS else str(axis) for axis in long)
    term = arrays.operand(source)
    if not axes:
        return term
    if node.primitive in _SUMS and is_negative(term):
        return negated(FunctionCall(str(node.primitive), (negated(term),), axes))
    return FunctionCall(str(node.primitive), (term,), axes)


def _quiet(arrays: _Arrays, node: Node) -> Term:
    """Repeats and axes of length 1 are not written; a reshape that joins or splits axes is."""
    return with_shape(node, arrays.operand(node.inputs[0]), arrays.letters)


def with_shape(node: Node, made: Term, letters: Letters) -> Term:
    """The term of a step; of one that joins or splits axes with the shape that it makes: reshape(x, N·T, D)."""
    if node.primitive not in _RESHAPES:
        return made
    before, after = ([a for a in letters.get(n, ()) if a != "1"] for n in (node.inputs[0], node))
    return made if before == after else FunctionCall("reshape", (made, *map(size_term, letters[node], node.shape)))


_ROWS: dict[str, Callable[[_Arrays, Node], Term]] = {
    **dict.fromkeys(["matmul", "dot", "inner"], _product),
    "transpose": _transpose,
    **dict.fromkeys(["sum", "mean", "max", "min", "prod", "var", "std"], _reduction),
    **dict.fromkeys(["reshape", "ravel", "flatten", "broadcast_to", "full", "item", "float"], _quiet),
}
_RULES = by_primitive(_ROWS)
