"""What must hold of a graph after every pass: order, edges, shapes, dtypes, and the same inputs and outputs."""

from dout.errors import ShapeError
from dout.graph import CONSTANT, INPUT, same_kind


def verify(before, after, one_pass):
    """Fail with the name of the pass that broke a graph."""
    where = f"after {one_pass.__name__}"
    seen = set()
    for node in after.nodes:
        assert all(i in seen for i in node.inputs), f"{where}: {node} stands before one of its inputs"
        assert node not in seen, f"{where}: {node} is there twice"
        seen.add(node)
        if node.primitive not in (INPUT, CONSTANT) and node.primitive.infer is not None:
            try:
                shape, dtype = node.primitive.infer(node.primitive, node.inputs, node.static)
            except ShapeError:
                continue  # how many elements a mask selects depends on its values
            assert shape == node.shape, f"{where}: {node}, of its inputs {shape}"
            assert same_kind(dtype, node.dtype), f"{where}: {node}, of its inputs {dtype}"
    assert dict(after.inputs) == dict(before.inputs), f"{where}: other inputs"
    assert list(after.outputs) == list(before.outputs), f"{where}: other outputs"
    for name, node in after.outputs.items():
        assert node in seen, f"{where}: the output {name} is not in the graph"
        assert node.shape == before.outputs[name].shape, f"{where}: the output {name} has another shape"
        assert same_kind(node.dtype, before.outputs[name].dtype), f"{where}: the output {name} has another dtype"
