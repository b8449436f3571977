"""What a layer draws, and its evaluation mode: backward uses what forward drew, and is right in each mode."""

import random
import time

import numpy as np
import pytest
from contract_findings import X, alarming, found


class Noisy:
    def forward(self, x):
        self.scale = 1 + time.perf_counter_ns() % 1_000_003 / 1e6
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale


class Unseeded(Noisy):
    def forward(self, x):
        self.scale = 1 + np.random.default_rng().uniform()
        return x * self.scale


GENERATOR = np.random.default_rng(3)


class Seeded(Noisy):
    def forward(self, x):
        self.scale = 1 + np.random.uniform() + random.random() + GENERATOR.uniform()  # noqa: NPY002
        return x * self.scale


class Own(Noisy):
    def __init__(self):
        self.rng = np.random.default_rng()

    def forward(self, x):
        self.scale = (1 + self.rng.uniform(size=np.shape(x))).astype(x.dtype)
        return x * self.scale


@pytest.mark.parametrize("layer", [Noisy, Unseeded])
def test_a_clock_or_an_unseeded_generator_is_seen(layer):
    findings = found(layer, X)
    assert (findings["D601"].severity, findings["D601"].cause) == ("warning", "random")
    assert alarming(findings) == {"D601"}


@pytest.mark.parametrize("layer", [Seeded, Own, Own()])
def test_a_generator_with_a_state_is_right(layer):
    assert not alarming(found(layer, X)) - {"D303"}


class DrawsTwice:
    def forward(self, x):
        return x * (np.random.rand(*np.shape(x)) > 0.5)  # noqa: NPY002

    def backward(self, dout):
        return dout * (np.random.rand(*np.shape(dout)) > 0.5)  # noqa: NPY002


class DrawsOnce:
    def forward(self, x):
        self.mask = np.random.rand(*np.shape(x)) > 0.5  # noqa: NPY002
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class DrawsItsOwn(Own):
    def backward(self, dout):
        return dout * (1 + self.rng.uniform())


def test_backward_uses_what_forward_drew():
    assert (found(DrawsTwice, X)["D602"].severity, found(DrawsTwice, X)["D602"].cause) == ("warning", "random")
    assert "D602" in found(DrawsItsOwn(), X)
    assert not alarming(found(DrawsOnce, X))


class Dropout:
    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*np.shape(x)) > 0.5  # noqa: NPY002
            return x * self.mask
        return x * 0.5

    def backward(self, dout):
        return dout * self.mask


class DropoutRight(Dropout):
    def forward(self, x, train_flg=True):
        self.mask = np.random.rand(*np.shape(x)) > 0.5 if train_flg else np.array(0.5, dtype=x.dtype)  # noqa: NPY002
        return x * self.mask


class ByAttribute(Dropout):
    training = True

    def __init__(self):
        self.training = True

    def forward(self, x):
        return super().forward(x, train_flg=self.training)


class Crashing(ByAttribute):
    def forward(self, x):
        out = super().forward(x)
        if not self.training:
            del self.mask
        return out


def test_the_gradient_is_right_in_evaluation_mode_too():
    finding = found(Dropout, X)["D603"]
    assert (finding.severity, finding.argument) == ("warning", "x")
    assert "with train_flg=False the gradient of x is" in finding.message
    assert "with training = False" in found(ByAttribute, X)["D603"].message
    assert "it raises AttributeError" in found(Crashing, X)["D603"].message
    assert "D603" not in found(DropoutRight, X)
    assert "D603" not in found(DropoutRight, X, True)


def test_a_flag_that_is_given_is_turned():
    assert "D603" in found(Dropout, X, True)
    assert "D603" not in found(Dropout, X, False)


class WrongInEveryMode(DropoutRight):
    def backward(self, dout):
        return -dout * self.mask


def test_what_is_wrong_in_training_is_no_matter_of_evaluation_mode():
    assert "D603" not in found(WrongInEveryMode, X)


class Adding:
    """Its gradient of W adds up, as most do until they are set to 0."""

    def __init__(self):
        self.W, self.dW, self.training = np.array([0.5, -1.0]), np.zeros(2), True

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        self.dW += (dout * self.x).sum(axis=0)
        return dout * self.W


def test_what_a_training_step_has_added_up_is_no_matter_of_evaluation_mode():
    assert "D603" not in found(Adding, X)
