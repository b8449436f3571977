"""What the engine says of rows and memory is true of every row of the table."""

import numpy as np
import pytest
from row_checks import edge_values_do_not_warn, every_row, runs

from dout.engine.ir.aliasing import bases, into, is_view, way
from dout.rewrite.node_facts import FILLED

__all__ = ["edge_values_do_not_warn"]  # a fixture


def arrays(node, data):
    return [data[i] for i in node.inputs if isinstance(data[i], np.ndarray)]


@pytest.mark.one_in(3)
@every_row
def test_only_rows_that_are_said_to_return_views_do(row):
    for recorder, node in runs(row):
        value, data = recorder.data[node], recorder.data
        for i in node.inputs:
            if isinstance(value, np.ndarray) and isinstance(data[i], np.ndarray) and np.shares_memory(value, data[i]):
                assert i in bases(node)


@pytest.mark.one_in(3)
@every_row
def test_what_is_said_to_be_a_view_is_one(row):
    for recorder, node in runs(row):
        value, data = recorder.data[node], recorder.data
        contiguous = {i for i in node.inputs if isinstance(data[i], np.ndarray) and data[i].flags.c_contiguous}
        if bases(node) and is_view(node, contiguous) and value.size and isinstance(data[node.inputs[0]], np.ndarray):
            scalar = not isinstance(value, np.ndarray)
            assert scalar or np.shares_memory(value, data[node.inputs[0]]), f"{node} of {node.inputs}"


@pytest.mark.one_in(6)
@every_row
def test_a_row_gives_the_same_bits_in_an_array_that_it_is_given(row):
    for recorder, node in runs(row):
        data = recorder.data
        contiguous = {i for i in node.inputs if isinstance(data[i], np.ndarray) and data[i].flags.c_contiguous}
        if into(node, contiguous) in ("", "write"):  # writes are tested with the memory plan
            continue
        wanted, array = data[node], np.full(node.shape, 77).astype(node.dtype)
        assert wanted.flags.c_contiguous, f"{node} of {node.inputs}"
        operands = [data[i] for i in node.inputs]
        if way(node) == "out":
            assert row.forward(*operands, **node.static, out=array) is array
        elif way(node) == "fill":
            array[...] = FILLED.get(node.primitive, operands[:1])
        else:
            array[...] = operands[0]
        assert array.tobytes() == wanted.tobytes() or np.array_equal(array, wanted, equal_nan=True)
