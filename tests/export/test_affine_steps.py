"""A row that is called affine is that for all numbers: a million times as far, its result has moved as much more."""

import numpy as np
import pytest
from row_checks import edge_values_do_not_warn, runs  # noqa: F401 - a fixture

from dout.export.affine_steps import is_affine_in
from dout.ops import PRIMITIVES, primitives

RANDOM = np.random.default_rng(2)
BENT = primitives(
    "maximum minimum clip where less isnan absolute sign floor floor_divide mod math_fmod power pow square exp max min "
    "var std prod cumprod sigmoid around rint"
)


def affine_runs(row):
    """The runs of a row in 64 bits, each with the inputs that it is affine in."""
    for recorder, node in runs(row):
        if node.dtype != np.float64:
            continue
        places = [i for i, given in enumerate(node.inputs) if given.dtype == np.float64 and given.shape]
        yield from ((recorder, node, [i]) for i in places if is_affine_in(node, [i]))
        if len(places) > 1 and is_affine_in(node, places):
            yield recorder, node, places


@pytest.mark.one_in(6)
@pytest.mark.parametrize("row", PRIMITIVES.values(), ids=PRIMITIVES)
def test_a_step_that_is_called_affine_is_it_for_large_numbers(row):
    found = list(affine_runs(row))
    assert not (found and row in BENT)
    for recorder, node, places in found:
        given = [np.nan_to_num(np.asarray(recorder.data[i], i.dtype), posinf=1, neginf=-1) for i in node.inputs]
        steps = {i: RANDOM.normal(size=given[i].shape) for i in places}

        def after(times, given=given, steps=steps, node=node):
            moved = [times * steps[i] if i in steps else x for i, x in enumerate(given)]
            return np.asarray(node.primitive.apply(moved, node.static), float)

        base, one, large = after(0), after(1), after(1e6)
        right = base + 1e6 * (one - base)
        near = 1e-6 * np.nanmax(np.abs(one), initial=1)  # of a million times as much
        assert np.all((np.abs(large - right) <= near) | ~np.isfinite(right))
