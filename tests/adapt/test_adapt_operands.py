"""Operations built with their operands, and what a backward is given beside them: slopes, columns."""

import sys
from pathlib import Path
from typing import Any

import pytest
from test_adapt_networks import loaded, words

import dout
from dout.adapt.interface.function_pairs import function_pairs
from dout.judge.outcomes import Word

OPERATIONS = """
class Times:
    def __init__(self, one, other):
        self.one, self.other = one, other

    def forward(self):
        self.made = self.one.__class__(self.one.data * np.sin(self.other.data))
        return self.made

    def backward(self):
        self.one.slope += np.sin(self.other.data) * self.made.slope
        self.other.slope += RIGHT * self.made.slope


class Total:
    def __init__(self, of, axis=None):
        self.of, self.axis = of, axis

    def forward(self):
        self.made = self.of.__class__(np.sum(self.of.data ** 2, axis=self.axis))
        return self.made

    def backward(self):
        self.of.slope += 2 * self.of.data * self.made.slope
"""
CELLS = """
from operations import Times, Total

class Cell:
    def __init__(self, data):
        self.data = np.array(data)
        self.slope = None

    def __mul__(self, other):
        return Times(self, other).forward()
"""


def operations(folder: Path, monkeypatch: pytest.MonkeyPatch, right: str) -> Any:
    monkeypatch.syspath_prepend(folder)
    module = loaded(folder, OPERATIONS.replace("RIGHT", right), "operations")
    monkeypatch.setitem(sys.modules, "operations", module)
    monkeypatch.setitem(sys.modules, "cells", loaded(folder, CELLS, "cells"))
    return module


@pytest.mark.parametrize(
    ("right", "word"),
    [("self.one.data * np.cos(self.other.data)", Word.EXACT), ("np.cos(self.other.data)", Word.REFUTED)],
)
def test_an_operation_is_built_with_operands_of_the_class_that_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: str, word: Word
) -> None:
    report = dout.check(operations(tmp_path, monkeypatch, right).Times)
    assert words(report) == {"one_data": Word.EXACT, "other_data": word}
    assert "D504" not in {finding.code for finding in report.findings}  # a Cell makes arrays of numbers


def test_an_operation_may_give_one_number_and_its_settings_are_no_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert words(dout.check(operations(tmp_path, monkeypatch, "1").Total)) == {"of_data": Word.EXACT}


BENT = """
wave = lambda x: np.sin(x)

def bent_forward(x, w, curve):
    z = x @ w
    return curve(z), (x, w, z)

def bent_backward(dout, cache, curve_prime):
    x, w, z = cache
    dz = curve_prime(RIGHT) * dout
    return dz @ w.T, x.T @ dz
"""


@pytest.mark.parametrize(("right", "word"), [("z", Word.EXACT), ("2 * z", Word.REFUTED)])
def test_a_backward_is_given_the_slope_of_the_function_that_forward_was_given(
    tmp_path: Path, right: str, word: Word
) -> None:
    module = loaded(tmp_path, BENT.replace("RIGHT", right))
    assert set(words(dout.check(function_pairs(vars(module))["bent_forward"])).values()) == {word}


COLUMNS = """
class Shares:
    def forward(self, x):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.p = e / np.sum(e, axis=1, keepdims=True)
        return self.p

    def backward(self, dout):
        return RIGHT @ dout

    def jacobian(self):
        return self.p * (np.eye(self.p.shape[1]) - np.swapaxes(self.p, 1, 2))
"""


@pytest.mark.parametrize(("right", "word"), [("self.jacobian()", Word.EXACT), ("2 * self.jacobian()", Word.REFUTED)])
def test_what_takes_square_tables_alone_is_given_columns(tmp_path: Path, right: str, word: Word) -> None:
    report = dout.check(loaded(tmp_path, COLUMNS.replace("RIGHT", right)).Shares)
    assert words(report) == {"x": word}


DISTANCES = """
def misses(y, ŷ):
    return np.sum((ŷ - y) ** 4) / y.size

def d_misses(y, ŷ):
    return RIGHT
"""


@pytest.mark.parametrize(
    ("right", "word"),
    [
        ("4 * (ŷ - y) ** 3 / y.size", Word.EXACT),
        ("4 * (ŷ - y) ** 3", Word.SCALED),  # a convention of losses: nothing arrives from above
        ("4 * (y - ŷ) ** 3", Word.REFUTED),
    ],
)
def test_y_with_a_hat_is_a_prediction(tmp_path: Path, right: str, word: Word) -> None:
    module = loaded(tmp_path, DISTANCES.replace("RIGHT", right))
    assert words(dout.check(function_pairs(vars(module))["misses"])) == {"ŷ": word}


FORGOTTEN = """
class Bent:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def gradient(self, dout):
        return RIGHT

class Steep:
    def activate(self, x):
        return x * 1

    def grad(self, NAME):
        return UNIT

class Affine:
    def __init__(self):
        self.W = np.random.randn(3, 2)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def gradients(self, dout):
        dout = UPSTREAM
        self.dW = self.x.T @ dout
        return dout @ self.W.T

def relu(x):
    return np.maximum(x, 0), x

def relu_grad(dout, cache):
    return SLOPE
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ["dout", "grad", "upstream", "delta"])
@pytest.mark.parametrize("reads", [True, False])
def test_an_upstream_gradient_that_backward_does_not_read_is_forgotten(tmp_path: Path, reads: bool, name: str) -> None:
    given = {
        "RIGHT": "dout * (1 - self.y ** 2)" if reads else "1 - self.y ** 2",
        "NAME": name,
        "UNIT": f"1 * {name}" if reads else "1",
        "UPSTREAM": "1 * dout" if reads else "np.ones((len(self.x), 2))",
        "SLOPE": "(cache > 0) * dout" if reads else "(cache > 0) * 1.0",
    }
    source = FORGOTTEN
    for place, text in given.items():
        source = source.replace(place, text)
    module = loaded(tmp_path, source)
    layers = {"Bent": module.Bent, "Steep": module.Steep, "Affine": module.Affine, **function_pairs(vars(module))}
    found = {where: {finding.code for finding in dout.check(layer).findings} for where, layer in layers.items()}
    assert len(found) == 4
    assert [where for where, codes in found.items() if ("D103" in codes) == reads] == [], found


NODES = """
class Rule:
    def __call__(self, *args):
        return Node(self.compute(*[node.kept for node in args]), args)

    def compute(self, *args):
        raise NotImplementedError

    def gradient(self, out_grad, node):
        raise NotImplementedError

class Node:
    def __init__(self, kept, inputs=()):
        self.kept, self.inputs = np.asarray(kept), inputs

    def __mul__(self, other):
        return Product()(self, other)

class Product(Rule):
    def compute(self, a, b):
        return a * b

    def gradient(self, out_grad, node):
        one, other = node.inputs
        return out_grad * RIGHT, out_grad * one
"""


@pytest.mark.parametrize(("right", "word"), [("other", Word.EXACT), ("one", Word.REFUTED)])
def test_a_gradient_is_given_the_node_of_which_it_reads_the_inputs(tmp_path: Path, right: str, word: Word) -> None:
    report = dout.check(loaded(tmp_path, NODES.replace("RIGHT", right)).Product)
    assert words(report) == {"input0": word, "input1": Word.EXACT}
    assert "D504" not in {finding.code for finding in report.findings}  # a Node makes arrays of numbers
