"""A recording looks at attributes that the code can name, by whatever way it comes to them, and at no others."""

import contextlib
import copy
import dataclasses
import functools
import operator
import pickle

import numpy as np
import pytest

pytest.importorskip("numba")

import dout
from dout.trace.capture.capture import capture

X = np.linspace(0.1, 1.0, 12).reshape(3, 4)
TIMES, GET, CALL = "rate", operator.attrgetter("rate"), operator.methodcaller("scaled", 2.0)


@dataclasses.dataclass
class Settings:
    rate: float = 0.5


class Scale:
    def __init__(self):
        self.rate = 0.5
        self.weight = np.array([1.0, 2.0, 3.0, 4.0])
        self.settings = Settings()
        self.history = []

    def scaled(self, times):
        return self.weight * times

    @property
    def doubled(self):
        return 2 * self.rate

    @functools.cached_property
    def kept(self):
        return self.history

    def __mul__(self, x):
        return self.weight * x

    def __getattr__(self, name):
        return vars(self)["settings"].rate if name == "answered" else object.__getattribute__(self, name)


def scale_of(layer):
    return layer.weight


def matched(layer):
    match layer:
        case Scale(rate=rate):
            return rate
    return 1.0


@functools.singledispatch
def by_type(layer, x):
    return x


@by_type.register
def _(layer: Scale, x):
    layer.history.append(x)
    return np.exp(x) * layer.weight


WAYS = {
    "a function": lambda s, x: np.exp(x) * scale_of(s),
    "getattr": lambda s, x: np.exp(x) * getattr(s, TIMES),
    "vars": lambda s, x: np.exp(x) * vars(s)["rate"],
    "an attrgetter": lambda s, x: np.exp(x) * GET(s),
    "a methodcaller": lambda s, x: np.exp(x) * CALL(s),
    "a pattern": lambda s, x: np.exp(x) * matched(s),
    "a dataclass as a dict": lambda s, x: np.exp(x) * dataclasses.asdict(s.settings)["rate"],
    "text": lambda s, x: np.exp(x) * float("{.rate}".format(s)),  # noqa: UP032
    "a copy": lambda s, x: np.exp(x) * copy.copy(s).weight,
    "a deep copy": lambda s, x: np.exp(x) * copy.deepcopy(s).weight,
    "bytes": lambda s, x: np.exp(x) * pickle.loads(pickle.dumps(s.settings)).rate,
    "a property": lambda s, x: np.exp(x) * s.doubled,
    "a method": lambda s, x: np.exp(x) * s.scaled(3.0),
    "an operator": lambda s, x: s * np.exp(x),
    "an answer of the class": lambda s, x: np.exp(x) * s.answered,
    "whether it is there": lambda s, x: np.exp(x) * (2.0 if hasattr(s, "extra") else 1.0),
    "a function for its type": lambda s, x: by_type(s, x),
    "a property that stays": lambda s, x: (s.kept.append(np.exp(x)), np.exp(x) * s.weight)[1],
}


@pytest.mark.parametrize("way", WAYS)
def test_an_attribute_that_changes_changes_the_result_by_whatever_way_the_code_reads_it(way):
    function, scale = WAYS[way], Scale()
    fast = dout.compile(function, strict=True)
    for _ in range(2):
        np.testing.assert_array_equal(fast(scale, X), function(scale, X))
    scale.rate, scale.weight, scale.settings.rate, scale.extra = 0.25, scale.weight[::-1].copy(), 4.0, None
    np.testing.assert_array_equal(fast(scale, X), function(scale, X))
    assert all(type(item) is np.ndarray for item in scale.history)


class Long:
    """It has seen much, and computes with little."""

    def __init__(self):
        self.weight = np.ones(4)
        self.past = [(np.ones(4), {"loss": np.ones(1)}) for _ in range(500)]

    def forward(self, x):
        return np.exp(x) * self.weight

    def mean(self):
        return sum(one.mean() for one, _ in self.past)


def test_what_the_code_cannot_name_is_not_looked_at():
    layer = Long()
    run = capture(layer.forward, [X], {})
    few = len(run.spots) < 100
    assert run.why_not is None
    assert few
    assert all(type(one) is np.ndarray for one, _ in layer.past)


def test_what_a_function_names_that_only_a_function_of_its_module_calls_is_looked_at():
    layer = Long()
    run = capture(of_the_past, [layer, X], {})
    many = len(run.spots) > 1000
    assert run.why_not is None
    assert many


def of_the_past(layer, x):
    return helped(layer) * x


def helped(layer):
    return np.tanh(layer.mean())


LIMIT = [2.0]


class Scope(contextlib.ContextDecorator):
    factor = 1.0

    def _recreate_cm(self):  # which the decorator calls
        self.factor = LIMIT[0]
        return self

    def __enter__(self):
        return self

    def __exit__(self, *errors):
        return False


scope = Scope()


@scope
def scoped(x):
    return np.exp(x) * scope.factor


def in_a_scope(x):
    return scoped(x)


def test_what_only_a_library_calls_by_name_is_followed():
    fast = dout.compile(in_a_scope, strict=True)
    for limit in (2.0, 2.0, 2.0, 0.0, 2.0):
        LIMIT[0] = limit
        np.testing.assert_array_equal(fast(X), in_a_scope(X))
