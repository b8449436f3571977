"""What was chosen may have been chosen otherwise: where that is as likely, and makes a layer right, it is right."""

import numpy as np
import pytest
from fair_examples import table

import dout


def shares(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


class RowOfLabels:
    """A cross entropy of columns, with labels in a row (1, N); right behind a softmax."""

    sign = 1

    def forward(self, p, t):
        self.p, self.t = p, t
        return -np.mean(np.log(p[t[0], np.arange(p.shape[1])]))

    def backward(self):
        d = self.p.copy()
        d[self.t[0], np.arange(d.shape[1])] -= self.sign
        return d / d.shape[1]


class RowOfLabelsAdded(RowOfLabels):
    sign = -1


class SquaresOfASigmoid:
    """Squares of what a sigmoid gave, with the gradient of both."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return np.mean((p - t) ** 2)

    def backward(self):
        return 2 * (self.p - self.t) * self.p * (1 - self.p) / self.p.size


class SquaresOfHalfASigmoid(SquaresOfASigmoid):
    def backward(self):
        return 2 * (self.p - self.t) * self.p / self.p.size


@pytest.mark.parametrize(
    ("right", "wrong"), [(RowOfLabels, RowOfLabelsAdded), (SquaresOfASigmoid, SquaresOfHalfASigmoid)]
)
def test_a_loss_may_give_the_gradient_of_its_activation_in_whatever_form_labels_come(right, wrong):
    assert [v.word for v in dout.check(right).verdicts] == ["right for the loss and its activation together"]
    assert not dout.check(wrong).ok


class ByATarget:
    """A layer, and no loss, although its first input is called as one of a loss."""

    def forward(self, target, x):
        self.target, self.x = target, x
        return target * x

    def backward(self, dout):
        return dout * self.x


class ByATargetSquared(ByATarget):
    def forward(self, target, x):
        return super().forward(target, x) * target


def test_what_is_called_a_target_has_a_gradient_if_it_is_right_for_it():
    assert [v.argument for v in dout.check(ByATarget).verdicts] == ["target"]
    assert dout.check(ByATarget).ok
    assert not dout.check(ByATargetSquared).ok


class WithFlag:
    """Softmax and cross entropy, of which a flag leaves the loss out; backward is handed what forward kept."""

    def forward(self, inputs, y_true, predict):
        e = np.exp(inputs - inputs.max(axis=1, keepdims=True))
        self.output = e / e.sum(axis=1, keepdims=True)
        if predict:
            return self.output
        return np.mean(-np.log(self.output[range(len(inputs)), y_true]))

    def backward(self, dvalues, y_true):
        d = dvalues.copy()
        d[range(len(d)), y_true] -= 1
        self.dinputs = d / len(d)


class WithFlagUndivided(WithFlag):
    def backward(self, dvalues, y_true):
        d = dvalues.copy()
        d[range(len(d)), y_true] += 1
        self.dinputs = d / len(d)


def test_a_flag_that_leaves_out_what_backward_is_handed_is_turned():
    assert [(v.argument, v.word) for v in dout.check(WithFlag).verdicts] == [("inputs", "exact")]
    assert [f.code for f in dout.check(WithFlagUndivided).findings if f.severity == "error"] == ["D101"]


class OfTwoFunctions:
    """Which of its functions takes what the other gives, no code says."""

    def __init__(self, activation, activation_prime):
        self.activation, self.activation_prime = activation, activation_prime

    def forward(self, x):
        self.out = self.activation(x)
        return self.out

    def backward(self, dout):
        return dout * self.activation_prime(self.out)


class OfTwoFunctionsAdded(OfTwoFunctions):
    def backward(self, dout):
        return dout + self.activation_prime(self.out)


class OfTwoFunctionsByInput(OfTwoFunctions):
    def forward(self, x):
        self.x = x
        return self.activation(x)

    def backward(self, dout):
        return dout * self.activation_prime(self.x)


def test_a_slope_that_was_chosen_may_take_what_its_function_gives():
    assert dout.check(OfTwoFunctions).ok
    assert dout.check(OfTwoFunctionsByInput).ok
    assert not dout.check(OfTwoFunctionsAdded).ok


class Flat:
    """Gives tables, and takes gradients with an axis more, which other layers of its author add."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1).T

    def backward(self, dout):
        count, one, features = dout.shape[0], dout.shape[1], dout.shape[2]
        return (dout * one).reshape(count, 1, features, 1)[:, 0].reshape(self.shape)


class FlatWithoutShape:
    def forward(self, x):
        return x.reshape(len(x), -1).T

    def backward(self, dout):
        return dout.reshape(self.shape)


def test_a_backward_that_reads_more_axes_of_dout_than_forward_gives_raises_no_error():
    x = table(3, 2, 4)
    assert [f.severity for f in dout.check(FlatWithoutShape, x).findings if f.code == "D001"] == ["error"]
    assert "error" not in [f.severity for f in dout.check(Flat).findings]


class RunningMean:
    """Keeps a running mean of its gradients, and learns from that."""

    def __init__(self, n, m):
        self.W, self.mean = np.ones((n, m)) / 2, np.zeros((n, m))

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W)

    def backward(self, dout):
        d = dout * self.slope()
        dx = d @ self.W.T
        self.mean = 0.9 * self.mean + 0.1 * (self.x.T @ d)
        self.dW = self.mean
        return dx

    def slope(self):
        return 1 - np.tanh(self.x @ self.W) ** 2


class RunningMeanOfHalf(RunningMean):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.mean / 2
        return dx


def test_a_running_mean_of_gradients_is_right_up_to_a_constant():
    words = {v.argument: v.word for v in dout.check(RunningMean).verdicts}
    assert words == {"x": "exact", "W": "right up to a constant factor"}
    assert not dout.check(RunningMeanOfHalf).ok


class TwoLayers:
    """A whole network that steps by itself; nothing stands before it."""

    def __init__(self):
        draw = np.random.default_rng(0)
        self.W1, self.W2 = draw.normal(size=(3, 4)), draw.normal(size=(4, 2))

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W1)
        return self.h @ self.W2

    def backward(self, dout, lr):
        g2 = self.h.T @ dout
        g1 = self.x.T @ ((dout @ self.W2.T) * (1 - self.h**2))
        self.W1 -= lr * g1
        self.W2 -= lr * g2


class OneLayer:
    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, lr):
        self.W -= lr * self.x.T @ dout


def test_a_network_that_learns_by_itself_needs_no_return():
    assert "error" not in [f.severity for f in dout.check(TwoLayers).findings]
    assert [f.code for f in dout.check(OneLayer).findings if f.severity == "error"] == ["D105"]


class AskedByANumber:
    """Gives the gradient of W where a number asks for it."""

    times = 1

    def __init__(self, n=3, m=3, mode=0):
        self.W, self.mode = np.ones((n, m)) / 2, mode

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        if self.mode > 0:
            self.dW = self.times * self.x.T @ dout
        return dout @ self.W.T


class AskedByANumberTwice(AskedByANumber):
    times = 2


def test_a_gradient_that_a_number_asks_for_is_judged_by_its_name():
    assert "D101" not in [f.code for f in dout.check(AskedByANumber).findings]
    assert "D101" in [f.code for f in dout.check(AskedByANumberTwice).findings]
