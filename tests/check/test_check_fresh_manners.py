"""Right layers in manners of other people get no error, and wrong ones beside them no tick."""

import enum
import sys
from itertools import pairwise

import numpy as np
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


def test_an_attribute_whose_name_is_made_up_is_not_missing_by_itself():
    try:
        report = dout.check(Chosen)
    except dout.TargetError:  # no word was found that it takes
        return
    assert "D001" not in {finding.code for finding in report.findings}


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


def test_what_is_no_loss_has_no_labels():
    A = np.array([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375], [0.25, 0.125, 0.625]])
    assert "error" in severities(dout.check(Propagation, np.array(A[::-1]), A))


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


def test_a_step_with_a_sum_that_nothing_clears_is_an_error():
    assert severities(dout.check(Accumulating, table(4, 3)), "D207") == ["error"]
    assert "error" not in severities(dout.check(Clearing, table(4, 3)), "D207")
    assert "error" not in severities(dout.check(EveryOther, table(4, 3)), "D207")
