"""What is wrong at another setting is an error if the layer is meant for that; a convention has its name there, too."""

import numpy as np
import pytest
from fair_examples import severities, table

import dout


class Dropout:
    def __init__(self):
        self.mask = np.zeros((3, 4))

    def forward(self, x, training=False):
        if not training:
            return x
        self.mask = np.random.default_rng(0).random(x.shape) < 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class WrongDropout(Dropout):
    def backward(self, dout):
        return dout * self.mask * 2


def test_backward_belongs_to_training():
    assert dout.check(Dropout, table(3, 4)).ok
    assert severities(dout.check(WrongDropout, table(3, 4))) == ["error"]


class Activation:
    """Backward differentiates at the output instead of the input: right for relu alone."""

    def __init__(self, kind="relu"):
        self.kind = kind

    def value(self, x):
        return {"relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: 1 / (1 + np.exp(-x))}[self.kind](x)

    def slope(self, x):
        if self.kind == "relu":
            return (x > 0) * 1.0
        return self.value(x) * (1 - self.value(x))

    def forward(self, x):
        self.y = self.value(x)
        return self.y

    def backward(self, dout):
        return dout * self.slope(self.y)


class Parametrised(Activation):
    def __init__(self, name="relu"):
        super().__init__(name)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("cls", [Activation, Parametrised])
def test_words_of_the_parents_are_tried(cls):
    (finding,) = [f for f in dout.check(cls, table(3, 4)).findings if f.severity == "error"]
    assert "= 'sigmoid'" in finding.message


class Loss:
    """The book's: of a single sample `len(t)` counts the classes."""

    def forward(self, x, t):
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        self.y, self.t = e / e.sum(axis=-1, keepdims=True), t
        number = len(t) if t.ndim == 2 else 1
        return -np.sum(t * np.log(self.y + 1e-7)) / number

    def backward(self, dout=1):
        return (self.y - self.t) / len(self.t) * dout


def test_another_number_of_axes_of_a_loss_is_a_warning():
    report = dout.check(Loss, table(3, 4), np.eye(4)[[1, 2, 2]])
    assert severities(report) == ["warning"]


class Flatten:
    """It puts the numbers back in another order: of a table that is the same."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, dout):
        return dout.reshape(self.shape[0], *self.shape[:0:-1]).T.reshape(self.shape[::-1]).T


class RightFlatten(Flatten):
    def backward(self, dout):
        return dout.reshape(self.shape)


def test_what_flattens_a_table_is_tried_on_images():
    assert dout.check(RightFlatten, table(3, 4)).ok
    (finding,) = [f for f in dout.check(Flatten, table(3, 4)).findings if f.severity == "error"]
    assert "on x (3, 2, 4, 5)" in finding.message


class Norm:
    """Its mean is over the rows of whatever it is given; backward divides by the first axis."""

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        self.x, self.m = x, rows.mean(axis=0)
        return x - self.m

    def backward(self, dout):
        return dout - dout.reshape(-1, dout.shape[-1]).sum(axis=0) / len(self.x)


class RightNorm(Norm):
    def backward(self, dout):
        return dout - dout.reshape(-1, dout.shape[-1]).mean(axis=0)


class NormOfTables(Norm):
    def forward(self, x):
        self.x, self.m = x, x.mean(axis=tuple(range(x.ndim - 1)))
        return x - self.m


def test_what_makes_a_table_of_a_table_is_meant_for_more_axes():
    assert not severities(dout.check(RightNorm, table(3, 4)))
    assert severities(dout.check(Norm, table(3, 4))) == ["error"]
    assert severities(dout.check(NormOfTables, table(3, 4))) == ["warning"]


class Regularised:
    """A penalty is a convention; what is wrong at the setting after it is not."""

    def __init__(self, strength=0.0, gain=1.0):
        self.W, self.strength, self.gain = table(4, 3), strength, gain

    def forward(self, x):
        self.x = x
        return self.gain * (x @ self.W)

    def backward(self, dout):
        self.dW = self.gain * self.x.T @ dout + self.strength * self.W
        return dout @ self.W.T


def test_a_penalty_hides_no_wrong_gradient_at_another_setting():
    (finding,) = [f for f in dout.check(Regularised, table(3, 4)).findings if f.severity == "error"]
    assert "with gain = " in finding.message


class Activated:
    """The sigmoid at the end is left to the loss, as many have it."""

    left = "sigmoid"

    def __init__(self, kind="linear"):
        self.W, self.kind = table(4, 3), kind

    def forward(self, x):
        self.x, z = x, x @ self.W
        if self.kind == "sigmoid":
            z = 1 / (1 + np.exp(-z))
        elif self.kind == "tanh":
            z = np.tanh(z)
        self.y = z
        return z

    def backward(self, dout):
        slopes = {"linear": 1.0, "sigmoid": self.y * (1 - self.y), "tanh": 1 - self.y**2}
        dz = dout * (1.0 if self.kind == self.left else slopes[self.kind])
        self.dW = self.x.T @ dz
        return dz @ self.W.T


class LeavesTanh(Activated):
    left = "tanh"


def test_a_sigmoid_at_the_end_that_is_one_word_of_several_may_be_left_to_the_loss():
    assert dout.check(Activated, table(5, 4)).ok
    assert not dout.check(LeavesTanh, table(5, 4)).ok


class TakesTargets:
    """Behind its softmax it reads the target from the `-t / y` of a cross entropy."""

    factor = 1

    def __init__(self, kind="linear"):
        self.W, self.kind = table(4, 3), kind

    def forward(self, x):
        self.x, self.y = x, x @ self.W
        if self.kind == "softmax":
            e = np.exp(self.y - self.y.max(axis=1, keepdims=True))
            self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        target = -dout * self.y
        dz = self.factor * self.y - target if self.kind == "softmax" else dout
        self.dW = self.x.T @ dz
        return dz @ self.W.T


class TakesTargetsWrongly(TakesTargets):
    factor = 2


def test_a_softmax_by_one_word_of_several_may_read_the_target_from_what_a_cross_entropy_gives():
    assert dout.check(TakesTargets, table(5, 4)).ok
    assert not dout.check(TakesTargetsWrongly, table(5, 4)).ok


class Ends:
    """An activation by its name; that of shares takes the rows of a table alone."""

    def __init__(self, kind="tanh"):
        self.kind = kind

    def forward(self, x):
        self.y = np.tanh(x) if self.kind == "tanh" else np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, dout):
        if self.kind == "tanh":
            return dout * (1 - self.y**2)
        if self.kind == "shares":
            rows, _ = self.y.shape
            return self.y * (dout - (dout * self.y).sum(axis=1).reshape(rows, 1))
        raise NotImplementedError


def test_one_word_of_several_may_be_meant_for_tables_alone():
    report = dout.check(Ends, np.cos(np.arange(24.0)).reshape(2, 3, 4))
    assert [f.severity for f in report.findings if f.code == "D001"] == ["warning"]


@pytest.mark.long
def test_what_raises_with_another_word_on_every_array_is_an_error():
    class Half(Ends):
        def backward(self, dout):
            return dout.reshape(7, 11) if self.kind == "shares" else super().backward(dout)

    assert [f.severity for f in dout.check(Half, table(3, 4)).findings if f.code == "D001"] == ["error"]


class Steps:
    """Windows along a row whose length the constructor is told; backward finds their places by the row that came."""

    def __init__(self, length=3, width=3, stride=1):
        self.W, self.width, self.stride = np.arange(1.0, width + 1), width, stride
        self.places = range(0, length - width + 1, stride)

    def forward(self, x):
        self.x = x
        return np.stack([x[:, i : i + self.width] @ self.W for i in self.places], axis=1)

    def backward(self, dout):
        last = dout.shape[1] if self.stride == 1 else self.x.shape[1] - self.width + 1
        starts = np.arange(0, last, self.stride)
        self.dW = np.array([np.sum(self.x[:, starts + k] * dout) for k in range(self.width)])


class ForgottenSteps(Steps):
    def __init__(self, length=3, width=3, stride=1):
        super().__init__(length, width, 1)
        self.stride = stride


def test_a_step_that_is_not_seen_at_a_single_place_is_no_error():
    assert "error" not in severities(dout.check(Steps, table(2, 5), init={"length": 3}))
    assert "error" not in severities(dout.check(Steps, table(2, 5), init={"length": 5}))


def test_a_step_that_forward_forgets_is_an_error():
    assert "error" in severities(dout.check(ForgottenSteps, table(2, 5), init={"length": 5}))
