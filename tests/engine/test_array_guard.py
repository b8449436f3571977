"""One call tells whether an array is as another, as NumPy's own attributes tell it."""

import sys
from itertools import product

import numpy as np
import pytest

from dout.engine.guards.array_guard import form_of, guard

READ_ONLY = np.arange(12.0).reshape(3, 4)
READ_ONLY.flags.writeable = False
SHIFTED = np.zeros(3 * 4 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(3, 4)
ARRAYS = {
    "rows": np.ones((3, 4)),
    "columns": np.asfortranarray(np.ones((3, 4))),
    "transposed": np.ones((4, 3)).T,
    "float32": np.ones((3, 4), np.float32),
    "float16": np.ones((3, 4), np.float16),
    "longlong": np.ones((3, 4), np.longlong),
    "long": np.ones((3, 4), np.dtype("l")),
    "bool": np.ones((3, 4), bool),
    "other order of bytes": np.ones((3, 4), np.dtype("f8").newbyteorder()),
    "longer": np.ones((3, 5)),
    "one axis": np.ones(12),
    "one axis more": np.ones((3, 4, 1)),
    "single": np.array(1.0),
    "empty": np.ones((0, 4)),
    "one row": np.ones((1, 4)),
    "read-only": READ_ONLY,
    "not aligned": SHIFTED,
    "steps": np.ones((3, 6, 4))[:, 1],
    "longer steps": np.ones((3, 9, 4))[:, 1],
    "every other column": np.ones((3, 8))[:, ::2],
    "every other row": np.ones((6, 4))[::2],
    "backwards": np.ones((3, 4))[::-1],
    "repeated": np.broadcast_to(np.ones(4), (3, 4)),
    "matrix": np.ones((3, 4)).view(np.matrix),
    "masked": np.ma.ones((3, 4)),
}
OTHERS = {"list": [[1.0] * 4] * 3, "number": 1.0, "numpy's number": np.float64(1), "None": None, "type": np.ndarray}


def is_like(one, form):
    """What the driver asked in Python."""
    if type(one) is not np.ndarray or one.dtype != form.dtype or one.shape != form.shape:
        return False
    rest = form.strides[1:] if form.beyond else form.strides
    steps = not form.strides or (
        one.strides[1:] == rest and one.strides[0] > form.beyond if form.beyond else one.strides == rest
    )
    return one.flags.num & form.flags == form.flags and steps


@pytest.mark.parametrize(("name", "written"), [*product(ARRAYS, [False, True])])
def test_a_guard_tells_what_numpy_tells(name, written):
    form = form_of(ARRAYS[name], written=written)
    run = guard(form)
    if run is not None:
        for other, one in {**ARRAYS, **OTHERS}.items():
            assert run(one) is is_like(one, form), other
    assert (run is None) == (name == "other order of bytes")


@pytest.mark.parametrize("dtype", ["datetime64[s]", complex, np.longdouble, object, "U3", [("x", float)]])
def test_dtypes_that_a_number_does_not_tell_are_left_to_numpy(dtype):
    assert guard(form_of(np.zeros(3, dtype), written=False)) is None or dtype is np.longdouble


def test_a_guard_sees_what_is_set_in_place():
    x = np.ones((3, 4))
    run = guard(form_of(x, written=True))
    assert run(x)
    x.flags.writeable = False
    assert not run(x)
    x.flags.writeable = True
    x.resize((4, 3), refcheck=False)
    assert not run(x)


def test_a_guard_keeps_no_references():
    x = np.ones((3, 4))
    run, before = guard(form_of(x, written=True)), sys.getrefcount(x)
    for _ in range(100):
        run(x), run(None)
    assert sys.getrefcount(x) == before
