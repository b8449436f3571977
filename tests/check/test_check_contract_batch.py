"""A number of rows that stands in the code is seen; one that the layer was built with is its own affair."""

import numpy as np
import pytest
from contract_findings import alarming, found

import dout
from dout.check.rules.shapes import d506_other_rows

rng = np.random.default_rng(7)
IMAGES, IMAGE, SEQUENCE = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(3, 4, 2)), rng.normal(size=(5, 4))


class MaxPool:
    """Its windows are of two by two, and two is the number of images as well."""

    def __init__(self):
        self.size = 2

    def forward(self, x):
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // 2, 2, w // 2, 2)
        out = windows.max(axis=(3, 5), keepdims=True)
        self.mask = windows == out
        return out[:, :, :, 0, :, 0].copy()

    def backward(self, dout):
        n, c, h, w = dout.shape
        return (self.mask * dout.reshape(n, c, h, 1, w, 1)).reshape(n, c, 2 * h, 2 * w)


class TwoForward(MaxPool):
    def forward(self, x):
        return super().forward(x.reshape(2, *x.shape[1:]))


class TwoBackward(MaxPool):
    def backward(self, dout):
        return super().backward(dout.reshape(2, *dout.shape[1:]))


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(2, -1).copy()

    def backward(self, dout):
        return dout.reshape(self.shape).copy()


class Embedding:
    def __init__(self):
        self.W = rng.normal(size=(5, 3))

    def forward(self, i):
        self.i = i.reshape(5)
        return self.W[self.i]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.i, dout)


@pytest.mark.parametrize(
    ("layer", "x", "severity"),
    [
        (TwoForward, IMAGES, "warning"),
        (TwoBackward, IMAGES, "error"),  # forward takes any number
        (Flatten, IMAGES, "warning"),
        (Embedding, np.array([0, 2, 1, 4, 0]), "warning"),
    ],
)
def test_a_batch_size_is_seen_although_the_layer_holds_that_number_for_another_reason(layer, x, severity):
    finding = found(layer, x)["D506"]
    assert (finding.severity, finding.cause) == (severity, "batch")
    assert f"works on {len(x)} rows, " in finding.message


class Told:
    def __init__(self):
        self.batch_size = 2

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(self.batch_size, -1).copy()

    def backward(self, dout):
        return dout.reshape(self.shape).copy()


class ScaledChannels:
    """One image; all channels have the same scale at first."""

    def __init__(self):
        self.g = np.ones(3)

    def forward(self, x):
        self.x = x
        return x * self.g[:, None, None]

    def backward(self, dout):
        self.dg = np.sum(dout * self.x, axis=(1, 2))
        return dout * self.g[:, None, None]


class PositionBias:
    """One sequence; a bias for each of its places, 0 at first."""

    def __init__(self):
        self.P = np.zeros((5, 4))

    def forward(self, x):
        return x + self.P

    def backward(self, dout):
        self.dP = dout.copy()
        return dout.copy()


class Complex:
    """Its two rows have a meaning each."""

    def forward(self, z):
        self.x, self.y = z
        return np.sum(self.x * self.y)

    def backward(self, dout):
        return dout * np.stack([self.y, self.x])


@pytest.mark.parametrize(
    ("layer", "x"),
    [(MaxPool, IMAGES), (Told, IMAGES), (ScaledChannels, IMAGE), (PositionBias, SEQUENCE), (Complex, SEQUENCE[:2])],
)
def test_an_axis_with_a_meaning_of_its_own_has_its_length(layer, x):
    assert "D506" not in found(layer, x)


class Reshape:
    def forward(self, x, shape):
        self.shape = x.shape
        return x.reshape(shape)

    def backward(self, dout):
        return dout.reshape(self.shape)


def test_a_layer_that_is_told_its_rows_by_forward_needs_no_others():
    assert not alarming(found(Reshape, rng.normal(size=(3, 4)), (3, 2, 2)))


class Gated:
    def forward(self, x, states):
        self.x, self.h = x, states[0]
        return x * states[0]

    def backward(self, dout):
        return dout * self.h, [dout * self.x]


def test_a_list_of_arrays_tells_no_number_of_rows():
    assert "D506" not in found(Gated, SEQUENCE, [2 * SEQUENCE])


def test_one_row_is_no_reason_to_suspect_two():
    class WeightSum:
        def forward(self, hs, a):
            n, steps, _ = hs.shape
            self.hs, self.a = hs, a.reshape(n, steps, 1)
            return np.sum(hs * self.a, axis=1)

        def backward(self, dout):
            return dout[:, None] * self.a, np.sum(dout[:, None] * self.hs, axis=2)

    assert not alarming(found(WeightSum, rng.normal(size=(1, 4, 5)), rng.normal(size=(1, 4))))


class AssigningEmbedding:
    """It assigns where it should add: right as long as no index comes twice."""

    def __init__(self):
        self.W = np.arange(12.0).reshape(3, 4)

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.idx] = dout


def test_rows_that_are_assigned_where_an_index_repeats_are_named():
    findings = [f for f in dout.check(AssigningEmbedding(), np.array([2, 0, 1])).findings if f.severity != "note"]
    assert findings
    assert all("np.add.at" in f.message for f in findings)


def test_a_layer_that_is_right_on_other_rows_is_not_recorded_for_them(monkeypatch):
    asked = []
    monkeypatch.setattr(d506_other_rows, "only_here", lambda lab, run: asked.append(len(run.inputs[0])))
    assert "D506" not in found(MaxPool(), IMAGES)
    assert not asked


def test_a_layer_that_is_wrong_on_more_rows_is():
    class OfFew:
        def forward(self, x):
            self.few = len(x) < 8
            return 3.0 * x

        def backward(self, dout):
            return dout * (3.0 if self.few else 2.0)

    assert "D506" in found(OfFew(), rng.normal(size=(3, 2)))


class LogShare:
    """-log of a share, kept from 0 by a small number that backward leaves out: of large scores that shows."""

    def forward(self, x):
        self.share = 1 / (1 + np.exp(-4 * x.sum(axis=1)))
        self.shape = x.shape
        return -np.sum(np.log(self.share + 1e-7)) / len(x)

    def backward(self, dout):
        slope = -4 * dout * (1 - self.share) / len(self.share)
        return np.broadcast_to(slope[:, None], self.shape).copy()


def test_other_numbers_in_more_rows_are_no_other_number_of_rows():
    assert "D506" not in found(LogShare, rng.normal(size=(20, 10)) / 40)


class Convolution:
    def __init__(self, kernel):
        self.kernel = kernel

    def forward(self, image):
        self.image, (high, wide) = image, self.kernel.shape
        out = np.zeros((len(image) - high + 1, image.shape[1] - wide + 1))
        for i, j in np.ndindex(high, wide):
            out += self.kernel[i, j] * image[i : i + out.shape[0], j : j + out.shape[1]]
        return out

    def backward(self, dout):
        dimage, self.dkernel = np.zeros_like(self.image), np.zeros_like(self.kernel)
        for i, j in np.ndindex(*self.kernel.shape):
            window = np.s_[i : i + dout.shape[0], j : j + dout.shape[1]]
            dimage[window] += self.kernel[i, j] * dout
            self.dkernel[i, j] = np.sum(dout * self.image[window])
        return dimage


def test_an_image_in_which_a_kernel_has_no_place_is_no_other_number_of_rows():
    assert "D506" not in found(Convolution(rng.normal(size=(3, 2))), rng.normal(size=(5, 7)))


class MeanSquare:
    """Its gradient is divided by the number of targets, which is one for the target of one sample."""

    def forward(self, x, target):
        self.x, self.target = x, target
        return np.mean((x - target) ** 2)

    def backward(self, dout=1.0):
        return 2 * dout * (self.x - self.target) / np.size(self.target)


def test_the_target_of_one_sample_is_none_of_more_rows():
    assert "D506" not in found(MeanSquare(), np.array([[0.2]]), 0)


class MeanOfSquares(MeanSquare):
    def forward(self, x, training):
        return super().forward(x, 0.0)


def test_one_row_beside_a_switch_may_be_more():
    assert found(MeanOfSquares(), np.array([[0.2]]), True)["D506"].severity == "error"
