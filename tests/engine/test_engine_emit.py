"""What a kernel can compute, and that it computes what NumPy computes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from engine_groups import agree, compiled, emits, recorded, results_of, text_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_functions import RANDOM, X, cache_folder, rows_of, softmax

from dout.engine.codegen.kernel_source import may_overwrite, source
from dout.engine.ir.kernel_group import Group
from dout.engine.ir.scalar_expressions import FUNCTIONS, fusible
from dout.graph import INPUT, Node, topological
from dout.trace.record.record import record_function

__all__ = ["cache_folder"]  # fixtures


F4, F8 = np.dtype("f4"), np.dtype("f8")


def nodes_of(function, *inputs):
    """The nodes that a plain function computes."""
    trace, _ = record_function(function, inputs, {})
    return [n for n in topological(trace.graph.outputs.values()) if n.inputs or n.static.get("shape")]


def last(function, *inputs):
    return nodes_of(function, *inputs)[-1]


# --- which rows can be part of a kernel -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 + 1,
        lambda x: x**2,
        lambda x: np.abs(x) ** 1.5,
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.maximum(x, 0),
        lambda x: np.clip(x, -1, 1),
        lambda x: x * (x > 0),
        lambda x: ((x > 0) & ~(x > 1)).astype(np.int64) * 3,
        lambda x: x.astype(np.float64),
        lambda x: x.reshape(3, 1, 4) * 1,
        lambda x: x[:, None] * 1,
        lambda x: np.sum(x, axis=1, keepdims=True),
        lambda x: (x > 0).sum(),
        lambda x: np.max(x, axis=-1),
        lambda x: np.mean(x),
        lambda x: np.sign(x) * np.abs(x),
        lambda x: np.isnan(x) | np.isfinite(x),
    ],
)
def test_rows_of_floats_and_conditions_fit(function):
    assert [n for n in nodes_of(function, X) if not fusible(n)] == []


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x // 2,
        lambda x: x % 2,
        lambda x: x.T,
        lambda x: x[0],
        lambda x: x.reshape(4, 3),
        lambda x: x.astype(int),  # of what no whole number holds, NumPy's is anyone's guess
        lambda x: x.astype(np.float16),
        lambda x: np.sum(x, axis=0, initial=1),
        lambda x: np.cumsum(x, axis=0),
        lambda x: np.argmax(x, axis=0),
        lambda x: x @ x.T,
    ],
)
def test_rows_that_are_not_the_same_in_a_kernel_do_not_fit(function):
    assert not fusible(last(function, X))


def test_every_function_of_a_kernel_is_there_for_both_floats():
    pytest.importorskip("numba")
    from dout.engine.math import accumulate, vector_math

    for name in FUNCTIONS:
        for version in ("f32", "f64"):
            assert hasattr(accumulate if name in ("maximum", "minimum", "minus") else vector_math, f"{name}_{version}")
    assert set(vector_math.FUNCTIONS) <= FUNCTIONS


def test_whole_numbers_add_and_multiply_but_do_not_divide():
    whole = np.arange(5)
    assert fusible(last(lambda x: x * 2 - 1, whole))
    assert fusible(last(lambda x: x / 2, whole))  # that is a float
    assert not fusible(last(lambda x: x // 2, whole))
    assert not fusible(last(lambda x: x**3, whole))


def test_plain_numbers_are_left_to_python():
    number = Node(INPUT, (), {}, (), float)
    assert not fusible(last(lambda a: a * 2.0, 3.0))
    assert not fusible(number)


def test_a_plain_number_that_may_not_fit_a_narrow_dtype_is_left_to_numpy():
    narrow = np.arange(5, dtype=np.uint8)
    assert fusible(last(lambda x: x + 7, narrow))
    assert not fusible(last(lambda x, n: x + n, narrow, 7))


def test_int64_against_uint64_is_left_to_numpy():
    assert not fusible(last(lambda x, y: x < y, np.arange(3), np.arange(3, dtype=np.uint64)))


def test_the_largest_of_nothing_is_left_to_numpy_to_refuse():
    assert not fusible(last(lambda x: np.max(x, axis=1, initial=0), np.zeros((3, 0))))


def test_another_byte_order_does_not_fit():
    assert not fusible(last(lambda x: x + 1, X.astype(">f4")))


# --- kernels against NumPy --------------------------------------------------------------------------------------------

# --- what a kernel promises -------------------------------------------------------------------------------------------


def exact_sum(x):
    return math.fsum(x.ravel().tolist())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sum_is_at_least_as_accurate_as_numpys(dtype, cache_folder):
    x = RANDOM.uniform(0, 1, 3_000_001).astype(dtype)
    group, _, _ = recorded(lambda x: x.sum(), x)
    (found,) = results_of(compiled(source(group, {}, parallel=False)), group, [x])
    right = exact_sum(x)
    assert abs(float(found) - right) <= max(abs(float(x.sum()) - right), np.finfo(dtype).eps * right)


def test_an_infinite_sum_is_infinite_and_one_of_both_signs_is_not_a_number():
    for values, right in (([np.inf, 1.0], np.inf), ([np.inf, -np.inf], np.nan), ([1e308, 1e308], np.inf)):
        group, _, _ = recorded(lambda x: x.sum(), np.array(values))
        (found,) = results_of(compiled(source(group, {}, parallel=False)), group, [np.array(values)])
        np.testing.assert_equal(found, right)


def test_a_parallel_sum_is_the_same_for_any_number_of_threads(cache_folder):
    numba = pytest.importorskip("numba")
    x = rows_of(1_000_003)
    group, _, _ = recorded(lambda x: (x * x).sum(), x)
    kernel = compiled(source(group, {}, parallel=True))
    found = set()
    before = numba.get_num_threads()
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(threads)
        found.add(float(results_of(kernel, group, [x])[0]))
    numba.set_num_threads(before)
    assert len(found) == 1


def test_one_kernel_serves_all_sizes(cache_folder):
    group, _, _ = recorded(softmax, rows_of(3, 4))
    kernel = compiled(source(group, {}, parallel=False))
    for shape in ((3, 4), (1, 5), (100, 3), (2, 3000)):
        x, out = rows_of(*shape), np.empty(shape, np.float32)
        kernel(x, out)
        np.testing.assert_allclose(out, softmax(x), rtol=3e-6, atol=1e-9)


def test_the_same_group_has_the_same_name_and_another_dtype_another():
    text, again = (text_of(lambda x: x * x, rows_of(3)) for _ in range(2))
    assert text.name == again.name
    assert text.name != text_of(lambda x: x * x, rows_of(3).astype(float)).name


def test_kernels_that_differ_in_what_things_are_called_are_one():
    group, _, _ = recorded(lambda x, y: x * x - y, rows_of(3), rows_of(3))
    one, other = (
        source(group, {}, parallel=False, names=dict(zip(group.inputs, names, strict=True)))
        for names in (("cache[3]", "square"), ("cache[4]", "shape"))
    )
    assert one.text != other.text
    assert (one.name, one.meaning) == (other.name, other.meaning)


def test_kernels_that_use_their_inputs_otherwise_are_two():
    one, other = (text_of(f, rows_of(3), rows_of(3)) for f in (lambda x, y: x * y - x, lambda x, y: x * y - y))
    assert one.name != other.name


@pytest.mark.parametrize("function", [lambda x: 1 / (1 + np.exp(-x)), softmax, lambda x: x - x.mean(axis=0)])
def test_an_output_may_lie_over_an_input(function, cache_folder):
    x = rows_of(40, 50)
    group, _, _ = recorded(function, x)
    (given,), (output,) = group.inputs, group.outputs
    assert may_overwrite(group, given, output)
    kernel = compiled(source(group, {}, parallel=False, over={output: given}))
    memory = x.copy()
    kernel(memory)
    np.testing.assert_allclose(memory, function(x), rtol=1e-5, atol=1e-6)


def test_an_output_may_not_lie_over_an_input_that_is_read_again():
    def normalised(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return x * e / e.sum(axis=1, keepdims=True)

    group, _, _ = recorded(normalised, rows_of(4, 5))  # x is read after the exponentials took the output's place
    assert not may_overwrite(group, *group.inputs, *group.outputs)


def test_what_a_mask_leaves_moves_unless_the_mask_is_written_too():
    group, _, _ = recorded(lambda mask, x: np.where(mask, 0, x), rows_of(4, 5) > 0, rows_of(4, 5))
    assert not may_overwrite(group, group.inputs[1], *group.outputs)

    def relu(x):
        mask = x <= 0
        return mask, np.where(mask, 0, x)

    group, _, _ = recorded(relu, rows_of(4, 5))
    assert may_overwrite(group, *group.inputs, group.outputs[1])


def test_an_output_may_not_lie_over_an_input_of_another_shape_or_dtype():
    group, _, _ = recorded(lambda x, b: x + b, rows_of(4, 5), rows_of(5))
    assert [may_overwrite(group, given, group.outputs[0]) for given in group.inputs] == [True, False]
    group, _, _ = recorded(lambda x: x > 0, rows_of(4, 5))
    assert not may_overwrite(group, *group.inputs, *group.outputs)


def test_an_array_read_in_two_ways_may_not_be_overwritten():
    group, _, _ = recorded(lambda x: x * x.reshape(1, 4, 4)[0], rows_of(4, 4))
    kernel_group = Group(group.nodes[-1:], group.nodes[-1].inputs, group.outputs, (4, 4))
    assert all(may_overwrite(kernel_group, i, kernel_group.outputs[0]) for i in kernel_group.inputs)
    group, _, _ = recorded(lambda x, b: x * b, rows_of(4, 4), rows_of(1, 4))
    assert not may_overwrite(group, group.inputs[1], group.outputs[0])


def test_arrays_along_different_axes_have_no_kernel():
    x = rows_of(4, 4)
    group, _, _ = recorded(lambda x: x - x.sum(axis=1), x)  # the sums of the rows, taken from the columns
    assert not emits(group)
    assert emits(recorded(lambda x: x - x.sum(axis=0), x)[0])


def test_a_kernel_says_what_it_computes():
    text = text_of(lambda x, y: 2 * np.logaddexp(x, y - x), X, X + 1)
    assert "out = 2 * logaddexp(x, y - x)" in text.function


def test_names_and_places_are_no_way_into_the_text():
    group, _, _ = recorded(lambda x: x * 2, rows_of(3))
    names = {group.inputs[0]: '"""\nimport os #', group.outputs[0]: "for"}
    text = source(group, {}, parallel=False, names=names)
    assert "def multiply" in text.function
    assert "(import_os, for_2):" in text.function


def test_a_value_is_not_called_like_a_function_of_the_kernel():
    def function(x, indices):
        return np.sum(np.exp(x) * indices, axis=1)

    group, _, _ = recorded(function, rows_of(3, 4), rows_of(3, 4))
    plain = source(group, {}, parallel=False)
    imported = re.findall(r"import (.*)", plain.imports.partition("njit")[2])
    functions = {name for names in imported for name in names.split(", ")}
    assert {"exp_f32", "indices"} <= functions
    for name in functions:
        text = source(group, {}, parallel=False, names={group.inputs[1]: name})
        (parameters,) = re.findall(r"^def \w+\((.*)\):", text.function, re.MULTILINE)
        assert name not in parameters.split(", ")
        assert (text.name, text.meaning) == (plain.name, plain.meaning)


# --- how a kernel reads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sigmoid", "softmax", "bias_and_relu", "column_sums"])
def test_kernels_read_like_code_that_a_person_wrote(name):
    x, b = np.zeros((3, 4), np.float32), np.zeros(4, np.float32)
    functions = {
        "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), x),
        "softmax": (softmax, x),
        "bias_and_relu": (lambda x, b: np.maximum(x + b, 0), x, b),
        "column_sums": (lambda x: x.sum(axis=0), x),
    }
    text = text_of(*functions[name], parallel=name in ("column_sums", "bias_and_relu")).text
    plain = re.sub(r"\w+\.py:[\d-]+", "mine.py:1", re.sub(r"_[0-9a-f]{12}\(", "(", text))
    golden = Path(__file__).parents[1] / "golden" / f"kernel_{name}.txt"
    assert plain == golden.read_text()


# --- any expression, any axes -----------------------------------------------------------------------------------------

ONE = [np.negative, np.abs, np.exp, np.square, np.sign, lambda x: np.maximum(x, 0), lambda x: np.clip(x, -1, 1)]
TWO = [np.add, np.subtract, np.multiply, np.maximum, np.minimum, lambda x, y: np.where(x > y, x, 2 * y), np.less]
SHAPES = [(3, 4), (4,), (3, 1), (1, 4), (1, 1), ()]


@st.composite
def expressions(draw):
    """Inputs, and a function of them made of a few rows."""
    dtypes = st.sampled_from([np.float32, np.float64, np.float32, np.int64, np.bool_])
    more = draw(st.lists(st.tuples(st.sampled_from(SHAPES), dtypes), max_size=2))
    inputs = [rows_of(3, 4), *(RANDOM.normal(size=shape).astype(dtype) for shape, dtype in more)]
    number = st.integers(0, 99)
    steps = draw(st.lists(st.tuples(number, number, number), min_size=1, max_size=6))

    def function(*arrays):
        values = [*arrays, 0.5, 2]
        for which, a, b in steps:
            x, y = values[a % len(values)], values[b % len(values)]
            row = (ONE + TWO)[which % len(ONE + TWO)]
            try:
                values.append(row(x) if which % len(ONE + TWO) < len(ONE) else row(x, y))
            except TypeError:  # NumPy has no minus for conditions
                continue
        return arrays[0] + values[-1]

    return function, inputs


def kernels_of(function, inputs):
    group, _, values = recorded(function, *inputs)
    return group, values, bool(group.nodes) and all(map(fusible, group.nodes)) and emits(group)


@pytest.mark.long
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions(), st.booleans())
def test_any_expression_is_what_numpy_makes_of_it(made, parallel):
    function, inputs = made
    if kernels_of(function, inputs)[2]:
        agree(function, *inputs, parallel=parallel)


REDUCE = [np.sum, np.mean, np.max, np.min]


@pytest.mark.long
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sets(st.integers(0, 3), min_size=1),
    st.sampled_from(REDUCE),
    st.sampled_from(REDUCE),
    st.booleans(),
    st.booleans(),
)
def test_reductions_along_any_axes_are_what_numpy_makes_of_them(shape, axes, first, second, keep, parallel):
    axis = tuple(sorted({a % len(shape) for a in axes}))

    def function(x, y):
        once = first(x, axis=axis, keepdims=True)
        far = np.exp(x - once) * y
        twice = second(far, axis=axis, keepdims=True)
        alone = first(far * far, axis=axis, keepdims=keep)
        return far / (2 + twice * twice), once, alone * 2

    agree(function, rows_of(*shape), rows_of(*shape), parallel=parallel, ulp=64)
    agree(function, rows_of(*shape), rows_of(*shape[::-1]).T, parallel=parallel, ulp=64)
