"""Channels that belong together, in groups or in pixels: an example has several in each."""

import numpy as np
import pytest

from dout.adapt import example
from dout.check.verb.check_layer import check
from dout.explain.loops.looped_class import derived


class PixelShuffle:
    def __init__(self, r):
        self.r = r

    def forward(self, x):
        n, c, h, w = self.shape = x.shape
        r = self.r
        return x.reshape(n, c // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // r**2, h * r, w * r)

    def backward(self, dout):
        n, c, h, w = self.shape
        r = self.r
        return dout.reshape(n, c // r**2, h, r, w, r).transpose(0, 1, 3, 5, 2, 4).reshape(self.shape)


class PixelsExchanged(PixelShuffle):
    """Rows and columns within a pixel."""

    def backward(self, dout):
        n, c, h, w = self.shape
        r = self.r
        return dout.reshape(n, c // r**2, h, r, w, r).transpose(0, 1, 5, 3, 2, 4).reshape(self.shape)


class GroupNorm:
    AXES = (2, 3, 4)

    def __init__(self, groups, channels):
        self.groups, self.gamma = groups, np.linspace(0.5, 2, channels)[:, None, None]

    def forward(self, x):
        n, c, h, w = x.shape
        g = x.reshape(n, self.groups, c // self.groups, h, w)
        self.std = np.sqrt(g.var(axis=(2, 3, 4), keepdims=True) + 1e-5)
        self.xn = (g - g.mean(axis=(2, 3, 4), keepdims=True)) / self.std
        return self.xn.reshape(x.shape) * self.gamma

    def backward(self, dout):
        self.dgamma = (dout * self.xn.reshape(dout.shape)).sum(axis=(0, 2, 3))[:, None, None]
        d = (dout * self.gamma).reshape(self.xn.shape)
        along = self.xn * (d * self.xn).mean(axis=self.AXES, keepdims=True)
        return ((d - d.mean(axis=self.AXES, keepdims=True) - along) / self.std).reshape(dout.shape)


class OfEachChannel(GroupNorm):
    """Right for groups of one channel alone."""

    AXES = (3, 4)


def errors(cls):
    return [finding.code for finding in check(cls).findings if finding.severity == "error"]


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("right", "wrong"), [(PixelShuffle, PixelsExchanged), (GroupNorm, OfEachChannel)])
def test_a_wrong_one_is_wrong_and_its_twin_is_not(right, wrong):
    assert errors(right) == []
    assert errors(wrong) == ["D101"]


def test_channels_are_as_many_as_fill_a_pixel():
    found = example(PixelShuffle, {}, {})
    assert found.inputs["x"].shape[1] % found.init["r"] ** 2 == 0


def test_a_group_has_several_channels():
    found = example(GroupNorm, {}, {})
    assert found.init["channels"] == found.inputs["x"].shape[1] > found.init["groups"] > 1


def test_the_backward_that_is_written_holds_for_groups_of_any_size():
    layer = derived(GroupNorm).layer(2, 6)
    x = np.random.default_rng(3).normal(size=(2, 6, 3, 5))
    dout = np.cos(np.arange(x.size)).reshape(x.shape)
    layer.forward(x)
    right = GroupNorm(2, 6)
    right.forward(x)
    assert np.allclose(layer.backward(dout), right.backward(dout), rtol=1e-10, atol=1e-12)
