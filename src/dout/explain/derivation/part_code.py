"""The NumPy of one step: of a part of a gradient, if it holds at every size (dout @ W.T), or of forward."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.explain.spelling.numpy_text import spelled
from dout.explain.spelling.size_words import Shapes, SizeWords, UnspelledError
from dout.explain.spelling.written_text import WrittenText
from dout.graph import CONSTANT, Node, evaluate, topological
from dout.ops import primitives
from dout.rewrite.simplify import is_elementwise

_FREE_OF_SIZES = primitives("matmul dot transpose sum max min")
MOST_STEPS = 6
SAME = 1e-9  # of numbers in float64


@dataclass(eq=False)
class _OneRecording:
    """The context of a row's text if there is only one recording."""

    sizes: SizeWords
    last_axis: bool = False
    dot: bool = False

    def statics(self, node: Node, key: str, default: Any = None) -> tuple[Any, ...]:
        """A static parameter of a node."""
        return (node.static.get(key, default),)

    def shapes(self, node: Node) -> Shapes:
        """The shape of a node's value."""
        return (node.shape,)

    def dtype(self, dtype: Any) -> str:
        """No dtype is written in one line."""
        raise UnspelledError("a dtype")

    def special(self, name: str) -> str:
        """Which name SciPy's functions have in the user's module is not known."""
        raise UnspelledError(name)


def part_code(
    gradient: Node, names: Mapping[Node, str], values: Mapping[Node, Any], counts: Collection[int] = ()
) -> str:
    """One line of NumPy for a gradient, from the values with names; "" where there is none that holds at every size.

    A number that is one of the `counts` may be that of elements of which forward takes the mean.

    The line runs on `values`, and stands only if it gives the gradient there.
    """
    nodes = topological([gradient], known=names.keys())
    plain = all(n.primitive is CONSTANT or n.primitive in _FREE_OF_SIZES or is_elementwise(n) for n in nodes)
    counted = any(n.primitive is CONSTANT and n.static["value"] in counts for n in nodes)
    return "" if counted or not plain else _written(gradient, nodes, names, values)


def step_code(step: Node, names: Mapping[Node, str], values: Mapping[Node, Any]) -> str:
    """One line of NumPy for a step of forward, from the values with names; "" where there is none.

    Sizes in it are those of the recording: `x.reshape(3, 2)`.
    """
    return _written(step, topological([step], known=names.keys()), names, values)


def _written(gradient: Node, nodes: Collection[Node], names: Mapping[Node, str], values: Mapping[Node, Any]) -> str:
    if len(nodes) > MOST_STEPS or not all(n in names or n.inputs or n.static for n in nodes):
        return ""
    spelling, texts = _OneRecording(SizeWords({})), {node: WrittenText(name) for node, name in names.items()}
    try:
        for node in nodes:
            texts[node] = spelled(spelling, node, [texts[i] for i in node.inputs])
    except UnspelledError:
        return ""
    code = str(texts[gradient])
    return code if gradient not in names and _gives(code, gradient, names, values) else ""


def _gives(code: str, gradient: Node, names: Mapping[Node, str], values: Mapping[Node, Any]) -> bool:
    """Whether a line of NumPy gives the value of a gradient."""
    known = {name: values[node] for node, name in names.items() if node in values}
    try:
        with np.errstate(all="ignore"):
            made, right = eval(code, {"np": np, **known}), evaluate([gradient], values)[gradient]
    except (SyntaxError, NameError, TypeError, ValueError):  # a name may be no name in Python: x'
        return False
    return np.shape(made) == np.shape(right) and np.allclose(made, right, rtol=SAME, atol=SAME, equal_nan=True)
