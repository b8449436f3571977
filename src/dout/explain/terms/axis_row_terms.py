"""What the rows that act along axes or move elements compute, as a term of their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dout.explain.terms.known_numbers import term_of_number
from dout.explain.terms.length_numbers import length_text
from dout.explain.terms.notation import COUNTER
from dout.explain.terms.row_terms import as_condition, as_number, exp, log
from dout.explain.terms.terms import (
    ONE,
    ZERO,
    Cases,
    Compare,
    FunctionCall,
    MatrixProduct,
    Symbol,
    Term,
    Transposed,
    product,
    total,
)
from dout.graph import Node, Primitive
from dout.ops import by_primitive
from dout.ops.operators import Slot

AxisForm = Callable[[Node, tuple[Term, ...]], Term]  # of a node, and the terms of its inputs


def _same(node: Node, inputs: tuple[Term, ...]) -> Term:
    """Elements that only move."""
    return inputs[0]


def _converted(node: Node, inputs: tuple[Term, ...]) -> Term:
    """Another dtype: whole numbers lose what is behind the point, conditions are 1 or 0."""
    before = node.inputs[0].kind
    if node.kind == "b":
        return inputs[0] if before == "b" else as_condition(inputs[0])
    is_cut = node.kind in "iu" and before == "f"
    return FunctionCall("trunc", (inputs[0],)) if is_cut else as_number(inputs[0])


def axes_of(node: Node) -> tuple[str, ...]:
    """The axes that a row goes along, by their numbers; empty where it goes along all of them."""
    axis = node.static.get("axis")
    return () if axis is None else tuple(map(str, (axis,) if isinstance(axis, int) else axis))


def _reduced(name: str) -> AxisForm:
    """A reduction, of those elements alone that a mask chooses."""

    def form(node: Node, inputs: tuple[Term, ...]) -> Term:
        values = inputs[0] if name in ("any", "all") else as_number(inputs[0])
        arguments: tuple[Term, ...] = (values,)
        if node.static.get("axis") == ():
            return values
        if len(inputs) > 1:
            arguments = (Cases(((values, inputs[1]),), ZERO),) if name == "sum" else (values, inputs[1])
        if "ddof" in node.static:
            arguments += (Compare(Symbol("ddof"), "=", term_of_number(node.static["ddof"])),)
        made: Term = FunctionCall(name, arguments, axes_of(node))
        if "initial" not in node.static:
            return made
        start = term_of_number(node.static["initial"])
        joined = {"sum": total, "prod": product}.get(name, lambda x, y: FunctionCall(name, (x, y)))
        return joined(start, made)

    return form


def _softmax(node: Node, inputs: tuple[Term, ...]) -> Term:
    return FunctionCall("softmax", inputs, axes_of(node))


def _log_sum(node: Node, inputs: tuple[Term, ...]) -> Term:
    powers = exp(inputs[0])
    return log(FunctionCall("sum", (product(*inputs[1:], powers),), axes_of(node)))


def _matrices(node: Node, inputs: tuple[Term, ...]) -> Term:
    """A product of matrices; with a number, np.dot and np.inner multiply."""
    numbers = not all(i.shape for i in node.inputs)
    return product(*inputs) if numbers else MatrixProduct(inputs[0], inputs[1])


def _inner(node: Node, inputs: tuple[Term, ...]) -> Term:
    turned = _turned(inputs[1]) if len(node.inputs[1].shape) > 1 else inputs[1]
    return _matrices(node, (inputs[0], turned))


def _turned(matrix: Term) -> Term:
    return matrix.matrix if isinstance(matrix, Transposed) else Transposed(matrix)


def _transposed(node: Node, inputs: tuple[Term, ...]) -> Term:
    axes = tuple(node.static["axes"])
    count = len(axes)
    if axes == tuple(range(count)):
        return inputs[0]
    swapped = (*range(count - 2), count - 1, count - 2)
    return _turned(inputs[0]) if axes == swapped else FunctionCall("transpose", inputs)


def _elements(node: Node, inputs: tuple[Term, ...]) -> Term:
    """Some elements: x[n, d], or all of them if the key only adds axes."""
    key = node.static["key"]
    keys = key if isinstance(key, tuple) else (key,)
    if all(part is None or part is Ellipsis or part == slice(None) for part in keys):
        return inputs[0]
    indices = tuple(_index(part, inputs[1:]) for part in keys)
    in_order = FunctionCall("argsort", inputs[:1])
    if in_order in indices and all(index in (in_order, COUNTER) for index in indices):
        return FunctionCall("sort", inputs[:1])
    return _at(inputs[0], indices)


def _at(base: Term, indices: tuple[Term, ...]) -> Term:
    """The elements of an array at some indices."""
    if isinstance(base, Symbol) and not base.indices:
        return Symbol(base.name, indices)
    return FunctionCall("getitem", (base, *indices))


def _written(node: Node, inputs: tuple[Term, ...]) -> Term:
    """An array with other elements at some places: x with x[:, 0] ← v."""
    base, value, *arrays = inputs
    base = Symbol("zeros") if base == ZERO else base
    key = node.static["key"]
    indices = tuple(_index(part, tuple(arrays)) for part in (key if isinstance(key, tuple) else (key,)))
    if str(node.primitive) == "add_at":
        value = total(_at(base, indices), value)
    return FunctionCall(str(node.primitive), (base, value, *indices))


def _index(part: Any, arrays: tuple[Term, ...]) -> Term:
    """One part of a key as Python writes it."""
    if isinstance(part, Slot):
        return arrays[part]
    if isinstance(part, slice):
        start, stop, step = ("" if one is None else length_text(one) for one in (part.start, part.stop, part.step))
        return Symbol(f"{start}:{stop}" + (f":{step}" if step else ""))
    if isinstance(part, range):
        return COUNTER
    if part is None or part is Ellipsis:
        return Symbol("new" if part is None else "…")
    return term_of_number(part)


def _places(node: Node, inputs: tuple[Term, ...]) -> Term:
    """A function that gives places, or the places among its results."""
    return FunctionCall(node.static["function"] + ("_places" if "part" in node.static else ""), inputs)


def _einsum(node: Node, inputs: tuple[Term, ...]) -> Term:
    """A sum of products, with its letters."""
    return FunctionCall("einsum", (Symbol(str(node.static["subscripts"]).replace("->", " → ")), *inputs))


_REDUCTIONS = "sum mean var std prod max min any all argmax argmin cumsum cumprod"
AXIS_FORMS: Mapping[Primitive, AxisForm] = by_primitive(
    {
        **dict.fromkeys(("reshape", "ravel", "flatten", "broadcast_to", "copy", "asarray", "item", "full"), _same),
        **dict.fromkeys(("astype", "float"), _converted),
        **{name: _reduced(name) for name in _REDUCTIONS.split()},
        "special_softmax": _softmax,
        "special_log_softmax": lambda node, inputs: log(_softmax(node, inputs)),
        "special_logsumexp": _log_sum,
        **dict.fromkeys(("matmul", "dot"), _matrices),
        "inner": _inner,
        "transpose": _transposed,
        "getitem": _elements,
        "setitem": _written,
        "add_at": _written,
        "scatter": lambda node, inputs: _written(node, (ZERO, *inputs)),
        "einsum": _einsum,
        "places": _places,
        **dict.fromkeys(("zeros", "empty"), lambda node, inputs: ZERO),
        "ones": lambda node, inputs: ONE,
    }
)
