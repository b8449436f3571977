"""Operations of tapes whose results are made with functions of gradients, one for each operand, as Grus's autograd."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from test_check_tapes import errors, words

import dout
from dout.check.project.discover import layers_in, named


def judged(name: str) -> Any:
    return dout.check(named(sys.modules[__name__], name))


class Edge(NamedTuple):
    to: "Leaf"
    part: Callable[[Any], Any]


class Leaf:
    """Numbers behind a property, and a gradient that is made when one arrives."""

    def __init__(self, numbers: Any, needs_grad: bool = False, edges: Any = ()) -> None:
        self._numbers = np.asarray(numbers)
        self.needs_grad, self.edges = needs_grad, edges
        self.grad: Any = None

    @property
    def numbers(self) -> Any:
        return self._numbers

    def __mul__(self, other: Any) -> "Leaf":
        return times(self, other)

    def backward(self, grad: Any = None) -> None:
        assert self.needs_grad
        arrives = np.ones_like(self.numbers) if grad is None else grad
        self.grad = arrives if self.grad is None else self.grad + arrives
        for edge in self.edges:
            edge.to.backward(edge.part(arrives))


def _as(shape: tuple[int, ...], grad: Any) -> Any:
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    return grad


def times(one: Leaf, two: Leaf) -> Leaf:
    edges = []
    if one.needs_grad:

        def to_one(grad: Any) -> Any:
            return _as(one.numbers.shape, grad * two.numbers)

        edges.append(Edge(one, to_one))
    if two.needs_grad:

        def to_two(grad: Any) -> Any:
            return _as(two.numbers.shape, grad * one.numbers)

        edges.append(Edge(two, to_two))
    return Leaf(one.numbers * two.numbers, one.needs_grad or two.needs_grad, edges)


def sine(leaf: Leaf) -> Leaf:
    edges = [Edge(leaf, lambda grad: grad * np.cos(leaf.numbers))] if leaf.needs_grad else []
    return Leaf(np.sin(leaf.numbers), leaf.needs_grad, edges)


def cube(leaf: Leaf) -> Leaf:
    def back(grad: Any) -> Any:
        return grad * 3 * leaf.numbers  # wrong: ** 2

    return Leaf(leaf.numbers**3, leaf.needs_grad, [Edge(leaf, back)])


def bent(leaf: Leaf) -> Leaf:
    return Leaf(np.tanh(leaf.numbers), leaf.needs_grad, [Edge(leaf, lambda grad: grad * _bent_prime(leaf.numbers))])


def _bent_prime(x: Any) -> Any:
    """The slope at what goes in: of what `bent` gives it is no slope."""
    return 1 - np.tanh(x) ** 2


def sine_times(one: Leaf, two: Leaf) -> Leaf:
    """Two operations in a row: no operation of its own."""
    return times(sine(one), two)


def sorted_leaf(leaf: Leaf) -> Leaf:
    """It calls its own function, and hands none on: nothing goes back."""

    def order(numbers: Any) -> Any:
        return np.sort(numbers)

    return Leaf(order(leaf.numbers))


def test_a_function_for_each_operand_is_the_way_back():
    assert words(judged("times")) == {"one": "exact", "two": "exact"}
    assert words(judged("sine")) == {"leaf": "exact"}
    assert judged("times").ok


def test_an_operation_goes_back_by_itself_and_not_by_a_function_of_its_name():
    assert layers_in(sys.modules[__name__]).count("bent") == 1
    assert words(judged("bent")) == {"leaf": "exact"}


def test_a_wrong_one_is_an_error():
    (error,) = errors(judged("cube"))
    assert (error.code, error.argument) == ("D101", "leaf")


def test_what_hands_no_function_on_is_no_operation():
    every = layers_in(sys.modules[__name__])
    assert {"times", "sine", "cube"} <= {*every}
    assert not {"sine_times", "sorted_leaf", "Leaf.__mul__", "Leaf.backward"} & {*every}
