"""A clip that guards an exponential cuts off next to nothing of a gradient: that is no mistake of backward."""

import numpy as np

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
