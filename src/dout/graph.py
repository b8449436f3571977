"""Primitives, nodes and graphs: frozen data, topological order, and evaluation over any number.

>>> import operator
>>> double = Primitive("double", forward=lambda x: 2 * x, python=lambda x: 2 * x)
>>> x = Node(INPUT, (), {}, (), float)
>>> y = Node(double, (x,), {}, (), float)
>>> from fractions import Fraction
>>> evaluate([y], {x: Fraction(1, 3)})[y]
Fraction(2, 3)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Any, ClassVar

import numpy as np

from dout.clock import check_time

Shape = tuple[int, ...]
DType = np.dtype[Any] | type  # a Python number keeps its own type: int, float, complex, bool
Binder = Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]

PYTHON_NUMBERS = (bool, int, float, complex)
NUMPY_VALUES = (np.ndarray, np.generic)


@dataclass(frozen=True, eq=False, slots=True)
class Primitive:
    """A kind of node: one row of the table in `dout.ops`, read by every reader.

    `forward(*values, **static)` computes it on NumPy values, `python` on plain numbers (any number type: exact
    fractions, balls, symbols). `backward(dout, out, *inputs, **static)` gives one gradient an input, written in plain
    NumPy; None means that no gradient flows. `infer(primitive, inputs, static)` gives shape and dtype without values.
    `calls` and `methods` name the NumPy functions and ndarray methods this row answers, each with the function that
    sorts their arguments into inputs and static parameters. A row that may return a view of its first input says in
    `write_back(base, changed, *rest, **static)` how a changed view changes its base. `onnx` is the operator of ONNX
    that gives the same, of inputs of one dtype; what needs several is a rule of `dout.export`.
    """

    name: str
    forward: Callable[..., Any]
    python: Callable[..., Any] | None = None
    backward: Callable[..., Any] | None = None
    infer: Callable[..., tuple[Shape, DType]] | None = None
    write_back: Callable[..., Any] | None = None
    calls: Mapping[Any, Binder] = field(default_factory=dict)
    methods: Mapping[str, Binder] = field(default_factory=dict)
    symbol: str = ""
    latex: str = ""
    says: str = ""
    kernel: str | None = None
    onnx: str | None = None

    # Set once by `dout.ops`: how a primitive is applied where an operand is a stand-in that records.
    emit: ClassVar[Callable[..., Any]]

    def __call__(self, *operands: Any, **static: Any) -> Any:
        """Apply to plain values, or record where an operand is a stand-in."""
        return Primitive.emit(self, operands, static)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __str__(self) -> str:
        return self.name

    def apply(self, values: Sequence[Any], static: Mapping[str, Any]) -> Any:
        """Compute on `values`: with `python` when none of them is NumPy's, so that plain numbers stay plain."""
        if self.python is not None:
            for value in values:
                if isinstance(value, NUMPY_VALUES):
                    break
            else:
                return self.python(*values, **static)
        return self.forward(*values, **static)


def _not_computed(**_: Any) -> Any:
    raise TypeError("an input has no rule: its value must be given")


INPUT = Primitive("input", forward=_not_computed)
CONSTANT = Primitive("constant", forward=lambda *, value: value, python=lambda *, value: value)


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the user's source: a line of a file, or of a notebook's cell ("notes.ipynb, cell 5")."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if ".ipynb, cell " in self.file else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class CallPlace(Where):
    """The same, and the layer whose call ran there: two layers of a class run the same lines."""

    layer: str


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One application of a primitive. It holds no array: concrete values live in the trace."""

    primitive: Primitive
    inputs: tuple[Node, ...]
    static: Mapping[str, Any]
    shape: Shape
    dtype: DType
    where: Where | None = None

    @property
    def kind(self) -> str:
        """NumPy's letter for a kind of numbers, plain ones too: b, i, u, f, c."""
        return np.dtype(self.dtype).kind

    def __repr__(self) -> str:
        return f"<{self.primitive.name} {self.shape} {dtype_name(self.dtype)}>"


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order, with named inputs and outputs."""

    nodes: tuple[Node, ...]
    inputs: Mapping[str, Node]
    outputs: Mapping[str, Node]

    def __repr__(self) -> str:
        return f"<graph of {len(self.nodes)} nodes: {', '.join(self.inputs)} → {', '.join(self.outputs)}>"


@cache
def dtype_name(dtype: DType) -> str:
    """Name a dtype as Python or NumPy does: int, float, float32, int64 …

    >>> dtype_name(float), dtype_name(np.dtype("f4"))
    ('float', 'float32')
    """
    return dtype.__name__ if isinstance(dtype, type) else dtype.name


def topological(outputs: Iterable[Node], known: Collection[Node] = ()) -> tuple[Node, ...]:
    """Return every node that `outputs` need, each after its inputs; `known` nodes and their inputs are left out.

    Iterative: a graph of 10**6 nodes must not meet Python's recursion limit.
    """
    order: dict[Node, None] = {}
    opened: set[Node] = set()
    stack = list(outputs)[::-1]
    while stack:
        node = stack[-1]
        if node in order or node in known:
            stack.pop()
        elif node in opened:
            order[stack.pop()] = None
        else:
            opened.add(node)
            stack.extend([i for i in node.inputs[::-1] if i not in order and i not in known])
    return tuple(order)


def computed_from(nodes: Iterable[Node], starts: Iterable[Node]) -> set[Node]:
    """Those among nodes in topological order that are computed from some others, at any distance."""
    found, given = set[Node](), set(starts)
    for node in nodes:
        if not (found.isdisjoint(node.inputs) and given.isdisjoint(node.inputs)):
            found.add(node)
    return found


def uses_of(nodes: Iterable[Node]) -> dict[Node, list[tuple[Node, int]]]:
    """The nodes that read each value, each with which of its inputs that is."""
    found: dict[Node, list[tuple[Node, int]]] = {}
    for node in nodes:
        for place, value in enumerate(node.inputs):
            found.setdefault(value, []).append((node, place))
    return found


def leading_to_all(nodes: Sequence[Node], ends: Collection[Node]) -> list[Node]:
    """Those among nodes in topological order that each of some others is computed from, or is."""
    leads = dict.fromkeys(nodes, 0)  # to which ends, as bits
    for place, end in enumerate(ends):
        leads[end] = leads.get(end, 0) | 1 << place
    for node in reversed(nodes):
        for given in node.inputs:
            if given in leads:
                leads[given] |= leads[node]
    return [node for node in nodes if leads[node] == (1 << len(ends)) - 1]


def rebuild(graph: Graph, change: Callable[[Node, Mapping[Node, Node]], Node]) -> Graph:
    """Return the graph with each node replaced by `change(node, new)`; `new` maps earlier nodes to their replacements.

    The order is kept. Inputs are never changed, and stay though nothing needs them; other nodes that no output needs
    are left out. Where nothing changes, the same graph is returned.
    """
    new: dict[Node, Node] = {}
    order: dict[Node, None] = {}
    for node in graph.nodes:
        check_time()
        made = node if node.primitive is INPUT else change(node, new)
        assert made.shape == node.shape, f"{made} is not {node}"
        assert same_kind(made.dtype, node.dtype), f"{made} is not {node}"
        new[node] = made
        if made not in order:
            order.update(dict.fromkeys(topological([made], known=order)))
    outputs = {name: new.get(node, node) for name, node in graph.outputs.items()}
    needed = set(outputs.values())
    for node in reversed(order):
        if node in needed:
            needed.update(node.inputs)
    nodes = tuple(node for node in order if node in needed or node.primitive is INPUT)
    if nodes == graph.nodes and outputs == graph.outputs:
        return graph
    return Graph(nodes, graph.inputs, outputs)


def settled(graph: Graph, change: Callable[[Graph], Graph], most: int | None = None) -> Graph:
    """Return the graph after a change that is repeated until it returns the same graph, or `most` times."""
    for _ in count() if most is None else range(most):
        after = change(graph)
        if after is graph:
            break
        graph = after
    return graph


def renewed(node: Node, new: Mapping[Node, Node]) -> Node:
    """The node, over the replacements of its inputs."""
    return with_inputs(node, [new[i] for i in node.inputs])


def with_inputs(node: Node, inputs: Iterable[Node]) -> Node:
    """The node, over other inputs of the same shapes or of shapes that give the same result."""
    inputs = tuple(inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def same_kind(one: DType, other: DType) -> bool:
    """Whether two dtypes are the same, where a Python number's is none of NumPy's.

    >>> np.dtype(float) == float, same_kind(np.dtype(float), float)
    (True, False)
    """
    return type(one) is type(other) and one == other


def evaluate(
    outputs: Iterable[Node],
    given: Mapping[Node, Any],
    rules: Mapping[Primitive, Callable[..., Any]] | None = None,
) -> dict[Node, Any]:
    """Return the value of `outputs` and of every node on the way, from the values `given` for some nodes.

    The numbers may be of any kind. A primitive is computed by `rules` where it stands there, which is how a reader
    brings its own arithmetic (balls, symbols), and by its row otherwise.
    """
    values = dict(given)
    compute(topological(outputs, known=values.keys()), values, rules)
    return values


def compute(
    nodes: Iterable[Node], values: dict[Node, Any], rules: Mapping[Primitive, Callable[..., Any]] | None = None
) -> None:
    """Compute `nodes`, each after its inputs, into `values`."""
    for node in nodes:
        arguments = [values[i] for i in node.inputs]
        if rules and node.primitive in rules:
            values[node] = rules[node.primitive](*arguments, **node.static)
        else:
            values[node] = node.primitive(*arguments, **node.static)
