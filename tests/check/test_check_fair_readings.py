"""What layers of strangers are read as: arguments without a plain name, other modes, shapes and gradients."""

import numpy as np
import pytest
from fair_examples import table
from fair_readings import errors, said, shares

import dout
from dout.adapt.interface.function_pairs import pair_class

# ---------------------------------------------------------------------------------- a cache that forward does not give


def curve(Z):
    return np.where(Z > 0, Z, np.exp(Z) - 1)


def curve_backward(dA, cache):
    return dA * np.where(cache > 0, 1, np.exp(cache))


def bent(Z):
    return np.tanh(Z)


def bent_backward(dA, cache):
    return dA * (1 - cache**2)


def wave(Z):
    return np.sin(Z)


def wave_backward(dA, cache):
    return dA * np.sin(cache)


def shares_backward(dA, A_pred):
    return A_pred - dA


@pytest.mark.parametrize("pair", [(curve, curve_backward), (bent, bent_backward)], ids=["input", "output"])
def test_a_cache_that_forward_does_not_return_is_its_input_or_its_output(pair):
    assert said(dout.check(pair_class(*pair), table(3, 4))) == ["exact"]


def test_what_is_wrong_with_the_input_and_with_the_output_as_the_cache_is_wrong():
    (message,) = errors(dout.check(pair_class(wave, wave_backward), table(3, 4)))
    assert "the gradient of Z" in message


def test_a_softmax_that_is_given_the_target_is_not_judged():
    report = dout.check(pair_class(shares, shares_backward), table(3, 4))
    assert not report.verdicts
    assert any("takes the target itself" in f.message for f in report.findings)


class Dense:
    def __init__(self, n_in=3, n_out=5, activation="wave"):
        self.W, self.activation = table(n_out, n_in), activation

    def forward(self, A_prev):
        self.A_prev, self.Z = A_prev, self.W @ A_prev
        if self.activation == "wave":
            self.A = np.sin(self.Z)
        elif self.activation == "softmax":
            self.A = shares(self.Z)
        return self.A

    def backward(self, dA):
        if self.activation == "wave":
            dZ = dA * np.cos(self.Z)
        elif self.activation == "softmax":
            dZ = shares_backward(dA, self.A)
        self.dW = dZ @ self.A_prev.T
        return self.W.T @ dZ


def test_nor_is_a_layer_at_the_setting_at_which_it_is_given_the_target():
    assert errors(dout.check(Dense, table(3, 4))) == []


# ----------------------------------------------------------------------------------------------------- modes and steps


class Norm:
    def __init__(self):
        self.mean, self.var = np.zeros(4), np.ones(4)

    def forward(self, x, eval=False):
        mean, var = (self.mean, self.var) if eval else (x.mean(axis=0), x.var(axis=0))
        self.std = np.sqrt(var + 1e-8)
        self.hat = (x - mean) / self.std
        return self.hat

    def backward(self, dout):
        return (dout - dout.mean(axis=0) - self.hat * (dout * self.hat).mean(axis=0)) / self.std


def test_backward_belongs_to_training_whatever_the_flag_is_called():
    assert errors(dout.check(Norm(), table(6, 4), True)) == []


class Rounded:
    def forward(self, x):
        self.x = x
        return np.round(2 * x)

    def backward(self, dout):
        return dout * (np.abs(self.x) < 1)


class Halved(Rounded):
    def backward(self, dout):
        return dout * 0.5


def test_a_step_may_hand_dout_on_as_it_is():
    report = dout.check(Rounded, table(3, 4))
    assert report.ok
    assert said(report)[0].startswith("passed straight through a step")
    (halved,) = dout.check(Halved, table(3, 4)).findings[:1]
    assert (halved.code, halved.severity) == ("D101", "warning")


class Codes:
    """Sixteen steps for each 1; numbers that are chosen may lie on their edges."""

    def forward(self, x):
        return np.floor(x * 16) / 16

    def backward(self, dout):
        return dout


def test_the_edge_of_a_step_is_a_step():
    report = dout.check(Codes, table(3, 4))
    assert report.ok
    assert said(report)[0].startswith("passed straight through a step")


# -------------------------------------------------------------------------------------------------- shapes and lengths


class Scores:
    def forward(self, hs, h):
        N, T, H = hs.shape
        self.hs, self.h = hs.reshape(N, T, H), h.reshape(N, 1, H)
        return np.sum(self.hs * self.h, axis=2)

    def backward(self, dout):
        return dout[:, :, None] * self.h, np.sum(dout[:, :, None] * self.hs, axis=1)


def test_an_input_that_forward_reshapes_has_the_shape_of_its_gradient():
    assert errors(dout.check(Scores)) == []


class Steps:
    """Starts from `h_0`, which it makes itself, and gives the gradient of that."""

    def __init__(self):
        self.U = table(3, 2)

    def forward(self, x, h_0=None):
        self.start = np.zeros((1, len(x), 2)) if h_0 is None else h_0
        self.x = x
        return self.start[0] + x @ self.U

    def backward(self, dout):
        self.dU = self.x.T @ dout
        return 1.0 * dout[None]


def test_a_gradient_may_be_that_of_an_argument_that_is_left_out():
    assert errors(dout.check(Steps(), table(5, 3))) == []


class Turned:
    def __init__(self, inputs_num=4, units_num=5):
        self.w = table(inputs_num, units_num)

    def forward(self, X):
        self.x = X
        return X @ self.w

    def backward(self, error):
        self.grad_w = np.sum(self.x.transpose(0, 2, 1) @ error, axis=0)
        return error @ self.w.T


def test_a_backward_that_turns_three_axes_is_meant_for_three():
    report = dout.check(Turned)
    assert report.ok
    assert len(report.verdicts) == 2


class Loss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y, self.t = e / e.sum(axis=-1, keepdims=True), t
        return -np.sum(np.log(self.y[np.arange(len(t)), t])) / len(t)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


def test_labels_in_a_column_are_those_of_one_row_alone():
    assert errors(dout.check(Loss(), table(1, 4), np.array([[2]]))) == []
