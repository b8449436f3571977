"""`explain` beside backwards of many lines: normalization, cells, loops, helpers, layers inside, documents."""

import numpy as np
import pytest
from named_meaning import NamedMeaning
from test_explain_beside import X, lines_of, said, verdict, verdicts

import dout.layers
from dout.explain.beside.user_lines import backward_lines
from dout.trace.record.record import record


class LayerNorm:
    def __init__(self):
        self.gamma, self.beta = np.array([0.5, 1.5, -0.8]), np.zeros(3)

    def forward(self, x):
        mu = x.mean(axis=1, keepdims=True)
        xc = x - mu
        var = np.mean(xc**2, axis=1, keepdims=True)
        std = np.sqrt(var + 10e-7)
        xn = xc / std
        self.xc, self.std, self.xn = xc, std, xn
        return self.gamma * xn + self.beta

    def scaled(self, dout):
        return dout * self.gamma

    def backward(self, dout):
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.scaled(dout)
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=1,
                       keepdims=True)  # fmt: skip
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / self.xc.shape[1]) * self.xc * dvar
        dmu = np.sum(dxc, axis=1, keepdims=True)
        dx = dxc - dmu / self.xc.shape[1]
        return dx


def test_layer_norm_in_the_long_style():
    lines = {line.source.split(" = ")[0]: verdict(line) for line in lines_of(LayerNorm(), X)}
    assert lines == {
        "return dout * self.gamma": "✓ dxn",
        "self.dbeta": "✓ dbeta",
        "self.dgamma": "✓ dgamma",
        "dxn": "✓ dxn",
        "dxc": "✓ use",
        "dstd": "✓ dstd",
        "dvar": "✓ formula",
        "dxc += (2.0 / self.xc.shape[1]) * self.xc * dvar": "✓ dxc",  # the number in it is one of this size alone
        "dmu": "✓ opposite",
        "dx": "✓ dx",
    }


def test_a_long_statement_is_shown_by_its_first_line():
    (line,) = [line for line in lines_of(LayerNorm(), X) if line.source.startswith("dstd")]
    assert line.source == "dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=1, …"


class BatchNorm:
    def __init__(self):
        self.gamma, self.beta = np.array([0.5, 1.5, -0.8]), np.zeros(3)

    def forward(self, x):
        mu = x.mean(axis=0)
        xc = x - mu
        var = np.mean(xc**2, axis=0)
        std = np.sqrt(var + 10e-7)
        xn = xc / std
        self.xc, self.std, self.xn, self.size = xc, std, xn, len(x)
        return self.gamma * xn + self.beta

    def backward(self, dout):
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += 2.0 * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        dx = dxc - dmu / self.size
        return dx


class BatchNormTwoMistakes(BatchNorm):
    def backward(self, dout):
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / self.size) * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        dx = dxc - dmu
        return dx


def test_batch_norm_without_one_over_n_is_wrong_in_that_line_and_right_after_it():
    *before, dxc, dmu, dx = lines_of(BatchNorm(), X)
    assert not any(line.wrong for line in before)
    assert verdict(dxc) == "✗ part_not_divided"
    assert dxc.reason.fields["n"] == "4"
    assert not dmu.wrong
    assert verdict(dx) == "✓ given"
    assert said(dx) == "right, given dxc of the line above"


def test_two_mistakes_are_two_wrong_lines():
    dxn, dxc, dstd, dvar, dxc2, _, dx = map(verdict, lines_of(BatchNormTwoMistakes(), X))
    assert (dxn, dxc) == ("✓ dxn", "✓ use")
    assert dstd == "✗ sign"
    assert (dvar, dxc2) == ("✓ given", "✓ given")
    assert dx == "✗ part_not_divided"


class Embedding:
    def __init__(self):
        self.params, self.grads = [np.arange(15.0).reshape(5, 3)], [np.zeros((5, 3))]

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)


class EmbeddingThatOverwrites(Embedding):
    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        dW[self.idx] = dout


@pytest.mark.parametrize(
    ("layer", "expected"),
    [(Embedding, ["✓ start", "✓ dparams[0]"]), (EmbeddingThatOverwrites, ["✓ start", "✗ overwritten"])],
)
def test_embedding(layer, expected):
    assert verdicts(layer(), np.array([1, 4, 1])) == expected


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Cell:
    """An LSTM cell without bias, of one input and one state."""

    def __init__(self):
        self.Wx, self.Wh = np.linspace(-1, 1, 24).reshape(3, 8), np.linspace(1, -0.5, 16).reshape(2, 8)

    def forward(self, x, h_prev, c_prev):
        A = np.dot(x, self.Wx) + np.dot(h_prev, self.Wh)
        f, g, i, o = sigmoid(A[:, :2]), np.tanh(A[:, 2:4]), sigmoid(A[:, 4:6]), sigmoid(A[:, 6:])
        c_next = f * c_prev + g * i
        h_next = o * np.tanh(c_next)
        self.cache = x, h_prev, c_prev, i, f, g, o, c_next
        return h_next, c_next

    def slope(self, t):
        return 1 - t**2

    def backward(self, dh_next, dc_next):
        x, h_prev, c_prev, i, f, g, o, c_next = self.cache
        t = np.tanh(c_next)
        ds = dc_next + (dh_next * o) * self.slope(t)
        dc_prev = ds * f
        di, df = ds * g, ds * c_prev
        do = dh_next * t
        dg = ds * i
        di *= i * (1 - i)
        df *= f * (1 - f)
        do *= o * (1 - o)
        dg *= 1 - g**2
        dA = np.hstack((df, dg, di, do))
        self.dWx, self.dWh = np.dot(x.T, dA), np.dot(h_prev.T, dA)
        return np.dot(dA, self.Wx.T), np.dot(dA, self.Wh.T), dc_prev


class CellThatForgetsTheSquare(Cell):
    def slope(self, t):
        return 1 - t


STATE = np.array([[0.2, -0.4], [0.5, 0.3], [-0.7, 0.1], [0.6, -0.2]])


def test_a_cell_is_right_in_every_line():
    found = verdicts(Cell(), X, STATE, STATE[::-1].copy())
    assert not any(v.startswith("✗") for v in found)
    assert "✓ dA" in found


def test_a_cell_that_forgets_a_square_goes_wrong_where_the_gradients_of_its_state_add_up():
    lines = lines_of(CellThatForgetsTheSquare(), X, STATE, STATE[::-1].copy())
    assert [line.source[:2] for line in lines if line.wrong] == ["ds"]
    assert sum(verdict(line) == "✓ given" for line in lines) >= 8


class Recurrent:
    def __init__(self):
        self.Wx, self.Wh = np.linspace(-1, 1, 6).reshape(3, 2), np.array([[0.4, -0.9], [0.3, 0.8]])

    def forward(self, xs):
        self.xs, self.hs = xs, np.empty((len(xs), 2))
        h = np.zeros(2)
        for t in range(len(xs)):
            h = np.tanh(h @ self.Wh + xs[t] @ self.Wx)
            self.hs[t] = h
        return self.hs

    def backward(self, dhs):
        dxs = np.zeros_like(self.xs)
        back = 0
        for t in reversed(range(len(dhs))):
            dh = dhs[t] + back
            dt = dh * (1 - self.hs[t] ** 2)
            dxs[t] = dt @ self.Wx.T
            back = dt @ self.Wh.T
        return dxs


class RecurrentTransposed(Recurrent):
    def backward(self, dhs):
        dxs = np.zeros_like(self.xs)
        back = 0
        for t in reversed(range(len(dhs))):
            dh = dhs[t] + back
            dt = dh * (1 - self.hs[t] ** 2)
            dxs[t] = dt @ self.Wx.T
            back = dt @ self.Wh
        return dxs


def test_a_loop_over_time():
    assert not any(line.wrong for line in lines_of(Recurrent(), X[:3]))


def test_a_loop_over_time_goes_wrong_in_the_line_that_carries_the_gradient():
    wrong = [line for line in lines_of(RecurrentTransposed(), X[:3]) if line.wrong]
    assert [line.source for line in wrong] == ["back = dt @ self.Wh"]
    assert verdict(wrong[0]) == "✗ operand_transposed"


class Mul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class MulSwapped(Mul):
    def backward(self, dout):
        dx = dout * self.x; dy = dout * self.y  # noqa: E702  # fmt: skip
        return dx, dy


def test_a_statement_with_two_values_is_one_line_and_a_line_with_two_statements_is_two():
    (line,) = lines_of(Mul(), 3.0, 5.0)
    assert line.step == 1
    assert not line.wrong
    swapped = lines_of(MulSwapped(), 3.0, 5.0)
    assert [line.source for line in swapped] == ["dx = dout * self.x", "dy = dout * self.y"]
    assert [verdict(line) for line in swapped] == ["✗ other", "✗ other"]
    assert said(swapped[0]) == "this is y, not x"


class Blocks:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout


class Residual:
    def __init__(self):
        self.relu = Blocks()

    def forward(self, x):
        return self.relu.forward(x * 2) + x

    def backward(self, dout):
        d = self.relu.backward(dout)
        return d * 2 + dout


def test_a_layer_inside_that_is_wrong_is_named():
    line = lines_of(Residual(), X)[0]
    assert line.wrong
    assert said(line) == "the backward of relu is wrong: see there"


def test_a_backward_without_source_has_no_lines():
    scope = {"np": np}
    exec("class Twice:\n def forward(self, x): return 2 * x\n def backward(self, dout): return 2 * dout", scope)
    assert verdicts(scope["Twice"](), X) == []


def test_a_recording_that_was_saved_says_the_same(tmp_path):
    record(LayerNorm(), X).save(tmp_path / "norm.json")
    trace = dout.load(tmp_path / "norm.json")
    found = backward_lines(trace, trace.calls[0], NamedMeaning(trace, trace.calls[0]))
    assert "✓ dstd" in map(verdict, found)
    assert not any(line.wrong for line in found)


class Convolution:
    def __init__(self):
        self.W = np.array([[[0.5, -1.0], [2.0, 0.3]], [[1.5, 0.7], [-0.4, 0.9]]])

    def forward(self, x):
        self.x = x
        out = np.zeros((2, 2, 2))
        for f in range(2):
            for i in range(2):
                for j in range(2):
                    out[f, i, j] = np.sum(x[i : i + 2, j : j + 2] * self.W[f])
        return out

    def backward(self, dout):
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for f in range(2):
            for i in range(2):
                for j in range(2):
                    self.dW[f] += self.x[i : i + 2, j : j + 2] * dout[f, i, j]
                    dx[i : i + 2, j : j + 2] += self.W[f] * dout[f, i, j]
        return dx


class ConvolutionThatOverwrites(Convolution):
    def backward(self, dout):
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for f in range(2):
            for i in range(2):
                for j in range(2):
                    self.dW[f] += self.x[i : i + 2, j : j + 2] * dout[f, i, j]
                    dx[i : i + 2, j : j + 2] = self.W[f] * dout[f, i, j]
        return dx


@pytest.mark.parametrize(
    ("layer", "expected"),
    [(Convolution, ["✓ start", "✓ dW", "✓ dx"]), (ConvolutionThatOverwrites, ["✓ start", "✓ dW", "✗ overwritten"])],
)
def test_a_loop_over_filters(layer, expected):
    assert verdicts(layer(), np.arange(9.0).reshape(3, 3) ** 1.5) == expected


class NormThatForgetsAPart(BatchNorm):
    def backward(self, dout):
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dmu = np.sum(dxc, axis=0)
        dx = dxc - dmu / self.size
        return dx


def test_a_part_that_is_forgotten_is_named():
    (wrong,) = [line for line in lines_of(NormThatForgetsAPart(), X) if line.wrong]
    assert wrong.source == "dxc = dxn / self.std"
    assert verdict(wrong) == "✗ part_missing"


def test_what_a_shared_helper_hands_on_is_the_gradient_that_backward_returns():
    assert [(line.source[:2], line.step) for line in lines_of(dout.layers.MulLayer(), 3.0, 5.0)] == [
        ("dx", 1),
        ("dy", 1),
    ]
    (line,) = lines_of(dout.layers.Relu(), X)
    assert line.source == "dx = either(self.mask, 0, dout)"
    assert not line.wrong


class TwoLayers:
    def __init__(self):
        self.W1, self.W2 = np.array([[0.5, -1.0], [0.3, 0.8], [1.2, -0.4]]), np.array([[0.7, -0.2], [0.1, 0.9]])

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W1)
        return self.h @ self.W2

    def backward(self, dout):
        self.dW2 = self.h.T @ dout
        dh = dout @ self.W2.T
        da = dh * (1 - self.h)
        self.dW1 = self.x.T @ da
        return da @ self.W1.T


def test_a_wrong_line_without_a_telling_name_is_found_by_the_results_that_follow_from_it():
    lines = {line.source.split(" = ")[0]: verdict(line) for line in lines_of(TwoLayers(), X)}
    assert lines["da"].startswith("✗")
    assert [source for source, word in lines.items() if word.startswith("✗")] == ["da"]
