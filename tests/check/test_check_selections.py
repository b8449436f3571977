"""What picks elements: masks of booleans, permutations, indices that repeat; none of them has a gradient."""

import numpy as np
import pytest

import dout


class Picked:
    """Its gradient is made in the shape of the mask: that is of booleans."""

    def forward(self, x, chosen):
        self.chosen = chosen
        return x[chosen] ** 1 * 2

    def backward(self, dout):
        dx = np.zeros(self.chosen.shape)
        dx[self.chosen] = self.slope() * dout
        return dx

    def slope(self):
        return 2


class Kept:
    """`~keep` is no number."""

    def forward(self, x, keep):
        self.x, self.keep = x, keep
        out = x**2
        out[~keep] = 0.5
        return out

    def backward(self, dout):
        dx = self.slope() * self.x * dout
        dx[~self.keep] = 0
        return dx

    def slope(self):
        return 2


class Permuted:
    """The array into which the index writes is as large as what arrives: each column comes once."""

    def forward(self, x, places):
        self.places = places
        return 2 * x[:, places]

    def backward(self, dout):
        dx = np.empty_like(dout)
        dx[:, self.places] = self.slope() * dout
        return dx

    def slope(self):
        return 2


class PutBack(Permuted):
    """The permutation is turned around."""

    def forward(self, x, places):
        self.places = places
        return 2 * x[places]

    def backward(self, dout):
        return self.slope() * dout[np.argsort(self.places)]


@pytest.mark.parametrize("layer", [Picked, Kept, Permuted, PutBack])
def test_masks_and_permutations_are_chosen_as_such(layer):
    report = dout.check(layer)
    assert [(v.argument, str(v.word)) for v in report.verdicts] == [("x", "exact")]
    wrong = type("Wrong", (layer,), {"slope": lambda self: 3, "__module__": layer.__module__})
    (first,) = [item for item in dout.check(wrong).findings if item.severity == "error"]
    assert (first.code, first.argument) == ("D101", "x")


class Looked:
    """A table is looked up: an index of it may come twice."""

    def __init__(self, W):
        self.W = W

    def forward(self, ids):
        self.ids = ids
        return self.W[ids]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.ids] = dout


def test_an_index_of_a_table_repeats():
    assert [item.code for item in dout.check(Looked).findings if item.severity == "error"] == ["D101"]


def scaled(x, k, s):
    return x[k] * s


def scaled_backward(dout, x, k, s):
    dx = np.zeros_like(x)
    np.add.at(dx, k, dout * s)
    return dx, dout * x[k]


def test_the_second_gradient_is_of_the_second_input_that_has_one():
    given = np.arange(6.0).reshape(3, 2), np.array([0, 2, 0]), np.arange(1.0, 7).reshape(3, 2)
    assert {v.argument: str(v.word) for v in dout.check(scaled, *given).verdicts} == {"x": "exact", "s": "exact"}
