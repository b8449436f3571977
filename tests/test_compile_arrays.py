"""Compiled is plain for arrays of every kind: results, types, views, flags and errors are those of a plain run."""

import numpy as np
import pytest

import dout


def unaligned(array):
    """The same numbers at addresses that are no multiple of their size."""
    memory = np.zeros(array.nbytes + 16, np.uint8)
    out = np.ndarray(array.shape, array.dtype, memory.data, 1)
    out[...] = array
    return out


def stepped(array):
    """Every second element of an array along each axis."""
    out = np.zeros(tuple(2 * n for n in array.shape), array.dtype)[(slice(None, None, 2),) * array.ndim]
    out[...] = array
    return out


def field(array):
    """A field of records that are seven bytes longer than the number."""
    records = np.zeros(array.shape, [("a", "i1"), ("number", array.dtype), ("b", "i2"), ("c", "i4")])
    records["number"] = array
    return records["number"]


def read_only(array):
    """A copy that refuses to be written into."""
    out = array.copy()
    out.flags.writeable = False
    return out


LAYOUTS = {
    "C": np.array,
    "F": np.asfortranarray,
    "unaligned": unaligned,
    "stepped": stepped,
    "reversed": lambda array: array[::-1].copy()[::-1],
    "a field": field,
    "read-only": read_only,
    "of the other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "repeated": lambda array: np.broadcast_to(array[:1], array.shape),
}
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def numbers(seed, shape=(3, 4), dtype="f4"):
    """Numbers of both signs."""
    return (np.random.default_rng(seed).normal(size=shape) * 3).astype(dtype)


def outcome(function, *args):
    """What a call gives, or the error that it raises."""
    try:
        return function(*args), None
    except Exception as error:
        return None, error


def parts(item):
    """What is in nested lists and tuples."""
    return [leaf for part in item for leaf in parts(part)] if isinstance(item, list | tuple) else [item]


def assert_alike(one, other):
    """Two results: types, dtypes, shapes, values, and whether they may be written into."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray | np.generic):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        assert one.flags.writeable == other.flags.writeable
    else:
        assert one == other


def assert_as_plain(function, calls, *, strict=False):
    """Compare a compiled function with the plain one call by call: results, errors, views, and what is written."""
    fast = dout.compile(function, strict=strict)
    for make in calls:
        given, same = make(), make()
        (wanted, error), (got, raised) = outcome(function, *given), outcome(fast, *same)
        assert type(error) is type(raised), (error, raised)
        if error is not None:
            assert str(error) == str(raised)
        arrays, others = ([a for a in args if isinstance(a, np.ndarray)] for args in (given, same))
        assert len(parts(wanted)) == len(parts(got))
        for one, other in zip(parts(wanted), parts(got), strict=True):
            assert_alike(one, other)
            if isinstance(one, np.ndarray):
                assert [np.shares_memory(one, a) for a in arrays] == [np.shares_memory(other, a) for a in others]
        for one, other in zip(arrays, others, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    return fast


either_mode = pytest.mark.parametrize("strict", [False, True], ids=["", "strict"])

# --- numbers where arrays are expected --------------------------------------------------------------------------------

OF_A_NUMBER = {
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "reshape": lambda x: np.reshape(x, (1, 1)),
    "reshape to nothing": lambda x: np.reshape(x, ()),
    "squeeze": lambda x: np.squeeze(x),
    "transpose": lambda x: np.transpose(x),
    "ravel": lambda x: np.ravel(x),
    "atleast": lambda x: [np.atleast_1d(x), np.atleast_2d(x), np.atleast_3d(x)],
    "moveaxis": lambda x: np.moveaxis(x, (), ()),
    "swapaxes": lambda x: np.swapaxes(x, 0, 0),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3)),
    "broadcast_to one": lambda x: np.broadcast_to(x, (1, 1)),
    "broadcast_to itself": lambda x: np.broadcast_to(x, ()),
    "flip": lambda x: np.flip(x),
    "flip of an axis": lambda x: np.flip(x, 0),
    "copy": lambda x: np.copy(x),
    "asarray": lambda x: np.asarray(x),
}
NUMBERS = {
    "int": [3, 4, -1],
    "float": [1.5, 2.5, -0.5],
    "complex": [1 + 2j, 2j, 3 + 0j],
    "bool": [True, False, True],
    "float32": [np.float32(1.5), np.float32(2.5), np.float32(0)],
    "int64": [np.int64(4), np.int64(5), np.int64(6)],
    "an array of no axes": [np.array(2.5), np.array(3.5), np.array(4.5)],
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("name", OF_A_NUMBER)
def test_functions_of_arrays_take_numbers_as_they_do_plainly(name, kind):
    assert_as_plain(OF_A_NUMBER[name], [lambda x=x: (x,) for x in NUMBERS[kind]])


# --- writes -----------------------------------------------------------------------------------------------------------


def all_of_it(x, y):
    """Every element, by an index."""
    x[...] = y * 2


def all_of_it_and_both(x, y):
    """The result needs the array as it is then."""
    x[:] = y
    y[...] = 1
    return x + y


def copied_to(x, y):
    """As np.copyto does it."""
    np.copyto(x, y * 2)


def with_out(x, y):
    """As out= does it."""
    np.multiply(y, 2, out=x)
    return x.sum()


def in_place(x, y):
    """By an operator."""
    x *= y
    x -= 1
    return x


def a_part(x, y):
    """Some of its rows."""
    x[1:] = np.exp(y[1:])
    return x.copy()


def through_a_view(x, y):
    """By way of its transpose."""
    x.T[...] = y.T + 1
    return x.T


@either_mode
@pytest.mark.parametrize(
    "write", [all_of_it, all_of_it_and_both, copied_to, with_out, in_place, a_part, through_a_view]
)
@every_layout
def test_arrays_of_every_layout_are_written_into_as_they_are_plainly(layout, write, strict):
    calls = [lambda k=k: (LAYOUTS[layout](numbers(k)), numbers(k + 9)) for k in range(3)]
    assert_as_plain(write, calls, strict=strict)
    calls = [lambda k=k: (numbers(k), LAYOUTS[layout](numbers(k + 9))) for k in range(3)]
    assert_as_plain(write, calls, strict=strict)
