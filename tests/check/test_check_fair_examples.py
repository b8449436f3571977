"""An error is fair only on a fair example: lengths, numbers and ranks for which the layer is meant."""

import numpy as np
from fair_examples import severities, table

import dout


class Unrepeatable:
    """Its noise comes from outside: no two calls have the same, and NumPy's own functions are not called on x alone."""

    calls = 0

    def forward(self, x):
        Unrepeatable.calls += 1
        self.x = x
        return np.frompyfunc(lambda a: float(a) ** 3 * Unrepeatable.calls, 1, 1)(x).astype(float)

    def backward(self, dout):
        return dout * self.x


def test_nothing_is_wrong_of_a_forward_that_differs_at_each_call():
    report = dout.check(Unrepeatable, table(2, 3))
    assert [v.word for v in report.verdicts] == ["inconclusive"]


class Calls:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout(1 - self.y**2)


def test_a_backward_that_calls_an_array_raises_whatever_it_is_given():
    (finding,) = dout.check(Calls).findings
    assert (finding.code, finding.severity) == ("D001", "error")
    assert finding.message.endswith("whatever it is given")


class Identity:
    """Its derivative is a Jacobian for each row of columns, which has the shape of a square input by chance."""

    def f(self, x):
        return x

    def f_prime(self, x):
        return np.repeat(np.eye(x.shape[1])[None], len(x), axis=0)


def test_a_jacobian_of_a_square_input_is_not_judged():
    report = dout.check(Identity(), table(2, 3, 3), interface="f, f_prime(x), local")
    assert not report.verdicts
    assert any("it may be a Jacobian" in f.message for f in report.findings)


class HalfOfSquares:
    def forward(self, prediction, target):
        self.difference = prediction - target
        return np.sum(self.difference**2)

    def backward(self, dout=1):
        return dout * self.difference**3


def test_numbers_on_which_every_gradient_is_0_are_no_example():
    zeros = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert not dout.check(HalfOfSquares, zeros, zeros).ok


class Picks:
    def forward(self, scores, labels):
        self.scores, self.place = scores, (np.arange(len(labels)), labels)
        return np.sum(scores[self.place])

    def backward(self, dout=1):
        gradient = np.zeros_like(self.scores)
        gradient[self.place] += dout
        return gradient


class Unpacks:
    """It expects a pair, and two rows are one."""

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        gradient, rest = dout
        return np.stack([gradient, rest + gradient])


def test_lengths_that_are_alike_by_chance_are_no_example():
    rows_of_labels = np.array([[0, 1, 1], [2, 0, 1], [1, 2, 2]])
    assert severities(dout.check(Picks, table(3, 3), rows_of_labels)) == ["warning"]
    assert dout.check(Picks, table(4, 3), np.array([0, 2, 1, 1])).ok
    assert severities(dout.check(Unpacks, table(2, 3))) == ["warning"]


class LogOfLimited:
    """The limit keeps the logarithm finite: beyond it nobody wants its derivative."""

    def forward(self, x):
        self.x = x
        return np.log(np.maximum(x, 1e-8))

    def backward(self, dout):
        return dout / self.x


class TwiceLogOfLimited(LogOfLimited):
    def backward(self, dout):
        return 2 * dout / self.x


def test_beyond_a_limit_that_keeps_numbers_finite_nothing_is_wrong():
    assert severities(dout.check(LogOfLimited, table(3, 4))) == []
    assert severities(dout.check(TwiceLogOfLimited, table(3, 4))) == ["error"]


class LastState:
    """A sequence of rows: of one line for each step, which a state of as many rows by chance takes as well."""

    def __init__(self):
        self.Wx, self.Wh = table(3, 4), table(4, 4)

    def forward(self, inputs, state):
        self.states = [state]
        for x in inputs:
            self.states.append(np.tanh(x @ self.Wx + self.states[-1] @ self.Wh))
        return self.states[-1]

    def backward(self, dout, inputs):
        dWx, dWh = np.zeros_like(self.Wx), np.zeros_like(self.Wh)
        for t in reversed(range(len(inputs))):
            inner = dout * (1 - self.states[t + 1] ** 2)
            dWx += np.dot(inputs[t].T, inner)
            dWh += np.dot(self.states[t].T, inner)
            dout = inner @ self.Wh.T
        return dWx, dWh


def test_rows_that_fit_by_chance_are_no_error():
    assert severities(dout.check(LastState, table(2, 3), table(3, 4))) == ["warning"]
    assert severities(dout.check(LastState, table(2, 5, 3), table(5, 4))) == []


class ScaledByANumber:
    """No recording knows `putmask`; the gradient of a number is no row."""

    def __init__(self, gamma=0.5):
        self.gamma = gamma

    def forward(self, x):
        self.x = x
        return self.gamma * x

    def backward(self, dout):
        dx = self.gamma * dout
        np.putmask(dx, np.isnan(dx), 0)
        self.dgamma = np.sum(dout * self.x, axis=0)
        return dx


def test_a_row_as_the_gradient_of_a_number_ends_no_check_by_differences():
    (verdict,) = dout.check(ScaledByANumber, table(3, 4)).verdicts
    assert (verdict.argument, verdict.word) == ("x", "agrees within rounding")
