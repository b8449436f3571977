"""Constants that people choose in a loss, and the other layers of a file, which choose others."""

import numpy as np
import pytest
from convention_layers import Affine, Averaged, Columns, Decayed, formula
from report_findings import words

from dout.check.rules.choices.d106_constant_factor import among_siblings
from dout.check.verb.check_layer import check

RNG = np.random.default_rng(0)


X = RNG.normal(size=(3, 4))


LABELS = np.array([1, 0, 3])


SCALED = "right up to a constant factor"


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


@pytest.mark.one_in(3)
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


@pytest.mark.one_in(2)
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


@pytest.mark.one_in(8)
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


class OnceMore(CrossEntropy):
    """The cross entropy times a number that its forward does not have: there is no square to drop a 2 of."""

    def __init__(self, factor):
        self.factor = factor

    def backward(self, dout=1):
        return self.factor * super().backward(dout) * len(self.t)


@pytest.mark.parametrize("factor", [2, 0.5])
def test_a_2_is_no_convention_of_a_loss_without_a_square(factor):
    assert [code for code in formula(check(OnceMore(factor), X, LABELS)) if code != "D104"] == ["D101"]


class SquaresOfSigmoids:
    def forward(self, x, t):
        self.y, self.t = 1 / (1 + np.exp(-x)), t
        return np.sum((self.y - t) ** 2)

    def backward(self):
        return (self.y - self.t) * self.y * (1 - self.y)


def test_a_2_is_dropped_by_convention_where_every_way_to_the_loss_passes_a_square():
    assert words(check(SquaresOfSigmoids(), X, X[::-1].copy())) == {"x": SCALED}


class Energy:
    """It takes no upstream gradient and compares with nothing: no loss, whose constants are free."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        self.x = x
        return np.sum(x * x, axis=1)

    def backward(self):
        return self.factor * self.x


@pytest.mark.parametrize(("factor", "word"), [(2, "exact"), (1, "refuted"), (4, "refuted")])
def test_what_compares_with_nothing_has_no_free_constant(factor, word):
    assert words(check(Energy(factor), X)) == {"x": word}


class MeanLoss(Energy):
    """A mean for each sample: of as many numbers as there are columns, and no samples."""

    def forward(self, x):
        self.x = x
        return np.mean(x**3, axis=1)

    def backward(self):
        return 3 * self.x**2 / self.factor(self.x)


def test_what_a_loss_for_each_sample_averages_are_no_samples():
    assert words(check(MeanLoss(lambda x: x.shape[1]), X)) == {"x": "exact"}
    report = check(MeanLoss(lambda x: 1), X)
    (verdict,) = report.verdicts
    assert (verdict.word, verdict.constant) == (SCALED, "C")
    assert "C = 4 numbers a sample" in verdict.because


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


class Ending:
    """The last layer of a network, with its loss: parameters are averaged over the samples, and the input is not."""

    def __init__(self, inputs=4):
        self.W = np.cos(np.arange(1.0, inputs + 1))[None, :]

    def forward(self, x):
        self.x, self.out = x, 1 / (1 + np.exp(-(self.W @ x)))
        return self.out

    def backward(self, Y):
        d = self.out - Y
        self.dW = d @ self.x.T / Y.shape[1]
        return self.W.T @ d


def test_parameters_of_a_layer_with_its_loss_may_be_averaged():
    assert [f.message for f in check(Ending).findings if f.severity == "error"] == []


class LimitedGate:
    """Averages the gradients of its parameters; far out its limit cuts off next to nothing."""

    def __init__(self, n, m):
        draw = np.random.default_rng(0)
        self.W, self.V, self.b = draw.normal(size=(n, m)), draw.normal(size=(n, m)), np.zeros(m)

    def forward(self, x):
        self.x = x
        self.gate = 1 / (1 + np.exp(-np.clip(x @ self.W + self.b, -500, 500)))
        self.h = np.tanh(x @ self.V)
        return self.gate * self.h

    def backward(self, dout):
        d_gate = dout * self.h * self.gate * (1 - self.gate)
        d_h = dout * self.gate * (1 - self.h**2)
        self.dW, self.dV = self.x.T @ d_gate / len(dout), self.x.T @ d_h / len(dout)
        self.db = self.of_bias(d_gate)
        return d_gate @ self.W.T + d_h @ self.V.T

    def of_bias(self, d):
        return d.mean(axis=0)


class LimitedGateOfSum(LimitedGate):
    def of_bias(self, d):
        return d.sum(axis=0)


def test_an_average_is_one_also_where_a_limit_leaves_next_to_nothing():
    found = {v.argument: v.word for v in check(LimitedGate).verdicts}
    assert found == {"x": "exact"} | dict.fromkeys(("W", "V", "b"), SCALED)
    assert not check(LimitedGateOfSum).ok
