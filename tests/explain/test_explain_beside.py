"""`explain` beside the user's backward: what each line is, and where it goes wrong. Expected verdicts are by hand."""

import numpy as np
import pytest
from named_meaning import NamedMeaning

from dout.explain.beside.user_lines import backward_lines
from dout.explain.model.reasons import REASONS
from dout.explain.terms.terms import ONE, Partial, Symbol, Term, negated, product, total
from dout.trace.record.record import record

X = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6], [-0.2, 0.9, 1.6], [0.8, -0.5, 0.1]])
out = Symbol("out")


def lines_of(layer, *inputs):
    trace = record(layer, *inputs)
    call = trace.calls[0]
    return backward_lines(trace, call, NamedMeaning(trace, call))


def verdicts(layer, *inputs):
    """✗ and the key of the reason; ✓ and the gradient or the reason; · where nothing is known."""
    return [verdict(line) for line in lines_of(layer, *inputs)]


def verdict(line):
    key = line.reason.key.removeprefix("beside_") if line.reason else ""
    if line.wrong:
        return f"✗ {key}"
    gradient = f"d{line.matches.of}" if isinstance(line.matches, Partial) else ""
    return f"✓ {key or gradient or 'formula'}" if key or line.matches or line.steps else "·"


def said(line):
    """The sentence of a line, with the names of terms alone."""
    return REASONS[line.reason.key].format(**{k: shown(field) for k, field in line.reason.fields.items()})


def shown(field):
    return getattr(field, "of", getattr(field, "name", field)) if isinstance(field, Term) else field


# --- one layer, many backwards ----------------------------------------------------------------------------------------


class Affine:
    def __init__(self):
        self.W, self.b = np.arange(6.0).reshape(3, 2) - 1.5, np.zeros(2)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class AffineWrongAxis(Affine):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=1)
        return dout @ self.W.T


class AffineNotSummed(Affine):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout
        return dout @ self.W.T


class TanhOfAffine(Affine):
    def forward(self, x):
        self.x = x
        self.a = np.tanh(x @ self.W + self.b)
        return self.a

    def backward(self, dout):
        da = dout * (1 - self.a)  # the gradient before tanh, in the name of that behind it
        self.dW = self.x.T @ da
        self.db = da.sum(axis=0)
        return da @ self.W.T


class SigmoidInTwoLines:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dout):
        dy = dout * self.y
        return dy * (1 + self.y)


def test_a_line_with_a_loose_name_is_judged_by_what_it_computes():
    assert verdicts(TanhOfAffine(), X[:, :3]) == ["✗ swapped", *["✓ given"] * 3]
    assert verdicts(SigmoidInTwoLines(), X) == ["✓ on_the_way", "✗ term_sign"]


class AffineMean(Affine):
    def backward(self, dout):
        self.dW = self.x.T @ dout / len(dout)
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class AffineTransposed(Affine):
    def __init__(self):
        self.W, self.b = np.arange(9.0).reshape(3, 3) - 1.5, np.zeros(3)

    def backward(self, dout):
        self.dW = dout.T @ self.x
        self.db = dout.sum(axis=0)
        return dout @ self.W


class AffineRowByRow(Affine):
    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)
        dx = np.zeros_like(self.x)
        for n in range(len(dout)):
            row = dout[n]
            self.dW += np.outer(self.x[n], row)
            self.db += row
            dx[n] = self.W @ row
        return dx


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Affine, ["✓ dW", "✓ db", "✓ dx"]),
        (AffineWrongAxis, ["✓ dW", "✗ axis", "✓ dx"]),
        (AffineNotSummed, ["✓ dW", "✗ not_summed", "✓ dx"]),
        (AffineMean, ["✗ divided", "✓ db", "✓ dx"]),
        (AffineTransposed, ["✗ transposed", "✓ db", "✗ operand_transposed"]),
        (AffineRowByRow, ["✓ start"] * 3 + ["✓ piece", "✓ dW", "✓ db", "✓ dx"]),
    ],
)
def test_affine(layer, expected):
    assert verdicts(layer(), X) == expected


def test_a_line_that_takes_one_step_names_it_and_a_wrong_one_says_what_is_right():
    dW, db, dx = lines_of(AffineWrongAxis(), X)
    assert (dW.step, db.step, dx.step) == (2, 1, 2)
    assert said(db) == "step 1 sums over the N rows: axis=0"
    assert db.instead == "right(b)"
    assert [line.source for line in (dW, db)] == ["self.dW = self.x.T @ dout", "self.db = dout.sum(axis=1)"]


# --- sigmoid ----------------------------------------------------------------------------------------------------------


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx


class SigmoidSlopeFirst(Sigmoid):
    def backward(self, dout):
        slope = self.out * (1 - self.out)
        return dout * slope


class SigmoidInPlace(Sigmoid):
    def backward(self, dout):
        dx = dout * self.out
        dx *= 1 - self.out
        return dx


class SigmoidWrongSign(Sigmoid):
    def backward(self, dout):
        dx = dout * self.out
        dx *= 1 + self.out
        return dx


class SigmoidWithoutDout(Sigmoid):
    def backward(self, dout):
        return self.out * (1 - self.out)


class SigmoidNegated(Sigmoid):
    def backward(self, dout):
        return dout * (self.out - 1) * self.out


class SigmoidHalf(Sigmoid):
    def backward(self, dout):
        return dout * (1 - self.out)


class SigmoidStepByStep:
    def forward(self, x):
        a = -x
        self.b = b = np.exp(a)
        self.c = c = 1 + b
        return 1 / c

    def backward(self, dout):
        dc = -dout / self.c**2
        db = dc
        da = db * self.b
        dx = -da
        return dx


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Sigmoid, ["✓ formula"]),
        (SigmoidSlopeFirst, ["✓ local", "✓ formula"]),
        (SigmoidInPlace, ["✓ on_the_way", "✓ formula"]),
        (SigmoidWrongSign, ["✓ on_the_way", "✗ term_sign"]),
        (SigmoidWithoutDout, ["✗ no_dout"]),
        (SigmoidNegated, ["✗ sign"]),
        (SigmoidHalf, ["✗ factor_missing"]),
        (SigmoidStepByStep, ["✓ dc", "✓ db", "✓ da", "✓ dx"]),
    ],
)
def test_sigmoid(layer, expected):
    assert verdicts(layer(), X) == expected


def test_a_line_that_takes_several_steps_is_the_formula_that_it_computes():
    (line,) = lines_of(Sigmoid(), X)
    assert line.step is None
    assert line.steps == (1, 2, 3, 4)
    assert line.matches == product(Partial("out"), out, total(ONE, negated(out)))


def test_the_factor_that_is_missing_is_named():
    (line,) = lines_of(SigmoidHalf(), X)
    assert line.reason.fields["factor"] == out


# --- masks ------------------------------------------------------------------------------------------------------------


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class ReluWithoutMask(Relu):
    def backward(self, dout):
        return dout


class ReluOtherSide(Relu):
    def backward(self, dout):
        return np.where(self.mask, dout, 0)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [(Relu, ["✓ dout", "✓ dx"]), (ReluWithoutMask, ["✗ mask_missing"]), (ReluOtherSide, ["✗ mask_contrary"])],
)
def test_relu(layer, expected):
    assert verdicts(layer(), X) == expected


# --- softmax ----------------------------------------------------------------------------------------------------------


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, dout):
        dx = self.y * dout
        s = dx.sum(axis=-1, keepdims=True)
        dx -= self.y * s
        return dx


class SoftmaxWrongSign(Softmax):
    def backward(self, dout):
        dx = self.y * dout
        s = dx.sum(axis=-1, keepdims=True)
        dx += self.y * s
        return dx


@pytest.mark.parametrize(("layer", "last"), [(Softmax, "✓ dx"), (SoftmaxWrongSign, "✗ term_sign")])
def test_softmax(layer, last):
    found = verdicts(layer(), X)
    assert found[0] == "✓ on_the_way"
    assert not found[1].startswith("✗")
    assert found[2] == last


class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return -np.sum(t * np.log(self.y + 1e-7)) / len(x)

    def backward(self, dout=1):
        return (self.y - self.t) / len(self.t)


def test_a_loss_that_takes_dout_for_one_is_right_up_to_its_stabiliser():
    assert verdicts(SoftmaxWithLoss(), X, np.eye(3)[[0, 2, 1, 1]]) == ["✓ finite"]


class Scores:
    def __init__(self):
        self.W = np.arange(12.0).reshape(3, 4) - 4.5

    def forward(self, x):
        self.x = x
        return x @ self.W / np.sqrt(x.shape[1])

    def backward(self, dout):
        return dout @ self.W.T


class Norms(Scores):
    def forward(self, x):
        self.norm = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
        return x / self.norm

    def backward(self, dout):
        return dout / self.norm


class Labels:
    def forward(self, x, t):
        e = np.exp(x)
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.log(self.y[np.arange(len(t)), t]).mean()

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


def test_a_root_of_a_length_that_is_missing_is_told():
    (line,) = (line for line in lines_of(Scores(), X) if line.wrong)
    assert (line.reason.key, line.reason.fields["factor"].function) == ("beside_times", "sqrt")


def test_both_factors_of_a_square_are_one_part():
    assert verdicts(Norms(), X) == ["✗ part_missing"]


def test_a_multiple_of_the_gradient_is_on_the_way_to_it():
    assert verdicts(Labels(), X, np.array([0, 2, 1, 1]))[1] == "✓ on_the_way"


def test_a_division_that_the_line_knows_nothing_of_is_missing():
    class Over:
        def forward(self, x, keep):
            return x / keep

        def backward(self, dout):
            return dout * 1.0, None

    assert verdicts(Over(), X, np.float64(0.8))[0] == "✗ not_divided"


# --- lines that no gradient flows into --------------------------------------------------------------------------------


class Parabola:
    def forward(self, x):
        self.x = x
        return x * x + x

    def backward(self, dout):
        twos = np.full(self.x.shape, 2.0)
        dx = np.zeros_like(self.x)
        dx += dout * twos * self.x
        quarters = np.zeros(self.x.shape) + 0.25
        return dx + dout * quarters * 4


class Shift:
    def forward(self, x):
        self.x = x
        return x + 1.5

    def backward(self, dout):
        slope = np.ones_like(self.x)
        return dout * slope


def test_only_an_array_that_a_later_line_writes_into_is_filled_in():
    assert verdicts(Parabola(), X) == ["✓ start", "·", "✓ number", "✓ dx"]


def test_an_array_that_backward_makes_of_one_number_keeps_that_number_at_every_point():
    assert not any(line.wrong for line in lines_of(Parabola(), X))


def test_a_constant_may_be_the_local_derivative():
    assert verdicts(Shift(), X)[0] == "✓ local"


class Pairs:
    def __init__(self):
        self.size = 2

    def forward(self, x):
        self.shape = x.shape
        return (x[:, :-1] + x[:, 1:]) / 2

    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[:, :-1] += dout / self.size
        dx[:, 1:] += dout / self.size
        return dx


def test_the_size_of_a_window_that_a_layer_holds_is_no_other_number_at_other_points():
    assert not any(line.wrong for line in lines_of(Pairs(), X))


class Turned:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        columns, rows = self.x.shape
        dx = np.zeros((rows, columns))
        dx += (2 * self.x * dout).reshape(rows, columns)
        return dx


def test_a_gradient_with_its_axes_in_another_order_is_told_by_its_shape():
    wrong = [line for line in lines_of(Turned(), X) if line.wrong]
    assert [line.reason.key for line in wrong] == ["beside_shape"]
    assert wrong[0].reason.fields["mine"] == (3, 4)


class Cut:
    def forward(self, x):
        return x * 2

    def backward(self, dout):
        return 2 * dout[:, 1:1]


def test_a_gradient_without_elements_is_told_by_its_shape_and_not_called_zero():
    assert verdicts(Cut(), X) == ["✗ shape"]


class Column:
    def __init__(self):
        self.W, self.b = np.arange(6.0).reshape(3, 2) - 1.5, np.ones((2, 1))

    def forward(self, x):
        self.x = x
        self.h = self.W.T @ x + self.b
        return np.maximum(self.h, 0)

    def backward(self, dout):
        f = (self.h > 0) * 1.0
        self.db = f * dout
        self.dW = self.x @ self.db.T
        return self.W @ self.db


def test_a_line_that_cannot_be_computed_once_an_earlier_one_is_mended_is_no_trouble():
    lines = lines_of(Column(), X.T)
    assert [line.wrong for line in lines[:2]] == [False, True]
    assert lines[1].reason.key == "beside_not_summed"
