"""Every row of the table of primitives keeps its promises; a new row gets every check by one line in `all_examples`.

An example is a plain NumPy expression. It runs once on plain arrays and once on stand-ins that carry their values, so
what a person writes, the row that answers it, and the row's arithmetic are checked together. Derivatives are compared
with `jets`: the same expression, through NumPy alone, over numbers with slopes.
"""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from differentiated import differentiate
from flint import arb
from jets import jets, slope_along
from row_checks import (
    Carried,
    edge_values_do_not_warn,  # noqa: F401 - a fixture
    every_row,
    examples,
    fresh,
    outcome,
    ran,
    runs,
)
from row_examples import all_examples
from row_inputs import filled

from dout.errors import ShapeError
from dout.graph import Graph, evaluate, topological
from dout.ops import OPERATORS, PRIMITIVES, kind_of

# --- stand-ins that carry their values --------------------------------------------------------------------------------


def identical(got, wanted):
    """The same type, dtype, shape, memory order and bits; any NaN is a NaN."""
    if type(got) is not type(wanted):
        return False
    if not isinstance(got, np.ndarray | np.generic):
        return (got == wanted and str(got) == str(wanted)) or got != got != wanted != wanted
    if (got.dtype, got.shape) != (wanted.dtype, wanted.shape):
        return False
    if isinstance(got, np.ndarray) and got.size > 1:
        steps = [[s for s, n in zip(x.strides, x.shape, strict=True) if n > 1] for x in (got, wanted)]
        if steps[0] != steps[1]:
            return False
    return np.array_equal(*(np.where(np.isnan(x), 7, x) for x in (got, wanted))) and np.array_equal(
        *(np.where(np.isnan(x), False, np.signbit(x.astype(float))) for x in (got, wanted))
    )


with_backward = pytest.mark.parametrize("row", [r for r in PRIMITIVES.values() if r.backward], ids=lambda r: r.name)


# --- forward ----------------------------------------------------------------------------------------------------------


@pytest.mark.one_in(3)
@every_row
def test_forward_is_numpy_to_the_bit(row):
    succeeded = 0
    for example in examples(row.name):
        for inputs in example.inputs():
            wanted = outcome(lambda: example.plain(*fresh(inputs)))  # noqa: B023
            got = outcome(lambda: ran(example, fresh(inputs))[2])  # noqa: B023
            if isinstance(wanted, type):
                assert got is wanted, f"{row.name}: NumPy raises {wanted}, the row gives {got} on {inputs}"
            else:
                assert isinstance(got, Carried), f"{row.name} gives {got} on {inputs}, not {wanted!r}"
                assert identical(got.value, wanted), f"{row.name}{inputs}: {got.value!r}, NumPy gives {wanted!r}"
                succeeded += 1
    assert succeeded, f"no example of {row.name} runs at all"


@pytest.mark.one_in(3)
@every_row
def test_every_way_to_write_it_leads_to_the_row(row):
    called = set().union(*(recorder.called for recorder, _ in runs(row)))
    ways = {*row.calls, *row.methods, *(name for name, r in OPERATORS.items() if r is row)}
    assert ways <= called, f"no example of {row.name} goes by {ways - called}"


@pytest.mark.one_in(3)
@every_row
def test_shape_and_dtype_are_inferred_without_values(row):
    inferred = 0
    for recorder, node in runs(row):
        if not _depends_on_values(node, recorder.data):
            wanted = node.shape, node.dtype
            assert row.infer(row, node.inputs, node.static) == wanted, f"{node} of {node.inputs} {dict(node.static)}"
            inferred += 1
    assert inferred or row.name == "nonzero"


def _depends_on_values(node, data):
    """Whether Python itself lets the type depend on the value, or a mask says how many elements there are."""
    if node.primitive.name == "pow" and node.inputs[0].dtype in (np.bool_, bool, int):
        return isinstance(data[node.inputs[1]], bool | int)  # 2**-1 is a float, and x**2 of bools is NumPy's square
    masked = node.primitive.name == "getitem" and any(i.dtype == np.bool_ for i in node.inputs[1:])
    if masked or node.primitive.name == "nonzero":
        with pytest.raises(ShapeError):
            node.primitive.infer(node.primitive, node.inputs, node.static)
        return True
    return False


# --- backward ---------------------------------------------------------------------------------------------------------


def places(row):
    """Every place where the derivative of the row is taken: an example and its inputs."""
    rng = np.random.default_rng(7)
    for example in examples(row.name):
        for draw in example.points:
            inputs = draw(rng)
            if _is_smooth(example, inputs):
                yield rng, example, inputs


def _is_smooth(example, inputs):
    if any(kind_of(item) == np.float32 for item in inputs) or not any(_is_float(item) for item in inputs):
        return False
    return np.asarray(example.plain(*fresh(inputs))).dtype.kind == "f"


def _is_float(item):
    return kind_of(item) is float or (isinstance(item, np.ndarray | np.generic) and item.dtype.kind == "f")


def recorded(example, inputs):
    """The graph of an example, and its output."""
    _, entered, out = ran(example, fresh(inputs))
    named = {f"x{i}": stand.node for i, stand in enumerate(entered)}
    return Graph(topological([out.node]), named, {"out": out.node}), out.value


def slopes_of(rng, inputs):
    """A random direction: a slope for every float input, nothing for the others."""
    return [rng.uniform(-1, 1, size=np.shape(item)) if _is_float(item) else None for item in inputs]


def moved(inputs, slopes):
    """Inputs as jets along a direction."""
    return [item if s is None else jets(item, s) for item, s in zip(inputs, slopes, strict=True)]


def inner(values, slopes):
    """⟨values, slopes⟩ over all inputs; a gradient that nobody computed counts as zero."""
    return sum(float(np.sum(v * s)) for v, s in zip(values, slopes, strict=True) if v is not None and s is not None)


def gradients_at(graph, given, outputs):
    """Evaluate some outputs of a graph from its named inputs; None for those it does not have."""
    values = evaluate(
        [graph.outputs[name] for name in outputs if name in graph.outputs],
        {graph.inputs[name]: value for name, value in given.items()},
    )
    for node, value in values.items():
        assert (node.shape, np.dtype(node.dtype)) == (np.shape(value), np.asarray(value).dtype), f"{node} is {value!r}"
    return [values[graph.outputs[name]] if name in graph.outputs else None for name in outputs]


def close(got: float, exact: arb, dtype: Any) -> bool:
    """Whether a computation in this dtype agrees with the exact number, up to its rounding."""
    return bool(abs(arb(got) - exact) <= 1e5 * np.finfo(dtype).eps * (abs(float(exact)) + 1))


@with_backward
def test_backward_is_the_exact_derivative(row):
    compared = 0
    for rng, example, inputs in places(row):
        graph, out = recorded(example, inputs)
        slopes = slopes_of(rng, inputs)
        dout = np.asarray(rng.uniform(-1, 1, size=np.shape(out)), np.asarray(out).dtype)
        given = {**{f"x{i}": item for i, item in enumerate(inputs)}, "dout": dout}
        got = inner(gradients_at(differentiate(graph), given, [f"dx{i}" for i in range(len(inputs))]), slopes)
        exact = slope_along(dout, (example.exact or example.plain)(*moved(inputs, slopes)))
        assert close(got, exact, dout.dtype), f"{row.name} at {inputs}: {got}, exactly {exact}"
        compared += np.size(out) > 0
    assert compared, f"{row.name} has a backward and no point where it is tried: give its examples points"


@pytest.mark.one_in(2)
@with_backward
def test_second_derivative_is_exact(row):
    for rng, example, inputs in places(row):
        if not example.twice:
            continue
        graph, out = recorded(example, inputs)
        first = differentiate(graph)
        along, across = slopes_of(rng, inputs), slopes_of(rng, inputs)
        moving = [f"dx{i}" for i, s in enumerate(along) if s is not None]
        gradients = {name: node for name, node in first.outputs.items() if name in moving}
        second = differentiate(Graph(first.nodes, first.inputs, gradients))
        dout = np.asarray(rng.uniform(-1, 1, size=np.shape(out)), np.asarray(out).dtype)
        given = {**{f"x{i}": item for i, item in enumerate(inputs)}, "dout": dout}
        given.update({f"d{n}": np.asarray(along[int(n[2:])], node.dtype) for n, node in gradients.items()})
        got = inner(gradients_at(second, given, [f"ddx{i}" for i in range(len(inputs))]), across)
        both = moved(moved(inputs, across), along)
        result = (example.exact or example.plain)(*both)
        twice = np.frompyfunc(lambda jet: getattr(jet, "slope", 0), 1, 1)(np.asarray(result, object))
        assert close(got, slope_along(dout, twice), dout.dtype), f"{row.name} at {inputs}: {got}"


@every_row
def test_row_without_backward_is_flat(row):
    if row.backward:
        assert not row.says.startswith("no gradient")
        return
    assert row.says.startswith("no gradient")
    rng = np.random.default_rng(3)
    for example in examples(row.name):
        for inputs in [draw(rng) for draw in example.points]:
            nearby = [item * (1 + 1e-9) if _is_float(item) else item for item in inputs]
            assert identical(example.plain(*nearby), example.plain(*inputs)) or row.name == "empty"


@with_backward
def test_gradient_of_float32_is_float32(row):
    for _, example, inputs in places(row):
        if any(isinstance(item, float) for item in inputs):
            continue  # a Python number has no dtype to keep
        single = [item.astype(np.float32) if _is_float(item) else item for item in inputs]
        graph, out = recorded(example, single)
        if kind_of(out) != np.float32:
            continue
        given = {**{f"x{i}": item for i, item in enumerate(single)}, "dout": np.ones_like(out)}
        for gradient in gradients_at(differentiate(graph), given, [f"dx{i}" for i in range(len(inputs))]):
            assert gradient is None or gradient.dtype == np.float32, row.name


# --- kernels, words, views --------------------------------------------------------------------------------------------

IN_KERNELS = {
    **{k: v for k, v in vars(math).items() if not k.startswith("_")},
    **{"abs": abs, "max": max, "min": min, "pow": pow, "rint": round},
    **{"maximum": np.maximum, "minimum": np.minimum},
    **{name: PRIMITIVES[name].forward for name in ("sigmoid", "softplus")},
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("row", [r for r in PRIMITIVES.values() if r.kernel], ids=lambda r: r.name)
def test_kernel_is_forward_on_each_element(row):
    compared = 0
    for recorder, node in runs(row):
        values = [recorder.data[i] for i in node.inputs]
        common = np.result_type(*values)  # what NumPy makes of a Python number beside an array
        if not any(isinstance(v, np.ndarray | np.generic) for v in values):
            compared += _kernel_agrees(row, values, np.asarray(recorder.data[node])[()])
            continue
        values = [v if isinstance(v, np.ndarray | np.generic) else np.asarray(v, common) for v in values]
        for *element, wanted in zip(*(v.flat for v in np.broadcast_arrays(*values, recorder.data[node])), strict=True):
            compared += _kernel_agrees(row, element, wanted)
    assert compared


def _kernel_agrees(row, element, wanted):
    """Compare one element; False where Python's numbers cannot say (they raise where NumPy's overflow)."""
    if row.name == "pow" and element[0] == -math.inf and element[1] == 0.5:
        return False  # x**0.5 of an array is its square root
    if not isinstance(wanted, np.generic):
        return False  # a Python int larger than any of NumPy's
    names = {f"x{i}": e.item() if isinstance(e, np.number) else e for i, e in enumerate(element)}
    try:
        got = eval(row.kernel.format(*names), IN_KERNELS, names)
        got = wanted.dtype.type(got)
    except (ArithmeticError, ValueError, TypeError):
        return False
    if wanted.dtype.kind == "f":
        tiny = np.finfo(wanted.dtype).smallest_subnormal
        near = identical(got, wanted) or abs(got - wanted) <= 3 * abs(np.spacing(wanted)) + tiny
    else:
        near = got == wanted or any(isinstance(e, np.int64) and abs(int(e)) >= 2**31 for e in element)
    assert near, f"{row.kernel} gives {got!r} on {element}, NumPy {wanted!r}"
    return True


@pytest.mark.one_in(3)
@every_row
def test_words_are_there_and_the_formula_is_sound(row):
    assert row.symbol
    assert row.says
    for _, node in runs(row):
        text = row.latex.format(*(f"x_{{{i}}}" for i in range(len(node.inputs))), **node.static)
        depths = list(itertools.accumulate({"{": 1, "}": -1}.get(c, 0) for c in text))
        assert text
        assert min(depths, default=0) >= 0
        assert (depths or [0])[-1] == 0, text


@pytest.mark.one_in(3)
@every_row
def test_writing_into_a_view_is_writing_back_into_its_base(row):
    for recorder, node in runs(row):
        base, view = recorder.data[node.inputs[0]] if node.inputs else None, recorder.data[node]
        if isinstance(base, np.ndarray) and np.may_share_memory(base, view) and view.flags.writeable:
            assert row.write_back, f"{row.name} gives a view of its input: say in write_back how a write comes back"
            before, changed = base.copy(), filled(view.shape, view.dtype.type, start=1)
            got = row.write_back(before, changed, *(recorder.data[i] for i in node.inputs[1:]), **node.static)
            view[...] = changed
            assert np.array_equal(got, base, equal_nan=base.dtype.kind == "f"), f"{row.name} {node.static}"


def test_every_example_belongs_to_a_row():
    assert all_examples().keys() <= PRIMITIVES.keys()


def test_a_row_without_examples_fails_and_says_what_to_do():
    with pytest.raises(pytest.fail.Exception, match="add one line to all_examples"):
        examples("a_new_row")
