"""Loops in `dout explain`: one turn is told, and of the others that they go like it."""

import numpy as np
import pytest

import dout
from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.formats.markdown import to_markdown


class NaiveMaxPool:
    def forward(self, x):
        self.x = x
        N, C, H, W = x.shape
        out = np.zeros((N, C, H // 2, W // 2))
        for n in range(N):
            for c in range(C):
                for i in range(H // 2):
                    for j in range(W // 2):
                        window = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                        out[n, c, i, j] = np.max(window)
        return out

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        N, C, OH, OW = dout.shape
        for n in range(N):
            for c in range(C):
                for i in range(OH):
                    for j in range(OW):
                        window = self.x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                        part = dx[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                        part += (window == window.max()) * dout[n, c, i, j]
        return dx


class NaiveConv:
    def __init__(self, W, b, pad=0):
        self.W, self.b, self.pad = W, b, pad

    def forward(self, x):
        border = ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad))
        xp = np.pad(x, border)
        N, _, H, Wd = xp.shape
        F, _, kh, kw = self.W.shape
        out = np.zeros((N, F, H - kh + 1, Wd - kw + 1))
        for n in range(N):
            for f in range(F):
                for i in range(H - kh + 1):
                    for j in range(Wd - kw + 1):
                        window = xp[n, :, i : i + kh, j : j + kw]
                        out[n, f, i, j] = np.sum(window * self.W[f]) + self.b[f]
        return out


class Recurrent:
    def __init__(self, Wx, Wh):
        self.Wx, self.Wh = Wx, Wh

    def forward(self, x):
        h = np.zeros((x.shape[0], self.Wh.shape[0]))
        hs = []
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] @ self.Wx + h @ self.Wh)
            hs.append(h)
        return np.stack(hs, axis=1)


def _drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def _told(explanation):
    return str(explanation)


def test_one_turn_of_a_naive_pooling_is_told():
    told = dout.explain(NaiveMaxPool, x=_drawn(2, 3, 4, 6))
    assert [step.operator for step in told.steps] == ["[ ]=", "max", "[ ]", "for"]
    assert "the other 35 turns pass their gradients back as steps 1 to 3 do" in _told(told)
    assert "x is used 36 times" in _told(told)
    assert "dx₁ + dx₂ + … + dx₃₆" in _told(told)


def test_forward_tells_how_many_turns_come_before_and_what_they_make():
    told = _told(dout.explain(NaiveMaxPool, x=_drawn(2, 3, 4, 6)))
    assert "… 35 turns of test_explained_turns.py:20–21, as the one below, which make" in told
    assert told.count("max(window)") == 1


def test_a_turn_is_the_one_that_the_user_named_last():
    told = dout.explain(NaiveMaxPool, x=_drawn(2, 3, 4, 6))
    assert "window = x[1, 2, 2:4, 4:6]" in _told(told).replace("  ", " ")


@pytest.mark.long
def test_axes_along_which_the_turns_go_share_their_letter():
    conv = dout.explain(NaiveConv, init={"W": _drawn(4, 3, 2, 2), "b": _drawn(4)}, x=_drawn(2, 3, 4, 5))
    axes = {quantity.name: quantity.axes for quantity in conv.forward}
    assert axes["x"] == ("N", "C", "H", "W")
    assert axes["W"] == ("F", "C", "KH", "KW")
    assert axes["b"] == ("F",)
    assert axes[conv.outputs[0]] == ("N", "F", "OH", "OW")


def test_the_lines_of_the_users_loop_are_steps_of_the_turn():
    pool = _told(dout.explain(NaiveMaxPool, x=_drawn(2, 3, 4, 6)))
    assert "✓ is dx" in pool
    assert "✗" not in pool


@pytest.mark.long
def test_a_wrong_line_in_a_loop_is_marked():
    class Wrong(NaiveMaxPool):
        def backward(self, dout):
            dx = np.zeros_like(self.x)
            N, C, OH, OW = dout.shape
            for n in range(N):
                for c in range(C):
                    for i in range(OH):
                        for j in range(OW):
                            part = dx[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                            part += dout[n, c, i, j] / 4
            return dx

    assert "✗" in _told(dout.explain(Wrong, x=_drawn(2, 3, 4, 6)))


def test_a_recurrent_layer_is_told_for_one_time_step():
    told = dout.explain(Recurrent, init={"Wx": _drawn(3, 4), "Wh": _drawn(4, 4)}, x=_drawn(2, 7, 3))
    text = _told(told)
    assert "the other 6 turns" in text
    assert text.count("tanh(") < 6
    assert "dWh₁ + dWh₂ + … + dWh₇" in text


def test_few_turns_are_told_one_by_one():
    told = _told(dout.explain(Recurrent, init={"Wx": _drawn(3, 4), "Wh": _drawn(4, 4)}, x=_drawn(2, 2, 3)))
    assert "turns pass" not in told
    assert "turns of" not in told


def test_every_format_says_that_turns_were_left_out():
    told = dout.explain(NaiveMaxPool, x=_drawn(2, 3, 4, 6))
    assert "35 turns" in to_markdown(told)
    assert "35 turns" in told._repr_html_()


class Correlated:
    def __init__(self, w, pad=0):
        self.w, self.pad = w, pad

    def forward(self, x):
        padded = np.pad(x, ((0, 0), (self.pad, self.pad)))
        out = np.zeros((len(x), padded.shape[1] - len(self.w) + 1))
        for i in range(out.shape[1]):
            out[:, i] = padded[:, i : i + len(self.w)] @ self.w
        return out


def test_a_padding_that_is_0_as_it_stands_is_cut_off_where_it_is_not():
    made = dout.derive(Correlated, _drawn(2, 6), init={"w": _drawn(3)}).layer
    for pad in (0, 2):
        layer = made(_drawn(3), pad)
        x = _drawn(2, 5)
        ahead = layer.forward(x)
        weights = _drawn(*ahead.shape)
        dx = layer.backward(weights)
        step = np.zeros_like(x)
        step[1, 2] = 1e-6
        slope = np.sum(weights * (layer.forward(x + step) - layer.forward(x - step))) / 2e-6
        assert dx.shape == x.shape
        assert np.isclose(dx[1, 2], slope, rtol=1e-6)


def test_a_loop_without_a_turn_in_any_example_is_refused():
    with pytest.raises(NotDerivedError, match="without elements"):
        dout.derive(Correlated)


class MadeConv:
    """As NaiveConv, and it makes its weights: with one channel they would fit any image by accident."""

    def __init__(self, channels, filters, size, padding=0):
        self.W = np.linspace(-1, 1, filters * channels * size * size).reshape(filters, channels, size, size)
        self.padding = padding

    def _padded(self, x):
        p = self.padding
        if p == 0:
            return x
        return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))

    def forward(self, x):
        N, _, H, Wd = x.shape
        F, _, kh, kw = self.W.shape
        OH, OW = H + 2 * self.padding - kh + 1, Wd + 2 * self.padding - kw + 1
        xp = self._padded(x)
        out = np.zeros((N, F, OH, OW))
        for n in range(N):
            for f in range(F):
                for i in range(OH):
                    for j in range(OW):
                        window = xp[n, :, i : i + kh, j : j + kw]
                        out[n, f, i, j] = np.sum(window * self.W[f])
        return out


@pytest.mark.long
def test_the_output_has_the_letters_of_an_output_and_not_what_was_padded():
    told = dout.explain(NaiveConv, init={"W": _drawn(4, 3, 2, 2), "b": _drawn(4), "pad": 1}, x=_drawn(2, 3, 4, 5))
    assert next(q.axes for q in told.forward if q.name == told.outputs[0]) == ("N", "F", "OH", "OW")


@pytest.mark.long
def test_a_convolution_that_makes_its_weights_is_derived_for_its_channels_alone():
    made = dout.derive(MadeConv)
    assert set(made.verdict) == {"x", "W"}
    report = dout.check(made.layer, init={"channels": 2, "filters": 3, "size": 2, "padding": 1}, x=_drawn(2, 2, 3, 4))
    assert [finding for finding in report.findings if finding.severity == "error"] == []


class ConvOfEachSample:
    """As courses write it: the image is padded, and the filter chosen, in the outer loops."""

    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, x):
        N, _, H, W = x.shape
        F, _, kh, kw = self.w.shape
        out = np.zeros((N, F, H - kh + 3, W - kw + 3))
        for n in range(N):
            padded = np.pad(x[n], ((0, 0), (1, 1), (1, 1)))
            for f in range(F):
                kernel, bias = self.w[f], self.b[f]
                for i in range(out.shape[2]):
                    for j in range(out.shape[3]):
                        window = padded[:, i : i + kh, j : j + kw]
                        out[n, f, i, j] = np.sum(window * kernel) + bias
        return out


@pytest.mark.long
def test_what_the_outer_loops_choose_does_not_part_the_turns_of_the_inner_one():
    init = {"w": np.arange(16.0).reshape(2, 2, 2, 2), "b": np.array([1.0, 2.0])}
    told = dout.explain(ConvOfEachSample, np.arange(24.0).reshape(2, 2, 2, 3), init=init)
    loops = [step for step in told.steps if step.operator == "for"]
    (said,) = [step.says.fields for step in loops]
    assert (said["count"], said["first"], said["last"]) == (2 * 2 * 3 * 4 - 1, 1, 7)
    assert len(told.steps) == 12  # the turn, the loop, and of each of two images its border and its place
    assert {part.of for part in loops[0].parts} >= {"w", "b"}
