"""What tests of fusion share: graphs of functions, what a group promises, and steps that are run one by one."""

import numpy as np

from dout.engine.ir.array_placement import place
from dout.engine.ir.iteration_space import Frame
from dout.engine.ir.kernel_group import Group
from dout.engine.ir.scalar_expressions import REDUCTIONS
from dout.engine.passes.cluster import MOST_NODES
from dout.engine.passes.fuse import fuse
from dout.graph import CONSTANT, INPUT, Graph, Node, evaluate
from dout.ops import PRIMITIVES
from dout.ops.abstract import AbstractRecorder
from dout.trace.model.replay import same_bits

F4 = np.dtype("f4")


def recorded(function, *shapes, dtype=F4):
    """The graph of a function of arrays, whose values do not count here."""
    recorder = AbstractRecorder()
    inputs = [Node(INPUT, (), {}, shape, dtype) for shape in shapes]
    results = function(*map(recorder.wrap, inputs))
    results = results if isinstance(results, tuple) else (results,)
    outputs = {f"out{i}": result.node for i, result in enumerate(results)}
    return Graph((*inputs, *recorder.made), {f"in{i}": node for i, node in enumerate(inputs)}, outputs)


def names(steps):
    """Groups as the names of what they compute; single nodes by their own name."""
    return [[n.primitive.name for n in s.nodes] if isinstance(s, Group) else s.primitive.name for s in steps]


def kernels(steps):
    return [step for step in steps if isinstance(step, Group)]


def others(steps):
    return [step.primitive.name for step in steps if not isinstance(step, Group)]


def one_kernel(graph):
    (step,) = fuse(graph)
    assert isinstance(step, Group)
    check_group(step)
    return step


def check_group(group):
    """What the docstring of `Group` promises."""
    frame = Frame(group.space, group.axes)
    inside = set(group.nodes)
    assert len(inside) == len(group.nodes) <= MOST_NODES
    assert inside.issuperset(group.outputs)
    assert inside.isdisjoint(group.inputs)
    assert group.outputs
    assert all(node.primitive not in (INPUT, CONSTANT) for node in group.nodes)
    assert all(value.primitive is not CONSTANT for value in group.inputs)
    assert {i for n in group.nodes for i in n.inputs if i.primitive is not CONSTANT} - inside == set(group.inputs)
    seen = set()
    for node in group.nodes:
        assert frame.holds(node) or (frame.reads(node) and inside.isdisjoint(node.inputs))
        assert all(i in seen for i in node.inputs if i in inside)
        assert all(frame.connects(node, i) for i in node.inputs if i in inside)
        seen.add(node)
    place(group)  # it lies so that a kernel can be written, or this raises
    assert bool(group.axes) == any(node.primitive in REDUCTIONS for node in group.nodes)


def run(steps, graph, given):
    """The outputs of a graph, from its steps alone: a group sees its inputs and hands on its outputs."""
    values = dict(given)
    for step in steps:
        nodes = step.nodes if isinstance(step, Group) else (step,)
        literals = {i: i.static["value"] for n in nodes for i in n.inputs if i.primitive is CONSTANT}
        inner = evaluate(nodes, {i: values[i] for i in step.inputs if i.primitive is not CONSTANT} | literals)
        made = step.outputs if isinstance(step, Group) else (step,)
        assert not any(node in values for node in made)
        values.update({node: inner[node] for node in made})
    return {name: values[node] for name, node in graph.outputs.items()}


def check_steps(graph, given):
    """The steps obey their rules and make the very bits that the graph makes; returns the steps."""
    steps = fuse(graph)
    for group in kernels(steps):
        check_group(group)
    with np.errstate(all="ignore"):
        plain = evaluate(graph.outputs.values(), given)
        fused = run(steps, graph, given)
    for name, node in graph.outputs.items():
        assert same_bits(fused[name], plain[node])
    return steps


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


ELEMENTWISE = ("add", "multiply", "maximum", "subtract")
SMALL = ((3, 3), (3,), (3, 1), (1, 3), (), (2, 3, 3), (1,), (2, 1, 3))


def random_graph(rng, size):
    """Nodes on whatever fits: elementwise, reductions, ones put in, running sums."""
    recorder = AbstractRecorder()
    inputs = [Node(INPUT, (), {}, rng.choice(SMALL), np.dtype("f8")) for _ in range(4)]
    values = [recorder.wrap(node) for node in inputs]
    for _ in range(size):
        kind = rng.random()
        x, y = rng.choice(values[-12:]), rng.choice(values)
        try:
            if kind < 0.5:
                made = PRIMITIVES[rng.choice(ELEMENTWISE)](x, y)
            elif kind < 0.7:
                axes = rng.sample(range(len(x.shape)), rng.randint(0, len(x.shape)))
                made = getattr(np, rng.choice(["sum", "max"]))(x, axis=tuple(axes), keepdims=rng.random() < 0.5)
            elif kind < 0.8:
                made = np.reshape(x, tuple(n for n in x.shape if n > 1) + (1,) * rng.randint(0, 1))
            elif kind < 0.9:
                made = np.broadcast_to(x, np.broadcast_shapes(x.shape, rng.choice(SMALL)))
            else:
                made = np.cumsum(x, axis=0 if x.shape else None)
        except ValueError:
            continue
        values.append(made)
    ends = rng.sample(values, 3) + values[-2:]
    outputs = {f"out{i}": end.node for i, end in enumerate(ends)}
    return Graph((*inputs, *recorder.made), {f"in{i}": node for i, node in enumerate(inputs)}, outputs)
