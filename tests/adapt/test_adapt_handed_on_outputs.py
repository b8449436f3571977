"""Of several outputs one that is an input as it is says nothing: each backward that hands dout on is right for it."""

import numpy as np
import pytest
from report_findings import errors, words

pytest.importorskip("flint")

from dout.check import check


class Tanh:
    @staticmethod
    def forward(z):
        return np.tanh(z), z

    @staticmethod
    def backward(dout, z):
        return dout * (1 - np.tanh(z) ** 2)


class TanhWithoutSlope(Tanh):
    @staticmethod
    def backward(dout, z):
        y, _ = Tanh.forward(z)
        dz = dout * 1
        assert dz.shape == z.shape == y.shape
        return dz


class Scores:
    """Its second output is one that is made."""

    @staticmethod
    def forward(z):
        return z > 0, 3.0 * z

    @staticmethod
    def backward(dout, z):
        return dout * 3.0


def test_a_backward_that_hands_dout_on_is_wrong_for_the_output_that_is_made():
    assert not errors(check(Tanh))
    (found,) = errors(check(TanhWithoutSlope))
    assert found.code == "D101"


def test_another_output_that_is_made_may_be_meant():
    assert words(check(Scores)) == {"z": "exact"}
