import numpy as np
import pytest
from contract_findings import X, alarming, found

from dout.adapt.interface.adapted_layer import layer_class
from dout.adapt.interface.function_pairs import pair_class
from dout.adapt.interface.interface import Interface
from dout.check.verb.check_layer import check


class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return dout * 2 * self.x


class Eroding(Square):
    def backward(self, dout):
        self.x = self.x * 2
        return dout * self.x


def test_a_second_backward_must_give_the_same():
    finding = found(Eroding, X)["D206"]
    assert (finding.severity, finding.cause, finding.argument) == ("warning", "stale", "x")
    assert "D206" not in found(Square, X)


class AddsUp:
    """Its gradient adds up over rounds, and a second backward alone raises."""

    def __init__(self):
        self.W, self.dW = np.ones(2), np.zeros(2)

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        x, self.x = self.x, None
        self.dW += (x * dout).sum(0)
        return dout * self.W


def test_what_adds_up_is_not_stale_where_a_second_backward_raises():
    assert found(AddsUp, X)["D206"].severity == "note"


class KeepsTheFirst(Square):
    def forward(self, x):
        if getattr(self, "x", None) is None:
            self.x = x
        return x * x


class Remembers:
    """A network with a memory: what it gives depends on the calls before, and its gradient is right each time."""

    def __init__(self):
        self.h = 0.0

    def forward(self, x):
        self.x, self.h = x, 0.5 * self.h + np.mean(x)
        return x * self.h

    def backward(self, dout):
        return dout * self.h + np.sum(dout * self.x) / self.x.size


def test_forward_keeps_anew_what_backward_uses():
    finding = found(KeepsTheFirst, X)["D206"]
    assert "in a second round, on other inputs, the gradient of x is" in finding.message
    assert "D206" not in found(Remembers, X)


class Freeing(Square):
    def backward(self, dout):
        x, self.x = self.x, None
        return dout * 2 * x


def test_to_free_what_forward_kept_is_a_note():
    finding = found(Freeing, X)["D206"]
    assert finding.severity == "note"
    assert "raises TypeError" in finding.message


class Affine:
    def __init__(self, W=None):
        self.W = np.array([[1.0, 2.0, 0.5], [0.5, -1.0, 3.0]]) if W is None else W
        self.dW = np.zeros_like(self.W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Adding(Affine):
    def backward(self, dout):
        self.dW += self.x.T @ dout
        return dout @ self.W.T


def test_gradients_that_add_up_are_noted():
    finding = found(Adding, X)["D207"]
    assert finding.severity == "note"
    assert "self.dW adds up" in finding.message
    assert set(found(Affine, X)) == {"D208"}


class AddingToTheFirst(Adding):
    def forward(self, x):
        if getattr(self, "x", None) is None:
            self.x = x
        return x @ self.W


def test_gradients_that_add_up_are_not_what_the_first_forward_kept():
    assert set(found(Adding, X)) == {"D207", "D208"}
    assert "D206" in found(AddingToTheFirst, X)


class Stateless:
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        return 3 * dout


def test_only_a_layer_that_keeps_something_loses_it():
    assert found(Square, X)["D208"].severity == "note"
    assert not found(Stateless, X)


def square_forward(x):
    return x * x, x


def square_backward(dout, cache):
    return dout * 2 * cache


class HandsOver:
    def forward(self, x):
        return x * x, x

    def backward(self, dout, cache):
        return dout * 2 * cache


def test_what_backward_is_handed_is_kept_by_its_caller():
    functions = Interface.parse("square_forward, square_backward(dout, cache)")
    methods = Interface.parse("forward, backward(dout, cache)")
    assert not found(layer_class(pair_class(square_forward, square_backward), functions, ("x",)), X)
    assert not found(layer_class(HandsOver, methods, ("x",)), X)


class Training(Affine):
    def backward(self, dout):
        dx = dout @ self.W.T
        self.W -= 0.1 * self.x.T @ dout
        return dx


def test_backward_must_not_make_the_step():
    finding = found(Training, X)["D210"]
    assert (finding.severity, finding.argument) == ("warning", "W")
    assert "D210" not in found(Affine, X)
    assert "D210" not in found(Adding, X)


class OverItself(Affine):
    """Keeps the gradient where the parameter was."""

    def backward(self, dout):
        dx = dout @ self.W.T
        self.W[...] = self.x.T @ dout
        return dx


def test_a_gradient_must_not_take_the_place_of_its_parameter():
    (finding,) = [one for one in check(OverItself(), X).findings if one.code == "D105"]
    assert (finding.severity, finding.argument) == ("error", "W")
    assert "writes the gradient of W over W" in finding.message


def test_a_step_that_backward_makes_is_no_gradient_in_the_place_of_its_parameter():
    assert not any(one.severity == "error" for one in check(Training(), X).findings)


class ByClassAttribute:
    cache = {}  # noqa: RUF012

    def forward(self, x):
        self.cache["x"] = x
        return x * x

    def backward(self, dout):
        return dout * 2 * self.cache["x"]


class ByDefault:
    def __init__(self, cache=[]):  # noqa: B006
        self.cache = cache

    def forward(self, x):
        self.cache[:] = [x]
        return x * x

    def backward(self, dout):
        return dout * 2 * self.cache[0]


KEPT = {}


class ByGlobal:
    def forward(self, x):
        KEPT["x"] = x
        return x * x

    def backward(self, dout):
        return dout * 2 * KEPT["x"]


class OnTheClass:
    def forward(self, x):
        OnTheClass.x = x
        return x * x

    def backward(self, dout):
        return dout * 2 * self.x


@pytest.mark.parametrize("cls", [ByClassAttribute, ByDefault, ByGlobal, OnTheClass])
@pytest.mark.parametrize("built", [True, False])
def test_instances_must_not_share_what_forward_keeps(cls, built):
    finding = found(cls if built else cls(), X)["D209"]
    assert (finding.severity, finding.cause) == ("error", "shared")


def test_the_shared_thing_is_named():
    assert "cache is an attribute of the class ByClassAttribute" in found(ByClassAttribute, X)["D209"].message
    assert "self.cache, a default argument" in found(ByDefault, X)["D209"].message


class SharedGradients:
    grads = {}  # noqa: RUF012

    def __init__(self):
        self.params = {"W": np.array([[1.0, 2.0], [0.5, -1.0]])}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        return dout @ self.params["W"].T


def test_gradients_of_parameters_must_not_be_shared():
    finding = found(SharedGradients, X)["D209"]
    assert "overwrites the parameter gradients of another instance" in finding.message
    assert "grads is an attribute of the class SharedGradients" in finding.message


class ClassWeight:
    W = np.array([[1.0, 2.0], [0.5, -1.0]])

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class ClassKernel:
    KERNEL = np.array([[1.0, 2.0], [0.5, -1.0]])

    def forward(self, x):
        return x @ self.KERNEL

    def backward(self, dout):
        return dout @ self.KERNEL.T


def test_a_parameter_must_not_belong_to_the_class():
    finding = found(ClassWeight, X)["D209"]
    assert "ClassWeight.W is the array of the class" in finding.message
    assert "D209" not in found(ClassKernel, X)  # a constant


TABLE = {}


class Memoised:
    """A cache of what depends on the shape alone may be shared."""

    def forward(self, x):
        self.x, self.n = x, TABLE.setdefault(np.shape(x), float(np.size(x)))
        return x * x / self.n

    def backward(self, dout):
        return dout * 2 * self.x / TABLE[np.shape(self.x)]


class Wraps:
    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner.forward(x) + x

    def backward(self, dout):
        return self.inner.backward(dout) + dout


class Closing:
    """A copy of it calls the first one's function."""

    def __init__(self):
        self.kept = {}
        self.keep = lambda x: self.kept.update(x=x)
        self.back = lambda dout: dout * 2 * self.kept["x"]

    def forward(self, x):
        self.keep(x)
        return x * x

    def backward(self, dout):
        return self.back(dout)


class ByKey:
    """State outside, but under a key of its own."""

    def forward(self, x):
        TABLE[id(self)] = x
        return x * x

    def backward(self, dout):
        return dout * 2 * TABLE[id(self)]


@pytest.mark.parametrize("target", [Memoised, Memoised(), Closing, Closing(), ByKey, Wraps(Square())])
def test_what_is_shared_rightly_is_no_error(target):
    assert not alarming(found(target, X))


def test_what_the_caller_shares_between_instances_is_no_error():
    inner, W = Square(), np.array([[1.0, 2.0], [0.5, -1.0]])
    assert not alarming(found(Wraps(inner), X, make=lambda: Wraps(inner)))
    assert not alarming(found(Affine(W), X, make=lambda: Affine(W)))


class Counting(Square):
    """Statistics that forward moves change nothing of the gradient."""

    def __init__(self):
        self.mean = np.zeros(2)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.mean *= 0.9
        self.mean += 0.1 * x.mean(axis=0)
        return super().forward(x)


def test_running_statistics_are_right():
    assert set(found(Counting, X)) == {"D208"}
