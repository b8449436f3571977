"""A layer that hands its gradients to an optimizer in its backward: they are judged as they are handed over."""

import json
import subprocess
import sys

import numpy as np
import pytest

from dout.check.verb.check_layer import check

OPTIMIZERS = '''
import copy
import numpy as np


class Plain:
    """Changes the parameter that it is given."""

    def __init__(self, rate):
        self.rate, self.steps = rate, 0

    def step(self, key, parameter, gradient):
        gradient *= self.rate
        parameter -= gradient


class Momentum:
    """Returns another array, and divides by what the layer counts."""

    def __init__(self, rate):
        self.rate, self.steps, self.speeds = rate, 0, {}

    def __call__(self, gradient, parameter):
        speed = self.speeds.get(parameter.shape, 0.0) * 0.5 - self.rate * gradient / self.steps
        self.speeds[parameter.shape] = speed
        return parameter + speed


class Base:
    def __init__(self, n, m, opt):
        self.W, self.b, self.opt = np.random.randn(n, m), np.zeros(m), opt

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
'''

BACKWARDS = {
    "in_place": ("Plain", """
        dx = dout @ self.W.T
        self.opt.step("W", self.W, {factor}self.x.T @ dout)
        self.opt.step("b", self.b, dout.sum(axis=0))
        return dx{of_x}"""),
    "returned": ("Momentum", """
        dx = dout @ self.W.T
        self.opt.steps += 1
        dW, db = {factor}self.x.T @ dout, dout.sum(axis=0)
        self.W, self.b = self.opt(dW, self.W), self.opt(db, self.b)
        return dx{of_x}"""),
    "one_each": ("Plain", """
        dx = dout @ self.W.T
        self.opt["W"].step("W", self.W, {factor}self.x.T @ dout)
        self.opt["b"].step("b", self.b, dout.sum(axis=0))
        return dx{of_x}

    def __init__(self, n, m, opt):
        super().__init__(n, m, {{name: copy.copy(opt) for name in "Wb"}})"""),
}  # fmt: skip
EARLY = """
        self.opt.step("W", self.W, self.x.T @ dout)
        self.opt.step("b", self.b, dout.sum(axis=0))
        return dout @ self.W.T"""


def judged(folder, optimizer, backward):
    """What is found of a layer with this backward, as a program builds it."""
    (folder / "layers.py").write_text(f"{OPTIMIZERS}\n\nclass Dense(Base):\n    def backward(self, dout):{backward}\n")
    (folder / "train.py").write_text(
        f"import numpy as np\nfrom layers import *\n\nlayer = Dense(5, 3, {optimizer}(0.01))\nfor _ in range(3):\n"
        "    layer.backward(layer.forward(np.random.randn(8, 5)) - 1.0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "dout", "check", ".", "--json"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    (report,) = [layer for file in json.loads(done.stdout)["files"] for layer in file["layers"]]
    return report


def wrong(report):
    return {f["argument"] for f in report["findings"] if f["severity"] == "error"}


@pytest.mark.parametrize("way", BACKWARDS)
def test_gradients_are_those_that_the_programs_own_optimizer_is_given(tmp_path, way):
    optimizer, backward = BACKWARDS[way]
    right = judged(tmp_path, optimizer, backward.format(factor="", of_x=""))
    assert {v["argument"] for v in right["verdicts"]} == {"x", "W", "b"}
    assert right["ok"]
    assert not [f for f in right["findings"] if f["severity"] != "note"]


@pytest.mark.parametrize("way", BACKWARDS)
def test_a_wrong_gradient_is_one_whatever_the_optimizer_makes_of_it(tmp_path, way):
    optimizer, backward = BACKWARDS[way]
    assert wrong(judged(tmp_path, optimizer, backward.format(factor="2 * ", of_x=""))) == {"W"}
    assert wrong(judged(tmp_path, optimizer, backward.format(factor="", of_x=" * 2"))) == {"x"}


def test_a_step_before_the_gradient_of_the_input_shows_in_it(tmp_path):
    assert wrong(judged(tmp_path, "Plain", EARLY)) == {"x"}


class Rate:
    """Steps a whole layer, by the gradients of a dict, or of two lists."""

    def by_name(self, layer, gradients):
        for name, gradient in gradients.items():
            layer.params[name] -= 0.01 * gradient

    def by_place(self, parameters, gradients):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= 0.01 * gradient


class ByName:
    def __init__(self, stepper):
        draw = np.random.default_rng(1)
        self.params, self.stepper = {"W": draw.normal(size=(5, 3)), "b": draw.normal(size=3)}, stepper

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        dx = dout @ self.params["W"].T
        self.step(self.x.T @ dout, dout.sum(axis=0))
        return dx

    def step(self, dW, db):
        self.stepper.by_name(self, {"W": dW, "b": db})


class ByPlace(ByName):
    def step(self, dW, db):
        self.stepper.by_place([self.params["W"], self.params["b"]], [dW, db])


class ByPlaceWrong(ByPlace):
    def step(self, dW, db):
        super().step(dW * 3, db)


@pytest.mark.parametrize(("cls", "names"), [(ByName, set()), (ByPlace, set()), (ByPlaceWrong, {"W"})])
def test_a_layer_that_is_there_is_judged_with_its_own_optimizer(cls, names):
    report = check(cls(Rate()), np.linspace(-1.0, 1.0, 20).reshape(4, 5) ** 3)
    assert {verdict.argument for verdict in report.verdicts} == {"x", "W", "b"}
    assert {f.argument for f in report.findings if f.severity == "error"} == names


class Told:
    """Is built with something that backward alone asks: no program says what."""

    def __init__(self, n, m, updates_of):
        self.W, self.b = np.random.default_rng(1).normal(size=(n, m)), np.zeros(m)
        self.updates_of = updates_of

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.updates_of.step("W", self.W, self.x.T @ dout)
        self.updates_of.step("b", self.b, dout.sum(axis=0))
        return dx


class ToldEarly(Told):
    def backward(self, dout):
        self.updates_of.step("W", self.W, self.x.T @ dout)
        self.updates_of.step("b", self.b, dout.sum(axis=0))
        return dout @ self.W.T


class ToldWrong(Told):
    def backward(self, dout):
        dx = dout @ self.W.T
        self.updates_of.step("W", self.W, -self.x.T @ dout)
        self.updates_of.step("b", self.b, dout.sum(axis=0))
        return dx


@pytest.mark.parametrize(("cls", "names"), [(Told, set()), (ToldEarly, {"x"}), (ToldWrong, {"W"})])
def test_what_backward_alone_asks_hears_of_gradients(cls, names):
    report = check(cls)
    assert {verdict.argument for verdict in report.verdicts} == {"x", "W", "b"}
    assert {f.argument for f in report.findings if f.severity == "error"} == names


class Stepper:
    def update(self, parameter, gradient):
        parameter -= 0.01 * gradient


class Each:
    def __init__(self, n=4, m=3):
        self.W, self.b = np.random.default_rng(1).normal(size=(n, m)), np.zeros(m)
        self.opts = [Stepper(), Stepper()]

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.opts[0].update(self.W, self.x.T @ dout)
        self.opts[1].update(self.b, dout.sum(axis=0))
        return dx


class EachWrong(Each):
    def backward(self, dout):
        dx = dout @ self.W.T
        self.opts[0].update(self.W, np.abs(self.x).T @ dout)
        self.opts[1].update(self.b, dout.sum(axis=0))
        return dx


def test_a_line_that_makes_a_step_is_no_value_for_another():
    assert not [f for f in check(Each).findings if f.severity == "error"]
    (error,) = [f for f in check(EachWrong).findings if f.severity == "error"]
    assert "`np.abs(self.x)` should be `self.x`" in error.message
