"""Nets in manners of their own train as a plain net does: it does not matter where parameters and gradients lie."""

import numpy as np
import pytest

from dout.errors import TrainingError
from dout.layers import Affine, MeanSquaredError, Relu, SoftmaxWithLoss
from dout.train import SGD, fit

rng = np.random.default_rng(0)
x = rng.standard_normal((60, 6))
t = (x @ rng.standard_normal((6, 3))).argmax(axis=1)


def first():
    rng = np.random.default_rng(1)
    return rng.standard_normal((6, 8)) * 0.5, np.zeros(8), rng.standard_normal((8, 3)) * 0.3, np.zeros(3)


class Plain:
    """The net in which all others are written: the forward and the backward, `put` says where gradients go."""

    def __init__(self):
        self.start(*first())

    def start(self, *arrays):
        self.W1, self.b1, self.W2, self.b2 = arrays

    def held(self):
        return self.W1, self.b1, self.W2, self.b2

    def put(self, *gradients):
        self.dW1, self.db1, self.dW2, self.db2 = gradients

    def forward(self, x):
        W1, b1, W2, b2 = self.held()
        self.x, self.h = x, np.maximum(x @ W1 + b1, 0)
        return self.h @ W2 + b2

    def backward(self, dout):
        W2 = self.held()[2]
        dh = (dout @ W2.T) * (self.h > 0)
        return self.put(self.x.T @ dh, dh.sum(axis=0), self.h.T @ dout, dout.sum(axis=0))


class NestedDicts(Plain):
    def start(self, W1, b1, W2, b2):
        self.params = {"first": {"W": W1, "b": b1}, "second": {"W": W2, "b": b2}}
        self.grads = {"first": {}, "second": {}}

    def held(self):
        return [array for part in self.params.values() for array in part.values()]

    def put(self, *gradients):
        self.grads["first"]["W"], self.grads["first"]["b"] = gradients[:2]
        self.grads["second"]["W"], self.grads["second"]["b"] = gradients[2:]


class ListOfDicts(Plain):
    def start(self, W1, b1, W2, b2):
        self.layers = [{"W": W1, "b": b1}, {"W": W2, "b": b2}]

    def held(self):
        return [layer[name] for layer in self.layers for name in ("W", "b")]

    def put(self, dW1, db1, dW2, db2):
        self.layers[0].update(dW=dW1, db=db1)
        self.layers[1].update(dW=dW2, db=db2)


class DictsBeside(ListOfDicts):
    def put(self, dW1, db1, dW2, db2):
        self.grads = [{"W": dW1, "b": db1}, {"W": dW2, "b": db2}]


class ReturnsGradients(Plain):
    def start(self, *arrays):
        self.params = dict(zip(("W1", "b1", "W2", "b2"), arrays, strict=True))

    def held(self):
        return list(self.params.values())

    def put(self, *gradients):
        return {f"d{name}": gradient for name, gradient in zip(self.params, gradients, strict=True)}


class Adding(Plain):
    """As Tensors do: gradients add up until somebody clears them, and here nobody does."""

    def start(self, *arrays):
        super().start(*arrays)
        self.dW1, self.db1, self.dW2, self.db2 = (np.zeros_like(array) for array in arrays)

    def put(self, *gradients):
        for held, gradient in zip((self.dW1, self.db1, self.dW2, self.db2), gradients, strict=True):
            held += gradient


class AddingAnew(Plain):
    def put(self, *gradients):
        for name, gradient in zip(("dW1", "db1", "dW2", "db2"), gradients, strict=True):
            setattr(self, name, getattr(self, name, 0) + gradient)


class Shift(Plain):
    """One more parameter, which is a plain number, and so is its gradient."""

    def start(self, *arrays):
        super().start(*arrays)
        self.b, self.db = 0.5, 0.0

    def forward(self, x):
        return super().forward(x) + self.b * np.arange(3.0)

    def backward(self, dout):
        self.db = float((dout * np.arange(3.0)).sum())
        return super().backward(dout)


class AddingShift(Shift):
    def backward(self, dout):
        self.db += float((dout * np.arange(3.0)).sum())
        return super(Shift, self).backward(dout)


class LossAndGradients(ReturnsGradients):
    """Its loss returns both, the loss and the gradients; without a target, the scores."""

    backward_of_scores = Plain.backward
    backward = None

    def loss(self, x, t=None):
        scores = self.forward(x)
        if t is None:
            return scores
        last = SoftmaxWithLoss()
        loss, dout = last.forward(scores, t), last.backward(1)
        return loss, self.backward_of_scores(dout[0] if isinstance(dout, tuple) else dout)


def trained(kind):
    net = kind()
    loss = None if kind is LossAndGradients else SoftmaxWithLoss()
    history = fit(net, x, t, loss=loss, optimizer=SGD(0.5), epochs=5, batch=20, seed=0, compiled=False)
    return net.held(), history["loss"]


@pytest.mark.parametrize(
    "kind", [NestedDicts, ListOfDicts, DictsBeside, ReturnsGradients, Adding, AddingAnew, LossAndGradients]
)
def test_a_net_of_another_manner_ends_with_the_same_bits(kind):
    arrays, losses = trained(kind)
    expected, theirs = trained(Plain)
    assert losses == theirs
    assert all(map(np.array_equal, arrays, expected))


def test_a_gradient_that_is_a_number_and_adds_up_is_cleared():
    nets = [kind() for kind in (Shift, AddingShift)]
    for net in nets:
        fit(net, x, t, loss=SoftmaxWithLoss(), optimizer=SGD(0.5), epochs=5, batch=20, seed=0, compiled=False)
    assert nets[0].b == nets[1].b != 0.5
    assert np.array_equal(nets[0].W1, nets[1].W1)


@pytest.mark.parametrize("kind", [Adding, AddingAnew, AddingShift])
def test_what_an_earlier_backward_has_left_is_not_added(kind):
    nets = [kind(), kind()]
    loss = SoftmaxWithLoss()
    loss.forward(nets[0].forward(x), t)
    nets[0].backward(loss.backward(1))
    losses = [fit(net, x, t, loss=loss, epochs=2, batch=20, seed=0, compiled=False)["loss"] for net in nets]
    assert losses[0] == losses[1]


class LooksAhead:
    """Its forward reads the gradient of the step before, and its backward leaves a part of that."""

    def __init__(self, left):
        self.W, self.dW, self.left = np.ones((6, 3)), np.zeros((6, 3)), left

    def forward(self, x):
        self.x = x
        return x @ (self.W - 0.1 * self.dW)

    def backward(self, dout):
        self.dW = self.left * self.dW + self.x.T @ dout
        return dout @ self.W.T


@pytest.mark.parametrize("left", [0.0, 0.9])
def test_a_gradient_that_the_next_step_needs_is_left_alone(left):
    net, own, loss = LooksAhead(left), LooksAhead(left), SoftmaxWithLoss()
    fit(net, x, t, loss=SoftmaxWithLoss(), optimizer=SGD(0.1), epochs=4, batch=60, shuffle=False, compiled=False)
    for _ in range(4):
        loss.forward(own.forward(x), t)
        own.backward(loss.backward(1))
        own.W -= 0.1 * own.dW
    assert np.array_equal(net.W, own.W)


class WithAttention(Affine):
    def forward(self, x):
        scores = super().forward(x)
        return scores, np.abs(scores)


class LossOfScores(SoftmaxWithLoss):
    def forward(self, both, t):
        return super().forward(both[0], t)

    def backward(self, dout=1):
        return super().backward(dout), None


@pytest.mark.parametrize("compiled", [False, True])
def test_a_net_that_also_returns_what_needs_no_gradient_trains(compiled):
    start = first()
    nets = [kind(start[0][:, :3].copy(), np.zeros(3)) for kind in (Affine, WithAttention)]
    for net, loss in zip(nets, (SoftmaxWithLoss(), LossOfScores()), strict=True):
        fit(net, x, t, loss=loss, epochs=3, batch=20, seed=0, compiled=compiled)
    assert np.allclose(nets[0].W, nets[1].W, rtol=1e-9)


class Normed(Plain):
    """Its forward changes a parameter: that is no update."""

    def forward(self, x):
        self.W1 /= np.linalg.norm(self.W1, axis=0)
        return super().forward(x)


class Bounded(Plain):
    """Each forward changes the parameter once more, by what the compiled one rounds otherwise; it draws, too."""

    def forward(self, x):
        self.W1 /= np.sqrt((self.W1**2).sum(axis=0))
        self.W1 *= np.exp(np.tanh(self.W1).mean())
        return super().forward(x + 0.01 * np.random.standard_normal(x.shape))


class BoundedWithLoss(Bounded):
    """Its forward takes the target, and `predict` none."""

    def predict(self, x):
        return super().forward(x)

    def forward(self, x, t):
        self.last = SoftmaxWithLoss()
        return self.last.forward(super().forward(x), t)

    def backward(self):
        return super().backward(self.last.backward(1))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("kind", "loss"), [(Bounded, SoftmaxWithLoss), (BoundedWithLoss, None)])
def test_a_forward_that_bounds_its_weights_is_no_update(kind, loss, compiled):
    fit(kind(), x, t, loss=loss and loss(), epochs=3, batch=20, seed=0, compiled=compiled)


class UpdatesItself(Plain):
    def backward(self, dout):
        super().backward(dout)
        self.W1 -= 0.1 * self.dW1


def test_a_net_that_updates_itself_in_backward_is_refused_and_one_that_norms_in_forward_is_not():
    trained(Normed)
    with pytest.raises(TrainingError, match="W1 is another one after a step, because backward changes it: the net"):
        trained(UpdatesItself)


class TwoHeads:
    def __init__(self):
        W1, b1, W2, b2 = first()
        self.body, self.relu, self.left = Affine(W1, b1), Relu(), Affine(W2, b2)
        self.right = Affine(np.random.default_rng(2).standard_normal((8, 6)), np.zeros(6))

    def forward(self, x):
        h = self.relu.forward(self.body.forward(x))
        return self.left.forward(h), self.right.forward(h)

    def backward(self, douts):
        left, right = douts
        return self.body.backward(self.relu.backward(self.left.backward(left) + self.right.backward(right)))


class BothLosses:
    def __init__(self):
        self.left, self.right = SoftmaxWithLoss(), MeanSquaredError()

    def forward(self, scores, t):
        return self.left.forward(scores[0], t[:, 0].astype(int)) + self.right.forward(scores[1], t[:, 1:])

    def backward(self, dout=1):
        gradients = (loss.backward(dout) for loss in (self.left, self.right))
        return tuple(one[0] if isinstance(one, tuple) else one for one in gradients)


def test_a_loss_of_two_outputs_passes_back_both_gradients():
    history = fit(TwoHeads(), x, np.column_stack([t, x]), loss=BothLosses(), epochs=10, batch=20, compiled=False)
    assert history["loss"][-1] < 0.9 * history["loss"][0]
