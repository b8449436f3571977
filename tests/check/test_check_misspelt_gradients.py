"""A gradient that backward keeps by a name that nothing reads, a letter beside the one that a program reads."""

import importlib.util
import sys

import numpy as np
import pytest

pytest.importorskip("flint")

from dout.check import check

LAYERS = """
import numpy as np

class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        self.dinputs = dout * (1 - self.y**2)

class Exp:
    def forward(self, x):
        self.y = np.exp(x)
        return self.y

    def backward(self, dout):
        self.dinputs = dout * self.y
"""
PROGRAM = """
def back(layers, dout):
    for layer in reversed(layers):
        layer.backward(dout)
        dout = layer.dinputs
"""
READS_BOTH = f"{PROGRAM}    return layers[0].dinput\n"


def codes_of(folder, patch, layers, program):
    (folder / "program.py").write_text(program)
    file = folder / "layers.py"
    file.write_text(layers)
    spec = importlib.util.spec_from_file_location("layers", file)
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, "layers", module)
    spec.loader.exec_module(module)
    found = check(module.Exp, np.random.default_rng(0).normal(size=(3, 4))).findings
    return {one.code: one for one in found if one.severity != "note"}


def of_exp(name):
    first, second = LAYERS.split("class Exp")
    return f"{first}class Exp{second.replace('self.dinputs', f'self.{name}')}"


def test_a_gradient_that_nothing_reads_is_told_beside_the_name_that_is_read(tmp_path, monkeypatch):
    found = codes_of(tmp_path, monkeypatch, of_exp("dinput"), PROGRAM)
    assert "self.dinput, which nothing reads: others read self.dinputs" in found["D108"].message


@pytest.mark.parametrize(
    ("layers", "program"),
    [
        (LAYERS, PROGRAM),
        (of_exp("dinput"), READS_BOTH),
        (of_exp("dx"), PROGRAM),
        (of_exp("dinput").replace("self.dinput = dout", "self.dinput = self.dinputs = dout"), PROGRAM),
    ],
)
def test_a_name_that_is_read_or_is_no_other_one_is_fine(tmp_path, monkeypatch, layers, program):
    assert "D108" not in codes_of(tmp_path, monkeypatch, layers, program)


def test_a_parameter_that_others_read_is_no_other_name_of_a_gradient(tmp_path, monkeypatch):
    layers = (
        LAYERS.replace("self.dinputs = dout * self.y\n", "self.dq = dout * self.y\n")
        + """
class Scale:
    def __init__(self):
        self.q = 2.0
"""
    )
    assert "D108" not in codes_of(tmp_path, monkeypatch, layers, PROGRAM + "    return [layer.q for layer in layers]\n")


NORM = """
import numpy as np

class Tanh:
    def __init__(self):
        self.gamma = np.array([1.5, 0.5, 2.0, 1.0])

    def forward(self, x):
        self.y = np.tanh(x)
        return self.gamma * self.y

    def backward(self, dout):
        self.dgamma = (dout * self.y).sum(axis=0)
        return dout * self.gamma * (1 - self.y**2)

class Exp(Tanh):
    def forward(self, x):
        self.y = np.exp(x)
        return self.gamma * self.y

    def backward(self, dout):
        self.dgamma = (dout * self.y).sum(axis=0)
        return dout * self.gamma * self.y
"""
STEPS = """
def step(layers):
    for layer in layers:
        layer.gamma -= 0.1 * layer.dgamma
"""


def of_parameter(name, factor):
    first, second = NORM.split("class Exp")
    line = f"self.{name} = {factor} * (dout * self.y).sum(axis=0)"
    return f"{first}class Exp{second.replace('self.dgamma = (dout * self.y).sum(axis=0)', line)}"


@pytest.mark.parametrize(("factor", "severity"), [(1, "error"), (3, "warning")])
def test_it_is_an_error_where_the_gradient_is_exact_by_the_name_that_is_read(tmp_path, monkeypatch, factor, severity):
    layers = of_parameter("dgama", factor)
    found = codes_of(tmp_path, monkeypatch, layers, STEPS)["D108"]
    assert found.severity == severity
    assert (found.fix is not None) == (severity == "error")
    assert "self.dgama = " in layers.splitlines()[found.line - 1]


def test_the_name_that_is_read_is_fine(tmp_path, monkeypatch):
    assert not codes_of(tmp_path, monkeypatch, of_parameter("dgamma", 1), STEPS)
