"""What a recording cannot follow runs plainly, with the effects of one plain run."""

import array
import hashlib
import json
import pickle
import random
import struct
import zlib
from collections import OrderedDict
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest

import dout


def json_imported_inside(x):
    import json as inside

    return inside.dumps({"loss": x.sum()})


def statistics_imported_inside(x):
    from statistics import mean

    return mean(x)


IN_C = {
    "memoryview": lambda x: len(memoryview(x)),
    "bytes": bytes,
    "crc32": zlib.crc32,
    "sha1": lambda x: hashlib.sha1(x).hexdigest(),
    "a method of a hash": lambda x: (h := hashlib.sha256(), h.update(x)) and h.digest(),
    "ndarray.sum": np.ndarray.sum,
    "ndarray.__add__": lambda x: np.ndarray.__add__(x, 1)[0],
    "float.hex": lambda x: float.hex(x[0]),
    "struct": lambda x: struct.pack("f", x[0]),
    "array.array": lambda x: array.array("d", x),
    "Decimal": lambda x: Decimal(float(x[0])),
    "pickle": pickle.dumps,
    "json": json_imported_inside,
    "statistics": statistics_imported_inside,
    "after what has no row": lambda x: (np.frombuffer(x, dtype=x.dtype), bytes(x))[1],
}


@pytest.mark.parametrize("name", IN_C)
def test_functions_in_c_get_what_they_get_plainly(name):
    def run(x):
        return IN_C[name](x), x * 2

    fast = dout.compile(run)
    for scale in (1.0, 2.0, 3.0):
        x = np.array([1.5, 2.5, 0.25]) * scale
        (ours, twice), (theirs, _) = fast(x), run(x)
        assert (type(ours), ours) == (type(theirs), theirs)
        np.testing.assert_array_equal(twice, x * 2)
    assert fast.plan().functions[0].plainly


def test_the_plan_says_which_line_needs_the_array_itself():
    fast = dout.compile(lambda x: zlib.crc32(x))
    fast(np.ones(3))
    assert f"it needs the array or number itself, and a recording has only a stand-in, at {__file__}" in str(
        fast.plan().functions[0].plainly
    )


class Slotted:
    __slots__ = ("counts", "word")
    kind = "first"

    def __init__(self):
        self.word = "first"

    def turn(self):
        self.counts = [*getattr(self, "counts", []), 1]
        self.word += "!"
        Slotted.kind += "!"


class Keeper:
    """It changes all kinds of things, and then needs the array itself, or fails."""

    def __init__(self, last):
        self.last = last
        self.count, self.total, self.view = 0, np.zeros(3), None
        self.table = np.arange(6.0)
        self.part = self.table[::2]
        self.seen, self.names, self.flags = [1], {"a": 1, "b": 2}, {1}
        self.order = OrderedDict(a=1, b=2)
        self.more = SimpleNamespace(n=0, gone=1)
        self.rng = np.random.default_rng(0)
        self.old = np.random.RandomState(0)
        self.slotted, Slotted.kind = Slotted(), "first"
        word = "first"

        def said():
            nonlocal word
            word += "!"
            return word

        self.said = said

    def run(self, x):
        self.count += 1
        self.total += x
        self.part *= 2
        self.view = self.total[1:]
        self.seen.append(x.sum())
        self.names["a"] = self.names.pop("b")
        self.names["b"] = self.count
        self.flags.add(self.count)
        self.order.move_to_end("a")
        self.more.n += 1
        self.more.new = self.more.n
        self.slotted.turn()
        self.words = self.said(), self.slotted.word, Slotted.kind, len(self.slotted.counts)
        x += self.rng.normal(size=3) + self.old.normal(size=3) + np.random.rand(3) + random.random()  # noqa: NPY002
        return x * 2, self.last(x)


UNSHOWN = ("rng", "old", "last", "slotted", "said")


def state_after(keeper, call, x):
    """What a call gives or raises, and all that it leaves."""
    try:
        got = repr(call(x))
    except ZeroDivisionError as error:
        got = repr(error)
    left = {key: value for key, value in vars(keeper).items() if key not in UNSHOWN}
    drawn = [keeper.rng.random(), keeper.old.rand(), np.random.rand(), random.random()]  # noqa: NPY002
    return got, repr(left), repr(x), drawn, keeper.view.base is keeper.total, keeper.part.base is keeper.table


def needs(x):
    return bytes(x)


def needs_after_what_has_no_row(x):
    np.frombuffer(x, dtype=x.dtype)
    x += 1
    return bytes(x)


def fails(x):
    return 1 // 0


def needs_and_fails(x):
    return bytes(x), 1 // 0


@pytest.mark.parametrize("last", [needs, needs_after_what_has_no_row, fails, needs_and_fails])
def test_all_effects_are_those_of_one_plain_run(last):
    states = []
    for compiled in (False, True):
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        keeper = Keeper(last)
        call = dout.compile(keeper.run) if compiled else keeper.run
        states.append([state_after(keeper, call, np.full(3, float(n))) for n in range(4)])
    for ours, theirs in zip(states[1], states[0], strict=True):
        assert ours == theirs


def test_an_error_of_the_users_shows_their_lines_alone():
    def run(x):
        bytes(x)
        return fails(x)

    with pytest.raises(ZeroDivisionError) as caught:
        dout.compile(run)(np.ones(3))
    assert caught.traceback[-1].name == "fails"
    assert caught.value.__context__ is None
    assert not getattr(caught.value, "__notes__", [])


def test_what_has_been_printed_is_not_printed_again(capsys):
    def run(x):
        print("once")  # noqa: T201
        return bytes(x)

    fast = dout.compile(run)
    for number in (1, 2):
        with pytest.raises(TypeError) as caught:
            fast(np.ones(3))
        assert any("recorded" in note for note in caught.value.__notes__)
        assert capsys.readouterr().out == "once\n" * 1, number
    assert fast(np.ones(3)) == bytes(np.ones(3))  # from now on it runs plainly
    assert capsys.readouterr().out == "once\n"


def test_what_a_given_generator_gave_is_not_taken_twice():
    def run(x, numbers):
        return next(numbers), bytes(x)

    fast, numbers = dout.compile(run), iter(range(10))
    for first in range(3):
        try:
            got = fast(np.ones(3), numbers)[0]
        except TypeError:
            got = first
        assert got == first
    assert next(numbers) == 3


def test_a_log_that_is_imported_inside_is_written_once(tmp_path):
    file = tmp_path / "log"

    def run(x):
        with file.open("a") as log:
            log.write(json.dumps({"loss": x.sum()}) + "\n")
        return x * 2

    fast = dout.compile(run)
    for _ in range(3):
        fast(np.ones(3))
    assert file.read_text() == '{"loss": 3.0}\n' * 3


def test_an_error_that_plain_runs_do_not_raise_is_not_caught_in_compiled_ones():
    def size(x):
        try:
            return len(bytes(x))
        except TypeError:
            return 0

    def text(x):
        import json as inside

        try:
            return len(inside.dumps({"loss": x.sum()}))
        except TypeError:
            return 0

    for count in (size, text):
        fast = dout.compile(lambda x, count=count: x * count(x))
        for _ in range(3):
            np.testing.assert_array_equal(fast(np.ones(3)), np.full(3, count(np.ones(3))))
        assert (
            f"an error is caught that may come of the recording, at {__file__}" in fast.plan().functions[0].plainly[0]
        )


def test_an_error_that_plain_runs_catch_too_stands_in_no_ones_way():
    def pooled(x, size):
        try:
            height, width = size
        except TypeError:
            height = width = size
        return x * height + width

    fast = dout.compile(pooled)
    for size in (3, 3, 3, (2, 4)):
        np.testing.assert_array_equal(fast(np.ones(3), size), pooled(np.ones(3), size))
    assert not fast.plan().functions[0].plainly
    assert fast.plan().programs
