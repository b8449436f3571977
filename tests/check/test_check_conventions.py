"""Conventions are not bugs: a constant factor that people choose."""

import numpy as np
import pytest

from dout.check.report.report import summary
from dout.check.rules.choices.d106_constant_factor import among_siblings
from dout.check.verb.check_layer import check

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
LABELS = np.array([1, 0, 3])
SCALED = "right up to a constant factor"


def formula(report):
    """The findings about the formula, by code; that a target has no gradient is no matter here."""
    return {f.code: f for f in report.findings if f.code.startswith("D1") and f.argument != "t"}


def words(report):
    return {v.argument: v.word for v in report.verdicts}


class Affine:
    """Right; the others change a gradient of it."""

    def __init__(self):
        generator = np.random.default_rng(1)
        self.W, self.b = generator.normal(size=(4, 2)), generator.normal(size=2)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Averaged(Affine):
    def backward(self, dout):
        n = len(self.x)
        self.dW = self.x.T @ dout / n
        self.db = dout.sum(axis=0) / n
        return dout @ self.W.T


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


class Columns:
    """Samples are columns."""

    def __init__(self):
        self.W = np.random.default_rng(2).normal(size=(2, 4))

    def forward(self, x):
        self.x = x
        return self.W @ x

    def backward(self, dout):
        self.dW = dout @ self.x.T / self.x.shape[1]
        return self.W.T @ dout


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


def test_an_average_in_the_gradient_that_goes_on_stays_an_error_and_says_that_it_compounds():
    report = check(AllAveraged(), X)
    wrong = [f for f in report.findings if f.code == "D101"]
    assert {f.argument for f in wrong} == {"x", "W", "b"}
    (dx,) = [f for f in wrong if f.argument == "x"]
    assert "with every such layer once more" in dx.message
    assert "D106" not in formula(report)


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


def test_where_a_layer_takes_no_other_number_of_samples_a_length_of_its_own_decides():
    assert words(check(FixedRows(), RNG.normal(size=(3, 5))))["W"] == SCALED


# --- losses -----------------------------------------------------------------------------------------------------------


class Squares:
    """The sum of the squared differences: `factor` of the derivative comes back."""

    def __init__(self, factor=lambda y: 2.0):
        self.factor = factor

    def forward(self, y, t):
        self.difference = y - t
        return np.sum(self.difference**2)

    def backward(self, dout=1):
        return dout * self.factor(self.difference) * self.difference


FACTORS = {
    "1/2": lambda y: 1.0,
    "2": lambda y: 4.0,
    "1/N": lambda y: 2 / len(y),
    "1/(2·N)": lambda y: 1 / len(y),
    "2/N": lambda y: 4 / len(y),
    "1/(N·C)": lambda y: 2 / y.size,
    "1/(2·N·C)": lambda y: 1 / y.size,
}


@pytest.mark.parametrize("symbol", FACTORS)
def test_a_factor_that_people_choose_in_a_loss_is_noted_by_its_letters(symbol):
    report = check(Squares(FACTORS[symbol]), X, X[::-1].copy())
    (verdict,) = report.verdicts
    assert (verdict.word, verdict.constant) == (SCALED, symbol)
    assert [*formula(report)] == ["D106"]
    assert report.ok


class Means(Squares):
    """The mean of the squared differences over the samples, of sums over the columns; over both if `of_all`."""

    def __init__(self, factor, of_all=False):
        super().__init__(factor)
        self.of_all = of_all

    def forward(self, y, t):
        return super().forward(y, t) / (y.size if self.of_all else len(y))


UNDIVIDED = {
    "N": Means(lambda y: 2.0),
    "N/2": Means(lambda y: 1.0),
    "2·N": Means(lambda y: 4.0),
    "N·C": Means(lambda y: 2.0, of_all=True),
}


@pytest.mark.parametrize("symbol", UNDIVIDED)
def test_a_loss_that_divides_in_forward_alone_is_warned_of(symbol):
    report = check(UNDIVIDED[symbol], X, X[::-1].copy())
    (verdict,) = report.verdicts
    assert (verdict.word, verdict.constant) == (SCALED, symbol)
    assert formula(report)["D106"].severity == "warning"
    assert report.ok


@pytest.mark.parametrize(
    "loss", [Means(lambda y: 2 / len(y), of_all=True), Means(lambda y: 2 / y.size), Squares(lambda y: 2.0 * len(y))]
)
def test_two_means_over_other_numbers_are_no_convention(loss):
    assert [*formula(check(loss, X, X[::-1].copy()))] == ["D101"]


def test_a_division_that_another_layer_of_the_file_makes_leaves_a_note():
    mean = UNDIVIDED["N"], X, X[::-1].copy()
    assert [f.severity for (f,) in notes(mean, (Averaged(), X))] == ["note", "note"]
    assert [f.severity for f in notes(mean, (Affine(), X))[0]] == ["warning"]


class Decayed(Affine):
    """Weight decay in the layer's own backward."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW += 0.125 * self.W
        return dx


def test_a_penalty_that_backward_alone_adds_is_a_convention_with_its_strength():
    report = check(Decayed(), X)
    assert words(report) == {"x": "exact", "W": "right, with a penalty that forward does not add", "b": "exact"}
    assert formula(report)["D112"].message.startswith("in the gradient of W backward adds 0.125·W")
    assert report.ok


@pytest.mark.parametrize("rows", [2, 4])
def test_the_number_of_samples_is_told_from_two_and_from_the_number_of_columns(rows):
    x = RNG.normal(size=(rows, rows))
    for symbol in ("1/N", "1/2", "1/(2·N)"):
        (verdict,) = check(Squares(FACTORS[symbol]), x, x[::-1].copy()).verdicts
        assert verdict.constant == symbol


@pytest.mark.parametrize("factor", [lambda y: -2.0, lambda y: 6.0, lambda y: 2 / 3, lambda y: 2.02, lambda y: 0.0])
def test_a_factor_that_nobody_chooses_stays_an_error(factor):
    report = check(Squares(factor), X, X[::-1].copy())
    assert [*formula(report)] == ["D101"]
    assert not report.ok


class CrossEntropy:
    """Softmax and cross entropy with a stabiliser, summed; its backward averages."""

    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.sum(np.log(self.y[np.arange(len(t)), t] + 1e-7))

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


def test_a_loss_may_average_ignore_dout_and_have_a_stabiliser_at_once():
    report = check(CrossEntropy(), X, LABELS)
    assert {code: f.severity for code, f in formula(report).items()} == {"D104": "note", "D106": "note"}
    assert words(report) == {"x": SCALED}


class Untraceable(CrossEntropy):
    def forward(self, x, t):
        x = np.array([[float(repr(float(v))) for v in row] for row in x])
        return super().forward(x, t)

    def backward(self, dout=1):
        return dout * super().backward()


def test_what_cannot_be_traced_is_told_by_differences():
    report = check(Untraceable(), X, LABELS)
    (verdict,) = report.verdicts
    assert verdict.route != "exact arithmetic"
    assert (verdict.word, verdict.constant) == (SCALED, "1/N")


class OneASample:
    """A squared error of each sample, without its factor 2."""

    def forward(self, y, t):
        self.difference = y - t
        return np.sum(self.difference**2, axis=1)

    def backward(self, dout):
        return dout[:, None] * self.difference


def test_a_loss_may_give_one_number_a_sample():
    (verdict,) = check(OneASample(), X, X[::-1].copy()).verdicts
    assert (verdict.word, verdict.constant) == (SCALED, "1/2")


class Mean:
    def forward(self, x):
        self.shape = x.shape
        return np.mean(x)

    def backward(self, dout):
        return np.ones(self.shape) * dout


def test_a_mean_that_is_no_loss_has_to_divide():
    assert [*formula(check(Mean(), X))] == ["D101"]


class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y / 2, dout * self.x / 2


def test_half_the_gradient_of_a_product_of_numbers_is_wrong():
    assert [*formula(check(Product(), 3.0, 5.0))] == ["D101"]


# --- the other layers of a file ---------------------------------------------------------------------------------------


def notes(*layers):
    return [[f for f in r.findings if f.code == "D106"] for r in among_siblings([check(*layer) for layer in layers])]


def test_a_sibling_that_sums_makes_the_average_a_warning_that_names_it():
    (found,), none = notes((Averaged(), X), (Affine(), X))
    assert found.severity == "warning"
    assert found.message.endswith("; Affine.backward, in the same file, gives the derivative itself")
    assert none == []


def test_siblings_that_all_average_stay_notes():
    assert [f.severity for (f,) in notes((Averaged(), X), (Columns(), X.T.copy()))] == ["note", "note"]


def test_a_loss_is_no_sibling_of_a_layer_with_parameters():
    squares = (Squares(), X, X[::-1].copy())
    assert [f.severity for f in notes((Averaged(), X), squares)[0]] == ["note"]


def test_losses_with_other_constants_warn_of_each_other():
    one, two = ((Squares(FACTORS[s]), X, X[::-1].copy()) for s in ("1/N", "1/2"))
    (first,), (second,) = notes(one, two)
    assert "another constant, 1/2" in first.message
    assert "another constant, 1/N" in second.message


class EachSample(Squares):
    """The squared error of each sample, whose mean another function takes."""

    def forward(self, y, t):
        self.difference = y - t
        return np.sum(self.difference**2, axis=1)

    def backward(self, dout):
        return dout[:, None] * self.factor(self.difference) * self.difference


def test_a_loss_of_one_number_a_sample_may_average_beside_a_whole_loss():
    each = (EachSample(FACTORS["1/N"]), X, X[::-1].copy())
    assert [f.severity for f in notes(each, (Squares(), X, X[::-1].copy()))[0]] == ["note"]


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


@pytest.mark.parametrize("rows", [3, 100])
@pytest.mark.parametrize(("cls", "code"), [(WithoutDout, "D104"), (SquaresWithoutDout, "D103")])
def test_a_backward_that_does_not_use_dout_is_told_at_every_size(cls, code, rows):
    x, t = np.random.default_rng(0).normal(size=(2, rows, 300))
    assert code in [f.code for f in check(cls(), x, t).findings]
