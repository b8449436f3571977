"""A trace is saved and loaded as it was; a broken document is refused."""

import warnings

import numpy as np
import pytest
from recorded_scripts import record_script
from traced_layers import MulLayer

import dout
from dout.trace.model.trace_writer import to_document
from dout.trace.record.trace_reader import from_document, load


@pytest.mark.parametrize("script", ["buy_apple", "buy_fruits", "boolean_mask", "sigmoid_nodes", "residual"])
def test_a_saved_trace_loads_as_it_was(script, tmp_path, capsys):
    trace = record_script(f"examples/{script}.py")
    trace.save(tmp_path / "trace.json")
    again = dout.load(tmp_path / "trace.json")
    assert to_document(again) == to_document(trace)


def test_a_document_of_another_version_is_refused():
    with pytest.raises(dout.DoutError, match="has version 99, this dout reads 1"):
        from_document({"dout": 99})


@pytest.mark.parametrize("broken", [[], {"dout": 1}, {"dout": 1, "values": [{}], "nodes": []}])
def test_a_broken_document_is_refused(broken):
    with pytest.raises(dout.DoutError, match="trace document"):
        from_document(broken)


def test_nan_and_infinities_are_strings_and_come_back():
    with np.errstate(divide="ignore"):
        trace = dout.trace(lambda x: np.log(x), np.array([0.0, -0.0, 1.0]))
    document = to_document(trace)
    (out,) = [v for v in document["values"] if v["from"]]
    assert out["value"] == ["-inf", "-inf", 0.0]
    np.testing.assert_array_equal(from_document(document).values[-2].data, [-np.inf, -np.inf, 0.0])


def test_a_whole_number_with_more_digits_than_python_writes_comes_back(tmp_path):
    large = -(10**5000)
    trace = dout.trace(MulLayer(), large, 3)
    trace.save(tmp_path / "trace.json")
    again = dout.load(tmp_path / "trace.json")
    assert [value.data for value in again.values] == [value.data for value in trace.values]
    assert large in [value.gradient.value for value in again.values if value.gradient]


def test_large_arrays_are_summarised_and_say_so():
    document = to_document(dout.trace(lambda x: x * 2.0, np.ones(100_000)))
    (out,) = [v for v in document["values"] if v["from"]]
    assert out["value"]["summarised"] is True
    assert (out["value"]["size"], out["value"]["mean"]) == (100_000, 2.0)


def test_extended_numbers_keep_every_digit(tmp_path):
    number = np.longdouble(1) / 3
    for given in (number, np.array([number, 2])):
        dout.trace(MulLayer(), given, 2.0).save(tmp_path / "t.json")
        read = load(tmp_path / "t.json")
        assert np.all(read["x"].data == given)
        assert read["x"].data.dtype == np.dtype(np.longdouble)


def test_complex_numbers_and_their_gradients_are_read_again(tmp_path):
    for given in (np.complex128(1 + 2j), np.array([1 + 2j, 3])):
        trace = dout.trace(MulLayer(), given, 2.0)
        trace.save(tmp_path / "t.json")
        read = load(tmp_path / "t.json")
        assert np.all(read["x"].data == given)
        assert np.all(read.gradients["y"] == trace.gradients["y"])


class Product:
    """A layer whose gradients may have another dtype than its values, and may be wrong."""

    def __init__(self, dtype=None, times=1):
        self.dtype, self.times = dtype, times

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        dx = dout * self.y * self.times
        return (dx if self.dtype is None else dx.astype(self.dtype)), dout * self.x


def gradients_of(trace):
    """Every gradient in a trace, on values, edges and layers, with the derived one beside it."""
    uses = [use for value in trace.values for use in (value, *value.uses)]
    uses += [use for of_call in trace.arguments.values() for use in of_call]
    return [number for use in uses if use.gradient for number in (use.gradient.value, use.gradient.expected)]


def is_the_same(one, other):
    """The same type, dtype, shape and numbers; any NaN is a NaN."""
    if isinstance(one, np.ndarray | np.generic):
        equal = np.array_equal(one, other, equal_nan=True) and np.array_equal(np.signbit(one), np.signbit(other))
        return type(one) is type(other) and (one.dtype, one.shape) == (other.dtype, other.shape) and equal
    return type(one) is type(other) and (one == other or one != one)


NUMBERS = {
    "array": lambda dtype: np.array([1, -0.0, 3]).astype(dtype),
    "not finite": lambda dtype: np.array([np.nan, np.inf, -np.inf]).astype(dtype),
    "matrix": lambda dtype: np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype)),
    "empty": lambda dtype: np.zeros((0, 3), dtype),
    "no axes": lambda dtype: np.array(2).astype(dtype),
    "number": lambda dtype: np.array(2).astype(dtype)[()],
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", ">f4", ">f8", "?", "i1", "u1", "i2", "i4", ">i4", "i8", "u8"])
def test_values_and_gradients_keep_dtype_and_type(dtype, kind, tmp_path):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        number = NUMBERS[kind](dtype)
        for layer in (Product(), Product("f2"), Product(times=2)):
            trace = dout.trace(layer, number, number)
            trace.save(tmp_path / "t.json")
            read = dout.load(tmp_path / "t.json")
            wanted = [value.data for value in trace.values] + gradients_of(trace)
            got = [value.data for value in read.values] + gradients_of(read)
            assert len(got) == len(wanted)
            assert all(map(is_the_same, got, wanted)), (got, wanted)


@pytest.mark.parametrize("number", [1, 2.5, True, -0.0, float("nan"), 1e308])
def test_gradients_of_plain_numbers_are_plain_numbers(number, tmp_path):
    trace = dout.trace(Product(), number, 3.0)
    trace.save(tmp_path / "t.json")
    assert all(map(is_the_same, gradients_of(dout.load(tmp_path / "t.json")), gradients_of(trace)))


def test_a_document_from_before_has_gradients_of_what_the_digits_say():
    document = to_document(dout.trace(Product(), np.arange(3, dtype="f4"), np.ones(3, "f4")))
    for value in document["values"]:
        value.pop("gradient_as", None)
    assert from_document(document).gradients["x"].dtype == np.float64
