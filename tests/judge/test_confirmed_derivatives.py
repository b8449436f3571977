"""What refutes a gradient is confirmed by a difference of the forward: a wrong rule of dout's is nobody's error."""

import numpy as np

import dout
from dout.check.exact.judge import judge
from dout.judge.ball_values import Balls
from dout.ops.registry import PRIMITIVES

RNG = np.random.default_rng(3)


def words(layer, x):
    """What exact arithmetic says of each gradient of a recorded layer."""
    trace = dout.trace(layer, x, dout=RNG.normal(size=x.shape))
    return {verdict.argument: verdict.word for verdict in judge(trace).verdicts}


class Mixed:
    """Right but for dv, which is twice too large."""

    def __init__(self):
        self.W, self.u, self.v = (RNG.normal(size=4) for _ in range(3))

    def forward(self, x):
        self.x, self.y = x, np.tanh(x * self.W)
        return self.y * self.u + x * self.v

    def backward(self, dout):
        inner = dout * self.u * (1 - self.y**2)
        self.dW, self.du, self.dv = (g.sum(axis=0) for g in (inner * self.x, dout * self.y, 2 * dout * self.x))
        return inner * self.W + dout * self.v


def test_of_several_refuted_gradients_only_those_are_wrong_whose_derivative_is_confirmed():
    tanh = PRIMITIVES["tanh"]
    right = tanh.backward
    object.__setattr__(tanh, "backward", lambda dout, out, x, **static: (dout * out,))
    try:
        found = words(Mixed(), RNG.normal(size=(3, 4)))
    finally:
        object.__setattr__(tanh, "backward", right)
    assert found == {"x": "inconclusive", "W": "inconclusive", "u": "exact", "v": "refuted"}


class Stack:
    """Products with many weights, of which every gradient is wrong."""

    def __init__(self, number):
        self.Ws = [RNG.normal(size=3) for _ in range(number)]

    def forward(self, x):
        self.x = x
        return sum(x * W for W in self.Ws)

    def backward(self, dout):
        self.dWs = [3 * (dout * self.x).sum(axis=0) for _ in self.Ws]
        return 3 * dout * sum(self.Ws)


def test_to_confirm_many_gradients_costs_no_more_than_to_confirm_two(monkeypatch):
    runs, compute = [], Balls.compute

    def counted(self, nodes):
        runs.append(1)
        compute(self, nodes)

    monkeypatch.setattr(Balls, "compute", counted)
    costs = []
    for number in (2, 12):
        runs.clear()
        assert [*words(Stack(number), RNG.normal(size=(2, 3))).values()] == ["refuted"] * (number + 1)
        costs.append(len(runs))
    assert costs[1] < 2 * costs[0], costs
