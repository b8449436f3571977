"""A graph with its gradients as outputs of their own, as tests of rows and passes compute them."""

from dout.grad import backpropagate
from dout.graph import INPUT, Graph, Node, topological


def differentiate(graph):
    """Return the graph that also computes gradients: one more input `d<output>` an output, one more output `d<input>`.

    An input that no gradient reaches has no such output. Differentiated again, a name that is taken gets another d.
    """
    seeds = {node: Node(INPUT, (), {}, node.shape, node.dtype) for node in graph.outputs.values()}
    gradients = backpropagate(seeds).of
    inputs, outputs = dict(graph.inputs), dict(graph.outputs)
    for name, node in graph.outputs.items():
        inputs[_free(f"d{name}", inputs)] = seeds[node]
    for name, node in graph.inputs.items():
        if node in gradients:
            outputs[_free(f"d{name}", outputs)] = gradients[node]
    return Graph(topological(outputs.values()), inputs, outputs)


def _free(name, taken):
    """The name, with one more d as long as it is taken."""
    while name in taken:
        name = f"d{name}"
    return name
