"""A node as a term has the node's value: every elementwise row, rows along axes, and the numbers of a program."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from term_values import value_of

from dout.explain.terms.axis_row_terms import AXIS_FORMS
from dout.explain.terms.known_numbers import term_of_number
from dout.explain.terms.node_terms import term_of
from dout.explain.terms.row_terms import FORMS
from dout.explain.terms.terms import FunctionCall, Symbol
from dout.explain.terms.text_printer import text
from dout.grad import backpropagate
from dout.graph import INPUT, Node, evaluate
from dout.ops import PRIMITIVES, kind_of, primitives
from dout.ops.abstract import AbstractRecorder
from dout.ops.plain_math import MATH
from dout.ops.registry import broadcast
from dout.rewrite.node_facts import applied, constant

ELEMENTWISE = [row for row in PRIMITIVES.values() if row.infer is broadcast or row in MATH] + [
    row for row in FORMS if row not in MATH and row.infer is not broadcast
]
ONE_INPUT = primitives("around round")  # their second argument is no input
ZERO_LOG_ZERO = primitives("special_entr special_xlogy special_xlog1py")  # is 0, as mathematics agrees
NAMES = ("x", "y", "z")
DOMAINS = [(-2, 2), (0.1, 0.9), (1.2, 3)]


def array(name="x", shape=(2, 3), dtype=float):
    return Node(INPUT, (), {}, shape, np.dtype(dtype))


def points(rng, row, count):
    """Numbers on which a row can be computed: floats of several sizes, whole numbers and conditions."""
    plain = row in MATH
    for low, high in DOMAINS:
        values = rng.uniform(low, high, count)
        yield [float(v) if plain else np.float64(v) for v in values]
    whole = rng.integers(1, 6, count)
    yield [int(v) if plain else np.int64(v) for v in whole]
    if row in ZERO_LOG_ZERO:
        return
    yield [bool(v % 2) if plain else np.bool_(v % 2) for v in whole]
    yield [np.bool_(rng.integers(2)), *(np.float64(v) for v in rng.uniform(-2, 2, count - 1))]


def unit(value):
    """A condition as 1 or 0."""
    return np.float64(value) if isinstance(value, bool | np.bool_) else value


def computed(row, values):
    """The node of a row on numbers, with the value that the row gives; None where it takes no such numbers."""
    try:
        with np.errstate(all="raise"):
            result = row.apply(values, {})
        if not np.isfinite(result) or kind_of(result) == np.float16:  # of a condition, with three digits
            return None
    except (TypeError, ValueError, ArithmeticError, DeprecationWarning):
        return None
    inputs = tuple(Node(INPUT, (), {}, (), kind_of(v)) for v in values)
    return Node(row, inputs, {}, (), kind_of(result)), dict(zip(inputs, values, strict=True))


@pytest.mark.parametrize("row", ELEMENTWISE, ids=str)
def test_the_term_of_an_elementwise_row_has_its_value(row):
    assert row in FORMS
    rng = np.random.default_rng(0)
    tried = 0
    for count in (1,) if row in ONE_INPUT else (1, 2, 3):
        for values in [values for _ in range(4) for values in points(rng, row, count)]:
            found = computed(row, values)
            if found is None:
                continue
            node, given = found
            term = term_of(node, {i: Symbol(name) for i, name in zip(given, NAMES, strict=False)})
            value = value_of(term, dict(zip(NAMES, map(unit, values), strict=False)))
            assert float(value) == pytest.approx(float(evaluate([node], given)[node]), rel=1e-12, abs=1e-14), text(term)
            tried += 1
    assert tried >= 4


def test_every_row_has_a_form_or_is_printed_by_its_name():
    named = [str(row) for row in PRIMITIVES.values() if row not in FORMS and row not in AXIS_FORMS]
    assert {"concatenate", "roll", "solve", "convolve"} <= set(named)
    assert all(set(row.symbol) - set("+−×/^√") or row in FORMS for row in PRIMITIVES.values())
    assert (
        text(term_of(applied(PRIMITIVES["roll"], [x := array()], {"shift": 1, "axis": 0}), {x: Symbol("x")}))
        == "roll(x)"
    )


UNARY = primitives("negative square exp tanh sigmoid absolute sqrt")
BINARY = primitives("add subtract multiply divide maximum pow")


@st.composite
def programs(draw):
    """A few steps on three numbers, each on values made before."""
    nodes = [Node(INPUT, (), {}, (), np.dtype(float)) for _ in NAMES]
    given = tuple(nodes)
    nodes += [constant(0.5), constant(2.0), constant(math.pi)]
    for row in draw(st.lists(st.sampled_from(sorted(UNARY | BINARY, key=str)), min_size=2, max_size=7)):
        one, two, three, four = (draw(st.sampled_from(nodes)) for _ in range(4))
        made = applied(row, [one] if row in UNARY else [one, two], {})
        if draw(st.booleans()):
            made = applied(PRIMITIVES["where"], [applied(PRIMITIVES["less"], [three, four], {}), made, two], {})
        nodes.append(made)
    return given, nodes[-1]


@given(programs(), st.tuples(*[st.floats(-2, 2)] * 3))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_term_of_a_program_has_its_value(program, values):
    inputs, node = program
    with np.errstate(all="ignore"):
        known = evaluate([node], dict(zip(inputs, map(np.float64, values), strict=True)))
        assume(all(v == 0 or 1e-3 < abs(v) < 1e3 for v in known.values()))  # what is left of larger ones has few digits
        term = term_of(node, {i: Symbol(name) for i, name in zip(inputs, NAMES, strict=True)})
        found = float(value_of(term, dict(zip(NAMES, map(np.float64, values), strict=True))))
    assert found == pytest.approx(float(known[node]), rel=1e-6)


# --- how programs read ------------------------------------------------------------------------------------------------


def written(function, *shapes, names=NAMES, dtypes=()):
    """What a function of stand-ins computes, as text."""
    recorder = AbstractRecorder()
    nodes = [Node(INPUT, (), {}, shape, np.dtype(dtype)) for shape, dtype in zip(
        shapes, [*dtypes, *[float] * len(shapes)], strict=False)]  # fmt: skip
    made = function(*map(recorder.wrap, nodes)).node
    named = dict(zip(nodes, map(Symbol, names), strict=False))
    return text(term_of(made, named))


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (lambda x: 1 / (1 + np.exp(-x)), "1 / (1 + exp(−x))"),
        (lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
         "0.5 · x · (1 + tanh(√(2 / π) · (x + 0.044715 · x³)))"),
        (lambda x: np.where(x > 0, x, 0.0), "x where x > 0, else 0"),
        (lambda x: np.where(x > 1, 1.0, np.where(x < -1, -1.0, x)), "1 where x > 1, −1 where x < −1, else x"),
        (lambda x: np.where(~(x > 0), 0.0, x), "0 where x ≤ 0, else x"),
        (lambda x: x * (x > 0), "x where x > 0, else 0"),
        (lambda x: x * (x > 0).astype(float) / 0.8, "(x where x > 0, else 0) / 0.8"),
        (lambda x: (x > 0).astype(float), "1 where x > 0, else 0"),
        (lambda x: np.where((x > 0) & (x < 1), x, 1.0), "x where x > 0 ∧ x < 1, else 1"),
        (lambda x: np.maximum(x, 0) + np.abs(x), "max(x, 0) + |x|"),
        (lambda x: np.log1p(np.exp(x)), "log(1 + exp(x))"),
        (lambda x: x**-1 + x**0.5, "1 / x + √x"),
        (lambda x: x * x, "x²"),
        (lambda x: np.clip(x, 0, 1), "clip(x, 0, 1)"),
        (lambda x: x / 3 * (1 / 3), "x / 9"),
        (lambda x: x.reshape(6)[:, None].copy(), "x"),
        (lambda x: x[0, 1:] * 2, "2 · x[0, 1:]"),
        (lambda x: (x + 1)[0], "(1 + x)[0]"),
        (lambda x: PRIMITIVES["concatenate"](x, x, axis=0), "concatenate(x, x)"),
        (lambda x: np.ones_like(x) - x, "1 − x"),
        (lambda x: np.round(x, 2), "round(x, 2)"),
    ],
)  # fmt: skip
def test_a_function_of_elements_reads_as_mathematics(function, line):
    assert written(function, (2, 3)) == line


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (lambda x, y: x @ y, "x @ y"),
        (lambda x, y: np.dot(y.T, x.T), "yᵀ @ xᵀ"),
        (lambda x, y: np.transpose(x.T) @ y, "x @ y"),
        (lambda x, y: np.sum(y, axis=0), "sum(y, axis=0)"),
        (lambda x, y: np.mean(y), "mean(y)"),
        (lambda x, y: np.mean(x, axis=-1, keepdims=True), "mean(x, axis=-1)"),
        (lambda x, y: np.max(x, axis=1), "max(x, axis=1)"),
        (lambda x, y: np.var(x, axis=1, ddof=1), "var(x, ddof = 1, axis=1)"),
        (lambda x, y: np.mean(x > 0, axis=1), "mean(1 where x > 0, else 0, axis=1)"),
        (lambda x, y: np.einsum("ij,jk->ik", x, y), "einsum(ij,jk → ik, x, y)"),
    ],
)
def test_a_function_along_axes_reads_as_mathematics(function, line):
    assert written(function, (2, 3), (3, 4)) == line


def test_a_gradient_reads_as_mathematics():
    x, dout = array(shape=()), array(shape=())
    y = applied(PRIMITIVES["sigmoid"], [x], {})
    gradient = backpropagate({y: dout}).of[x]
    assert text(term_of(gradient, {x: Symbol("x"), y: Symbol("y"), dout: Symbol("dout")})) == "dout · y · (1 − y)"


def test_it_stops_at_values_with_names():
    x = array()
    b = applied(PRIMITIVES["exp"], [x], {})
    c = applied(PRIMITIVES["add"], [constant(1.0), b], {})
    assert text(term_of(c, {b: Symbol("b")})) == "1 + b"
    assert text(term_of(c, {c: Symbol("c")})) == "c"
    assert text(term_of(c, {})) == "1 + exp(?)"


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (1.0, "1"), (-2, "−2"), (0.044715, "0.044715"), (np.float32(0.1), "0.1"), (1e-7, "10⁻⁷"), (math.pi, "π"),
        (-math.pi, "−π"), (np.float32(np.pi), "π"), (2 * math.pi, "2 · π"), (math.e, "e"), (math.sqrt(2), "√2"),
        (1 / math.sqrt(2), "1 / √2"), (math.sqrt(0.5), "1 / √2"), (np.sqrt(2 / np.pi), "√(2 / π)"),
        (2 / math.sqrt(math.pi), "2 / √π"), (math.log(2), "log(2)"), (1 / 3, "1 / 3"), (-5 / 6, "−5 / 6"),
        (0.25, "0.25"), (3.14159, "3.14159"), (0.7978845608, "0.7978845608"), (0.333, "0.333"),
        (np.float16(1 / 3), "0.3333"),
        (float("nan"), "NaN"), (float("-inf"), "−∞"), (True, "true"), (1 + 2j, "1 + 2 · i"), (-0.0, "0"),
        (np.int64(-3), "−3"), (None, "NoneType"),
    ],
)  # fmt: skip
def test_a_number_is_what_it_means(value, line):
    assert text(term_of_number(value)) == line


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_a_number_keeps_its_value(value):
    assert float(value_of(term_of_number(value), {})) == pytest.approx(value, rel=4e-16)


# --- large graphs -----------------------------------------------------------------------------------------------------


def chain(count, step):
    node = start = array(shape=())
    for _ in range(count):
        node = Node(step, (node,) if step is PRIMITIVES["tanh"] else (node, node), {}, (), np.dtype(float))
    return node, {start: Symbol("x")}


def test_a_chain_of_thousands_of_steps_is_one_deep_term():
    node, names = chain(5000, PRIMITIVES["tanh"])
    assert isinstance(term_of(node, names), FunctionCall)
    assert term_of(node, names, short=100) is None


def test_a_formula_that_doubles_at_each_step_is_given_up_early():
    node, names = chain(200, PRIMITIVES["add"])
    assert term_of(node, names, short=50) is None


def test_short_counts_the_parts_of_a_formula():
    x = array()
    node = applied(PRIMITIVES["add"], [constant(1), applied(PRIMITIVES["copy"], [x], {})], {})
    assert term_of(node, {x: Symbol("x")}, short=2) is None
    assert text(term_of(node, {x: Symbol("x")}, short=3)) == "1 + x"
