"""What is run for every row of the table of primitives."""

import warnings

import numpy as np
import pytest
from row_examples import all_examples

from dout.graph import CONSTANT, INPUT, Node
from dout.ops import OPERATORS, PRIMITIVES, ArrayStandIn, Recorder, kind_of


class Carrying(Recorder):
    """Computes each operation by its row, and keeps the node, its value, and what was called."""

    def __init__(self):
        self.nodes = []
        self.data = {}
        self.called = set()

    def enter(self, value):
        """A stand-in for an input."""
        return Carried(self, value, self._keep(Node(INPUT, (), {}, np.shape(value), kind_of(value)), value))

    def emit(self, primitive, operands, static):
        operands = [np.array(o) if isinstance(o, list) else o for o in operands]
        values = [o.value if isinstance(o, Carried) else o for o in operands]
        nodes = tuple(o.node if isinstance(o, Carried) else self._constant(o) for o in operands)
        value = primitive.apply(values, static)
        return Carried(self, value, self._keep(Node(primitive, nodes, static, np.shape(value), kind_of(value)), value))

    def _constant(self, value):
        return self._keep(Node(CONSTANT, (), {"value": value}, np.shape(value), kind_of(value)), value)

    def operator(self, primitive, operands):
        self.called.update(name for name, row in OPERATORS.items() if row is primitive)
        return super().operator(primitive, operands)

    def call(self, function, args, kwargs):
        self.called.add(function)
        return super().call(function, args, kwargs)

    def method(self, name, owner, args, kwargs):
        self.called.add(name)
        return super().method(name, owner, args, kwargs)

    def _keep(self, node, value):
        self.nodes.append(node)
        self.data[node] = value
        return node


class Carried(ArrayStandIn):
    """A value with its node."""

    def __init__(self, recorder, value, node):
        self._recorder, self.value, self.node = recorder, value, node

    def __getattr__(self, name):
        if name in ("shape", "dtype", "ndim", "flags", "size", "strides"):
            return getattr(self.value, name)
        raise AttributeError(name)

    @property
    def __class__(self):
        return type(self.value)


def ran(example, inputs):
    """The recorder, the inputs' stand-ins and the result of an example on carried values."""
    recorder = Carrying()
    entered = [recorder.enter(item) for item in inputs]
    return recorder, entered, (example.ours or example.plain)(*entered)


def outcome(function):
    """What a function gives, or which error it raises."""
    try:
        return function()
    except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        return type(error)


def fresh(inputs):
    """The same inputs, each array in its own memory and its own layout."""
    return [item.copy("K") if isinstance(item, np.ndarray) and item.flags.forc else item for item in inputs]


def examples(name):
    """The examples of a row; a row without any fails with what to do."""
    if name not in all_examples():
        pytest.fail(f"{name} has no examples: add one line to all_examples, in one of tests/row_examples_*.py")
    return all_examples()[name]


every_row = pytest.mark.parametrize("row", PRIMITIVES.values(), ids=PRIMITIVES)


def runs(row):
    """Every run of the row's examples that succeeds: the recorder, and the node that the row made."""
    for example in examples(row.name):
        for inputs in example.inputs():
            result = outcome(lambda: ran(example, fresh(inputs)))  # noqa: B023
            if isinstance(result, tuple):
                yield from ((result[0], node) for node in result[0].nodes if node.primitive is row)


@pytest.fixture(autouse=True)
def edge_values_do_not_warn():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing
        yield
