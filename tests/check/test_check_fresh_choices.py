"""What is chosen for layers of other people: right ones get no error by it, and wrong ones beside them no tick."""

import enum
import sys

import numpy as np
import pytest
from fair_examples import severities, table

import dout
from dout.adapt.interface.function_pairs import function_pairs


def words(report):
    return {verdict.argument: verdict.word for verdict in report.verdicts}


def pair(name):
    return function_pairs(vars(sys.modules[__name__]))[name]


# --- labels, ranks, words ---------------------------------------------------------------------------------------------


class OfColumns:
    """Samples are columns, labels whole numbers."""

    def forward(self, scores, y):
        e = np.exp(scores - scores.max(axis=0))
        self.p, self.y = e / e.sum(axis=0), y
        return -np.log(self.p[y, np.arange(y.size)]).sum()

    def backward(self, dout=1.0):
        d = self.p.copy()
        d[self.y, np.arange(self.y.size)] -= 1
        return dout * d


class WrongOfColumns(OfColumns):
    def backward(self, dout=1.0):
        return super().backward(dout) * (self.p > 0.2)


def test_labels_that_pick_a_row_of_each_column_are_as_many_as_there_are_columns():
    assert words(dout.check(OfColumns)) == {"scores": "exact"}
    assert "error" in severities(dout.check(WrongOfColumns))


class LargestOfAll:
    """For images: the largest number of each channel."""

    def forward(self, x):
        self.x = x
        return x.max(axis=(-2, -1))

    def backward(self, dout):
        rows = self.x.reshape(*self.x.shape[:2], -1)
        dx = np.zeros_like(rows)
        np.put_along_axis(dx, rows.argmax(-1)[..., None], dout[..., None], axis=-1)
        return dx.reshape(self.x.shape)


class SmallestOfAll(LargestOfAll):
    def forward(self, x):
        self.x = x
        return x.min(axis=(-2, -1))


def test_what_is_right_for_images_is_no_error_on_one_table():
    assert "error" not in severities(dout.check(LargestOfAll, table(3, 4)))
    assert "error" in severities(dout.check(SmallestOfAll, table(3, 4)))


def window(x, settings, kind="largest"):
    """Non-overlapping windows along a line."""
    k = settings["k"]
    parts = x.reshape(len(x), -1, k)
    return (parts.max(-1) if kind == "largest" else parts.mean(-1)), (x, settings)


def window_backward(dout, cache, kind="largest"):
    x, settings = cache
    k = settings["k"]
    parts = x.reshape(len(x), -1, k)
    if kind == "largest":
        d = (parts == parts.max(-1, keepdims=True)) * dout[..., None]
    elif kind == "mean":
        d = np.ones_like(parts) * dout[..., None] / (k + 1)
    return d.reshape(x.shape)


def test_another_word_of_forward_and_backward_is_tried():
    report = dout.check(pair("window"), table(3, 4), {"k": 2})
    assert words(report) == {"x": "refuted"}
    assert "with kind = 'mean'" in str(report)


class Kind(enum.Enum):
    SUM = 1
    MEAN = 2


class Total:
    def __init__(self, kind=Kind.SUM):
        self.kind = kind

    def forward(self, x):
        self.shape = x.shape
        return x.sum(1) if self.kind is Kind.SUM else x.mean(1)

    def backward(self, dout):
        return np.repeat(dout[:, None], self.shape[1], axis=1)


def test_another_member_of_an_enumeration_is_tried():
    assert "error" in severities(dout.check(Total, table(3, 4)))


class Huber:
    def __init__(self, delta=1.0):
        self.delta = delta

    def forward(self, x, target):
        self.r = x - target
        small = np.abs(self.r) <= self.delta
        return np.where(small, self.r**2 / 2, self.delta * (np.abs(self.r) - self.delta / 2)).sum()

    def backward(self, dout=1.0):
        return dout * np.where(np.abs(self.r) <= self.delta, self.r, self.delta * np.sign(self.r))


class UnitHuber(Huber):
    def backward(self, dout=1.0):
        return dout * np.where(np.abs(self.r) <= self.delta, self.r, np.sign(self.r))


def test_a_limit_of_one_is_tried_where_numbers_pass_it():
    x, target = table(3, 4) / 16, table(3, 4)[::-1] / 16
    assert "error" not in severities(dout.check(Huber, x, target))
    assert "error" in severities(dout.check(UnitHuber, x, target))


class Margins:
    def value(self, scores, labels):
        return np.maximum(0, 1 - labels * scores).sum()

    def deriv(self, scores, labels):
        return np.where(labels * scores < 1, labels, 0)  # wrong: the sign


def test_a_loss_of_margins_with_the_wrong_sign_is_wrong_in_a_column_too():
    assert "error" in severities(dout.check(Margins))


class Propagation:
    """Two tables, of which the second is none of labels although its rows add up to 1."""

    def __init__(self, n=3, m=2):
        self.W = np.linspace(-1, 1, n * m).reshape(n, m)

    def forward(self, X, A):
        self.S = A + np.eye(len(A))
        self.H = self.S @ X
        return self.H @ self.W

    def backward(self, dout):
        self.dW = self.H.T @ dout
        return dout @ self.W.T  # wrong: S is left out


@pytest.mark.long
def test_what_is_no_loss_has_no_labels():
    A = np.array([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375], [0.25, 0.125, 0.625]])
    assert "error" in severities(dout.check(Propagation, np.array(A[::-1]), A))


# --- examples, repairs ------------------------------------------------------------------------------------------------


def filtered(images, W, b):
    """Images and filters with the channels last; one bias a filter, behind three axes of 1."""
    n, rows, columns, _ = images.shape
    f, f, _, number = W.shape
    out = np.zeros((n, rows - f + 1, columns - f + 1, number))
    for i, j, c in np.ndindex(out.shape[1:]):
        out[:, i, j, c] = (images[:, i : i + f, j : j + f] * W[..., c]).sum((1, 2, 3)) + b[0, 0, 0, c]
    return out, (images, W, b)


def filtered_backward(dout, cache):
    images, W, _ = cache
    f, dimages, dW, db = W.shape[0], np.zeros_like(images), np.zeros_like(W), np.zeros((1, 1, 1, W.shape[3]))
    for i, j, c in np.ndindex(dout.shape[1:]):
        d = dout[:, i, j, c][:, None, None, None]
        dimages[:, i : i + f, j : j + f] += W[..., c] * d
        dW[..., c] += (images[:, i : i + f, j : j + f] * d).sum(0)
        db[..., c] += d.sum()
    return dimages, dW, db


def test_a_bias_has_the_axes_that_are_read_of_it():
    report = dout.check(pair("filtered"))
    assert not {f.code for f in report.findings if f.severity == "error"}
    assert words(report) == {"images": "exact", "W": "exact", "b": "exact"}


class ColumnsAdded:
    """Wrong: takes the first columns instead of those behind the padding."""

    def __init__(self, pad=2):
        self.pad = pad

    def forward(self, x):
        self.wide = np.pad(x, ((0, 0), (self.pad, self.pad)))
        self.places = np.arange(x.shape[1])[:, None] + np.arange(3)
        return self.wide[:, self.places].sum(-1)

    def backward(self, dout):
        wide = np.zeros_like(self.wide)
        parts = np.repeat(dout[:, :, None], 3, axis=2)
        np.add.at(wide, (slice(None), self.places), parts)
        return wide[:, : wide.shape[1] - 2 * self.pad]


def test_trying_repairs_beside_add_at_ends():
    """With more axes than the place has, np.add.at crashes NumPy."""
    assert "error" in severities(dout.check(ColumnsAdded, table(6, 5)))


class Elu:
    def __init__(self, alpha=1.5):
        self.alpha = alpha

    def activate(self, z):
        return np.where(z > 0, z, self.alpha * (np.exp(np.minimum(z, 0)) - 1))

    def prime(self, z):
        return np.where(z > 0, z, self.alpha * np.exp(np.minimum(z, 0)))


@pytest.mark.long
def test_a_repair_names_nothing_of_ours():
    report = dout.check(Elu)
    assert "error" in severities(report)
    assert "_dout" not in str(report)


class TwoRows:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return 4 * dout * self.x / len(dout)


def test_what_is_right_for_two_rows_alone_is_an_error():
    assert "error" in severities(dout.check(TwoRows, table(2, 3)), "D506")


class Noisy:
    def __init__(self, n=3, m=2):
        self.draws = np.random.default_rng(1)
        self.W = np.linspace(-1, 1, n * m).reshape(n, m)

    def forward(self, x):
        self.e = self.draws.normal(size=(2, *x.shape))
        self.x = x
        return (np.tanh(self.e + x) @ self.W).mean(0)

    def backward(self, dout):
        t = np.tanh(self.e + self.x)
        de = (1 - t * t) * (dout @ self.W.T) / 2
        self.dW = np.einsum("snd,nm->dm", t, dout) / 2
        return de.sum(0)


def test_nobody_asks_for_the_gradient_of_a_draw():
    assert "D108" not in {finding.code for finding in dout.check(Noisy, table(4, 3)).findings}


class Accumulating:
    """Makes its own step, with all gradients that there ever were."""

    def __init__(self, n=3, m=2):
        self.W = np.linspace(-1, 1, n * m).reshape(n, m)
        self.dW = np.zeros_like(self.W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, lr):
        self.dW += self.x.T @ dout
        dx = dout @ self.W.T
        self.W -= lr * self.dW
        return dx


class Clearing(Accumulating):
    def backward(self, dout, lr):
        dx = super().backward(dout, lr)
        self.clear()
        return dx

    def clear(self):
        self.dW = np.zeros_like(self.W)


class EveryOther(Accumulating):
    """Steps after two calls."""

    calls = 0

    def backward(self, dout, lr):
        if self.calls % 2:
            self.dW += self.x.T @ dout
            self.W -= lr * self.dW
        else:
            self.dW = self.x.T @ dout
        self.calls += 1
        return dout @ self.W.T


@pytest.mark.long
def test_a_step_with_a_sum_that_nothing_clears_is_an_error():
    assert severities(dout.check(Accumulating, table(4, 3)), "D207") == ["error"]
    assert "error" not in severities(dout.check(Clearing, table(4, 3)), "D207")
    assert "error" not in severities(dout.check(EveryOther, table(4, 3)), "D207")
