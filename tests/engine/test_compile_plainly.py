"""What a recording cannot follow runs plainly, with the effects of one plain run."""

import array
import hashlib
import json
import operator
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


ASIDE = {
    "a sort": lambda y: y.sort(),
    "a sort of another kind": lambda y: y.sort(kind="stable"),
    "a sort backwards": lambda y: y[::-1].sort(),
    "an addition": lambda y: operator.iadd(y, 2),
    "an addition that NumPy refuses": lambda y: operator.iadd(y, 1.5),
    "a division that NumPy refuses": lambda y: operator.itruediv(y, 2),
    "an addition of more": lambda y: operator.iadd(y, np.ones((2, 3), int)),
}


@pytest.mark.parametrize("name", ASIDE)
def test_arrays_change_in_place_as_in_a_plain_run_after_a_line_that_is_not_recorded(name):
    def forward(x):
        y = x * 1
        np.put(y, [0], 9)
        ASIDE[name](y)
        return y

    assert written(dout.compile(forward), np.array([3, 1, 2])) == written(forward, np.array([3, 1, 2]))


def written(forward, x):
    """What a function gives, or the error that NumPy raises."""
    try:
        return forward(x).tolist()
    except (TypeError, ValueError) as error:
        return str(error)


def test_an_array_that_a_library_keeps_is_the_very_one():
    def forward(x):
        y = x * 2
        return y, np.ma.masked_array(y)

    fast = dout.compile(forward)
    for _ in range(3):
        y, masked = fast(np.arange(3.0))
        y[0] = 7
        assert masked.data[0] == 7


def test_a_write_that_fails_and_is_caught_fails_in_no_other_call():
    class Averaging:
        def __init__(self):
            self.w = np.ones(2)
            self.w.flags.writeable = False

        def step(self, x):
            try:
                self.w += x
            except ValueError:
                self.w = self.w + x
            return self.w

    averaging = Averaging()
    fast = dout.compile(averaging.step)
    first = fast(np.ones(2))
    assert fast(np.ones(2)) is first
    assert first.tolist() == [3, 3]


class Replay:
    def __init__(self, capacity):
        self.states, self.place = np.zeros((capacity, 2)), 0

    def push(self, state):
        self.states[self.place] = state
        self.place = (self.place + 1) % len(self.states)


@pytest.mark.parametrize("capacity", [4, 100_000])
def test_a_few_elements_of_a_large_array_are_written_by_numpy(capacity):
    plain, replay = Replay(capacity), Replay(capacity)
    fast = dout.compile(replay.push)
    for number in range(5):
        plain.push(np.full(2, number))
        fast(np.full(2, number))
    np.testing.assert_array_equal(replay.states, plain.states)
    assert len(fast.plan().programs) == (capacity == 4)
    assert ("would copy all of an array of 1.6 MB" in str(fast.plan())) == (capacity > 4)


class Words:
    def __init__(self):
        self.vectors, self.weights = np.ones((2048, 64)), np.full((64, 512), 0.01)

    def step(self, words):
        hidden = np.tanh(self.vectors[words] @ self.weights)
        self.vectors[words] -= 0.1 * ((1 - hidden**2) @ self.weights.T)
        return hidden


def test_an_array_is_copied_where_that_is_little_beside_all_that_is_computed():
    plain, compiled = Words(), Words()
    fast = dout.compile(compiled.step)
    for start in range(3):
        words = np.arange(start, start + 200)
        np.testing.assert_allclose(fast(words), plain.step(words), rtol=1e-12)
    np.testing.assert_allclose(compiled.vectors, plain.vectors, rtol=1e-12)
    assert fast.plan().programs


class Elementwise:
    """A loop over single elements; backward goes over them too, and adds up a gradient."""

    def __init__(self):
        self.scale = 3.0

    def forward(self, x):
        self.x = x
        y = np.zeros_like(x)
        for i in range(len(x)):
            y[i] = x[i] * self.scale
        return y

    def backward(self, dout):
        self.dscale = np.zeros(1)
        for i in range(len(dout)):
            self.dscale[0] += dout[i] * self.x[i]
        return dout * self.scale


def test_a_loop_over_very_many_elements_is_left_to_numpy():
    plain, fast = Elementwise(), dout.compile(Elementwise())
    for seed in range(2):
        x = np.random.default_rng(seed).normal(size=12_000)
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        np.testing.assert_array_equal(fast.backward(x), plain.backward(x))
        np.testing.assert_array_equal(fast.dscale, plain.dscale)
    for function in fast.plan().functions:
        (why,) = function.plainly
        assert why.startswith("it takes more than 30000 operations, as a loop over single elements does, at ")
        assert __file__ in why


def added_at(x):
    for _ in range(10_100):
        np.add.at(x, [0, 0, 1], 1.0)
    return x


def rows_changed(x):
    for i in range(10_100):
        row = x[i % 3]
        row += 1.0
        x[i % 3] *= 0.5
    return x


def shifted_along(x):
    for _ in range(10_100):
        x[1:] = x[:-1] + 1.0
    return x


def looked_at_before_a_write(x):
    rows = [x[i % 4] for i in range(31_000)]
    x += 1.0
    return rows[-1]


@pytest.mark.parametrize("function", [added_at, rows_changed, shifted_along, looked_at_before_a_write])
@pytest.mark.parametrize("before", range(4))  # operations: where in a step the limit falls
def test_a_write_at_which_the_limit_is_reached_happens_once(function, before):
    def shifted(x):
        for _ in range(before):
            np.sin(x)
        return function(x)

    mine, theirs = np.arange(12.0).reshape(4, 3), np.arange(12.0).reshape(4, 3)
    fast = dout.compile(shifted)
    np.testing.assert_array_equal(fast(mine), shifted(theirs))
    np.testing.assert_array_equal(mine, theirs)
    assert "more than 30000 operations" in fast.plan().functions[0].plainly[0]


def test_the_gradient_of_a_loop_over_very_many_elements_is_derived_as_ever():
    def loss(x):
        total = 0.0
        for i in range(len(x)):
            total = total + x[i] * i
        return total

    fast, x = dout.compile(dout.value_and_grad(loss)), np.ones(11_000)
    for _ in range(2):
        value, gradient = fast(x)
        assert value == 11_000 * 10_999 / 2
        np.testing.assert_array_equal(gradient, np.arange(11_000))
    (why,) = fast.plan().functions[0].plainly
    assert "more than 30000 operations" in why
