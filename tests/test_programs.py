"""Random programs of array code: traced they compute the same bits, and their gradient is the exact derivative.

A program is source text, so a failing example reads like a user's file. It is made line by line from STEPS; each line
runs while it is drawn, so that shapes fit. The derivative comes from `jets`: the same text, run by NumPy alone.
"""

import math
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from flint import arb
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from jets import ExactNumPy, KinkError, base, jets, lift, slope_along

import dout
from dout.grad import differentiate
from dout.graph import evaluate
from dout.trace.replay import first_difference, same_bits

ORDINARY = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
LONG = settings(ORDINARY, max_examples=2000, derandomize=False)

SHAPES = [(2, 3), (3,), (2, 1), (3, 2), (3, 3), (1, 3), (2, 2, 3), ()]
MOST = 1e3  # values beyond this are not made: they would drown the rounding errors that are compared


# --- what a line may be -----------------------------------------------------------------------------------------------


class Pick:
    """Draws the parts of a line: names of arrays that exist, keys and numbers that fit them."""

    def __init__(self, draw, variables):
        self.draw = draw
        self.variables = variables

    def one_of(self, options):
        """One of the options; the first is the simplest."""
        options = list(options)
        assume(options)
        return self.draw(st.sampled_from(options))

    def array(self, wanted=lambda value: True):
        """The name of a float array."""
        found = [
            n for n, v in self.variables.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f" and wanted(v)
        ]
        return self.one_of(found[::-1])

    def fitting(self, shape):
        """The name of a float array or number that broadcasts to `shape`."""
        return self.array(lambda v: _broadcasts(v.shape, shape))

    def writable(self, wanted=lambda value: True):
        """The name of an array with elements that may be written."""
        return self.array(lambda v: v.flags.writeable and v.ndim > 0 and wanted(v))

    def mask(self, shape):
        """A condition of this shape: one that has a name, or written out."""
        named = [
            n for n, v in self.variables.items() if v.dtype == bool and v.shape == shape and isinstance(v, np.ndarray)
        ]
        other = self.array(lambda v: v.shape == shape)
        return self.one_of([f"({other} > {self.number()})", f"({other} <= {self.number()})", *named])

    def number(self):
        """A number that no dyadic input is equal to."""
        return self.one_of(["0.3", "-0.7", "1.1", "-1.9"])

    def key(self, shape):
        """A key for an array of this shape: a row, slices, reversed, with new axes."""
        last = f"{shape[-1] - 1}"
        keys = ["0", "1:", "::-1", "...", "-1", "::2", f"..., {last}", "..., ::-1", "None"]
        if len(shape) > 1:
            keys += [":, 0", ":, 1:", f"0, {last}", ":, ::2", ":, None"]
        return self.one_of([key for key in keys if _fits(shape, key)])

    def fancy(self, shape):
        """A key with arrays in it; elements may come twice."""
        n = shape[0] - 1
        keys = [f"[{n}, 0]", f"[0, {n}, 0]", f"np.arange({shape[0]})"]
        if len(shape) > 1:
            m = shape[1] - 1
            keys += [f"np.arange({shape[0]}), np.array({[i % (m + 1) for i in range(shape[0])]})", f":, [{m}, 0, {m}]"]
        return self.one_of(keys)


def _broadcasts(shape, to):
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _fits(shape, key):
    try:
        return eval(f"x[{key}]", {"x": np.empty(shape), "np": np}).size > 0
    except IndexError:
        return False


def binary(pick, name):
    x, operator = pick.array(), pick.one_of(["+", "*", "-", "/"])
    shape = pick.variables[x].shape
    y = pick.array(lambda v: _broadcasts(v.shape, shape) or _broadcasts(shape, v.shape))
    return f"{name} = {x} / (1.5 + abs({y}))" if operator == "/" else f"{name} = {x} {operator} {y}"


def unary(pick, name):
    form = pick.one_of([
        "{x} * 2", "1 / (1 + np.exp(-{x}))", "{x} ** 2", "-{x}", "np.sqrt(1 + {x} * {x})", "np.log(1 + np.square({x}))",
        "abs({x})", "np.exp(-abs({x}))", "1 - {x}", "2 / (3 + {x} ** 2)", "0.5 * {x} + 1", "np.power(1.5, -abs({x}))",
        "np.tanh({x})", "np.sin({x})", "np.cos({x})", "np.arctan({x})", "np.log1p({x} * {x})", "np.expm1(-abs({x}))",
        "np.cbrt(1 + {x} * {x})", "np.log2(2 + {x} * {x})", "np.reciprocal(1.5 + {x} * {x})", "np.hypot({x}, 1.5)",
        "np.arctan2({x}, 2.5)", "np.arcsinh({x})", "np.clip({x}, -0.7, 1.1)", "np.clip({x}, None, 0.3)",
    ])  # fmt: skip
    return f"{name} = {form.format(x=pick.array())}"


def chosen(pick, name):
    x = pick.array()
    shape = pick.variables[x].shape
    other = pick.one_of([pick.fitting(shape), pick.number()])
    form = pick.one_of(["np.maximum({x}, {y})", "np.minimum({x}, {y})", "np.where({mask}, {x}, {y})"])
    return f"{name} = {form.format(x=x, y=other, mask=pick.mask(shape))}"


def condition(pick, name):
    x = pick.array()
    return f"{name} = {pick.mask(pick.variables[x].shape)}"


def reduced(pick, name):
    x = pick.array(lambda v: v.ndim)
    form = pick.one_of([
        "np.sum({x}, axis=0)", "{x}.sum(axis=-1, keepdims=True)", "np.sum({x})", "{x}.sum(axis=-1)", "sum({x})",
        "np.mean({x}, axis=0)", "{x}.mean(axis=-1, keepdims=True)", "np.mean({x})", "np.max({x}, axis=-1)", "{x}.min()",
        "np.var({x}, axis=0)", "np.sqrt(0.5 + {x}.var(keepdims=True))", "np.prod({x}, axis=-1)", "np.ptp({x}, axis=0)",
        "np.sum({x}, axis=-1, where={x} > 0.3)", "np.max({x}, axis=0, initial=0.3)", "np.add.reduce({x}, axis=-1)",
        "np.prod({x}, axis=0, keepdims=True)", "np.linalg.norm(np.hypot({x}, 1.5), axis=-1)",
    ])  # fmt: skip
    return f"{name} = {form.format(x=x)}"


def moved(pick, name):
    x = pick.array(lambda v: v.ndim and v.size)
    n = pick.variables[x].shape[0] - 1
    form = pick.one_of([
        "np.cumsum({x}, axis=0)", "np.cumsum({x})", "np.repeat({x}, 2, axis=0)", "np.tile({x}, 2)", "np.pad({x}, 1)",
        "np.roll({x}, 1, axis=0)", "np.roll({x}, 2)", "np.flip({x}, -1)", "np.diff({x}, axis=-1)", "np.tril({x})",
        "np.triu({x}, 1)", "np.expand_dims({x}, 0)", "np.swapaxes({x}, 0, -1)", "np.squeeze({x})",
        "np.sort({x}, axis=0)",
        "np.take({x}, [{n}, 0, {n}], axis=0)", "np.take_along_axis({x}, np.argmax({x}, axis=0, keepdims=True), axis=0)",
        "np.atleast_2d({x})", "np.repeat({x}, 2)", "np.moveaxis({x}, 0, -1)", "np.split({x}, [1])[0]",
        "{x}[np.where({x} > 0.3)]", "np.r_[{x}, {x}]", "np.array_split({x}, 2)[0]",
    ])  # fmt: skip
    return f"{name} = {form.format(x=x, n=n)}"


def joined(pick, name):
    x = pick.array(lambda v: v.ndim and v.size)
    y = pick.array(lambda v: v.shape == pick.variables[x].shape)
    form = pick.one_of([
        "np.concatenate([{x}, {y}])", "np.concatenate(({x}, {y}), axis=-1)", "np.stack([{x}, {y}], axis=-1)",
        "np.vstack([{x}, {y}])", "np.hstack([{x}, {y}])", "np.outer({x}, {y})", "np.append({x}, {y})",
        "np.inner({x}, {y})",
        "np.tensordot({x}, {y}, axes=(-1, -1))", "np.einsum('ij,ij->i', {x}, {y})",
        "np.einsum('i,i', {x}, {y})", "np.dot({x}.ravel(), {y}.ravel())", "np.vdot({x}, {y})", "np.c_[{x}, {y}]",
        "np.multiply.outer({x}, {y})",
    ])  # fmt: skip
    return f"{name} = {form.format(x=x, y=y)}"


def product(pick, name):
    x = pick.array(lambda v: v.ndim)
    width = pick.variables[x].shape[-1]
    y = pick.array(lambda v: v.ndim in (1, 2) and v.shape[-2:][0] == width)
    return f"{name} = {x} @ {y}"


def view(pick, name):
    x = pick.array(lambda v: v.ndim and v.size)
    shape = pick.variables[x].shape
    key = pick.key(shape)
    flat = [f"{x}.reshape(-1)", f"np.ravel({x})", f"{x}.reshape({shape[::-1]})", f"np.reshape({x}, {(1, *shape)})"]
    return f"{name} = {pick.one_of([f'{x}[{key}]', f'{x}.T', *flat, f'{x}.transpose()'])}"


def copied(pick, name):
    x = pick.array(lambda v: v.ndim and v.size)
    mask, fancy = pick.mask(pick.variables[x].shape), pick.fancy(pick.variables[x].shape)
    forms = [
        f"{x}.copy()",
        f"{x}[{fancy}]",
        f"{x}[{mask}]",
        f"np.array([{x}, {x} * 2])",
        f"{x}.flatten()",
        f"np.copy({x})",
        f"np.asarray({x})",
        f"np.ascontiguousarray({x})",
        f"np.array([{x}.sum(), {x}[..., 0].sum() * 0.5])",
    ]
    return f"{name} = {pick.one_of(forms)}"


def filled(pick, name):
    x = pick.array(lambda v: v.ndim)
    create = pick.one_of(["np.zeros_like({x})", "np.ones_like({x})", "np.empty({x}.shape)", "np.zeros({x}.shape)"])
    return f"{name} = {create.format(x=x)}; {name}[...] = {x} * 0.5"


def in_place(pick, name):
    x = pick.writable()
    other = pick.one_of([pick.number(), pick.fitting(pick.variables[x].shape)])
    return f"{x} {pick.one_of(['+=', '*=', '-='])} {other}"


def written(pick, name):
    x = pick.writable(lambda v: v.size)
    shape = pick.variables[x].shape
    key = pick.one_of([pick.key(shape), pick.fancy(shape)])
    selected = eval(f"x[{key}]", {"x": pick.variables[x], "np": np}).shape
    other = pick.one_of([pick.number(), pick.fitting(selected)])
    return f"{x}[{key}] {pick.one_of(['=', '+=', '-=', '*='])} {other}"


def masked(pick, name):
    x = pick.writable()
    mask, operator = pick.mask(pick.variables[x].shape), pick.one_of(["=", "*=", "+=", "-="])
    return f"{x}[{mask}] {operator} {pick.one_of(['0', '0.5', '-1'])}"


def masked_values(pick, name):
    x = pick.writable()
    mask = pick.mask(pick.variables[x].shape)
    other = pick.array(lambda v: v.shape == pick.variables[x].shape)
    return f"{name} = {mask}; {x}[{name}] = {other}[{name}] * 2"


def written_through(pick, name):
    x = pick.writable(lambda v: v.size)
    number = pick.number()
    forms = [
        f"{x}.T[...] = {number}",
        f"{x}.reshape(-1)[0] = {number}",
        f"{x}[1:][::-1] += {number}",
        f"{x}[0][...] *= {number}",
        f"np.split({x}, [1])[0][...] += {number}",
        f"np.swapaxes({x}, 0, -1)[0] = {number}",
        f"np.flip({x}, 0)[0] *= {number}",
        f"np.add.at({x}, np.s_[{pick.fancy(pick.variables[x].shape)}], {number})",
        f"np.put_along_axis({x}, np.argmin({x}, axis=0, keepdims=True), {number}, axis=0)",
        f"{x}[1:] = {x}[:-1]",
        f"{x}.fill({number})",
    ]
    return pick.one_of(form for form in forms if "][" not in form or pick.variables[x].ndim > 1)


def into(pick, name):
    x = pick.writable()
    shape = pick.variables[x].shape
    y, z = pick.fitting(shape), pick.fitting(shape)
    form = pick.one_of(["np.add({y}, {z}, out={x})", "np.multiply({y}, {z}, out={x})", "np.tanh({y}, out={x})",
                        "np.copyto({x}, {y})", "np.clip({x}, -0.7, 1.1, out={x})"])  # fmt: skip
    return form.format(x=x, y=y, z=z)


STEPS = [binary, unary, written, view, masked, chosen, in_place, copied, reduced, product, condition, filled,
         masked_values, written_through, into, moved, joined, moved, joined]  # fmt: skip


# --- programs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """Lines over inputs, and the inputs; every array that the lines name is an output."""

    lines: tuple[str, ...]
    inputs: dict[str, np.ndarray]
    outputs: tuple[str, ...]

    @property
    def source(self):
        body = [*self.lines, f"return {', '.join(self.outputs)},"]
        return f"def program({', '.join(self.inputs)}):\n" + "".join(f"    {line}\n" for line in body)

    def __repr__(self):
        values = "".join(f"{n} = np.{v!r}  # {v.dtype}, {v.strides}\n" for n, v in self.inputs.items())
        return f"\n{values}{self.source}"

    def function(self, numpy=np):
        """The program as a function that sees `numpy` as np."""
        names = {"np": numpy}
        exec(compile(self.source, "<program>", "exec"), names)
        return names["program"]

    def arguments(self):
        """The inputs, each in memory of its own, in its own order."""
        return [value.copy("K") for value in self.inputs.values()]


@lru_cache(maxsize=4096)
def compiled(line):
    """One line, ready to run."""
    return compile(line, "<line>", "exec")


def run_lines(lines, inputs):
    """The variables after some lines, run plainly."""
    variables = {name: value.copy("K") for name, value in inputs.items()}
    for line in lines:
        exec(compiled(line), {"np": np}, variables)
    return variables


@st.composite
def programs(draw):
    """A program of up to ten lines over one to three arrays of dyadic numbers."""
    dtype = draw(st.sampled_from([np.float64, np.float64, np.float64, np.float32]))
    inputs = {}
    for i in range(draw(st.integers(1, 3))):
        shape = draw(st.sampled_from(SHAPES[:-1]))
        eighths = draw(st.lists(st.integers(1, 24), min_size=math.prod(shape), max_size=math.prod(shape)))
        signs = draw(st.lists(st.sampled_from([1, -1]), min_size=len(eighths), max_size=len(eighths)))
        value = (np.array(eighths) * signs / 8).astype(dtype).reshape(shape)
        inputs[f"x{i}"] = np.asfortranarray(value) if draw(st.booleans()) else value
    lines, variables = [], run_lines([], inputs)
    for i in range(draw(st.integers(1, 10))):
        line = draw(st.sampled_from(STEPS))(Pick(draw, variables), f"v{i}")
        try:
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                after = run_lines([*lines, line], inputs)
        except (FloatingPointError, ValueError, IndexError, RuntimeWarning):
            continue  # too large, shapes that do not fit, the mean of nothing
        if all(hasattr(v, "dtype") and np.all(np.abs(np.asarray(v, float)) < MOST) for v in after.values()):
            lines.append(line)
            variables = after
    outputs = tuple(name for name, value in variables.items() if value.dtype.kind == "f")
    return Program(tuple(lines), inputs, outputs)


def check_trace(program):
    """Traced, the same bits; nothing to report; saved and loaded, the same bits again."""
    plain = program.function()(*program.arguments())
    arguments = program.arguments()
    trace = dout.trace(program.function(), *arguments)
    assert all(map(same_bits, trace.outputs, plain))
    assert trace.events == ()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        trace.save(path)
        loaded = dout.load(path)
    assert first_difference(loaded.graph.nodes, loaded.data) is None
    given = {node: loaded.data[node] for node in loaded.graph.inputs.values()}
    ends = list(loaded.graph.outputs.values())
    values = evaluate(ends, given)
    assert all(same_bits(values[end], item) for end, item in zip(ends, plain, strict=True))


def check_gradient(program):
    """The gradient is the exact derivative along a random direction, up to the rounding of its dtype."""
    rng = np.random.default_rng(len(program.source))
    arguments = program.arguments()
    directions = [rng.integers(-8, 8, size=a.shape) / 8 for a in arguments]
    try:
        exact = program.function(ExactNumPy())(*map(jets, arguments, directions))
    except (KinkError, SystemError):  # NumPy's argmax goes on where a comparison raises, and Python notices
        assume(False)
    function = program.function()
    weights = [rng.integers(-8, 8, size=np.shape(item)) / 8 for item in exact]

    def weighted(*inputs):
        total = 0.0
        for weight, item in zip(weights, function(*inputs), strict=True):
            total = total + np.sum(item * weight)
        return total

    gradients = dout.grad(weighted, argnums=range(len(arguments)))(*program.arguments())
    assert [(g.shape, g.dtype) for g in gradients] == [(a.shape, a.dtype) for a in arguments]
    assert all(g.flags.writeable for g in gradients)
    assert not any(np.shares_memory(a, b) for a, b in combinations([*gradients, *weights], 2))
    got = sum(float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True))
    wanted = sum((slope_along(w, item) for w, item in zip(weights, exact, strict=True)), start=arb(0))
    largest = max(_size(jet) for item in exact for jet in np.ravel(np.asarray(item, object)))
    rounding = 1e5 * np.finfo(arguments[0].dtype).eps * (1 + largest) ** 2
    assert abs(arb(got) - wanted) <= rounding, f"{got}, exactly {float(wanted)}"


def _size(jet):
    jet = lift(jet)
    return max(abs(float(base(jet))), abs(float(base(jet.slope))))


def program(*lines, **inputs):
    """A program written by hand; what it names is its output."""
    variables = run_lines(lines, inputs)
    return Program(lines, inputs, tuple(name for name, value in variables.items() if value.dtype.kind == "f"))


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
    program("v = x[::2].ravel()", "v[0] = 5", x=np.ones(4)),
    program("v = np.zeros_like(x.transpose(1, 0, 2))", "v += x.transpose(1, 0, 2)", x=np.ones((2, 3, 2))),
]


def also(programs):
    """Try these examples too."""

    def decorate(test):
        for program in programs:
            test = example(program)(test)
        return test

    return decorate


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
