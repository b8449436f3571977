"""A layer that was told the size of its inputs is not wrong because it is given others."""

import numpy as np
import pytest

from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word


class MeanOfWindows:
    """Keeps the size of its images for backward."""

    def __init__(self, size, window, stride):
        self.channels, self.rows, self.columns = size
        self.window, self.stride = window, stride

    def forward(self, x):
        places = [(n - w) // self.stride + 1 for n, w in zip((self.rows, self.columns), self.window, strict=True)]
        y = np.zeros((len(x), self.channels, *places))
        for i in range(places[0]):
            for j in range(places[1]):
                y[:, :, i, j] = self._part(x, i, j).mean(axis=(2, 3))
        return y

    def backward(self, dout):
        dx = np.zeros((len(dout), self.channels, self.rows, self.columns))
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                self._part(dx, i, j)[...] += dout[:, :, i, j, None, None] / (self.window[0] * self.window[1])
        return dx

    def _part(self, x, i, j):
        i, j = i * self.stride, j * self.stride
        return x[:, :, i : i + self.window[0], j : j + self.window[1]]


class Frame:
    """Is told each length by itself."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns

    def forward(self, x):
        return x[:, : self.rows, : self.columns] ** 2 / 2

    def backward(self, dout):
        return np.ones((len(dout), self.rows, self.columns)) * dout


class HalfFrame(Frame):
    """As wrong as it can be: it has lost the inner derivative."""

    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dout):
        return super().backward(dout) / 2 * self.x[:, : self.rows, : self.columns]


class RightFrame(HalfFrame):
    def backward(self, dout):
        return super().backward(dout) * 2


SETTINGS = {"size": (2, 5, 7), "window": (2, 3), "stride": 1}
IMAGES = np.random.default_rng(0).normal(size=(3, 2, 5, 7))


@pytest.mark.parametrize("given", [{**SETTINGS, "stride": s} for s in (1, 2)], ids=str)
def test_a_layer_is_right_that_keeps_the_size_it_was_told(given):
    report = check(MeanOfWindows, init=given, x=IMAGES)
    assert [v.word for v in report.verdicts] == [Word.EXACT]
    assert "error" not in [f.severity for f in report.findings]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("cls", "is_right"), [(RightFrame, True), (HalfFrame, False)])
def test_told_lengths_excuse_nothing_else(cls, is_right):
    report = check(cls, init={"rows": 4, "columns": 5}, x=np.random.default_rng(0).normal(size=(3, 4, 5)))
    assert (Word.REFUTED not in [v.word for v in report.verdicts]) == is_right


class ShortWindows(MeanOfWindows):
    """A mistake that looks alike: the gradient ends where the last window ends, not where the image does."""

    def __init__(self, window, stride):
        self.window, self.stride = window, stride

    def forward(self, x):
        self.channels, self.rows, self.columns = x.shape[1:]
        y = super().forward(x)
        last = [(n - 1) * self.stride + w for n, w in zip(y.shape[2:], self.window, strict=True)]
        self.rows, self.columns = last
        return y


def test_a_gradient_that_ends_with_the_last_window_is_wrong():
    report = check(ShortWindows, init={"window": (2, 2), "stride": 2}, x=IMAGES[..., :4, :6])
    assert any(f.severity == "error" for f in report.findings)


class Mixing:
    """Mixes its channels; told of more of them than it is given, it makes channels of what were samples."""

    def __init__(self, channels):
        self.channels = channels
        self.W = np.random.default_rng(0).normal(size=(channels, 4))

    def forward(self, x):
        self.x = x.swapaxes(1, 2).reshape(-1, self.channels)
        return (self.x @ self.W).reshape(-1, x.shape[2], 4).swapaxes(1, 2)

    def backward(self, dout):
        d = dout.swapaxes(1, 2).reshape(-1, 4)
        self.dW = self.x.T @ d
        return (d @ self.W.T).reshape(-1, dout.shape[2], self.channels).swapaxes(1, 2)


class HalfMixing(Mixing):
    def backward(self, dout):
        return super().backward(dout) / (2 if self.channels > 2 else 1)


@pytest.mark.parametrize(("layer", "right"), [(Mixing, True), (HalfMixing, False)])
def test_samples_that_were_taken_for_channels_are_no_fair_example(layer, right):
    report = check(layer, np.random.default_rng(1).normal(size=(3, 2, 4)), init={"channels": 2})
    assert report.ok is right
