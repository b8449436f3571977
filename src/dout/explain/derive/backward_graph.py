"""A recorded forward in; the graph of its gradients out, with every value once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.errors import DoutError
from dout.explain.derive.forward_runs import ForwardRun, same_structure
from dout.grad import Gradients, backpropagate
from dout.graph import CONSTANT, INPUT, Graph, Node, compute, rebuild, renewed, topological
from dout.ops import PRIMITIVES, by_primitive
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.simplify import is_elementwise, simplify
from dout.rewrite.softmax_forms import PLAIN, softmax_forms
from dout.rewrite.stable_forms import stable_forms

Point = dict[Node, Any]
_CLOSE, _TINY = 1e-9, 1e-13


class DerivedDiffersError(DoutError):
    """The steps of a gradient are others at other sizes; `where` is the line of forward that it is the gradient of."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(where)


@dataclass(frozen=True, eq=False)
class BackwardGraph:
    """The gradients of a forward: `wanted` by the name of what they belong to, `douts` the upstream ones.

    `nodes` are all nodes, forward first, each after its inputs; `raw` the gradients before they were simplified.
    """

    run: ForwardRun
    nodes: tuple[Node, ...]
    wanted: Mapping[str, Node]
    douts: tuple[Node, ...]
    raw: Gradients
    outputs: tuple[Node, ...]


def wanted_inputs(run: ForwardRun) -> dict[str, Node]:
    """Which inputs of a forward get a gradient, by name: floats that it is given, and arrays of floats it holds."""
    found = {name: node for node, name in run.arguments.items() if node.primitive is INPUT and _is_real(node)}
    held = run.held.items()
    return found | {path: n for n, path in held if n.shape and _is_real(n) and path not in run.written}


def _is_real(node: Node) -> bool:
    return node.dtype in (int, float) if isinstance(node.dtype, type) else node.dtype.kind == "f"


def backward_graph(
    run: ForwardRun,
    *,
    stable: bool = True,
    steps: Callable[[Graph], Graph] = simplify,
    simplify_elementwise: Callable[[Node], Node] | None = None,
) -> BackwardGraph:
    """Derive the gradients of a recorded forward; `steps` simplifies them. Not `stable`: of its formulas as they are.

    `simplify_elementwise` gives a shorter node for a gradient that acts on each element by itself.
    """
    graph = masked_write_to_select(simplify(run.graph))
    if stable:
        graph = softmax_forms(stable_forms(softmax_forms(graph)))
    graph = rebuild(graph, _as_switch)
    outputs = tuple(graph.outputs.values())
    seeds: dict[Node, Node] = {}
    for output in outputs:
        if _is_real(output):
            seeds.setdefault(output, Node(INPUT, (), {}, output.shape, output.dtype))
    raw = backpropagate(seeds)
    inputs = wanted_inputs(run)
    found = {f"d {name}": raw.of[node] for name, node in inputs.items() if node in raw.of}
    whole = {**dict(graph.outputs), **found}
    nodes = topological(whole.values())
    after = steps(Graph(nodes, {**dict(graph.inputs), **{f"dout{i}": d for i, d in enumerate(seeds.values())}}, whole))
    wanted = {name.removeprefix("d "): node for name, node in after.outputs.items() if name.startswith("d ")}
    if simplify_elementwise is not None:
        wanted = {name: simplify_elementwise(node) if _acts_on_each(node) else node for name, node in wanted.items()}
    order = topological([*(after.outputs[name] for name in graph.outputs), *wanted.values()])
    last = tuple(after.outputs[name] for name in graph.outputs)
    return BackwardGraph(run, order, wanted, tuple(seeds.values()), raw, last)


def _acts_on_each(root: Node) -> bool:
    """Whether a value comes of its inputs element by element."""
    return all(node.primitive in (INPUT, CONSTANT) or is_elementwise(node) for node in topological([root]))


_LIMITS = by_primitive({"maximum": PRIMITIVES["greater"], "minimum": PRIMITIVES["less"]})


def _as_switch(node: Node, new: Mapping[Node, Node]) -> Node:
    """A maximum with a number as a switch, which the result itself tells: of `h = max(u, 0)` it is h > 0."""
    node = renewed(node, new)
    test = _LIMITS.get(node.primitive)
    number = next((i for i in node.inputs if i.primitive is CONSTANT), None)
    if test is None or number is None or not node.shape:
        return node
    other = next(i for i in node.inputs if i is not number)
    on = Node(test, (node, number), {}, node.shape, np.dtype(bool), node.where)
    return Node(PRIMITIVES["where"], (on, other, number), {}, node.shape, node.dtype, node.where)


# --- several sizes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Twins:
    """The same nodes at several sizes: `of` has for each node of the first recording its twins, itself among them."""

    graphs: tuple[BackwardGraph, ...]
    of: Mapping[Node, tuple[Node, ...]]

    @classmethod
    def paired(cls, graphs: Sequence[BackwardGraph]) -> Twins:
        """Pair the nodes of derived gradients, forward and backward. Raises DerivedDiffersError."""
        first = graphs[0]
        each: list[dict[Node, Node]] = []
        for other in graphs:
            pairs: dict[Node, Node] = {}
            for mine, theirs in (
                (_as_graph(first.nodes), _as_graph(other.nodes)),
                (first.run.graph, other.run.graph),
                (_as_graph(_raw(first)), _as_graph(_raw(other))),
            ):
                if (differs := same_structure(mine, theirs)) is not None:
                    raise DerivedDiffersError(str(differs.where or "") or _line_of(first, differs))
                for one, two in zip(mine.nodes, theirs.nodes, strict=True):
                    pairs.setdefault(one, two)
            each.append(pairs)
        return cls(tuple(graphs), {node: tuple(pairs[node] for pairs in each) for node in each[0]})


def _line_of(graph: BackwardGraph, differs: Node) -> str:
    """The line of forward whose gradient a step belongs to; the layer where it was made later."""
    for (user, _), gradient in graph.raw.on.items():
        if user.where is not None and differs in topological([gradient]):
            return str(user.where)
    return graph.run.subject.name


def _raw(graph: BackwardGraph) -> tuple[Node, ...]:
    return topological(graph.raw.of.values())


def _as_graph(nodes: Sequence[Node]) -> Graph:
    return Graph(tuple(nodes), {}, {})


def points(graph: BackwardGraph, count: int = 2) -> Iterator[Point]:
    """Values of the inputs of a derived gradient at generic points: no number is special, none equal to another."""
    data = graph.run.trace.data
    leaves = [n for n in topological([*graph.nodes, *graph.run.graph.nodes, *_raw(graph)]) if n.primitive is INPUT]
    wanted = set(wanted_inputs(graph.run).values())
    for seed in range(count):
        generator = np.random.default_rng(seed + 100)
        point: Point = {}
        for node in leaves:
            value = data.get(node) if node not in graph.douts else None
            if node in graph.douts:
                point[node] = generator.normal(size=node.shape)[()]
            elif node in wanted and seed:
                shaken = np.asarray(value, dtype=float) * (1 + generator.uniform(-0.2, 0.2, node.shape))
                point[node] = np.where(shaken == 0, generator.uniform(-0.5, 0.5, node.shape), shaken)[()]
            else:
                point[node] = _wide(value)
        yield point


def tied(graph: BackwardGraph) -> Point:
    """A point at which the largest number of each input stands in every second place: a maximum is not alone there."""
    point = next(points(graph))
    for node in set(wanted_inputs(graph.run).values()) & point.keys():
        value = np.array(point[node])
        if value.size > 1:
            value.flat[::2] = value.max()
            point[node] = value
    return point


def _wide(value: Any) -> Any:
    is_float = isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"
    return np.asarray(value, dtype=float)[()] if is_float else value


@dataclass(eq=False)
class EqualValues:
    """Which nodes always have the same value: found by computing them at points of several sizes, generic and tied.

    That is no proof: what is built on it is judged exactly before it is shown.
    """

    twins: Twins
    _values: list[list[dict[Node, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for graph in self.twins.graphs:
            nodes = topological([*graph.nodes, *graph.run.graph.nodes, *_raw(graph)])
            found = []
            for point in (*points(graph), tied(graph)):
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    try:
                        found.append(_computed(nodes, dict(point)))
                    except (ValueError, IndexError, TypeError):
                        continue  # a mask that chooses another number of elements
            self._values.append(found)

    def of(self, node: Node) -> list[Any]:
        """The values of a node of the first recording, at all points and sizes."""
        twins = self.twins.of.get(node)
        if twins is None:
            return []
        return [
            point[twin] for twin, points in zip(twins, self._values, strict=True) for point in points if twin in point
        ]

    def same(self, one: Node, other: Node) -> bool:
        """Whether two nodes have the same values, and these are not one number everywhere."""
        if one is other:
            return True
        if one.shape != other.shape or one.primitive is CONSTANT or other.primitive is CONSTANT:
            return False
        mine, theirs = self.of(one), self.of(other)
        if not mine or len(mine) != len(theirs):
            return False
        return all(_alike(a, b) for a, b in zip(mine, theirs, strict=True)) and any(_varies(a) for a in mine)


def _computed(nodes: Sequence[Node], values: Point) -> Point:
    compute([node for node in nodes if node not in values], values, PLAIN)
    return values


def _alike(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or (a.dtype.kind in "biu") != (b.dtype.kind in "biu") or a.dtype.kind not in "biuf":
        return False
    if a.dtype.kind != "f":
        return bool(a.dtype == b.dtype and np.array_equal(a, b))
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return False
    scale = np.max(np.abs(a), initial=0.0)
    return bool(np.all(np.abs(a - b) <= _CLOSE * np.abs(a) + _TINY * scale))


def _varies(a: Any) -> bool:
    a = np.asarray(a)
    return a.size == 1 or bool(np.any(a != a.flat[0])) if a.size else False
