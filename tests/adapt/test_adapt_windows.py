"""Filters and images are given so that windows have several places, and a bias is as long as there are filters."""

import numpy as np
import pytest

import dout
from dout.adapt import example


class Filters:
    """A convolution whose bias is as long as there are filters; nothing says so but the sum."""

    along = (0, 2, 3)

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        self.windows = np.lib.stride_tricks.sliding_window_view(x, self.W.shape[2:], axis=(2, 3))
        return np.einsum("ncijuv,fcuv->nfij", self.windows, self.W) + self.b[:, None, None]

    def backward(self, dout):
        self.db = dout.sum(axis=self.along).reshape(-1)[: len(self.b)]
        self.dW = np.einsum("nfij,ncijuv->fcuv", dout, self.windows)
        spread = np.einsum("nfij,fcuv->ncijuv", dout, self.W)
        dx = np.zeros_like(self.x)
        for u in range(self.W.shape[2]):
            for v in range(self.W.shape[3]):
                dx[:, :, u : u + dout.shape[2], v : v + dout.shape[3]] += spread[..., u, v]
        return dx


class FiltersAlongOneAxis(Filters):
    along = (0, 2)


def test_a_bias_of_the_constructor_takes_the_length_that_the_sum_asks_for_and_images_have_room_for_windows():
    found = example(Filters, {}, {})
    assert found.init["b"].shape == found.init["W"].shape[:1]
    out = Filters(**found.init).forward(found.inputs["x"])
    assert 1 not in out.shape
    report = dout.check(Filters)
    assert {verdict.argument: str(verdict.word) for verdict in report.verdicts} == dict.fromkeys("xWb", "exact")


@pytest.mark.long
def test_a_sum_that_forgets_the_last_axis_of_places_is_no_right_gradient():
    report = dout.check(FiltersAlongOneAxis)
    assert [finding.argument for finding in report.findings if finding.severity == "error"] == ["b"]
