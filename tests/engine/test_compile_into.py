"""`out=` of another dtype than the result, and other places where NumPy casts: compiled calls do as it does."""

import warnings

import numpy as np
import pytest

import dout

X = np.random.default_rng(0).standard_normal((5, 3))
INTO = {
    "sum": lambda x, out: np.sum(x, axis=0, out=out),
    "ndarray.sum": lambda x, out: x.sum(0, out=out),
    "mean": lambda x, out: np.mean(x, axis=0, out=out),
    "var": lambda x, out: np.var(x, axis=0, out=out),
    "cumsum": lambda x, out: np.cumsum(x[0], out=out),
    "add.reduce": lambda x, out: np.add.reduce(x, axis=0, out=out),
    "median": lambda x, out: np.median(x, axis=0, out=out),
    "einsum": lambda x, out: np.einsum("ij->j", x, out=out),
    "round": lambda x, out: np.round(x[0], 1, out=out),
    "dot": lambda x, out: np.dot(x.T, x[:, 0], out=out),
    "take": lambda x, out: np.take(x[0], [2, 1, 0], out=out),
    "ndarray.take": lambda x, out: x[0].take([2, 1, 0], out=out),
    "random": lambda x, out: np.random.default_rng(0).random(out=out),
    "add": lambda x, out: np.add(x[0], 1, out=out),
    "add where": lambda x, out: np.add(x[0], 1, out=out, where=x[0] > 0),
    "copyto": lambda x, out: np.copyto(out, x[0]),
}


def written(function, x, dtype):
    """What a function writes into an array of a dtype, bit for bit, or the error that NumPy raises."""
    out = np.full(3, 7, dtype)
    try:
        with warnings.catch_warnings(action="ignore"):
            function(x, out)
    except (TypeError, ValueError) as error:
        return str(error)
    return out.tobytes()


@pytest.mark.one_in(3)
@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4"), ("f8", "f8"), ("i8", "f8"), ("f8", "i8")])
@pytest.mark.parametrize("name", INTO)
def test_a_result_is_computed_and_cast_as_numpy_does_it(name, dtypes):
    given, taken = dtypes
    fast = dout.compile(INTO[name], strict=True)
    for scale in (3, 5):
        x = (scale * X).astype(given)
        assert written(fast, x, taken) == written(INTO[name], x, taken)


def test_flags_take_no_numbers():
    def forward(x):
        y = x > 0
        np.copyto(y, 1)
        return y

    for _ in range(2):
        with pytest.raises(TypeError, match="same_kind"):
            dout.compile(forward)(np.ones(2))


def test_the_first_of_a_product_of_complex_vectors_is_conjugated():
    z = X[0] + 1j * X[1]
    for product in (np.vdot, lambda a, b: np.vdot(b, a)):
        fast = dout.compile(lambda a, b, product=product: product(a, b))
        for _ in range(2):
            np.testing.assert_allclose(fast(z, X[2]), product(z, X[2]), rtol=1e-15)
            np.testing.assert_allclose(fast(z, z), np.sum(np.abs(z) ** 2), rtol=1e-14)


@pytest.mark.parametrize("statistic", [np.mean, np.var, np.std])
def test_statistics_of_halves_are_rounded_once(statistic):
    fast = dout.compile(lambda x: statistic(x, axis=0), strict=True)
    for scale in (1, 3, 7):
        x = (scale * X).astype("f2")
        assert fast(x).tobytes() == statistic(x, axis=0).tobytes()


def test_conditions_are_numbers_to_take():
    fast = dout.compile(lambda x, chosen: (np.take(x, chosen), x.take(chosen), x[chosen]))
    x = np.array([1.0, 2.0, 3.0])
    for chosen in ([True, False, True], [False, False, True], [False, True, True]):
        by_number, again, by_mask = fast(x, np.array(chosen))
        np.testing.assert_array_equal(by_number, [x[int(one)] for one in chosen])
        np.testing.assert_array_equal(again, by_number)
        np.testing.assert_array_equal(by_mask, [one for one, here in zip(x, chosen, strict=True) if here])


def test_plain_numbers_that_are_larger_than_an_int64_make_other_arrays():
    fast = dout.compile(lambda x: np.array(x.tolist()) * 2 + 1)
    for numbers in ([1, 2], [1, 2], [2**64 - 1, 2], [2**64 - 1, 2**64 - 1]):
        x = np.array(numbers, np.uint64)
        expected = np.array(numbers) * 2 + 1
        result = fast(x)
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected)
