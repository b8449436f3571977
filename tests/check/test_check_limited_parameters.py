"""A layer that makes its own step, and then limits its parameters: the step is judged, without the limit."""

import numpy as np
import pytest

from dout.check.verb.check_layer import check

X = np.array([[1.0, 2.0, -0.5], [0.25, -1.5, 1.0]])


class Limited:
    """A fully connected layer whose weights are kept small, in a way that `limit` says."""

    def __init__(self, limit, wrong=1):
        self.W, self.lr, self.limit, self.wrong = np.linspace(-2.0, 1.75, 12).reshape(3, 4), 0.0625, limit, wrong

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        dx = dout @ self.W.T
        self.W = self.limit(self.W - self.lr * self.wrong * (self.x.T @ dout))
        return dx


def by_norm(W):
    norm = np.linalg.norm(W)
    return W / norm if norm > 1 else W


LIMITS = [
    lambda W: np.clip(W, -1, 1),
    lambda W: np.clip(W, -0.01, 0.01),  # beyond it are all weights, before the step and after it
    lambda W: np.maximum(W, 0),
    lambda W: W / np.linalg.norm(W, axis=0),
    by_norm,
]


def word_of_weights(report):
    return {verdict.argument: verdict.word for verdict in report.verdicts}["W"]


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_after_the_step_is_no_part_of_the_gradient(limit):
    report = check(Limited(limit), X)
    (note,) = [finding for finding in report.findings if finding.code == "D113"]
    assert word_of_weights(report) == "right where it is not clipped"
    assert report.ok
    assert "limits W after its step" in note.message


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("wrong", [-1, np.array([[1.0], [1.0], [-1.0]])])
def test_a_step_along_another_gradient_is_wrong_with_a_limit_too(limit, wrong):
    report = check(Limited(limit, wrong), X)
    assert word_of_weights(report) == "refuted"
    assert not report.ok


def test_without_a_limit_the_step_is_exact():
    assert word_of_weights(check(Limited(lambda W: W), X)) == "exact"
