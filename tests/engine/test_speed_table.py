"""The benchmark's own promises: right layers, fair ratios."""

import math

import numpy as np
import pytest

import dout
from benchmarks.speed import plain
from benchmarks.speed.rows import ROWS, Goal, Row
from benchmarks.speed.table import Line, as_json, render
from benchmarks.speed.tasks import NETS, TASKS, images
from benchmarks.speed.worker import differs

STEPS = [name for name, task in TASKS.items() if task.one_step]


@pytest.mark.parametrize("name", STEPS)
def test_written_backward_is_the_derivative_of_the_function(name):
    call, results = plain.build(Row(0, name, "one step", (9,)), dtype=np.float64)
    derived, _ = plain.build(Row(0, name, "one step", (9,)), compile=lambda it: it, dtype=np.float64)  # by dout
    assert differs(results(derived()), results(call()), 1e-12) == ""


@pytest.mark.one_in(7)
@pytest.mark.parametrize("name", [name for name in TASKS if name not in STEPS])
def test_written_backward_is_right(name):
    task = TASKS[name]
    made_of = [np.float64] if task.weighted else [np.linspace(0.5, 1.5, 4) for _ in task.held]
    x = np.linspace(-1.0, 2.0, math.prod(task.example)).reshape(task.example)
    given = (x, np.array([0, 3, 1])) if task.labels else (x,)
    assert dout.check(task.layer(*made_of), *given).ok


@pytest.mark.parametrize("name", NETS)
def test_gradients_of_a_net_are_its_slope(name):
    net, (x, t) = NETS[name](np.float64), images(3, np.float64)
    grads = {key: grad.copy() for key, grad in net.gradient(x, t).items()}
    assert grads.keys() == net.params.keys()
    rng = np.random.default_rng(5)
    way = {key: rng.standard_normal(value.shape) for key, value in net.params.items()}

    before = {key: value.copy() for key, value in net.params.items()}

    def loss(step):
        for key, value in net.params.items():
            value[...] = before[key] + step * way[key]
        out = x
        for layer in net.layers:
            out = layer.forward(out)
        return net.last.forward(out, t)

    slope = (loss(1e-7) - loss(-1e-7)) / 2e-7
    assert sum(np.sum(grads[key] * way[key]) for key in way) == pytest.approx(slope, rel=1e-5)


def test_a_goal_of_so_much_more_is_a_difference():
    samples = {"dout": [5.0, 3.0, 4.0], "plain": [1.0, 1.5, 1.0]}
    goal = Goal(2, "plain", more=True)
    assert goal.reached(samples) == 3
    assert not goal.met(3)
    assert goal.met(1.9)
    assert goal.aim("s") == "≤ plain + 2 s"


def test_ratio_is_the_median_of_ratios_round_by_round():
    samples = {"dout": [1.0, 10.0, 2.0], "plain": [3.0, 30.0, 4.0], "torch": [8.0, 9.0, 9.0], "jax": [2.0, 2.0, 2.0]}
    assert Goal(2, "plain").reached(samples) == 3
    assert Goal(1.25, "plain", most=True).reached(samples) == 1 / 3
    assert Goal(2, "peer").reached(samples) == 1  # the faster one
    assert Goal(1.5, most=True).reached(samples) == 2


def test_peer_counts_in_its_faster_way():
    samples = {"dout": [1.0], "jax": [5.0], "jax sync": [3.0], "torch": [2.0]}
    assert Goal(2, "jax").reached(samples) == 3


def test_goal_without_its_contender_is_not_judged():
    assert Goal(2, "peer").reached({"dout": [1.0], "plain": [2.0]}) is None
    assert Goal(2, "plain").reached({"plain": [2.0]}) is None


def test_wrong_result_is_told_and_a_nan_is_wrong():
    right = [np.array([1.0, -4.0])]
    assert "off by" in differs([np.array([1.1, -4.0])], right, 1e-4)
    assert "off by" in differs([np.array([np.nan, -4.0])], right, 1e-4)
    assert "shape" in differs([np.array(1.0)], right, 1e-4)
    assert differs([np.array([1.0, -4.0], np.float32)], right, 1e-4) == ""


def test_a_missed_goal_is_told_with_its_reason():
    row = next(row for row in ROWS if row.name == "1 sigmoid two calls" and row.size == "64 K")
    slow = Line(row, {"dout": [1.0], "plain": [2.0], "jax": [2.0]}, {})
    fast = Line(row, {"dout": [1.0], "plain": [9.0], "jax": [9.0]}, {})
    assert as_json(slow)["why missed"] == row.why_missed != ""
    assert as_json(fast)["why missed"] == ""
    shown = "".join(str(part) for part in render("sigmoid", [slow]).renderables)
    assert f"missed at 64 K: {row.why_missed}" in shown


def test_every_row_has_goals_that_its_contenders_can_answer():
    for row in ROWS:
        for goal in row.goals:
            assert goal.than in ("", "peer", *row.contenders), row.name


def test_kept_data_has_every_sample():
    line = Line(ROWS[0], {"plain": [3.0], "dout": [1.0]}, {"torch": "missing: torch"})
    data = as_json(line)
    assert data["samples"] == {"plain": [3.0], "dout": [1.0]}
    assert [goal["met"] for goal in data["goals"]] == [True, False]
