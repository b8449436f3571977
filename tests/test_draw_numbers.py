"""Numbers as they stand on an edge: short, and right to the last digit shown."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dout.draw import format_number
from dout.draw.shown import show

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


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(2, 8))
def test_a_float_is_rounded_to_the_nearest_number_with_these_digits(value: float, digits: int) -> None:
    text = format_number(value, digits).replace("−", "-")
    exact, shown = Fraction(value), Fraction(text)
    if value == 0:
        assert shown == 0
        return
    exponent = math.floor(math.log10(abs(value))) if abs(value) > 1e-300 else -320
    while abs(exact) >= Fraction(10) ** (exponent + 1):
        exponent += 1
    while abs(exact) < Fraction(10) ** exponent:
        exponent -= 1
    unit = Fraction(10) ** (exponent - digits + 1)
    if abs(exact) < 10**6 - 1:
        unit = min(unit, Fraction(1))
    assert abs(exact - shown) <= unit / 2


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
    assert show(np.full((3, 5), 2.0), gradient=True).line == "‖·‖ 7.75 [2, 2]"


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
