"""`dout.compile` beside the plain run: dtypes, shapes, memory, errors at the edges of NumPy's functions."""

import warnings
from collections import namedtuple

import numpy as np
import pytest

import dout

ROWS = np.arange(12.0).reshape(3, 4) - 5
SQUARE = np.arange(16.0).reshape(4, 4) - 7


def outcome(function, given):
    """What a call gives, with all that can be seen of it, or how it fails."""
    try:
        result = function(*given)
    except Exception as error:
        return type(error).__name__, str(error)
    parts = result if isinstance(result, tuple) else (result,)
    return [(*seen(part), [np.shares_memory(part, item) for item in given], part is given[0]) for part in parts]


def seen(part):
    """A part of a result: its type, its shape, whether it may be written into, and its bits."""
    array = np.asarray(part)
    with warnings.catch_warnings():  # that of np.broadcast_arrays warns where it is asked
        warnings.simplefilter("ignore")
        flag = part.flags.writeable if isinstance(part, np.ndarray) else None
    return type(part).__name__, array.dtype.str, array.shape, flag, array.tobytes()


def same_in_each_call(function, *calls, strict=True):
    """Compare compiled calls with plain ones; each kind of call is made twice, the second time by a program."""
    fast = dout.compile(function, strict=strict)
    for given in calls:
        for shift in (0, 1):
            mine, theirs = ([item + shift for item in given] for _ in range(2))
            assert outcome(fast, mine) == outcome(function, theirs)
            assert all(map(np.array_equal, mine, theirs))


ASKED = [
    lambda x: [row * 2 for row in x] or 0,
    np.shape,
    lambda x: np.ndim(x) + np.size(x),
    lambda x: np.zeros(2, np.result_type(x, np.float32)),
    lambda x: np.iscomplexobj(x),
    lambda x: np.nditer(x).shape,
    lambda x: np.shares_memory(x, x),
]


@pytest.mark.parametrize("function", ASKED)
def test_what_is_asked_of_an_array_that_no_step_reads_is_watched(function):
    calls = [np.zeros((0, 4)), SQUARE, ROWS, ROWS.astype("f4"), SQUARE * 1j]
    same_in_each_call(lambda x: np.array(function(x)), *([x] for x in calls))


def chosen_times_their_number(x):
    chosen = x[x > 0]
    out = np.zeros_like(x)
    out[x > 0] = chosen * chosen.size
    return out


def doubled_where_any_is_positive(x):
    return x * 2 if x[x > 0].size else x + 1


def rows_counted(x):
    places = np.flatnonzero(x > 0)
    return x * len(places[1:])


@pytest.mark.parametrize("function", [chosen_times_their_number, doubled_where_any_is_positive, rows_counted])
def test_how_many_elements_a_mask_chose_is_watched(function):
    same_in_each_call(function, [np.array([-3.0, -2.0])], [np.array([-0.5, 3.0])], [np.array([1.0, 2.0])])


def test_a_piece_that_was_empty_at_first_is_computed_later():
    def pieces(x):
        return np.piecewise(x, [x < 0, x >= 9], [np.negative, lambda part: part * 2, 5])

    same_in_each_call(pieces, [np.array([-3.0, -2.0])], [np.array([-3.0, 9.0])], [np.array([-3.0, 9.0], ">f8")])


VIEWS = [
    lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
    lambda x: np.broadcast_arrays(x, x[0]),
    lambda x: np.broadcast_arrays(x, x[:, :1], x[0]),
    np.squeeze,
    lambda x: x.squeeze(),
    lambda x: np.take(x, 1, axis=1),
    lambda x: np.meshgrid(x[0], x[:, 0], copy=False),
    lambda x: np.atleast_2d(x, x[0]),
    lambda x: x[:, :1].squeeze(),
]


@pytest.mark.parametrize("function", VIEWS)
def test_views_lie_in_the_array_that_was_given_as_numpys_do(function):
    same_in_each_call(function, [ROWS], [SQUARE])


SPREAD = [
    lambda x: [np.broadcast_arrays(x.sum(), x)[0]],
    lambda x: [array.copy() for array in np.broadcast_arrays(x * 2, x[:, np.newaxis])],
    lambda x: np.meshgrid(x, x[:1]),
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("function", SPREAD)
def test_arrays_are_spread_over_axes_of_one_element_and_of_none(function, strict):
    same_in_each_call(lambda x: tuple(function(x)), [np.arange(3.0)], [np.arange(1.0)], [np.zeros(0)], strict=strict)


def test_windows_show_what_is_written_into_the_array_later():
    def function(x):
        windows = np.lib.stride_tricks.sliding_window_view(x, 2)
        x += 1
        return windows.sum(axis=-1)

    same_in_each_call(function, [np.arange(4.0)])


def test_a_sum_of_truth_values_may_be_one():
    same_in_each_call(lambda x: np.sum(x > 0, dtype=bool), [ROWS], [SQUARE], strict=False)


POINTS = [np.array, lambda x: np.array(x, ndmin=2), np.ascontiguousarray, np.asfortranarray,
          lambda x: np.pad(x, 1, mode="edge"), np.nan_to_num, lambda x: np.heaviside(x, 0.5),
          lambda x: np.cumsum(x, axis=0), lambda x: np.cumsum(x, axis=1)]  # fmt: skip


@pytest.mark.parametrize("function", POINTS)
def test_arrays_without_axes_are_what_they_are_in_numpy(function):
    same_in_each_call(function, [np.array(2.5)], [np.array(-1.0)])


REFUSED = [
    lambda x: np.cumsum(x, axis=2),
    lambda x: np.transpose(x, (0, 2)),
    lambda x: np.diff(x, n=-1),
    lambda x: np.mean(x, axis=1, keepdims=np.True_),
    lambda x: np.einsum("ii->i", x[:, :2]),
    lambda x: np.average(x, axis=0, weights=x * 0),
    lambda x: np.vectorize(lambda number: number * 100)(x.astype(np.uint8)),
    lambda x: np.bincount([0, 1, 1], weights=x[:, 0] * 1j),
    lambda x: np.apply_along_axis(np.sum, 0, x[:0, :0]),
]


@pytest.mark.parametrize("function", REFUSED)
def test_what_numpy_refuses_is_refused(function):
    same_in_each_call(function, [ROWS], [SQUARE[:3]])


def test_weights_may_sum_to_zero_in_a_later_call():
    weighted = lambda x, weights: np.average(x, weights=weights)  # noqa: E731
    same_in_each_call(weighted, [np.ones(2), np.array([2.0, 1.0])], [np.ones(2), np.array([-1.0, 1.0])])


EACH = {
    "several results": lambda called, x: np.vectorize(lambda number: (called(number), 1))(x),
    "several results of given dtypes": lambda called, x: np.vectorize(lambda n: (called(n), 1), "df")(x),
    "text": lambda called, x: np.vectorize(lambda number: "." * int(abs(called(number)) + 1))(x),
    "integers": lambda called, x: np.vectorize(lambda number: called(number) * 2, otypes=[int])(x),
    "asked once": lambda called, x: np.vectorize(lambda number: called(number) * 2, cache=True)(x),
    "lines of two dtypes": lambda called, x: np.apply_along_axis(
        lambda line: called(line).astype("f4" if line[0] < -2 else "f8"), 1, x
    ),
    "lines as text": lambda called, x: np.apply_along_axis(lambda line: "+-"[int(called(line)[0] < 0)], 1, x),
}


@pytest.mark.parametrize("name", EACH)
def test_a_function_that_numpy_calls_is_called_as_often_as_in_a_plain_run(name):
    def counting():
        calls = []

        def called(item):
            calls.append(1)
            return item

        return lambda x: (EACH[name](called, x), len(calls))

    fast, plain = dout.compile(counting()), counting()
    for shift in range(3):
        (result, number), (expected, known) = fast(ROWS + shift), plain(ROWS + shift)
        assert number == known
        assert outcome(lambda made: made, [result]) == outcome(lambda made: made, [expected])


def test_plain_numbers_beside_arrays_take_their_dtype():
    beside = lambda x: (np.r_[x[0], 1, x[1]], np.r_[0.5, x[0]], np.r_[1:3, x[0]])  # noqa: E731
    same_in_each_call(beside, [ROWS], [ROWS.astype("f4")], [ROWS.astype("i4")])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_numbers_that_no_integer_holds_fill_integers_as_in_numpy():
    same_in_each_call(lambda x: np.full(3, x[0], dtype=int), [np.array([2.0])], [np.array([np.inf])])


OUT = [
    lambda x, out: np.sum(x > 0, axis=0, out=out.astype(bool)),
    lambda x, out: np.sum(x.astype("f4") + 2**25, axis=0, out=out),
    lambda x, out: (x > 0).any(axis=0, out=out),
    lambda x, out: np.median(x, axis=0, out=out),
    lambda x, out: np.nansum(x, axis=0, out=out),
    lambda x, out: np.mean((x * 1.37).astype("f2"), axis=0, out=out.astype("f2")),
]


@pytest.mark.parametrize("function", OUT)
def test_results_go_where_they_are_asked_to_go(function):
    same_in_each_call(function, [ROWS, np.zeros(4)], [SQUARE, np.ones(4)])


def written_through_a_broadcast(x):
    np.broadcast_arrays(x, x[:1])[1][0] = 7
    return x


def sorted_stably(x):
    x.sort(kind="stable")
    return x


REFUSED_LATE = [
    lambda x: np.r_["0", x, x],
    lambda x: np.vectorize(lambda number, k: number * k, excluded=["k"])(x, k=2),
    sorted_stably,
    pytest.param(written_through_a_broadcast, marks=pytest.mark.filterwarnings("ignore:Numpy has detected")),
]


@pytest.mark.parametrize("function", REFUSED_LATE)
def test_what_is_refused_after_a_line_was_printed_runs_on_plainly(function, capsys):
    @dout.compile
    def telling(x):
        print("here")  # noqa: T201
        return function(x)

    for number in range(3):
        x, twin = (np.array([[3.0, 1.0], [2.0, 5.0]]) + number for _ in range(2))
        np.testing.assert_array_equal(telling(x), function(twin))
        np.testing.assert_array_equal(x, twin)
        assert capsys.readouterr().out == "here\n"


def test_a_block_that_hushes_numpy_hushes_it_in_a_compiled_call():
    @dout.compile
    def function(x):
        with np.errstate(all="ignore"):
            return (x @ x)[[0]] / 0.0

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            function(np.array([[1e200, np.inf], [np.inf, -np.inf]]))
    assert not function.plan().functions[0].plainly


Pair = namedtuple("Pair", "first second")


def test_a_first_call_gives_arrays_in_named_tuples_too():
    fast = dout.compile(lambda x: Pair(x * 2, (x,)))
    for _ in range(3):
        pair = fast(np.ones(2))
        assert type(pair) is Pair
        assert type(pair.first) is type(pair.second[0]) is np.ndarray


def test_arrays_that_were_two_may_be_one():
    def tripled_where_one(x, y):
        return x * 3 if x is y else x * y

    fast = dout.compile(tripled_where_one)
    x, y = np.array([2.0, 4.0]), np.array([5.0, 6.0])
    for given in ((x, y), (y, x), (x, x), (y, y), (x, y)):
        np.testing.assert_array_equal(fast(*given), tripled_where_one(*given))


def doubled_where_it_is_listed(x, listed):
    for item in listed:
        if item is x:
            return x * 2
    return x * 3


def test_an_array_that_was_none_of_those_in_a_list_may_be_one():
    fast = dout.compile(doubled_where_it_is_listed)
    x, y, z = np.array([2.0, 4.0]), np.array([5.0, 6.0]), np.array([7.0, 8.0])
    for listed in ([y, z], [y, x], [x, z], [z, y]):
        np.testing.assert_array_equal(fast(x, listed), doubled_where_it_is_listed(x, listed))
    assert len(fast.plan().programs) == 3


def counted(x, seen={}):  # noqa: B006 - what is tested is that it stays
    seen["calls"] = seen.get("calls", 0) + 1
    return x * seen["calls"]


def summed(x, seen=[]):  # noqa: B006
    seen.append(x.sum())
    return sum(seen)


def test_a_default_that_a_function_changes_is_read_in_each_call():
    by_count, by_sum = dout.compile(lambda x: counted(x)), dout.compile(lambda x: summed(x))
    for number in range(1, 6):
        assert by_count(np.ones(1)) == number
        assert by_sum(np.ones(2)) == 2 * number
    assert counted.__defaults__ == ({"calls": 5},)
    assert summed.__defaults__ == ([2.0] * 5,)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 1,
        lambda x: x / True,
        lambda x: x - 0,
        lambda x: np.negative(-x),
        lambda x: +x,
        lambda x: x**1,
        lambda x: x[()],
        lambda x: x.T * 1.0,
        lambda x: x.reshape(())[...] * 1.0,
        lambda x: np.clip(x, None, None),
        lambda x: np.negative(-np.where(x > 9, 0.0, x)),
        np.nan_to_num,
    ],
)
def test_what_is_computed_of_an_array_of_no_axes_is_a_number(function, strict):
    fast = dout.compile(lambda x: function(x), strict=strict)
    for number in (2.5, -1.0, 0.0):
        result = fast(np.array(number))
        assert type(result) is np.float64
        assert result == number
    assert len(fast.plan().programs) == 1


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "function",
    [
        np.array,
        np.copy,
        np.asarray,
        np.ascontiguousarray,
        np.atleast_1d,
        np.ravel,
        lambda x: x.copy(),
        lambda x: x[...],
        lambda x: np.broadcast_arrays(x, x)[0],
    ],
)
def test_an_array_of_no_axes_is_copied_and_looked_into_as_numpy_does(function, strict):
    fast = dout.compile(lambda x: function(x), strict=strict)
    for number in (2.5, -1.0, 0.0):
        x = np.array(number)
        result, expected = fast(x), function(x)
        assert type(result) is np.ndarray
        np.testing.assert_array_equal(result, expected, strict=True)
        assert np.shares_memory(result, x) == np.shares_memory(expected, x)
    assert len(fast.plan().programs) == 1


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "function", [lambda w: np.cumsum(w, axis=0), np.exp, lambda w: np.sort(w, axis=1), lambda w: w.T.T]
)
def test_a_copy_that_turns_an_array_round_can_be_looked_into(function, strict):
    class Kept:
        def forward(self, w):
            self.out = function(w).copy()
            return self.out.reshape(-1)

    layer = Kept()
    fast = dout.compile(layer.forward, strict=strict)
    for number in range(3):
        flat = fast(np.asfortranarray([[1.0, 2.0, number], [4.0, number, 6.0]]))
        assert np.shares_memory(flat, layer.out)
        np.testing.assert_array_equal(flat, layer.out.ravel())
    assert len(fast.plan().programs) == 1
