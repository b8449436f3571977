"""Parts of a filled array are its number until they are written, and every value keeps every bit."""

import itertools

import numpy as np
import pytest
from engine_graphs import traced, values_of

import dout
from dout.engine.windows.reads_of_fills import reads_of_fills
from dout.trace.model.replay import same_bits

X = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
ROWS = [slice(0, 3), slice(3, 6), slice(1, 4), slice(5, None, -2), slice(4, None, -2), slice(None), slice(2, 2), 3, -1]
PAIRS = [*itertools.product(ROWS, repeat=2)]


def reads(function, *inputs):
    """How often a written array is read after the pass, which changes no bit of any value."""
    graph, given = traced(function, *inputs)
    after = reads_of_fills(graph)
    assert all(map(same_bits, values_of(after, given), values_of(graph, given)))
    return sum(node.primitive.name == "getitem" and node.inputs[0].primitive.name == "setitem" for node in after.nodes)


def twice(one, other, fill=np.zeros):
    def function(x):
        out = fill((6, 8), np.float32)
        out[one] += x[one]
        out[other] += x[other]
        return out

    return function


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_what_lies_apart_is_not_read_again(one, other):
    count = np.zeros(6, int)
    count[one] += 1
    count[other] += 1
    assert reads(twice(one, other), X) == (count.max() > 1)


def test_any_number_may_fill_it():
    assert reads(twice(slice(0, 3), slice(3, 6), np.ones), X) == 0


def test_an_array_that_holds_more_is_read_when_it_is_written():
    def function(x, out):
        out = out + 1
        out[:3] += x[:3]
        out[3:] += x[3:]
        return out

    assert reads(function, X, X) == 1


def test_means_of_windows_that_overlap_along_one_axis_go_back_as_plain_ones():
    x = np.random.default_rng(1).normal(size=(2, 3, 7, 4))
    plain, fast = dout.layers.AdaptiveAvgPool((3, 2)), dout.compile(dout.layers.AdaptiveAvgPool((3, 2)))
    for _ in range(2):
        out = fast.forward(x)
        np.testing.assert_allclose(out, plain.forward(x), rtol=1e-14)
        np.testing.assert_allclose(fast.backward(out), plain.backward(out), rtol=1e-14)
