"""What the corpus of forwards says of itself is true: they run, and compute what is said; so do the derivatives."""

from itertools import product

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import scipy.spatial
import scipy.special
import scipy.stats
from forward_corpus import FAMILIES, OTHER, SMALL, Example, hand_written, rows
from forwards import by_hand, by_hand_axes, by_hand_loops

ROWS = rows()
NAMES = {"np": np, "scipy": scipy}
# A number of np.sqrt is a float64, and widens what it meets: people write so.
WIDENING = {"GeluByTanh", "DotProductAttention", "EinsumAttention", "MultiHeadAttention"}

each_family = pytest.mark.parametrize("family", FAMILIES)


def outputs(row, example):
    np.random.seed(3)  # noqa: NPY002 - dropout draws as people draw
    out = example.made(row.layer).forward(*example.arguments)
    return out if isinstance(out, tuple) else (out,)


def shortest(row, example, **values):
    found = eval(row.shortest, NAMES | vars(row.layer) | dict(example.init) | values)
    return np.broadcast_to(found, values["x"].shape)


@each_family
def test_each_forward_runs_at_two_sizes_and_keeps_the_dtype(family):
    for row, sizes, dtype in product(ROWS, (SMALL, OTHER), (np.float64, np.float32)):
        if row.family == family:
            found = outputs(row, row.example(sizes, np.random.default_rng(7), dtype))
            kept = np.float64 if row.name in WIDENING else dtype
            assert all(np.isfinite(out).all() for out in found), row.name
            assert {np.asarray(out).dtype for out in found} == {np.dtype(kept)}, row.name


@each_family
def test_each_forward_computes_what_another_formula_gives(family):
    for row, sizes in product(ROWS, (SMALL, OTHER)):
        if row.family == family and row.same:
            example = row.example(sizes, np.random.default_rng(8))
            same = eval(row.same, NAMES | dict(example.init) | dict(example.inputs))
            np.testing.assert_allclose(outputs(row, example)[0], same, rtol=1e-9, atol=1e-12, err_msg=row.name)


@pytest.mark.parametrize("family", sorted({row.family for row in ROWS if row.shortest}))
def test_each_shortest_derivative_is_the_slope_of_its_forward(family):
    for row in [row for row in ROWS if row.family == family and row.shortest]:
        example = row.example(SMALL, np.random.default_rng(9))
        x, layer, step = example.inputs["x"], example.made(row.layer), 1e-5
        slope = (layer.forward(x + step) - layer.forward(x - step)) / (2 * step)
        found = shortest(row, example, x=x, y=layer.forward(x))
        np.testing.assert_allclose(found, slope, rtol=1e-6, atol=1e-8, err_msg=row.name)


def test_where_the_output_is_enough_equal_outputs_never_have_different_slopes():
    for row in [row for row in ROWS if row.by_output]:
        example = row.example({**SMALL, "N": 200, "D": 7}, np.random.default_rng(10))
        drawn, layer = example.inputs["x"], example.made(row.layer)
        x = np.concatenate([drawn, -drawn]) if drawn.min() < 0 else drawn
        y = layer.forward(x)
        order = np.argsort(y, axis=None)
        slope = shortest(row, example, x=x, y=y).ravel()[order]
        equal = np.diff(y.ravel()[order]) < 1e-12
        np.testing.assert_allclose(slope[1:][equal], slope[:-1][equal], atol=1e-5, err_msg=row.name)


def test_names_are_unique_and_there_are_enough():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names) >= 110
    assert sum(row.shortest is not None for row in ROWS) >= 45
    assert all((row.shortest is None) == (row.by_output is None) for row in ROWS)


FILES = (by_hand, by_hand_axes, by_hand_loops)
BY_HAND = sorted(name for file in FILES for name, cls in vars(file).items() if isinstance(cls, type))


def test_each_layer_by_hand_has_its_row_and_computes_the_same():
    found = {row: hand_written(row) for row in ROWS if hand_written(row)}
    assert len(found) == len(BY_HAND) >= 25
    for row, layer in found.items():
        example = row.example(OTHER, np.random.default_rng(11))
        output = example.made(layer).forward(*example.arguments)
        np.testing.assert_allclose(output, outputs(row, example)[0], rtol=1e-12, atol=1e-15, err_msg=row.name)


@pytest.mark.parametrize("name", BY_HAND)
def test_each_backward_by_hand_is_the_derivative(name):
    row = next(row for row in ROWS if row.name == name)
    rng = np.random.default_rng(12)
    example = row.example(SMALL, rng)
    layer = example.made(hand_written(row))
    dout = rng.normal(size=np.shape(layer.forward(*example.arguments)))
    found = layer.backward(dout)
    found = dict(zip(row.differentiable, found if isinstance(found, tuple) else (found,), strict=False))
    found |= {name: getattr(layer, f"d{name}") for name in row.learned}
    for name, gradient in found.items():
        step, values = 1e-6, {**example.init, **example.inputs}
        direction = rng.normal(size=np.shape(values[name]))
        ends = []
        for sign in (1, -1):
            moved = {n: v + sign * step * direction if n == name else v for n, v in values.items()}
            there = Example({n: moved[n] for n in example.init}, {n: moved[n] for n in example.inputs})
            ends.append(np.sum(dout * outputs(row, there)[0]))
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6, atol=1e-7, err_msg=name)
