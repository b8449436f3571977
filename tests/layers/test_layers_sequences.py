"""Recurrent layers and attention against loops over single numbers, with Python's `math`."""

import math

import numpy as np
import pytest

from dout import layers

GENERATOR = np.random.default_rng(6)
X = GENERATOR.normal(size=(2, 3, 4))


def weights(*shape):
    return GENERATOR.normal(size=shape)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def sums(x, h, Wx, Wh, b):
    """The sums that enter a cell, number by number."""
    return [math.fsum([*(x * Wx[:, k]), *(h * Wh[:, k]), b[k]]) for k in range(len(b))]


def test_an_rnn_is_a_tanh_of_the_input_and_its_own_last_state():
    Wx, Wh, b = weights(4, 2), weights(2, 2), weights(2)
    out = layers.Rnn(Wx, Wh, b).forward(X)
    for n in range(2):
        h = np.zeros(2)
        for t in range(3):
            h = np.array([math.tanh(a) for a in sums(X[n, t], h, Wx, Wh, b)])
            np.testing.assert_allclose(out[n, t], h, rtol=1e-12)


def test_an_lstm_forgets_adds_and_shows_as_its_gates_say():
    Wx, Wh, b = weights(4, 8), weights(2, 8), weights(8)
    out = layers.Lstm(Wx, Wh, b).forward(X)
    for n in range(2):
        h, c = np.zeros(2), np.zeros(2)
        for t in range(3):
            a = sums(X[n, t], h, Wx, Wh, b)
            for k in range(2):
                i, f, g, o = sigmoid(a[k]), sigmoid(a[2 + k]), math.tanh(a[4 + k]), sigmoid(a[6 + k])
                c[k] = f * c[k] + i * g
                h[k] = o * math.tanh(c[k])
            np.testing.assert_allclose(out[n, t], h, rtol=1e-12)


def test_a_gru_mixes_its_state_with_a_new_one():
    Wx, Wh, bx, bh = weights(4, 6), weights(2, 6), weights(6), weights(6)
    out = layers.Gru(Wx, Wh, bx, bh).forward(X)
    for n in range(2):
        h = np.zeros(2)
        for t in range(3):
            a = sums(X[n, t], np.zeros(2), Wx, Wh, bx)
            own = sums(np.zeros(4), h, Wx, Wh, bh)
            r, z = ([sigmoid(a[k + s] + own[k + s]) for k in range(2)] for s in (0, 2))
            new = [math.tanh(a[4 + k] + r[k] * own[4 + k]) for k in range(2)]
            h = np.array([(1 - z[k]) * new[k] + z[k] * h[k] for k in range(2)])
            np.testing.assert_allclose(out[n, t], h, rtol=1e-12)


CELLS = [
    lambda dtype=float: layers.Rnn(*(w.astype(dtype) for w in (weights(4, 2), weights(2, 2), weights(2)))),
    lambda dtype=float: layers.Lstm(*(w.astype(dtype) for w in (weights(4, 8), weights(2, 8), weights(8)))),
    lambda dtype=float: layers.Gru(*(w.astype(dtype) for w in (weights(4, 6), weights(2, 6), weights(6), weights(6)))),
]


@pytest.mark.parametrize("make", CELLS)
def test_a_state_knows_nothing_of_later_steps_and_a_gradient_nothing_of_earlier_ones(make):
    layer = make()
    whole = layer.forward(X)
    dout = np.zeros_like(whole)
    dout[:, 1] = 1.0
    dx = layer.backward(dout)
    assert not dx[:, 2].any()
    assert dx[:, :2].all()
    np.testing.assert_allclose(layer.forward(X[:, :2]), whole[:, :2], rtol=1e-12)


def test_two_directions_are_two_layers_of_which_one_reads_backwards():
    there, back = CELLS[0](), CELLS[1]()
    both = layers.Bidirectional(there, back)
    out = both.forward(X)
    np.testing.assert_array_equal(out[..., :2], there.forward(X))
    np.testing.assert_array_equal(out[:, ::-1, 2:], back.forward(X[:, ::-1]))


def test_steps_are_samples_to_a_layer_within_time_distributed():
    layer, plain = layers.TimeDistributed(layers.MatMul(np.eye(4)[:, :2])), layers.MatMul(np.eye(4)[:, :2])
    np.testing.assert_array_equal(layer.forward(X), plain.forward(X))
    np.testing.assert_array_equal(layer.backward(X[..., :2]), plain.backward(X[..., :2]))
    np.testing.assert_allclose(layer.layer.dW, plain.dW, rtol=1e-14)


def attended(q, k, v, may):
    """One word after the other asks those that it may."""
    out = np.zeros((len(q), v.shape[1]))
    for t, word in enumerate(q):
        answers = {s: math.exp(math.fsum(word * k[s]) / math.sqrt(len(word))) for s in range(len(k)) if may(t, s)}
        for s, answer in answers.items():
            out[t] += answer / sum(answers.values()) * v[s]
    return out


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_a_mean_weighed_by_answers(causal):
    q, k, v = weights(2, 3, 4), weights(2, 5, 4), weights(2, 5, 2)
    mask = GENERATOR.random((3, 5)) < 0.7
    mask[:, 0] = True
    plain = layers.DotProductAttention(causal=causal)
    expected = [attended(*parts, lambda t, s: s <= t or not causal) for parts in zip(q, k, v, strict=True)]
    np.testing.assert_allclose(plain.forward(q, k, v), expected, rtol=1e-12)
    expected = [attended(*p, lambda t, s: mask[t, s] and (s <= t or not causal)) for p in zip(q, k, v, strict=True)]
    np.testing.assert_allclose(plain.forward(q, k, v, mask), expected, rtol=1e-12)


def test_heads_attend_side_by_side():
    Wq, Wk, Wv, Wo = weights(4, 4, 4)
    x, y = weights(2, 3, 4), weights(2, 5, 4)
    out = layers.MultiHeadAttention(Wq, Wk, Wv, Wo, heads=2).forward(x, y)
    for n in range(2):
        q, k, v = x[n] @ Wq, y[n] @ Wk, y[n] @ Wv
        heads = [attended(q[:, h], k[:, h], v[:, h], lambda t, s: True) for h in (slice(0, 2), slice(2, 4))]
        np.testing.assert_allclose(out[n], np.concatenate(heads, axis=1) @ Wo, rtol=1e-11)


def test_positions_are_waves_of_falling_frequency():
    out = layers.PositionalEncoding().forward(np.zeros((3, 4)))
    expected = [[math.sin(t), math.cos(t), math.sin(t / 100), math.cos(t / 100)] for t in range(3)]
    np.testing.assert_allclose(out, expected, rtol=1e-14)


SINGLES = [
    *(make(np.float32) for make in CELLS), layers.PositionalEncoding(),
    layers.MultiHeadAttention(*weights(4, 4, 4).astype(np.float32), heads=2),
]  # fmt: skip


@pytest.mark.parametrize("layer", SINGLES, ids=lambda layer: type(layer).__name__)
def test_float32_stays_float32_and_nothing_is_written_into(layer):
    x = X.astype(np.float32)
    x.flags.writeable = False
    out = layer.forward(x)
    out.flags.writeable = False
    dx = layer.backward(out)
    gradients = [value for name, value in vars(layer).items() if name[:2] in ("dW", "db")]
    assert {array.dtype for array in (out, dx, *gradients)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (
            lambda: layers.Rnn(weights(4, 3), weights(2, 2), weights(2)),
            r"Wx must have shape \(4, 2\), and",
        ),
        (lambda: layers.Lstm(weights(4, 8), weights(2, 8), weights(2)), r"b must have shape \(8,\)"),
        (lambda: CELLS[0]().forward(X[0]), r"give \(N, T, 4\)"),
        (lambda: CELLS[1]().forward(X[:, :0]), "with a step at least"),
        (lambda: layers.DotProductAttention().forward(X, X[..., :2], X), r"give \(…, T, D\)"),
        (lambda: layers.MultiHeadAttention(*weights(4, 4, 4), heads=3), "cannot be 3 heads"),
        (lambda: layers.PositionalEncoding().forward(np.ones(3)), r"give \(…, T, D\)"),
    ],
)
def test_a_wrong_argument_is_told_what_to_write(run, words):
    with pytest.raises(ValueError, match=words):
        run()


@pytest.mark.parametrize(("make", "parts"), [(layers.Rnn, 1), (layers.Lstm, 4), (layers.Gru, 3)])
@pytest.mark.parametrize(("inputs", "states"), [(0, 2), (4, 0)])
def test_a_step_may_have_no_numbers_and_a_state_none(make, parts, inputs, states):
    biases = [np.zeros(parts * states)] * (2 if make is layers.Gru else 1)
    layer = make(weights(inputs, parts * states), weights(states, parts * states), *biases)
    x = np.zeros((2, 3, inputs))
    out = layer.forward(x)
    np.testing.assert_array_equal(out, np.zeros((2, 3, states)))
    assert layer.backward(np.ones_like(out)).shape == x.shape
    assert (layer.dWx.shape, layer.dWh.shape) == (layer.Wx.shape, layer.Wh.shape)


@pytest.mark.parametrize("shape", [(2, 3, 0), (0, 3, 4)])
def test_products_of_no_numbers_are_zeros(shape):
    W, b = weights(shape[2], 5), weights(5)
    for layer in (layers.MatMul(W), layers.TimeDistributed(layers.Affine(W, b))):
        out = layer.forward(np.zeros(shape))
        np.testing.assert_array_equal(out, np.zeros((*shape[:2], 5)) + (0 if isinstance(layer, layers.MatMul) else b))
        assert layer.backward(np.ones_like(out)).shape == shape
