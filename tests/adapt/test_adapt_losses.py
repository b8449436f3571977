"""Networks that ask a loss for the gradient with which they go back, and what their constructors are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_adapt_networks import loaded, words

import dout
from dout.judge.outcomes import Word

ASKS = """
class Bowl:
    def __init__(self, n=3, m=4):
        self.w = np.linspace(-1.0, 1.0, n * m).reshape(n, m)
    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.w)
        return self.h
    def backward(self, target, criterion):
        g = criterion.slope(self.h, target) * (1 - self.h ** POWER)
        self.dw = self.x.T @ g
        return g @ self.w.T
"""


def test_an_optimizer_beside_a_target_is_no_loss(tmp_path: Path) -> None:
    text = ASKS.replace("criterion.slope(self.h, target)", "(self.h - target)").replace("POWER", "2")
    text = text.replace("        return g @ self.w.T", "        criterion.keep(self.dw)\n        print(criterion)")
    with pytest.raises(dout.errors.TargetError, match="takes the target itself"):
        dout.check(loaded(tmp_path, text).Bowl)


BY_A_METHOD = """
class Fold:
    def keep(self, x):
        self.kept = x
    def forward(self, x, remember=False):
        if remember:
            self.keep(x)
        return np.tanh(x)
    def backward(self, dout):
        return dout * (1 - np.tanh(self.kept) ** 2)
"""


def test_a_flag_may_have_a_method_keep_what_backward_reads(tmp_path: Path) -> None:
    report = dout.check(loaded(tmp_path, BY_A_METHOD).Fold)
    assert words(report) == {"x": Word.EXACT}


COLUMNS = """
class Press:
    def forward(self, v):
        self.kept = np.tanh(v)
        return self.kept
    def backward(self, dout):
        slope = 1 - self.kept.T ** 2
        around = np.zeros((slope.shape[0], slope.shape[1], slope.shape[1]))
        for i in range(slope.shape[1]):
            around[:, i, i] = slope[:, i]
        return dout.reshape(dout.shape[0], 1, dout.shape[2]) @ around
"""


@pytest.mark.long
def test_columns_go_back_as_a_row_for_each(tmp_path: Path) -> None:
    module = loaded(tmp_path, COLUMNS)
    assert words(dout.check(module.Press)) == {"v": Word.EXACT}
    wrong = loaded(tmp_path, COLUMNS.replace("** 2", "** 3"), "bent")
    assert words(dout.check(wrong.Press)) == {"v": Word.REFUTED}


FLAG = """
class Pair:
    def __init__(self):
        self.w = np.array([1.5, -0.5, 2.0])
    def forward_pass(self, x):
        self.x = x
        return x * self.w
    def backward_pass(self, dout):
        self.dw = np.sum(dout * self.x, axis=0)
        return True
"""


def test_a_flag_that_backward_returns_is_no_gradient(tmp_path: Path) -> None:
    report = dout.check(loaded(tmp_path, FLAG).Pair, x=np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]]))
    assert words(report)["w"] == Word.EXACT
    assert not any(finding.code == "D501" for finding in report.findings)


ONE_COLUMN = """
def logistic(z):
    return 1 / (1 + np.exp(-z))

class Coin:
    def __init__(self, size=2, outs=1):
        self.w = np.linspace(-1.0, 1.0, size * outs).reshape(size, outs)
    def forward(self, X):
        self.X = X
        self.p = logistic(X @ self.w)
        return self.p
    def backward(self, y_true):
        d = (self.p - y_true) / len(y_true)
        self.dw = self.X.T @ d
"""


def test_a_network_with_one_output_is_judged_by_the_loss_of_both_classes(tmp_path: Path) -> None:
    report = dout.check(loaded(tmp_path, ONE_COLUMN).Coin)
    assert words(report)["w"] == Word.EXACT
    assert not any(finding.severity == "error" for finding in report.findings)


def test_a_target_may_be_handed_on_to_the_backward_of_the_last_part(tmp_path: Path) -> None:
    text = ONE_COLUMN.replace("d = (self.p - y_true) / len(y_true)", "d = self.end.backward(self.p, y_true)")
    text += "        return None\n\nclass End:\n    def backward(self, p, t):\n        return (p - t) / len(t)\n"
    text = text.replace("        self.w =", "        self.end = End()\n        self.w =")
    assert words(dout.check(loaded(tmp_path, text).Coin))["w"] == Word.EXACT


class SquareLoss:
    """A loss whose input is called as what forward gives; backward takes it beside the target, and returns nothing."""

    sign = 2

    def forward(self, output, y):
        return np.mean((output - y) ** 2, axis=-1)

    def backward(self, dvalues, y):
        rows, columns = len(dvalues), len(dvalues[0])
        self.dinputs = self.sign * (dvalues - y) / columns / rows


class WrongSquareLoss(SquareLoss):
    sign = -2


@pytest.mark.long
def test_an_input_may_be_called_output():
    assert words(dout.check(SquareLoss)) == {"output": Word.SCALED}
    assert words(dout.check(WrongSquareLoss)) == {"output": Word.REFUTED}


HANDS_ON = """
class Weighted:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, d):
        self.dW = self.x.T @ d
        return d @ self.W.T


def cross_entropy_gradient(p, y):
    d = p.copy()
    d[np.arange(len(p)), y] -= 1
    return d / len(p)


def cross_entropy_loss(p, y):
    return -np.mean(np.log(p[np.arange(len(p)), y]))


class Net:
    def __init__(self, n, m):
        self.part = Weighted(n, m)

    def forward(self, X):
        z = self.part.forward(X)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward(self, X, y_true):
        p = self.forward(X)
        grad = cross_entropy_gradient(p, y_true)
        self.part.backward(grad)
        loss = cross_entropy_loss(p, y_true)
        return loss
"""


def test_what_is_handed_on_to_a_backward_is_no_loss(tmp_path: Path) -> None:
    report = dout.check(loaded(tmp_path, HANDS_ON).Net)
    assert words(report) == {"part.W": Word.EXACT}
    wrong = dout.check(loaded(tmp_path, HANDS_ON.replace("self.x.T @ d", "self.x.T @ d**2"), "wrong").Net)
    assert words(wrong) == {"part.W": Word.REFUTED}


BASE = """
class Loss:
    def average(self, found, wanted):
        return np.mean(self.forward(found, wanted))

    calculate = average

class SoftmaxLoss(Loss):
    def forward(self, scores, wanted):
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.p, self.wanted = e / e.sum(axis=1, keepdims=True), wanted
        return -np.log(self.p[range(len(wanted)), wanted])

    def backward(self):
        d = self.p.copy()
        d[range(len(d)), self.wanted] -= 1
        return d / len(d)
"""


def test_a_base_may_call_some_of_the_inputs_otherwise(tmp_path: Path) -> None:
    assert words(dout.check(loaded(tmp_path, BASE).SoftmaxLoss)) == {"scores": Word.EXACT}


PENALTY = """
class Weighted:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, d, l2_lambda):
        self.dW = self.x.T @ d + l2_lambda * self.W
        return d @ self.W.T
"""


def test_the_rate_of_a_penalty_that_backward_is_given_is_no_array(tmp_path: Path) -> None:
    found = words(dout.check(loaded(tmp_path, PENALTY).Weighted))
    assert found == {"x": Word.EXACT, "W": "right, with a penalty that forward does not add"}


class SquaredLoss:
    def __init__(self):
        self.difference = None

    def forward(self, out, target):
        self.difference = out - target
        return np.mean(self.difference**2)

    def derivative(self):
        return 2 * self.difference / self.difference.size


class Trained:
    def __init__(self, rows, columns, loss):
        self.W, self.loss = np.sin(np.arange(1.0 * rows * columns)).reshape(rows, columns), loss

    def forward(self, x):
        self.x = x
        self.out = x @ self.W
        return self.out

    def backward(self, target):
        self.loss.forward(self.out, target)
        d = self.loss.derivative()
        self.dW = self.x.T @ d
        return d @ self.W.T


class TrainedWrong(Trained):
    def backward(self, target):
        dx = super().backward(target)
        self.dW = self.dW**2
        return dx


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("cls", "word"), [(Trained, Word.EXACT), (TrainedWrong, Word.REFUTED)])
def test_a_constructor_is_given_the_loss_that_the_module_has(cls: type, word: Word) -> None:
    assert words(dout.check(cls)) == {"x": Word.EXACT, "W": word}


class LossWithProbabilities:
    """A loss that returns what it has made of its scores, and wants that back."""

    def forward(self, scores, labels):
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = e / e.sum(axis=1, keepdims=True)
        return -np.log(probabilities[np.arange(len(labels)), labels]).mean(), probabilities

    def backward(self, probs, labels):
        d = probs.copy()
        d[np.arange(len(labels)), labels] -= 1
        return d / len(labels)


class LossWithProbabilitiesWrong(LossWithProbabilities):
    def backward(self, probs, labels):
        return -super().backward(probs, labels)


def test_a_loss_is_given_back_what_it_returned_beside_its_number():
    right, wrong = dout.check(LossWithProbabilities), dout.check(LossWithProbabilitiesWrong)
    assert [verdict.word for verdict in right.verdicts] == ["exact"]
    assert [verdict.word for verdict in wrong.verdicts] == ["refuted"]
    assert not wrong.ok
