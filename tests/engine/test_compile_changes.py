"""Compiled calls see what the program changes between them: methods, functions, orders and settings."""

from collections import OrderedDict

import numpy as np
import pytest

import dout

X = np.array([0.5, 1.5, -0.25])


class Layer:
    k = 2.0

    def __init__(self):
        self.params = OrderedDict(a=np.array([1.0, 2.0, 3.0]), b=np.array([3.0, 0.5, 4.0]))

    def act(self, x):
        return np.tanh(x)

    @property
    def scale(self):
        return self.k * 2

    @staticmethod
    def squared(x):
        return x * x

    @classmethod
    def shifted(cls, x):
        return x + cls.k

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return 1.5 * i


class Sub(Layer):
    def act(self, x):
        return super().act(x) + 1


def given_another(layer):
    layer.act = np.sin


def with_another(name, item):
    return lambda layer: setattr(type(layer), name, item)


USES = {
    "a method of an object": (lambda layer, x: layer.act(x), given_another),
    "a method of a class": (lambda layer, x: layer.act(x), with_another("act", lambda self, x: x * 3)),
    "a property": (lambda layer, x: x * layer.scale, with_another("scale", property(lambda self: self.k * 5))),
    "a static method": (lambda layer, x: layer.squared(x), with_another("squared", staticmethod(np.exp))),
    "a class method": (lambda layer, x: layer.shifted(x), with_another("shifted", classmethod(lambda cls, x: x * 7))),
    "what Python calls": (lambda layer, x: x * len(layer), with_another("__len__", lambda self: 9)),
    "what an index calls": (lambda layer, x: x * layer[2], with_another("__getitem__", lambda self, i: i + 5.0)),
    "the order of keys": (
        lambda layer, x: sum((p * n * x for n, p in enumerate(layer.params.values())), 0.0),
        lambda layer: layer.params.move_to_end("a"),
    ),
}


@pytest.mark.parametrize("kind", USES)
@pytest.mark.parametrize("base", [Layer, Sub])
def test_what_a_layer_does_may_be_changed_between_calls(kind, base):
    use, change = USES[kind]
    layer = type("Mine", (base,), {})()
    fast = dout.compile(lambda x: use(layer, x))
    for _ in range(2):
        np.testing.assert_allclose(fast(X), use(layer, X))
    assert fast.plan().programs
    change(layer)
    for _ in range(2):
        np.testing.assert_allclose(fast(X), use(layer, X))


def test_a_method_that_super_leads_to_may_be_replaced():
    class Base:
        def act(self, x):
            return x * 2

    class Derived(Base):
        def act(self, x):
            return super().act(x) + 1

    fast = dout.compile(Derived().act)
    np.testing.assert_array_equal(fast(X), X * 2 + 1)
    Base.act = lambda self, x: x * 3
    np.testing.assert_array_equal(fast(X), X * 3 + 1)


def test_what_a_class_holds_may_be_answered_by_the_layer_itself():
    class Scaled:
        factors = [2.0, 3.0]  # noqa: RUF012 - as users write it
        W = np.array([1.0, 2.0, 3.0])

        def forward(self, x):
            for factor in self.factors:
                x = x * factor
            return x * self.W

    layer = Scaled()
    fast = dout.compile(layer.forward)
    for change in (
        lambda: None,
        lambda: Scaled.factors.append(5.0),
        lambda: setattr(layer, "factors", [1.0]),
        lambda: setattr(layer, "W", np.ones(3)),
    ):
        change()
        np.testing.assert_allclose(fast(X), layer.forward(X))


def test_what_methods_close_over_and_their_defaults_may_change():
    factor = 2.0

    class Scaled:
        def forward(self, x, k=1.0):
            return x * factor * k

    layer = Scaled()
    fast, alone = dout.compile(lambda x: layer.forward(x)), dout.compile(layer.forward)
    np.testing.assert_array_equal(fast(X), X * 2)
    np.testing.assert_array_equal(alone(X), X * 2)
    factor = 3.0
    np.testing.assert_array_equal(fast(X), X * 3)
    np.testing.assert_array_equal(alone(X), X * 3)
    Scaled.forward.__defaults__ = (5.0,)
    np.testing.assert_array_equal(fast(X), X * 15)


@pytest.mark.parametrize("name", ["helper", "run"])
def test_a_function_may_be_given_other_code(name):
    def helper(x, *, k=2.0):
        return x * k

    helper.__name__ = name  # a program may be called `run`
    fast = dout.compile(lambda x: helper(x) + 1)
    for _ in range(3):
        np.testing.assert_array_equal(fast(X), X * 2 + 1)
    assert len(fast.plan().programs) == 1
    helper.__kwdefaults__["k"] = 3.0
    np.testing.assert_array_equal(fast(X), X * 3 + 1)
    helper.__code__ = (lambda x, *, k=2.0: x - k).__code__  # as a reloading notebook does
    np.testing.assert_array_equal(fast(X), X - 3 + 1)


def test_numpy_may_be_told_to_raise_between_calls():
    def both(x):
        with np.errstate(all="ignore"):
            inverse = 1 / x
        return inverse, np.log(x) * 2

    def log(x):
        return np.log(x) * 2

    fast, other = dout.compile(log), dout.compile(both)
    for call in (fast, other):
        call(np.ones(3))
    with np.errstate(all="raise"):
        for call in (fast, other):
            for _ in range(2):
                with pytest.raises(FloatingPointError):
                    call(np.zeros(3))
        np.testing.assert_array_equal(fast(np.ones(3)), np.zeros(3))
    assert fast.plan().programs


def test_a_block_of_its_own_in_which_numpy_raises_nothing_is_seen_under_one_in_which_it_does():
    def inverse(x):
        with np.errstate(all="ignore"):
            return 1 / x

    fast = dout.compile(inverse)
    with np.errstate(all="raise"):
        for _ in range(3):
            np.testing.assert_array_equal(fast(np.array([2.0, 0.0])), [0.5, np.inf])


@pytest.mark.parametrize("of", ["the argument", "the result"])
def test_a_flag_that_is_set_is_set_by_each_call(of):
    def locked(x):
        y = x * 2
        if of == "the argument":
            x.flags.writeable = False
        else:
            y.flags["WRITEABLE"] = False
        return y

    fast = dout.compile(locked)
    for _ in range(4):
        x = np.ones(3)
        y = fast(x)
        assert (x.flags.writeable, y.flags.writeable) == (of != "the argument", of == "the argument")


class Parameters:
    def __init__(self):
        self.params = {"W": 2.0, "b": 1.0}

    def __getattr__(self, name):
        try:
            return vars(self)["params"][name]
        except KeyError:
            raise AttributeError(name) from None


class Answering(Parameters):
    def forward(self, x):
        return x * self.W + self.b


class Asking(Parameters):
    def forward(self, x):
        return x * getattr(self, "scale", 3.0) + (self.shift if hasattr(self, "shift") else 0)


@pytest.mark.parametrize("kind", [Answering, Asking])
@pytest.mark.parametrize("name", ["W", "b", "scale", "shift"])
def test_a_layer_may_get_an_attribute_that_it_had_not(kind, name):
    layer, twin = kind(), kind()
    fast = dout.compile(layer.forward)
    for change in (lambda of: None, lambda of: setattr(of, name, 7.0), lambda of: delattr(of, name)):
        change(layer)
        change(twin)
        for _ in range(2):
            np.testing.assert_array_equal(fast(X), twin.forward(X))


class Keeping:
    def __init__(self):
        self.W = np.array([1.0, 2.0, 3.0])
        self.kept = [self.W]
        self.params = {"W": self.W}

    def into_list(self, x):
        self.kept[0] = x

    def into_dict(self, x):
        self.params["W"] = self.kept[0]

    def into_both(self, x):
        self.kept[0], self.params["W"] = self.params["W"], self.kept[0]


@pytest.mark.parametrize("name", ["into_list", "into_dict", "into_both"])
def test_what_is_put_where_it_stood_already_is_put_there_in_each_call(name):
    layer = Keeping()
    fast = dout.compile(getattr(layer, name))
    for _ in range(2):
        fast(layer.W)
    layer.kept[0], layer.W = np.zeros(3), np.ones(3)
    for x in (X, layer.W):
        arrays = {"x": x, "W": layer.W, "kept": layer.kept[0], "in the dict": layer.params["W"]}
        fast(x)
        left = {
            "into_list": {**arrays, "kept": x},
            "into_dict": {**arrays, "in the dict": arrays["kept"]},
            "into_both": {**arrays, "in the dict": arrays["kept"], "kept": arrays["in the dict"]},
        }[name]
        assert layer.kept[0] is left["kept"]
        assert layer.params["W"] is left["in the dict"]


def test_an_array_is_put_into_the_class_in_each_call():
    class Last:
        def forward(self, x):
            type(self).last = self.W
            return x * 2

    layer = Last()
    fast = dout.compile(layer.forward)
    one, other = np.ones(3), np.zeros(3)
    for W in (one, one, one, other, other, one):
        layer.W = W
        fast(X)
        assert Last.last is W


class Doubled:
    def forward(self, x):
        return 2 * x


class Tripled:
    def forward(self, x):
        return 3 * x


def test_a_layer_that_becomes_one_of_another_class_computes_as_that():
    class Chain:
        def __init__(self):
            self.layers = [Doubled(), Doubled()]

        def forward(self, x):
            for layer in self.layers:
                x = layer.forward(x)
            return x

    chain = Chain()
    fast, x = dout.compile(chain.forward), np.ones(3)
    assert [fast(x)[0] for _ in range(3)] == [4, 4, 4]
    chain.layers[1].__class__ = Tripled
    assert fast(x)[0] == fast(x)[0] == 6
