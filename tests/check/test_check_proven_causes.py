"""Causes that a second example tells apart, and parameters wherever they and their gradients are kept."""

import numpy as np
import pytest
from report_findings import words

from dout.check.verb.check_layer import check


def causes(report):
    """What each error says that a line should be, without the line's indentation."""
    return {f.argument: [x[1:].strip() for x in str(f.fix).splitlines() if x[:1] == "+" and x[:3] != "+++"]
            for f in report.findings if f.code == "D101"}  # fmt: skip


class MaximumOfTwo:
    def forward(self, x):
        self.shape = x.shape
        self.place = x.argmax(axis=1)
        return x.max(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape)
        n, _, d = self.shape
        rows, columns = np.ogrid[:n, :d]
        dx[rows, self.place - 1, columns] = dout
        return dx


def test_an_index_that_is_its_own_negative_on_an_axis_of_two_is_no_repair():
    x = np.random.default_rng(0).normal(size=(3, 2, 4))
    assert causes(check(MaximumOfTwo(), x)) == {"x": ["dx[rows, self.place, columns] = dout"]}


class ClippedLogarithm:
    def forward(self, x):
        self.x = np.clip(x, 1e-15, 1.0)
        return -np.sum(np.log(self.x))

    def backward(self, dout=1.0):
        return dout / self.x


def test_a_repair_need_not_hold_beyond_the_limits_of_the_given_example():
    x = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    (lines,) = causes(check(ClippedLogarithm(), x)).values()
    assert lines == ["return -dout / self.x"]


class Windows:
    def __init__(self, W, stride=2):
        self.W, self.stride = W, stride

    def forward(self, x):
        self.x, k = x, len(self.W)
        n = (x.shape[1] - k) // self.stride + 1
        return np.stack([x[:, i * self.stride : i * self.stride + k] @ self.W for i in range(n)], axis=1)

    def backward(self, dout):
        dx, k = np.zeros_like(self.x), len(self.W)
        self.dW = np.zeros_like(self.W)
        for i in range(dout.shape[1]):
            s = i * self.stride
            self.dW += self.x[:, s : s + k].T @ dout[:, i]
            dx[:, i : i + k] += dout[:, i, None] * self.W
        return dx


def test_the_slice_of_what_is_written_into_is_repaired():
    generator = np.random.default_rng(1)
    report = check(Windows(generator.normal(size=3)), generator.normal(size=(2, 9)))
    assert causes(report) == {"x": ["dx[:, s : s + k] += dout[:, i, None] * self.W"]}


class Weight:
    def __init__(self, theta):
        self.theta = theta
        self.g = np.zeros_like(theta)


class HeldApart:
    """A parameter that is an object of two arrays, whose names are in no table; `cut` ends the recording."""

    def __init__(self, W, factor=1.0, *, cut=False):
        self.p, self.factor, self.cut = Weight(W), factor, cut

    def forward(self, x):
        self.x = np.frombuffer(np.ascontiguousarray(x).tobytes()).reshape(x.shape) if self.cut else x
        out = self.x @ self.p.theta
        return np.frombuffer(out.tobytes()).reshape(out.shape) if self.cut else out

    def backward(self, dout):
        self.p.g = self.factor * self.x.T @ dout
        return dout @ self.p.theta.T


@pytest.mark.parametrize(("cut", "right"), [(False, "exact"), (True, "agrees within rounding")])
def test_a_parameter_that_is_an_object_has_a_verdict_on_both_routes(cut, right):
    generator = np.random.default_rng(2)
    W, x = generator.normal(size=(3, 2)), generator.normal(size=(4, 3))
    assert words(check(HeldApart(W, cut=cut), x)) == {"x": right, "p": right}
    report = check(HeldApart(W, 2.0, cut=cut), x)
    assert words(report)["p"] == "refuted"


def test_a_repair_is_found_by_differences_where_a_layer_cannot_be_recorded():
    generator = np.random.default_rng(3)
    layer = HeldApart(generator.normal(size=(3, 2)), -1.0, cut=True)
    (finding,) = [f for f in check(layer, generator.normal(size=(4, 3))).findings if f.code == "D101"]
    assert (finding.argument, finding.cause) == ("p", "sign")
    assert finding.because.endswith("should be `-(self.factor * self.x.T @ dout)`")
    assert finding.fix.unsafe == "it was compared with differences alone"


def made_affine(W, b):
    x = dW = db = None

    def forward(given):
        nonlocal x
        x = given
        return x @ W + b

    def backward(dout):
        nonlocal dW, db
        dW = 2 * x.T @ dout
        db = dout.sum(axis=0)
        return dout @ W.T

    return forward, backward


def test_gradients_that_a_closure_replaces_are_judged_and_its_lines_repaired():
    generator = np.random.default_rng(4)
    pair = made_affine(generator.normal(size=(3, 2)), generator.normal(size=2))
    report = check(pair, generator.normal(size=(4, 3)))
    assert words(report) == {"given": "exact", "W": "refuted", "b": "exact"}
    assert causes(report) == {"W": ["dW = x.T @ dout"]}


class Convolution:
    def __init__(self, W, b, stride=1):
        self.W, self.b, self.stride = W, b, stride

    def forward(self, x):
        F, _, kh, kw = self.W.shape
        (n, _, h, w), s = x.shape, self.stride
        self.x = x
        out = np.zeros((n, F, (h - kh) // s + 1, (w - kw) // s + 1))
        for f in range(F):
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    window = x[:, :, i * s : i * s + kh, j * s : j * s + kw]
                    out[:, f, i, j] = np.sum(window * self.W[f], axis=(1, 2, 3)) + self.b[f]
        return out

    def backward(self, dout):
        _, _, kh, kw = self.W.shape
        s, dx = self.stride, np.zeros_like(self.x)
        self.dW, self.db = np.zeros_like(self.W), dout.sum(axis=(0, 2, 3))
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                rows, columns = slice(i * s, i * s + kh), slice(j * s, j * s + kw)
                self.dW += np.tensordot(dout[:, :, i, j], self.x[:, :, rows, columns], axes=([0], [0]))
                dx[:, :, rows, columns] += np.tensordot(dout[:, :, i, j], self.W, axes=1)
        return dx


def test_a_bias_of_which_forward_reads_the_first_elements_alone_was_chosen_too_long():
    assert words(check(Convolution)) == {"x": "exact", "W": "exact", "b": "exact"}


class Steps:
    """Its step divides by the root of a sum of squares: no gradient follows from it."""

    def __init__(self, W):
        self.W, self.squares = W, np.zeros_like(W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        dW, dx = self.x.T @ dout, dout @ self.W.T
        self.squares += dW**2
        self.W -= 0.1 * dW / (np.sqrt(self.squares) + 1e-8)
        return dx


def test_a_parameter_without_a_gradient_is_a_warning_where_backward_leaves_an_array_of_its_shape():
    generator = np.random.default_rng(5)
    report = check(Steps(generator.normal(size=(3, 2))), generator.normal(size=(4, 3)))
    (finding,) = [f for f in report.findings if f.code == "D105"]
    assert (finding.severity, finding.argument) == ("warning", "W")
    assert "squares" in finding.message


class Scaled:
    """A table that stays as it is; what backward keeps is given by KEPT."""

    def __init__(self, kept):
        self.table, self.kept = np.arange(1.0, 13.0).reshape(4, 3), kept

    def forward(self, x):
        return x * self.table

    def backward(self, dout):
        dx = dout * self.table
        if self.kept == "dout":
            self.arrived = dout
        elif self.kept == "dx":
            self.passed = dx
        return dx


class ScaledAndShifted:
    def __init__(self):
        self.gamma, self.beta = np.array([1.0, 2.0, 3.0]), np.zeros(3)

    def forward(self, x):
        self.x = x
        return x * self.gamma + self.beta

    def backward(self, dout):
        self.dgamma = np.sum(dout * self.x, axis=0)
        return dout * self.gamma


class Held:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, lr):
        dx = dout @ self.W.T
        self.W -= lr * (self.x.T @ dout)
        return dx


class StepsOfParts:
    """Parts of one shape, or one table for both: each part makes its own step."""

    def __init__(self, tied):
        W = np.random.default_rng(0).normal(size=(3, 3))
        self.lr, self.one, self.two = 0.1, Held(W), Held(W if tied else W + 1)

    def forward(self, x):
        return self.two.forward(self.one.forward(x))

    def backward(self, dout):
        return self.one.backward(self.two.backward(dout, self.lr), self.lr)


@pytest.mark.parametrize(
    ("layer", "severity"),
    [(Scaled("dout"), "note"), (Scaled("dx"), "note"), (ScaledAndShifted(), "warning")],
    ids=["dout", "dx", "dgamma"],
)
def test_what_arrives_and_what_is_judged_are_no_gradients_by_a_name_that_nothing_tells(layer, severity):
    report = check(layer, np.random.default_rng(5).normal(size=(4, 3)))
    (finding,) = [f for f in report.findings if f.code == "D105"]
    assert (finding.severity, "not judged" in finding.message) == (severity, False)


@pytest.mark.parametrize("tied", [True, False])
def test_a_parameter_that_a_part_changes_is_no_gradient_of_one_without(tied):
    report = check(StepsOfParts(tied), np.random.default_rng(5).normal(size=(4, 3)))
    assert not [f for f in report.findings if f.code == "D105" and "not judged" in f.message]


class Halves:
    def forward(self, x):
        first, second = np.split(x, 2, axis=-1)
        return first, second

    def backward(self, d_first, d_second):
        return np.concatenate([d_second, d_first], axis=-1)


def test_what_is_joined_in_the_wrong_order_is_repaired_in_its_list():
    report = check(Halves(), np.arange(12.0).reshape(3, 4))
    assert causes(report) == {"x": ["return np.concatenate([d_first, d_second], axis=-1)"]}


class LeakyRelu:
    def __init__(self, slope=0.0):
        self.slope = slope

    def forward(self, x):
        self.mask = x < 0
        out = x.copy()
        out[self.mask] *= self.slope
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


def test_a_repair_of_forward_makes_no_condition_one_that_never_holds():
    """With `x**2 < 0` forward would be the identity, and backward right."""
    assert causes(check(LeakyRelu)) == {"x": ["dx[self.mask] *= self.slope"]}
