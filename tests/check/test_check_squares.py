"""A 2 or a ½ of a loss is a convention where the loss is of squares, however these are written."""

import numpy as np
import pytest
from report_findings import words

from dout.check.verb.check_layer import check

rng = np.random.default_rng(0)
Y, T = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
TWO = 2


def loss(forward, gradient):
    class Loss:
        def forward(self, y, t):
            self.y, self.t = y, t
            return forward(y, t)

        def backward(self, dout=1.0):
            return dout * gradient(self.y, self.t)

    return Loss()


SQUARES = {
    "named": lambda y, t: np.sum((y - t) ** TWO),
    "array": lambda y, t: np.sum(np.power(y - t, np.array([2.0, 2.0, 2.0]))),
    "expanded": lambda y, t: np.sum(y * y - 2 * y * t + t * t),
    "written twice": lambda y, t: np.sum((y - t) * (y - t)),
    "trace": lambda y, t: np.trace((y - t).T @ (y - t)),
    "of another function": lambda y, t: np.sum((y - t) ** 2) + np.sum(t),
}


@pytest.mark.parametrize("name", SQUARES)
def test_half_the_gradient_of_squares_is_a_convention(name):
    assert words(check(loss(SQUARES[name], lambda y, t: y - t), Y, T))["y"] == "right up to a constant factor"


def test_half_the_gradient_of_squares_of_a_function_is_a_convention():
    forward = lambda y, t: np.sum((np.tanh(y) - t) * (np.tanh(y) - t))  # noqa: E731
    gradient = lambda y, t: (np.tanh(y) - t) * (1 - np.tanh(y) ** 2)  # noqa: E731
    assert words(check(loss(forward, gradient), Y, T))["y"] == "right up to a constant factor"


def test_half_the_gradient_of_twice_hubers_loss_is_a_convention():
    forward = lambda y, t: np.sum(  # noqa: E731
        np.where(np.abs(y - t) < 1, (y - t) ** 2, 2 * np.abs(y - t) - 1)
    )
    assert words(check(loss(forward, lambda y, t: np.clip(y - t, -1, 1)), Y, T))["y"] == "right up to a constant factor"


OTHERS = {
    "entropy": (lambda y, t: np.sum(t * y * np.log(y)), lambda y, t: 2 * t * (np.log(y) + 1)),
    "cube": (lambda y, t: np.sum(y * y * y + t), lambda y, t: 6 * y**2),
    "linear": (lambda y, t: np.sum(y * t), lambda y, t: 2 * t),
}


@pytest.mark.parametrize("name", OTHERS)
def test_twice_the_gradient_of_anything_else_is_wrong(name):
    assert words(check(loss(*OTHERS[name]), np.abs(Y) + 0.3, T))["y"] == "refuted"
