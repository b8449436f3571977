import numpy as np
import pytest
from contract_findings import X, Y, alarming, found

import dout

WIDE = np.array([[1.0, -0.5, 2.0], [-2.0, 3.0, 0.25], [0.5, 1.5, -1.0], [2.5, -0.25, 0.75]])


class Mul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


def summed(gradient, shape):
    new = np.ndim(gradient) - len(shape)
    axes = tuple(a for a in range(np.ndim(gradient)) if a < new or shape[a - new] == 1)
    return np.sum(gradient, axis=axes).reshape(shape) if shape else np.sum(gradient)


class MulSummed(Mul):
    def backward(self, dout):
        return summed(dout * self.y, np.shape(self.x)), summed(dout * self.x, np.shape(self.y))


class SameOnly(Mul):
    def forward(self, x, y):
        assert x.shape == y.shape
        return super().forward(x, y)


def test_gradients_of_broadcast_operands_are_summed():
    finding = found(Mul, WIDE, WIDE * 2)["D503"]
    assert (finding.severity, finding.cause) == ("warning", "broadcast")
    assert (finding.argument, finding.expected, finding.got) == ("y", (3,), (4, 3))
    assert "D503" not in found(MulSummed, WIDE, WIDE * 2)
    assert "D503" not in found(SameOnly, WIDE, WIDE * 2)


class Shift:
    def __init__(self, b):
        self.b = b

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = dout * 1
        return dout * 1


class SummedShift(Shift):
    def backward(self, dout):
        self.db = summed(dout, self.b.shape)
        return dout * 1


class FirstOnly(Shift):
    def backward(self, dout):
        self.db = dout.reshape(-1, 3)[0]
        return dout * 1


class OneSampleOnly(Shift):
    def forward(self, x):
        assert x.ndim == 1
        return x + self.b


def test_a_parameter_that_is_right_for_one_sample_is_judged_on_two():
    one, b = np.array([1.0, -2.0, 3.0]), np.array([0.5, 0.25, -1.0])

    def about(cls):
        return {finding.code: finding for finding in dout.check(cls(b), one).findings}

    finding = about(Shift)["D503"]
    assert (finding.severity, finding.argument, finding.expected, finding.got) == ("warning", "b", (3,), (2, 3))
    assert "not the sum over both samples" in about(FirstOnly)["D503"].message
    assert "D503" not in about(SummedShift)
    assert "D503" not in about(OneSampleOnly)


class Dense:
    def __init__(self):
        self.W, self.b = WIDE[:3] * 0.5, np.array([0.5, 0.25, -1.0])

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW, self.db = np.dot(self.x.T, dout), dout.sum(axis=0)
        return np.dot(dout, self.W.T)


def test_rows_of_a_table_are_the_samples_already():
    assert "D503" not in found(Dense, WIDE)


class Abs:
    def forward(self, x):
        self.negative = x < 0
        return np.where(self.negative, -x, x)

    def backward(self, dout):
        return np.where(self.negative, -dout, dout)


class AbsByIndex(Abs):
    def forward(self, x):
        self.negative = x < 0
        out = x.copy()
        out[self.negative] *= -1
        return out


class AbsRefusing(AbsByIndex):
    def forward(self, x):
        if not isinstance(x, np.ndarray):
            raise TypeError("an array, please")
        return super().forward(x)


def test_plain_numbers_are_taken_where_arrays_are():
    finding = found(AbsByIndex, X)["D504"]
    assert (finding.severity, finding.cause) == ("warning", "scalar")
    assert "AttributeError" in finding.message
    assert set(found(Abs, X)) == {"D208"}
    assert "D504" not in found(AbsRefusing, X)


class AbsByRow(Abs):
    def forward(self, x):
        self.negative = np.asarray(x) < 0
        if np.ndim(x) == 0 and isinstance(x, np.ndarray):
            x = x[0:1]
        return np.where(self.negative, -x, x)


def test_arrays_without_axes_are_taken_too():
    finding = found(AbsByRow, X)["D505"]
    assert "IndexError" in finding.message
    assert "D505" not in found(Abs, X)


class Affine:
    """A layer with a matrix of its own has a shape: no number is expected to fit."""

    def __init__(self):
        self.W = np.array([[1.0, 2.0], [0.5, -1.0], [0.25, 0.5]])

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class AffineSqueezed(Affine):
    def forward(self, x):
        self.x = x.squeeze()
        return self.x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return (dout @ self.W.T).squeeze()


class AffineLooped(Affine):
    def backward(self, dout):
        for row in dout:
            dx = row @ self.W.T
        return dout @ self.W.T + 0 * dx


def test_one_row_is_a_batch():
    finding = found(AffineSqueezed, WIDE)["D506"]
    assert (finding.severity, finding.cause) == ("warning", "batch")
    assert "with one row" in finding.message
    assert set(found(Affine, WIDE)) == {"D208"}


def test_an_empty_batch_is_a_batch():
    assert "with an empty batch it raises UnboundLocalError" in found(AffineLooped, WIDE)["D506"].message


class RowMax:
    """NumPy itself has no maximum of nothing."""

    def forward(self, x):
        self.x, self.top = x, np.max(x)
        return x / self.top

    def backward(self, dout):
        dx = dout / self.top
        dx[np.unravel_index(self.x.argmax(), self.x.shape)] -= np.sum(dout * self.x) / self.top**2
        return dx


class Pairs:
    """Axis 0 is no batch here."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x) // 2, 2, -1).sum(axis=1)

    def backward(self, dout):
        return np.repeat(dout, 2, axis=0)


class Loss:
    """Inputs and labels belong together."""

    def forward(self, x, t):
        self.p = np.exp(x - x.max(axis=1, keepdims=True))
        self.p /= self.p.sum(axis=1, keepdims=True)
        self.t = t
        return -np.log(self.p[np.arange(len(t)), t]).mean()

    def backward(self, dout=1):
        dx = self.p.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx * (dout / len(dx))


@pytest.mark.parametrize("layer", [RowMax, Pairs])
def test_rows_that_depend_on_each_other_are_not_compared(layer):
    assert "D506" not in found(layer, np.abs(WIDE))


def test_labels_are_cut_with_their_rows():
    assert not {"D506", "D507"} & set(found(Loss, WIDE, np.array([0, 2, 1, 0])))


class LossOfThree(Loss):
    def forward(self, x, t):
        super().forward(x, t)
        return -np.log(self.p[np.arange(4), t]).mean()


class LossByFour(Loss):
    def backward(self, dout=1):
        return super().backward(dout) * len(self.t) / 4


class FirstFour(Affine):
    def forward(self, x):
        self.x = x[:4]
        return self.x @ self.W


class Quaternion:
    """Its first axis has four elements, whatever comes after."""

    def forward(self, q):
        w, x, y, z = q
        return np.stack([w, -x, -y, -z])

    def backward(self, dout):
        w, x, y, z = dout
        return np.stack([w, -x, -y, -z])


@pytest.mark.parametrize("layer", [LossOfThree, LossByFour])
def test_a_number_of_rows_is_not_written_into_the_code(layer):
    finding = found(layer, WIDE, np.array([0, 2, 1, 0]))["D506"]
    assert (finding.severity, finding.cause) == ("warning", "batch")


def test_all_rows_are_used():
    assert "works on 4 rows, of 5 it makes an output of shape (4, 2)" in found(FirstFour, WIDE)["D506"].message
    assert not alarming(found(Quaternion, WIDE))


class SwappedAxes:
    """Its backward takes the rows for columns: it runs where there are as many."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.reshape(-1, len(self.x)).T @ dout
        return dout @ self.W.T


class NoOtherRows(LossByFour):
    """Forward itself takes four rows alone."""

    def forward(self, x, t):
        return super().forward(x + np.zeros((4, 1)), t)


def test_a_backward_that_raises_on_other_rows_is_wrong_where_forward_takes_them():
    square = np.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-0.2, 0.9, 1.1]])
    finding = found(SwappedAxes(np.array([[0.3, -1.2], [0.8, 0.4], [-0.6, 1.7]])), square)["D506"]
    assert finding.severity == "error"
    assert "with 4 backward raises ValueError" in finding.message
    assert "and forward runs" in finding.message


class Cell:
    """Its samples are columns, and its weights were made for what comes and for its own state, one below the other."""

    def __init__(self):
        self.W = np.linspace(-1.0, 1.0, 35).reshape(5, 7)

    def forward(self, x, h):
        self.joined, self.split = np.vstack([h, x]), len(h)
        return self.W.dot(self.joined)

    def backward(self, dout):
        self.dW = dout @ self.joined.T
        back = self.W.T @ dout
        return back[self.split :], back[: self.split]


def test_what_weights_were_made_for_is_no_number_of_rows():
    assert "D506" not in found(Cell, np.ones((4, 3)) * 0.5, np.linspace(-1.0, 1.0, 9).reshape(3, 3))


def test_what_forward_does_not_take_either_is_no_error():
    assert found(NoOtherRows, WIDE, np.array([0, 2, 1, 0]))["D506"].severity == "warning"


class Flat:
    def forward(self, x):
        self.shape = x.shape
        return x.ravel(order="K") * 2

    def backward(self, dout):
        return dout.reshape(self.shape) * 2


class FlatRight(Flat):
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(-1) * 2


class Viewing(Abs):
    def backward(self, dout):
        view = dout.view()
        view.shape = (dout.size,)
        return np.where(self.negative.ravel(), -view, view).reshape(dout.shape)


def test_the_memory_order_does_not_matter():
    finding = found(Flat, WIDE)["D507"]
    assert (finding.severity, finding.cause) == ("warning", "layout")
    assert "with x in Fortran order the output is another" in finding.message
    assert "with dout in Fortran order it raises AttributeError" in found(Viewing, WIDE)["D507"].message
    assert "D507" not in found(FlatRight, WIDE)


class InPlace(Abs):
    def backward(self, dout):
        dout[self.negative] *= -1
        return dout


def test_a_write_into_dout_is_not_reported_as_one_of_layout():
    assert "D507" not in found(InPlace, X)
    assert "D507" not in found(Abs, X)


def test_two_inputs_of_one_shape_need_not_be_rows():
    class MatMul:
        def forward(self, x, y):
            self.x, self.y = x, y
            return x @ y

        def backward(self, dout):
            return dout @ self.y.T, self.x.T @ dout

    assert not alarming(found(MatMul, X, Y))
