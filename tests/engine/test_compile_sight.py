"""`dout.compile` where a call is another than the recorded one, and only a close look tells."""
# ruff: noqa: NPY002 - as people write it

import array
import datetime
import operator

import numpy as np
import pytest

import dout
from dout.run import flat


def agree(function, *calls):
    """Give the compiled and the plain function the same; what they return or raise, and what they write, is the same.

    Each call makes its arguments, and is made twice, so that the second has a program where there is one; the numbers
    in its arrays are others.
    """
    fast = dout.compile(function)
    for make, times in ((call, times) for call in calls for times in (1, 3)):
        ours, theirs = grown(make(), times), grown(make(), times)
        np.testing.assert_equal(outcome(fast, ours), outcome(function, theirs))
        np.testing.assert_equal(ours, theirs)
    return fast.plan().functions[0]


def grown(arguments, times):
    """The arguments, with floats in their arrays so many times as large; what shares memory goes on doing so."""
    for item in flat(arguments):
        if type(item) is np.ndarray and item.dtype.kind == "f" and item.base is None:
            item *= times
    return arguments


def outcome(function, arguments):
    try:
        return function(*arguments)
    except ArithmeticError as error:
        return type(error)


def ones():
    return (np.ones(3),)


def zeros():
    return (np.zeros(3),)


def apart():
    return np.arange(3.0), np.arange(3.0)


def a_view_after_it():
    x = np.arange(3.0)
    return x, x[:]


def a_view_before_it():
    x = np.arange(3.0)
    return x[:], x


def the_same():
    x = np.arange(3.0)
    return x, x


@pytest.mark.parametrize("together", [a_view_after_it, a_view_before_it, the_same])
def test_an_array_is_written_into_while_a_view_of_it_is_read(together):
    def doubled(w, g):
        w *= 2
        return w + g

    def in_a_list(arrays):
        return doubled(*arrays)

    assert not agree(doubled, apart).plainly
    agree(doubled, apart, together)
    agree(in_a_list, lambda: (list(apart()),), lambda: (list(together()),))


def test_an_array_is_read_after_a_view_of_it_was_written_and_written_again():
    def twice(whole, part):
        part += 0.5
        part[::-1] = whole

    fast = dout.compile(twice)
    for number in range(3):
        ours, theirs = np.arange(3.0) * number, np.arange(3.0) * number
        fast(ours, ours[:])
        twice(theirs, theirs[:])
        np.testing.assert_array_equal(ours, theirs)


def test_a_seed_in_a_function_is_set_in_each_call():
    def noisy(x):
        np.random.seed(3)
        return x + np.random.rand(3)

    assert "it calls seed" in agree(noisy, ones, zeros, ones).plainly[0]


def test_errors_that_numpy_is_told_to_raise_are_raised():
    def by_setting(x):
        kept = np.seterr(divide="raise")
        try:
            return 1 / x
        finally:
            np.seterr(**kept)

    def inside(x):
        with np.errstate(divide="raise"):
            return 1 / x

    def silent(x):
        with np.errstate(divide="ignore"):
            return 1 / x

    for function in (by_setting, inside, np.errstate(divide="raise")(lambda x: 1 / x)):
        assert agree(function, ones, zeros).plainly
    with np.errstate(divide="ignore"):
        assert not agree(silent, ones, zeros).plainly


def test_the_time_is_another_in_each_call():
    fast = dout.compile(lambda x: x + datetime.datetime.now().microsecond)
    assert len({float(fast(np.zeros(1))[0]) for _ in range(20)}) > 3


@pytest.mark.parametrize("zero", [(-0.0, 1.0), (0.0, -0.0)])
def test_zeros_that_differ_in_their_sign_are_two_numbers(zero):
    class Divided:
        pair = (0.0, 0.0)

        def forward(self, x):
            return np.divide(x, self.pair[0]) - np.divide(x, self.pair[1])

        def backward(self, dout):
            return dout

    layer = Divided()
    fast = dout.compile(layer)
    with np.errstate(all="ignore"):
        for pair in ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), zero):
            layer.pair = pair
            np.testing.assert_array_equal(fast.forward(np.ones(2)), layer.forward(np.ones(2)))


MANY = [float(number) for number in range(1500)]
OTHERS = [2 * number + 1 for number in MANY]


@pytest.mark.parametrize("kind", [list, lambda numbers: dict(enumerate(numbers)), lambda numbers: [numbers, 1.0]])
def test_what_is_in_a_long_list_or_dict_is_compared(kind):
    def scaled(x, numbers):
        return x * (numbers[0][3] if len(numbers) == 2 else numbers[3])

    calls = [lambda numbers=numbers: (np.ones(2), kind(numbers)) for numbers in (MANY, OTHERS, MANY)]
    assert not agree(scaled, *calls).plainly


def test_what_a_call_puts_into_a_long_list_stays_there():
    def noted(x, numbers):
        numbers[3] = 7.0
        return x * 2

    agree(noted, lambda: (np.ones(2), list(MANY)), lambda: (np.zeros(2), list(MANY)))


def test_the_order_of_keys_is_watched():
    def first(x, settings):
        return x * next(iter(settings.values()))

    agree(first, lambda: (np.ones(2), {"a": 1.0, "b": 2.0}), lambda: (np.ones(2), {"b": 2.0, "a": 1.0}))


@pytest.mark.parametrize(
    "strange",
    [np.ma.array([1.0, 2.0], mask=[False, True]), np.array(["a", "b"]), np.array([1, None]), np.zeros(2, "M8[D]")],
)
def test_arrays_of_other_kinds_are_given_plainly(strange):
    plan = agree(lambda x: x, lambda: (strange,), lambda: (strange[:1],))
    assert plan.plainly
    agree(lambda x, y: (x[0][:1], y * 2), lambda: ((strange,), np.ones(2)))


class Moded:
    def __init__(self):
        self.mode = "a"


mode_of = operator.attrgetter("mode")


def matched(x, settings):
    match settings:
        case Moded(mode="a"):
            return x
    return x * 2


@pytest.mark.parametrize(
    "function",
    [
        matched,
        lambda x, settings: x if mode_of(settings) == "a" else x * 2,
        lambda x, settings: x if "{0.mode}".format(settings) == "a" else x * 2,  # noqa: UP030, UP032
    ],
)
def test_attributes_that_no_dot_reads_are_watched(function):
    settings, fast = Moded(), dout.compile(function)
    for mode in "aaab":
        settings.mode = mode
        np.testing.assert_array_equal(fast(np.ones(2), settings), np.ones(2) * (1 if mode == "a" else 2))


@pytest.mark.parametrize("view", [lambda numbers: numbers, memoryview])
def test_numbers_in_an_array_of_pythons_own_are_looked_at_in_each_call(view):
    numbers = array.array("d", [1.0])
    given, fast = view(numbers), dout.compile(lambda x, given: x * given[0])
    for number in (1.0, 1.0, 1.0, 2.0):
        numbers[0] = number
        assert fast(np.ones(1), given) == number


class Scaled:
    slope, mode, train = 2.0, "double", True

    def forward(self, x):
        x = x * self.slope if self.train else x
        return x * 2 if self.mode == "double" else x

    def backward(self, dout):
        return dout


@pytest.mark.parametrize(("name", "item"), [("slope", 5.0), ("mode", "single"), ("train", False)])
@pytest.mark.parametrize("of_class", [True, False])
def test_what_a_class_answers_may_change_there_or_be_answered_by_the_layer(monkeypatch, name, item, of_class):
    layer, x = Scaled(), np.arange(3.0)
    fast = dout.compile(layer)
    for _ in range(2):
        np.testing.assert_array_equal(fast.forward(x), Scaled().forward(x))
    monkeypatch.setattr(Scaled if of_class else layer, name, item)
    for _ in range(2):
        np.testing.assert_array_equal(fast.forward(x), layer.forward(x))


EXECUTED: dict = {}
exec("def halved(x): return x / 2", EXECUTED)


def test_names_of_code_that_was_executed_are_no_more_than_they_were():
    fast, names = dout.compile(lambda x: np.asarray(x.tolist())), set(EXECUTED)
    for _ in range(3):
        fast(np.ones(1))
        assert set(EXECUTED) == names


class Noted:
    def __init__(self):
        self.note, self.notes, self.named = 3, [1.5, 3], {"note": 3, "mode": "a"}

    def whether_there(self, x):
        return x if self.note is None else x * 2

    def of_a_kind(self, x):
        return x * 2 if isinstance(self.note, int) else x

    def in_a_list(self, x):
        return x if any(note is None for note in self.notes) else x * 2

    def in_a_dict(self, x):
        return x * 2 if type(self.named["note"]) is int else x


@pytest.mark.parametrize("name", ["whether_there", "of_a_kind", "in_a_list", "in_a_dict"])
@pytest.mark.parametrize("other", [None, 2.5, True, "auto", np.float32(3)])
def test_the_type_of_a_number_that_is_not_computed_with_is_watched(name, other):
    noted = Noted()
    fast = dout.compile(getattr(noted, name))
    for note in (3, 4, other, other, 5):
        noted.note = noted.notes[1] = noted.named["note"] = note
        np.testing.assert_array_equal(fast(np.ones(2)), getattr(noted, name)(np.ones(2)))
    assert fast.plan().programs


class Held:
    """A layer that computes with what it holds, in the order in which it holds it."""

    def __init__(self, held):
        self.held = held

    def in_order(self, x):
        for number in self.held:
            x = x * 2 + number
        return x

    def inside(self, x):
        for number in self.held[1]:
            x = x * number
        return x

    def end(self, x):
        return x * self.held.stop


@pytest.mark.parametrize(
    ("method", "first", "later"),
    [
        ("in_order", {0, 8}, (8, 0)),
        ("in_order", {0, 8}, (0.0, 8)),
        ("in_order", {2: 1, 3: 1}, (2.0, 3)),
        ("in_order", {2: 1}, (2.0,)),
    ],
)
def test_the_order_and_the_types_in_a_set_or_among_keys_are_watched(method, first, later):
    fast, plain = Held(type(first)(first)), Held(type(first)(first))
    compiled, x = dout.compile(getattr(fast, method)), np.arange(1, 4)
    for _ in range(3):
        compiled(x)
    for held in (fast.held, plain.held):
        held.clear()
        for item in later:
            held.update({item: 1} if isinstance(held, dict) else {item})
    got, wanted = compiled(x), getattr(plain, method)(x)
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("method", "first", "later"),
    [
        ("end", range(0, 3, 2), range(0, 4, 2)),
        ("end", slice(0, 2), slice(0, 2.0)),
        ("inside", (1, frozenset({2})), (1, frozenset({2.0}))),
    ],
)
def test_the_ends_of_ranges_and_the_types_in_frozen_sets_are_watched(method, first, later):
    layer = Held(first)
    compiled, x = dout.compile(getattr(layer, method)), np.arange(1, 4)
    for _ in range(3):
        compiled(x)
    layer.held = later
    got, wanted = compiled(x), getattr(Held(later), method)(x)
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
