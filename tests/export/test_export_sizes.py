"""An open batch is right at sizes that nobody recorded; else the batch is fixed, and a line says why."""

import numpy as np
import pytest
from onnx_runs import ran

import dout

ROWS = np.random.default_rng(5).normal(size=(6, 4))


def capped(x):
    return x * min(len(x), 8)


def other_way_from_six(x):
    return x * 2 if len(x) > 5 else x * 3


def one_row_as_a_list(x):
    if x.shape[0] == 1:
        return x.reshape(-1)
    return x.sum(axis=1)


def every_tenth_part(x):
    step = max(len(x) // 10, 1)
    return x[::step] * 2


def mean_of_up_to_three(x):
    width = 3 if len(x) >= 9 else 1
    return np.stack([x[i : len(x) - width + 1 + i] for i in range(width)]).mean(axis=0)


def centred_in_pieces_of_twenty(x):
    pieces = [x[i : i + 20] for i in range(0, len(x), 20)]
    return np.concatenate([piece - piece.mean(axis=0) for piece in pieces])


def in_pieces_of_hundred(x):
    pieces = [x[i : i + 100] for i in range(0, len(x), 100)]
    return np.concatenate([piece / np.sqrt(np.sum(piece * piece)) for piece in pieces])


def even_alone(x):
    return x * (2 - len(x) % 2)


OTHER = [
    capped, other_way_from_six, one_row_as_a_list, every_tenth_part, mean_of_up_to_three, centred_in_pieces_of_twenty,
    in_pieces_of_hundred, even_alone,
]  # fmt: skip


@pytest.mark.parametrize("function", OTHER)
def test_a_batch_that_goes_another_way_at_another_size_is_fixed(function):
    model = dout.export(function, None, ROWS)
    assert model.lines[0] == "inputs: x double[6, 4]"
    (note,) = model.notes
    assert "the size of the batch is fixed" in note
    assert " row" in note
    np.testing.assert_allclose(ran(model.content, ROWS)[0], function(ROWS), rtol=1e-12)


def test_the_line_that_depends_on_the_size_is_said():
    (note,) = dout.export(capped, None, ROWS).notes
    assert f"test_export_sizes.py:{capped.__code__.co_firstlineno + 1}" in note


def scaled(x, w):
    return np.squeeze(x @ w) / len(x)


def test_an_axis_that_one_row_loses_leaves_the_batch_open():
    model = dout.export(scaled, None, ROWS, np.ones((4, 1)))
    assert model.lines[0].startswith("inputs: x double[batch, 4]")
    assert model.notes == ()
    assert ran(model.content, ROWS[:1], np.ones((4, 1)))[0].squeeze() == pytest.approx(ROWS[0].sum())


def never_one(x):
    if len(x) == 1:
        raise ValueError("one row has no spread")
    return x - x.mean(axis=0)


def test_a_size_at_which_forward_raises_is_a_note():
    model = dout.export(never_one, None, ROWS)
    assert model.lines[0] == "inputs: x double[batch, 4]"
    assert model.notes == ("forward raises ValueError where the batch has 1 row, and the model does not",)


def exponentials(x):
    powers = np.exp(x)
    return powers / powers.sum(axis=1, keepdims=True)


def test_numbers_that_overflow_in_forward_alone_leave_the_batch_open():
    model = dout.export(exponentials, None, ROWS * 1000)
    assert model.lines[0] == "inputs: x double[batch, 4]"


@pytest.mark.parametrize("function", [scaled, exponentials, never_one])
def test_single_floats_leave_it_open(function):
    more = [np.ones((4, 1), np.float32)] if function is scaled else []
    assert "batch" in dout.export(function, None, ROWS, *more, dtype="float32").lines[0]


def test_what_forward_writes_into_its_input_is_compared_from_the_start():
    def overwritten(x):
        x *= 2
        return x + 1

    model = dout.export(overwritten, None, ROWS.copy())
    assert model.lines[0] == "inputs: x double[batch, 4]"
