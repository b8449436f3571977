"""Every row that has operators of ONNX gives by onnxruntime what it gives by NumPy: dtypes, shapes, edge values."""

from collections import defaultdict

import numpy as np
import pytest
from onnx_runs import close, of_nodes, session
from row_checks import edge_values_do_not_warn, runs  # noqa: F401 - a fixture

from dout.export.compositions import composed_rows
from dout.export.onnx_export import RULES
from dout.ops import PRIMITIVES

# Rows without operators, and why.
NOT_EXPORTED = {
    **dict.fromkeys(["left_shift", "right_shift"], "ONNX shifts numbers without a sign alone"),
    **dict.fromkeys(["inv", "solve"], "ONNX has no equations"),
    **dict.fromkeys(["nonzero", "places"], "how many there are depends on the values"),
    "survives": "which of several writes is the last one",
    "round": "Python's own, by decimal digits",
    "math_fmod": "rarely in a forward",
}

MIXED = {("float32", "float64"), ("int64", "float32"), ("float64", "bool"), ("bool", "int64")}  # of all pairs
MOST = 12  # about so many runs of a row are compared in each combination of dtypes
EXPORTED = sorted(set(PRIMITIVES) - set(NOT_EXPORTED))


def test_every_row_has_operators_or_a_reason():
    found = {row.name for row in [*RULES, *composed_rows()]}
    assert found | set(NOT_EXPORTED) == set(PRIMITIVES)
    assert found.isdisjoint(NOT_EXPORTED)


# What a model gives otherwise than NumPy, and why.
WITHOUT_NAN = {"max", "min", "argmax", "argmin", "argsort"}  # of which ONNX does not say what they make of NaN
FINITE = {"dot", "inner", "einsum", "matmul", "pow", "math_fsum"}  # 0 · ∞ as BLAS has it; x ** 0.5 as a square root
ABSOLUTE = {"special_erfc", "math_erfc"}  # one minus erf
ZEROS = {"where", "maximum", "minimum"}  # onnxruntime's Where adds its sides up; of 0 and −0 either is the larger one
NO_KERNEL = {("det", np.float64)}  # onnxruntime has none
BY_CONDITIONS = {"getitem", "setitem", "scatter", "add_at"}  # a mask is refused: what it selects depends on values


def is_taken(node, data):
    """Whether a run is one that a model is for: numbers of 32 and 64 bits, and nothing that is undefined in ONNX."""
    kinds = [np.dtype(i.dtype) for i in (node, *node.inputs)]
    if any(kind not in (np.float32, np.float64, np.int64, np.bool_) for kind in kinds):
        return False
    name, given = node.primitive.name, [data[i] for i in (*node.inputs, node)]
    if any(type(x) is int and abs(x) >= 2**63 for x in given) or (name, kinds[0].type) in NO_KERNEL:
        return False
    if name in BY_CONDITIONS and (np.bool_ in kinds[1:] or node.static["key"] in (True, False)):
        return False
    if name in WITHOUT_NAN and np.isnan(given[0]).any():
        return False
    if name in FINITE and not all(np.all(abs(np.asarray(x, float)) < 1e100) for x in given):
        return False
    if name in ("windows", "fold"):
        return len(set(node.static["axes"])) == len(node.static["axes"])
    return not (kinds[0].kind in "iub" and (name == "reciprocal" or node.static.get("initial")))


@pytest.mark.one_in(12)
@pytest.mark.parametrize("name", EXPORTED)
def test_a_row_gives_the_same_by_onnxruntime(name):
    groups = defaultdict(list)
    for recorder, node in runs(PRIMITIVES[name]):
        kinds = tuple(str(np.dtype(i.dtype)) for i in node.inputs)
        if is_taken(node, recorder.data) and (len(kinds) != 2 or kinds[0] == kinds[1] or kinds in MIXED):
            groups[kinds].append((recorder, node))
    assert groups
    compared = 0
    for found in groups.values():
        compared += compare(name, found[:: max(1, len(found) // MOST)])
    assert compared


def compare(name, found):
    data = {}
    for recorder, _ in found:
        data.update(recorder.data)
    nodes, row = [node for _, node in found], PRIMITIVES[name]
    signed = row.onnx is not None and row not in composed_rows() and name not in ZEROS
    content, values = of_nodes(nodes, data)
    runner = session(content)
    feeds = {i.name: np.asarray(value) for i, value in zip(runner.get_inputs(), values, strict=True)}
    for got, node in zip(runner.run(None, feeds), nodes, strict=True):
        given = [data[i] for i in node.inputs]
        wanted = data[node]
        if name == "argsort" and np.ndim(given[0]):  # equal numbers may stand in any order
            got, wanted = (np.take_along_axis(given[0], x, node.static["axis"]) for x in (got, wanted))
        assert close(got, wanted, signed=signed, absolute=name in ABSOLUTE), (
            f"{name}{given} {dict(node.static)}: {got!r}, by NumPy {data[node]!r}"
        )
    return len(nodes)
