"""Gradients of a softmax and its cross entropy together: in columns, in the softmax's backward, beside labels."""

import numpy as np
import pytest

import dout
from dout.judge.outcomes import Word


def words(target, **given):
    return {verdict.argument: verdict.word for verdict in dout.check(target, **given).verdicts}


def errors(target):
    return [item.code for item in dout.check(target).findings if item.severity == "error"]


class ColumnCrossEntropy:
    """Probabilities with a column for each sample; the mean is forward's alone."""

    sign = -1

    def forward(self, A, Y):
        return -np.sum(np.log(A[Y, np.arange(Y.size)] + 1e-9)) / Y.size

    def backward(self, A, Y):
        ones = np.zeros(A.shape)
        ones[Y, np.arange(Y.size)] = 1
        return A + self.sign * ones


class PlusTarget(ColumnCrossEntropy):
    sign = 1


def test_prediction_minus_target_in_columns_is_the_gradient_of_loss_and_softmax():
    assert words(ColumnCrossEntropy)["A"] == Word.JOINED


def test_prediction_plus_target_in_columns_is_wrong():
    assert words(PlusTarget)["A"] == Word.REFUTED


class LabelsInRows:
    """The sum over the samples, whose labels say the column of each."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(np.log(y[np.arange(len(t)), t]))

    def backward(self):
        d = self.y.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        return d


class LabelsExchanged(LabelsInRows):
    def backward(self):
        d = self.y.copy()
        d[self.t, np.arange(len(self.t))] -= 1
        return d


@pytest.mark.parametrize("labels", [[1, 2, 0], [2, 1, 0]])
def test_labels_that_are_a_permutation_do_not_hide_exchanged_axes(labels):
    y = np.random.default_rng(0).dirichlet(np.ones(3), size=3)
    (right,) = dout.check(LabelsInRows(), y, np.array(labels)).verdicts
    (wrong,) = dout.check(LabelsExchanged(), y, np.array(labels)).verdicts
    assert right.word == Word.JOINED
    assert wrong.word == Word.REFUTED


class SumOverSamples:
    """One-hot targets; `share` is what backward divides by."""

    def share(self, t):
        return 1

    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log(y))

    def backward(self):
        return (self.y - self.t) / self.share(self.t)


class Averages(SumOverSamples):
    def share(self, t):
        return len(t)


class Halves(SumOverSamples):
    def share(self, t):
        return 2


class ByClasses(SumOverSamples):
    def forward(self, y, t):
        return super().forward(y, t) / t.shape[1]

    def share(self, t):
        return len(t)


@pytest.mark.parametrize("cls", [SumOverSamples, Averages])
def test_prediction_minus_target_may_be_averaged(cls):
    assert words(cls)["y"] == Word.JOINED


@pytest.mark.parametrize("cls", [Halves, ByClasses])
def test_another_constant_of_prediction_minus_target_is_wrong(cls):
    report = dout.check(cls)
    assert [item.code for item in report.findings if item.severity == "error"] == ["D101"]
    assert "times the gradient of the loss and its softmax or sigmoid together" in " ".join(str(report).split())


class Softmax:
    logarithm, axis = True, 1

    def forward(self, x):
        e = np.exp(x - x.max(axis=self.axis, keepdims=True))
        self.p = e / e.sum(axis=self.axis, keepdims=True)
        return np.log(self.p) if self.logarithm else self.p


class OfALogarithm(Softmax):
    def backward(self, dout):
        return self.p + dout


class Averaged(Softmax):
    def backward(self, dout):
        return (self.p + dout) / len(dout)


class OfColumns(Softmax):
    logarithm, axis = False, 0

    def backward(self, dout):
        return self.p - (dout < 0)


class Minus(Softmax):
    def backward(self, dout):
        return self.p - dout


class OfOtherPlaces(Softmax):
    logarithm = False

    def backward(self, dout):
        return self.p - np.roll(dout < 0, 1, axis=1)


@pytest.mark.parametrize("cls", [OfALogarithm, Averaged, OfColumns, Minus, OfOtherPlaces])
def test_a_softmax_that_is_right_for_a_cross_entropy_at_most_is_wrong(cls):
    assert words(cls) == {"x": Word.REFUTED}


class ByTheTarget(Softmax):
    """It reads at which place of each row dout is not 0."""

    logarithm = False
    sign = -1

    def backward(self, dout):
        rows, places = np.nonzero(dout)
        found = self.p.copy()
        found[rows, places] += self.sign * np.ones(len(self.p))
        return found


class ByTheTargetPlus(ByTheTarget):
    sign = 1


def test_a_backward_that_takes_the_dout_of_a_cross_entropy_alone_is_no_error():
    assert errors(ByTheTarget) == []


def test_one_that_takes_no_other_and_is_wrong_for_it_is_an_error():
    assert errors(ByTheTargetPlus)


class Squares:
    """Of images, say: both are whole numbers."""

    def __call__(self, y_true, y_pred):
        return np.sum((y_pred - y_true) ** 2) / 2

    def grad(self, y_true, y_pred):
        return y_pred - y_true


class OfTheTarget(Squares):
    def grad(self, y_true, y_pred):
        return y_true - y_pred


IMAGES = {"y_true": np.arange(12).reshape(3, 4), "y_pred": np.arange(12)[::-1].reshape(3, 4) % 5}


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize(("cls", "word"), [(Squares, Word.EXACT), (OfTheTarget, Word.REFUTED)])
def test_the_one_gradient_beside_a_target_is_the_predictions(cls, word, dtype):
    given = {name: x.astype(dtype) for name, x in IMAGES.items()}
    assert words(cls, **given) == {"y_pred": word}


class TwoTables:
    """`grads` is what goes on to the layer before, of as many rows as there are samples."""

    def __init__(self, widths=(3, 5)):
        draw = np.random.default_rng(0)
        self.tables = [draw.normal(size=shape) for shape in ((3, widths[0]), widths)]
        self.W = self.tables[1]

    def forward(self, x):
        self.x = x
        return x @ self.tables[0] @ self.W

    def backward(self, dout):
        self.grads = 2 * dout
        return dout @ self.W.T @ self.tables[0].T


def test_a_gradient_is_no_parameters_because_there_are_as_many_samples_as_it_has_rows():
    assert words(TwoTables) == {"x": Word.EXACT}


class OfTheTable(TwoTables):
    def backward(self, dout):
        self.grads = 2 * (self.x @ self.tables[0]).T @ dout
        return dout @ self.W.T @ self.tables[0].T


def test_one_of_its_shape_for_any_number_of_samples_is():
    assert words(OfTheTable)["W"] == Word.REFUTED


class LabelsInARow:
    """A column for each sample, and its label in the one row of `Y`."""

    def forward(self, A, Y):
        assert Y.shape == (1, A.shape[1]), "a label for each column"
        self.A, self.Y = A, Y
        return -np.sum(np.log(A[Y, np.arange(Y.shape[1])])) / Y.shape[1]

    def backward(self):
        ones = np.zeros(self.A.shape)
        ones[self.Y, np.arange(self.Y.shape[1])] = 1
        return (self.A - ones) / self.Y.shape[1]


def test_labels_may_be_a_row_beside_columns():
    assert words(LabelsInARow) == {"A": Word.JOINED}


class SharedOut(Softmax):
    """Linear in dout: a cross entropy gives a sum of -1 to each row, and hides that the rows are mixed."""

    logarithm = False

    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum() / len(dout))


class AveragedTwice(Softmax):
    logarithm = False

    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True)) / len(dout)


@pytest.mark.parametrize("cls", [SharedOut, AveragedTwice])
def test_one_that_is_linear_in_dout_is_wrong_too(cls):
    assert words(cls) == {"x": Word.REFUTED}
