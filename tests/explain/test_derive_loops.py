"""A loop in forward is a loop in reverse in backward; judged by differences, at sizes that it was not derived at."""

import re
from pathlib import Path

import numpy as np
import pytest

from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.loops.backward_flow import BackwardFlow
from dout.explain.loops.looped_class import derived

RNG = np.random.default_rng(3)


def array(*shape):
    return RNG.normal(size=shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Recurrent:
    def __init__(self, Wx, Wh):
        self.Wx, self.Wh = Wx, Wh

    def forward(self, xs, h):
        for t in range(xs.shape[1]):
            h = np.tanh(xs[:, t] @ self.Wx + h @ self.Wh)
        return h


class LstmOverTime:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]

    def forward(self, xs):
        Wx, Wh, b = self.params
        N, T, _ = xs.shape
        H = Wh.shape[0]
        h, c = np.zeros((N, H)), np.zeros((N, H))
        hs = np.empty((N, T, H))
        for t in range(T):
            A = xs[:, t] @ Wx + h @ Wh + b
            f, g = sigmoid(A[:, :H]), np.tanh(A[:, H : 2 * H])
            i, o = sigmoid(A[:, 2 * H : 3 * H]), sigmoid(A[:, 3 * H :])
            c = f * c + g * i
            h = o * np.tanh(c)
            hs[:, t] = h
        return hs


class FromTheEnd:
    def __init__(self, W):
        self.W = W

    def forward(self, xs):
        h, out = np.zeros((xs.shape[0], self.W.shape[0])), []
        for t in reversed(range(xs.shape[1])):
            h = np.maximum(0, xs[:, t] + h @ self.W)
            out.append(h)
        return np.stack(out, axis=1)


class PoolTurnByTurn:
    def forward(self, x):
        n, c, h, w = x.shape
        out = np.zeros((n, c, h // 2, w // 2))
        for i in range(h // 2):
            for j in range(w // 2):
                out[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(2, 3))
        return out


def leaky_sum(x):
    y = np.zeros_like(x)
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = 0.5 * y[i - 1] + x[i]
    return y


def growing(x):
    parts = x[:1]
    for i in range(1, len(x)):
        parts = np.concatenate([parts, x[i : i + 1] * parts[-1]])
    return parts


def shifts(x, W):
    n = x.shape[1] - len(W) + 1
    return sum(x[:, i : i + n] * W[i] for i in range(len(W)))


LAYERS = {  # shapes of what is built with and given, as it is derived and as it is tried
    Recurrent: [
        ({"Wx": (2, 3), "Wh": (3, 3)}, [(2, 4, 2), (2, 3)]),
        ({"Wx": (3, 2), "Wh": (2, 2)}, [(4, 6, 3), (4, 2)]),
    ],
    LstmOverTime: [
        ({"Wx": (3, 8), "Wh": (2, 8), "b": (8,)}, [(2, 4, 3)]),
        ({"Wx": (2, 4), "Wh": (1, 4), "b": (4,)}, [(3, 5, 2)]),
    ],
    FromTheEnd: [({"W": (3, 3)}, [(2, 4, 3)]), ({"W": (2, 2)}, [(3, 7, 2)])],
    PoolTurnByTurn: [({}, [(2, 3, 4, 6)]), ({}, [(1, 2, 8, 5)])],
    leaky_sum: [({}, [(5,)]), ({}, [(9,)])],
    growing: [({}, [(6,)]), ({}, [(3,)])],
    shifts: [({}, [(3, 5), (2,)]), ({}, [(2, 9), (4,)])],
}


def given(init, shapes):
    return {name: array(*shape) for name, shape in init.items()}, [array(*shape) for shape in shapes]


def gradients(layer, init, inputs, dout):
    """The gradients of everything that a layer is built with and given, in this order."""
    found = layer.backward(dout)
    held = getattr(layer, "grads", None) or [getattr(layer, f"d{name}") for name in init]
    return [*held, *(found if isinstance(found, tuple) else (found,))]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("target", LAYERS, ids=lambda target: target.__name__)
def test_the_backward_of_a_loop_is_the_derivative_at_other_sizes(target):
    derived_at, tried_at = LAYERS[target]
    init, inputs = given(*derived_at)
    found = derived(target, init, inputs)
    assert re.search(r"^ {8}for .* in .*range\(", found.source.partition("def backward")[2], re.MULTILINE)

    init, inputs = given(*tried_at)
    layer = found.layer(**init)
    dout = array(*layer.forward(*inputs).shape)
    values = [*init.values(), *inputs]
    for place, gradient in enumerate(gradients(layer, init, inputs, dout)):
        direction, ends = array(*values[place].shape), []
        for step in (1e-6, -1e-6):
            moved = [v + step * direction if i == place else v for i, v in enumerate(values)]
            built = found.layer(**dict(zip(init, moved, strict=False)))
            ends.append(np.sum(dout * built.forward(*moved[len(init) :])))
        assert np.sum(gradient * direction) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_what_forward_computes_in_a_loop_is_kept_at_every_turn_and_a_parameter_s_gradient_is_summed():
    source = derived(Recurrent, *given(*LAYERS[Recurrent][0])).source
    forward, _, backward = source.partition("def backward")
    assert "            self.h.append(h)\n" in forward
    assert re.search(r"for t in reversed\(range\(.*\)\):\n", backward)
    assert "self.dWh += self.h[t].T @ " in backward
    assert "dxs[:, t] = " in backward


@pytest.mark.long
def test_a_value_that_the_user_writes_into_an_array_is_read_there():
    source = derived(PoolTurnByTurn, {}, [array(2, 3, 4, 6)]).source
    assert "self.out[:, :, i, j]" in source
    assert ".append(" not in source


class ConvTurnByTurn:
    def __init__(self, W, b, stride=1):
        self.W, self.b, self.stride = W, b, stride

    def forward(self, images):
        count, _, rows, columns = images.shape
        filters, _, height, width = self.W.shape
        high = (rows - height) // self.stride + 1
        wide = (columns - width) // self.stride + 1
        out = np.zeros((count, filters, high, wide))
        for image in range(count):
            for one in range(filters):
                for i in range(high):
                    for j in range(wide):
                        top, left = i * self.stride, j * self.stride
                        window = images[image, :, top : top + height, left : left + width]
                        out[image, one, i, j] = np.sum(window * self.W[one]) + self.b[one]
        return out


@pytest.mark.long
def test_a_convolution_of_four_loops_has_four_in_backward_and_keeps_its_stride():
    found = derived(ConvTurnByTurn, {"W": array(3, 2, 3, 2), "b": array(3)}, [array(2, 2, 4, 3)])
    assert len(re.findall(r"for .* in reversed\(range\(", found.source)) == 4
    images, W, b, dout = array(2, 3, 7, 6), array(2, 3, 2, 3), array(2), array(2, 2, 3, 2)
    layer = found.layer(W, b, stride=2)
    layer.forward(images)
    dimages = layer.backward(dout)
    expected, expected_W = np.zeros_like(images), np.zeros_like(W)
    for n, f, i, j in np.ndindex(*dout.shape):
        window = np.s_[n, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3]
        expected[window] += dout[n, f, i, j] * W[f]
        expected_W[f] += dout[n, f, i, j] * images[window]
    np.testing.assert_allclose(dimages, expected, rtol=1e-12)
    np.testing.assert_allclose(layer.dW, expected_W, rtol=1e-12)
    np.testing.assert_allclose(layer.db, dout.sum(axis=(0, 2, 3)), rtol=1e-12)


class HeadByHead:
    def __init__(self, Wq, Wk, Wv, heads=2):
        self.Wq, self.Wk, self.Wv, self.heads = Wq, Wk, Wv, heads

    def forward(self, x):
        width = self.Wq.shape[1] // self.heads
        q, k, v = x @ self.Wq, x @ self.Wk, x @ self.Wv
        outs = []
        for h in range(self.heads):
            own = slice(h * width, (h + 1) * width)
            weights = np.exp(q[:, own] @ k[:, own].T)
            outs.append(weights / weights.sum(axis=1, keepdims=True) @ v[:, own])
        return np.concatenate(outs, axis=1)


@pytest.mark.long
def test_slices_that_have_a_name_go_with_the_number_of_heads():
    found = derived(HeadByHead, {"Wq": array(2, 4), "Wk": array(2, 4), "Wv": array(2, 4)}, [array(3, 2)])
    Wq, Wk, Wv, x, dout = array(3, 6), array(3, 6), array(3, 6), array(5, 3), array(5, 6)
    layer = found.layer(Wq, Wk, Wv, heads=3)
    layer.forward(x)
    dx, step = layer.backward(dout), array(5, 3)
    ends = [np.sum(dout * layer.forward(x + h * step)) for h in (1e-6, -1e-6)]
    assert np.sum(dx * step) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def test_an_error_of_dout_itself_is_no_refusal(monkeypatch):
    monkeypatch.setattr(BackwardFlow, "spelled", int)
    with pytest.raises(TypeError, match=r"int\(\) argument"):
        derived(Recurrent(array(3, 4), array(4, 4)), inputs=[array(2, 5, 3), array(2, 4)])


class UntilItIsSmall:
    def forward(self, x):
        i, y = 0, 0 * x[0]
        while i < len(x):
            y = y + np.tanh(x[i])
            i += 1
        return y


def by_turns(x):
    y = 0 * x[0]
    for i in range(len(x)):
        y = y * x[i] if i % 2 else y + np.tanh(x[i])
    return y


def put_in_front(x):
    total, parts = np.zeros(x.shape[1]), []
    for i in range(len(x)):
        total = total + x[i]
        parts.insert(0, total)
    return np.array(parts)


@pytest.mark.parametrize(
    ("layer", "turn"),
    [
        (put_in_front, "total = total + x[i]"),
        (UntilItIsSmall, "y = y + np.tanh(x[i])"),
        (by_turns, "y = y * x[i] if"),
    ],
)
def test_a_loop_that_has_no_reverse_is_refused_with_its_line(layer, turn):
    with pytest.raises(NotDerivedError, match="derive found no way to run that loop in reverse") as refused:
        derived(layer, {}, [array(6, 2)])
    file, line = re.search(r"how often (\S+):(\d+) runs", str(refused.value)).groups()
    assert turn in Path(file).read_text(encoding="utf-8").splitlines()[int(line) - 1]


def inside_a_choice(x, twice=True):
    total = np.zeros(x.shape[1])
    if twice:
        for row in x:
            total = total + row**2
    return total


def over_a_set(x):
    total = np.zeros(x.shape[1])
    for i in set(range(len(x))):
        total = total + x[i] ** 2
    return total


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (inside_a_choice, "the loop stands inside if twice: put it outside"),
        (over_a_set, "it runs over set(range(len(x))): derive knows a range, an array or a list"),
        (UntilItIsSmall, "does not count its turns: write for i in range(…)"),
    ],
)
def test_the_refusal_of_a_loop_names_what_is_in_the_way(layer, reason):
    with pytest.raises(NotDerivedError) as refused:
        derived(layer, {}, [array(6, 2)])
    assert reason in str(refused.value)


class PlacedWindows:
    """Whole numbers alone in a row, and one that a padded image gives."""

    def __init__(self, W, stride=1, padding=1):
        self.W, self.stride, self.padding = W, stride, padding

    def forward(self, x):
        p = self.padding
        padded = np.pad(x, ((0, 0), (p, p)))
        N, L = padded.shape
        size = self.W.shape[0]
        count = (L - size) // self.stride + 1
        out = np.zeros((N, count))
        for n in range(N):
            for i in range(count):
                first = i * self.stride
                for _ in range(1):
                    out[n, i] = np.sum(padded[n, first : first + size] * self.W)
        return out


@pytest.mark.long
def test_loops_over_places_that_are_computed_are_written_in_reverse():
    made = derived(PlacedWindows, {"W": array(3)}, [array(2, 4)])
    x, W, dout = array(3, 7), array(2), array(3, 8)
    layer = made.layer(W)
    layer.forward(x)
    dx = layer.backward(dout)
    right = np.zeros((3, 9))
    for i in range(8):
        right[:, i : i + 2] += dout[:, i, None] * W
    assert np.allclose(dx, right[:, 1:-1], atol=1e-12)


class OnePlace:
    """Forward would take images of one channel as well, and repeat that."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        _number, _channels, height, _width = x.shape
        _filters, _of_each, rows, columns = self.W.shape
        assert rows <= height
        return np.sum(x[:, None, :, :rows, :columns] * self.W, axis=(2, 3, 4))


@pytest.mark.long
def test_channels_are_not_repeated_by_accident():
    made = derived(OnePlace)
    layer = made.layer(array(4, 2, 3, 3))
    x, dout = array(2, 2, 5, 5), array(2, 4)
    layer.forward(x)
    right = np.zeros(x.shape)
    right[:, :, :3, :3] = np.einsum("nk,kcij->ncij", dout, layer.W)
    assert np.allclose(layer.backward(dout), right, atol=1e-12)


class BatchIsCalledB:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        out = np.zeros((len(x), len(self.b)))
        for b in range(len(x)):
            for o in range(len(self.b)):
                out[b, o] = np.sum(x[b] * self.W[o]) + self.b[o]
        return out


@pytest.mark.long
def test_a_loop_may_be_called_as_an_attribute_is():
    W, b = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, 4.0]]), np.array([1.0, 2.0])
    layer = derived(BatchIsCalledB).layer(W, b)
    x, dout = np.arange(12.0).reshape(4, 3), np.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(layer.forward(x), x @ W.T + b)
    np.testing.assert_array_equal(layer.backward(dout), dout @ W)
    np.testing.assert_array_equal(layer.dW, dout.T @ x)
    np.testing.assert_array_equal(layer.db, dout.sum(axis=0))
