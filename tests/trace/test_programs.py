"""Random programs of array code: traced they compute the same bits, and their gradient is the exact derivative."""

from fractions import Fraction

import numpy as np
import pytest
from differentiated import differentiate
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import LONG, ORDINARY, also, check_gradient, check_trace, program, programs

import dout
from dout.graph import evaluate

# Each of these was once recorded or differentiated wrongly.
FOUND = [
    program(
        "x1 += 0.3",
        "v = x0 @ x1",
        x0=np.array([[0.625, 0.125], [0.125] * 2, [0.125] * 2], order="F"),
        x1=np.ones((2, 1)),
    ),
    program("v = np.zeros((1, 2, 3))", "np.add(x, x, out=v)", x=np.ones((2, 3))),
    program("v = x[[1, 0]]", "x[[0, 0]] = v", x=np.array([1.0, 2.0])),
    program("v = np.ascontiguousarray(x)", "v[0] = 5", x=np.ones(2)),
    program("v = np.array(x.sum())", "v[...] = 3", "w = v * x", x=np.ones(2)),
    program("v = x.flatten()", "v[0] = 5", "w = x.ravel()", "w[1] *= 7", x=np.ones((2, 2))),
    program("x.flat[1] = 5", "v = x.flat[2] * x", "x.flat[[0, 3]] = v.flat[0]", x=np.array([[1.0, 2.0], [3.0, 4.0]])),
    program("v = x[::2].ravel()", "v[0] = 5", x=np.ones(4)),
    program("v = np.zeros_like(x.transpose(1, 0, 2))", "v += x.transpose(1, 0, 2)", x=np.ones((2, 3, 2))),
]


@pytest.mark.long
@ORDINARY
@also(FOUND)
@given(programs())
def test_trace_of_a_program_replays_to_the_bit(program):
    check_trace(program)


@ORDINARY
@also(FOUND)
@given(programs())
def test_gradient_of_a_program_is_the_exact_derivative(program):
    check_gradient(program)


@pytest.mark.long
@LONG
@given(programs())
def test_many_programs(program):
    check_trace(program)
    check_gradient(program)


# --- other numbers ----------------------------------------------------------------------------------------------------

numbers = st.fractions(min_value=-3, max_value=3, max_denominator=7)
expressions = st.recursive(
    st.sampled_from(["x", "y", "2", "3"]),
    lambda part: st.one_of(
        st.builds("({} {} {})".format, part, st.sampled_from("+-*"), part),
        st.builds("({} / (1 + {} * {}))".format, part, st.just("x"), st.just("x")),
        st.builds("(-{})".format, part),
        st.builds("({} ** {})".format, part, st.integers(0, 3)),
    ),
    max_leaves=12,
)


class Slope:
    """A fraction with its slope: the derivative rules of + − × / once more, in exact numbers."""

    def __init__(self, value, slope=Fraction(0)):
        self.value, self.slope = Fraction(value), slope

    def __add__(self, other):
        other = other if isinstance(other, Slope) else Slope(other)
        return Slope(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        other = other if isinstance(other, Slope) else Slope(other)
        return Slope(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other):
        other = other if isinstance(other, Slope) else Slope(other)
        out = self.value / other.value
        return Slope(out, (self.slope - out * other.slope) / other.value)

    def __neg__(self):
        return Slope(-self.value, -self.slope)

    def __sub__(self, other):
        return self + -(other if isinstance(other, Slope) else Slope(other))

    def __rsub__(self, other):
        return Slope(other) - self

    def __rtruediv__(self, other):
        return Slope(other) / self

    __radd__, __rmul__ = __add__, __mul__


@settings(ORDINARY, max_examples=100)
@given(expressions, numbers, numbers)
def test_a_program_of_numbers_is_exact_over_fractions(expression, x, y):
    function = eval(f"lambda x, y: {expression} + x * y", {})
    graph = dout.trace(function, 0.5, 1.5).graph
    given = dict(zip(graph.inputs.values(), (x, y), strict=False))
    values = evaluate(graph.outputs.values(), given)
    assert [values[node] for node in graph.outputs.values()] == [function(x, y)]


@settings(ORDINARY, max_examples=100)
@given(expressions.filter(lambda text: "**" not in text), numbers, numbers)
def test_the_gradient_of_a_program_of_numbers_is_exact_over_fractions(expression, x, y):
    function = eval(f"lambda x, y: {expression} + x * y", {})
    graph = differentiate(dout.trace(function, 0.5, 1.5).graph)
    given = {graph.inputs["x"]: x, graph.inputs["y"]: y, graph.inputs["dout0"]: Fraction(1)}
    values = evaluate([graph.outputs["dx"], graph.outputs["dy"]], given)
    assert values[graph.outputs["dx"]] == function(Slope(x, Fraction(1)), Slope(y)).slope
    assert values[graph.outputs["dy"]] == function(Slope(x), Slope(y, Fraction(1))).slope
