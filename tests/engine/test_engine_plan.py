"""`compiled.plan()`: what a call does, from which lines, with how many bytes, and what runs plainly."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

import dout
from dout.engine.compile import plan_text
from dout.engine.compile.plan_lines import PlanLine
from dout.engine.runtime.roofline import Arithmetic, Bandwidth

HERE = Path(__file__).name
MEMORY = Bandwidth(copy=4e10, triad=5e10, size=1 << 26, cores=2)
PRODUCTS = Arithmetic(single=2e11, double=1e11)
ROWS, WIDTH, HEIGHT = 640, 30, 20


class Layer:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.W = rng.normal(size=(WIDTH, HEIGHT))
        self.b = np.ones(HEIGHT)

    def forward(self, x):
        self.x = x
        self.out = np.tanh(x @ self.W + self.b)
        return self.out

    def backward(self, dout):
        dout = dout * (1 - self.out * self.out)
        self.dW = self.x.T @ dout
        return dout @ self.W.T


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan_text, "bandwidth", lambda: MEMORY)
    monkeypatch.setattr(plan_text, "arithmetic", lambda: PRODUCTS)


@pytest.fixture(scope="module")
def layer():
    fast = dout.compile(Layer())
    fast.forward(np.ones((ROWS, WIDTH)))
    fast.backward(np.ones((ROWS, HEIGHT)))
    return fast


@pytest.fixture(scope="module")
def programs(layer):
    forward, backward = layer.plan().programs
    return forward, backward


def line_of(text):
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return f"{HERE}:{next(i for i, line in enumerate(lines, start=1) if text in line)}"


def test_before_the_first_call_nothing_is_compiled():
    plan = dout.compile(Layer()).plan()
    assert plan.programs == ()
    assert str(plan).count("nothing is compiled yet") == 2


def test_forward_and_backward_stand_one_under_the_other(layer):
    text = str(layer.plan())
    assert text.startswith(f"Layer.forward\n  x float64 ({ROWS}, {WIDTH})\n")
    assert f"\n\nLayer.backward\n  dout float64 ({ROWS}, {HEIGHT})\n" in text
    assert repr(layer.plan()).startswith("<plan of Layer.forward and Layer.backward: 2 programs, ")


def test_each_step_says_what_it_computes_how_and_for_which_line(programs):
    product, rest = programs[0].steps
    assert (product.text.partition(" = ")[2], product.how) == ("x @ W", "NumPy")
    assert rest.text == f"out = tanh({product.text.partition(' = ')[0]} + b)"
    assert (rest.how, rest.parallel) == ("kernel", False)
    assert product.place == rest.place == line_of("np.tanh(x @ self.W")


def test_a_kernel_may_overwrite_what_dies(programs):
    product, rest = programs[0].steps
    assert rest.over == product.text.partition(" = ")[0]
    assert product.over == ""


def test_a_view_moves_nothing(programs):
    assert {step.nbytes for step in programs[1].steps if step.how == "view"} == {0}
    assert any(step.text.endswith("= x.T") for step in programs[1].steps if step.how == "view")


def test_a_step_moves_what_it_reads_and_writes(programs):
    forward, _ = programs
    product, rest = forward.steps
    assert product.nbytes == 8 * (ROWS * WIDTH + WIDTH * HEIGHT + ROWS * HEIGHT)
    assert rest.nbytes == 8 * (2 * ROWS * HEIGHT + HEIGHT)
    assert forward.nbytes == product.nbytes + rest.nbytes


def test_what_is_left_is_named_with_its_bytes(programs):
    forward, backward = ({one.names: one for one in program.kept} for program in programs)
    assert forward["self.x",].given
    assert forward["self.out", "the result"].nbytes == 8 * ROWS * HEIGHT
    assert backward["self.dW",].nbytes == 8 * WIDTH * HEIGHT
    assert not backward["self.dW",].given


def test_memory_is_that_of_the_plan(programs):
    forward, _ = programs
    assert (forward.fresh, forward.own, forward.peak) == (8 * ROWS * HEIGHT, 0, 8 * ROWS * HEIGHT)


def test_the_least_time_is_that_of_the_bytes_or_of_the_products():
    assert PlanLine("", "kernel", "", 50_000).seconds(MEMORY, PRODUCTS) == pytest.approx(1e-6)
    assert PlanLine("", "NumPy", "", 50_000, products=10**6).seconds(MEMORY, PRODUCTS) == pytest.approx(5e-6)
    assert PlanLine("", "NumPy", "", 50_000, products=10**6, itemsize=8).seconds(MEMORY, PRODUCTS) == pytest.approx(
        1e-5
    )


def test_the_least_time_is_printed_with_what_it_rests_on(layer, programs):
    least = plan_text.duration(programs[0].seconds(MEMORY, PRODUCTS))
    assert f": {least} at the 50 GB/s of this machine's memory and the 200 GFLOP/s of its products" in str(layer.plan())


def test_the_texts_of_all_that_was_compiled_are_there(layer):
    plan = layer.plan()
    assert plan.source.count("def run(") == 2
    ast.parse(plan.source)
    assert plan.kernels
    for name, text in plan.kernels.items():
        assert f"def {name}(" in text
        ast.parse(text)


def test_branches_and_writes_are_told():
    def halved(x, more=2):
        if more > 1:
            x[0] = more
        return x

    fast = dout.compile(halved)
    fast(np.ones(3))
    (program,) = fast.plan().programs
    assert program.arguments == ("x float64 (3,)", "more int")
    assert program.guards == (f"the condition at {line_of('if more > 1')} is True",)
    assert program.kept[0].names == ("the result", "x, written into")
    assert "x with [0] = more  (over x)" in str(fast.plan())


def test_guards_of_a_kind_are_one_line():
    class Rows:
        def __init__(self, many):
            self.many, self.scales = many, [np.ones(3) * i for i in range(5)]

        def forward(self, x):
            total = 0
            for i in range(self.many):
                total = total + x[i + int(x[i].sum() > 9)] * self.scales[i] if x[i, 0] < 50 else total
            return total

    layer = Rows(5)
    fast = dout.compile(layer.forward)
    x = np.arange(18.0).reshape(6, 3)
    fast(x), fast(x)
    line = line_of("total = total + x[i")
    (program,) = fast.plan().programs
    assert program.guards == (
        f"5 conditions are as at the first call, {line}",
        f"5 numbers for bounds and places are as at the first call, {line}",
        "5 arrays (scales[0], scales[1], scales[2], …) are as before in dtype and shape",
        "many is as before",
    )
    assert str(fast.plan()).count("as long as") == 4


def test_what_runs_plainly_says_which_line_and_why():
    def talking(x):
        print(x.sum())  # noqa: T201 - that is the point
        return x

    fast = dout.compile(talking)
    fast(np.ones(2))
    (why,) = fast.plan().functions[0].plainly
    assert "print" in why
    assert why.endswith(line_of("print(x.sum())"))
    assert f"it runs plainly: {why}" in str(fast.plan())
    assert "1 of 1 run plainly" in repr(fast.plan())


def test_a_plan_of_the_layers_own_stays_its_own():
    class Planned(Layer):
        plan = "a holiday"

    fast = dout.compile(Planned())
    assert fast.plan == "a holiday"
    assert "nothing is compiled yet" in str(fast.forward.plan())
    later = dout.compile(Layer())
    later.plan = 3
    assert (later.plan, later.layer.plan) == (3, 3)


def test_a_name_of_the_users_is_never_obeyed():
    name = "\x1b[31m<b>"

    def given(x):
        return {name: x}

    fast = dout.compile(given)
    fast(np.ones(3))
    plan = fast.plan()
    for text in (str(plan), plan.__rich__().plain, plan._repr_html_()):
        assert "\x1b" not in text
    assert "<b>" not in plan._repr_html_()


def test_elements_that_are_changed_one_by_one_cost_no_copy_of_all():
    def gradient(y, t):
        dx = y.copy()
        dx[np.arange(len(t)), t] -= 1  # may raise
        return dx / len(t)

    y, t = np.full((64, 100), 0.01), np.arange(64)
    fast = dout.compile(gradient)
    for _ in range(2):
        np.testing.assert_allclose(fast(y, t), gradient(y, t))
    (program,) = fast.plan().functions[0].programs
    assert program.nbytes < 3 * y.nbytes  # read once, written once


def test_of_long_programs_there_are_few(monkeypatch):
    def settling(x, steps):
        for _ in range(steps):
            x = np.tanh(x)
        return x

    monkeypatch.setattr("dout.engine.compile.compiled.MOST_NODES", 40)
    fast = dout.compile(settling)
    for steps in range(8, 16):
        np.testing.assert_allclose(fast(np.ones(3), steps), settling(np.ones(3), steps), rtol=1e-14)
    assert 1 < len(fast.plan().programs) < 8
    assert "calls were alike, which had " in str(fast.plan())


def test_programs_that_answer_no_call_are_forgotten(monkeypatch):
    class Net:
        def __init__(self):
            self.losses = []

        def step(self, x):
            self.losses.append(np.tanh(x).sum())
            return np.mean(self.losses[-2:])  # in a list of another length each time

    monkeypatch.setattr("dout.engine.compile.compiled.MOST", 4)
    net, plain = Net(), Net()
    fast = dout.compile(net.step)
    for number in range(12):
        x = np.full(3, float(number))
        np.testing.assert_allclose(fast(x), plain.step(x), rtol=1e-14)
    assert fast.plan().programs == ()
    assert "no two of the first 4 calls were alike" in str(fast.plan())


def test_programs_that_answer_some_calls_stay(monkeypatch):
    monkeypatch.setattr("dout.engine.compile.compiled.MOST", 2)
    monkeypatch.setattr("dout.engine.compile.compiled.PATIENCE", 0)
    fast = dout.compile(np.tanh)
    for number in range(12):
        x = np.full(number if number % 2 else 3, 0.5)
        np.testing.assert_allclose(fast(x), np.tanh(x), rtol=1e-14)
    assert len(fast.plan().programs) == 1


def test_a_condition_on_plain_numbers_is_decided_before_anything_is_computed():
    class Net:
        def __init__(self):
            self.count, self.W = 0, np.eye(3)

        def step(self, x):
            y = np.tanh(x @ self.W)
            self.count += 1
            if self.count % 2 == 0:
                self.old = y
            return y

    fast = dout.compile(Net().step)
    for _ in range(3):
        fast(np.ones((2, 3)))
    driver = fast.plan().source
    assert driver.index("return MISS\n    matmul = ") > driver.index("% 2")


def test_a_long_call_that_prepares_others_leaves_room_for_a_program_of_these(monkeypatch):
    class Layer:
        weights = None

        def step(self, x):
            for function in [np.tanh] * 50:
                x = function(x)
            if self.weights is None:
                self.weights = np.zeros_like(x)
            self.weights = self.weights + x
            return self.weights

    monkeypatch.setattr("dout.engine.compile.compiled.MOST_NODES", 40)
    plain, fast = Layer(), dout.compile(Layer().step)
    for number in range(4):
        np.testing.assert_allclose(fast(np.full(3, number)), plain.step(np.full(3, number)), rtol=1e-14)
    assert len(fast.plan().programs) == 2
    assert not fast.plan().functions[0].plainly
