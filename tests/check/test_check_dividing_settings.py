"""Settings that go with others: one that divides another, one that is for images alone."""

import numpy as np

import dout


class Shared:
    """Values of few heads, used by many."""

    def __init__(self, heads=4, value_heads=4):
        self.heads, self.value_heads = heads, value_heads

    def forward(self, p, v):
        # p (heads, T, T), v (value_heads, T, D)
        self.p, self.v = p, np.repeat(v, self.heads // self.value_heads, axis=0)
        return self.p @ self.v

    def backward(self, dout):
        dv = self.p.transpose(0, 2, 1) @ dout
        dv = dv.reshape(self.value_heads, self.heads // self.value_heads, *dv.shape[1:])
        return dout @ self.v.transpose(0, 2, 1), dv.sum(axis=1)


class SharedWrong(Shared):
    def backward(self, dout):
        dv = self.p.transpose(0, 2, 1) @ dout
        dv = dv.reshape(self.heads // self.value_heads, self.value_heads, *dv.shape[1:])
        return dout @ self.v.transpose(0, 2, 1), dv.sum(axis=0)


class Masked:
    def __init__(self, rate=0.5, whole_maps=False):
        self.rate, self.whole_maps = rate, whole_maps

    def forward(self, x):
        shape = (*x.shape[:2], 1, 1) if self.whole_maps else x.shape
        self.mask = (np.random.rand(*shape) > self.rate) / (1 - self.rate)  # noqa: NPY002 - as people draw
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class MaskedWrong(Masked):
    def backward(self, dout):
        return dout * (self.mask > 0) if self.whole_maps else dout * self.mask


def told(layer):
    return [(item.code, item.severity) for item in dout.check(layer).findings if item.code < "D2" or item.code > "D5"]


def test_a_number_that_divides_another_is_tried_as_a_divisor_with_inputs_that_fit():
    assert told(Shared) == []
    (found,) = [item for item in dout.check(SharedWrong).findings if item.severity == "error"]
    assert (found.code, found.argument) == ("D101", "v")
    assert "with value_heads = 2" in found.message


def test_a_setting_that_makes_an_image_of_a_table_is_tried_on_images():
    assert told(Masked) == []
    (found,) = [item for item in dout.check(MaskedWrong).findings if item.severity == "error"]
    assert "with whole_maps = True" in found.message
