"""Right layers as courses teach them get no error; wrong ones beside them get one."""

from types import SimpleNamespace

import numpy as np
import pytest
from fair_examples import severities, table

import dout
from dout.adapt.interface.function_pairs import function_pairs
from dout.adapt.search.example import example


def errors(report):
    return [finding.code for finding in report.findings if finding.severity == "error"]


def words(report):
    return {verdict.argument: str(verdict.word) for verdict in report.verdicts}


# --- objects that hold gradients --------------------------------------------------------------------------------------


class InNamespaces:
    """Gradients stand beside the weights in objects of no class; a helper writes them there."""

    def __init__(self):
        self.first = SimpleNamespace(weight=table(4, 3))

    def forward(self, x):
        self.x = x
        return x @ self.first.weight

    def backward(self, dout):
        self._leave(self.first, self.x.T @ dout)

    def _leave(self, part, slope):
        part.up = slope


def test_what_is_left_in_an_object_is_kept():
    assert errors(dout.check(InNamespaces(), table(5, 4))) == []


# --- losses -----------------------------------------------------------------------------------------------------------


class Cosine:
    def forward(self, a, b):
        self.a, self.b = a, b
        self.n, self.m = (np.sqrt((v * v).sum(axis=1, keepdims=True)) for v in (a, b))
        self.cos = (a * b).sum(axis=1, keepdims=True) / (self.n * self.m)
        return np.sum(1 - self.cos)

    def backward(self):
        da = self.cos * self.a / self.n**2 - self.b / (self.n * self.m)
        return da, self.cos * self.b / self.m**2 - self.a / (self.n * self.m)


class HalfACosine(Cosine):
    def backward(self):
        return -self.b / (self.n * self.m), super().backward()[1]


@pytest.mark.long
def test_a_loss_that_no_multiple_changes_is_judged():
    assert words(dout.check(Cosine, table(3, 4), 1 + table(3, 4) ** 2)) == {"a": "exact", "b": "exact"}
    assert errors(dout.check(HalfACosine, table(3, 4), 1 + table(3, 4) ** 2)) == ["D101"]


class Columns:
    """Makes columns of what it is given, and gives gradients of these."""

    def forward(self, y, a):
        self.d = a.reshape(-1, 1) - y.reshape(-1, 1)
        return np.sum(self.d**2)

    def backward(self):
        return -2 * self.d, 2 * self.d


@pytest.mark.long
def test_a_loss_that_makes_columns_of_its_inputs_may_be_meant_for_columns():
    assert errors(dout.check(Columns(), table(4, 1), table(4, 1) + 1)) == []


class Total:
    """The sum of an array, which is no loss."""

    def forward(self, x):
        self.shape = x.shape
        return np.sum(x)

    def backward(self, dout):
        return np.ones(self.shape)


def test_a_reduction_that_ignores_what_arrives_is_doubted():
    assert severities(dout.check(Total, table(3, 4)), "D104") == ["warning"]


# --- sizes ------------------------------------------------------------------------------------------------------------


class Gated:
    """A recurrent cell for one sample: its sizes are alike only by chance."""

    def __init__(self, input_size, hidden_size):
        d, h = input_size, hidden_size
        self.Wz, self.Wn, self.Uz = np.ones((h, d)), np.ones((h, d)), np.ones((h, h))
        self.bz, self.bn = np.ones(h), np.ones(h)
        for name in ("Wz", "Wn", "Uz", "bz", "bn"):
            setattr(self, "d" + name, np.zeros_like(getattr(self, name)))

    def forward(self, x, h_prev_t):
        self.x, self.h = x, h_prev_t
        self.z = 1 / (1 + np.exp(-(self.Wz @ x + self.bz + self.Uz @ h_prev_t)))
        self.n = np.tanh(self.Wn @ x + self.bn)
        return (1 - self.z) * self.n + self.z * h_prev_t

    def backward(self, delta):
        dz = delta * (self.h - self.n) * self.z * (1 - self.z)
        dn = delta * (1 - self.z) * (1 - self.n**2)
        self.dWz += np.outer(dz, self.x)
        self.dUz += np.outer(dz, self.h)
        self.dbz += dz
        self.dWn += np.outer(dn, self.x)
        self.dbn += dn
        return self.Wz.T @ dz + self.Wn.T @ dn, self.Uz.T @ dz + self.kept(delta)

    def kept(self, delta):
        return delta * self.z


class Forgetting(Gated):
    def kept(self, delta):
        return 0 * delta


@pytest.mark.long
def test_sizes_that_are_alike_by_chance_are_set_apart():
    assert len(set(example(Gated, {}, {}).init.values())) == 2
    assert set(words(dout.check(Gated)).values()) == {"exact"}
    assert errors(dout.check(Forgetting)) == ["D101"]


class OverUnits:
    """Divides by its number of outputs, which is no number of samples."""

    def __init__(self, m, n):
        self.n = n
        self.W, self.W0 = np.linspace(-1, 1, m * n).reshape(m, n), np.zeros((n, 1))

    def forward(self, A):
        self.A = A
        return self.W.T @ A + self.W0

    def backward(self, dLdZ):
        self.dW = self.A @ dLdZ.T / self.n
        self.dW0 = dLdZ.sum(axis=1).reshape((self.n, 1)) / self.n
        return self.W @ dLdZ


def test_a_size_is_no_number_of_samples():
    assert "D101" in errors(dout.check(OverUnits(4, 3), table(4, 5)))


# --- what backward is given -------------------------------------------------------------------------------------------


class StepGivenAll:
    """Backward is handed all that forward was given and gave; `h_prev_l` is what forward calls x."""

    def __init__(self, input_size=4, hidden_size=3):
        draw = np.random.default_rng(4)
        self.Wx, self.Wh = draw.normal(size=(hidden_size, input_size)), draw.normal(size=(hidden_size, hidden_size))

    def forward(self, x, h_prev_t):
        return np.tanh(x @ self.Wx.T + h_prev_t @ self.Wh.T)

    def backward(self, delta, h_t, h_prev_l, h_prev_t):
        d = delta * (1 - self.slope(h_t, h_prev_t))
        self.dWx, self.dWh = d.T @ h_prev_l, d.T @ h_prev_t
        return d @ self.Wx, d @ self.Wh

    def slope(self, h_t, h_prev_t):
        return h_t**2


class StepOfTheOther(StepGivenAll):
    def slope(self, h_t, h_prev_t):
        return h_prev_t**2


def test_an_argument_that_is_called_as_in_forward_is_that():
    assert set(words(dout.check(StepGivenAll)).values()) == {"exact"}
    assert "D101" in errors(dout.check(StepOfTheOther))


def logistic(value):
    return 1 / (1 + np.exp(-value))


def logistic_derivative(value):
    return value * (1 - value)


def test_a_slope_may_call_the_output_as_its_function_calls_the_input():
    assert words(dout.check(function_pairs(globals())["logistic"])) == {"value": "exact"}


class ByOptimizer:
    """Hands its weights to an optimizer, and goes on with what they were."""

    def __init__(self, n_in=4, n_out=3, optimizer=None):
        self.W, self.optimizer = np.linspace(-1, 1, n_in * n_out).reshape(n_in, n_out), optimizer

    def initialize(self, optimizer):
        self.optimizer = optimizer

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        before = self.W
        self.W = self.optimizer.update(self.W, self.x.T @ dout)
        return dout @ self.chosen(before).T

    def chosen(self, before):
        return before


class ByOptimizerTooLate(ByOptimizer):
    def chosen(self, before):
        return self.W


def test_what_is_computed_with_weights_after_their_step_is_wrong():
    assert words(dout.check(ByOptimizer)) == {"x": "exact", "W": "exact"}
    assert errors(dout.check(ByOptimizerTooLate)) == ["D101"]


class Short:
    """Methods by short names."""

    def fwd(self, x):
        self.x = x
        return x * x

    def bwd(self, dout):
        return 2 * self.x * dout


def test_short_names_are_known():
    assert words(dout.check(Short, table(3, 4))) == {"x": "exact"}


# --- from a set of repositories ---------------------------------------------------------------------------------------


class NegativeOfAll:
    """Is handed the target minus the output, and keeps gradients that go up the error."""

    def __init__(self):
        self.W, self.b = table(4, 3), table(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, delta):
        self.dW, self.db = -self.x.T @ delta, -delta.sum(axis=0)
        return delta @ self.W.T


class NegativeOfOne(NegativeOfAll):
    def backward(self, delta):
        dx = super().backward(delta)
        self.db = -self.db
        return dx


@pytest.mark.long
def test_the_other_sign_of_all_parameters_may_be_meant_of_one_it_is_wrong():
    assert severities(dout.check(NegativeOfAll(), table(5, 4))) == ["warning"] * 2
    assert errors(dout.check(NegativeOfOne(), table(5, 4))) == ["D101"]


class AtTheLargest:
    """Asks the target only where its 1 is."""

    def forward(self, x, y):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.y = e / e.sum(axis=1, keepdims=True), y
        return -np.mean(np.log(self.p[np.arange(len(y)), np.argmax(y, axis=1)]))

    def backward(self, dout=1):
        return (self.p - self.y) / len(self.y)


@pytest.mark.long
def test_a_target_that_is_asked_for_its_largest_number_has_rows_with_one_1():
    assert errors(dout.check(AtTheLargest(), table(3, 4), table(3, 4) + 2)) == []


def margins_loss(W, X, y, reg):
    """All margins but those at the labels, which are set to 0 before the maximum with 0 is taken."""
    scores = X @ W
    margins = scores - scores[np.arange(len(y)), y][:, None] + 1.0
    margins[np.arange(len(y)), y] = 0
    margins = np.maximum(margins, 0)
    loss = margins.sum() / len(y) + 0.5 * reg * np.sum(W * W)
    on = (margins > 0) * 1.0
    on[np.arange(len(y)), y] -= on.sum(axis=1)
    dW = X.T @ on / len(y) + reg * W
    return loss, dW


def half_margins_loss(W, X, y, reg):
    loss, dW = margins_loss(W, X, y, reg)
    return loss, dW - 0.5 * reg * W


@pytest.mark.long
def test_constants_that_are_equal_are_no_kink():
    pairs = function_pairs(globals())
    assert words(dout.check(pairs["margins_loss"])) == {"W": "exact"}
    assert errors(dout.check(pairs["half_margins_loss"])) == ["D101"]


def decayed_loss(W, X, y, reg):
    """The penalty is in the gradient alone."""
    loss, dW = np.sum((X @ W - y) ** 2) / 2, X.T @ (X @ W - y) + reg * W
    return loss, dW


def test_the_weights_of_a_loss_with_its_gradient_may_have_a_penalty():
    report = dout.check(function_pairs(globals())["decayed_loss"], table(4, 2), table(5, 4), 1 + table(5, 2), 0.25)
    assert words(report) == {"W": "right, with a penalty that forward does not add"}


class Overwritten:
    """Gives 1 for whatever arrives."""

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dout):
        dx = np.array(dout)
        dx[self.x <= 0] = 0
        dx[self.x > 0] = 1
        return dx


@pytest.mark.long
def test_what_ignores_dout_is_not_right_for_each_number():
    assert set(severities(dout.check(Overwritten(), table(3, 4)))) | {"error"} == {"error"}
    assert not dout.check(Overwritten(), table(3, 4)).ok


class StepsAndClears:
    """Lists of gradients are cleared after the step."""

    def __init__(self):
        self.lr, self.W, self.grad_W = 0.5, [table(4, 3)], [np.zeros((4, 3))]

    def forward(self, x):
        self.x = x
        return x @ self.W[0]

    def backward(self, dout):
        self.grad_W[0] = self.x.T @ dout
        dx = dout @ self.W[0].T
        self.W[0] -= self.lr * self.grad_W[0]
        self.grad_W[0] *= 0
        return dx


def test_gradients_that_are_cleared_after_the_step_are_told_by_the_step():
    report = dout.check(StepsAndClears(), table(5, 4))
    assert errors(report) == []
    assert [verdict.argument for verdict in report.verdicts].count("W[0]") == 1


class OfScores:
    """The loss of probabilities; its backward is given scores, and makes probabilities of them by itself."""

    def forward(self, preds, target):
        return -np.sum(target * np.log(preds) + (1 - target) * np.log(1 - preds))

    def backward(self, preds, target):
        return 1 / (1 + np.exp(-preds)) - target


def test_a_backward_may_make_probabilities_by_itself():
    assert errors(dout.check(OfScores)) == []
