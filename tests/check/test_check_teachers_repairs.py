"""The repaired line is the one that a teacher would write: the shortest change, in the student's own names."""

import numpy as np
import pytest

import dout

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))


def mended(layer, *inputs, code="D101"):
    """The lines of the first repair, without spaces around them."""
    fixes = [finding.fix for finding in dout.check(layer, *inputs).findings if finding.code == code and finding.fix]
    lines = fixes[0].diff(0).splitlines() if fixes else []
    return [line[1:].strip() for line in lines if line[:1] == "+" and line[:3] != "+++"]


class Leaky:
    def forward(self, x):
        self.negative = x < 0
        return np.where(self.negative, 0.1 * x, x)

    def backward(self, dout):
        dx = dout.copy()
        dx[self.negative] = 0.1
        return dx


def test_a_factor_is_multiplied_into_some_elements():
    assert mended(Leaky(), X) == ["dx[self.negative] *= 0.1"]


class Penalty:
    def __init__(self):
        self.strength = 0.3

    def forward(self, w):
        self.w = w
        return np.sum(np.abs(w)) + self.strength * np.sum(w**2)

    def backward(self, dout=1):
        return dout * (np.sign(self.w) + self.strength * self.w)


def test_a_term_that_is_there_once_gets_a_factor():
    assert mended(Penalty(), X) == ["return dout * (np.sign(self.w) + 2 * self.strength * self.w)"]


class Words:
    def __init__(self):
        self.W = RNG.normal(size=(6, 3))

    def forward(self, words):
        self.words = words
        return self.W[words]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        for i, word in enumerate(self.words):
            self.dW[word] = dout[i]


def test_single_elements_are_added_with_plus():
    assert mended(Words(), np.array([1, 4, 1])) == ["self.dW[word] += dout[i]"]


class Margin:
    def forward(self, s, t):
        self.t = t
        self.m = np.maximum(0, s - s[np.arange(len(t)), t][:, None] + 1)
        return np.sum(self.m)

    def backward(self, dout=1):
        d = (self.m > 0).astype(float)
        d[np.arange(len(self.t)), self.t] = -d.sum(axis=1)
        return dout * d


def test_elements_of_which_each_is_in_a_row_of_its_own_do_not_repeat():
    assert mended(Margin(), X, np.array([1, 3, 0])) == ["d[np.arange(len(self.t)), self.t] -= d.sum(axis=1)"]


class Causal:
    def __init__(self):
        self.w = np.array([0.5, -1.0, 2.0])

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (2, 0)))
        return sum(self.x[:, j : j + x.shape[1]] * self.w[j] for j in range(3))

    def backward(self, dout):
        dx, n = np.zeros_like(self.x), dout.shape[1]
        self.dw = np.zeros_like(self.w)
        for j in range(3):
            self.dw[j] = np.sum(self.x[:, j : j + n] * dout)
            dx[:, j : j + n] += dout * self.w[j]
        return dx[:, :n]


def test_behind_a_loop_nothing_is_told_by_its_last_turn():
    (line,) = mended(Causal(), X)
    assert "j" not in line


class Advantage:
    def forward(self, x, advantage):
        self.advantage = advantage
        return x * advantage[:, None]

    def backward(self, dout):
        return dout * self.advantage.mean()


def test_a_mean_may_have_to_be_a_column():
    assert mended(Advantage(), X, np.array([0.5, -1.0, 2.0])) == ["return dout * self.advantage[:, None]"]


class Bag:
    def __init__(self):
        self.W = RNG.normal(size=(6, 3))

    def forward(self, words):
        self.words = words
        return self.W[words].mean(axis=1)

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        n = self.words.shape[1]
        for j in range(n):
            np.add.at(self.dW, self.words[:, j], dout)


def test_a_length_has_the_name_that_the_code_gives_it():
    assert mended(Bag(), np.array([[1, 4, 1, 0], [2, 2, 5, 3]])) == ["np.add.at(self.dW, self.words[:, j], dout / n)"]


class Tanh2:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y + 0

    def backward(self, dout):
        return dout * (1 - np.tanh(self.y) ** 2)


def test_a_function_too_many_goes():
    assert mended(Tanh2(), X) == ["return dout * (1 - self.y ** 2)"]


class Gated:
    def __init__(self):
        self.W = RNG.normal(size=(8, 2))

    def forward(self, x, r):
        self.x, self.r = x, r
        return np.hstack([x, x * r]) @ self.W

    def backward(self, dout):
        a, b = np.hsplit(dout @ self.W.T, 2)
        self.dW = np.hstack([self.x, self.x]).T @ dout
        return a + b * self.r, b * self.x


def test_an_element_of_what_is_joined_gets_its_factor():
    assert mended(Gated(), X, RNG.normal(size=(3, 4))) == [
        "self.dW = np.hstack([self.x, self.x * self.r]).T @ dout",
    ]


class Padded:
    def __init__(self, left=3, right=2):
        self.left, self.right = left, right

    def forward(self, x):
        self.n = x.shape[-1]
        return np.pad(x, ((0, 0), (self.left, self.right)))

    def backward(self, dout):
        return dout[:, self.right : self.right + self.n]


def test_a_name_is_changed_wherever_an_index_has_it():
    (line,) = mended(Padded(), X)
    assert "right" not in line
    assert line.count("self.left") == 2


class Concat:
    def forward(self, *xs):
        self.widths = [x.shape[1] for x in xs]
        return np.concatenate(xs, axis=1)

    def backward(self, dout):
        return tuple(np.split(dout, self.widths[:-1], axis=1))


class RightConcat(Concat):
    def backward(self, dout):
        return tuple(np.split(dout, np.cumsum(self.widths)[:-1], axis=1))


@pytest.mark.parametrize(("layer", "ok"), [(Concat, False), (RightConcat, True)])
def test_any_number_of_inputs_is_tried_as_three(layer, ok):
    assert dout.check(layer).ok is ok


class Linear32:
    def __init__(self):
        self.W, self.b = RNG.normal(size=(4, 3)).astype(np.float32), np.zeros(3, np.float32)

    def forward(self, x):
        self.x = x.astype(np.float32)
        return self.x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.mean(axis=0)
        return dout @ self.W.T


def test_float32_is_no_step():
    (finding,) = (f for f in dout.check(Linear32).findings if f.code == "D101")
    assert finding.severity == "error"
