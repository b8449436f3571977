"""Compiled is plain for arrays of every kind: results, types, views, flags and errors are those of a plain run."""

import math

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
    "full_like": lambda x: np.full_like(x, 1),
    "zeros_like": lambda x: np.zeros_like(x),
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


@pytest.mark.one_in(4)
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


@pytest.mark.one_in(6)
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


# --- memory: views, copies, order, flags ------------------------------------------------------------------------------

VIEWS = {
    "reshape": lambda x: x.reshape(-1),
    "reshape in Fortran order": lambda x: x.reshape(-1, order="F"),
    "reshape, order in small letters": lambda x: x.reshape(-1, order="f"),
    "ravel": lambda x: x.ravel(),
    "ravel in any order": lambda x: x.ravel("K"),
    "transpose": lambda x: x.T,
    "rows of the transpose": lambda x: x.T.reshape(-1),
    "slices": lambda x: [x[1:], x[::-1], x[:, ::2], x[0], x[..., None]],
    "diagonal": lambda x: np.diagonal(x),
    "flip": lambda x: np.flip(x, 1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "squeeze": lambda x: np.squeeze(x[:, None]),
    "split": lambda x: np.split(x, [1]),
    "asarray": lambda x: np.asarray(x),
    "contiguous": lambda x: np.ascontiguousarray(x),
    "copy": lambda x: x.copy("K"),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1),
}


class Keeps:
    """Keeps what it computes of its input, and looks into that later."""

    def __init__(self, compute, view):
        self.compute, self.view = compute, view

    def forward(self, x):
        self.y = self.compute(x)
        return self.y

    def backward(self, dout):
        self.dy = self.view(self.y)
        return self.dy


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", VIEWS)
@every_layout
def test_what_is_a_view_plainly_is_a_view_and_what_is_a_copy_a_copy(layout, name):
    assert_as_plain(VIEWS[name], [lambda k=k: (LAYOUTS[layout](numbers(k)),) for k in range(3)])


COMPUTED = {
    "product": lambda x: x * 2,
    "maximum": lambda x: np.maximum(x, 0),
    "copy": lambda x: x.copy("K"),
    "sum with a row": lambda x: np.tanh(x) + np.ones(x.shape[-1], x.dtype),
    "ones": lambda x: np.ones_like(x) + 1,
    "transpose": lambda x: (x + 1).T,
    "copy in Fortran order": lambda x: x.copy("F"),
}
ORDERS = {
    "C": np.array,
    "F": np.asfortranarray,
    "the last axis first": lambda x: np.ascontiguousarray(np.moveaxis(x, -1, 0)).transpose(1, 2, 0),
    "every second element": stepped,
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("computed", COMPUTED)
def test_what_a_layer_keeps_lies_in_memory_as_plainly(computed, order):
    """Else a later reshape of it would be a view where it is a copy plainly: a write into that reached the layer."""
    for view in (lambda y: y.reshape(-1), lambda y: y.reshape(-1, order="F"), lambda y: y.T.reshape(y.shape[-1], -1)):
        plain, layer = Keeps(COMPUTED[computed], view), Keeps(COMPUTED[computed], view)
        fast = dout.compile(layer)
        for k in range(3):
            x, same = (ORDERS[order](numbers(k, (2, 3, 4))) for _ in range(2))
            assert plain.forward(x).strides == fast.forward(same).strides
            assert_alike(plain.backward(x), fast.backward(same))
            assert np.shares_memory(plain.dy, plain.y) == np.shares_memory(layer.dy, layer.y)


REDUCTIONS = {
    "sums": lambda x: [x.sum(), x.sum(0), x.sum(1), np.sum(x * x)],
    "means": lambda x: [x.mean(0), x.var(1), x.std()],
    "extremes": lambda x: [x.max(), x.min(0), x.argmax(1)],
    "products": lambda x: [x @ x.T, np.dot(x.T, x), np.einsum("ij,kj->ik", x, x)],
    "elements": lambda x: [x * x - 1, np.where(x > 0, x, -x), x > 0, x[x > 0]],
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True),
    "several steps": lambda x: (np.tanh(x * 2) @ np.ones((4, 2), x.dtype)).sum(0),
}


@pytest.mark.one_in(6)
@either_mode
@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("layout", ["unaligned", "a field", "of the other byte order", "F", "unaligned and F"])
def test_numbers_of_odd_arrays_are_those_of_numpy(layout, dtype, name, strict):
    laid = {**LAYOUTS, "unaligned and F": lambda array: unaligned(array.T).T}[layout]
    assert_as_plain(REDUCTIONS[name], [lambda k=k: (laid(numbers(k, dtype=dtype)),) for k in range(2)], strict=strict)


def test_a_result_that_refuses_to_be_written_into_does_so_in_every_call():
    fast = dout.compile(lambda x: np.broadcast_to(np.sum(x), (3,)))
    for k in range(3):
        y = fast(numbers(k))
        with pytest.raises(ValueError, match="read-only"):
            y[0] = 1


# --- errors -----------------------------------------------------------------------------------------------------------

REFUSED = {
    "select by numbers": (lambda c, x: np.select([c], [x]), np.array([1, 0]), np.ones(2)),
    "select by a plain number": (lambda c, x: np.select([c], [x]), 1, np.ones(2)),
    "select of two lengths": (lambda c, x: np.select([c, c], [x]), np.array([True, False]), np.ones(2)),
    "take_along_axis of fewer axes": (lambda x, i: np.take_along_axis(x, i, 0), np.ones((2, 3)), np.array([0, 1])),
    "take_along_axis of all": (lambda x, i: np.take_along_axis(x, i, None), np.ones((2, 3)), np.array([[0, 1]])),
    "take_along_axis by numbers": (lambda x, i: np.take_along_axis(x, i, 0), np.ones((2, 3)), np.zeros((1, 3))),
    "average of nothing": (lambda x, w: np.average(x, weights=w), np.ones(0), np.ones(0)),
    "average with no weight": (lambda x, w: np.average(x, weights=w), np.ones(2), np.array([1.0, -1.0])),
    "average with other weights": (lambda x, w: np.average(x, weights=w), np.ones(2), np.ones(3)),
    "tensordot of other axes": (lambda x, y: np.tensordot(x, y, ([0, 1], [1, 0])), np.ones((2, 3)), np.ones((2, 3))),
    "moveaxis to one place": (lambda x, y: np.moveaxis(x, (0, 1), (0, 0)), np.ones((2, 3)), 0),
    "moveaxis of no axis": (lambda x, y: np.moveaxis(x, 5, 0), np.ones((2, 3)), 0),
    "squeeze twice": (lambda x, y: np.squeeze(x, (0, -2)), np.ones((1, 3)), 0),
    "squeeze of a long axis": (lambda x, y: x.squeeze(1), np.ones((1, 3)), 0),
    "flip twice": (lambda x, y: np.flip(x, (0, 0)), np.ones((1, 3)), 0),
    "expand_dims twice": (lambda x, y: np.expand_dims(x, (0, -4)), np.ones((2, 3)), 0),
    "reshape in no order": (lambda x, y: x.reshape(-1, order="Q"), np.ones(3), 0),
    "reshape in any order": (lambda x, y: x.reshape(-1, order="K"), np.ones(3), 0),
    "ravel in no order": (lambda x, y: np.ravel(x, "Q"), np.ones(3), 0),
    "meshgrid of no kind": (lambda x, y: np.meshgrid(x, y, indexing="zz"), np.ones(3), np.ones(2)),
    "astype that is not safe": (lambda x, y: x.astype(int, casting="safe"), np.ones(3), 0),
    "norm of no kind": (lambda x, y: np.linalg.norm(x, "fro"), np.ones(3), 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_numpy_refuses_is_refused(name):
    function, *given = REFUSED[name]
    assert_as_plain(function, [lambda: copies(given)] * 3)


def copies(given):
    """The same arrays and numbers once more."""
    return tuple(item.copy() if isinstance(item, np.ndarray) else item for item in given)


LATER = {
    "select by numbers": (lambda c, x: np.select([c], [x]), (np.array([True, False]), np.ones(2)),
                          (np.array([1, 0]), np.ones(2))),
    "weights that sum to 0": (lambda x, w: np.average(x, weights=w), (np.ones(2), np.ones(2)),
                              (np.ones(2), np.array([1.0, -1.0]))),
    "a place that is not there": (lambda x, i: (x[i], x * 2)[1], (np.ones(3), np.array([0])),
                                  (np.ones(3), np.array([5]))),
    "a number of a place": (lambda x, i: (x[i], x * 2)[1], (np.ones(3), 1), (np.ones(3), 5)),
    "shapes that do not fit": (lambda x, y: (x + y, x * 2)[1], (np.ones(3), np.ones(3)), (np.ones(3), np.ones(4))),
    "a reshape": (lambda x, y: (y.reshape(3), x * 2)[1], (np.ones(3), np.ones(3)), (np.ones(3), np.ones(4))),
    "a dtype": (lambda x, y: (~y, x * 2)[1], (np.ones(3), np.ones(3, int)), (np.ones(3), np.ones(3))),
    "no length": (lambda x, y: (len(y), x * 2)[1], (np.ones(3), np.ones(3)), (np.ones(3), np.array(1.0))),
    "a division": (lambda x, n: (1 / n, x * 2)[1], (np.ones(3), 1), (np.ones(3), 0)),
    "a division into whole numbers": (lambda x, n: (1 // n, x * 2)[1], (np.ones(3), 1), (np.ones(3), 0)),
    "a remainder": (lambda x, n: (divmod(1, n), x * 2)[1], (np.ones(3), 1), (np.ones(3), 0)),
    "int of NaN": (lambda x, n: (int(n), x * 2)[1], (np.ones(3), 1.0), (np.ones(3), float("nan"))),
    "int of an infinite sum": (lambda x, n: (int(x.sum()), x * 2)[1], (np.ones(3), 0), (np.full(3, np.inf), 0)),
    "a logarithm": (lambda x, n: (math.log(n), x * 2)[1], (np.ones(3), 1.0), (np.ones(3), -1.0)),
    "a power that overflows": (lambda x, n: (n**10.0, x * 2)[1], (np.ones(3), 1.0), (np.ones(3), 1e300)),
    "a negative power": (lambda x, n: (x**n, x * 2)[1], (np.ones(3, int), np.array([1, 2, 3])),
                         (np.ones(3, int), np.array([1, -2, 3]))),
    "a singular matrix": (lambda x, y: (np.linalg.inv(x), x * 2)[1], (np.eye(2), 0), (np.zeros((2, 2)), 0)),
    "the largest of nothing": (lambda x, y: (np.max(y), x * 2)[1], (np.ones(3), np.ones(3)), (np.ones(3), np.ones(0))),
    "the truth of an array": (lambda x, y: 1 if y else 2, (np.ones(3), np.ones(1)), (np.ones(3), np.ones(2))),
}  # fmt: skip


@pytest.mark.one_in(3)
@either_mode
@pytest.mark.parametrize("name", LATER)
def test_what_a_later_call_has_to_refuse_it_refuses_though_nothing_needs_it(name, strict):
    function, good, bad = LATER[name]
    assert_as_plain(function, [lambda given=given: copies(given) for given in (good, good, bad, good)], strict=strict)


CHOSEN = {
    "filled": lambda x: (lambda y: (y.fill(3), y)[1])(x[x > 0]),
    "the sum of what was filled": lambda x: (lambda y: (y.fill(3), y.sum())[1])(x[x > 0]),
    "written into": lambda x: (lambda y: (y.__setitem__(slice(1, None), 2), y)[1])(x[x > 0]),
    "zeros": lambda x: np.zeros_like(x[x > 0]),
    "beside others, for nothing": lambda x: (x[x > 0] + np.ones(2), x * 2)[1],
    "counts beside others, for nothing": lambda x: (np.bincount(abs(x).astype(int)) + np.ones(3), x * 2)[1],
    "read and written": lambda x: (lambda m: (x.__setitem__(m, x[m] * 2), x)[1])(x > 0),
}


@either_mode
@pytest.mark.parametrize("name", CHOSEN)
def test_how_many_elements_a_mask_chooses_may_change_from_call_to_call(name, strict):
    given = ([1.0, -1, 2], [1.0, 1, -2], [1.0, 5, 1], [-1.0, -1, -1])
    assert_as_plain(CHOSEN[name], [lambda x=x: (np.array(x),) for x in given], strict=strict)


def test_an_array_takes_no_tuple_of_deeper_arrays():
    assert_as_plain(
        lambda x, m: x.__setitem__(slice(None), np.nonzero(m)), [lambda: (np.zeros(1, int), np.ones(1))] * 2
    )


@pytest.mark.parametrize("function", [np.sort, lambda x: np.take(x, [0, 0], 0), lambda x: np.repeat(x, [1, 2, 1], 0)])
@pytest.mark.parametrize("turned", [(1, 0), (0, 1)])
def test_what_numpy_puts_together_lies_in_memory_as_plainly(function, turned):
    x = numbers(0, (3, 3)).transpose(turned)
    fast = dout.compile(function)
    assert {fast(x).strides for _ in range(3)} == {function(x).strides}


def test_piecewise_takes_numbers_as_conditions():
    assert_as_plain(lambda x, c: np.piecewise(x, [c], [1, 2]), [lambda: (np.ones(3), np.array([1, 0, 1]))] * 3)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_elements_are_computed_with_by_operators_and_keep_every_bit(dtype, strict):
    def entry(A, i):
        J = np.zeros((2, 2), A.dtype)
        J[0, 0] = A[0, i] * (1 - A[0, i]) / 3
        J[0, 1] = -A[0, i] * A[1, i] - A[1, i] / A[0, i]
        J[1, 0] = (A[0, i] < A[1, i]) + 2.5
        J[1, 1] = A[1, i] % A[0, i] + A[1, i] // A[0, i]
        return J

    fast = dout.compile(entry, strict=strict)
    for values in ([0.3, 7.1], [2.5, -0.0], [-3.0, 1e4], [0.0, 1.0], [np.inf, 2.0], [np.nan, np.inf]):
        A = np.array(values, dtype).reshape(2, 1)
        with np.errstate(all="ignore"):
            assert fast(A, 0).tobytes() == entry(A, 0).tobytes()
    source = fast.plan().source
    assert "np.multiply" not in source
    assert "np.divide" not in source
