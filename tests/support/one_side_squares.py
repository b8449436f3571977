"""Squares with a backward that is wrong on one side of a condition, and how the tests read what is said of them."""

import importlib

import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(3, 4))
GRADIENTS = ("D101", "D102", "D103", "D501")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """The search for other sides has all the time it needs: what it finds must not depend on the machine."""
    for module, name in (
        ("lab.input_variants", "MOST_SECONDS"),
        ("lab.probe", "MOST_SECONDS"),
        ("exact.judge", "MOST_SECONDS"),
        ("exact.judge", "MOST_SECONDS_SEEKING"),
    ):
        monkeypatch.setattr(importlib.import_module(f"dout.check.{module}"), name, 60.0)


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
