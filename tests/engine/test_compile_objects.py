"""`dout.compile` where calls make objects and functions, and where lists and dicts change their length."""

import itertools
from collections import deque, namedtuple

import numpy as np

import dout


class Step:
    """One step of a recurrent layer, made anew for each call."""

    def __init__(self, W):
        self.W = W
        self.cache = None

    def forward(self, x, h):
        out = np.tanh(x + h @ self.W)
        self.cache = (h, out)
        return out

    def backward(self, dout):
        h, out = self.cache
        through = dout * (1 - out**2)
        return through, through @ self.W.T, h.T @ through


class Recurrent:
    def __init__(self):
        self.W = np.array([[0.5, -0.25], [0.125, 1.0]])
        self.steps, self.last = None, None

    def forward(self, xs):
        h = np.zeros((len(xs), 2))
        self.steps, out = [], []
        for t in range(xs.shape[1]):
            step = Step(self.W)
            h = step.forward(xs[:, t], h)
            self.steps.append(step)
            out.append(h)
        self.last = self.steps[-1]
        return np.stack(out, axis=1)

    def backward(self, dhs):
        dxs, dh, self.dW = np.zeros_like(dhs), 0.0, np.zeros_like(self.W)
        for t in reversed(range(dhs.shape[1])):
            dxs[:, t], dh, dW = self.steps[t].backward(dhs[:, t] + dh)
            self.dW += dW
        return dxs


def test_layers_that_are_made_in_each_forward_are_made_in_each_compiled_one():
    plain, layer = Recurrent(), Recurrent()
    fast = dout.compile(layer)
    kept = []
    for scale, shape in [(1.0, (2, 3, 2)), (2.0, (2, 3, 2)), (0.5, (1, 2, 2)), (0.25, (2, 3, 2)), (0.75, (1, 2, 2))]:
        xs = np.arange(float(np.prod(shape))).reshape(shape) * scale / 8
        np.testing.assert_allclose(fast.forward(xs), plain.forward(xs))
        np.testing.assert_allclose(fast.backward(xs), plain.backward(xs))
        np.testing.assert_allclose(layer.dW, plain.dW)
        assert [type(step) for step in layer.steps] == [Step] * shape[1]
        assert layer.last is layer.steps[-1]
        assert all(step.W is layer.W for step in layer.steps)
        for ours, theirs in zip(layer.steps, plain.steps, strict=True):
            np.testing.assert_allclose(ours.cache, theirs.cache)
            assert all(ours is not step for step in kept)
        kept += layer.steps
        layer.W -= 0.1 * layer.dW
        plain.W -= 0.1 * plain.dW
    assert not any(function.plainly for function in fast.plan().functions)
    assert [len(function.programs) for function in fast.plan().functions] == [2, 2]


class Noting:
    def __init__(self):
        self.seen, self.waiting, self.settings = [], [], {"first": True}

    def forward(self, x):
        self.seen.append(x.sum())
        self.waiting.append((x, x * 2))
        if self.settings.pop("first", False):
            self.settings["later"] = 0
        return x * 2

    def backward(self, dout):
        x, twice = self.waiting.pop()
        return dout * x + twice


def test_lists_and_dicts_that_grow_and_shrink_do_so_in_compiled_calls():
    layer = Noting()
    fast = dout.compile(layer)
    for number in range(1, 6):
        x = np.full(3, float(number))
        fast.forward(x)
        assert layer.waiting[0][0] is x
        np.testing.assert_array_equal(fast.backward(x), x * x + 2 * x)
        assert layer.waiting == []
        assert layer.settings == {"later": 0}
        assert layer.seen == [3.0 * n for n in range(1, number + 1)]
    assert not any(function.plainly for function in fast.plan().functions)
    assert all(len(function.programs) <= 2 for function in fast.plan().functions)


LOSSES = []


def test_a_list_that_is_only_appended_to_may_have_any_length():
    class Losses:
        def __init__(self):
            self.history, self.kinds = [], {"loss": [], "largest": [], "last": [0.0]}

        def forward(self, x):
            loss = np.mean(x**2)
            self.history.append(loss)
            for kind, number in ("loss", loss), ("largest", x.max()):
                self.kinds[kind].append(number)
            LOSSES.append(loss)
            return loss

        def backward(self, dout):
            self.kinds["last"].append(dout)
            return len(self.kinds["last"]) * dout

    fast = dout.compile(Losses())
    for number in range(5):
        assert fast.forward(np.full(4, float(number))) == number**2
        assert fast.history == fast.kinds["loss"] == LOSSES == [n**2 for n in range(number + 1)]
        assert fast.kinds["largest"] == list(range(number + 1))
        assert fast.backward(2.0) == 2 * (number + 2)
    assert len(fast.forward.plan().programs) == 1


def test_functions_that_are_made_in_a_call_hold_the_values_of_that_call():
    class Deferred:
        def forward(self, x):
            scale = x.sum()
            self.back = lambda dout: dout * scale
            return x * scale

        def backward(self, dout):
            return self.back(dout)

    fast = dout.compile(Deferred())
    for number in range(1, 5):
        x = np.full(3, float(number))
        np.testing.assert_array_equal(fast.forward(x), x * x.sum())
        np.testing.assert_array_equal(fast.backward(np.ones(3)), np.full(3, x.sum()))


class Value:
    """A number that remembers how its gradient goes back, as in small libraries for automatic differentiation."""

    def __init__(self, data, *parents):
        self.data, self.parents, self.back = data, parents, None
        self.grad = np.zeros_like(data)

    def __mul__(self, other):
        out = Value(self.data * other.data, self, other)

        def back():
            self.grad = self.grad + out.grad * other.data
            other.grad = other.grad + out.grad * self.data

        out.back = back
        return out


def test_objects_with_functions_of_their_own_are_those_of_the_call():
    weight = Value(np.array([1.0, 2.0]))
    multiplied = dout.compile(lambda x: Value(x) * weight)

    @dout.compile
    def gradient(x):
        weight.grad = np.zeros(2)
        out = Value(x) * weight
        out.grad = np.ones(2)
        out.back()
        return weight.grad

    for number in range(1, 5):
        x = np.full(2, float(number))
        np.testing.assert_array_equal(gradient(x), x)
        assert weight.grad is not None
        out = multiplied(x)
        weight.grad, out.grad = np.zeros(2), np.ones(2)
        out.back()
        np.testing.assert_array_equal(weight.grad, x)
    assert not gradient.plan().functions[0].plainly


class Counted:
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls

    def backward(self, dout):
        return dout * self.calls


def test_an_attribute_that_the_class_has_first_and_then_the_layer():
    fast = dout.compile(Counted())
    for number in range(1, 5):
        np.testing.assert_array_equal(fast.forward(np.ones(2)), [number, number])
        np.testing.assert_array_equal(fast.backward(np.ones(2)), [number, number])
    assert Counted.calls == 0


def test_keys_are_in_the_order_of_the_plain_run():
    class Kept:
        def __init__(self):
            self.cache = {"old": 0}

        def forward(self, x):
            self.cache.clear()
            self.cache.update(x=x, out=x * 2)
            return self.cache["out"]

        def backward(self, dout):
            return dout * self.cache.pop("x")

    fast = dout.compile(Kept())
    for number in range(1, 5):
        x = np.full(2, float(number))
        np.testing.assert_array_equal(fast.forward(x), x * 2)
        assert list(fast.cache) == ["x", "out"]
        np.testing.assert_array_equal(fast.backward(x), x * x)
        assert list(fast.cache) == ["out"]


def test_what_is_in_sets_deques_and_iterators_is_looked_at_in_each_call():
    names, recent, numbers = {"a"}, deque([1.0], maxlen=2), itertools.count()
    functions = [
        lambda x: x * len(names),
        lambda x: x * sum(recent),
        lambda x: x * next(numbers),
    ]
    for function, change in zip(functions, (lambda n: names.add(n), recent.append, lambda n: None), strict=True):
        fast, expected = dout.compile(function), itertools.count()
        for number in range(4):
            change(number)
            if function is functions[2]:
                assert fast(np.ones(1)) == next(expected)
            else:
                assert fast(np.ones(1)) == function(np.ones(1))


def test_an_error_that_is_caught_is_caught_in_each_call():
    class Carrying:
        def __init__(self):
            self.h = np.zeros(2)

        def forward(self, x):
            try:
                self.h = self.h + x
            except ValueError:
                self.h = x * 1.0
            return self.h

        def backward(self, dout):
            return dout

    def inverse(x):
        try:
            return np.linalg.inv(x)
        except np.linalg.LinAlgError:
            return np.zeros_like(x)

    plain, fast, solved = Carrying(), dout.compile(Carrying()), dout.compile(inverse)
    for length in (2, 2, 3, 3, 3, 2):
        np.testing.assert_array_equal(fast.forward(np.ones(length)), plain.forward(np.ones(length)))
    for x in (np.eye(2), 2 * np.eye(2), np.zeros((2, 2)), np.eye(2)):
        np.testing.assert_allclose(solved(x), inverse(x))


Pair = namedtuple("Pair", "first second")


def test_named_tuples_and_counters_around_functions_are_those_of_the_call():
    def counting():
        calls = 0

        def forward(x):
            nonlocal calls
            calls += 1
            return Pair(x * calls, Pair(calls, None))

        return forward

    fast = dout.compile(counting())
    for number in range(1, 5):
        found = fast(np.ones(1))
        assert type(found) is Pair
        assert type(found.first) is np.ndarray
        assert found.first == number
        assert found.second == Pair(number, None)
    assert not fast.plan().functions[0].plainly


def test_a_tuple_that_is_kept_is_the_very_one_that_is_given_out():
    class Steps:
        def named(self, x):
            self.kept = Pair(x * 2, x + 1)
            return self.kept

        def plain(self, x):
            self.kept = x * 2, [x + 1]
            return self.kept

    for name in ("named", "plain"):
        steps = Steps()
        fast = dout.compile(getattr(steps, name))
        for _ in range(3):
            assert fast(np.ones(2)) is steps.kept


def test_many_arrays_that_are_written_into_are_kept_apart():
    class Sums:
        def __init__(self):
            self.sums = [np.zeros(2) for _ in range(8)]

        def forward(self, *xs):
            for total, x in zip(self.sums, xs, strict=True):
                total += x
            return sum(self.sums)

        def backward(self, dout):
            return dout

    plain, fast = Sums(), dout.compile(Sums())
    for turn in range(6):
        xs = [np.full(2, float(i + turn)) for i in range(8)]
        if turn == 3:  # one array twice, and one that is a part of another
            for layer in (plain, fast):
                layer.sums[1] = layer.sums[0]
                layer.sums[2:4] = list(np.arange(6.0).reshape(3, 2)[:2])
        if turn == 4:
            for layer in (plain, fast):
                line = np.arange(3.0)
                layer.sums[4], layer.sums[5] = line[:2], line[1:]
        if turn == 5:
            for layer in (plain, fast):
                memory = bytearray(24)
                layer.sums[6], layer.sums[7] = np.frombuffer(memory)[:2], np.frombuffer(memory)[1:]
        np.testing.assert_array_equal(fast.forward(*xs), plain.forward(*xs))
        np.testing.assert_array_equal(fast.sums, plain.sums)
