"""The example that is made of a layer's use in a program: small and distinct sizes, numbers of the same kind."""

import numpy as np
import pytest

from dout.check.program.layer_use import LayerUse
from dout.check.program.used_example import Closeness, used_examples

RANDOM = np.random.default_rng(0)


class Any:
    """Takes whatever it is given, and checks nothing but what `rule` says."""

    def __init__(self, rule=None, **settings):
        self.rule, self.settings = rule, settings

    def forward(self, x, t=None):
        assert self.rule is None or self.rule(self.settings, x, t)
        return x * 2.0

    def backward(self, dout):
        return dout * 2.0


class Flat(Any):
    def __init__(self, rule, units, window=1):
        super().__init__(rule, units=units, window=window)


def used(x, t=None, cls=Any, **init):
    init = {"rule": None, **init}
    (example,) = used_examples([LayerUse(cls, init, cls(**init), {"x": x, **({} if t is None else {"t": t})})])
    return example, {**example.example.init, **example.example.inputs}


def test_a_layer_of_flattened_images_stays_one():
    rule = lambda settings, x, t: settings["units"] == x[0].size  # noqa: E731
    example, found = used(RANDOM.normal(size=(64, 8, 13, 13)), cls=Flat, rule=rule, units=1352)
    assert example.closeness is Closeness.SMALLER
    assert found["x"].size < 3000
    assert len(set(found["x"].shape[:2])) == 2


def test_what_divides_a_length_still_does():
    rule = lambda settings, x, t: x.shape[-1] % settings["window"] == 0 and settings["units"] == x.shape[-1]  # noqa: E731
    example, found = used(RANDOM.normal(size=(32, 20, 512)), cls=Flat, rule=rule, units=512, window=4)
    assert example.closeness is Closeness.SMALLER
    assert found["window"] == 4
    assert found["units"] % 4 == 0


def test_images_are_not_square_and_have_several_samples():
    _, found = used(RANDOM.normal(size=(1, 3, 28, 28)))
    samples, channels, height, width = found["x"].shape
    assert samples > 1
    assert channels == 3
    assert height != width


def test_a_layer_that_takes_square_images_alone_gets_square_ones():
    rule = lambda settings, x, t: x.shape[2] == x.shape[3]  # noqa: E731
    example, found = used(RANDOM.normal(size=(16, 3, 28, 28)), rule=rule)
    assert example.closeness is Closeness.SMALLER
    assert found["x"].shape[2] == found["x"].shape[3] < 28


@pytest.mark.parametrize(
    ("labels", "holds"),
    [
        (RANDOM.integers(0, 10, 100), lambda t, x: t.max() == x.shape[1] - 1 and t.shape == x.shape[:1]),
        (np.eye(10)[RANDOM.integers(0, 10, 100)], lambda t, x: t.shape == x.shape and set(t.sum(1)) == {1.0}),
        (
            RANDOM.dirichlet(np.ones(10), 100),
            lambda t, x: t.shape == x.shape and np.allclose(t.sum(1), 1) and t.min() > 0,
        ),
        (RANDOM.choice([-1.0, 1.0], 100), lambda t, x: set(t) <= {-1.0, 1.0} and t.shape == x.shape[:1]),
        (RANDOM.uniform(0, 1, (100, 10)), lambda t, x: t.min() > 0 and t.max() < 1),
        (RANDOM.random((100, 10)) < 0.5, lambda t, x: t.dtype == bool),
    ],
    ids=["classes", "one-hot", "shares of one", "plus or minus one", "probabilities", "mask"],
)
def test_numbers_stay_of_their_kind(labels, holds):
    example, found = used(RANDOM.normal(size=(100, 10)), labels)
    assert example.closeness is Closeness.SMALLER
    assert holds(found["t"], found["x"])


def test_labels_of_one_sample_grow_with_it_and_a_bias_does_not():
    _, found = used(RANDOM.normal(size=(1, 10)), np.eye(10)[[3]])
    assert found["t"].shape == found["x"].shape
    _, found = used(RANDOM.normal(size=(1, 10)), RANDOM.normal(size=(1, 7)))
    assert found["x"].shape[0] > 1
    assert found["t"].shape[0] == 1


def test_where_no_other_size_is_taken_the_use_itself_is_judged_with_fewer_samples():
    rule = lambda settings, x, t: x.shape[1:] == (784,)  # noqa: E731
    example, found = used(RANDOM.normal(size=(100, 784)), rule=rule)
    assert (example.closeness, found["x"].shape) == (Closeness.FEWER, (3, 784))


def test_a_layer_that_does_not_run_by_itself_has_no_example():
    class Broken(Any):
        def backward(self, dout):
            raise RuntimeError

    assert used_examples([LayerUse(Broken, {}, Broken(), {"x": np.ones((3, 4))})]) == []


def test_data_that_happen_to_be_whole_become_any_numbers_and_indices_stay_whole():
    _, found = used(RANDOM.integers(0, 2, (50, 10)))
    assert found["x"].dtype == float
    assert not np.all(found["x"] == np.round(found["x"]))
    rule = lambda settings, x, t: settings["rows"][x].size > 0  # noqa: E731
    _, found = used(RANDOM.integers(0, 90, (50, 10)), rule=rule, rows=RANDOM.normal(size=(90, 8)))
    assert found["x"].dtype.kind == "i"
    assert found["x"].max() == len(found["rows"]) - 1


def test_a_setting_at_its_default_is_not_given():
    class Drops(Any):
        def forward(self, x, train=True, mode="sum"):
            return super().forward(x)

    given = {"x": RANDOM.normal(size=(50, 10)), "train": True, "mode": "mean"}
    (example,) = used_examples([LayerUse(Drops, {}, Drops(), given)])
    assert sorted(example.example.inputs) == ["mode", "x"]


def test_samples_are_not_as_many_as_classes():
    for rows, classes in ((2, 2), (3, 3), (10, 10), (100, 3)):
        _, found = used(RANDOM.normal(size=(rows, classes)), np.eye(classes)[RANDOM.integers(0, classes, rows)])
        assert found["x"].shape == found["t"].shape
        assert found["x"].shape[0] != found["x"].shape[1]


def test_a_shape_that_a_layer_is_built_with_is_that_of_its_input():
    class Shaped(Any):
        def __init__(self, shape):
            super().__init__(lambda settings, x, t: x.shape[1:] == shape)

    x = RANDOM.normal(size=(16, 3, 28, 28))
    (found,) = used_examples([LayerUse(Shaped, {"shape": (3, 28, 28)}, Shaped((3, 28, 28)), {"x": x})])
    example = found.example
    assert example.init["shape"] == example.inputs["x"].shape[1:]
    assert example.init["shape"][1] != example.init["shape"][2]


def test_a_list_of_numbers_is_an_array():
    _, found = used([3.0, 1.0, 0.25])
    assert isinstance(found["x"], np.ndarray)
    _, found = used([-2, -1, 0, 1])
    assert isinstance(found["x"], np.ndarray)
    _, found = used(np.ones((4, 3)), t=[1, 2])
    assert found["t"] == [1, 2]


class KeepsInTraining(Any):
    """Both methods are told, each with a default of its own."""

    def forward(self, x, training=False):
        self.x = x if training else None
        return x * x

    def backward(self, dout, training=False):
        return 2 * dout * self.x


def test_what_was_used_in_training_is_judged_in_training():
    init = {"rule": None}
    use = LayerUse(KeepsInTraining, init, KeepsInTraining(**init), {"x": np.ones((4, 3)), "training": True})
    (example,) = used_examples([use])
    assert example.example.inputs["training"] is True


class Hidden(Any):
    def __init__(self, rule=None, hidden=(2,)):
        super().__init__(rule, hidden=hidden)


def test_samples_are_as_many_as_no_hidden_layer():
    _, found = used(RANDOM.normal(size=(128, 20)), cls=Hidden, hidden=[128, 128])
    assert len(found["x"]) not in found["hidden"]


class OfChannels:
    """The lines that it was told, whatever it is given."""

    def __init__(self, channels):
        self.channels = channels

    def forward(self, x):
        self.shape = (self.channels, *x.shape[1:])
        return np.array([2.0 * x[i] for i in range(self.channels)])

    def backward(self, dout):
        d = np.zeros(self.shape)
        d[...] = 2.0 * dout
        return d


def test_whole_data_get_no_other_number_of_channels_than_the_layer_has():
    x, init = np.arange(3 * 28 * 28).reshape(3, 28, 28), {"channels": 3}
    (example,) = used_examples([LayerUse(OfChannels, init, OfChannels(3), {"x": x})])
    assert len(example.example.inputs["x"]) == 3


class Part:
    def __init__(self):
        self.W = np.ones((5, 2))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Chain:
    """It returns no gradient; those of its parameters stay in its parts."""

    def __init__(self):
        self.parts = []

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x

    def backward(self, dout):
        for part in reversed(self.parts):
            dout = part.backward(dout)


def test_a_network_that_returns_nothing_is_judged_with_the_parts_that_it_was_given():
    chain = Chain()
    chain.parts.append(Part())
    (example,) = used_examples([LayerUse(Chain, {}, chain, {"x": RANDOM.normal(size=(4, 5))})])
    assert example.target is chain


class Held(OfChannels):
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


def test_whole_numbers_of_a_parameter_become_floats_of_which_there_is_a_gradient():
    x, init = np.arange(6).reshape(2, 3), {"W": np.arange(12).reshape(3, 4)}
    (example,) = used_examples([LayerUse(Held, init, Held(**init), {"x": x})])
    assert {example.example.init["W"].dtype.kind, example.example.inputs["x"].dtype.kind} == {"f"}


def test_whole_floats_are_data_beside_labels_and_labels_beside_data():
    whole = RANDOM.integers(0, 10, size=(12, 7))
    _, found = used(whole, whole[::-1].astype(float))
    assert found["t"].dtype.kind == "f"
    assert not np.array_equal(found["t"], np.floor(found["t"]))
    _, found = used(RANDOM.normal(size=(12, 7)), whole[:, 0].astype(float))
    assert found["t"].dtype.kind == "i"
