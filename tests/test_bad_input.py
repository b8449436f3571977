"""What is odd, huge, endless or hostile is either traced right or refused with a line that says what to do instead."""

import re
import subprocess
import sys
import tempfile
import threading
import time
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import dout

HERE = Path(__file__).name
X = np.array([1.0, -2.0])


class Double:
    def forward(self, x):
        return x * 2.0

    def backward(self, dout):
        return dout * 2.0


class Scale:
    """A layer that multiplies by what its `weight` finds."""

    def forward(self, x):
        self.x = x
        return x * self.weight()

    def backward(self, dout):
        return dout * self.weight()


def holding(**attributes):
    layer = Double()
    layer.__dict__.update(attributes)
    return layer


def traced_right(layer, x=X):
    """The trace of a layer that gives what a plain run gives, with a gradient that is right."""
    trace = dout.trace(layer, x)
    assert not [event for event in trace.events if event.kind in ("replay", "orphan", "specialised")]
    plain = layer.forward(x)
    np.testing.assert_array_equal(trace.outputs, plain, strict=True)
    gradient = trace["x"].gradient
    assert gradient.source == "user"
    assert gradient.expected is None
    return trace


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


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("what", HELD)
def test_what_a_layer_holds_and_does_not_use_does_no_harm(what):
    layer = holding(held=HELD[what]())
    held = layer.held
    begun = time.perf_counter()
    traced_right(layer)
    assert time.perf_counter() - begun < 10
    assert layer.held is held


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


# --- objects that do not want to be read or written -------------------------------------------------------------------


def raises(*_):
    raise RuntimeError("not to be called")


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


@pytest.mark.parametrize("cls", [Property, AnyName, NoOtherName, OwnDict, Truthless, Nothing])
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


def weighing(held, weight):
    layer = Scale()
    layer.held = held
    layer.weight = lambda: weight(layer.held)
    return layer


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


# --- arrays of other kinds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "g", ">f8", ">f4", "<f8"])
def test_floats_of_every_size_and_byte_order(dtype):
    traced_right(Double(), np.array([0.1, -2.0], dtype))


@pytest.mark.parametrize("x", [np.zeros((0, 3)), np.array(3.0), np.zeros(0, "f2")], ids=["empty", "0-d", "empty f2"])
def test_arrays_without_length(x):
    traced_right(Double(), x)


def test_a_read_only_array_stays_read_only():
    x = X.copy()
    x.flags.writeable = False
    traced_right(Double(), x)
    with pytest.raises(ValueError, match="read-only"):
        dout.trace(lambda x: x.__setitem__(0, 1.0), x)
    assert not x.flags.writeable


def memmap():
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype="f8", shape=(2,))


class Sub(np.ndarray):
    pass


REFUSED = {
    "objects": (lambda: np.array([1.0, 2.0], dtype=object), "give a plain array of numbers"),
    "records": (lambda: np.zeros(2, dtype=[("a", "f8")]), "give a plain array of numbers"),
    "strings": (lambda: np.array(["a", "b"]), "give a plain array of numbers"),
    "dates": (lambda: np.array(["2020-01-01"], dtype="M8[D]"), "give a plain array of numbers"),
    "a matrix": (lambda: np.eye(2).view(np.matrix), r"give np\.asarray of it"),
    "a masked array": (lambda: np.ma.array([1.0, 2.0], mask=[0, 1]), "keep the numbers in one plain array"),
    "a subclass": (lambda: np.ones(2).view(Sub), r"give np\.asarray of it"),
    "a file": (memmap, r"give np\.asarray of it"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_arrays_are_refused_with_file_and_line_and_what_to_give(kind):
    make, instead = REFUSED[kind]
    with pytest.raises(dout.DoutError, match=rf"cannot be traced, at .*{HERE}:\d+; {instead}"):
        dout.trace(Double(), make())


@pytest.mark.parametrize("kind", ["a matrix", "a masked array", "a subclass", "a file"])
def test_other_arrays_that_a_layer_uses_are_refused_where_it_does(kind):
    make, instead = REFUSED[kind]
    layer = weighing(make(), lambda held: held)
    with pytest.raises(dout.DoutError, match=rf"cannot be traced, at .*{HERE}:\d+; {instead}"):
        dout.trace(layer, X)


# --- complex numbers --------------------------------------------------------------------------------------------------


def test_a_complex_forward_is_traced_and_replayed_and_no_gradient_is_derived():
    class Wave:
        def forward(self, x):
            return np.abs(np.exp(x * 1j) * 3.0)

        def backward(self, dout):
            return dout * 0.0

    trace = dout.trace(Wave(), X)
    np.testing.assert_array_equal(trace.outputs, Wave().forward(X))
    assert not trace.events
    assert {value.gradient.source for value in trace.values if value.gradient} == {"user"}
    assert [value.gradient.expected for value in trace.values if value.gradient] == [None]


def test_a_gradient_of_complex_values_is_refused_with_file_and_line():
    with pytest.raises(dout.DoutError, match=rf"complex values, at .*{HERE}:\d+; keep real and imaginary parts apart"):
        dout.grad(lambda x: np.sum(np.abs(x * 1j)))(X)


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


# --- the command line -------------------------------------------------------------------------------------------------

FILES = {
    "a forward that gives nothing": ("def forward(self, x): pass", "forward returned None.*return what it computes"),
    "a masked array": (
        "def forward(self, x): return x * np.ma.array([[1.0]], mask=[[0]])",
        r"a MaskedArray cannot be traced, at .*mine\.py:\d+; keep the numbers",
    ),
    "a result without end": (
        "def forward(self, x):\n        out = [x]\n        out.append(out)\n        return out",
        "holds itself, or lies too deep|RecursionError",
    ),
    "an exit": ("def forward(self, x): raise SystemExit(3)", "ended with exit code 3"),
    "recursion": ("def forward(self, x): return self.forward(x)", "RecursionError"),
}


@pytest.mark.parametrize("what", FILES)
def test_the_command_says_in_a_line_what_is_wrong(what, tmp_path):
    forward, said = FILES[what]
    path = tmp_path / "mine.py"
    path.write_text(f"import numpy as np\nclass Mine:\n    {forward}\n    def backward(self, dout): return dout\n")
    command = [sys.executable, "-m", "dout", "show", f"{path}:Mine"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert re.search(f"^dout: .*{said}", run.stderr, re.MULTILINE), run.stderr
    assert "/dout/trace/" not in run.stderr


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
