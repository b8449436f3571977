"""Groups of nodes recorded from plain functions, their kernels, and what NumPy says to them."""

from __future__ import annotations

import math
from types import BuiltinFunctionType

import numpy as np

from dout.engine.codegen.kernel_source import source
from dout.engine.ir.array_placement import place
from dout.engine.ir.kernel_group import Group
from dout.engine.ir.scalar_expressions import REDUCTIONS, reduced_axes
from dout.engine.memory.buffer_layout import layout_of
from dout.engine.runtime.kernel_cache import load
from dout.errors import ShapeError
from dout.graph import CONSTANT, INPUT, topological
from dout.trace.record.record import record_function

NUMPYS = ["exp", "exp2", "log", "log1p", "tanh", "sin", "cos", "tan", "sinh", "maximum", "minimum", "pow"]
QUIET = {"divide": "ignore", "over": "ignore", "under": "ignore", "invalid": "ignore"}


def emits(group):
    """Whether the arrays of a group lie so over one another that a kernel can be written."""
    try:
        place(group)
    except ShapeError:
        return False
    return True


def recorded(function, *inputs):
    """The group of all nodes of a plain function, and the names of its values."""
    with np.errstate(**QUIET):
        trace, _ = record_function(function, inputs, {})
    outputs = tuple(dict.fromkeys(trace.graph.outputs.values()))
    nodes = tuple(n for n in topological(outputs) if n.primitive not in (INPUT, CONSTANT))
    known = tuple(dict.fromkeys(i for n in nodes for i in n.inputs if i.primitive is INPUT))
    reductions = [n for n in nodes if n.primitive in REDUCTIONS]
    if reductions:
        space, axes = reductions[0].inputs[0].shape, reduced_axes(reductions[0])
    else:
        space, axes = max([n.shape for n in (*nodes, *known)], key=lambda s: (math.prod(s), len(s))), ()
    names = {node: name for name, node in trace.graph.inputs.items()}
    return Group(nodes, known, outputs, space, axes), names, [trace.data[n] for n in known]


def text_of(function, *inputs, parallel=False, **options):
    """The kernel of a plain function."""
    group, names, values = recorded(function, *inputs)
    return source(group, layouts_of(group, values), parallel=parallel, names=names, **options)


def layouts_of(group, values):
    return {node: layout_of(np.asarray(value)) for node, value in zip(group.inputs, values, strict=True)}


def as_python(text):
    """The kernel's function run by Python itself, with NumPy's functions in the place of ours."""
    space = {"np": np, "indices": range, "njit": lambda **_: lambda f: f, "prange": range}
    for width in ("f32", "f64"):
        space |= {f"{name}_{width}": getattr(np, name) for name in NUMPYS}
        space |= {
            f"plus_{width}": np.add,
            f"sigmoid_{width}": lambda x: 1 / (1 + np.exp(-x)),
            f"decay_{width}": np.exp,
            f"minus_{width}": np.subtract,
        }
        space |= {f"larger_{width}": lambda so_far, odd, x: (np.fmax(so_far, x), odd | (x != x))}
        space |= {f"smaller_{width}": lambda so_far, odd, x: (np.fmin(so_far, x), odd | (x != x))}
        space |= {f"known_{width}": lambda extreme, odd: extreme * np.float32(np.nan) if odd else extreme}
    space |= {"in_row": lambda x, index: x[index]}
    space |= {"add_exactly": lambda t, lost, part: (t + part, lost), "settled": lambda t, lost: t}
    exec(text.function, space)
    return space[text.name]


def compiled(text):
    """The kernel as machine code; not Numba's dispatcher, which is where the cache falls back to."""
    kernel = load(text.name, text.text, text.types, results=text.results)
    assert isinstance(kernel, BuiltinFunctionType)
    return kernel


def results_of(kernel, group, values):
    """What a kernel makes of its inputs: one result an output."""
    outs = {n: np.full(n.shape, 77).astype(n.dtype) for n in group.outputs if n.shape}
    with np.errstate(**QUIET):
        returned = kernel(*values, *outs.values())
    rest = iter(returned if isinstance(returned, tuple) else (returned,))
    return [outs[n] if n.shape else next(rest) for n in group.outputs]


def expected(group, values):
    """What NumPy makes of them."""
    from dout.graph import evaluate

    with np.errstate(**QUIET):
        made = evaluate(group.outputs, dict(zip(group.inputs, values, strict=True)))
    return [made[n] for n in group.outputs]


def agree(function, *inputs, run=as_python, parallel=False, ulp=8):
    """A kernel gives what NumPy gives, in its dtypes, up to a few units in the last place of the largest number."""
    group, names, values = recorded(function, *inputs)
    text = source(group, layouts_of(group, values), parallel=parallel, names=names)
    for node, found, right in zip(
        group.outputs, results_of(run(text), group, values), expected(group, values), strict=True
    ):
        assert np.shape(found) == np.shape(right) == node.shape
        if run is compiled:
            assert np.asarray(found).dtype == np.asarray(right).dtype, text.function
        dtype = np.dtype(node.dtype)
        if dtype.kind != "f":
            np.testing.assert_array_equal(found, right, err_msg=text.function)
            continue
        finite = np.abs(np.asarray(right)[np.isfinite(right)])
        atol = ulp * np.finfo(dtype).eps * max([1, *finite.ravel().tolist()])
        np.testing.assert_allclose(found, right, rtol=ulp * np.finfo(dtype).eps, atol=atol, err_msg=text.function)
    return text
