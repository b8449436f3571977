"""A backward that raises where forward runs, or gives another shape, is wrong if a change of its lines makes it right.

No input is to blame then: a layer of squares alone has no such change.
"""

import sys

import numpy as np
import pytest

from dout.adapt.interface.function_pairs import function_pairs
from dout.adapt.tapes.tape_operations import tape_operations
from dout.check.verb.check_layer import check


class MeanPool:
    def __init__(self, kernel=2):
        self.kernel = kernel

    def forward(self, x):
        k = self.kernel
        self.shape = x.shape
        n, c, h, w = x.shape
        out = np.zeros((n, c, h - k + 1, w - k + 1))
        for i in range(h - k + 1):
            for j in range(w - k + 1):
                out[:, :, i, j] = x[:, :, i : i + k, j : j + k].mean(axis=(2, 3))
        return out

    def backward(self, dout):
        k = self.kernel
        _, _, height, width = dout.shape
        dx = np.zeros(self.shape)
        for i in range(height):
            for j in range(width):
                dx[:, :, i : i + k, j : j + k] += dout[:, :, i : i + 1, j : j + 1] / k**2
        return dx


class HeightForWidth(MeanPool):
    """Right on square images alone."""

    def backward(self, dout):
        k = self.kernel
        _, _, width, height = dout.shape
        dx = np.zeros(self.shape)
        for i in range(height):
            for j in range(width):
                dx[:, :, i : i + k, j : j + k] += dout[:, :, i : i + 1, j : j + 1] / k**2
        return dx


class OfSquares(MeanPool):
    """It says so, and no small change makes it one for others."""

    def backward(self, dout):
        k, size = self.kernel, self.shape[2]
        dx = np.zeros((*self.shape[:2], size, size))
        for i in range(size - k + 1):
            for j in range(size - k + 1):
                dx[:, :, i : i + k, j : j + k] += dout[:, :, i, j].reshape(*dx.shape[:2], 1, 1) / k**2
        return dx


def error_of(report):
    return next((f for f in report.findings if f.severity == "error"), None)


def test_lengths_in_the_wrong_order_are_an_error_though_squares_are_right():
    found = error_of(check(HeightForWidth, init={"kernel": 2}))
    assert found is not None
    assert "`_, _, width, height = dout.shape` should be `_, _, height, width = dout.shape`" in found.because


@pytest.mark.parametrize("cls", [MeanPool, OfSquares])
def test_a_layer_that_is_right_or_one_of_squares_has_no_error(cls):
    assert error_of(check(cls, init={"kernel": 2})) is None


class Pad:
    """One length twice: right on square images alone."""

    def __init__(self, pad=1):
        self.pad = pad

    def forward(self, x):
        p = self.pad
        self.shape = x.shape
        return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))

    def backward(self, dout):
        p = self.pad
        return dout[:, :, p : p + self.shape[2], p : p + self.shape[2]]


class PadByShape(Pad):
    def backward(self, dout):
        p = self.pad
        return dout[:, :, p : dout.shape[2] - p, p : dout.shape[3] - p]


class PadByAnother(Pad):
    def backward(self, dout):
        p = self.pad
        return dout[:, :, p : dout.shape[2] - p, p : dout.shape[2] - p]


@pytest.mark.parametrize(("cls", "right"), [(Pad, "self.shape[3]"), (PadByAnother, "dout.shape[3]")])
def test_one_length_twice_is_an_error_that_names_the_other(cls, right):
    found = error_of(check(cls))
    assert found.code == "D501"
    assert right in found.because


def test_both_lengths_are_right():
    assert error_of(check(PadByShape)) is None


class OneTooMany:
    def __init__(self, size=3):
        self.size = size

    def forward(self, x):
        self.shape, k = x.shape, self.size
        return np.array([x[i : i + k].sum(axis=0) for i in range(x.shape[0] - k + 1)])

    def backward(self, dout):
        dx, k = np.zeros(self.shape), self.size
        for i in range(len(dout)):
            dx[i : i + k + 1] += dout[i]
        return dx


def test_a_slice_that_is_one_too_long_is_mended():
    found = error_of(check(OneTooMany, np.cos(np.arange(10.0)).reshape(5, 2)))
    assert "+            dx[i : i + k] += dout[i]" in str(found.fix)


class KeepsTheArray:
    def forward(self, x):
        self.shape = x  # for x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


def test_a_shape_of_floats_is_an_error():
    assert error_of(check(KeepsTheArray)).code == "D001"


class NeedsASetting:
    """Its words name a kind of number, and no number of its line is one."""

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        raise TypeError("set an integer scale first, no 'tuple'")


def test_what_a_type_error_says_does_not_tell_whose_fault_it_is():
    (found,) = [f for f in check(NeedsASetting).findings if f.code == "D001"]
    assert found.severity == "warning"


def three_forward(x, W):
    """Two outputs; it may be meant for three axes."""
    new = x @ W
    return new, 2 * new, (x, W)


def three_backward(dnew, dtwice, cache):
    """The line that raises computes no gradient."""
    x, W = cache
    length = x.shape[2]  # noqa: F841 - it raises
    return (dnew + 2 * dtwice) @ W.T, x.T @ (dnew + 2 * dtwice)


def test_a_change_of_a_line_that_computes_no_gradient_proves_nothing():
    pair = function_pairs(vars(sys.modules[__name__]))["three_forward"]
    (found,) = [f for f in check(pair).findings if f.code == "D001"]
    assert (found.severity, found.fix is not None) == ("warning", True)


def cell_forward(x, h, W):
    """Two outputs: of which backward takes the gradient is a guess."""
    new = np.tanh(x @ W)
    return new, h + new, (x, W, new)


def cell_backward(dnew, dh, cache):
    """A transpose is missing."""
    x, W, new = cache
    da = (dnew + dh) * (1 - new**2)
    return da @ W, dh, x.T @ da


def test_a_pair_of_functions_with_several_outputs_is_wrong_if_a_change_is_proven():
    pair = function_pairs(vars(sys.modules[__name__]))["cell_forward"]
    found = error_of(check(pair))
    assert found is not None
    assert "`da @ W` should be `da @ W.T`" in found.because


def scale_forward(x, gamma, beta):
    return x * gamma + beta, (x, gamma)


def scale_backward(dout, cache):
    """The backward of scale.

    Returns a tuple of:
    - dx: with respect to x
    - dgamma: with respect to gamma
    - dbeta: with respect to beta
    """
    x, gamma = cache
    return np.sum(dout * x, axis=0), dout * gamma, np.sum(dout, axis=0)


def move_forward(x, gamma, beta):
    return x * gamma + beta, (x, gamma)


def move_backward(dout, cache):
    """Nothing says in which order they come."""
    x, gamma = cache
    return np.sum(dout * x, axis=0), dout * gamma, np.sum(dout, axis=0)


def turn_forward(x, gamma, beta):
    return x * gamma + beta, (x, gamma)


def turn_backward(dout, cache):
    """Return the gradients.

    dx is computed from gamma, dgamma from x, dbeta from dout alone. The tuple is (dgamma, dx, dbeta).
    """
    x, gamma = cache
    return np.sum(dout * x, axis=0), dout * gamma, np.sum(dout, axis=0)


def lead_forward(x, gamma, beta):
    return x * gamma + beta, (x, gamma)


def lead_backward(dout, cache):
    """Return the tuple (dx, dgamma, dbeta)."""
    x, gamma = cache
    return np.sum(dout * x, axis=0), dout * gamma, np.sum(dout, axis=0)


def test_the_order_is_that_of_the_one_list_of_the_documentation():
    pairs = function_pairs(vars(sys.modules[__name__]))
    assert error_of(check(pairs["turn_forward"])) is None
    assert error_of(check(pairs["lead_forward"])).code == "D501"


def test_gradients_in_another_order_than_the_documentation_says_are_an_error():
    pairs = function_pairs(vars(sys.modules[__name__]))
    assert error_of(check(pairs["scale_forward"])).code == "D501"
    assert error_of(check(pairs["move_forward"])) is None


class Operation:
    def compute(self, *args):
        raise NotImplementedError

    def gradient(self, dout, node):
        raise NotImplementedError


class Negate(Operation):
    def compute(self, a):
        return -a

    def gradient(self, dout, node):
        return dout


class Tensor:
    def __init__(self, data, children=()):
        self.data = np.asarray(data, dtype=float)
        self.grad = np.zeros_like(self.data)
        self.children = children
        self._backward = lambda: None

    def __mul__(self, other):
        out = Tensor(self.data * other.data, (self, other))

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data

        out._backward = _backward
        return out


def test_a_repair_of_a_backward_by_another_name_and_of_one_that_lacks_the_gradient_of_its_result():
    assert "`dout` should be `-dout`" in error_of(check(Negate)).because
    product = tape_operations(vars(sys.modules[__name__]), Tensor)["__mul__"]
    assert "`self.data` should be `self.data * out.grad`" in error_of(check(product)).because


class Gathering:
    """A node of a graph: it is built on those before it, and has nothing to add up on none."""

    def __init__(self, *parents):
        self.parents = list(parents)
        self.value = None

    def forward(self):
        self.value = 2 * self.parents[0].value

    def backward(self, result):
        return 2 * result


class Emptied(Gathering):
    """What it raises has nothing to do with what it was built on."""

    def __init__(self, *parents):
        self.parts = [*parents][:0]
        self.value = None

    def forward(self):
        self.value = 2 * self.parts[0].value


@pytest.mark.parametrize(("layer", "severity"), [(Gathering, "warning"), (Emptied, "error")])
def test_what_is_built_on_nothing_may_raise(layer, severity):
    (raised,) = [finding for finding in check(layer).findings if finding.code == "D001"]
    assert raised.severity == severity
