"""An example that raised is mended by what it raised; what is wrong stays wrong."""

import numpy as np
import pytest

from dout.adapt import example
from dout.adapt.search.example_repair import changes, mended
from dout.adapt.search.failure import Failure
from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word


class Patches:
    """A layer that looks at 2 × 2 patches of images, and says so only inside."""

    def forward(self, x):
        N, C, H, W = x.shape
        self.shape = x.shape
        return x.reshape(N, C, H // 2, 2, W // 2, 2).sum((3, 5)).reshape(N, -1)

    def backward(self, dout):
        N, C, H, W = self.shape
        return dout.reshape(N, C, H // 2, W // 2).repeat(2, 2).repeat(2, 3)


class Linear:
    def __init__(self, n_in, n_out):
        self.params = {"W": np.random.default_rng(0).normal(size=(n_in, n_out))}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"]

    def backward(self, dout):
        self.grads = {"W": self.x.T @ dout}
        return dout @ self.params["W"].T


class Rows:
    """Vectors of a table, by number."""

    def __init__(self, table):
        self.params, self.grads = [table], [np.zeros_like(table)]

    def forward(self, numbers):
        (table,) = self.params
        self.numbers = numbers
        return table[numbers]

    def backward(self, dout):
        self.grads[0][...] = 0
        np.add.at(self.grads[0], self.numbers, dout)


class Likelihood:
    """Softmax and cross entropy of labels that are rows with one 1, or numbers."""

    def forward(self, z, t):
        e = np.exp(z - z.max(1, keepdims=True))
        self.p, self.t = e / e.sum(1, keepdims=True), t
        k = t.argmax(1) if t.ndim == 2 else t
        return -np.mean(np.log(self.p[np.arange(len(k)), k]))

    def backward(self, dout=1):
        return dout * (self.p - self.t) / len(self.p)


class Network:
    """Layers in a row."""

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class Pictures(Network):
    def __init__(self):
        self.layers = [Patches(), Linear(2 * 6 * 6, 3)]


class WithAColumn:
    """A column of ones stands for the bias, and the number of features is fixed."""

    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(12, 3))

    def forward(self, x):
        self.x = np.hstack([x, np.ones((len(x), 1))])
        return self.x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W[:-1].T


class WithAWrongColumn(WithAColumn):
    def backward(self, dout):
        return 2 * super().backward(dout)


class Words:
    """Two numbers a row; both are looked up in one table."""

    def __init__(self, n_words=50_000, n_features=300):
        table = np.random.default_rng(0).normal(size=(n_words, n_features))
        self.first, self.second, self.end = Rows(table), Rows(table), Likelihood()
        self.params, self.grads = self.first.params + self.second.params, self.first.grads + self.second.grads

    def forward(self, words, following):
        return self.end.forward(self.first.forward(words[:, 0]) + self.second.forward(words[:, 1]), following)

    def backward(self, dout=1):
        dout = self.end.backward(dout)
        self.first.backward(dout)
        self.second.backward(dout)


class WordsOnce(Words):
    """The second use is forgotten."""

    def backward(self, dout=1):
        self.first.backward(self.end.backward(dout))


class Distance:
    """What may be left out is asked for nevertheless."""

    def forward(self, x, target=None):
        self.x, self.target = x, target
        return 0.5 * np.sum((x - (0 if target is None else target)) ** 2)

    def backward(self, dout):
        return dout * (self.x - self.target)


class Scaled:
    """A product with a factor, of settings that another object reads."""

    def __init__(self, settings):
        self.settings = settings

    def product(self, x, W):
        return x @ W * self.settings["scale"]


class OfSettings:
    """Its settings are handed on."""

    def __init__(self, settings):
        self.part = Scaled(settings)
        self.W = np.random.default_rng(0).normal(size=(settings["in_size"], settings["out_size"]))

    def forward(self, x):
        self.x = x
        return self.part.product(x, self.W)

    def backward(self, dout):
        self.dW = self.part.product(self.x.T, dout)
        return self.part.product(dout, self.W.T)


@pytest.mark.one_in(16)
@pytest.mark.parametrize("cls", [Pictures, WithAColumn, Words, Distance, OfSettings])
def test_what_a_layer_raises_says_how_to_feed_it(cls):
    report = check(cls)
    assert report.verdicts
    assert all(verdict.word in (Word.EXACT, Word.AGREES) for verdict in report.verdicts), report


def test_images_are_made_as_large_as_the_weights_behind_them_want():
    assert example(Pictures, {}, {}).inputs["x"].shape[1:] == (2, 12, 12)


@pytest.fixture(scope="module")
def words():
    return example(Words, {}, {})


def test_the_inputs_of_a_loss_are_whole_numbers_and_rows_with_one_1(words):
    assert words.inputs["words"].dtype.kind == "i"
    assert np.array_equal(words.inputs["following"].sum(1), np.ones(len(words.inputs["following"])))


def test_large_sizes_by_default_become_small_ones(words):
    assert max(words.init.values()) < 10


@pytest.mark.one_in(2)
@pytest.mark.parametrize("cls", [WithAWrongColumn, WordsOnce])
def test_what_is_wrong_is_not_tried_away(cls):
    assert Word.REFUTED in [verdict.word for verdict in check(cls).verdicts]


def _raised(function, **inputs):
    try:
        function(**inputs)
    except Exception as error:
        return Failure({}, inputs, error, frozenset(inputs))
    raise AssertionError("it did not raise")


def _shapes(failure):
    return [{name: np.shape(item) for name, item in change.items()} for change in changes(failure)]


def test_the_input_that_is_seen_where_it_raised_is_changed_first():
    def inner(b):
        return [n * t * d for n, t, d in [b.shape]]

    failure = _raised(lambda a, b: inner(b), a=np.ones((2, 5)), b=np.zeros((2, 4)))
    assert _shapes(failure)[0] == {"b": (2, 3, 4)}


def test_a_size_becomes_that_of_the_parameter():
    layer = Linear(7, 2)
    layer.W = layer.params["W"]
    assert _shapes(_raised(layer.forward, x=np.ones((3, 4))))[0] == {"x": (3, 7)}


def test_images_that_a_window_left_nothing_of_are_mended_too():
    failure = _raised(lambda x: x[:, :, 9:].reshape(2, -1) @ np.ones((845, 3)), x=np.ones((2, 3, 8, 8)))
    assert all(len(change["x"]) == 4 for change in _shapes(failure))


def test_labels_that_are_subtracted_become_rows_with_one_1():
    failure = _raised(lambda p, t: p - t, p=np.ones((2, 5)), t=np.array([1, 0]))
    change = next(c for c in changes(failure) if "t" in c)
    assert change["t"].shape == (2, 5)
    assert np.array_equal(change["t"].sum(1), [1, 1])


def test_what_the_caller_gave_stays():
    x = np.ones((2, 5))
    assert not list(
        changes(Failure({}, {"x": x}, ValueError("not enough values to unpack (expected 4, got 2)"), frozenset()))
    )


class Causal:
    """Scores of steps with each other, but for those that come later: its mask is of a number of steps."""

    def __init__(self, embed_dim, head_dim, sequence_length):
        self.Q = np.random.default_rng(0).normal(size=(embed_dim, head_dim))
        self.later = np.triu(np.ones((sequence_length, sequence_length), dtype=bool), 1)

    def forward(self, x):
        self.x, self.q = x, x @ self.Q
        scores = self.q @ self.q.T
        scores[self.later] = 0
        return scores

    def backward(self, dout):
        d = np.where(self.later, 0, dout)
        d = (d + d.T) @ self.q
        self.dQ = self.x.T @ d
        return d @ self.Q.T


def test_steps_are_as_many_as_a_mask_is_made_for():
    assert {v.argument: v.word for v in check(Causal).verdicts} == {"x": Word.EXACT, "Q": Word.EXACT}


@pytest.mark.parametrize(("wanted", "tried"), [(900, True), (90_000_000, False)])
def test_no_size_is_tried_that_outgrows_the_memory(wanted, tried):
    error = ValueError(f"operands could not be broadcast together with shapes (4,) ({wanted},)")
    given = Failure({"n": 4, "m": 5}, {"x": np.ones((3, 2))}, error, frozenset({"n", "m", "x"}))
    seen = []

    def retry(init, inputs):
        seen.append(init["n"])
        return given

    list(mended([given], retry))
    assert (wanted in seen) is tried


class Shuffle:
    """Channels become pixels: it refuses a number of them that its factor does not divide twice."""

    turn = (0, 1, 3, 2)

    def __init__(self, upscale_factor):
        self.r = upscale_factor

    def forward(self, maps):
        (n, channels, length), r = maps.shape, self.r
        assert channels % (r * r) == 0, "the factor has to divide the channels"
        blocks = maps.reshape(n, channels // (r * r), r, r, length).reshape(n, channels // (r * r), r * r, length)
        self.shape = blocks.shape
        return blocks.transpose(self.turn).reshape(n, channels // (r * r), -1)

    def backward(self, dout):
        n, channels, parts, length = self.shape
        return dout.reshape(n, channels, length, parts).transpose(self.turn).reshape(n, channels * parts, length)


class ShuffleWrong(Shuffle):
    def backward(self, dout):
        n, channels, parts, length = self.shape
        return dout.reshape(n, channels * parts, length)


def test_a_size_that_has_to_be_divided_is_made_a_multiple():
    assert {v.word for v in check(Shuffle).verdicts} == {Word.EXACT}
    assert {v.word for v in check(ShuffleWrong).verdicts} == {Word.REFUTED}
