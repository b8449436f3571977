"""The gradient that a step hands back as a formula: what the backward of its row computes, printed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from dout.explain.terms.axis_row_terms import AXIS_FORMS
from dout.explain.terms.node_terms import term_of
from dout.explain.terms.notation import PUTTING
from dout.explain.terms.row_terms import FORMS
from dout.explain.terms.terms import Symbol
from dout.explain.terms.text_printer import text
from dout.explain.terms.walk import calls_in, length
from dout.graph import CONSTANT, INPUT, Node
from dout.ops.abstract import AbstractRecorder
from dout.trace.model.recorded import LayerCall

LONGEST = 12  # symbols of a formula that one reads at a glance
_MOST = 200  # nodes that may be behind one
_TOO_MANY = Node(INPUT, (), {}, (), float)  # has no form


def handed_back(node: Node, dout: Any) -> list[Node | None]:
    """The gradients that a node hands back to its inputs, as nodes: `dout` is a number or the node of its gradient."""
    recorder = AbstractRecorder()
    try:
        assert node.primitive.backward is not None
        given = [recorder.wrap(item) for item in node.inputs]
        arriving = recorder.wrap(dout) if isinstance(dout, Node) else dout
        found = node.primitive.backward(arriving, recorder.wrap(node), *given, **node.static)
    except Exception:  # a rule that needs the numbers, or has none for numbers alone: there is nothing to show
        return [None] * len(node.inputs)
    return [_as_node(gradient) for gradient in (found if isinstance(found, tuple) else (found,))]


def gradient_formulas(node: Node, called: Callable[[Node], str]) -> list[str]:
    """The gradient by each argument in the names of inputs and output: "dout · out"; empty where it gets long.

    A gradient that is larger than its argument is summed over the axes along which that was broadcast.
    """
    dout = Node(INPUT, (), {}, node.shape, node.dtype)
    names = {**{item: called(item) for item in (*node.inputs, node)}, dout: "dout"}
    return [_by_argument(node, i, gradient, names) for i, gradient in enumerate(handed_back(node, dout))]


def _by_argument(node: Node, argument: int, gradient: Node | None, names: Mapping[Node, str]) -> str:
    formula = "" if gradient is None else _written(gradient, names)
    if not formula or gradient is None:
        return ""
    shape = node.inputs[argument].shape
    summed = gradient.shape != shape and len(gradient.shape) >= len(shape)
    return f"{formula}, summed" if summed else formula


def recorded_formula(gradient: Node, call: LayerCall, called: Callable[[Node], str]) -> str:
    """The formula by which a layer's backward computes a gradient, in the names of its arrays; "" if it is long."""
    own = {parameter.node: parameter.name for parameter in call.parameters}
    names = {item: called(item) for item in (*call.inputs, *call.outputs)} | own
    several = len(call.douts or ()) > 1
    arriving = {
        item: f"dout{i}" if several else "dout" for i, item in enumerate(call.douts or (), 1) if item is not None
    }
    return _written(gradient, {**names, **arriving})


def _written(gradient: Node, names: Mapping[Node, str]) -> str:
    """The formula of a node in the given names; "" if it is long or needs a value without a name."""
    known = {node: name for node, name in names.items() if node.primitive is not CONSTANT}
    if not all(map(_has_form, _behind(gradient, known))):
        return ""
    term = term_of(gradient, {node: Symbol(name) for node, name in known.items()}, short=LONGEST)
    return "" if term is None or length(term) > LONGEST or PUTTING & calls_in(term) else text(term)


def _behind(gradient: Node, known: Collection[Node]) -> Iterator[Node]:
    """The nodes of a formula, down to what has a name; behind too many for a formula one without a form."""
    found: set[Node] = set()
    waiting = [gradient]
    while waiting:
        node = waiting.pop()
        if node not in known and node not in found:
            found.add(node)
            waiting += node.inputs
            yield node if len(found) <= _MOST else _TOO_MANY


def _has_form(node: Node) -> bool:
    """True if mathematics has words for it: a function by its name would hide its settings."""
    return node.primitive is CONSTANT or node.primitive in FORMS or node.primitive in AXIS_FORMS


def _as_node(gradient: Any) -> Node | None:
    if hasattr(gradient, "node"):
        found: Node = gradient.node
        return found
    return None if gradient is None else Node(CONSTANT, (), {"value": gradient}, (), type(gradient))
