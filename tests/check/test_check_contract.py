import os
import random
import signal
import sys
import warnings
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from contract_findings import X, Y, alarming, found, line
from layer_calls import ALL

from dout.trace.record.script import load_file

SLIDES = load_file(Path(__file__).parents[2] / "examples" / "slide_layers.py")


def test_relu_of_the_slides_writes_into_dout_and_needs_arrays():
    findings = found(SLIDES.Relu, X)
    assert alarming(findings) == {"D201", "D504"}
    wrong = findings["D201"]
    assert wrong.severity == "error"
    assert wrong.cause == "overwrites dout"
    assert Path(wrong.file).name == "slide_layers.py"
    assert line(wrong) == "dout[self.mask] = 0"
    assert "becomes [2, 0, 0, 2], right: [2, 1, 1, 2]" in wrong.message
    assert "+        dout = dout.copy()\n         dout[self.mask] = 0" in str(wrong.fix)
    assert line(findings["D504"]) == "out = x.copy()"


def test_mul_layer_of_the_slides_does_not_sum_broadcast_gradients():
    findings = found(SLIDES.MulLayer, X, Y)
    assert alarming(findings) == {"D503"}
    assert findings["D208"].severity == "note"


def test_add_layer_of_the_slides_keeps_nothing():
    assert set(found(SLIDES.AddLayer, X, Y)) == {"D503"}


def test_sigmoid_of_the_slides_overflows_in_exp():
    findings = found(SLIDES.Sigmoid, X)
    assert alarming(findings) == {"D401"}
    assert "although the result is right" in findings["D401"].message
    assert line(findings["D401"]) == "out = 1 / (1 + np.exp(-x))"


@pytest.mark.parametrize("numbers", [(100, 2), (100.0, 2.0)])
def test_buying_apples_is_fine(numbers):
    assert not alarming(found(SLIDES.MulLayer, *numbers))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("layer", ALL, ids=lambda layer: layer.__name__)
@pytest.mark.parametrize("inputs", [(X, Y), (np.abs(X), np.abs(Y)), (2.0, 3.0), (X[0], Y[0]), (X * 10, Y * 10)])
def test_ready_made_layers_give_nothing_alarming(layer, inputs):
    assert not alarming(found(layer, *inputs[: len(signature(layer.forward).parameters) - 1]))


@pytest.mark.parametrize("name", ["MulLayer", "AddLayer", "Relu", "Sigmoid"])
def test_all_checks_of_a_small_layer_take_few_runs(name):
    runs = []

    class Counted(getattr(SLIDES, name)):
        def forward(self, *inputs):
            runs.append(None)
            return super().forward(*inputs)

    found(Counted, *(X, Y)[: len(signature(getattr(SLIDES, name).forward).parameters) - 1])
    assert len(runs) < 150


class Rude:
    """Prints, changes directory, filters, random and floating-point state; and exits on anything but its input."""

    def forward(self, x):
        sys.stdout.write("printed")
        sys.stderr.write("printed")
        os.chdir("/")
        warnings.simplefilter("error")
        np.seterr(all="raise")
        np.random.seed(7)  # noqa: NPY002
        random.seed(7)
        if not np.array_equal(x, X):
            sys.exit(3)
        self.x = x
        return x * 2

    def backward(self, dout):
        sys.stdout.write("printed")
        return dout * 2


def test_nothing_of_what_a_layer_does_leaks(capfd):
    before = (os.getcwd(), warnings.filters[:], np.geterr(), random.getstate(), repr(np.random.get_state()))  # noqa: NPY002, PTH109
    found(Rude, X)
    after = (os.getcwd(), warnings.filters[:], np.geterr(), random.getstate(), repr(np.random.get_state()))  # noqa: NPY002, PTH109
    assert after == before
    assert capfd.readouterr() == ("", "")


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [SystemExit, Stop, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError])
def test_a_layer_that_raises_in_a_probe_does_not_end_the_check(error):
    class Fussy:
        def forward(self, x):
            if x.shape != (2, 2) or not np.array_equal(x, X):
                raise error
            return x * 2

        def backward(self, dout):
            return dout * 2

    assert not alarming(found(Fussy, X))


@pytest.fixture
def control_c():
    """SIGINT raises KeyboardInterrupt, also where the tests run in the background and ignore it."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, kept)


@pytest.mark.usefixtures("control_c")
def test_control_c_in_the_middle_of_a_probe_ends_the_check():
    class Waits:
        def forward(self, x):
            signal.raise_signal(signal.SIGINT)
            return x

        def backward(self, dout):
            return dout

    with pytest.raises(KeyboardInterrupt):
        found(Waits, X)


def test_a_slow_layer_is_examined_in_part(monkeypatch):
    runs = []

    class Slow:
        def __init__(self):
            self.table = np.zeros(1_000_000)  # each run has a copy of it

        def forward(self, x):
            runs.append(1)
            self.x = x
            return x * x

        def backward(self, dout):
            dout *= 2 * self.x
            return dout

    monkeypatch.setattr(sys.modules["dout.check.lab.probe"], "MOST_SECONDS", 0.5)
    findings = found(Slow, X)
    assert len(runs) < 60  # it stops after some that take long; all checks make a hundred
    assert "D201" in findings
    assert findings["D002"].severity == "note"


def test_the_inputs_and_the_layer_are_as_before():
    class Counts:
        def __init__(self):
            self.calls = np.zeros(1)

        def forward(self, x):
            self.calls += 1
            x *= 2
            return x + 0

        def backward(self, dout):
            return dout * 2

    x, layer = X.copy(), Counts()
    found(layer, x)
    assert np.array_equal(x, X)
    assert layer.calls == 0


class Noise:
    """Its generator is its own."""

    def __init__(self, seed=None):
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        self.scale = 1 + self.rng.normal(size=np.shape(x))
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale


def test_a_generator_without_a_seed_is_noted():
    assert found(Noise(), X)["D601"].severity == "note"
    assert "D601" not in found(Noise(3), X)
