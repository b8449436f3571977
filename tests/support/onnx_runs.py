"""Models run by onnxruntime, on one thread, as somebody else would run them; and whole graphs as models."""

import numpy as np
import onnxruntime

from dout.export.compositions import composed
from dout.export.exported_forward import ExportedForward
from dout.export.onnx_export import checked_model
from dout.graph import CONSTANT, INPUT, Graph, Node, topological, with_inputs


def session(content):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def ran(content, *inputs, **named):
    """The outputs of a model for these inputs, by place or by name."""
    runner = session(content)
    kinds = {i.name: i.type for i in runner.get_inputs()}
    feeds = {**dict(zip(kinds, inputs, strict=False)), **named}
    return runner.run(None, {name: np.asarray(feeds[name], dtype_of(kinds[name])) for name in kinds})


def dtype_of(kind):
    """The dtype that onnxruntime calls `tensor(double)`."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))


def of_nodes(nodes, data):
    """A model that computes these nodes from the inputs that lead to them, and the values of its inputs in order."""
    found = topological(nodes)
    plain = {
        node: Node(INPUT, (), {}, node.shape, node.dtype) if np.ndim(node.static.get("value", 0)) else node
        for node in found
        if node.primitive in (INPUT, CONSTANT)
    }
    for node in found:
        if node not in plain:
            plain[node] = with_inputs(node, [plain[i] for i in node.inputs])
    values = {plain[node]: data[node] for node in found if plain[node].primitive is INPUT}
    inputs = {f"x{i}": node for i, node in enumerate(values)}
    outputs = {f"y{i}": plain[node] for i, node in enumerate(nodes)}
    graph = Graph(topological([*inputs.values(), *outputs.values()]), inputs, outputs)
    graph = composed(graph)
    forward = ExportedForward("test", graph, inputs, {}, {}, "")
    return checked_model(forward).content, list(values.values())


def close(got, wanted, signed=True, absolute=False):
    """Whether two arrays are the same up to rounding: NaN and infinities included, and the sign of zero if `signed`."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape:
        return False
    if wanted.dtype.kind != "f":
        return bool(np.array_equal(got, wanted))
    tolerance = 1e-12 if wanted.dtype == np.float64 else 1e-5
    with np.errstate(all="ignore"):
        near = np.abs(got - wanted) <= tolerance * np.maximum(np.abs(wanted), 1 if absolute else 1e-30)
    same = near | (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    zero = (wanted == 0) & (got == 0)
    return bool(np.all(same & (~zero | (not signed) | (np.signbit(got) == np.signbit(wanted)))))
