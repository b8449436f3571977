"""What counts as a wrong gradient and what does not: backwards that are right by another road, and wrong ones."""

import numpy as np
import pytest

import dout
from dout.graph import Node, evaluate
from dout.trace.model.replay import first_difference


class Cell:
    """One step of a recurrent layer that also hands on its inner state: h depends on c, and both are outputs."""

    def forward(self, x, c):
        self.x, self.c = x, c
        self.c_next = c * 0.5 + x
        self.h = np.tanh(self.c_next)
        return self.h, self.c_next

    def backward(self, dh, dc):
        ds = dc + dh * (1 - self.h**2)
        return ds, ds * 0.5


class SoftmaxWithLoss:
    """The book's, whose backward is that of the loss without its 1e-7."""

    def forward(self, x, t):
        z = x - np.max(x, axis=1, keepdims=True)
        self.y = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
        self.t = t
        return -np.sum(np.log(self.y[np.arange(len(t)), t] + 1e-7)) / len(t)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dout * dx / len(self.t)


class MaxOfRow:
    """The largest of each row; of equal ones, backward chooses the first."""

    def forward(self, x):
        self.shape, self.place = x.shape, np.argmax(x, axis=1)
        return np.max(x, axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[np.arange(len(dout)), self.place] = dout
        return dx


class Softmax:
    """With ones as upstream gradient the gradient is 0, and what is computed is rounding."""

    def forward(self, x):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.y = e / np.sum(e, axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        dx = self.y * dout
        return dx - self.y * np.sum(dx, axis=1, keepdims=True)


NOT_WRONG = {
    "an output that the layer uses itself": (Cell, (np.array([1.0, -2.0]), np.array([0.5, 0.25]))),
    "a stabiliser": (SoftmaxWithLoss, (np.array([[2.0, -3.0, 5.0], [0.5, 1.0, 9.0]]), np.array([0, 1]))),
    "a tie": (MaxOfRow, (np.array([[1.0, 1.0, 0.0], [2.0, 3.0, 3.0]]),)),
    "what cancels": (Softmax, (np.array([[1.0, 2.0, 3.0], [0.0, -5.0, 5.0]]),)),
}


@pytest.mark.parametrize("what", NOT_WRONG)
def test_is_not_called_wrong(what):
    cls, inputs = NOT_WRONG[what]
    trace = dout.trace(cls(), *inputs)
    assert [v for v in trace.values if v.gradient is not None and v.gradient.expected is not None] == []
    assert trace.by_node[trace.calls[0].inputs[0]].gradient.source == "user"


def mutated(cls, old, new):
    """The class with one piece of its backward replaced."""
    import inspect
    import textwrap

    source = textwrap.dedent(inspect.getsource(cls))
    assert old in source
    scope = {"np": np, "__name__": __name__}
    exec(source.replace(old, new), scope)
    return scope[cls.__name__]


WRONG = {
    "the inner road is forgotten": (Cell, "dc + dh * (1 - self.h**2)", "dh * (1 - self.h**2)"),
    "the outer road is forgotten": (Cell, "dc + dh * (1 - self.h**2)", "dc"),
    "a sign": (SoftmaxWithLoss, "-= 1", "+= 1"),
    "a missing division": (SoftmaxWithLoss, "dout * dx / len(self.t)", "dout * dx"),
    "another element": (MaxOfRow, "= dout\n", "= -dout\n"),
    "no sum": (Softmax, "dx - self.y * np.sum(dx, axis=1, keepdims=True)", "dx"),
}


@pytest.mark.parametrize("what", WRONG)
def test_is_called_wrong(what):
    cls, old, new = WRONG[what]
    inputs = next(inputs for known, inputs in NOT_WRONG.values() if known is cls)
    trace = dout.trace(mutated(cls, old, new)(), *inputs)
    assert trace.by_node[trace.calls[0].inputs[0]].gradient.expected is not None


# --- the tracer itself: a recording with one wrong edge does not pass the replay --------------------------------------


def program(x, y):
    a = np.exp(-x) + y
    b = np.where(a > 1.0, a * x, y - a)
    c = b.copy()
    c[b < 0] = 0
    c[1:] += x[:-1]
    return np.sum(c * a, axis=0) + np.matmul(x, y)


def with_edge(nodes, place, argument, other):
    """The same nodes, but node number `place` has `other` as its input `argument`."""
    made = {}
    for i, node in enumerate(nodes):
        inputs = [made.get(n, n) for n in node.inputs]
        if i == place:
            inputs[argument] = made.get(other, other)
        made[node] = Node(node.primitive, tuple(inputs), node.static, node.shape, node.dtype, node.where)
    return made


@pytest.mark.one_in(3)
@pytest.mark.parametrize("seed", range(200))
def test_a_wrong_edge_in_a_recording_is_found_by_the_replay(seed):
    rng = np.random.default_rng(seed)
    trace = dout.trace(program, rng.normal(size=5), rng.normal(size=5))
    nodes = trace.graph.nodes
    assert first_difference(nodes, trace.data) is None
    while True:
        place = int(rng.integers(len(nodes)))
        node = nodes[place]
        if not node.inputs:
            continue
        argument = int(rng.integers(len(node.inputs)))
        other = nodes[int(rng.integers(place))]
        old = node.inputs[argument]
        if other is not old and other.shape == old.shape and other.dtype == old.dtype:
            break
    with np.errstate(all="ignore"):
        right = evaluate([node], {n: trace.data[n] for n in node.inputs})[node]
        values = [trace.data[other if i == argument else n] for i, n in enumerate(node.inputs)]
        wrong = node.primitive.apply(values, node.static)
    made = with_edge(nodes, place, argument, other)
    found = first_difference(made.values(), {made[n]: trace.data[n] for n in nodes})
    if np.array_equal(right, wrong, equal_nan=True):
        assert found is None or found is not made[node]  # the two values agree here: the edge makes no difference
    else:
        assert found is made[node]
