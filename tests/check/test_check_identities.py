"""A forward that hands its input on: ones are its gradient. Of a loss that keeps its number nothing is judged."""

import numpy as np

import dout


class Identity:
    def forward(self, Z):
        self.A = Z
        return self.A

    def backward(self):
        return np.ones(self.A.shape)


class KeepsItsLoss:
    def forward(self, x, t):
        self.difference = x - t
        self.loss = np.sum(self.difference**2) / 2
        return x

    def backward(self):
        return self.difference


def test_ones_are_the_gradient_of_an_identity():
    report = dout.check(Identity)
    assert report.ok
    assert [str(verdict.word) for verdict in report.verdicts] == ["exact"]


def test_a_loss_that_returns_its_input_is_not_judged():
    report = dout.check(KeepsItsLoss)
    assert not report.verdicts
    assert [finding.code for finding in report.findings] == ["D002"]
