"""A trace is saved and loaded as it was; a broken document is refused."""

import numpy as np
import pytest
from traced_layers import MulLayer

import dout
from dout.trace.document import to_document
from dout.trace.loading import from_document, load
from dout.trace.script import record_script


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
