"""A replay computes every value anew, and changes none that the trace or a later step has."""

import numpy as np

from dout.graph import CONSTANT, INPUT, Node, evaluate, topological
from dout.ops.elementwise import add
from dout.ops.shape import getitem, setitem
from dout.trace.model.replay import first_difference

F8 = np.dtype(float)


def filled(base, number, place):
    value = Node(CONSTANT, (), {"value": number}, (), float)
    return Node(setitem, (base, value), {"key": place, "selected": ()}, base.shape, F8)


def test_values_are_written_over_only_where_nobody_has_them():
    x = Node(INPUT, (), {}, (3,), F8)
    first = filled(x, 5.0, 0)  # x is the trace's own
    view = Node(getitem, (first,), {"key": slice(0, 2), "shape": (2,)}, (2,), F8)
    second = filled(first, 6.0, 1)  # a view of the first is needed below
    third = filled(second, 7.0, 2)  # nobody else has the second
    both = Node(add, (view, Node(getitem, (third,), {"key": slice(0, 2), "shape": (2,)}, (2,), F8)), {}, (2,), F8)
    nodes = list(topological([both]))
    given = np.array([1.0, 2.0, 3.0])
    data = evaluate(nodes, {x: given.copy()})
    np.testing.assert_array_equal(data[both], [10.0, 8.0])
    assert first_difference(nodes, {n: data[n] for n in nodes if n is both or not n.inputs}) is None
    np.testing.assert_array_equal(given, [1.0, 2.0, 3.0])
