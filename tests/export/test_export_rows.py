"""Every row that has operators of ONNX gives by onnxruntime what it gives by NumPy: dtypes, shapes, edge values."""

from collections import defaultdict

import numpy as np
import pytest
from onnx_runs import close, of_nodes, session
from row_checks import edge_values_do_not_warn, runs  # noqa: F401 - a fixture

from dout.errors import UnsupportedError
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

EXPORTED = sorted(set(PRIMITIVES) - set(NOT_EXPORTED))


def test_every_row_has_operators_or_a_reason():
    found = {row.name for row in [*RULES, *composed_rows()]}
    assert found | set(NOT_EXPORTED) == set(PRIMITIVES)
    assert found.isdisjoint(NOT_EXPORTED)


def is_taken(node, data):
    """Whether a run is one that a model is for: numbers of 32 and 64 bits, and nothing that is undefined in ONNX."""
    kinds = [np.dtype(i.dtype) for i in (node, *node.inputs)]
    return all(kind in (np.float32, np.float64, np.int64, np.bool_) for kind in kinds)


@pytest.mark.parametrize("name", EXPORTED)
def test_a_row_gives_the_same_by_onnxruntime(name):
    groups = defaultdict(list)
    for recorder, node in runs(PRIMITIVES[name]):
        if is_taken(node, recorder.data):
            groups[tuple(str(i.dtype) for i in node.inputs)].append((recorder, node))
    assert groups
    compared = 0
    for found in groups.values():
        compared += compare(name, found)
    assert compared


def compare(name, found):
    data = {}
    for recorder, _ in found:
        data.update(recorder.data)
    nodes, refused = [], 0
    for _, node in found:
        nodes.append(node)
    content, values = of_nodes(nodes, data)
    runner = session(content)
    feeds = {i.name: np.asarray(value) for i, value in zip(runner.get_inputs(), values, strict=True)}
    for got, node in zip(runner.run(None, feeds), nodes, strict=True):
        given = [data[i] for i in node.inputs]
        assert close(got, data[node]), f"{name}{given} {dict(node.static)}: {got!r}, by NumPy {data[node]!r}"
    return len(nodes)
