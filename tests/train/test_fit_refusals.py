"""One clear error for each thing that does not fit, and nothing is changed."""

import numpy as np
import pytest
from small_trainings import net, t, trained, x

from dout.errors import TrainingError
from dout.layers import Affine, LogLayer, MeanSquaredError, Relu, SoftmaxWithLoss
from dout.train import SGD, cosine

# --- what does not fit ------------------------------------------------------------------------------------------------


class Wrong(Relu):
    """A ReLU that lets every gradient through."""

    def backward(self, dout):
        return dout * 1.0


class Fixed:
    """It has nothing to learn."""

    def forward(self, x):
        return x[:, :3] * 2

    def backward(self, dout):
        return np.pad(dout * 2, ((0, 0), (0, 1)))


class RowLoss(SoftmaxWithLoss):
    def __init__(self):
        super().__init__(reduction="none")


class Nothing:
    def update(self, params, grads):
        """It has no rate."""


class Updating:
    """It updates itself, by another array."""

    def __init__(self):
        self.W = np.ones((4, 3))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.W = self.W - 0.1 * self.dW
        return dout


class Stepping(Updating):
    """Its backward takes the step, and keeps no gradient."""

    def backward(self, dout, rate=0.1):
        self.W -= rate * self.x.T @ dout
        return dout @ self.W.T


def with_nan(place):
    broken = x.copy()
    broken[place] = np.nan
    return broken


BAD = {
    "NaN in the data": (
        {"data": (with_nan((60, 2)), t), "shuffle": False},
        r"epoch 1, batch 2: x has NaN or infinity in 1 of 50 samples, the first is x\[60\]; the first "
        r"layer that shows it is Affine \(net.layers\[0\]\), in its forward",
    ),
    "NaN in shuffled data": (
        {"data": (with_nan((60, 2)), t)},
        r"in 1 of [25]0 samples, the first is x\[60\]; the first ",
    ),
    "NaN in the target": (
        {"loss": MeanSquaredError(), "data": (x, with_nan((60, 2))[:, :3])},
        r"t has NaN or infinity in 1 of [25]0 samples, the first is t\[60\]; the first layer that shows it is Mean",
    ),
    "numbers that are too large": (
        {"data": (np.where(np.arange(len(x))[:, None] == 60, 1e308, x), t)},
        r"NaN or infinity; the first layer that shows it is .*, in its forward in 1 of [25]0 samples, .*x\[60\]",
    ),
    "a layer that makes NaN": (
        {"layers": [*net()[:1], LogLayer(), *net()[2:]]},
        r"batch 1: NaN or infinity; the first layer that shows it is LogLayer \(net.layers\[1\]\), in its forward",
    ),
    "a rate that is too high": (
        {"optimizer": SGD(1e200), "loss": MeanSquaredError(), "data": (x, x[:, :3])},
        r"epoch 1, batch [23]: (the parameter net.layers\[\d\].W is NaN or infinite|NaN or infinity)",
    ),
    "one label above": ({"data": (x, np.where(np.arange(len(t)) == 77, 9, t))}, r"t\[77\] is 9; there are 3 scores"),
    "a label above": ({"data": (x, t + 1)}, r"epoch 1, batch 1: t\[\d+\] is 3; .* classes are 0 … 2"),
    "a label below": ({"data": (x, t - 1)}, r"t\[\d+\] is -1; there are 3 scores a sample"),
    "a shape": (
        {"layers": [*net(6)[:2], *net(5)[2:]]},
        r"batch 1: Affine \(net.layers\[2\]\).forward was given \(50, 6\); its W has shape \(5, 3\), .*ValueError",
    ),
    "the data's shape": (
        {"data": (x[:, :3], t)},
        r"Affine \(net.layers\[0\]\).forward was given \(50, 3\); its W has shape \(4, 6\)",
    ),
    "a loss for each row": ({"loss": RowLoss()}, r"RowLoss \(loss\): the loss has shape \(50,\): it has to be one"),
    "nothing to learn": ({"layers": [Fixed()]}, r"no parameter with a gradient was found in .*Fixed.*looked for W"),
    "a net that updates itself": ({"layers": [Updating()]}, r"net.layers\[0\].W is another array after each step"),
    "numbers of samples": ({"data": (x, t[:-1])}, "x has 120 samples, t has 119"),
    "no sample": ({"data": (x[:0], t[:0])}, "there is no sample"),
    "no target": ({"data": (x,)}, "there are no targets: give x and t"),
    "words": ({"data": (np.array(["a"] * 120), t)}, "data of dtype <U1: give real numbers"),
    "complex numbers": ({"data": (x + 1j, t)}, "data of dtype complex128: give real numbers"),
    "an iterator that is used up": (
        {"data": (iter([(x, t)]),), "epochs": 2}, "epoch 2 has no batch; it is used up after one epoch: give a f",
    ),
    "an iterator of something else": ({"data": ([x, t],)}, "batch 1 is ndarray: each has to be a pair"),
    "a file that is none": ({"data": ("none.npy", t)}, "none.npy cannot be read as an array of numbers"),
    "a validation of another shape": (
        {"validation": (x[:, :2], t)}, r"evaluation, batch 1: Affine \(net.layers\[0\]\).forward was given \(50, 2\)",
    ),
    "NaN in the validation": (
        {"validation": (with_nan((60, 2)), t)},
        r"evaluation, batch 2: x has NaN or infinity in 1 of 50 samples, the first is x\[60\]",
    ),
    "labels that are floats": (
        {"data": (x, t.astype(float))}, "t holds float64, and labels are whole numbers: give t.astype",
    ),
    "whole numbers to learn": (
        {"layers": [Affine(np.ones((4, 3), int), np.zeros(3, int))]},
        r"W of Affine \(net.layers\[0\]\) holds whole numbers, which cannot learn: give floats",
    ),
    "a read-only array": (
        {"layers": [Affine(np.broadcast_to(np.ones(3), (4, 3)), np.zeros(3))]},
        r"net.layers\[0\].W is a read-only array, which cannot learn: give the net a copy of it",
    ),
    "a backward that takes the step": (
        {"layers": [Stepping()]},
        r"the backward of Stepping \(net.layers\[0\]\) changes self.W and leaves no gradient: the net updates itself",
    ),
    "a class among the layers": ({"layers": [net()[0], Relu]}, "a layer of the net is the class Relu: make an obj"),
    "a function among the layers": ({"layers": [net()[0], abs]}, "is no layer: it has no forward and backward"),
    "a schedule of nothing": ({"schedule": cosine(), "optimizer": Nothing()}, "Nothing has no lr: a schedule chan"),
    "a class": ({"layers": Updating}, "Updating is a class: make an object of it"),
    "no net": ({"layers": 3}, "int cannot be trained: a net is an object with forward and backward"),
    "no loss": ({"loss": None}, "Sequential.forward takes no target, and there is no loss"),
    "a loss that is none": ({"loss": np.mean}, "the loss, _ArrayFunctionDispatcher, has no forward"),
    "an optimizer that is none": ({"optimizer": 0.1}, r"float is no optimizer: it has no update\(params, grads\)"),
    "a batch of nothing": ({"batch": 0}, "batch is 0: it is a whole number, at least 1"),
    "no folder": ({"resume": True}, "there is no folder to go on from"),
    "something to keep": ({"keep": "all"}, "keep is 'all': write keep="),
    "a wrong layer": (
        {"layers": [net()[0], Wrong(), net()[2]], "check": True}, r"check: these.*\n\nWrong \(net.layers\[1\]\)",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_one_clear_error_and_changes_nothing(case):
    how, said = BAD[case]
    how = dict(how)
    layers = how.pop("layers", None) or net()
    kept = [layer.W.copy() for layer in layers if hasattr(layer, "W")] if isinstance(layers, list) else []
    with pytest.raises(TrainingError, match=said):
        trained(layers, **how)
    if "epoch 1, batch 1:" in said:
        assert all(np.array_equal(a, b.W) for a, b in zip(kept, (la for la in layers if hasattr(la, "W")), strict=True))
