"""Functions over a sequence with the weights of several gates, which only the step that they call takes apart."""

import numpy as np

import dout


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(x, h, c, Wx, Wh, b):
    n = h.shape[1]
    z = x @ Wx + h @ Wh + b
    i, f, o = (sigmoid(z[:, k * n : (k + 1) * n]) for k in range(3))
    g = np.tanh(z[:, 3 * n :])
    c_next = f * c + i * g
    return o * np.tanh(c_next), c_next, (x, h, c, Wx, Wh, i, f, o, g, c_next)


def lstm_step_backward(dh, dc, cache, is_right=True):
    x, h, c, Wx, Wh, i, f, o, g, c_next = cache
    dc = dc + dh * o * (1 - np.tanh(c_next) ** 2)
    gates = (dc * g * i * (1 - i), dc * c * f * (1 - f), dh * np.tanh(c_next) * o * (1 - o), dc * i * (1 - g**2))
    dz = np.concatenate(gates, axis=1)
    carried = dc * f if is_right else dc
    return dz @ Wx.T, dz @ Wh.T, carried, x.T @ dz, h.T @ dz, dz.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    samples, steps, _ = x.shape
    out = np.zeros((samples, steps, h0.shape[1]))
    h, c, caches = h0, np.zeros_like(h0), []
    for t in range(steps):
        h, c, cache = lstm_step(x[:, t], h, c, Wx, Wh, b)
        out[:, t] = h
        caches.append(cache)
    return out, (x, h0, Wx, Wh, b, caches)


def _backward(dout, cache, is_right):
    x, h0, Wx, Wh, b, caches = cache
    dx, dWx, dWh, db = (np.zeros_like(item) for item in (x, Wx, Wh, b))
    dh, dc = np.zeros_like(h0), np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        dx[:, t], dh, dc, *more = lstm_step_backward(dout[:, t] + dh, dc, caches[t], is_right)
        dWx, dWh, db = dWx + more[0], dWh + more[1], db + more[2]
    return dx, dh, dWx, dWh, db


def lstm_backward(dout, cache):
    return _backward(dout, cache, is_right=True)


def lost_backward(dout, cache):
    return _backward(dout, cache, is_right=False)


def words(report):
    return {verdict.argument: verdict.word for verdict in report.verdicts}


def test_the_weights_of_four_gates_are_found():
    report = dout.check((lstm_forward, lstm_backward))
    assert set(words(report)) == {"x", "h0", "Wx", "Wh", "b"}
    assert set(words(report).values()) == {"exact"}
    assert report.ok


def test_a_lost_forget_gate_is_an_error():
    report = dout.check((lstm_forward, lost_backward))
    assert words(report)["Wx"] == "refuted"
    assert not report.ok
