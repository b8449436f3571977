"""Every row that a kernel can compute, compiled: what NumPy gives, on edge values, in each dtype."""

import re

import numpy as np
import pytest
from engine_groups import QUIET, compiled, results_of
from row_inputs import filled

from dout.engine.codegen.kernel_source import source
from dout.engine.ir.kernel_group import Group
from dout.engine.ir.scalar_expressions import FILLS, FUNCTIONS, MOVES, REDUCTIONS, expression_of, fusible
from dout.engine.math import vector_math
from dout.graph import INPUT, Node
from dout.ops import PRIMITIVES
from dout.ops.registry import broadcast

# Rows with a kernel column that NumPy computes nonetheless, and why.
BY_NUMPY = {
    **dict.fromkeys(["floor_divide", "mod"], "the sign of zero, and how a quotient is rounded"),
    **dict.fromkeys(["left_shift", "right_shift"], "whole numbers of any width"),
    **dict.fromkeys(["arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "cbrt", "hypot", "arctan2",
                     "special_erfc", "signbit"], "no function of ours"),
}  # fmt: skip
TIES = {"clip", "maximum", "minimum"}  # which of 0 and −0 is the larger one, NumPy answers this way and that
ULPS = {"pow": 8, "power": 8}
CANCELS = {"logaddexp"}  # the larger input and a logarithm: near 0 the digits of both go, in NumPy's as well
RANDOM = np.random.default_rng(7)


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOUT_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        yield


def elementwise(count):
    """The rows with a kernel column that take so many arrays."""
    for row in PRIMITIVES.values():
        if row.infer is broadcast and row.kernel:
            slots = 3 if "{2}" in row.kernel else 2 if "{1}" in row.kernel else 1
            if slots == count:
                yield row


def values(dtype, size):
    """Edge values, and ordinary ones where there are any."""
    edges = filled((15,), dtype.type)
    ordinary = RANDOM.normal(0, 3, size) if dtype.kind == "f" else RANDOM.integers(0, 2, size)
    return np.concatenate([edges, ordinary.astype(dtype)])


def inputs(count, dtype):
    """Arrays that meet in every pair of values."""
    if count == 1:
        return [values(dtype, 2000)]
    first, second = values(dtype, 25), values(dtype, 25)
    if count == 2:
        return [first[:, None], second[None, :]]
    return [first[:, None] > 0, second[None, :], first[:, None]]


def is_written(node):
    """Whether the functions that the kernel calls are there; some have not been written yet."""
    called = re.findall(r"(?<![\w.])([a-z]\w*)\(", expression_of(node))
    return all(hasattr(vector_math, f"{name}_f32") for name in called if name in FUNCTIONS)


def of_rows(count, dtype):
    """One group of all rows that fit a kernel, of these inputs."""
    arrays = inputs(count, dtype)
    given = tuple(Node(INPUT, (), {}, array.shape, array.dtype) for array in arrays)
    made = []
    for row in elementwise(count):
        operands = (given[1], *given[1:]) if row.name == "clip" else given
        try:
            shape, kind = row.infer(row, operands, {})
        except TypeError:
            continue  # NumPy does not take this dtype
        node = Node(row, operands, {}, shape, kind)
        if fusible(node) and is_written(node):
            made.append(node)
    space = np.broadcast_shapes(*(array.shape for array in arrays))
    return Group(tuple(made), given, tuple(made), space), arrays


@pytest.mark.one_in(2)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_kernel_of_a_row_computes_what_numpy_computes(count, dtype):
    group, arrays = of_rows(count, np.dtype(dtype))
    by_node = dict(zip(group.inputs, arrays, strict=True))
    kernel = compiled(source(group, dict.fromkeys(group.inputs, "C"), parallel=False))
    for node, found in zip(group.nodes, results_of(kernel, group, arrays), strict=True):
        with np.errstate(**QUIET):
            right = node.primitive.forward(*(by_node[i] for i in node.inputs))
        assert found.dtype == right.dtype, node
        wrong = ~agrees(found, right, node.primitive.name, [by_node[i] for i in node.inputs])
        where = np.unravel_index(np.argmax(wrong), wrong.shape)
        at = [np.broadcast_to(by_node[i], node.shape)[where] for i in node.inputs]
        assert not wrong.any(), f"{node.primitive.name} of {at} is {found[where]!r}, by NumPy {right[where]!r}"


def agrees(found, right, name, operands):
    """Where two arrays are the same, up to a few units in the last place, with the sign of zero and NaN."""
    if right.dtype.kind != "f":
        return found == right
    with np.errstate(**QUIET):
        size = np.maximum(*map(np.abs, (right, np.maximum(*operands) if name in CANCELS else right)))
        near = np.abs(found - right) <= ULPS.get(name, 4) * np.spacing(size.astype(right.dtype))
    signed = (np.signbit(found) == np.signbit(right)) | (name in TIES)
    same = (found == right) & (signed | (right != 0))
    return same | (near & (right != 0)) | (np.isnan(found) & np.isnan(right))


def test_rows_that_are_left_to_numpy_are_known():
    rows = {row.name for count in (1, 2, 3) for row in elementwise(count)}
    fit = set()
    for row in (PRIMITIVES[name] for name in rows):
        for dtype in map(np.dtype, ["f8", "?"]):
            given = (Node(INPUT, (), {}, (2,), dtype),) * (1 + max(i for i in range(3) if f"{{{i}}}" in row.kernel))
            try:
                fit |= {row.name} if fusible(Node(row, given, {}, *row.infer(row, given, {}))) else set()
            except TypeError:
                continue
    assert rows - fit == BY_NUMPY.keys()
    assert not {*map(str, (*MOVES, *FILLS, *REDUCTIONS))} & BY_NUMPY.keys()
