"""An example that may not be what is meant accuses nobody; what is wrong on it and on any other does."""

import numpy as np
import pytest
from check_commands import document, layers, write

from dout.adapt import example
from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word


class Scaled:
    """One factor a channel, as the shape in which its gradient comes says."""

    def forward(self, x, gamma):
        N, C, H, W = x.shape
        self.x, self.gamma = x, gamma
        return (x * gamma).reshape(N, C, H, W)

    def backward(self, dout):
        return dout * self.gamma, (dout * self.x).sum((0, 2, 3), keepdims=True)


class SummedTooMuch(Scaled):
    def backward(self, dout):
        return dout * self.gamma, np.sum(dout * self.x)


class NotSummed:
    def forward(self, x, W, b):
        self.x, self.W = x, W
        return x @ W + b

    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout, dout


class Contracted:
    """`einsum` takes an axis of 1 for one of any length."""

    def __init__(self):
        self.W = np.arange(12.0).reshape(3, 4) / 8

    def forward(self, x):
        return np.einsum("ji,li->lj", self.W, x)

    def backward(self, dout):
        return dout @ self.W


class Steps:
    """A table looked up by number, added to a state; the numbers have no gradient."""

    def __init__(self, words, size):
        self.params, self.grads = [np.ones((words, size))], [np.zeros((words, size))]

    def forward(self, xs, h):
        N, T = xs.shape
        self.xs, self.h = xs, h
        return h[:, None] ** 2 + self.params[0][xs].reshape(N, T, -1)

    def backward(self, dout):
        self.grads[0][...] = 0
        np.add.at(self.grads[0], self.xs, dout)
        return dout.sum(1) * 2 * self.h


class Two:
    """Two outputs, of which backward names the second."""

    def forward(self, x):
        first, second = 2 * x, 3 * x
        return first, second

    def backward(self, dsecond):
        return 3 * dsecond


class Error:
    """The error has a Greek letter that others have for their learning rate."""

    def forward(self, x):
        return 2 * x

    def backward(self, eta):
        return 2 * eta


def words(cls):
    return {verdict.argument: verdict.word for verdict in check(cls).verdicts}


@pytest.mark.parametrize("cls", [Contracted, Two, Error])
def test_what_is_right_on_what_is_meant_is_right(cls):
    assert set(words(cls).values()) == {Word.EXACT}


def test_a_parameter_is_given_in_the_shape_of_its_gradient():
    x, gamma = example(Scaled, {}, {}).inputs.values()
    assert np.shape(gamma) == (1, np.shape(x)[1], 1, 1)


@pytest.mark.parametrize("cls", [SummedTooMuch, NotSummed])
def test_a_sum_that_is_missing_or_too_much_is_wrong(cls):
    assert Word.REFUTED in words(cls).values()


def test_a_state_is_made_of_numbers_and_indices_of_whole_numbers():
    inputs = example(Steps, {}, {}).inputs
    assert [inputs[name].dtype.kind for name in ("xs", "h")] == ["i", "f"]
    assert words(Steps)["h"] == Word.EXACT


def test_the_output_is_the_one_that_backward_names():
    assert "for output 2 alone" in str(example(Two, {}, {}).interface)


class Stepping:
    """Its network gives it an optimizer, which takes the layer and a dict of gradients."""

    def __init__(self):
        self.optimizer = None
        self.params = {"W": np.arange(12.0).reshape(4, 3) / 8}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"]

    def backward(self, dout, learning_rate):
        self.optimizer.update(self, {"dW": self.x.T @ dout}, learning_rate)
        return dout @ self.params["W"].T


def test_an_optimizer_that_a_network_would_set_is_there():
    assert words(Stepping) == {"x": Word.EXACT, "W": Word.EXACT}


class RowOfDiagonal:
    """A softmax for one row, whose gradient is a row as well; to multiply it by `dout` would repeat it."""

    def forward(self, x):
        e = np.exp(x - x.max())
        self.y = e / e.sum(-1, keepdims=True)
        return self.y

    def backward(self, total_loss):
        jacobian = np.diagflat(self.y[0]) - self.y.T @ self.y
        return np.sum(jacobian * total_loss, axis=1)[None]


def test_a_local_derivative_is_not_repeated():
    assert "the caller multiplies" not in str(example(RowOfDiagonal, {}, {}).interface)


def square_of(w):
    return w.T.dot(w) / 2


def square_of_grad(w):
    return w


def test_a_local_derivative_may_be_longer_than_the_output():
    from dout.adapt.interface.function_pairs import pair_class

    assert set(words(pair_class(square_of, square_of_grad)).values()) == {Word.EXACT}


class Squeezed:
    """Pictures of one place, whose axes of 1 it takes away."""

    def forward(self, x):
        return 2 * x.squeeze()

    def backward(self, dout):
        return 2 * np.expand_dims(dout, (1, 2))


def test_axes_of_one_are_given_where_the_gradient_has_them():
    assert np.shape(example(Squeezed, {}, {}).inputs["x"])[1:3] == (1, 1)
    assert set(words(Squeezed).values()) == {Word.EXACT}


class Drawn:
    def __init__(self, n_in, n_out, source):
        self.W = source.normal(size=(n_in, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class DrawnTheOldWay(Drawn):
    def __init__(self, n_in, n_out, source):
        self.W = source.randn(n_in, n_out)


@pytest.mark.parametrize("cls", [Drawn, DrawnTheOldWay])
def test_what_draws_numbers_is_a_random_generator(cls):
    assert words(cls) == {"x": Word.EXACT, "W": Word.EXACT}


ONE_CHANNEL = """import numpy as np
class Mix:
    def __init__(self):
        self.w = np.arange(10.0).reshape(5, 2) / 7
    def forward(self, x):
        if x.shape[2:] != (8, 8):
            raise ValueError("eight by eight")
        self.x = x
        return np.einsum("bcyx,fc->bfyx", x, self.w)
    def backward(self, dout):
        dx = np.zeros(self.x.shape)
        dx += np.einsum("bfyx,fc->bcyx", dout, self.w)
        return dx
"""


def test_a_backward_that_raises_on_one_channel_that_forward_has_repeated_may_not_be_at_fault(tmp_path):
    write(tmp_path, ONE_CHANNEL)
    (mix,) = layers(document("mine.py", cwd=tmp_path)).values()
    assert not any(finding["severity"] == "error" for finding in mix["findings"])
