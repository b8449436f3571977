"""What a step says: the arithmetic of each item with its real numbers, right to the last digit shown."""

from __future__ import annotations

import numpy as np
import pytest
from draw_traces import branch, buy_fruits, derived, given, made, one_layer, trace_of, user

from dout.draw.words import gradient_formula
from dout.draw.words.equations import gives
from dout.graph import INPUT, Node
from dout.ops import PRIMITIVES
from dout.trace.model.recorded import LayerCall
from dout.trace.record.record import record
from dout.trace.record.trace import Trace


def said(trace: Trace, **options: object) -> list[tuple[str, ...]]:
    steps = trace.draw(**options).scene.steps()
    return [(step.card.title, *step.card.lines) for step in steps]


def test_forward_says_the_operation_with_its_numbers() -> None:
    assert said(buy_fruits())[:4] == [
        ("× forward", "100 × 2 = 200"),
        ("× forward", "150 × 3 = 450"),
        ("+ forward", "200 + 450 = 650"),
        ("× forward", "650 × 1.1 = 715"),
    ]


def test_backward_says_the_rule_and_what_each_input_gets() -> None:
    assert said(buy_fruits())[4] == (
        "× backward: swap the inputs",
        "∂L/∂all_price = dout · tax = 1 × 1.1 = 1.1",
        "∂L/∂tax = dout · all_price = 1 × 650 = 650",
    )


def test_a_sum_says_that_dout_passes_on() -> None:
    assert said(buy_fruits())[5] == (
        "+ backward: pass dout on to both inputs",
        "∂L/∂apple_price = 1.1 × 1 = 1.1",
        "∂L/∂orange_price = 1.1 × 1 = 1.1",
    )


def test_a_value_without_a_name_is_called_after_what_made_it() -> None:
    assert said(one_layer())[4][1] == "∂L/∂(sum) = −dout · y / (sum) = 1 × (−0.25) = −0.25"


def test_the_last_use_to_hand_back_says_the_sum() -> None:
    assert said(branch())[5][1:] == (
        "∂L/∂x = dout · tax = 1 × 1.1 = 1.1",
        "∂L/∂tax = dout · x = 1 × (−0.916) = −0.916",
        "∂L/∂x = 1.1 + 0.4 = 1.5",
    )


def test_a_wrong_gradient_stands_beside_the_right_one() -> None:
    assert said(branch(wrong=True))[5][-1] == "∂L/∂x = 1.1 ✗ right: 1.1 + 0.4 = 1.5"
    x, y = given(), given()
    z = made("multiply", x, y)
    trace = trace_of(
        [x, y, z], {x: 2.0, y: 3.0, z: 6.0}, names={x: "x"}, outputs={"z": z},
        gradients={x: user(2, 3), z: user(1)}, edges={(z, 0): user(2, 3)},
    )  # fmt: skip
    assert said(trace)[1][1] == "∂L/∂x = 2 ✗ right: dout · (input) = 1 × 3 = 3"


def test_a_gradient_that_is_no_such_product_is_said_alone() -> None:
    x = given()
    y = made("exp", x)
    trace = trace_of(
        [x, y], {x: 0.0, y: 1.0}, names={x: "x"}, outputs={"y": y}, gradients={y: user(1)}, edges={(y, 0): user(7)}
    )
    assert said(trace)[1][1] == "∂L/∂x = 7"


def test_what_the_digits_shown_do_not_give_is_nearly_so() -> None:
    x = given()
    third, e = made("reciprocal", x), made("exp", x)
    trace = trace_of([x, third, e], {x: 3.0, third: 1 / 3, e: float(np.exp(3.0))})
    assert [lines[1] for lines in said(trace)] == ["1 / 3 ≈ 0.3333", "exp(3) ≈ 20.09"]


@pytest.mark.parametrize(
    ("row", "operands", "result", "exact"),
    [
        ("multiply", ["0.1", "3"], "0.3", True),
        ("add", ["1e16", "1"], "1e16", False),
        ("add", ["1", "2", "3"], "6", True),
        ("divide", ["1", "4"], "0.25", True),
        ("divide", ["2", "3"], "0.6667", False),
        ("exp", ["0"], "1", True),
        ("exp", ["∞"], "∞", True),
        ("multiply", ["∞", "0"], "NaN", True),
        ("greater", ["2", "1"], "True", True),
        ("sqrt", ["2"], "1.414", False),
        ("log", ["−1"], "NaN", True),
        ("square", ["−3"], "9", True),
    ],
)
def test_equal_means_equal_as_shown(row: str, operands: list[str], result: str, exact: bool) -> None:
    assert gives(PRIMITIVES[row], operands, result) is exact


def test_arrays_are_said_as_rule_and_numbers() -> None:
    x, w, b = given((2, 3)), given((3, 4)), given((4,))
    xw = made("matmul", x, w, shape=(2, 4))
    y = made("add", xw, b, shape=(2, 4))
    data = {n: np.ones(n.shape) for n in (x, w, b, xw, y)}
    edges = {(xw, 0): derived(np.ones((2, 3))), (xw, 1): derived(np.ones((3, 4))), (y, 1): derived(np.ones(4))}
    gradients = {y: user(np.ones((2, 4))), xw: derived(np.ones((2, 4)))}
    names = {x: "x", w: "W", b: "b"}
    trace = trace_of([x, w, b, xw, y], data, names=names, outputs={"y": y}, gradients=gradients, edges=edges)
    steps = said(trace)
    assert steps[0] == ("@ forward", "x @ W → [1 1 1 1; 1 1 1 1]")
    assert steps[2][-1] == "∂L/∂b = dout, summed → [1 1 1 1]"
    assert steps[3][1:] == (
        "∂L/∂x = dout @ Wᵀ → [1 1 1; 1 1 1]",
        "∂L/∂W = xᵀ @ dout → [1 1 1 1; 1 1 1 1; 1 1 1 1]",
    )


def test_a_closed_layer_says_what_goes_in_and_out() -> None:
    x = given((2, 3))
    half = made("multiply", x, other := given(), shape=(2, 3))
    y = made("exp", half, shape=(2, 3))
    call = LayerCall("affine", "Affine", (x, other), (y,))
    data = {n: np.ones(n.shape) for n in (x, half, y)} | {other: 2.0}
    trace = trace_of(
        [x, other, half, y], data, names={x: "x"}, calls=(call,), call_of={half: call, y: call},
        gradients={y: user(1)}, arguments={(call, 0): user(np.ones((2, 3)))},
    )  # fmt: skip
    assert said(trace, open="none") == [
        ("Affine forward", "Affine(x, 2) → [1 1 1; 1 1 1]"),
        ("Affine backward", "∂L/∂x = [1 1 1; 1 1 1]"),
    ]


SIGNS = {"−": "-", "·": "*", "ᵀ": ".T", "²": "**2", "(quotient)": "out", "(logaddexp)": "out"}
FORMULAS = [
    (lambda x, w: x + w, "dout", "dout"),
    (lambda x, w: x - w, "dout", "-dout"),
    (lambda x, w: x * w, "dout * w", "dout * x"),
    (lambda x, w: x / w, "dout / w", "-dout * out / w"),
    (lambda x, w: x @ w, "dout @ w.T", "x.T @ dout"),
    (lambda x: -x, "-dout"),
    (np.exp, "dout * out"),
    (np.log, "dout / x"),
    (np.sqrt, "dout / (2 * out)"),
    (np.square, "2 * dout * x"),
    (np.reciprocal, "-dout * out**2"),
    (np.tanh, "dout * (1 - out**2)"),
    (np.sin, "dout * cos(x)"),
    (lambda x, w: np.logaddexp(x, w), "dout * exp(x - out)", "dout * exp(w - out)"),  # names its inputs
    (lambda x: x.mean(), "dout / 4"),
]


@pytest.mark.parametrize(("function", "formulas"), [(one, rest) for one, *rest in FORMULAS])
def test_the_formula_of_a_step_computes_its_gradient(function, formulas) -> None:
    x, w = np.array([[0.5, 1.25], [0.75, 1.5]]), np.array([[1.25, 0.75], [0.5, 1.5]])
    given = [x, w][: len(formulas)]
    out = record(function, *given)  # its output is called after this variable
    printed = [line for title, *lines in said(out) if "backward" in title for line in lines]
    known = {"x": x, "w": w, "out": function(*given), "dout": np.ones(np.shape(function(*given)))}
    for name, formula, line in zip("xw", formulas, printed, strict=False):
        text = line.partition(" = ")[2].partition(" →")[0]
        for sign, operator in SIGNS.items():
            text = text.replace(sign, operator)
        assert text == formula
        right = next(value for value in out.values if value.name == name).gradient.value
        computed = eval(text, {"exp": np.exp, "cos": np.cos, **known})  # our own formulas
        np.testing.assert_allclose(np.broadcast_to(computed, right.shape), right)


def test_a_closed_layer_says_the_gradients_that_it_keeps_and_which_is_wrong() -> None:
    class Affine:
        def __init__(self) -> None:
            self.W, self.b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, -0.5])

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.x = x
            return x @ self.W + self.b

        def backward(self, dout: np.ndarray) -> np.ndarray:
            self.dW, self.db = self.x.T @ dout, 2 * dout.sum(axis=0)
            return dout @ self.W.T

    x, dout = np.array([[1.0, -1.0]]), np.array([[0.5, 2.0]])
    assert said(record(Affine(), x, dout=dout), open="none")[1] == (
        "Affine backward",
        "∂L/∂x = dout @ Wᵀ → [4.5 9.5]",  # as its own backward computes it
        "∂L/∂W = xᵀ @ dout → [0.5 2; −0.5 −2]",
        "∂L/∂b = [1 4] ✗ right: [0.5 2]",
    )


def test_a_gradient_of_very_many_steps_is_not_walked_through_for_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    has_form = gradient_formula._has_form
    monkeypatch.setattr(gradient_formula, "_has_form", lambda node: looked.append(node) or has_form(node))
    gradient = Node(INPUT, (), {}, (), float)
    for _ in range(20_000):
        gradient = Node(PRIMITIVES["negative"], (gradient,), {}, (), float)
    call = LayerCall("layer", "Layer", (gradient,), ())
    assert gradient_formula.recorded_formula(gradient.inputs[0], call, lambda node: "x") == ""
    assert len(looked) <= gradient_formula._MOST + 1
