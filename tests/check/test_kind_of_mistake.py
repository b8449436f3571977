"""The kind of a mistake in backward, where only that is asked for: forward is given, and no repair is shown."""

import numpy as np
import pytest

pytest.importorskip("flint")

from dout.check.exact.judge import judge
from dout.check.exact.subject import Subject
from dout.check.repair import causes, smallest_failing
from dout.check.repair.test_stand import KIND_ALONE
from dout.trace.record.record import record

X = np.array([[1.0, -2.0, 0.5], [-0.75, 3.0, -1.25]])


class Scale:
    """y = x · k + c."""

    def __init__(self):
        self.k, self.c = np.array([2.0, -0.5, 1.5]), np.array([1.0, 0.25, -1.0])
        self.dk = self.dc = None

    def forward(self, x):
        self.x = x
        return x * self.k + self.c


class PassesOn(Scale):
    def backward(self, dout):
        self.dk, self.dc = (dout * self.x).sum(axis=0), dout.sum(axis=0)
        return dout


class SetsOther(Scale):
    def backward(self, dout):
        self.dk, self.dc = dout.sum(axis=0), dout.sum(axis=0)
        return dout * self.k


class Halves(Scale):
    def backward(self, dout):
        self.dk, self.dc = (dout * self.x).sum(axis=0), dout.sum(axis=0)
        return dout * self.k / 2


class Exchanges:
    """x (2, 3) and w (3, 4): the gradients have changed places, and so have their shapes."""

    def forward(self, x, w):
        self.x, self.w = x, w
        return x @ w

    def backward(self, dout):
        return self.x.T @ dout, dout @ self.w.T


class Adds:
    def forward(self, x):
        return x + 1

    def backward(self, dout):
        return dout / 3


class Blocks:
    """Lets positive numbers through; backward looks at dout."""

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return np.maximum(dout, 0)


def explained(layer, *inputs):
    """The causes of a layer's wrong gradients by the names of the values."""
    subject = Subject.of(layer, inputs, ("x", "w")[: len(inputs)])
    douts = subject.run().douts
    found = judge(record(subject.make(), *subject.fresh_inputs(), dout=douts[0]))
    told = causes(subject, found.examination, found.refuted)
    failing = [smallest_failing(subject, found.examination, outcome) for outcome in found.refuted.values()]
    return {found.refuted[node].judged.name: cause for node, cause in told.items()}, failing


@pytest.fixture
def kind_alone():
    token = KIND_ALONE.set(True)
    yield
    KIND_ALONE.reset(token)


@pytest.mark.parametrize(
    ("layer", "inputs", "words"),
    [
        (PassesOn, [X], {"x": "passes dout on"}),
        (SetsOther, [X], {"k": "swapped"}),
        (Halves, [X], {"x": "factor"}),
        (Exchanges, [X, np.arange(12.0).reshape(3, 4) - 5], {"x": "swapped", "w": "swapped"}),
        (Adds, [X], {"x": "factor"}),
        (Blocks, [X], {"x": "mask"}),
    ],
)
@pytest.mark.usefixtures("kind_alone")
def test_what_the_numbers_tell_comes_first(layer, inputs, words):
    found, failing = explained(layer(), *inputs)
    assert {name: cause.word for name, cause in found.items()} == words
    assert not any(cause.fix for cause in found.values())
    assert set(failing) == {None}


def test_otherwise_a_repair_and_a_small_input_are_looked_for():
    found, failing = explained(Halves(), X)
    assert found["x"].fix is not None
    assert None not in failing
