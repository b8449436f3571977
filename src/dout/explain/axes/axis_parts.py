"""What one step along axes passes back to one of its inputs: index form, array form, shapes and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from dout.explain.axes.array_forms import array_form, shape_text
from dout.explain.axes.axis_letters import JOIN, Letters, axis_letters, lengths_of
from dout.explain.axes.element_rules import reduced_axes
from dout.explain.axes.index_forms import element_of, fresh_indices, index_form, index_names, indices_of
from dout.explain.axes.term_values import equal_values, holds, sources
from dout.explain.model.explanation import Phrase
from dout.explain.terms.length_numbers import Length, LengthFormula
from dout.explain.terms.terms import Symbol, Term
from dout.graph import CONSTANT, INPUT, Node, renewed, topological
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.reduce import count_along
from dout.rewrite.node_facts import applied, constant
from dout.rewrite.simplify import is_elementwise, simplified


@dataclass(frozen=True)
class AxisPart:
    """What a step gives to one input. `index` has both sides of the formula of one element, `term` whole arrays."""

    index: tuple[Symbol, Term] | None
    term: Term | None
    shapes: str
    reason: Phrase | None


def axis_part(
    node: Node,
    argument: int,
    gradient: Node,
    names: Mapping[Node, str],
    letters: Letters,
    values: Mapping[Node, Any],
) -> AxisPart:
    """What the step `node` gives to its input number `argument`, computed by `gradient` from the named nodes.

    The index form is one that holds for the `values` in exact arithmetic, or None. The gradient of an input x is called
    dx, and that of an input without a name as `names` call it.
    """
    source = node.inputs[argument]
    name = f"d{names[source]}" if source in names else names.get(gradient, "dx")
    if any(n not in letters for n in topological([gradient], known=names)):
        letters = axis_letters([gradient], names, values, known=letters)
    letters = {**letters, gradient: letters[source]}
    reason = reason_for(node, argument, names, letters)
    shapes = _between(letters[node], letters[source])
    first: tuple[Node, Letters, _Also] | None = None
    index: tuple[Symbol, Term] | None = None
    cut = [n for n in names if n is not gradient or names[n] != name]
    below = dict.fromkeys(sources(gradient, set(cut)))
    known = {n: values[n] for n in below if n in values}
    for plain, also in _plain_forms(node, argument, gradient, below, names, letters, values):
        if not equal_values(plain, also.values, gradient, known):
            continue
        own = axis_letters([plain], also.names, also.values, known=also.letters)
        inner: Letters = {**letters, **own, plain: letters[source]}
        first = first or (plain, inner, also)
        index = index_form(name, plain, {**names, **also.names}, inner, also.values)
        if index is not None and holds(*index, gradient, names, letters, values):
            first = (plain, inner, also)
            break
        index = None
    if first is None:
        return AxisPart(None, None, shapes, reason)
    plain, inner, also = first
    if node.primitive in _WITHOUT and reason is not None and any(map(_shares, topological([plain]))):
        reason = Phrase(f"{reason.key} shared", reason.fields)
    whole = array_form(plain, also.names, inner)
    return AxisPart(index, whole.term if whole else None, (whole.shapes if whole else "") or shapes, reason)


def _between(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    """How a shape becomes another: (N,) → (N, D); "" where nothing changes."""
    return "" if before == after else f"{shape_text(before)} → {shape_text(after)}"


# --- gradients in a plain form ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Also:
    """Stand-ins for named values and lengths, with what is known of each."""

    names: dict[Node, str]
    letters: dict[Node, tuple[str, ...]]
    values: dict[Node, Any]


def _plain_forms(
    node: Node,
    argument: int,
    gradient: Node,
    below: Iterable[Node],
    names: Mapping[Node, str],
    letters: Letters,
    values: Mapping[Node, Any],
) -> Iterator[tuple[Node, _Also]]:
    """The gradient in forms that read better, the best first: no constant arithmetic, lengths as letters.

    They stand on stand-ins for the named values. What they take for granted is for the reader to check.
    """
    also = _Also({}, {}, {})
    new: dict[Node, Node] = {}
    for each in below:
        stand_in = new[each] = Node(INPUT, (), {}, each.shape, each.dtype, each.where)
        also.letters[stand_in] = letters[each]
        if each in names:
            also.names[stand_in] = names[each]
        if each in values:
            also.values[stand_in] = values[each]
    for each in topological([gradient], known=new):
        new[each] = renewed(each, new)
    cut = new[gradient]
    count = _from_the_length_before(node, argument, letters) or _count(node, letters, also)
    for change in (*_WITHOUT.get(node.primitive, ()), _as_it_is):
        yield simplified(_replaced(cut, lambda n, change=change: change(count(n)))), also  # type: ignore[misc]
    yield cut, also


def _replaced(gradient: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each node below replaced by another one."""
    new: dict[Node, Node] = {}
    for node in topological([gradient]):
        new[node] = node if not node.inputs else change(renewed(node, new))
    return new[gradient]


def _as_it_is(node: Node) -> Node:
    return node


def _without_shares(node: Node) -> Node:
    """An extreme without the count of its equals, by which it is divided."""
    return node.inputs[0] if _shares(node) else node


def _shares(node: Node) -> bool:
    """Whether a node divides by the count of the equals of an extreme."""
    return node.primitive in _DIVIDE and node.inputs[1].primitive in _AT_LEAST


_DIVIDE, _AT_LEAST = primitives("divide"), primitives("maximum")
_WITHOUT: dict[Any, tuple[Callable[[Node], Node], ...]] = by_primitive(
    {"max": (_without_shares,), "min": (_without_shares,)}
)


def _from_the_length_before(node: Node, argument: int, letters: Letters) -> Callable[[Node], Node] | None:
    """Puts the length of the first of several joined arrays, by its letter, in the place of where the second begins."""
    if node.primitive not in primitives("concatenate") or argument != 1:
        return None
    axis = node.static["axis"]
    first = letters[node.inputs[0]][axis]
    start = Length.of(node.inputs[0].shape[axis], LengthFormula(Fraction(1), ((first, 2),)))

    def change(each: Node) -> Node:
        key = each.static.get("key")
        if not isinstance(key, tuple) or not first.isalnum() or first == "1":
            return each
        parts = tuple(
            slice(start, part.stop, part.step)
            if isinstance(part, slice) and i == axis and part.start == start
            else part
            for i, part in enumerate(key)
        )
        return replace(each, static={**each.static, "key": parts})

    return change


def _count(node: Node, letters: Letters, also: _Also) -> Callable[[Node], Node]:
    """Puts the lengths of axes, by their letters, in the place of the number by which a mean divides."""
    if node.primitive not in primitives("mean var std"):
        return _as_it_is
    source = node.inputs[0]
    axes = reduced_axes(node)
    number = count_along(source.shape, node.static.get("axis")) - node.static.get("ddof", 0)
    made = _length(source, axes, letters, also)
    if node.static.get("ddof"):
        made = applied(PRIMITIVES["subtract"], [made, constant(node.static["ddof"])], {})

    def change(each: Node) -> Node:
        if each.primitive not in _DIVIDE or each.inputs[1].primitive is not CONSTANT:
            return each
        same = each.inputs[1].static["value"] == number
        return applied(each.primitive, [each.inputs[0], made], each.static) if same else each

    return change


def _length(source: Node, axes: list[int], letters: Letters, also: _Also) -> Node:
    """The number of elements along some axes, as a product of lengths."""
    sizes: list[Node] = []
    lengths = lengths_of(letters)
    for axis in axes:
        for letter in letters[source][axis].split(JOIN) if source.shape[axis] != 1 else ():
            stand_in = Node(INPUT, (), {}, (), int)
            also.names[stand_in], also.letters[stand_in], also.values[stand_in] = letter, (), lengths[letter]
            sizes.append(stand_in)
    made = sizes[0] if sizes else constant(1)
    for size in sizes[1:]:
        made = applied(PRIMITIVES["multiply"], [made, size], {})
    return made


# --- reasons ----------------------------------------------------------------------------------------------------------


def reason_for(node: Node, argument: int, names: Mapping[Node, str], letters: Letters) -> Phrase | None:
    """The reason for the gradient of a step's input, if the reason lies in its axes."""
    make = _REASONS.get(node.primitive)
    if make is not None:
        return make(node, argument, names, letters)
    return _repeated(node, argument, names, letters) if is_elementwise(node) else None


def _repeated(node: Node, argument: int, names: Mapping[Node, str], letters: Letters) -> Phrase | None:
    """An operand that is broadcast."""
    source = node.inputs[argument]
    lead = len(node.shape) - len(source.shape)
    axes = [i for i, n in enumerate(node.shape) if n != 1 and (i < lead or source.shape[i - lead] == 1)]
    if not axes:
        return None
    rows = node.primitive in primitives("add") and len(axes) == 1 and axes == [0]
    key = "added to each" if rows else "sum over repeats"
    return Phrase(key, {"axis": ", ".join(letters[node][i] for i in axes), "name": Symbol(names.get(source, "it"))})


def _meets(node: Node, argument: int, names: Mapping[Node, str], letters: Letters) -> Phrase | None:
    """An operand of a matrix product: each element meets the other operand's elements along the axis that it lacks."""
    if len(node.inputs) != 2 or any(len(i.shape) < 2 for i in node.inputs):
        return None
    one, other = node.inputs[argument], node.inputs[1 - argument]
    indices = indices_of(one, names, letters)
    lead = len(node.shape) - len(one.shape)
    lacks = [a for a in range(len(node.shape) - 2) if a < lead or (one.shape[a - lead] == 1 and node.shape[a] != 1)]
    lacks.append(len(node.shape) - (1 if argument == 0 else 2))
    along = index_names(fresh_indices(node, lacks, indices, names, letters))
    if not along:  # an axis of length 1: nothing is added up
        return None
    return Phrase(
        "matrix product",
        {
            "element": element_of(names.get(one, "it"), indices, letters[one]),
            "other": Symbol(names[other]) if other in names else "the other matrix",
            "index": ", ".join(along),
            "axis": ", ".join(letters[node][axis] for axis in lacks),
        },
    )


def _mean(node: Node, argument: int, names: Mapping[Node, str], letters: Letters) -> Phrase | None:
    source = node.inputs[0]
    count = JOIN.join(letters[source][axis] for axis in reduced_axes(node) if source.shape[axis] != 1) or "1"
    return Phrase("mean", {"count": f"({count})" if JOIN in count else count})


def _said(key: str) -> Callable[..., Phrase | None]:
    return lambda node, argument, names, letters: Phrase(key, {"name": Symbol(names.get(node.inputs[argument], "it"))})


def _chosen(node: Node, argument: int, names: Mapping[Node, str], letters: Letters) -> Phrase | None:
    key = node.static.get("key")
    each_once = isinstance(key, tuple) and any(isinstance(part, range) for part in key)
    is_mask = len(node.inputs) == 2 and node.inputs[1].kind == "b"
    repeats = len(node.inputs) == 2 and node.inputs[1].shape != () and not each_once and not is_mask
    return Phrase("looked up" if repeats else "chosen", {"name": Symbol(names.get(node.inputs[0], "it"))})


def _written(node: Node, argument: int, names: Mapping[Node, str], letters: Letters) -> Phrase | None:
    return Phrase("written" if argument else "overwritten")


_REASONS: dict[Any, Callable[..., Phrase | None]] = by_primitive(
    {
        **dict.fromkeys(["matmul", "dot"], _meets),
        "sum": _said("sum"),
        "mean": _mean,
        **dict.fromkeys(["var", "std"], _said("variance")),
        "prod": _said("product"),
        "max": _said("largest"),
        "min": _said("smallest"),
        "cumsum": _said("running sum"),
        **dict.fromkeys(["reshape", "ravel", "flatten", "transpose", "roll"], _said("moved")),
        **dict.fromkeys(["broadcast_to", "repeat", "tile", "full"], _said("repeated")),
        "getitem": _chosen,
        "setitem": _written,
        **dict.fromkeys(["concatenate", "array"], _said("part")),
        "pad": _said("border"),
        **dict.fromkeys(["tril", "triu"], _said("half")),
        "windows": _said("windows"),
    }
)
