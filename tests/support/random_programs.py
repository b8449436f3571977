"""Random programs of array code, and what must hold of each: the same bits, and the exact derivative.

A program is source text, so a failing example reads like a user's file. It is made line by line from STEPS; each line
runs while it is drawn, so that shapes fit. The derivative comes from `jets`: the same text, run by NumPy alone.
"""

import math
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from compile_arguments import laid_out
from flint import arb
from hypothesis import HealthCheck, Phase, assume, example, settings
from hypothesis import strategies as st
from jets import ExactNumPy, KinkError, base, jets, lift, slope_along
from program_steps import STEPS, Pick

import dout
from dout.graph import evaluate
from dout.trace.model.replay import first_difference, same_bits

ORDINARY = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
FEWER = settings(ORDINARY, max_examples=100)
LONG = settings(ORDINARY, max_examples=2000, derandomize=False)

SHAPES = [(2, 3), (3,), (2, 1), (3, 2), (3, 3), (1, 3), (2, 2, 3), ()]
MOST = 1e3  # values beyond this are not made: they would drown the rounding errors that are compared


@dataclass(frozen=True)
class Program:
    """Lines over inputs, and the inputs; every array that the lines name is an output."""

    lines: tuple[str, ...]
    inputs: dict[str, np.ndarray]
    outputs: tuple[str, ...]
    layouts: tuple[str, ...] = ()

    @property
    def source(self):
        body = [*self.lines, f"return {', '.join(self.outputs)},"]
        return f"def program({', '.join(self.inputs)}):\n" + "".join(f"    {line}\n" for line in body)

    def __repr__(self):
        values = "".join(f"{n} = np.{v!r}  # {v.dtype}, {v.strides}\n" for n, v in self.inputs.items())
        values += f"# {', '.join(self.layouts)}\n" if self.layouts else ""
        return f"\n{values}{self.source}"

    def function(self, numpy=np):
        """The program as a function that sees `numpy` as np."""
        names = {"np": numpy}
        exec(compile(self.source, "<program>", "exec"), names)
        return names["program"]

    def arguments(self):
        """The inputs, each in memory of its own, in its own order."""
        return given(self.inputs, self.layouts)


@lru_cache(maxsize=4096)
def compiled(line):
    """One line, ready to run."""
    return compile(line, "<line>", "exec")


def given(inputs, layouts):
    """Copies of the inputs, laid out again."""
    copies = [value.copy("K") for value in inputs.values()]
    return [*map(laid_out, copies, layouts)] if layouts else copies


def run_lines(lines, inputs, layouts=()):
    """The variables after some lines, run plainly."""
    variables = dict(zip(inputs, given(inputs, layouts), strict=True))
    for line in lines:
        exec(compiled(line), {"np": np}, variables)
    return variables


@st.composite
def programs(draw):
    """A program of up to ten lines over one to three arrays of dyadic numbers."""

    def choose(options):
        return draw(st.sampled_from(options))

    dtype = draw(st.sampled_from([np.float64, np.float64, np.float64, np.float32]))
    inputs = {}
    for i in range(draw(st.integers(1, 3))):
        shape = draw(st.sampled_from(SHAPES[:-1]))
        eighths = draw(st.lists(st.integers(1, 24), min_size=math.prod(shape), max_size=math.prod(shape)))
        signs = draw(st.lists(st.sampled_from([1, -1]), min_size=len(eighths), max_size=len(eighths)))
        inputs[f"x{i}"] = (np.array(eighths) * signs / 8).astype(dtype).reshape(shape)
    layouts = tuple(choose(["C", "C", "F", "F", "stepped", "part", "reversed", "unaligned"]) for _ in inputs)
    lines, variables = [], run_lines([], inputs, layouts)
    for i in range(draw(st.integers(1, 10))):
        try:
            line = draw(st.sampled_from(STEPS))(Pick(choose, variables), f"v{i}")
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                after = run_lines([*lines, line], inputs, layouts)
        except (FloatingPointError, ValueError, IndexError, RuntimeWarning):
            continue  # too large, shapes that do not fit, the mean of nothing
        if all(hasattr(v, "dtype") and np.all(np.abs(np.asarray(v, float)) < MOST) for v in after.values()):
            lines.append(line)
            variables = after
    outputs = tuple(name for name, value in variables.items() if value.dtype.kind == "f")
    return Program(tuple(lines), inputs, outputs, layouts)


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


def also(programs):
    """Try these examples too."""

    def decorate(test):
        for program in programs:
            test = example(program)(test)
        return test

    return decorate
