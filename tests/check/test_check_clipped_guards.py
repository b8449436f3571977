"""A clip that guards an exponential cuts off next to nothing of a gradient: that is no mistake of backward."""

import numpy as np
import pytest

import dout


class GuardedSoftmax:
    def forward(self, x):
        shifted = x - np.max(x, axis=-1, keepdims=True)
        e = np.exp(np.clip(shifted, -20, 20))
        self.s = e / np.sum(e, axis=-1, keepdims=True)
        return self.s

    def backward(self, dout):
        return self.s * (dout - np.sum(dout * self.s, axis=-1, keepdims=True))


class CutsOffMuch(GuardedSoftmax):
    """At the other end of the clip a gradient is not small: backward has to know of it."""

    def forward(self, x):
        shifted = x - np.max(x, axis=-1, keepdims=True)
        e = np.exp(np.clip(shifted, -2, 20))
        self.s = e / np.sum(e, axis=-1, keepdims=True)
        return self.s


def test_a_guard_that_cuts_off_next_to_nothing_is_no_mistake():
    report = dout.check(GuardedSoftmax)
    assert report.ok
    assert [str(verdict.word) for verdict in report.verdicts] == ["exact up to a stabiliser"]


def test_a_clip_that_cuts_off_much_of_a_gradient_is_one():
    assert not dout.check(CutsOffMuch).ok


class CrossEntropy:
    lowest = 1e-7

    def forward(self, p, t):
        p = np.clip(p, self.lowest, 1 - self.lowest)
        self.p, self.t = p, t
        return -np.sum(t * np.log(p) + (1 - t) * np.log(1 - p)) / len(t)

    def backward(self):
        return ((1 - self.t) / (1 - self.p) - self.t / self.p) / len(self.t)


class WithoutOneTerm(CrossEntropy):
    def backward(self):
        return -self.t / self.p / len(self.t)


class CutsProbabilities(CrossEntropy):
    lowest = 0.25


P, T = np.array([0.3, 1.0, 0.6, 0.0]), np.array([1, 1, 0, 0])


def test_a_probability_of_1_is_no_place_to_judge_a_loss_that_keeps_away_from_it():
    assert dout.check(CrossEntropy(), P, T).ok
    assert not dout.check(WithoutOneTerm(), P, T).ok
    assert not dout.check(CutsProbabilities(), P, T).ok  # that limit is no guard


class Floor:
    """Nothing divides by what it gives: the limit is its function, however small."""

    def forward(self, x):
        self.x = x
        return np.maximum(x, 1e-8)

    def backward(self, dout):
        return dout * (self.x > 1e-8)


class FloorWithoutMask(Floor):
    def backward(self, dout):
        return dout


class ClippedWithoutMask(Floor):
    def forward(self, x):
        return 2 * np.clip(x, 1e-7, None)

    def backward(self, dout):
        return 2 * dout


class SquareWithoutMask(Floor):
    def forward(self, x):
        self.x = x
        return np.maximum(x, 1e-6) ** 2

    def backward(self, dout):
        return 2 * self.x * dout


class RootOfFloor(Floor):
    def forward(self, x):
        self.x = x
        return np.maximum(x, 1e-6) ** 0.5

    def backward(self, dout):
        return 0.5 * self.x**-0.5 * dout


class WrongRoot(RootOfFloor):
    def backward(self, dout):
        return self.x**-0.5 * dout


class Normalised(Floor):
    def forward(self, x):
        self.norm = np.maximum(np.sqrt((x * x).sum(axis=1, keepdims=True)), 1e-12)
        self.y = x / self.norm
        return self.y

    def backward(self, dout):
        return (dout - self.y * (dout * self.y).sum(axis=1, keepdims=True)) / self.norm


class NormalisedByAConstant(Normalised):
    def backward(self, dout):
        return dout / self.norm


@pytest.mark.parametrize("layer", [Floor, RootOfFloor, Normalised])
def test_a_number_is_kept_from_0_for_what_is_infinite_there(layer):
    assert dout.check(layer).ok


@pytest.mark.parametrize(
    "layer", [FloorWithoutMask, ClippedWithoutMask, SquareWithoutMask, WrongRoot, NormalisedByAConstant]
)
def test_a_tiny_limit_that_keeps_nothing_finite_is_a_part_of_the_function(layer):
    assert not dout.check(layer).ok
