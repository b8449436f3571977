"""Every trace is replayed: the graph evaluated on the same inputs must give the same bits."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dout.graph import CONSTANT, INPUT, Node, evaluate
from dout.ops import PRIMITIVES
from dout.ops.operators import fill_key
from dout.run import OF_A_LOCAL
from dout.trace.model.bulk_objects import collection_paused

_ALONE = OF_A_LOCAL + 2  # references to an array: those of the values, of the operands and of a name


class Data(dict[Node, Any]):
    """Concrete values by node. One that was too large to be saved before it was overwritten is computed anew."""

    def __missing__(self, node: Node) -> Any:
        with np.errstate(all="ignore"):
            return evaluate([node], self)[node]

    def get(self, node: Node, default: Any = None) -> Any:
        """The value of a node; computed where it is not kept."""
        return self[node]


def first_difference(nodes: Iterable[Node], data: Mapping[Node, Any]) -> Node | None:
    """Evaluate `nodes` (in topological order) from the inputs alone; return the first whose bits differ from `data`."""
    nodes = list(nodes)
    last_use = {value: i for i, node in enumerate(nodes) for value in (*node.inputs, node)}
    values: dict[Node, Any] = {}
    leaving: dict[int, list[Node]] = {}
    for value, i in last_use.items():
        leaving.setdefault(i, []).append(value)
    with np.errstate(all="ignore"), collection_paused():
        for i, node in enumerate(nodes):
            if node.primitive is INPUT or node.primitive is CONSTANT:
                values[node] = data[node]
            else:
                try:
                    last = bool(node.inputs) and last_use[node.inputs[0]] == i
                    values[node] = _applied(node, [values[k] for k in node.inputs], last=last)
                except Exception:
                    return node  # it ran once, on the right inputs
                if node in data and not same_bits(values[node], data[node]):
                    return node
            for value in leaving.get(i, ()):
                del values[value]
    return None


def _applied(node: Node, operands: list[Any], *, last: bool) -> Any:
    """The value of a node. A loop that fills an array copies it at each write, unless nobody else has the array.

    `last` says whether no later node takes the first operand.
    """
    if node.primitive is PRIMITIVES["setitem"] and last and _is_alone(operands):
        operands[0][fill_key(node.static["key"], tuple(operands[2:]))] = operands[1]
        return operands[0]
    return node.primitive.apply(operands, node.static)


def _is_alone(operands: list[Any]) -> bool:
    """Whether the memory of the first operand belongs to it, and neither the trace nor a view of it has it."""
    array = operands[0]
    return isinstance(array, np.ndarray) and array.base is None and sys.getrefcount(array) <= _ALONE


def same_bits(a: Any, b: Any) -> bool:
    """Whether two values are the same to the bit: type, shape, dtype, content; a NaN is the same as any NaN.

    >>> same_bits(0.0, -0.0), same_bits(float("nan"), float("nan"))
    (False, True)
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if _same_memory(a, b):
            return True
        if a.dtype.kind not in "fc":
            return False
        x, y = np.asarray(a), np.asarray(b)
        whole = (x == y) & (np.signbit(x) == np.signbit(y)) if x.dtype.kind == "f" else x == y
        return bool(np.all(whole | (np.isnan(x) & np.isnan(y))))
    if isinstance(a, int):
        return bool(a == b)  # without its text, which Python limits
    return bool(a == b and str(a) == str(b)) or bool(a != a and b != b)


def _same_memory(a: Any, b: Any) -> bool:
    """Whether two values of one shape and dtype have the same bytes; large arrays are compared without a copy."""
    if isinstance(a, np.ndarray) and a.dtype.kind in "biuf" and a.dtype.itemsize in (1, 2, 4, 8):
        bits = f"u{a.dtype.itemsize}"
        return np.array_equal(a.view(bits), b.view(bits))
    return bool(a.tobytes() == b.tobytes())


def same_bits_deep(a: Any, b: Any) -> bool:
    """Whether nested lists and tuples hold the same to the bit."""
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same_bits_deep, a, b))
    return same_bits(a, b)


def is_number(item: Any) -> bool:
    """Whether something is an array or a real number, which a result may be."""
    return isinstance(item, np.ndarray | np.generic) or type(item) in (int, float)
