"""The checker's exact arithmetic says what each row's forward says, to the last digits of a float64."""

import numpy as np
import pytest
from flint import arb
from row_checks import ran
from row_examples import all_examples

from dout.graph import INPUT, Node
from dout.judge.ball_numbers import exact, middle
from dout.judge.ball_rules import RULES
from dout.judge.ball_values import Balls
from dout.judge.outcomes import NoRuleError
from dout.ops import PRIMITIVES

# Rows without exact arithmetic: whole numbers go the ordinary way, and a layer with others is judged by differences.
NOT_EXACT = {
    "around": "rounds to decimal places: no derivative, and rarely in a forward",
    "round": "as around",
    "math_fmod": "rarely in a forward",
    "bitwise_and": "of whole numbers",
    "bitwise_or": "of whole numbers",
    "bitwise_xor": "of whole numbers",
    "left_shift": "of whole numbers",
    "right_shift": "of whole numbers",
    "invert": "of whole numbers",
}


def points_of(row):
    rng = np.random.default_rng(0)
    for example in all_examples()[row]:
        for draw in example.points:
            yield example, draw(rng)


def evaluated(recorder):
    balls = Balls({node: recorder.data[node] for node in recorder.nodes if node.primitive is INPUT})
    balls.compute(recorder.nodes)
    return balls


@pytest.mark.parametrize("row", sorted(set(PRIMITIVES) - set(NOT_EXACT)))
def test_balls_say_what_float64_says(row):
    tried = 0
    for example, inputs in points_of(row):
        recorder, _, _ = ran(example, inputs)
        balls = evaluated(recorder)
        for node in recorder.nodes:
            value = balls.values[node]
            assert np.shape(value) == node.shape, node
            np.testing.assert_allclose(
                np.asarray(middle(value), dtype=float),
                np.asarray(recorder.data[node], dtype=float),
                rtol=1e-4 if np.dtype(node.dtype) == np.float32 else 1e-12,
                atol=1e-6 if np.dtype(node.dtype) == np.float32 else 1e-12,
            )
        tried += 1
    assert tried or not PRIMITIVES[row].backward


def test_every_rule_is_of_a_row():
    assert set(RULES) <= set(PRIMITIVES.values())


def test_every_exception_is_of_a_row():
    assert set(NOT_EXACT) <= set(PRIMITIVES)


def test_an_input_is_exact():
    assert exact(0.1) == arb(0.1)
    assert exact(0.1) != arb("0.1")
    assert exact(np.float32(0.1)) == arb(float(np.float32(0.1)))


def test_a_comparison_of_equal_numbers_is_a_kink():
    recorder, _, _ = ran(all_examples()["maximum"][0], [np.array([1.0, 2.0]), np.array([1.0, 3.0])])
    balls = evaluated(recorder)
    assert [node.primitive.name for node in balls.kinks] == ["maximum"]


def test_a_number_compared_with_itself_is_no_kink():
    x = np.array([1.0, 2.0])
    _, (a,), _ = ran(all_examples()["exp"][0], [x])
    balls = Balls({a.node: x})
    assert balls.order(a.node, balls.values[a.node][0], balls.values[a.node][0]) == 0
    assert not balls.kinks


def test_what_has_no_rule_is_refused(monkeypatch):
    monkeypatch.delitem(RULES, PRIMITIVES["arctan2"])
    recorder, _, _ = ran(all_examples()["arctan2"][0], [np.array([1.26]), np.array([0.5])])
    with pytest.raises(NoRuleError):
        evaluated(recorder)


def test_balls_are_taken_as_they_are_and_what_stands_among_them_becomes_one():
    balls = exact(np.array([0.1, 2.0]))
    assert exact(balls) is balls
    mixed = exact(np.array([arb(2), 1, 0.5], dtype=object))
    assert set(map(type, mixed)) == {arb}


@pytest.mark.parametrize("exponent", [0, 1, 2, 5])
def test_a_power_of_a_number_that_may_be_0_is_a_number(exponent):
    x = Node(INPUT, (), {}, (), np.dtype(float))
    power = RULES[PRIMITIVES["power"]](Balls({}), x, arb(0, 1e-90), arb(exponent))
    assert power.is_finite()
    assert power.contains(1 if exponent == 0 else 0)


def test_a_sum_of_whole_numbers_that_became_balls_is_a_ball():
    x = Node(INPUT, (), {}, (2,), np.dtype(int))
    total = Node(PRIMITIVES["sum"], (x,), {}, (), np.dtype(int))
    assert RULES[PRIMITIVES["sum"]](Balls({}), total, np.array([arb("0.25"), arb(2)], dtype=object)) == arb("2.25")
