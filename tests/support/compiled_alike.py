"""A function run compiled beside its plain run."""

import numpy as np

import dout


def alike(make, calls):
    """Make the same calls of a compiled layer and of a plain one; after each, results and attributes are the same."""
    plain, layer = make(), make()
    fast = dout.compile(layer)
    for name, *arguments in calls:
        expected = getattr(plain, name)(*arguments)
        np.testing.assert_equal(getattr(fast, name)(*arguments), expected)
        np.testing.assert_equal(vars(layer), vars(plain))
    return fast
