"""What is tried of several choices, and in which order."""

from itertools import islice, product

from hypothesis import given
from hypothesis import strategies as st

from dout.adapt.combinations import combined


@given(st.lists(st.lists(st.integers(), max_size=4), max_size=5))
def test_every_combination_comes_once_the_likeliest_first(choices):
    ranked = sorted(product(*(enumerate(choice) for choice in choices)), key=lambda c: sum(rank for rank, _ in c))
    assert list(combined(choices)) == [tuple(item for _, item in chosen) for chosen in ranked]


def test_the_first_of_very_many_come_at_once():
    first, second = islice(combined(["abc"] * 40), 2)
    assert (first, second) == (("a",) * 40, ("a",) * 39 + ("b",))
