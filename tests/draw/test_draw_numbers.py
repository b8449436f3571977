"""Numbers as they stand on an edge: short, and right to the last digit shown."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dout.draw import format_number
from dout.draw.words.readable_numbers import show

SHOWN = {
    "100": 100,
    "715": 715.0000000000001,
    "3.3": 3.3000000000000003,
    "12346": 12345.67,
    "−0": -0.0,
    "1e16": 1e16,
    "1e-300": 1e-300,
    "NaN": float("nan"),
    "∞": float("inf"),
    "−∞": float("-inf"),
    "True": True,
    "False": np.False_,
    "0.1": np.float32(0.1),
    "−2.5": np.float64(-2.5),
    "999999999999": 999_999_999_999,
    "1e12": 1_000_000_000_000,
    "1.845e19": 2**64,
    "1e6": 999_999.7,
    "1.235e6": 1_234_567.0,
    "10": 9.99996,
    "0.0001235": 0.00012346,
    "1.235e-5": 0.000012346,
    "1+2j": 1 + 2j,
    "1−2.5j": 1 - 2.5j,
}


@pytest.mark.parametrize("text", SHOWN)
def test_a_number_is_shown_as_a_person_writes_it(text: str) -> None:
    assert format_number(SHOWN[text]) == text


def assert_rounded(text: str, exact: Fraction | Decimal, digits: int) -> None:
    """The text is the number, rounded to so many digits; below a million to a whole at most."""
    shown = Decimal(text.replace("−", "-"))
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 800, -9999, 9999
        value = Decimal(exact.numerator) / Decimal(exact.denominator) if isinstance(exact, Fraction) else exact
        if value == 0:
            assert shown == 0
            return
        unit = Decimal(1).scaleb(value.adjusted() - digits + 1)
        if abs(value) < 10**6 - 1:
            unit = min(unit, Decimal(1))
        assert abs(value - shown) <= unit / 2


DIGITS = st.integers(1, 17)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS, DIGITS)
def test_a_float_is_rounded_to_the_nearest_number_with_these_digits(value: float, digits: int) -> None:
    assert_rounded(format_number(value, digits), Fraction(value), digits)


@given(st.floats(width=16, allow_nan=False, allow_infinity=False), DIGITS)
def test_a_float_of_another_size_is_shown_as_the_number_it_is(value: float, digits: int) -> None:
    for dtype in (np.float16, np.float32, np.longdouble):
        assert_rounded(format_number(dtype(value), digits), Fraction(value), digits)


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="no longer float here")
def test_a_float_beyond_doubles_is_not_shown_as_infinite() -> None:
    huge = np.longdouble("1.5e4000")
    assert format_number(huge) == "1.5e4000"
    assert show(np.full(9, huge), gradient=True).line == "‖·‖ 4.5e4000 [1.5e4000, 1.5e4000]"


def summary_of(line: str) -> tuple[str, str, str]:
    """Mean or norm, and the two ends of the range."""
    middle, low, high = re.fullmatch(r"(?:μ|‖·‖) (\S+) \[(\S+), (\S+)\]", line).groups()  # type: ignore[union-attr]
    return middle, low, high


MANY = st.one_of(
    st.lists(FLOATS, min_size=5, max_size=30),
    st.lists(st.sampled_from([1e16, -1e16, 1.0, 0.5, -0.0, 5e-324, 1e308, -1e308, 0.1]), min_size=5, max_size=30),
)


@given(MANY, DIGITS)
@example([1e16, -1e16, 0.0, 0.0, 5e-324], 1)  # the smallest is lost where the numbers are scaled
def test_mean_and_range_are_right_to_the_last_digit_shown(numbers: list[float], digits: int) -> None:
    mean, low, high = summary_of(show(np.array(numbers), digits).line)
    assert_rounded(mean, sum(map(Fraction, numbers)) / len(numbers), digits)
    assert_rounded(low, Fraction(min(numbers)), digits)
    assert_rounded(high, Fraction(max(numbers)), digits)


@given(MANY, DIGITS)
def test_the_norm_is_right_to_the_last_digit_shown(numbers: list[float], digits: int) -> None:
    norm, _, _ = summary_of(show(np.array(numbers), digits, gradient=True).line)
    squares = sum(Fraction(number) ** 2 for number in numbers)
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 800, -9999, 9999
        exact = (Decimal(squares.numerator) / Decimal(squares.denominator)).sqrt()
    assert_rounded(norm, exact, digits)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=5, max_size=20), DIGITS)
def test_the_mean_of_whole_numbers_is_right_too(numbers: list[int], digits: int) -> None:
    mean, low, high = summary_of(show(np.array(numbers), digits).line)
    assert_rounded(mean, Fraction(sum(numbers), len(numbers)), digits)
    assert (low, high) == (format_number(min(numbers), digits), format_number(max(numbers), digits))


def test_half_floats_whose_sum_and_squares_overflow_are_shown_right() -> None:
    array = np.full(10, 60_000, np.float16)
    assert show(array).line == "μ 60000 [60000, 60000]"
    assert show(array, gradient=True).line == "‖·‖ 189737 [60000, 60000]"


def test_a_mean_that_is_left_after_large_numbers_cancel_is_right() -> None:
    assert show(np.array([1e16, 3.0, -1e16, 0.0, 0.0, 0.0])).line == "μ 0.5 [−1e16, 1e16]"
    assert show(np.tile([1e16, 3.0, -1e16], 30_000)).line == "μ 1 [−1e16, 1e16]"


def test_digits_reach_cells_and_summaries() -> None:
    third = np.full((2, 2), 1 / 3)
    assert show(third, 6).cells[0][0] == "0.333333"
    assert show(np.full(9, 1 / 3), 2).line == "μ 0.33 [0.33, 0.33]"


def test_the_pointer_gets_every_digit_of_an_array() -> None:
    assert "0.1234567890123456" in show(np.array([0.1234567890123456, 1.0])).full
    assert "0.1," in show(np.array([0.1, 2.5], np.float32)).full


def test_small_arrays_of_dates_and_words_are_shown_whole() -> None:
    assert show(np.array(["2026-11-25"], "M8[D]")).cells == (("2026-11-25",),)
    assert show(np.array(["a", "b"])).cells == (("'a'", "'b'"),)
    assert show(np.datetime64("2026-11-25")).text == "2026-11-25"


@given(st.integers())
def test_a_whole_number_up_to_twelve_digits_is_whole(value: int) -> None:
    text = format_number(value).replace("−", "-")
    if abs(value) < 10**12:
        assert text == str(value)
    assert abs(Fraction(text) - value) <= abs(Fraction(value)) / 2000


def test_an_int_longer_than_python_writes_is_shown() -> None:
    assert format_number(10**5000) == "1e5000"
    assert show(10**5000).text == "1e5000"


def test_a_small_array_is_shown_whole_with_its_zeros_faint() -> None:
    shown = show(np.array([[1.0, 0.0], [0.0, 3.0]]))
    assert shown.cells == (("1", "0"), ("0", "3"))
    assert shown.faint == ((False, True), (True, False))


def test_a_mask_is_shown_whole() -> None:
    assert show(np.array([True, False])).cells == (("True", "False"),)


def test_a_larger_array_is_shown_as_shape_dtype_mean_range_and_histogram() -> None:
    shown = show(np.arange(20, dtype=np.float32).reshape(4, 5))
    assert (shown.head, shown.line) == ("(4, 5) f32", "μ 9.5 [0, 19]")
    assert len(shown.bars) == 8
    assert max(shown.bars) == 1


def test_the_gradient_of_a_larger_array_shows_its_norm() -> None:
    assert show(np.full((3, 5), 2.0), gradient=True).line == "‖·‖ 7.746 [2, 2]"


@pytest.mark.parametrize(
    ("dtype", "head"),
    [("f8", "(9,) f64"), ("i8", "(9,) i64"), ("?", "(9,) bool"), ("u1", "(9,) u8"), ("c16", "(9,) c128")],
)
def test_dtypes_have_short_names(dtype: str, head: str) -> None:
    assert show(np.zeros(9, dtype)).head == head


def test_nan_and_infinities_are_counted_loudly() -> None:
    array = np.ones((3, 5))
    array[0, :3] = [np.nan, np.inf, -np.inf]
    shown = show(array)
    assert shown.loud == "1 NaN, 1 ∞, 1 −∞"
    assert shown.line == "μ 1 [1, 1]"


@pytest.mark.parametrize(
    "array",
    [np.zeros((0, 3)), np.full(9, np.nan), np.full(9, 1.7e308), np.full(9, 5e-324), np.array("text"), np.array([None])],
    ids=str,
)
def test_odd_arrays_are_shown_without_a_warning(array: np.ndarray) -> None:
    assert show(array).text


def test_every_digit_is_kept_for_the_pointer() -> None:
    assert show(715.0000000000001).full == "715.0000000000001"
    assert show(np.float64(0.1)).full == "0.1"


def test_a_repr_that_raises_does_not_take_the_picture_with_it() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert show(Broken()).text == "<Broken>"
