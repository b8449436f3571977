"""Layers that are there to change gradients, and settings of one length: no errors."""

import pytest

import dout


class Reversal:
    def __init__(self, strength=1.0):
        self.strength = strength

    def forward(self, x):
        return x.copy()

    def backward(self, dout):
        return -self.strength * dout


class Scaling:
    def __init__(self, scale=1.0):
        self.scale = scale

    def forward(self, x):
        return x

    def backward(self, dout):
        return dout * self.scale


class Twice:
    def __init__(self, factor=2.0):
        self.factor = factor

    def forward(self, x):
        return x * self.factor

    def backward(self, dout):
        return -self.factor * dout


class Negative:
    def __init__(self, scale=0.5):
        self.scale = scale

    def forward(self, x):
        return x + 0.0

    def backward(self, dout):
        return -dout


class UpSampling:
    def __init__(self, size=(2, 2)):
        self.size = size

    def forward(self, x):
        self.shape = x.shape
        return x.repeat(self.size[0], axis=2).repeat(self.size[1], axis=3)

    def backward(self, dout):
        n, c, h, w = self.shape
        rows, columns = self.size
        return dout.reshape(n, c, h, rows, w, columns).sum(axis=(3, 5))


@pytest.mark.parametrize("layer", [Reversal, Scaling])
def test_what_hands_its_input_on_and_scales_dout_by_a_setting_is_meant_so(layer):
    report = dout.check(layer)
    assert report.ok
    assert not [finding for finding in report.findings if finding.severity == "warning" and finding.code == "D106"]


@pytest.mark.parametrize("layer", [Twice, Negative])
def test_a_sign_of_what_computes_or_of_no_setting_is_wrong(layer):
    assert not dout.check(layer).ok


def test_a_setting_with_two_numbers_is_not_tried_with_three():
    report = dout.check(UpSampling)
    assert report.ok
    assert not [finding for finding in report.findings if finding.code == "D001"]
