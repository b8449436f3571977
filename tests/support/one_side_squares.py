"""Squares with a backward that is wrong on one side of a condition, and how the tests read what is said of them."""

import numpy as np

X = np.random.default_rng(0).normal(size=(3, 4))
GRADIENTS = ("D101", "D102", "D103", "D501")


class Square:
    """A square, whose backward the others spoil."""

    def forward(self, x):
        self.x = x
        return x * x

    def slope(self, dout):
        return 2 * self.x * dout

    def backward(self, dout):
        return self.slope(dout)


def layer(backward, forward=None, **attributes):
    """A square with another backward."""
    methods = {"backward": backward, **({"forward": forward} if forward else {}), **attributes}
    return type("Layer", (Square,), methods)()


def line_of(function):
    return function.__code__.co_firstlineno + 1


def errors(report):
    return [f.code for f in report.findings if f.severity == "error" and f.code in GRADIENTS]


def words(report):
    return [verdict.word for verdict in report.verdicts]
