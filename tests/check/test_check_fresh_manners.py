"""Right layers in manners of other people get no error, and wrong ones beside them no tick."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from fair_examples import severities, table

import dout
from dout.adapt.interface.function_pairs import function_pairs


def words(report):
    return {verdict.argument: verdict.word for verdict in report.verdicts}


def pair(name):
    return function_pairs(vars(sys.modules[__name__]))[name]


# --- networks and their parts -----------------------------------------------------------------------------------------


class LinesOfWeights:
    """A network that is given its target in backward, and returns nothing."""

    def __init__(self, sizes=(3, 4, 2)):
        draw = np.random.default_rng(2)
        self.W = [draw.normal(size=pair) for pair in pairwise(sizes)]

    def forward(self, X):
        self.kept = [X]
        for W in self.W:
            self.kept.append(np.tanh(self.kept[-1] @ W))
        return self.kept[-1]

    def loss(self, X, y):
        return 0.5 * np.sum((self.forward(X) - y) ** 2)

    def backward(self, y):
        delta = self.kept[-1] - y
        self.dW = [None] * len(self.W)
        for i in reversed(range(len(self.W))):
            delta = delta * (1 - self.kept[i + 1] ** 2)
            self.dW[i] = self.kept[i].T @ delta
            delta = delta @ self.W[i].T


def test_a_network_with_its_loss_need_not_return_the_gradient_of_its_data():
    report = dout.check(LinesOfWeights)
    assert words(report) == {"W[0]": "exact", "W[1]": "exact"}
    assert "error" not in severities(report)


class Row:
    def __init__(self, n=3):
        self.w = np.linspace(1.0, 2.0, n)

    def forward(self, x):
        self.x = x
        return x * self.w

    def backward(self, dout):
        self.dw = (dout * self.x).sum(0)
        return dout * self.w


class Twice:
    def __init__(self, first, second):
        self.first, self.second = first, second

    def forward(self, x):
        return self.second.forward(self.first.forward(x))

    def backward(self, dout):
        return self.first.backward(self.second.backward(dout))


STACK = Twice(Row(), Row())  # as a program of the module makes it


def test_parts_that_a_program_hands_to_two_layers_are_shared_by_no_class():
    report = dout.check(Twice, table(2, 3), init={"first": STACK.first, "second": STACK.second})
    assert "D209" not in {finding.code for finding in report.findings}


CALLS = {}


def remembered():
    return CALLS


class Forgetful:
    """Keeps what it saw in a global, through a function."""

    def forward(self, x):
        remembered()["x"] = x
        return x * x

    def backward(self, dout):
        return 2 * dout * remembered()["x"]


def test_a_global_that_methods_come_to_is_shared():
    assert "D209" in {finding.code for finding in dout.check(Forgetful, table(2, 3)).findings}


class Chosen:
    """Looks its function up by a name that is made of another."""

    def __init__(self, kind):
        self.kind = kind

    def forward(self, x):
        self.x = x
        return getattr(self, f"_{self.kind}")(x)

    def backward(self, dout):
        return dout * getattr(self, f"_d{self.kind}")(self.x)

    def _square(self, x):
        return x * x

    def _dsquare(self, x):
        return 2 * x


@pytest.mark.long
def test_an_attribute_whose_name_is_made_up_is_not_missing_by_itself():
    try:
        report = dout.check(Chosen)
    except dout.TargetError:  # no word was found that it takes
        return
    assert "D001" not in {finding.code for finding in report.findings}


# --- whose a gradient is ----------------------------------------------------------------------------------------------


class Listed:
    """Gradients in a list, parameters by name."""

    def __init__(self, n=3, m=2):
        self.kernel, self.bias = np.linspace(-1, 1, n * m).reshape(n, m), np.zeros(m)

    def forward(self, x):
        self.x = x
        return x @ self.kernel + self.bias

    def backward(self, dout):
        self.gradients = [self.x.T @ dout, dout.sum(0)]
        return dout @ self.kernel.T


class WrongListed(Listed):
    def backward(self, dout):
        dx = super().backward(dout)
        self.gradients = [self.gradients[0], dout.mean(0)]
        return dx


def test_gradients_in_a_list_belong_to_the_parameters_of_their_shapes():
    assert words(dout.check(Listed, table(4, 3))) == dict.fromkeys(("x", "kernel", "bias"), "exact")
    assert "error" in severities(dout.check(WrongListed, table(4, 3)))


class WithoutBias(Listed):
    def __init__(self, n=3, m=2, use_bias=True):
        super().__init__(n, m)
        self.use_bias = use_bias

    def forward(self, x):
        self.x = x
        return x @ self.kernel + (self.bias if self.use_bias else 0)


def test_the_gradient_of_a_parameter_that_a_flag_turns_off_does_no_harm():
    report = dout.check(WithoutBias, table(4, 3))
    assert "error" not in severities(report)
    assert words(report)["bias"] == "exact"


class OneNumber:
    """Steps by itself; its bias is a number of Python's."""

    def __init__(self, n=3, rate=0.1):
        self.w, self.b, self.rate = np.linspace(-1, 1, n), 0.0, rate

    def forward(self, X):
        self.X = X
        return X @ self.w + self.b

    def backward(self, dout):
        dx = np.outer(dout, self.w)
        self.w = self.w - self.rate * self.X.T @ dout
        self.b = self.b - self.rate * dout.sum()
        return dx


class WrongNumber(OneNumber):
    def backward(self, dout):
        dx = np.outer(dout, self.w)
        self.w = self.w - self.rate * self.X.T @ dout
        self.b = self.b - self.rate * dout.mean()
        return dx


def test_a_parameter_that_is_one_number_has_a_row():
    assert words(dout.check(OneNumber, table(4, 3))) == dict.fromkeys(("X", "w", "b"), "exact")
    assert words(dout.check(WrongNumber, table(4, 3)))["b"] == "refuted"


class Regression:
    def __init__(self, n=3):
        self.coef, self.intercept = np.zeros(n), 0.0

    def predict(self, X):
        return X @ self.coef + self.intercept

    def loss(self, X, y):
        return np.sum((self.predict(X) - y) ** 2)

    def gradient(self, X, y):
        r = self.predict(X) - y
        return 2 * X.T @ r, 2 * r.sum()


class WrongRegression(Regression):
    def gradient(self, X, y):
        r = self.predict(X) - y
        return 2 * X.T @ r, r.sum()


def test_the_second_gradient_is_that_of_the_only_number_that_forward_reads():
    assert words(dout.check(Regression)) == {"coef": "exact", "intercept": "exact"}
    assert "error" in severities(dout.check(WrongRegression))


class Paths:
    """The second input has a table for each sample."""

    def forward(self, u, v):
        s = u[:, :, None] + v
        e = np.exp(s)
        self.p = e / e.sum(1, keepdims=True)
        return np.log(e.sum(1))

    def backward(self, dout):
        dv = self.p * dout[:, None, :]
        return dv.sum(2), dv


def test_data_may_have_the_axes_of_its_gradient():
    assert words(dout.check(Paths)) == {"u": "exact", "v": "exact"}


def shares(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def shares_backward(dout, s):
    return s * (dout - dout.sum(1, keepdims=True))  # wrong: not weighed


@pytest.mark.long
def test_a_function_is_given_what_its_caller_has():
    assert "error" in severities(dout.check(pair("shares")))


def column(x):
    y = x.reshape(-1, 1)
    return y


def column_backward(dy, x, y):
    return dy.reshape(x.shape)


def test_an_upstream_gradient_that_is_reshaped_is_no_loss():
    report = dout.check(pair("column"))
    assert words(report) == {"x": "exact"}
    assert not {f.code for f in report.findings if f.severity != "note"}


class MeanOfSquares:
    """Takes the target first, and an upstream gradient; forward divides by all numbers, backward by the samples."""

    def forward(self, y, y_hat):
        self.r = y_hat - y
        return (self.r**2).mean()

    def backward(self, dout=1):
        return dout * 2 * self.r / len(self.r)


def test_the_gradient_of_a_loss_is_that_of_the_prediction():
    report = dout.check(MeanOfSquares)
    assert {f.argument for f in report.findings if f.code == "D101"} == {"y_hat"}
