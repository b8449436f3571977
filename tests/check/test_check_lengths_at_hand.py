"""A repair that may fit the lengths at hand alone has to be looked at."""

import numpy as np

import dout
from dout.check.project.fixed_files import fixes_told


class Scaled:
    """The 5 is the length of a row, which the weights fix."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W * x.shape[1]

    def backward(self, dout):
        self.dW = self.x.shape[1] * (self.x.T @ dout)
        return dout @ self.W.T * 5 / 4


class Turned:
    """It takes several matrices in an array, and turns each."""

    def forward(self, q, k):
        self.q, self.k = q, k
        return q @ k.swapaxes(-1, -2)

    def backward(self, dout):
        return dout @ self.k, dout @ self.q


def test_a_number_that_is_a_length_in_every_example_makes_a_repair_unsafe():
    table = np.cos(np.arange(20.0))
    (found,) = [item for item in dout.check(Scaled(table.reshape(5, 4)), table[:15].reshape(3, 5)).findings if item.fix]
    assert found.fix.unsafe


def test_a_repair_turns_matrices_as_the_layer_does():
    (found,) = [item for item in dout.check(Turned).findings if item.code == "D101"]
    assert "dout.swapaxes(-1, -2) @ self.q" in found.fix.after


def test_fixes_are_counted_in_the_files_that_are_checked():
    findings = dout.check(Turned).findings
    assert fixes_told(findings, {__file__}) == ["can be fixed: 1 with --fix"]
    assert fixes_told(findings, {"elsewhere.py"}) == []
