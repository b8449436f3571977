"""Costs with the error of the output layer: `fn(a, y)` and `delta(z, a, y)`, where the network makes `a` of `z`."""

from pathlib import Path
from typing import Any

import pytest
from test_adapt_networks import loaded, words

import dout
from dout.errors import TargetError
from dout.judge.outcomes import Word

COSTS = """
def squash(x):
    return 1 / (1 + np.exp(-x))

def steepness(x):
    return squash(x) * (1 - squash(x))

class HalfSquares:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.linalg.norm(a - y) ** 2

    @staticmethod
    def delta(z, a, y):
        return RIGHT

class Entropy:
    @staticmethod
    def fn(a, y):
        return np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))

    @staticmethod
    def delta(z, a, y):
        return a - y
"""
NETWORK = """
class Chain:
    def __init__(self, widths, cost=HalfSquares):
        self.cost = cost
        self.weights = [np.random.randn(n, m) for m, n in zip(widths, widths[1:])]

    def backprop(self, x, y):
        sums, outs = [], [x]
        for w in self.weights:
            s = w @ outs[-1]
            sums.append(s)
            out = squash(s)
            outs.append(out)
        step = steepness(s)
        return self.cost.delta(sums[-1], outs[-1], y)
"""


def costs(folder: Path, right: str = "(a - y) * steepness(z)", network: str = NETWORK) -> Any:
    return loaded(folder, COSTS.replace("RIGHT", right) + network)


def test_the_error_is_the_gradient_of_what_the_network_activates(tmp_path: Path) -> None:
    module = costs(tmp_path)
    assert words(dout.check(module.HalfSquares)) == {"z": Word.EXACT}
    assert words(dout.check(module.Entropy)) == {"z": Word.EXACT}


@pytest.mark.parametrize("wrong", ["(a - y)", "(a - y) * steepness(a)", "(y - a) * steepness(z)"])
def test_a_wrong_error_is_refuted(tmp_path: Path, wrong: str) -> None:
    report = dout.check(costs(tmp_path, wrong).HalfSquares)
    assert words(report) == {"z": Word.REFUTED}
    assert not report.ok


@pytest.mark.parametrize(("slope", "word"), [("(1 - a**2)", Word.EXACT), ("steepness(z)", Word.REFUTED)])
def test_another_activation_makes_another_error(tmp_path: Path, slope: str, word: Word) -> None:
    module = costs(tmp_path, f"(a - y) * {slope}", NETWORK.replace("squash(s)", "np.tanh(s)"))
    assert words(dout.check(module.HalfSquares)) == {"z": word}


def test_where_no_code_says_what_is_activated_nothing_is_judged(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="takes the target itself"):
        dout.check(costs(tmp_path, network="").HalfSquares)


CHAIN = """
class Columns:
    def __init__(self, sizes, cost=Entropy):
        self.sizes, self.cost = sizes, cost
        self.start()

    def start(self):
        self.biases = [np.random.randn(n, 1) for n in self.sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(self.sizes[:-1], self.sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = squash(w @ a + b)
        return a

    def total_cost(self, samples):
        return sum(self.cost.fn(self.feedforward(x), y) for x, y in samples)

    def train(self, samples):
        for x, y in samples:
            self.backprop(x, y)

    def backprop(self, x, y):
        grad_b, grad_w = [np.zeros(b.shape) for b in self.biases], [np.zeros(w.shape) for w in self.weights]
        sums, outs = [], [x]
        for b, w in zip(self.biases, self.weights):
            s = w @ outs[-1] + b
            sums.append(s)
            outs.append(squash(s))
        delta = self.cost.delta(sums[-1], outs[-1], y)
        grad_b[-1] = delta
        grad_w[-1] = delta @ outs[-2].T
        for l in range(2, len(self.weights) + 1):
            delta = (self.weights[-l + 1].T @ delta) * steepness(sums[-l])
            grad_b[-l] = BIAS
            grad_w[-l] = delta @ outs[-l - 1].T
        return grad_b, grad_w
"""


@pytest.mark.parametrize(("bias", "right"), [("delta", True), ("delta.sum()", False), ("2 * delta", False)])
def test_a_network_of_columns_is_not_judged_on_a_line(tmp_path: Path, bias: str, right: bool) -> None:
    network = costs(tmp_path, network=CHAIN.replace("BIAS", bias)).Columns
    assert dout.check(network).ok == right
