"""`explain` beside functions that give a local derivative, which their caller multiplies by what arrives."""

import numpy as np
import pytest

from dout.explain.formats.terminal_lines import sentence_text
from dout.explain.formats.words import said_reason
from dout.explain.verb.explain_verb import explain


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(x):
    s = sigmoid(x)
    return s * (1 + s)


def square(x):
    return x * x


def square_derivative(x):
    return -2 * x


def cube(x):
    return x * x * x


def cube_derivative(x):
    return np.exp(x)


def tanh(x):
    return np.tanh(x)


def tanh_derivative(x):
    return 1 - np.tanh(x) ** 2


class Activation:
    @staticmethod
    def leaky(x, deriv=False):
        if deriv:
            return 1.0 * (x >= 0) - 0.1 * (x < 0)
        return np.maximum(x, 0.1 * x)

    @staticmethod
    def squash(x, deriv=False):
        if deriv:
            return 1.0 - np.power(np.tanh(x), 2)
        return np.tanh(x)


@pytest.mark.parametrize(
    ("function", "is_wrong", "words"),
    [
        (sigmoid, True, "one of its terms has the wrong sign"),
        (square, True, "the sign is wrong"),
        (cube, True, "this is not the derivative of y with respect to x"),
        (tanh, False, "the derivative of y with respect to x"),
        (Activation.leaky, True, "one of its terms has the wrong sign"),
        (Activation.squash, False, "the derivative of y with respect to x"),
    ],
)
def test_the_line_of_a_local_derivative(function, is_wrong, words):
    line = explain(function).backward[-1]
    assert (line.wrong, sentence_text(said_reason(line.reason))) == (is_wrong, words)
