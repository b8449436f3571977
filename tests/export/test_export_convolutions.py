"""Convolutions in any dress are Conv in 32 bits, with the numbers of their own code; what is none stays as it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_runs import ran

import dout
from dout.layers import AvgPool, Convolution, MaxPool, Relu

RANDOM = np.random.default_rng(5)
W, b = RANDOM.standard_normal((4, 3, 3, 2)), RANDOM.standard_normal(4)
x = RANDOM.standard_normal((3, 3, 8, 7))


class Dress:
    """A convolution; each subclass is a manner to write it."""

    def __init__(self, W=W, b=b, stride=1, pad=0, gap=1):
        self.W, self.b, self.stride, self.pad, self.gap = W, b, stride, pad, gap

    def size(self, x):
        """The heights and widths: of the image, of the kernel, of the result."""
        (h, w), (kh, kw) = x.shape[2:], self.W.shape[2:]
        wide = [(n + 2 * self.pad - self.gap * (k - 1) - 1) // self.stride + 1 for n, k in ((h, kh), (w, kw))]
        return kh, kw, *wide

    def padded(self, x):
        return np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))


class Patches(Dress):
    def forward(self, x):
        kh, kw, oh, ow = self.size(x)
        image, filters = self.padded(x), len(self.W)
        col = np.zeros((len(x), x.shape[1], kh, kw, oh, ow))
        for i in range(kh):
            for j in range(kw):
                top, left = i * self.gap, j * self.gap
                rows = slice(top, top + self.stride * oh, self.stride)
                col[:, :, i, j] = image[:, :, rows, left : left + self.stride * ow : self.stride]
        rows = col.transpose(0, 4, 5, 1, 2, 3).reshape(len(x) * oh * ow, -1)
        out = rows @ self.W.reshape(filters, -1).T + self.b
        return out.reshape(len(x), oh, ow, filters).transpose(0, 3, 1, 2)


class Einsum(Dress):
    def forward(self, x):
        spans = [(k - 1) * self.gap + 1 for k in self.W.shape[2:]]
        found = np.lib.stride_tricks.sliding_window_view(self.padded(x), spans, axis=(2, 3))
        found = found[:, :, :: self.stride, :: self.stride, :: self.gap, :: self.gap]
        return np.einsum("nchwij,fcij->nfhw", found, self.W) + self.b[:, None, None]


class Shifts(Dress):
    """A product of channels for each place in the kernel, added up."""

    def forward(self, x):
        kh, kw, oh, ow = self.size(x)
        image, out = self.padded(x), 0
        for i in range(kh):
            for j in range(kw):
                top, left = i * self.gap, j * self.gap
                rows = slice(top, top + self.stride * (oh - 1) + 1, self.stride)
                part = image[:, :, rows, left : left + self.stride * (ow - 1) + 1 : self.stride]
                out = out + np.tensordot(part, self.W[:, :, i, j], ((1,), (1,))).transpose(0, 3, 1, 2)
        return out + self.b.reshape(1, -1, 1, 1)


class Loops(Dress):
    def forward(self, x):
        kh, kw, oh, ow = self.size(x)
        image = self.padded(x)
        out = np.zeros((len(x), len(self.W), oh, ow))
        for i in range(oh):
            for j in range(ow):
                top, left = i * self.stride, j * self.stride
                part = image[:, :, top : top + kh * self.gap : self.gap, left : left + kw * self.gap : self.gap]
                for f in range(len(self.W)):
                    out[:, f, i, j] = np.sum(part * self.W[f], axis=(1, 2, 3)) + self.b[f]
        return out


class IndexArrays(Dress):
    def forward(self, x):
        kh, kw, oh, ow = self.size(x)
        rows = self.gap * np.repeat(np.arange(kh), kw)[:, None] + self.stride * np.repeat(np.arange(oh), ow)
        columns = self.gap * np.tile(np.arange(kw), kh)[:, None] + self.stride * np.tile(np.arange(ow), oh)
        found = self.padded(x)[:, :, rows, columns].reshape(len(x), -1, oh * ow)
        out = self.W.reshape(len(self.W), -1) @ found + self.b[:, None]
        return out.reshape(len(x), -1, oh, ow)


def operators(model):
    return [node.op_type for node in model.model.graph]


def is_near(model, layer, count):
    given = RANDOM.standard_normal((count, *x.shape[1:])).astype(np.float32)
    wanted, (found,) = layer.forward(given), ran(model.content, given)
    return found.shape == wanted.shape and np.max(np.abs(found - wanted)) <= 1e-5 * np.max(np.abs(wanted))


@pytest.mark.long
@settings(max_examples=8)
@given(
    kind=st.sampled_from([Patches, Einsum, Shifts, Loops, IndexArrays]), stride=st.integers(1, 3),
    pad=st.integers(0, 2), gap=st.integers(1, 2),
)  # fmt: skip
def test_a_convolution_in_any_dress_is_one_conv(kind, stride, pad, gap):
    layer = kind(stride=stride, pad=pad, gap=gap)
    model = dout.export(layer, None, x, dtype="float32")
    assert operators(model)[-1] == "Conv"
    assert operators(model)[:-1] in ([], ["Pad"])  # where one window alone has no border in it
    assert {"W", "b"} <= {*model.model.graph.initializers}
    assert all(is_near(model, layer, count) for count in (1, 2, 9))


class Chain:
    def __init__(self, *parts):
        self.parts = parts

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x


class Norm:
    """A batch norm as it is used: it goes into the kernel."""

    def __init__(self):
        self.mean, self.scale = RANDOM.standard_normal((1, 4, 1, 1)), RANDOM.standard_normal((1, 4, 1, 1))

    def forward(self, x):
        return (x - self.mean) * self.scale


class Squared:
    def forward(self, x):
        return x**2


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (Chain(Patches(), Norm(), Relu()), ["Conv", "Relu"]),
        (
            Chain(Convolution(W, b, pad=1), Squared(), Convolution(RANDOM.standard_normal((2, 4, 2, 2)), np.zeros(2))),
            ["Conv"] * 2,
        ),
        (Chain(AvgPool(2)), ["Conv"]),
        (Chain(Norm()), []),
        (Chain(MaxPool(2)), []),
        (Squared(), []),
    ],
)
def test_what_is_a_convolution_is_seen_and_nothing_else(layer, wanted):
    given = x if not isinstance(layer, Chain) or not isinstance(layer.parts[0], Norm) else x[:, [0, 1, 2, 0]]
    model = dout.export(layer, None, given, dtype="float32")
    found = operators(model)
    assert [kind for kind in found if kind in ("Conv", *wanted)] == wanted or found.count("Conv") == wanted.count(
        "Conv"
    )
    if given is x:
        assert all(is_near(model, layer, count) for count in (1, 2, 9))


ENDINGS = {
    "a clip": lambda y: np.clip(y, -255, 255),
    "a bound": lambda y: np.minimum(y, 255),
    "a choice": lambda y: np.where(np.abs(y) > 1000, 0, y),
    "a test for NaN": lambda y: np.nan_to_num(y),
    "a bend": lambda y: y / (1 + 1e-7 * np.abs(y)),
}


class Ended(Shifts):
    def __init__(self, ending):
        super().__init__()
        self.ending = ending

    def forward(self, x):
        return ENDINGS[self.ending](super().forward(x))


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_bends_large_numbers_alone_or_takes_nan_away_is_kept_behind_its_convolution(ending):
    layer = Ended(ending)
    model = dout.export(layer, None, x, dtype="float32")
    found = operators(model)
    assert found.count("Conv") == 1
    assert found[-1] != "Conv"
    large = (1e4 * x).astype(np.float32)
    large[0, 0, 4, 4] = np.nan
    (out,) = ran(model.content, large)
    np.testing.assert_allclose(out, layer.forward(large), rtol=1e-4, atol=0.5)  # of numbers up to 10**5


def test_in_64_bits_there_is_no_conv_because_onnxruntime_has_no_kernel_for_it():
    model = dout.export(Patches(), None, x)
    assert "Conv" not in operators(model)
    assert np.allclose(ran(model.content, x)[0], Patches().forward(x), rtol=1e-12, atol=1e-12)
