"""What calls keep in defaults, closures, sets and containers of the library is kept by each compiled call."""
# ruff: noqa: B006, B008 - as people write it

import array
import string
from collections import ChainMap, Counter, UserDict, UserList, deque

import numpy as np
import pytest

import dout


class Counting:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x * self.calls


def layer():
    """A layer of a class that is made anew, with closures and defaults of its own."""
    box, seen, calls, weights = {}, set(), 0, np.ones(1)

    class Layer:
        act = Counting()

        def __init__(self):
            self.seen, self.inside, self.named = set(), (set(),), {"seen": set()}
            self.library = {"list": UserList(), "dict": UserDict(), "chain": ChainMap({})}

        def list_in_a_default(self, x, kept=[]):
            kept.append(1.0)
            return x * sum(kept)

        def dict_in_a_default(self, x, kept={}):
            kept.setdefault("calls", 0)
            kept["calls"] += 1
            return x * kept["calls"]

        def set_in_a_default(self, x, kept=set()):
            kept.add(len(kept))
            return x * len(kept)

        def counter_in_a_default(self, x, *, kept=Counter()):
            kept["calls"] += 1
            return x * kept["calls"]

        def nested_in_a_default(self, x, kept=([0], {"a": []})):
            kept[0][0] += 1
            kept[1]["a"].append(1)
            return x * kept[0][0] * len(kept[1]["a"])

        def deque_in_a_default(self, x, kept=deque()):
            kept.append(1)
            return x * len(kept)

        def bytes_in_a_default(self, x, kept=bytearray()):
            kept.append(1)
            return x * len(kept)

        def array_in_a_default(self, x, kept=array.array("d")):
            kept.append(1.0)
            return x * len(kept)

        @staticmethod
        def default_of_a_static_method(x, kept=[]):
            kept.append(1)
            return x * len(kept)

        @classmethod
        def default_of_a_class_method(cls, x, kept=[]):
            kept.append(1)
            return x * len(kept)

        def __call__(self, x, kept=[0]):
            kept[0] += 1
            return x * kept[0]

        def __getitem__(self, place, kept=set()):
            kept.add(len(kept))
            return len(kept)

        def __len__(self):
            box["asked"] = box.get("asked", 0) + 1
            return box["asked"]

        @property
        def times(self):
            box["times"] = box.get("times", 0) + 1
            return box["times"]

        def dict_closed_over(self, x):
            box["calls"] = box.get("calls", 0) + 1
            return x * box["calls"]

        def set_closed_over(self, x):
            seen.add(len(seen))
            return x * len(seen)

        def number_closed_over(self, x):
            nonlocal calls
            calls += 1
            return x * calls

        def array_closed_over(self, x):
            nonlocal weights
            weights = weights + 1
            return x * weights

    return Layer()


def added_to(kept, x):
    kept.add(len(kept))
    return x * len(kept)


def counted_in(kept, x):
    kept["calls"] = kept["calls"] + 1 if "calls" in kept else 1
    return x * kept["calls"]


def longer(kept, x):
    kept.append(1)
    return x * len(kept)


USES = {
    "a list in a default": lambda of, x: of.list_in_a_default(x),
    "a dict in a default": lambda of, x: of.dict_in_a_default(x),
    "a set in a default": lambda of, x: of.set_in_a_default(x),
    "a counter in a default by name": lambda of, x: of.counter_in_a_default(x),
    "a list in a tuple in a default": lambda of, x: of.nested_in_a_default(x),
    "a deque in a default": lambda of, x: of.deque_in_a_default(x),
    "bytes in a default": lambda of, x: of.bytes_in_a_default(x),
    "an array of Python's in a default": lambda of, x: of.array_in_a_default(x),
    "a default of a static method": lambda of, x: of.default_of_a_static_method(x),
    "a default of a class method": lambda of, x: of.default_of_a_class_method(x),
    "a default of a call": lambda of, x: of(x),
    "a default of what Python calls": lambda of, x: x * of[0],
    "a dict that what Python calls closes over": lambda of, x: x * len(of),
    "a dict that a property closes over": lambda of, x: x * of.times,
    "a dict closed over": lambda of, x: of.dict_closed_over(x),
    "a set closed over": lambda of, x: of.set_closed_over(x),
    "a number closed over": lambda of, x: of.number_closed_over(x),
    "an array closed over": lambda of, x: of.array_closed_over(x),
    "an object in a class": lambda of, x: of.act(x),
    "a set in an attribute": lambda of, x: added_to(of.seen, x),
    "a set in a tuple": lambda of, x: added_to(of.inside[0], x),
    "a set in a dict": lambda of, x: added_to(of.named["seen"], x),
    "a list of the library": lambda of, x: longer(of.library["list"], x),
    "a dict of the library": lambda of, x: counted_in(of.library["dict"], x),
    "dicts in a chain": lambda of, x: counted_in(of.library["chain"], x),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", USES)
def test_what_a_call_keeps_is_there_in_the_next(name):
    use, plain, compiled = USES[name], layer(), layer()
    fast = dout.compile(lambda of, x: use(of, x))
    for _ in range(5):
        np.testing.assert_array_equal(fast(compiled, np.ones(1)), use(plain, np.ones(1)))


@pytest.mark.parametrize("name", ["list_in_a_default", "dict_closed_over", "default_of_a_static_method"])
def test_what_a_compiled_method_keeps_is_there_in_its_next_call(name):
    plain, fast = getattr(layer(), name), dout.compile(getattr(layer(), name))
    for _ in range(5):
        np.testing.assert_array_equal(fast(np.ones(1)), plain(np.ones(1)))


def test_lists_that_no_call_changes_are_nothing_against_a_program():
    class Pooling:
        def summed(self, x, axes=[0, 1]):
            return x.sum(tuple(axes))

        def __call__(self, x):
            return self.summed(x) * len({"a", "b"})

    pooling = Pooling()
    fast = dout.compile(lambda x: pooling(x))
    assert [fast(np.ones((2, 3))) for _ in range(3)] == [12.0] * 3
    assert fast.plan().programs


class Numbered:
    def step(self, x):
        cls = type(self)
        cls.number = getattr(cls, "number", 0) + 1
        return x * cls.number


def test_an_attribute_that_a_call_gives_to_a_class_is_there_in_the_next():
    fast = dout.compile(Numbered().step)
    assert [fast(np.ones(1)).item() for _ in range(4)] == [1, 2, 3, 4]
    assert fast.plan().programs


def test_an_attribute_that_is_set_on_an_object_of_a_librarys_class_is_set_by_each_call():
    class Layer:
        def __init__(self):
            self.form = string.Formatter()

        def forward(self, x):
            self.form.last = x
            return 2 * x

    layer = Layer()
    fast = dout.compile(layer.forward)
    for turn in range(3):
        x = np.full(2, float(turn))
        fast(x)
        assert layer.form.last is x
    assert fast.plan().functions[0].plainly == ("it uses Formatter.last, which may change unseen",)


class Strided:
    """It keeps slices that are made of its own numbers."""

    def __init__(self):
        self.stride = 2

    def forward(self, x):
        self.moved = [(slice(None), slice(at, at + 3 * self.stride + 1, self.stride)) for at in range(2)]
        self.first = slice(self.stride)
        return x[self.moved[1]] * 2

    def backward(self, dout):
        return dout * 2


def test_slices_that_are_kept_hold_the_numbers_of_their_call():
    x = np.arange(40.0).reshape(2, 20)
    layer, plain = Strided(), Strided()
    traced = Strided()
    dout.trace(traced, x)
    fast = dout.compile(layer)
    for stride in (2, 2, 2, 3, 3, 2):
        layer.stride = plain.stride = stride
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        assert (layer.moved, layer.first) == (plain.moved, plain.first)
        for one in (layer.first, layer.moved[1][1], traced.moved[1][1], traced.first):
            assert type(one.stop) is int


def test_an_equal_tuple_stays_the_one_that_was_there():
    class Scaled:
        def forward(self, x):
            self.shape, self.factors = x.shape, (0.0, -0.0)[: len(x)]
            return x * 2

        def backward(self, dout):
            return dout * 2

    layer = dout.compile(Scaled())
    for _ in range(3):
        layer.forward(np.ones((2, 3)))
    shape, factors = layer.shape, layer.factors
    layer.forward(np.ones((2, 3)))
    assert layer.shape is shape
    assert layer.factors is factors
    assert str(factors) == "(0.0, -0.0)"


class Places:
    """Keeps the places of its windows, made from settings at each call."""

    def __init__(self, step):
        self.step = step

    def forward(self, x):
        self.moved = [(slice(None), slice(at, len(x[0]), self.step)) for at in range(2)]
        self.both = self.moved
        return x[self.moved[0]] + x[self.moved[1]]

    def backward(self, dout):
        dx = np.zeros((3, 8))
        for moved in self.moved:
            dx[moved] += dout
        return dx


def test_tuples_of_numbers_that_were_compared_are_those_that_stood_there():
    layer = Places(2)
    fast, x = dout.compile(layer), np.arange(24.0).reshape(3, 8)
    for _ in range(2):
        fast.backward(fast.forward(x))
    stood = list(layer.moved)
    fast.backward(fast.forward(x))
    assert all(now is then for now, then in zip(layer.moved, stood, strict=True))
    assert layer.both is layer.moved


def test_tuples_of_numbers_follow_the_settings():
    layer, plain = Places(2), Places(2)
    fast, x = dout.compile(layer), np.arange(24.0).reshape(3, 8)
    for step in (2, 2, 4, 4, 2):
        layer.step = plain.step = step
        for one in (fast, plain):
            one.out = one.forward(x)
        assert layer.moved == plain.moved
        np.testing.assert_array_equal(fast.out, plain.out)
