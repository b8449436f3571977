"""A recorded forward in; the graph of its gradients out, with every value once."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from dout.errors import DoutError
from dout.explain.derive.forward_runs import ForwardRun, same_structure
from dout.grad import Gradients, backpropagate
from dout.graph import CONSTANT, INPUT, Graph, Node, compute, topological
from dout.judge.float_judge import wide
from dout.judge.judged_run import is_label
from dout.judge.judging_points import BOUNDS, far
from dout.ops import PRIMITIVES, primitives
from dout.rewrite.easier_steps import with_easier_steps
from dout.rewrite.factored import factored
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.scatter_forms import scatter_additions, scatter_sums
from dout.rewrite.shared_parts import shared_products
from dout.rewrite.sigmoid_forms import sigmoid_forms
from dout.rewrite.simplify import is_elementwise, simplify, with_known_reductions
from dout.rewrite.softmax_forms import PLAIN, log_softmax_by_sums, softmax_forms
from dout.rewrite.stable_forms import by_exponentials, stable_forms

Point = dict[Node, Any]
_CLOSE, _TINY = 1e-9, 1e-13
_NOTHING = 1e-3  # a number that may be there to keep another from 0
_EXTREME = 1000.0  # one that overflows in exp
_SCALES = (0.1, 3.0, 10.0, 50.0, 1000.0, 1e-3, 1e-6)  # of points further in and further out
_USUAL = 2 + 3  # points; the others where none of these crosses a bound


class DerivedDiffersError(DoutError):
    """The steps of a gradient differ between sizes; `where` is the line of forward that it belongs to."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(where)


@dataclass(frozen=True)
class WritingWay:
    """A way to write a backward; `steps` simplifies its gradients.

    `stable`: formulas that overflow give way to better ones. `finite_only`: what forward computes is used where it
    stays finite and right at large inputs; `given_only`: it is not used. `recompute`: also what is costly is computed
    again.
    """

    steps: Callable[[Graph], Graph]
    stable: bool = True
    finite_only: bool = False
    given_only: bool = False
    recompute: bool = False


def _shared(graph: Graph) -> Graph:
    """The graph in short forms, with common parts computed once."""
    return shared_products(factored(graph))


WAYS = (  # the first that holds is taken
    WritingWay(_shared), WritingWay(factored), WritingWay(simplify), WritingWay(_shared, finite_only=True),
    WritingWay(factored, recompute=True), WritingWay(factored, given_only=True, recompute=True),
    WritingWay(partial(factored, one_power=True), given_only=True, recompute=True),
    WritingWay(lambda graph: factored(by_exponentials(graph), one_power=True), given_only=True, recompute=True),
    WritingWay(simplify, given_only=True, recompute=True), WritingWay(simplify, stable=False),
    WritingWay(simplify, stable=False, recompute=True),
)  # fmt: skip


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
    """The inputs of a forward that get a gradient, by name: floats among its arguments, and float arrays it holds.

    And numbers that it holds for which the class has a backward that keeps a gradient: `self.dbeta` for `self.beta`.
    """
    kept = getattr(getattr(run.subject.own_backward, "__code__", None), "co_names", ())
    given = {node: name for node, name in run.arguments.items() if name not in run.subject.of_forward}
    found = {name: node for node, name in given.items() if node.primitive is INPUT and _is_real(node)}
    held = {path: node for node, path in run.held.items() if _is_real(node) and path not in run.written}
    parameters = {path: n for path, n in held.items() if n.shape or path.replace("self.", "d", 1) in kept}
    return found | parameters | {path: node for node, path in run.parts.items()}


def _is_real(node: Node) -> bool:
    return node.dtype in (int, float) if isinstance(node.dtype, type) else node.dtype.kind == "f"


def backward_graph(run: ForwardRun, way: WritingWay) -> BackwardGraph:
    """Derive the gradients of a recorded forward."""
    return BackwardGraph(run, *gradients_of(run.graph, wanted_inputs(run), _counts(run), way))


def gradients_of(
    graph: Graph, inputs: Mapping[str, Node], counts: Mapping[Node, Any], way: WritingWay, *, at_one: bool = False
) -> tuple[tuple[Node, ...], Mapping[str, Node], tuple[Node, ...], Gradients, tuple[Node, ...]]:
    """The fields of a `BackwardGraph` after its run: the gradients of a graph's outputs by some of its `inputs`.

    With `at_one`, the upstream gradients are 1.
    """
    given = graph.inputs
    graph = masked_write_to_select(simplify(graph))
    known = {f"known {i}": node for i, node in enumerate(graph.nodes) if node.primitive in _KNOWN}
    if way.stable:
        graph = softmax_forms(stable_forms(softmax_forms(graph)))
    graph = with_easier_steps(graph)
    outputs = tuple(graph.outputs.values())
    seeds: dict[Node, Node] = {}
    for output in outputs:
        if _is_real(output):
            seeds.setdefault(output, _one_like(output) if at_one else Node(INPUT, (), {}, output.shape, output.dtype))
    raw = backpropagate(seeds)
    found = {f"d {name}": raw.of[node] for name, node in inputs.items() if node in raw.of}
    whole = {**dict(graph.outputs), **found, **known}
    nodes = topological(whole.values())
    inputs_ = {**dict(given), **{f"dout{i}": d for i, d in enumerate(seeds.values())}}
    after = scatter_additions(way.steps(scatter_sums(Graph(nodes, inputs_, whole), counts)))
    near = [after.outputs[name] for name in known]
    after = log_softmax_by_sums(with_known_reductions(sigmoid_forms(after, near), near), near)
    wanted = {name.removeprefix("d "): node for name, node in after.outputs.items() if name.startswith("d ")}
    order = topological([*(after.outputs[name] for name in graph.outputs), *wanted.values()])
    last = tuple(after.outputs[name] for name in graph.outputs)
    return order, wanted, tuple(seeds.values()), raw, last


def _one_like(node: Node) -> Node:
    one = Node(CONSTANT, (), {"value": np.dtype(node.dtype).type(1)}, (), np.dtype(node.dtype))
    return Node(PRIMITIVES["broadcast_to"], (one,), {"shape": node.shape}, node.shape, one.dtype) if node.shape else one


def _counts(run: ForwardRun) -> dict[Node, Any]:
    """The whole numbers that forward itself makes."""
    made = (node for node in run.graph.nodes if node.primitive is INPUT and node in run.trace.data)
    own = (node for node in made if node not in run.arguments and node not in run.held and node not in run.trace.draws)
    return {node: run.trace.data[node] for node in own if np.asarray(run.trace.data[node]).dtype.kind == "i"}


_KNOWN = primitives("exp add sum mean max min")  # that a gradient may read in another form


def act_on_each(nodes: Iterable[Node]) -> bool:
    """Whether steps act on each element by itself: nothing moves, nothing is summed."""
    return all(node.primitive in (INPUT, CONSTANT) or is_elementwise(node) for node in nodes)


# --- several sizes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Twins:
    """The same nodes at several sizes: `of` has for each node of the first recording its twins, itself among them."""

    graphs: tuple[BackwardGraph, ...]
    of: Mapping[Node, tuple[Node, ...]]

    @classmethod
    def paired(cls, graphs: Sequence[BackwardGraph]) -> Twins:
        """Pair the nodes of derived gradients, forward and backward, where more than half of them are the same steps.

        A few may be others by accident: where a batch of 3 meets the number 3, both are one node. Raises
        DerivedDiffersError.
        """
        for first in graphs[: len(graphs) // 2 + 1]:
            found = [(graph, pairs) for graph in graphs if (pairs := _pairs(first, graph)) is not None]
            if 2 * len(found) > len(graphs):
                of = {node: tuple(pairs[node] for _, pairs in found) for node in found[0][1]}
                return cls(tuple(graph for graph, _ in found), of)
        differs = next(filter(None, (_difference(graphs[0], graph) for graph in graphs)))
        raise DerivedDiffersError(str(differs.where or "") or _line_of(graphs[0], differs))


def _sides(one: BackwardGraph, other: BackwardGraph) -> Iterator[tuple[Sequence[Node], Sequence[Node]]]:
    yield one.nodes, other.nodes
    yield one.run.graph.nodes, other.run.graph.nodes
    yield topological(one.raw.of.values()), topological(other.raw.of.values())


def _difference(one: BackwardGraph, other: BackwardGraph) -> Node | None:
    return next(filter(None, (same_structure(mine, theirs) for mine, theirs in _sides(one, other))), None)


def _pairs(one: BackwardGraph, other: BackwardGraph) -> dict[Node, Node] | None:
    """The twin of each node of `one` in `other`; None if the steps differ."""
    if _difference(one, other) is not None:
        return None
    pairs: dict[Node, Node] = {}
    for mine, theirs in _sides(one, other):
        pairs = {**dict(zip(mine, theirs, strict=True)), **pairs}
    return pairs


def _line_of(graph: BackwardGraph, differs: Node) -> str:
    """The line of forward whose gradient a step belongs to; the layer where it was made later."""
    for (user, _), gradient in graph.raw.on.items():
        if user.where is not None and differs in topological([gradient]):
            return str(user.where)
    return graph.run.subject.name


def _every(graph: BackwardGraph) -> tuple[Node, ...]:
    """All that forward computes, and backward as it is derived and as it is written."""
    return topological([*graph.nodes, *graph.run.graph.nodes, *graph.raw.of.values()])


def points(graph: BackwardGraph, count: int = _USUAL) -> Iterator[Point]:
    """Values of the inputs of a derived gradient at generic points: no number is special, none equal to another.

    Numbers that the layer holds change too: of p = 0.5, p and 1 - p are not the same. The later points lie further in
    and further out, on both sides of conditions.
    """
    data = graph.run.trace.data
    leaves = [n for n in _every(graph) if n.primitive is INPUT]
    wanted = set(wanted_inputs(graph.run).values())
    for seed in range(count):
        generator = np.random.default_rng(seed + 100)
        point: Point = {}
        for node in leaves:
            value = data.get(node) if node not in graph.douts else None
            if node in graph.douts:
                point[node] = generator.normal(size=node.shape)[()]
            elif seed > 1 and node in wanted and not is_label(value):
                point[node] = far(_SCALES[seed - 2])(wide(value), generator)
            elif seed > 1 and type(value) is float and abs(value) < _NOTHING:
                point[node] = 0.25 * seed
            elif seed and (node in wanted or type(value) is float):
                shaken = np.asarray(value, dtype=float) * (1 + generator.uniform(-0.2, 0.2, node.shape))
                point[node] = np.where(shaken == 0, generator.uniform(-0.5, 0.5, node.shape), shaken)[()]
            elif seed and type(value) is int and node not in graph.run.arguments:
                point[node] = value + int(generator.integers(1, 4))
            else:
                point[node] = wide(value)
        yield point


def extreme(graph: BackwardGraph) -> Iterator[Point]:
    """Points at which the inputs are about a thousand: of either sign, and of both."""
    for signs in (1.0, -1.0, 0.0):
        point = next(points(graph))
        for node in set(wanted_inputs(graph.run).values()) & point.keys():
            value = np.abs(np.asarray(point[node], dtype=float)) * (
                _EXTREME / (np.max(np.abs(point[node]), initial=0) or 1)
            )
            both = np.where(np.arange(value.size).reshape(value.shape) % 2, value, -value)
            point[node] = (signs * value if signs else both)[()]
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


def met(graph: BackwardGraph) -> Point:
    """A point at which an input that is compared with a number, t == 1, is that number in every second place."""
    point = next(points(graph))
    tests = (node.inputs for node in graph.run.graph.nodes if node.primitive in primitives("equal not_equal"))
    for x, number in itertools.chain.from_iterable(((a, b), (b, a)) for a, b in tests):
        if number.primitive is CONSTANT and np.ndim(point.get(x, 0)):
            value = np.array(point[x])
            value.flat[::2] = number.static["value"]
            point[x] = value
    return point


@dataclass(eq=False)
class EqualValues:
    """Which nodes always have the same value: found by computing them at points of several sizes, generic and tied.

    That is no proof: what is built on it is judged exactly before it is shown.
    """

    twins: Twins
    _values: list[list[dict[Node, Any]]] = field(default_factory=list)

    @cached_property
    def _extreme(self) -> list[dict[Node, Any]]:
        graph = self.twins.graphs[0]
        nodes = topological([*graph.nodes, *graph.run.graph.nodes])
        return list(_computed_at(nodes, extreme(graph)))

    def holds_far_out(self, member: Node, node: Node) -> bool:
        """Whether a value of forward is finite where the inputs are large, and still that of a node in stable form."""
        pairs = [(point[member], point[node]) for point in self._extreme if member in point and node in point]
        return all(bool(np.all(np.isfinite(mine))) and _alike(mine, stable) for mine, stable in pairs)

    def __post_init__(self) -> None:
        for graph in self.twins.graphs:
            nodes = _every(graph)
            values = list(_computed_at(nodes, (*points(graph), tied(graph), met(graph))))
            bounds = [(n, i) for n in nodes if n.primitive in BOUNDS for i in n.inputs if i.shape == n.shape]
            for point in itertools.islice(points(graph, 2 + len(_SCALES)), _USUAL, None):
                if any(all(_alike(one[n], one[i]) for one in values) for n, i in bounds):
                    values += _computed_at(nodes, [point])
            self._values.append(values)

    def of(self, node: Node) -> list[Any]:
        """The values of a node of the first recording, at all points and sizes."""
        twins = self.twins.of.get(node)
        if twins is None:
            return []
        return [
            point[twin] for twin, points in zip(twins, self._values, strict=True) for point in points if twin in point
        ]

    def opposite(self, one: Node, other: Node) -> bool:
        """Whether a value is always another one with the other sign."""
        mine, theirs = self.of(one), self.of(other)
        is_known = bool(mine) and len(mine) == len(theirs)
        return is_known and all(_alike(np.negative(a), b) for a, b in zip(mine, theirs, strict=True))

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


def _computed_at(nodes: Sequence[Node], given: Iterable[Point]) -> Iterator[Point]:
    """All values at points; not at those where a mask chooses another number of elements."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for point in given:
            values = dict(point)
            with suppress(ValueError, IndexError, TypeError):
                compute([node for node in nodes if node not in values], values, PLAIN)
                yield values


def _alike(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or (a.dtype.kind in "biu") != (b.dtype.kind in "biu") or a.dtype.kind not in "biuf":
        return False
    if a.dtype.kind != "f":
        return bool(a.dtype == b.dtype and np.array_equal(a, b))
    known = np.isfinite(a)
    if not np.array_equal(known, np.isfinite(b)):
        return False
    a, b = a[known], b[known]
    scale = np.max(np.abs(a), initial=0.0)
    return bool(np.all(np.abs(a - b) <= _CLOSE * np.abs(a) + _TINY * scale))


def _varies(a: Any) -> bool:
    a = np.asarray(a)
    return a.size == 1 or bool(np.any(a != a.flat[0])) if a.size else False
