"""Conventions are not bugs: a constant factor that people choose."""

import numpy as np
import pytest
from convention_layers import Affine, Averaged, Columns, formula
from report_findings import words

from dout.check.report.report import summary
from dout.check.verb.check_layer import check

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
SCALED = "right up to a constant factor"


class HalfAveraged(Affine):
    def backward(self, dout):
        self.dW = self.x.T @ dout / len(self.x)
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class AllAveraged(Affine):
    def backward(self, dout):
        n = len(self.x)
        self.dW = self.x.T @ dout / n
        self.db = dout.sum(axis=0) / n
        return dout @ self.W.T / n


class ByThree(Affine):
    def backward(self, dout):
        self.dW = self.x.T @ dout / 3
        self.db = dout.sum(axis=0) / 3
        return dout @ self.W.T


class ByFeatures(Affine):
    def backward(self, dout):
        self.dW = self.x.T @ dout / self.x.shape[1]
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Twice(Affine):
    def backward(self, dout):
        self.dW = 2 * self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Negated(Affine):
    def backward(self, dout):
        self.dW = -self.x.T @ dout / len(self.x)
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Steps:
    """An affine layer of sequences (N, T, D), averaged over samples and steps."""

    def __init__(self):
        self.W = np.random.default_rng(3).normal(size=(4, 2))

    def forward(self, xs):
        self.xs = xs
        return xs @ self.W

    def backward(self, dout):
        n, t, d = self.xs.shape
        self.dW = self.xs.reshape(n * t, d).T @ dout.reshape(n * t, -1) / (n * t)
        return dout @ self.W.T


class Windows:
    """Pairs of neighbours along the last axis, (N, C, L) to (N, D, L − 1), averaged over samples and places."""

    def __init__(self):
        self.W = np.random.default_rng(4).normal(size=(3, 4, 2))
        self.b = np.zeros((3, 1))

    def forward(self, xs):
        xs = xs.reshape(-1, 4, xs.shape[2])  # twice the channels pass for twice the samples
        self.pairs = np.stack([xs[:, :, :-1], xs[:, :, 1:]], axis=-1)
        return np.einsum("ncpk,dck->ndp", self.pairs, self.W) + self.b

    def backward(self, dout):
        n, _, places = dout.shape
        self.dW = np.einsum("ncpk,ndp->dck", self.pairs, dout) / (n * places)
        self.db = dout.mean(axis=(0, 2))[:, None]
        both = np.einsum("ndp,dck->ncpk", dout, self.W)
        dx = np.zeros((n, both.shape[1], places + 1))
        dx[:, :, :-1] += both[..., 0]
        dx[:, :, 1:] += both[..., 1]
        return dx


class FixedRows:
    """Three samples and no others."""

    def __init__(self):
        self.W = np.random.default_rng(2).normal(size=(5, 2))

    def forward(self, x):
        self.x = x.reshape(3, 5)
        return self.x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout / 3
        return dout @ self.W.T


# --- parameters -------------------------------------------------------------------------------------------------------


def test_an_affine_that_averages_its_parameter_gradients_is_noted_with_the_number_of_samples():
    report = check(Averaged(), X)
    found = formula(report)
    assert words(report) == {"x": "exact", "W": SCALED, "b": SCALED}
    assert [*found] == ["D106"]
    assert found["D106"].severity == "note"
    assert "Averaged.backward is 1/N of the derivative of forward, N = 3 samples" in found["D106"].message
    assert report.ok


def test_the_verdict_names_the_constant():
    (verdict,) = [v for v in check(Averaged(), X[:2]).verdicts if v.argument == "W"]
    assert verdict.because == "1/N of the derivative of forward, N = 2 samples"


def test_an_affine_that_averages_one_gradient_and_sums_the_other_is_wrong_and_told_which_is_which():
    report = check(HalfAveraged(), X)
    found = formula(report)
    assert words(report) == {"x": "exact", "W": "refuted", "b": "exact"}
    assert [*found] == ["D101"]
    assert found["D101"].severity == "error"
    assert "it is 1/N of the derivative" in found["D101"].message
    assert "the gradient of b is the derivative itself" in found["D101"].message
    assert "+        self.dW = self.x.T @ dout" in str(found["D101"].fix).splitlines()


@pytest.mark.long
def test_an_average_in_the_gradient_that_goes_on_stays_an_error_and_says_that_it_compounds():
    report = check(AllAveraged(), X)
    wrong = [f for f in report.findings if f.code == "D101"]
    assert {f.argument for f in wrong} == {"x", "W", "b"}
    (dx,) = [f for f in wrong if f.argument == "x"]
    assert "with every such layer once more" in dx.message
    assert "D106" not in formula(report)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("layer", [ByThree, ByFeatures, Twice, Negated])
def test_another_factor_of_a_parameter_stays_an_error(layer):
    report = check(layer(), X)
    assert [*formula(report)] == ["D101"]
    assert words(report)["W"] == "refuted"


def test_samples_may_be_columns():
    found = formula(check(Columns(), X.T.copy()))
    assert "1/N of the derivative of forward" in found["D106"].message


def test_an_average_over_samples_and_steps_names_both():
    found = formula(check(Steps(), RNG.normal(size=(3, 5, 4))))
    assert "1/(N·T) of the derivative of forward, N = 3 samples, T = 5 steps" in found["D106"].message


def test_an_average_over_all_places_counts_those_of_the_output():
    report = check(Windows(), RNG.normal(size=(2, 4, 6)))
    assert words(report) == {"xs": "exact", "W": SCALED, "b": SCALED}
    assert "1/(N·P) of the derivative of forward, N = 2 samples, P = 5 places" in formula(report)["D106"].message


def test_where_a_layer_takes_no_other_number_of_samples_a_length_of_its_own_decides():
    assert words(check(FixedRows(), RNG.normal(size=(3, 5))))["W"] == SCALED


# --- told -------------------------------------------------------------------------------------------------------------


def test_the_summary_counts_what_is_right_up_to_a_constant():
    line = summary([check(Averaged(), X)])
    assert "1 gradient exact, 2 right up to a constant, " in line


def test_the_report_shows_the_constant_beside_the_word():
    lines = str(check(Averaged(), X)).splitlines()
    assert any("~ W" in line and f"{SCALED}: 1/N of the derivative" in line for line in lines)


def test_penalties_of_both_kinds_may_be_added_together():
    class Decayed:
        def __init__(self):
            self.W = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])

        def forward(self, x):
            self.x = x
            return x @ self.W

        def backward(self, dout):
            self.dW = self.x.T @ dout + 0.125 * self.W + 0.25 * np.sign(self.W)
            return dout @ self.W.T

    report = check(Decayed(), np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]]))
    (verdict,) = (verdict for verdict in report.verdicts if verdict.argument == "W")
    assert verdict.because.startswith("backward adds 0.125·W + 0.25·sign(W)")


class Clipped(Affine):
    """Limits its gradients in its own backward."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW, self.db = self.limit(self.dW), self.limit(self.db)
        return dx


def by_norm(gradient):
    norm = np.linalg.norm(gradient)
    return gradient * (0.5 / norm) if norm > 0.5 else gradient


@pytest.mark.parametrize("limit", [by_norm, lambda gradient: np.clip(gradient, -0.5, 0.5)])
def test_a_gradient_that_is_clipped_is_a_convention(limit):
    report = check(Clipped(limit), X)
    assert words(report) == {"x": "exact", "W": "right where it is not clipped", "b": "right where it is not clipped"}
    assert formula(report)["D113"].severity == "note"


@pytest.mark.long
def test_what_is_wrong_for_small_gradients_too_is_not_clipped():
    assert words(check(Clipped(lambda gradient: by_norm(gradient) * 2), X))["W"] == "refuted"


class StepsByItself:
    """Softmax regression that makes its own step, and keeps its predictions among its parameters."""

    def __init__(self):
        self.lr = 0.25
        self.params = {"W": np.random.default_rng(0).normal(size=(3, 4)), "b": np.zeros((1, 4))}

    def forward(self, x, t):
        e = np.exp(x @ self.params["W"] + self.params["b"])
        self.params["probs"] = e / e.sum(axis=1, keepdims=True)
        return -np.log(self.params["probs"][range(len(x)), t]).sum() / len(x)

    def backward(self, x, t):
        d = self.params["probs"]
        d[range(len(x)), t] -= 1
        self.params["W"] += -self.lr * (x.T @ d)
        self.params["b"] += -self.lr * d.sum(axis=0)


def test_a_step_that_forgets_the_number_of_samples_is_that_number_times_the_gradient():
    x, t = np.random.default_rng(1).normal(size=(5, 3)), np.array([0, 3, 1, 1, 2])
    report = check(StepsByItself(), x, t)
    assert "D106" in [f.code for f in report.findings if f.severity == "warning"]
    assert all("N times the derivative of forward, N = 5 samples" in v.because for v in report.verdicts), report


class WithoutDout:
    def forward(self, x, t):
        self.d = x - t
        return np.sum(self.d**2) / 2

    def backward(self, dout=1):
        return self.d


class SquaresWithoutDout(WithoutDout):
    """No end of anything: its backward has to use dout."""

    def forward(self, x, t):
        self.d = x - t
        return self.d**2 / 2


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("rows", [3, 100])
@pytest.mark.parametrize(("cls", "code"), [(WithoutDout, "D104"), (SquaresWithoutDout, "D103")])
def test_a_backward_that_does_not_use_dout_is_told_at_every_size(cls, code, rows):
    x, t = np.random.default_rng(0).normal(size=(2, rows, 300))
    assert code in [f.code for f in check(cls(), x, t).findings]


class ClippedLoss:
    """A loss that returns its gradients, which no smaller dout makes smaller."""

    limit, sign = 4.0, 1

    def __init__(self):
        self.W = np.array([[3.0, -2.0, 0.1], [0.2, 4.0, -0.05]])

    def loss(self, x, t):
        e = x @ self.W.T - t
        dW = self.sign * e.T @ x
        np.clip(dW, -self.limit, self.limit, out=dW)
        return float(0.5 * np.sum(e**2)), dW


class ClippedAndWrong(ClippedLoss):
    sign = -1


def test_a_loss_that_clips_its_gradients_is_right_where_it_does_not():
    x, t = np.array([[1.0, 2.0, -1.0], [0.5, 0.25, 2.0]]), np.array([[3.0, 1.0], [1.0, -2.0]])
    report = check(ClippedLoss, x, t)
    assert words(report)["W"] == "right where it is not clipped"
    assert report.ok
    assert not check(ClippedAndWrong, x, t).ok


class Parts:
    """A container of whatever it holds: of nothing here."""

    def forward(self, x):
        for part in vars(self).values():
            x = part.forward(x)
        return x

    def backward(self, dout):
        for part in reversed(list(vars(self).values())):
            dout = part.backward(dout)


def test_a_container_of_nothing_has_no_gradient_to_give():
    assert check(Parts, X).ok


class ForgottenReturn:
    def forward(self, x):
        return x

    def backward(self, dout):
        dout * 1.0


def test_an_identity_that_forgets_its_return_is_no_container():
    assert not check(ForgottenReturn, X).ok


class HuberAtAnother:
    """Clips the residual at another limit than its own."""

    def forward(self, y, t):
        self.r = y - t
        size = np.abs(self.r)
        return np.sum(np.where(size <= 0.5, 0.5 * self.r**2, 0.5 * (size - 0.25)))

    def backward(self):
        return np.clip(self.r, -0.3, 0.3)


class StableAtAnother:
    """Keeps its prediction from 0, far from it, and in backward alone."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log(y))

    def backward(self):
        return -self.t / np.clip(self.y, 0.5, 1)


class OfThreeRows:
    """A mean over three rows, whatever it is given; what it clips is its input."""

    def forward(self, x):
        self.x = x
        return np.log(np.clip(x, 1e-7, None)).mean(axis=0)

    def backward(self, dout):
        return np.where(self.x > 1e-7, dout / np.clip(self.x, 1e-7, None), 0) / 3


def test_a_clip_of_something_else_is_no_excuse():
    y, t = np.linspace(0.1, 0.9, 12).reshape(3, 4), np.eye(3, 4)
    assert not check(HuberAtAnother, y, t).ok
    assert not check(StableAtAnother, y, t).ok
    found = [finding.code for finding in check(OfThreeRows, 1 + np.arange(12.0).reshape(3, 4)).findings]
    assert "D506" in found
