"""Operations of classes that keep a tape, as micrograd's `Value`: each is a layer."""

import math
import sys

import numpy as np
import pytest

import dout
from dout.adapt.tapes.tape_operations import tape_operations
from dout.check.project.discover import layers_in, named


def judged(name):
    return dout.check(named(sys.modules[__name__], name))


def words(report):
    return {verdict.argument: str(verdict.word) for verdict in report.verdicts}


def errors(report):
    return [finding for finding in report.findings if finding.severity == "error"]


class Value:
    """Numbers; each operation holds what goes back."""

    def __init__(self, data, children=()):
        self.data = data
        self.grad = 0
        self._backward = lambda: None
        self._prev = set(children)

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __pow__(self, other):
        assert isinstance(other, int | float)
        out = Value(self.data**other, (self,))

        def _backward():
            self.grad += other * self.data ** (other - 1) * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t, (self,))

        def _backward():
            self.grad += (1 - t) * out.grad  # wrong: t ** 2

        out._backward = _backward
        return out

    def exp(self):
        out = Value(math.exp(self.data), (self,))

        def _backward():
            self.grad = out.data * out.grad  # wrong: +=

        out._backward = _backward
        return out

    def backward(self):
        """Go back over the tape."""


@pytest.mark.parametrize(("name", "inputs"), [("Value.__add__", {"x", "other"}), ("Value.__pow__", {"x"})])
def test_an_operation_with_the_right_closure_is_exact(name, inputs):
    report = judged(name)
    assert report.ok
    assert words(report) == dict.fromkeys(inputs, "exact")


def test_a_wrong_closure_is_an_error_with_its_line_and_repair():
    (error,) = errors(judged("Value.tanh"))
    assert error.code == "D101"
    assert "(1 - t**2) * out.grad" in error.fix.after


def test_an_operation_that_assigns_the_gradient_loses_that_of_another_use():
    (error,) = errors(judged("Value.exp"))
    assert error.code == "D211"
    assert error.line == Value.exp.__code__.co_firstlineno + 4
    assert "write += instead of =" in error.message


class Node:
    """Arrays; the attributes are called otherwise, gradients are None at first, and only asked for where wanted."""

    def __init__(self, array, wants_slope=False):
        self.array = np.array(array, dtype=np.float64)
        self.wants_slope = wants_slope
        self.slope = None
        self.go_back = None

    def __matmul__(self, right):
        made = type(self)(self.array @ right.array, self.wants_slope or right.wants_slope)

        def go_back():
            if self.wants_slope:
                own = made.slope @ right.array.T
                self.slope = own if self.slope is None else self.slope + own
            if right.wants_slope:
                own = self.array.T @ made.slope
                right.slope = own if right.slope is None else right.slope + own

        made.go_back = go_back
        return made


def picked(node, index, scale=1.0):
    made = Node(scale * node.array[index], node.wants_slope)

    def go_back():
        node.slope = np.zeros_like(node.array) if node.slope is None else node.slope
        np.add.at(node.slope, index, scale * made.slope)

    made.go_back = go_back
    return made


def picked_once(node, index):
    made = Node(node.array[index], node.wants_slope)

    def go_back():
        node.slope = np.zeros_like(node.array) if node.slope is None else node.slope
        node.slope[index] = made.slope  # wrong: an index may repeat

    made.go_back = go_back
    return made


def softmax(node):
    e = np.exp(node.array - node.array.max(axis=-1, keepdims=True))
    s = e / e.sum(axis=-1, keepdims=True)
    made = Node(s, node.wants_slope)

    def go_back():
        own = s * (made.slope - made.slope * s)  # wrong: the diagonal alone
        node.slope = own if node.slope is None else node.slope + own

    made.go_back = go_back
    return made


def test_the_code_tells_what_the_attributes_are_called():
    report = judged("Node.__matmul__")
    assert report.ok
    assert words(report) == {"x": "exact", "right": "exact"}


def test_a_function_beside_the_class_is_an_operation_too():
    (error,) = errors(judged("softmax"))
    assert error.code == "D101"
    assert "(made.slope * s).sum(axis=1, keepdims=True)" in error.fix.after


def test_an_operation_may_add_at_an_index():
    report = judged("picked")
    assert report.ok
    assert words(report)["node"] == "exact"
    (error,) = errors(judged("picked_once"))
    assert "np.add.at(node.slope, index, made.slope)" in error.fix.after


def test_an_operation_leaves_float32_to_its_class():
    assert not [finding for finding in judged("Node.__matmul__").findings if finding.code.startswith("D3")]


class Tensor:
    """In the manner of "Grokking Deep Learning": the way back asks what made each object, and goes once."""

    def __init__(self, data, autograd=False, creators=(), made_by=""):
        self.data = np.array(data)
        self.autograd, self.creators, self.made_by = autograd, creators, made_by
        self.grad = None
        self.was_here = False

    def backward(self, grad=None):
        if grad is None:
            grad = Tensor(np.ones_like(self.data))
        if self.was_here:
            raise RuntimeError("cannot go back more than once")
        self.was_here = True
        self.grad = grad if self.grad is None else self.grad + grad
        if self.made_by == "mul":
            one, two = self.creators
            one.backward(self.grad * Tensor(two.data))
            two.backward(self.grad * Tensor(one.data))
        elif self.made_by == "sigmoid":
            self.creators[0].backward(Tensor(self.grad.data * self.data * (1 + self.data)))  # wrong: 1 -

    def __add__(self, other):
        return Tensor(self.data + other.data)

    def __mul__(self, other):
        if self.autograd and other.autograd:
            return Tensor(self.data * other.data, autograd=True, creators=[self, other], made_by="mul")
        return Tensor(self.data * other.data)

    def sigmoid(self):
        value = 1 / (1 + np.exp(-self.data))
        return Tensor(value, autograd=True, creators=[self], made_by="sigmoid") if self.autograd else Tensor(value)

    def detach(self):
        """No operation of the tape: it is made without its creators."""
        return Tensor(self.data)


def test_a_way_back_that_asks_what_made_a_result():
    assert words(judged("Tensor.__mul__")) == {"x": "exact", "other": "exact"}
    assert judged("Tensor.__mul__").ok
    (error,) = errors(judged("Tensor.sigmoid"))
    assert error.code == "D101"


def test_what_is_on_no_tape_is_no_operation():
    every = layers_in(sys.modules[__name__])
    assert "Tensor.sigmoid" in every
    assert not {"Tensor.detach", "Tensor.__add__", "Tensor", "Value.backward"} & {*every}


class Grid:
    """Arrays, each with a gradient of the same shape from the start."""

    def __init__(self, data):
        self.data = data
        self.shape = data.shape
        self.grad = np.zeros(data.shape)
        self._backward = lambda: None


def chosen(mask, one, two):
    out = Grid(np.where(mask.data, one.data, two.data))

    def _backward():
        one.grad += np.where(mask.data, out.grad, 0.0).reshape(one.shape)
        two.grad += np.where(mask.data, 0.0, out.grad).reshape(two.shape)

    out._backward = _backward
    return out


def rows(index, table):
    out = Grid(table.data[index.data])

    def _backward():
        for place, part in zip(index.data.reshape(-1), out.grad.reshape(-1, table.shape[-1]), strict=True):
            table.grad[place] += part

    out._backward = _backward
    return out


@pytest.mark.parametrize(("name", "arguments"), [("chosen", ["mask", "one", "two"]), ("rows", ["table"])])
def test_what_only_data_is_asked_of_is_an_object_of_the_tape(name, arguments):
    report = judged(name)
    assert not errors(report)
    assert {words(report)[argument] for argument in arguments} == {"exact"}


def each(value):
    out = Value((lambda number: number * number if number > 0 else 0)(value.data), (value,))

    def _backward():
        value.grad += (2 * value.data if value.data > 0 else 0) * out.grad

    out._backward = _backward
    return out


def test_an_operation_that_raises_inside_a_lambda_is_judged_on_what_it_takes():
    assert words(judged("each")) == {"value": "exact"}


class Cells(Grid):
    """Arrays that are reduced along an axis, or as a whole."""

    def total(self, axis=None, keepdims=False):
        out = Cells(np.asarray(self.data.sum(axis=axis, keepdims=keepdims)))

        def _backward():
            arrives = out.grad if axis is None or keepdims else np.expand_dims(out.grad, axis)
            self.grad += arrives * np.ones(self.shape)

        out._backward = _backward
        return out

    def all_alike(self, axis=None):
        out = Cells(np.asarray(self.data.sum(axis=axis)))

        def _backward():
            self.grad += out.grad * np.ones(self.shape)  # wrong: along an axis it has one less

        out._backward = _backward
        return out

    def kept(self, axis=None, keepdims=False):
        out = Cells(np.asarray(self.data.sum(axis=axis, keepdims=keepdims)))

        def _backward():
            arrives = out.grad if axis is None else np.expand_dims(out.grad, axis)
            self.grad += (arrives * np.ones(self.shape)).reshape(-1)[: self.data.size].reshape(self.shape)  # wrong

        out._backward = _backward
        return out


def test_an_operation_along_an_axis_is_judged_along_each():
    assert not judged("Cells.total").findings
    (error,) = errors(judged("Cells.all_alike"))
    assert (error.code, "with axis = 1" in error.message) == ("D001", True)
    (error,) = errors(judged("Cells.kept"))
    assert (error.code, "with axis = 1 and keepdims = True" in error.message) == ("D101", True)


class Curve(Grid):
    """An operation as an object: it is none of its own operands."""

    def __init__(self, steepness=2.0):
        self.steepness = steepness

    def values(self, x):
        return 1 / (1 + np.exp(-self.steepness * x))

    def __call__(self, grid):
        out = Grid(self.values(grid.data))

        def _backward():
            y = self.values(grid.data)
            grid.grad += self.steepness * y * (1 - y) * out.grad

        out._backward = _backward
        return out


class Wave(Cells):
    """The classes above it say where gradients stand: its closure forgets what arrives."""

    def __init__(self):
        pass

    def __call__(self, grid):
        out = Grid(np.sin(grid.data))

        def _backward():
            grid.grad += np.cos(grid.data)  # wrong: out.grad is missing

        out._backward = _backward
        return out


class Table:
    """A layer with a parameter on the tape."""

    def __init__(self, n_in, n_out):
        self.weight = Grid(np.linspace(-1, 1, n_in * n_out).reshape(n_in, n_out))

    def forward(self, grid):
        out = Grid(grid.data @ self.weight.data)

        def _backward():
            grid.grad += out.grad @ self.weight.data.T
            self.weight.grad += grid.data.T @ out.grad

        out._backward = _backward
        return out


def test_an_operation_that_is_an_object_is_no_operand_of_its_own():
    assert words(judged("Curve.__call__")) == {"grid": "exact"}
    (error,) = errors(judged("Wave.__call__"))
    assert (error.code, error.argument) == ("D103", "grid")


def test_a_layer_may_have_its_parameters_on_the_tape():
    report = judged("Table.forward")
    assert report.ok
    assert words(report) == {"grid": "exact", "weight": "exact"}


class Biased(Table):
    """Its result goes through another operation, which alone would go back."""

    def forward(self, grid):
        out = Grid(grid.data @ self.weight.data)

        def _backward():
            grid.grad += out.grad @ self.weight.data.T
            self.weight.grad += grid.data.T @ out.grad

        out._backward = _backward
        return out + self.weight


def test_what_goes_back_in_two_steps_is_no_operation_of_one():
    assert "Table.forward" in layers_in(sys.modules[__name__])
    assert "Biased.forward" not in layers_in(sys.modules[__name__])


class Thinned:
    """An operation that hands its operand on as it is while it is not trained."""

    def __init__(self, share=0.5):
        self.share = share
        self.active = False

    def forward(self, grid):
        if not self.active:
            return grid
        out = Grid(grid.data * self.share)

        def _backward():
            grid.grad += out.grad * self.share

        out._backward = _backward
        return out


def test_an_operation_that_hands_its_operand_on_loses_no_gradient():
    report = judged("Thinned.forward")
    assert words(report) == {"grid": "exact"}
    assert not errors(report)


class SquaredDistance:
    """What it is compared with may be an array, which is no operand."""

    def __call__(self, grid, wanted):
        distance = grid.data - wanted
        out = Grid(np.mean(distance**2))

        def _backward():
            grid.grad += 2 * distance / distance.size * out.grad

        out._backward = _backward
        return out


class Masked:
    """An object of the tape that needs no gradient."""

    def __init__(self):
        self.mask = Grid(np.array([1.0, 0.5, 0.0, 2.0]))

    def __call__(self, grid):
        out = Grid(grid.data * self.mask.data)

        def _backward():
            grid.grad += self.mask.data * out.grad

        out._backward = _backward
        return out


def test_a_layer_on_a_tape_may_be_given_an_array():
    report = judged("SquaredDistance.__call__")
    assert report.ok
    assert words(report)["grid"] == "exact"


def test_a_layer_on_a_tape_that_gives_an_object_no_gradient_is_no_operation():
    assert not tape_operations({}, Masked)
    assert list(tape_operations({}, Table)) == ["forward"]


class Checked(Grid):
    """Results that are handed on as they are belong to their operations: both are wrong."""

    def checked(self):
        return self

    def tanh(self):
        out = Checked(np.tanh(self.data))

        def _backward():
            self.grad += (1 - out.data) * out.grad

        out._backward = _backward
        return out.checked()

    def sin(self):
        out = Checked(np.sin(self.data))

        def _backward():
            self.grad += np.sin(self.data) * out.grad

        out._backward = _backward
        return registered(out)


def registered(grid):
    return grid


@pytest.mark.parametrize("name", ["Checked.tanh", "Checked.sin"])
def test_an_operation_that_hands_its_result_on_is_judged(name):
    assert [error.code for error in errors(judged(name))] == ["D101"]
