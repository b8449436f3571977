"""Where no small edit mends a backward, one line of it is written anew: from forward, in the names that stand there."""

import numpy as np
import pytest

pytest.importorskip("flint")

from mended_layers import added
from mended_layers import class_of as cls

from dout.check import check


def the_finding(text, *inputs):
    found = [
        f for f in check(cls(text)() if inputs else cls(text), *inputs).findings if f.code in ("D101", "D103", "D501")
    ]
    return found[0]


X = np.random.default_rng(3).normal(size=(3, 4))
ATTENTION = """
class Attention:
    def forward(self, hs, h):
        N, T, H = hs.shape
        hr = h.reshape(N, 1, H).repeat(T, axis=1)
        s = (hs * hr).sum(axis=2)
        e = np.exp(s - s.max(axis=-1, keepdims=True))
        a = e / e.sum(axis=-1, keepdims=True)
        self.cache = hs, hr, a
        return a

    def backward(self, da):
        hs, hr, a = self.cache
        ds = da * a * (1 - a)
        dt = ds[:, :, np.newaxis].repeat(hs.shape[2], axis=2)
        return dt * hr, (dt * hs).sum(axis=1)
"""


@pytest.mark.long
def test_the_line_where_it_begins_to_be_wrong_is_written_anew_and_all_other_lines_stay():
    found = the_finding(ATTENTION)
    assert added(found) == ["ds = a * (da - (da * a).sum(axis=-1, keepdims=True))"]
    assert not found.fix.unsafe
    assert check(cls(found.fix.after.partition("\n")[2])).ok


MEAN = """
class MeanSquare:
    def forward(self, x):
        self.x = x
        return np.mean(x**2, axis=-1)

    def backward(self, dout):
        dx = np.exp(self.x)
        return dx * dout[:, None]
"""


def test_the_length_of_an_axis_is_written_by_its_name():
    found = the_finding(MEAN)
    (line,) = added(found)
    assert ".shape[1]" in line
    assert not any(character in "3456789" for character in line)


ELLIOT = """
class Elliot:
    STEEP = 1.5

    @staticmethod
    def activate(x):
        return x / (1.0 + np.abs(x + Elliot.STEEP))

    @staticmethod
    def gradient(x):
        below = 1.0 + np.abs(x * Elliot.STEEP)
        return 0.5 / (below * below)
"""


def test_a_local_derivative_has_no_upstream_gradient_and_a_number_of_the_class_keeps_its_name():
    found = the_finding(ELLIOT)
    lines = added(found)
    assert len(lines) > 1
    assert any("Elliot.STEEP" in line for line in lines)
    assert not any("1.5" in line or "dout" in line for line in lines)
    assert "\n" not in found.message
    assert check(cls(found.fix.after.partition("\n")[2])).ok


NAMED = """
class Tan:
    @staticmethod
    def evaluate(x):
        return np.tan(x)

    @staticmethod
    def derivative(x):
        return 1 - np.square(Tan.evaluate(x))
"""


def test_a_method_that_names_its_own_class_is_repaired():
    assert added(the_finding(NAMED)) == ["return 1 + np.square(Tan.evaluate(x))"]


BLOCK = """
class Scale:
    def __init__(self, n):
        self.gamma = np.linspace(0.5, 1.5, n)
        self.params, self.grads = [self.gamma], [np.zeros(n)]

    def forward(self, x):
        self.x = x
        return x * self.gamma

    def backward(self, dout):
        self.grads[0][...] = (dout * self.x).sum(axis=0)
        return dout * self.gamma


class Dense:
    def __init__(self, n):
        self.W = np.cos(np.arange(n * n)).reshape(n, n)
        self.params, self.grads = [self.W], [np.zeros((n, n))]

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        return dout @ self.W.T


class Block:
    def __init__(self):
        self.norm, self.dense = Scale(4), Dense(4)
        self.params = self.norm.params + self.dense.params
        self.grads = self.norm.grads + self.dense.grads

    def forward(self, x):
        return x + self.dense.forward(self.norm.forward(x))

    def backward(self, dout):
        return dout + self.dense.backward(self.norm.backward(dout))
"""


@pytest.mark.long
def test_the_order_of_two_layers_in_backward_is_repaired():
    assert added(the_finding(BLOCK)) == ["return dout + self.norm.backward(self.dense.backward(dout))"]


ABSOLUTE = """
class MeanAbsoluteError:
    def forward(self, y_pred, y_true):
        return np.mean(np.abs(y_true - y_pred), axis=-1)

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        outputs = len(dvalues[0])
        self.dinputs = np.sign(y_true - dvalues) / outputs
        self.dinputs = self.dinputs / samples
"""


def test_a_missing_sign_is_repaired_and_an_average_over_the_samples_stays():
    found = the_finding(ABSOLUTE)
    assert added(found) == ["self.dinputs = -np.sign(y_true - dvalues) / outputs"]
    assert not found.fix.unsafe
    assert check(cls(found.fix.after.partition("\n")[2])).ok


SOFTMAX = """
class Softmax:
    def __init__(self, dim=0):
        self.dim = dim

    def forward(self, x):
        e = np.exp(x - np.max(x, axis=self.dim, keepdims=True))
        self.y = e / np.sum(e, axis=self.dim, keepdims=True)
        return self.y

    def backward(self, dout):
        return (dout * self.y * (1 - self.y)).T
"""


def test_an_axis_has_the_name_that_forward_calls_it_and_a_wrong_shape_is_no_hindrance():
    lines = added(the_finding(SOFTMAX, X))
    assert "axis=self.dim" in " ".join(lines)
    assert "axis=0" not in " ".join(lines)


def test_of_the_only_axis_there_is_nobody_knows_which_of_several_it_is():
    found = the_finding(SOFTMAX, X[0])
    assert found.fix is None or "the whole backward" in found.fix.unsafe


DECORATED = """
import functools


def told(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


def counted(say):
    def decorator(function):
        def wrapper(*arguments):
            return function(*arguments)

        return wrapper

    return decorator


class Scale:
    @counted("forward")
    def forward(self, x):
        self.x = x.copy()
        x *= x
        return x

    @told
    def backward(self, dout):
        return -2 * self.x * dout
"""


def test_methods_with_decorators_are_repaired():
    fixes = {f.code: added(f) for f in check(cls(DECORATED)(), X).findings if f.severity == "error"}
    assert fixes == {"D101": ["return 2 * self.x * dout"], "D202": ["x = x * x"]}


CONVOLUTION = """
class Convolution:
    def __init__(self):
        self.W = np.cos(np.arange(6.0)).reshape(3, 2)

    def windows(self, x):
        return np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(1, 2))

    def forward(self, x):
        return np.einsum("nijab,ab->nij", self.windows(x), self.W)

    def backward(self, dout):
        padded = np.pad(dout, ((0, 0), (2, 2), (1, 1)))
        return np.einsum("nijab,ab->nij", self.windows(padded), self.W)
"""


def test_a_kernel_that_is_not_flipped_is_repaired():
    image = np.random.default_rng(4).normal(size=(2, 5, 4))
    (line,) = added(the_finding(CONVOLUTION, image))
    assert line == 'return np.einsum("nijab,ab->nij", self.windows(padded), np.flip(self.W, axis=(0, 1)))'


SHARED = """
class Activation:
    def forward(self, x):
        self.x = x
        return self.function(x)

    def backward(self, dout):
        return dout * self.slope(self.x)


class Square(Activation):
    def function(self, x):
        return x**2

    def slope(self, x):
        return 2 * x


class Wave(Activation):
    def function(self, x):
        return np.sin(x) * np.exp(np.cos(x))

    def slope(self, x):
        return np.tanh(np.cos(x))
"""


@pytest.mark.long
def test_a_line_that_other_layers_run_too_is_not_written_for_one_of_them():
    found = the_finding(SHARED, X)
    assert found.fix is None or "dout * self.slope(self.x)" in found.fix.after


ENDS = """
class SquareLoss:
    def __call__(self, y_true, y_pred):
        return 0.5 * np.power(y_true - y_pred, 2)

    def grad(self, y_true, y_pred):
        return -(y_pred - y_true)
"""


def test_a_loss_of_each_number_is_proven_where_its_upstream_gradient_is_1():
    assert added(the_finding(ENDS)) == ["return y_pred - y_true"]
