"""Large and small numbers change nothing of a report, where the formula itself has no scale.

A formula has no scale in some of its arrays where 1024 times these gives a fixed number of times the output, and their
1024th part the inverse of that: `Layer.sets` runs the plain forward to see. Exempt are

- D401, D402 and D403, which say at which numbers something overflows or loses digits: that is a matter of scale;
- numbers 0 and 1 and rows that add up to 1: labels and probabilities have a scale, which is 1;
- a backward that steps: of a parameter it leaves the new value, which has lost the digits of a much smaller step.
"""

import copy
import dataclasses
import functools
import itertools
import random
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import foreign_layers
import numpy as np
import pytest
from edited_layers import JUDGED, layer

import dout
from benchmarks.checker import corpus
from dout.adapt.search.example import adapted, example
from dout.adapt.target import Target
from dout.check.verb.check_layer import checked_on
from dout.check.verb.grounds import Grounds

OF_SCALE = ("D401", "D402", "D403")
POWERS = [k for k in range(-12, 13) if k]
FEW = (-12, -9, -4, 5, 12)
FAMILIES = sorted({case.kind for case in corpus.right()})


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer with the arrays that it is built of and given, by name, and how to run and to check it with others."""

    name: str
    arrays: dict[str, np.ndarray]
    run: Callable[[dict[str, Any]], Any]  # its output
    check: Callable[[dict[str, Any]], tuple[str, dout.Report]]  # the interface, and the report

    def times(self, names, factor):
        return {name: x * factor if name in names else x for name, x in self.arrays.items()}

    def sets(self):
        """The sets of arrays in which the formula has no scale."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it overflows at some
            return list(self._sets())

    def _sets(self):
        output = self.run(self.arrays)
        free = [name for name, x in self.arrays.items() if has_no_scale(x)]
        for names in (names for size in range(len(free)) for names in itertools.combinations(free, size + 1)):
            up, down = (self.run(self.times(names, factor)) for factor in (1024.0, 1 / 1024))
            factor = np.abs(up).max() / (np.abs(output).max() or 1.0)
            if np.isfinite(factor) and is_near(up, factor * output) and is_near(down * factor, output):
                yield names

    def told(self, arrays):
        """The interface, the verdicts and the findings, without those that are a matter of scale."""
        interface, report = self.check(arrays)
        verdicts = [(v.argument, v.word) for v in report.verdicts]
        findings = {(f.code, f.severity, f.argument) for f in report.findings if f.code not in OF_SCALE}
        return interface, verdicts, findings

    def differences(self, every):
        """What another scale changes: of one set of arrays and one power, or of all."""
        ways = [(names, k) for names in self.sets() for k in POWERS]
        if ways and not every:
            ways = [random.Random(zlib.crc32(self.name.encode())).choice(ways)]
        here = self.told(self.arrays) if ways else None
        return [
            (self.name, names, k, here, other)
            for names, k in ways
            if (other := self.told(self.times(names, 10.0**k))) != here
        ]


def has_no_scale(x):
    if not isinstance(x, np.ndarray) or x.dtype != float or np.isin(x, (0, 1)).all():
        return False
    return not (x.ndim and (x >= 0).all() and np.allclose(x.sum(axis=-1), 1))


def is_near(one, two):
    return bool(np.all(np.abs(one - two) <= 1e-9 * np.abs(two).max()))


def flat(output):
    """All numbers of an output in a line."""
    parts = output if isinstance(output, tuple) else (output,)
    return np.concatenate([np.ravel(part) for part in parts])


@functools.cache
def folder():
    return tempfile.TemporaryDirectory()


def of_corpus(case):
    """A case of the checker's corpus, as a file."""
    path = corpus.write(case, folder().name, example=False)
    names = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), names)
    places = dict(enumerate(case.inputs))

    def built(arrays):
        init = {name: arrays.get(name, value) for name, value in case.init.items()}
        return dataclasses.replace(case, init=init).build(names), [arrays.get(i, x) for i, x in places.items()]

    def run(arrays):
        layer, inputs = built(arrays)
        return flat(layer.forward(*map(copy.deepcopy, inputs)))

    def check(arrays):
        layer, inputs = built(arrays)
        return interface_of(adapted(layer, {}, tuple(inputs), {})[0]), dout.check(layer, *inputs)

    free = {i: x for i, x in places.items() if i not in case.labels}
    return Layer(case.id, {n: x for n, x in (case.init | free).items() if isinstance(x, np.ndarray)}, run, check)


def interface_of(adapted_layer):
    return str(getattr(adapted_layer, "dout_interface", "plain"))


def of_others(name):
    """A layer of other people's, with the example that is found for it."""
    cls = layer(foreign_layers, name)
    found = example(cls, {}, {})

    def prepared(arrays):
        np.random.seed(0)  # noqa: NPY002 - the state that such layers draw from
        made, inputs, chosen = adapted(cls, found.init, (), {**found.inputs, **arrays})
        return made, chosen, inputs

    def run(arrays):
        made, chosen, inputs = prepared(arrays)
        np.random.seed(0)  # noqa: NPY002
        return flat(Target(made).builder(chosen.init)().forward(*map(copy.deepcopy, inputs)))

    def check(arrays):
        made, chosen, inputs = prepared(arrays)
        interface = interface_of(made)
        return interface, checked_on(Grounds(cls, made, inputs, chosen))[1]

    steps = "rate" in str(found.interface) or "steps" in str(found.interface)
    arrays = {n: x for n, x in found.inputs.items() if isinstance(x, np.ndarray) and not steps}
    return Layer(name, arrays, run, check)


@pytest.fixture
def unhurried(monkeypatch):
    """No check ends early where the machine is busy."""
    for name, module in list(sys.modules.items()):
        if name.startswith("dout.") and hasattr(module, "spent"):
            monkeypatch.setattr(module, "spent", lambda: 0.0)


@pytest.mark.one_in(36)
@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_right_layer_is_told_the_same_at_another_scale(family):
    layers = [of_corpus(case) for case in corpus.right() if case.kind == family][::3]
    assert [d for one in layers for d in one.differences(every=False)] == []


@pytest.mark.long
@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_right_layer_is_told_the_same_at_every_scale(family):
    layers = [of_corpus(case) for case in corpus.right() if case.kind == family]
    assert [d for one in layers for d in one.differences(every=True)] == []


@pytest.mark.one_in(27)
@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("name", [row[0] for row in JUDGED.values()])
def test_a_layer_in_another_interface_is_told_the_same_at_another_scale(name):
    assert of_others(name).differences(every=False) == []


@pytest.mark.long
@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("name", [row[0] for row in JUDGED.values()])
def test_a_layer_in_another_interface_is_told_the_same_at_every_scale(name):
    assert of_others(name).differences(every=True) == []


# --- one by one -------------------------------------------------------------------------------------------------------

X, Y = np.random.default_rng(3).normal(size=(2, 3, 4))


class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, d):
        return d * self.y, d * self.x


class WrongProduct(Product):
    def backward(self, d):
        return d * self.x, d * self.y


class Masked:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dout):
        dx = dout.copy()
        np.putmask(dx, self.x < 0, 0)
        return dx


class WrongMasked(Masked):
    def backward(self, dout):
        dx = dout.copy()
        np.putmask(dx, self.x > 0, 0)
        return dx


class ShiftedSquare:
    def __init__(self, b):
        self.b = np.array(b)

    def forward(self, x):
        self.x = x
        return (x + self.b) ** 2

    def backward(self, dout):
        return 2 * (self.x + self.b) * dout


class WrongShiftedSquare(ShiftedSquare):
    def backward(self, dout):
        return 2 * self.x * dout


class Waves:
    def forward(self, x):
        self.x = x
        return np.exp(np.sin(x))

    def backward(self, dout):
        dx = dout * np.exp(np.sin(self.x)) * np.cos(self.x)
        np.putmask(dx, np.isnan(dx), 0)  # no recording knows it
        return dx


@pytest.mark.parametrize("k", FEW)
def test_an_argument_of_backward_that_is_no_input_is_the_upstream_gradient(k):
    made = adapted(Product(), {}, (X * 10.0**k, Y * 10.0**k), {})[0]
    assert interface_of(made) == "plain" or made.dout_interface.roles == ("dout",)
    assert dout.check(Product(), X * 10.0**k, Y * 10.0**k).ok


@pytest.mark.one_in(3)
@pytest.mark.parametrize("k", [-12, 12, *(pytest.param(k, marks=pytest.mark.long) for k in (-9, -4, 5))])
def test_a_wrong_gradient_is_refuted_however_small_or_large_its_numbers_are(k):
    for wrong, inputs in ((WrongProduct(), (X, Y)), (WrongMasked(), (X,)), (WrongShiftedSquare(0.25 * 10.0**k), (X,))):
        report = dout.check(wrong, *(x * 10.0**k for x in inputs))
        assert {v.word for v in report.verdicts} == {"refuted"}, report


@pytest.mark.parametrize("k", FEW)
def test_differences_of_plain_runs_agree_with_a_right_gradient_at_every_scale(k):
    verdict = dout.check(Masked(), X * 10.0**k).verdicts[0]
    assert (verdict.word, verdict.route) == ("agrees within rounding", "complex step")


def test_an_array_that_is_added_and_small_is_no_stabiliser():
    report = dout.check(WrongShiftedSquare(1e-9), X * 1e-9)
    assert [v.word for v in report.verdicts] == ["refuted"]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("k", [2, 4, 6, 9, 12])
def test_a_function_that_bends_sooner_than_its_input_is_large_is_not_refuted_by_differences(k):
    report = dout.check(Waves(), X * 10.0**k)
    assert report.ok, report
    assert report.verdicts[0].route != "exact arithmetic"


def test_whole_numbers_too_large_for_their_product_are_no_cut_off_digits():
    assert "D303" not in {f.code for f in dout.check(Product(), X * 1e12, Y * 1e12).findings}


class UnknownProduct:
    """No recording follows `asmatrix`: it is judged by differences."""

    runs = 0

    def __init__(self, factor):
        self.W, self.factor = np.random.default_rng(0).normal(size=(8, 7)), factor

    def forward(self, x):
        UnknownProduct.runs += 1
        self.x = x
        return np.asarray(np.tanh(np.asmatrix(x) * np.asmatrix(self.W)))

    def backward(self, dout):
        d = self.factor * dout * (1 - np.tanh(self.x @ self.W) ** 2)
        self.dW = self.x.T @ d
        return d @ self.W.T


@pytest.mark.parametrize(("factor", "word"), [(1, "agrees within rounding"), (3, "refuted")])
def test_a_gradient_that_is_proportional_to_the_derivative_takes_few_differences(factor, word):
    """40 and 56 elements, of which 12 were moved one by one, each some twenty times; a repair is looked for, too."""
    UnknownProduct.runs = 0
    report = dout.check(UnknownProduct(factor), np.random.default_rng(1).normal(size=(5, 8)))
    assert {verdict.argument: verdict.word for verdict in report.verdicts} == {"x": word, "W": word}
    assert UnknownProduct.runs < (300 if factor == 1 else 500)
