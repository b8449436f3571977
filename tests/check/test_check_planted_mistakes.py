"""One mistake in a right layer: it is an error with the line that was meant, and the right layer has none."""

import numpy as np
import pytest
from mended_layers import written_by_fixes
from report_findings import named_errors

from dout.check.program.observed_layers import LayerUse
from dout.check.program.used_example import used_examples
from dout.check.verb.check_layer import check, checked_on
from dout.check.verb.grounds import Grounds

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(3, 5))
SHARES = DRAW.uniform(0.1, 0.9, size=(3, 4))
PLACES = np.array([2, 0, 3])
ROWS = np.eye(4)[PLACES]


class Gated:
    """Right: a swish times a product, in as many lines as people need for it."""

    def __init__(self):
        self.kept = {}
        self.params = {"W": DRAW.normal(size=(5, 7)), "U": DRAW.normal(size=(5, 7)), "V": DRAW.normal(size=(7, 5))}
        self.grads = {}

    def forward(self, x):
        gate, up = x @ self.params["W"], x @ self.params["U"]
        act = gate / (1 + np.exp(-gate))
        self.kept.update(x=x, gate=gate, up=up, act=act)
        return (act * up) @ self.params["V"]

    def backward(self, dout):
        x, gate, up, act = (self.kept[name] for name in ("x", "gate", "up", "act"))
        self.grads["V"] = (act * up).T @ dout
        d_inner = dout @ self.params["V"].T
        d_act, d_up = d_inner * up, d_inner * act
        sig = 1 / (1 + np.exp(-gate))
        d_gate = d_act * (sig + gate * sig * (1 - sig))
        self.grads["W"], self.grads["U"] = x.T @ d_gate, x.T @ d_up
        return d_gate @ self.params["W"].T + d_up @ self.params["U"].T


class GatedWithoutAFactor(Gated):
    def backward(self, dout):
        x, gate, up, act = (self.kept[name] for name in ("x", "gate", "up", "act"))
        self.grads["V"] = (act * up).T @ dout
        d_inner = dout @ self.params["V"].T
        d_act, d_up = d_inner * up, d_inner * act
        sig = 1 / (1 + np.exp(-gate))
        d_gate = d_act * (sig + gate * sig)
        self.grads["W"], self.grads["U"] = x.T @ d_gate, x.T @ d_up
        return d_gate @ self.params["W"].T + d_up @ self.params["U"].T


def test_a_line_whose_right_value_is_known_is_repaired_among_thousands_of_edits():
    assert named_errors(check(Gated(), X)) == []
    assert "d_gate = d_act * (sig + gate * sig * (1 - sig))" in written_by_fixes(check(GatedWithoutAFactor(), X))


class PicksLogs:
    """Right: cross entropy of a softmax, with the places of the classes."""

    def forward(self, x, target):
        shifted = np.exp(x - x.max(axis=1, keepdims=True))
        self.probs, self.target = shifted / shifted.sum(axis=1, keepdims=True), target
        return -np.mean(np.log(self.probs[np.arange(len(x)), target]))

    def backward(self):
        grad = self.probs.copy()
        grad[np.arange(len(grad)), self.target] -= 1
        return grad / len(grad)


class PicksLogsWithoutTarget(PicksLogs):
    def backward(self):
        grad = self.probs.copy()
        return grad / len(grad)


class PicksLogsGivesTarget(PicksLogs):
    def backward(self):
        grad = self.probs.copy()
        grad[np.arange(len(grad)), self.target] -= 1
        return self.target / len(grad)


def test_the_ones_of_labels_and_a_value_of_another_shape_are_repairs():
    assert named_errors(check(PicksLogs(), SHARES, PLACES)) == []
    assert written_by_fixes(check(PicksLogsWithoutTarget(), SHARES, PLACES)) == [
        "return (grad - np.eye(grad.shape[-1])[self.target]) / len(grad)"
    ]
    assert written_by_fixes(check(PicksLogsGivesTarget(), SHARES, PLACES)) == ["return grad / len(grad)"]


class MaybeBias:
    """Right: the gradient of the bias is one of two."""

    def __init__(self):
        self.W, self.b = DRAW.normal(size=(5, 4)), np.zeros((1, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = np.ones((1, len(dout))) @ dout if self.b is not None else None
        return dout @ self.W.T


class MaybeBiasNotSummed(MaybeBias):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout if self.b is not None else None
        return dout @ self.W.T


def test_a_sum_is_missing_in_one_value_of_a_choice():
    assert named_errors(check(MaybeBias(), X)) == []
    assert "self.db = dout.sum(axis=0, keepdims=True) if self.b is not None else None" in written_by_fixes(
        check(MaybeBiasNotSummed(), X)
    )


class GivesItsGradients:
    """Right: a method gives what backward keeps."""

    def __init__(self):
        self.mix, self.b = DRAW.normal(size=(5, 4)), np.zeros(4)
        self.grad_mix = self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.mix + self.b

    def backward(self, dout):
        self.grad_mix, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.mix.T

    def gradients(self):
        return {"mix": self.grad_mix, "b": self.db}


class KeepsItByAnotherName(GivesItsGradients):
    def backward(self, dout):
        self.grad_mixes, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.mix.T


class GivesItByThatName(KeepsItByAnotherName):
    """Right: its own method reads the other name."""

    def gradients(self):
        return {"mix": self.grad_mixes, "b": self.db}


def test_a_gradient_kept_by_another_name_than_a_method_reads_is_an_error():
    assert named_errors(check(GivesItsGradients(), X)) == named_errors(check(GivesItByThatName(), X)) == []
    assert named_errors(check(KeepsItByAnotherName(), X)) == [("D108", "mix")]


class Rectifier:
    """Right."""

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return self.mask * dout


class RectifierHandsOn(Rectifier):
    def backward(self, dout):
        return dout


def test_a_use_on_one_side_of_a_condition_excuses_nothing():
    positive = 1 + DRAW.uniform(size=(12, 10))
    for layer, wrong in ((Rectifier, []), (RectifierHandsOn, ["x"])):
        (used,) = used_examples([LayerUse(layer, {}, layer(), {"x": positive})])
        assert [argument for _, argument in named_errors(checked_on(Grounds.of_use(used))[1])] == wrong


class ReturnsThree:
    """Right but for the axes of the bias: what is returned is named after its owner, or has a shape of its own."""

    def __init__(self):
        self.w, self.b = DRAW.normal(size=(5, 4)), np.zeros((1, 1, 4))

    def forward(self, prev):
        self.prev = prev
        return prev @ self.w + self.b

    def backward(self, dz):
        dw = np.tensordot(self.prev, dz, axes=((0, 1), (0, 1)))
        db = dz.sum(axis=(0, 1))
        da_prev = dz @ self.w.T
        return da_prev, dw, db


class ReturnsThreeNegated(ReturnsThree):
    def backward(self, dz):
        dw = np.tensordot(self.prev, dz, axes=((0, 1), (0, 1)))
        db = dz.sum(axis=(0, 1))
        da_prev = -dz @ self.w.T
        return da_prev, dw, db


@pytest.mark.long
def test_whose_gradients_are_names_and_shapes_tell_together():
    x = DRAW.normal(size=(2, 3, 5))
    assert named_errors(check(ReturnsThree(), x)) == []
    assert named_errors(check(ReturnsThreeNegated(), x)) == [("D101", "prev")]


class Joined:
    """Right up to a convention: the gradient of cross entropy and softmax together, averaged as forward is."""

    def forward(self, pred, target):
        self.pred, self.target = pred, target
        return -np.mean(np.sum(target * np.log(pred), axis=1))

    def backward(self):
        return (self.pred - self.target) / len(self.pred)


class JoinedUndivided(Joined):
    def backward(self):
        return self.pred - self.target


@pytest.mark.parametrize(("loss", "severity"), [(Joined, "note"), (JoinedUndivided, "warning")])
def test_prediction_minus_target_that_leaves_out_a_division_is_a_warning(loss, severity):
    shares = SHARES / SHARES.sum(axis=1, keepdims=True)
    assert [f.severity for f in check(loss(), shares, ROWS).findings if f.code == "D110"] == [severity]
