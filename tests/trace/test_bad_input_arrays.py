"""Arrays of other kinds, and complex numbers, are traced right or refused with what to give instead."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from bad_input import Double, X, traced_right, weighing

import dout

HERE = Path(__file__).name


# --- arrays of other kinds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "g", ">f8", ">f4", "<f8"])
def test_floats_of_every_size_and_byte_order(dtype):
    traced_right(Double(), np.array([0.1, -2.0], dtype))


@pytest.mark.parametrize("x", [np.zeros((0, 3)), np.array(3.0), np.zeros(0, "f2")], ids=["empty", "0-d", "empty f2"])
def test_arrays_without_length(x):
    traced_right(Double(), x)


def test_a_read_only_array_stays_read_only():
    x = X.copy()
    x.flags.writeable = False
    traced_right(Double(), x)
    with pytest.raises(ValueError, match="read-only"):
        dout.trace(lambda x: x.__setitem__(0, 1.0), x)
    assert not x.flags.writeable


def memmap():
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype="f8", shape=(2,))


class Sub(np.ndarray):
    pass


REFUSED = {
    "objects": (lambda: np.array([1.0, 2.0], dtype=object), "give a plain array of numbers"),
    "records": (lambda: np.zeros(2, dtype=[("a", "f8")]), "give a plain array of numbers"),
    "strings": (lambda: np.array(["a", "b"]), "give a plain array of numbers"),
    "dates": (lambda: np.array(["2020-01-01"], dtype="M8[D]"), "give a plain array of numbers"),
    "a matrix": (lambda: np.eye(2).view(np.matrix), r"give np\.asarray of it"),
    "a masked array": (lambda: np.ma.array([1.0, 2.0], mask=[0, 1]), "keep the numbers in one plain array"),
    "a subclass": (lambda: np.ones(2).view(Sub), r"give np\.asarray of it"),
    "a file": (memmap, r"give np\.asarray of it"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_arrays_are_refused_with_file_and_line_and_what_to_give(kind):
    make, instead = REFUSED[kind]
    with pytest.raises(dout.DoutError, match=rf"cannot be traced, at .*{HERE}:\d+; {instead}"):
        dout.trace(Double(), make())


@pytest.mark.parametrize("kind", ["a matrix", "a masked array", "a subclass", "a file"])
def test_other_arrays_that_a_layer_uses_are_refused_where_it_does(kind):
    make, instead = REFUSED[kind]
    layer = weighing(make(), lambda held: held)
    with pytest.raises(dout.DoutError, match=rf"cannot be traced, at .*bad_input\.py:\d+; {instead}"):
        dout.trace(layer, X)


# --- complex numbers --------------------------------------------------------------------------------------------------


def test_a_complex_forward_is_traced_and_replayed_and_no_gradient_is_derived():
    class Wave:
        def forward(self, x):
            return np.abs(np.exp(x * 1j) * 3.0)

        def backward(self, dout):
            return dout * 0.0

    trace = dout.trace(Wave(), X)
    np.testing.assert_array_equal(trace.outputs, Wave().forward(X))
    assert not trace.events
    assert {value.gradient.source for value in trace.values if value.gradient} == {"user"}
    assert [value.gradient.expected for value in trace.values if value.gradient] == [None]


def test_a_gradient_of_complex_values_is_refused_with_file_and_line():
    with pytest.raises(dout.DoutError, match=rf"complex values, at .*{HERE}:\d+; keep real and imaginary parts apart"):
        dout.grad(lambda x: np.sum(np.abs(x * 1j)))(X)
