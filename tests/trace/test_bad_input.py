"""What is odd, huge, endless or hostile is either traced right or refused with a line that says what to do instead."""

import functools
import importlib
import sys
import threading
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from bad_input import Double, Scale, X, holding, raises, traced_right, weighing

import dout

HERE = Path(__file__).name


def endless_list():
    items = [np.ones(2)]
    items.append((items, np.ones(2)))
    return items


def deep(kind):
    inside = kind()
    for _ in range(20_000):
        inside = kind([inside])
    return inside


# --- what is held -----------------------------------------------------------------------------------------------------

HELD = {
    "a list that holds itself": endless_list,
    "a list too deep to copy": lambda: deep(list),
    "a tuple too deep to copy": lambda: deep(tuple),
    "a lock": threading.Lock,
    "a generator": lambda: (i for i in range(3)),
    "a module": lambda: np,
    "an open file": lambda: Path(__file__).open(),  # noqa: SIM115 - held, that is the point
    "strings": lambda: np.array(["a", "b"]),
    "dates": lambda: np.array(["2020-01-01"], dtype="M8[D]"),
    "objects": lambda: np.array([None, "a"], dtype=object),
    "records": lambda: np.zeros(2, dtype=[("a", "f8")]),
    "a masked array": lambda: np.ma.array([1.0, 2.0], mask=[0, 1]),
    "a huge array": lambda: np.zeros(10**8),
    "one number 10**12 times": lambda: np.broadcast_to(np.float64(1.0), 10**12),
    "a million numbers": lambda: list(range(10**6)),
    "a million entries": lambda: dict.fromkeys(range(10**6), 1.0),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("what", HELD)
def test_what_a_layer_holds_and_does_not_use_does_no_harm(what):
    layer = holding(held=HELD[what]())
    held = layer.held
    traced_right(layer)
    assert layer.held is held
    getattr(held, "close", int)()  # a file left open would warn in whatever test runs when it is collected


def test_layers_that_hold_each_other():
    one, two = holding(), holding()
    one.me, one.other, two.other = one, two, one
    traced_right(one)
    assert one.me is two.other is one


def test_what_is_too_large_to_record_is_refused_where_it_is_used():
    layer = Scale()
    layer.big = np.broadcast_to(np.float64(1.0), 10**12)
    layer.weight = lambda: layer.big[:2]
    with pytest.raises(dout.DoutError, match=rf"too large to be recorded, at .*{HERE}:\d+; give a smaller one"):
        dout.trace(layer, X)


class Property(Double):
    bad = property(raises)


class AnyName(Double):
    def __getattr__(self, name):
        return 42


class NoOtherName(Double):
    __getattr__ = raises


class OwnDict(Double):
    __dict__ = property(raises)


class Truthless(Double):
    __eq__ = __bool__ = __len__ = raises
    __hash__ = None


class Nothing:
    __slots__ = ()
    forward, backward = Double.forward, Double.backward


class Picky(Double):
    """Asked for any attribute but those of a layer, it raises what no one catches."""

    def __getattribute__(self, name):
        if name in ("forward", "backward", "__class__", "__dict__"):
            return object.__getattribute__(self, name)
        raise RuntimeError(f"not to be asked for {name}")


class Descriptor:
    __get__ = raises


class Described(Double):
    bad = Descriptor()
    cached = functools.cached_property(raises)


@pytest.mark.parametrize(
    "cls", [Property, AnyName, NoOtherName, OwnDict, Truthless, Nothing, Picky, Described], ids=lambda c: c.__name__
)
def test_no_code_of_the_users_runs_because_dout_looks(cls):
    assert traced_right(cls()).target == cls.__qualname__


class Frozen(type):
    __setattr__ = raises


class RefusesSetattr(Scale):
    def __init__(self):
        self.__dict__["w"] = np.array([3.0, 4.0])

    def __setattr__(self, name, value):
        if name != "x":
            raise RuntimeError("frozen")
        self.__dict__[name] = value

    def weight(self):
        return self.w


@dataclass(frozen=True, slots=True)
class FrozenSlots:
    w: np.ndarray

    def forward(self, x):
        return x * self.w

    def backward(self, dout):
        return dout * self.w


class ClassWeight(Scale, metaclass=Frozen):
    w = np.array([3.0, 4.0])

    def weight(self):
        return self.w


class RefusingDict(dict):
    __setitem__ = __getitem__ = raises


W = np.array([3.0, 4.0])
HOLDERS = {
    "setattr refuses": RefusesSetattr,
    "frozen slots": lambda: FrozenSlots(W),
    "the class is frozen": ClassWeight,
    "a dict that refuses": lambda: weighing(RefusingDict(w=W), lambda held: held.get("w")),
    "a read-only dict": lambda: weighing(types.MappingProxyType({"w": W}), lambda held: held["w"]),
    "a namespace": lambda: weighing(types.SimpleNamespace(w=W), lambda held: held.w),
    "tuples in tuples": lambda: weighing((1, ((W,), "a")), lambda held: held[1][0][0]),
    "tuples beside lists": lambda: weighing(([W], W), lambda held: held[0][0]),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_array_is_an_input_wherever_it_is_held(holder):
    traced_right(HOLDERS[holder]())


# --- endless and empty arguments and results --------------------------------------------------------------------------


def test_arguments_and_results_without_end_are_refused():
    items = [X]
    items.append(items)
    for target, given in [(lambda x: x[0] * 2.0, items), (endless_result, X)]:
        with pytest.raises(dout.DoutError, match="holds itself, or lies too deep in others"):
            dout.trace(target, given)


def endless_result(x):
    results = [x * 2.0]
    results.append(results)
    return results


def test_recursion_of_the_users_is_the_users_error():
    def again(x):
        return again(x * 1.0)

    with pytest.raises(RecursionError):
        dout.trace(again, X)


@pytest.mark.parametrize("result", [None, "text", {}, 1 + 2j], ids=["None", "text", "an empty dict", "complex"])
def test_a_forward_that_gives_no_number_is_refused_with_file_and_line(result):
    class Gives(Double):
        def forward(self, x):
            return result

    with pytest.raises(dout.DoutError, match=rf"forward returned .*, no array or real number, at .*{HERE}:\d+; return"):
        dout.trace(Gives(), X)


# --- what a constructor does ------------------------------------------------------------------------------------------


class StartsAThread(Double):
    """Has a thread that computes for as long as the layer is at work."""

    def __init__(self):
        self.sums, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.ended.wait(0.0001):
            self.sums = [np.sum(np.ones(3) * np.arange(3))]


def test_a_constructor_that_starts_a_thread():
    layer = StartsAThread()
    try:
        traced_right(layer)
        assert {type(item) for item in layer.sums} <= {np.float64}
    finally:
        layer.ended.set()
        layer.thread.join()


class ReadsAFile(Scale):
    path = None

    def __init__(self):
        self.file = self.path.open("rb")
        self.w = np.load(self.file)

    def weight(self):
        return self.w


def test_a_constructor_that_reads_a_file_and_leaves_it_open(tmp_path, monkeypatch):
    np.save(tmp_path / "w.npy", np.array([3.0, 4.0]))
    monkeypatch.setattr(ReadsAFile, "path", tmp_path / "w.npy")
    layer = ReadsAFile()
    traced_right(layer)
    place = layer.file.tell()
    assert traced_right(layer)["w"].data.tolist() == [3.0, 4.0]
    assert layer.file.tell() == place
    layer.file.close()


def test_a_class_is_made_by_its_constructor_once():
    made = []

    class Counts(Double):
        def __init__(self):
            made.append(self)

    dout.trace(Counts, X)
    assert len(made) == 1


def test_an_attribute_that_raises_where_the_layer_uses_it_is_the_users_error():
    class Broken(Double):
        @property
        def factor(self):
            raise KeyError("factor")

        def forward(self, x):
            return x * self.factor

    with pytest.raises(KeyError, match="factor"):
        dout.trace(Broken(), X)


# --- what a forward does ----------------------------------------------------------------------------------------------


def test_a_thread_of_the_users_computes_plainly():
    found = []

    class Threaded(Double):
        def forward(self, x):
            thread = threading.Thread(target=lambda: found.append(np.sum(np.ones(5) * np.arange(5))))
            thread.start()
            thread.join()
            return x * 2.0

    traced_right(Threaded())
    assert {type(item) for item in found} == {np.float64}


def test_exit_is_the_users():
    class Ends(Double):
        def forward(self, x):
            sys.exit(3)

    with pytest.raises(SystemExit, match="3"):
        dout.trace(Ends(), X)


def test_a_loop_that_does_not_end_on_other_inputs_is_left():
    class Newton:
        def forward(self, x):
            self.y = x
            while np.any(np.abs(self.y * self.y - x) > 1e-9):  # negative numbers have no root
                self.y = (self.y + x / self.y) / 2
            return self.y

        def backward(self, dout):
            return dout / (2 * self.y)

    trace = dout.trace(Newton(), np.array([4.0, 9.0]))
    np.testing.assert_allclose(trace.outputs, [2, 3])


class Counts:
    """Adds one, many times."""

    def forward(self, x):
        for _ in range(3000):
            x = x + 1.0
        self.out = x
        return x

    def backward(self, dout):
        return dout


def test_a_run_of_many_operations_ends_as_it_does_without_dout_and_is_recorded_in_part(monkeypatch):
    monkeypatch.setattr(importlib.import_module("dout.trace.tracer.run_record"), "LIMIT", 2000)
    layer = Counts()
    trace = dout.trace(layer, 0.5)
    assert layer.out == 3000.5
    assert len(trace.graph.nodes) < 2010
    assert "recorded the first 2,000 nodes" in str(trace.events)
