"""fit, predict and find_rate: the user's data stays as it is, and each number that is trained is the right one."""

import numpy as np
import pytest
from keeping_layers import Dense, Squares, rng, t, x

from dout.errors import TrainingError, WrongLayersError
from dout.layers import Affine, SoftmaxWithLoss
from dout.train import SGD, Adam, AdamW, LayerGraph, Momentum, accuracy, cosine, evaluate, find_rate, fit, predict
from dout.train.nets.train_step import TrainStep


class CutsInPlace:
    """Writes into what it is given."""

    def forward(self, x):
        x[x < 0] = 0
        return x

    def backward(self, dout):
        return dout


# --- the data is the user's -------------------------------------------------------------------------------------------


def test_one_batch_given_again_and_again_is_not_learned():
    mine, targets = x.copy(), rng.standard_normal((20, 3))
    kept = targets.copy()
    for data in ([(mine, targets)], lambda: iter([(mine, targets)])):
        history = fit([Dense()], data, loss=Squares(), optimizer=SGD(0.1), epochs=5, validation=(mine, targets))
        assert history["loss"][-1] < history["loss"][0]
        find_rate([Dense()], data, loss=Squares())
    assert np.array_equal(mine, x)
    assert np.array_equal(targets, kept)


def test_a_kept_batch_is_no_parameter():
    step = TrainStep([Dense()], Squares())
    targets = rng.standard_normal((20, 3))
    for _ in range(2):
        step(x, targets, "")
    assert sorted(step.registry.parameters) == ["net.layers[0].W", "net.layers[0].b"]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_layer_that_writes_into_its_input_leaves_the_data(shuffle):
    mine, seen = x.copy(), x.copy()
    net = [CutsInPlace(), Dense()]
    fit(net, mine, t, loss=SoftmaxWithLoss(), validation=(seen, t), epochs=1, shuffle=shuffle)
    fit(net, [(mine, t)], loss=SoftmaxWithLoss(), epochs=1)
    predict(net, mine)
    evaluate(net, mine, t, loss=SoftmaxWithLoss())
    assert np.array_equal(mine, x)
    assert np.array_equal(seen, x)


# --- gradients that do not fit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gradient", "shape"), [(lambda dout: dout.sum(), r"\(\)"), (lambda dout: dout, r"\(20, 3\)")]
)  # fmt: skip
def test_a_gradient_of_another_shape_is_refused_before_anything_changes(gradient, shape):
    class Wrong(Dense):
        def backward(self, dout):
            dx = super().backward(dout)
            self.db = gradient(dout)
            return dx

    layer = Wrong()
    before = layer.W.copy()
    with pytest.raises(TrainingError, match=rf"Wrong.backward .*: db has shape {shape}, b has \(3,\), at "):
        fit([layer], x, t, loss=SoftmaxWithLoss(), batch=20)
    assert np.array_equal(layer.W, before)


def test_a_gradient_without_axes_of_one_is_the_same():
    def after(shape):
        layer = Dense()
        layer.b = layer.b.reshape(shape)
        fit([layer], x, t, loss=SoftmaxWithLoss(), batch=20, seed=0, epochs=3)
        return layer.b.ravel()

    assert np.array_equal(after((1, 3)), after((3,)))


def test_a_missing_gradient_of_a_branch_is_refused():
    class Product:
        def forward(self, a, b):
            self.b = b
            return a * b

        def backward(self, dout):
            return dout * self.b

    net = LayerGraph({"h": (Dense(4, 4), "x"), "g": (Dense(4, 4), "x"), "m": (Product(), "h", "g")})
    with pytest.raises(TrainingError, match=r"Product.backward returns 1 gradient, but forward takes 2 inputs: .*'g'"):
        fit(net, x, rng.standard_normal((20, 4)), loss=Squares())


# --- settings are looked at where they enter --------------------------------------------------------------------------


def raises(*_):
    raise KeyError("W9")


class Broken:
    def __init__(self):
        self.lr = 0.1

    update = raises


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"clip": -1.0}, "clip is -1.0"), ({"clip": 0}, "clip is 0"), ({"epochs": "3"}, "epochs is '3'"),
        ({"epochs": 0}, "epochs is 0"), ({"patience": "a"}, "patience is 'a'"), ({"seed": -1}, "seed is -1"),
        ({"batch": 2.5}, "batch is 2.5"), ({"metrics": accuracy}, r"metrics=\[accuracy\]"),
        ({"metrics": [raises]}, "epoch 1, batch 1: the metric raises was given .*: KeyError: 'W9'"),
        ({"schedule": cosine}, r"returns a function .* schedule=cosine\(\)"),
        ({"schedule": lambda done: -1}, "returns -1"),
        ({"schedule": raises}, "the schedule raises KeyError"), ({"compiled": "fsat"}, "compiled is 'fsat'"),
        ({"optimizer": Adam}, r"the class Adam: write optimizer=Adam\(\)"),
        ({"optimizer": Broken()}, "epoch 1, batch 1: Broken.update raises KeyError: 'W9'"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_told_before_anything_changes(more, said):
    layer = Dense()
    before = layer.W.copy()
    with pytest.raises(TrainingError, match=said):
        fit([layer], x, t, loss=SoftmaxWithLoss(), **more)
    assert np.array_equal(layer.W, before)


@pytest.mark.parametrize("rate", [-1.0, float("nan"), np.float64(-0.1)])
def test_a_rate_that_climbs_is_refused(rate):
    optimizer = SGD(0.1)
    optimizer.lr = rate
    with pytest.raises(TrainingError, match="a learning rate is larger than 0"):
        fit([Dense()], x, t, loss=SoftmaxWithLoss(), optimizer=optimizer)


def test_data_that_raises_is_told_with_the_epoch():
    def made():
        yield x, t
        raise KeyError("no row 9")

    with pytest.raises(TrainingError, match="epoch 1: the data raises KeyError: 'no row 9'"):
        fit([Dense()], made, loss=SoftmaxWithLoss())


def test_a_rate_of_numpys_follows_a_schedule(tmp_path):
    optimizer = SGD(np.float64(0.1))
    more = {"loss": SoftmaxWithLoss(), "schedule": lambda done: 0.5, "checkpoint": tmp_path}
    assert fit([Dense()], x, t, optimizer=optimizer, epochs=1, **more)["lr"] == [0.05]
    assert fit([Dense()], x, t, optimizer=SGD(np.float64(0.1)), epochs=2, resume=True, **more)["lr"] == [0.05, 0.05]


# --- optimizers remember each parameter -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_the_first_step_of_a_late_parameter_is_as_long_as_any_first_step(kind):
    optimizer = kind(lr=0.1, weight_decay=0.0)
    early, late, one = np.zeros(1), np.zeros(1), np.ones(1)
    for _ in range(10):
        optimizer.update({"early": early, "late": late}, {"early": one})
    optimizer.update({"early": early, "late": late}, {"early": one, "late": one})
    assert late == pytest.approx(-0.1)


@pytest.mark.parametrize("kind", [Adam, Momentum])
def test_an_optimizer_begins_anew_with_another_net_and_goes_on_with_the_same(kind):
    def trained(optimizer, layer, epochs=3):
        return fit([layer], x, t, loss=SoftmaxWithLoss(), optimizer=optimizer, epochs=epochs, seed=0, shuffle=False)

    used = kind(lr=0.05)
    first = trained(used, Dense())
    find_rate([Dense()], x, t, loss=SoftmaxWithLoss(), optimizer=used)
    assert trained(used, Dense()).rows == first.rows
    fit([Dense(4, 5), Dense(5, 3)], x, t, loss=SoftmaxWithLoss(), optimizer=used, epochs=1)  # other shapes
    whole, parts, again = Dense(), Dense(), kind(lr=0.05)
    trained(kind(lr=0.05), whole, epochs=6)
    trained(again, parts)
    trained(again, parts)
    assert np.array_equal(whole.W, parts.W)


# --- optimizers of the user's, and checks of layers -------------------------------------------------------------------


def test_a_rate_cannot_be_found_for_an_optimizer_without_one():
    class Steady:
        def __init__(self):
            self.rate = 0.01

        def update(self, params, grads):
            for key in params:
                params[key] -= self.rate * grads[key]

    with pytest.raises(TrainingError, match="Steady has no lr: that is the rate which find_rate changes"):
        find_rate([Dense()], x, t, loss=SoftmaxWithLoss(), optimizer=Steady())


@pytest.mark.parametrize("of_lists", [False, True])
def test_an_optimizer_may_gather_gradients_before_it_moves(of_lists):
    class Patient:
        def __init__(self):
            self.calls, self.sums = 0, {}

        def update(self, params, grads):
            for key in range(len(params)) if of_lists else params.keys():
                self.sums[key] = self.sums.get(key, 0.0) + grads[key]
            self.calls += 1
            if not self.calls % 4:
                for key, total in self.sums.items():
                    params[key] -= 0.1 * total
                self.sums = {}

    layer = Dense()
    before = layer.W.copy()
    fit([layer], x, t, loss=SoftmaxWithLoss(), optimizer=Patient(), epochs=4, batch=20)
    assert not np.array_equal(layer.W, before)


def test_check_looks_at_each_layer_that_is_built_otherwise():
    class Sometimes(Dense):
        def backward(self, dout):
            return super().backward(dout) * (1 if self.W.shape[1] == 4 else 2)

    with pytest.raises(WrongLayersError, match=r"Sometimes \(net.layers\[1\]\)"):
        fit([Sometimes(4, 4), Sometimes()], x, t, loss=SoftmaxWithLoss(), check=True)


class Distance:
    """From a target that is a number, or a pair of a target and weights."""

    def forward(self, scores, t):
        target, weights = t if isinstance(t, tuple) else (t, 1.0)
        self.slopes = weights * (scores - target)
        return float((weights * (scores - target) ** 2).sum() / 2)

    def backward(self, dout=1):
        return self.slopes * dout


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (float("nan"), r"t has NaN or infinity; the first layer that shows it is Distance \(loss\)"),
        (
            (np.array([[1.0], [2.0], [np.nan]]), np.ones((3, 1))),
            r"t has NaN or infinity in 1 of 3 samples, the first is number 2 of the batch",
        ),
    ],
)
def test_nan_in_a_target_that_is_no_array_is_told(target, said):
    layers = [Affine(np.ones((2, 1)), np.zeros(1))]
    with pytest.raises(TrainingError, match=said):
        fit(layers, [(np.ones((3, 2)), target)], loss=Distance(), epochs=1)
