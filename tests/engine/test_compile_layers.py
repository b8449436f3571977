"""A compiled layer stands for the layer: attributes, copies, pickles, and calls."""

import copy
import pickle

import numpy as np
import pytest

import dout


class Scale:
    def __init__(self, factor=2.0):
        self.factor = np.array([factor])

    def forward(self, x):
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


class Called(Scale):
    def __call__(self, x):
        return self.forward(x) + 1


def test_a_call_is_as_the_class_of_the_layer_answers_it():
    fast = dout.compile(Called())
    for number in range(3):
        np.testing.assert_array_equal(fast(np.full(2, number)), [2 * number + 1] * 2)
    with pytest.raises(TypeError, match="'Scale' object is not callable"):
        dout.compile(Scale())(np.ones(2))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda fast: pickle.loads(pickle.dumps(fast))])
def test_a_deep_copy_and_a_pickle_hold_a_layer_of_their_own(copied):
    fast = dout.compile(Scale())
    fast.forward(np.ones(2))
    other = copied(fast)
    other.factor[:] = 5
    for number in range(3):
        np.testing.assert_array_equal(other.forward(np.full(2, float(number))), [5 * number] * 2)
        np.testing.assert_array_equal(fast.forward(np.full(2, float(number))), [2 * number] * 2)
    assert len(other.plan().programs) == 1


def test_a_copy_shares_the_arrays_and_not_the_attributes():
    fast = dout.compile(Scale())
    other = copy.copy(fast)
    assert other.factor is fast.factor
    other.factor = np.array([7.0])
    for number in range(3):
        np.testing.assert_array_equal(other.forward(np.full(2, float(number))), [7 * number] * 2)
        np.testing.assert_array_equal(fast.forward(np.full(2, float(number))), [2 * number] * 2)


def test_a_layer_may_have_an_attribute_named_layer():
    inner = Scale()
    inner.layer = "mine"
    fast = dout.compile(inner)
    assert fast.layer == "mine"
    fast.layer = "yours"
    assert inner.layer == "yours"


def test_forward_and_backward_of_a_compiled_layer_are_not_set_unheard():
    with pytest.raises(AttributeError, match="set it on the layer itself, and compile that again"):
        dout.compile(Scale()).forward = None
