"""A network whose document calls the axes of what it takes `input_size` and `output_size`: the ends of its widths."""

from itertools import pairwise

import numpy as np

import dout


class Documented:
    def __init__(self, sizes):
        """Build it.

        Parameters:
        - sizes (list of int): The number of neurons in each layer.
        """
        draw = np.random.default_rng(0)
        self.biases = [draw.normal(size=(b, 1)) for b in sizes[1:]]
        self.weights = [draw.normal(size=(b, a)) for a, b in pairwise(sizes)]

    def feedforward(self, a):
        """Run it.

        Parameters:
        - a (ndarray): What goes in, shape (input_layer_size, 1).

        Returns:
        - ndarray: What comes out, shape (output_size, 1).
        """
        for bias, weight in zip(self.biases, self.weights, strict=True):
            a = np.tanh(weight @ a + bias)
        return a

    def backprop(self, x, y):
        """Find its gradients.

        Parameters:
        - x (ndarray): What goes in, shape (input_layer_size, 1).
        - y (ndarray): What is wanted, shape (output_size, 1).
        """
        kept = [x]
        for bias, weight in zip(self.biases, self.weights, strict=True):
            kept.append(np.tanh(weight @ kept[-1] + bias))
        down, across = [0] * len(self.biases), [0] * len(self.weights)
        delta = (kept[-1] - y) * self.slope(kept[-1])
        for place in range(len(self.weights) - 1, -1, -1):
            down[place], across[place] = delta, delta @ kept[place].T
            delta = self.weights[place].T @ delta * self.slope(kept[place])
        return down, across

    def slope(self, out):
        return 1 - out**2


class DocumentedWrong(Documented):
    def slope(self, out):
        return 1 - out


def words(report):
    return {verdict.word for verdict in report.verdicts}


def test_documented_sizes_are_the_ends_of_the_widths():
    report = dout.check(Documented)
    assert words(report) == {"exact"}
    assert report.ok


def test_a_wrong_one_is_no_tick():
    try:
        report = dout.check(DocumentedWrong)
    except dout.errors.DoutError:
        return  # for no loss it is right
    assert not report.ok
