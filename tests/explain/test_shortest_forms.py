"""The shortest form of a derivative: right where a reader computes it by hand, no longer than the one in textbooks.

The oracle is the corpus: derivatives that were derived by hand, for layers in many spellings.
"""

from functools import cache

import numpy as np
import pytest
import scipy.special
import sympy
from forward_corpus import SMALL, rows
from term_values import value_of_text

from dout.explain.algebra import calculus
from dout.explain.derivation.derivation import explained
from dout.explain.terms.text_printer import text
from dout.explain.terms.walk import calls_in
from dout.ops import PRIMITIVES

ACTIVATIONS = [row for row in rows() if row.shortest is not None]
NOT_BY_OUTPUT = {  # the output tells them, by an equation of the third degree, or by a form that is NaN where y is 1
    "Smoothstep", "ComplementaryLogLog",
}  # fmt: skip


BY_NAME = {row.name: row for row in ACTIVATIONS}


@cache
def explanation_of(name):
    row = BY_NAME[name]
    example = row.example(SMALL, np.random.default_rng(0))
    return explained(row.layer, example.init, example.inputs), example


def read(term, known):
    """The value of a formula as a reader takes it; a name with a prime is a letter there."""
    primed = {name.replace("'", "Q"): value for name, value in known.items()}
    return value_of_text(text(term).replace("'", "Q"), primed)


def numbers_of(explanation, x):
    """The value of everything that has a name, where x is a number."""
    known = {
        "x": np.float64(x),
        "π": np.pi,
        **{q.name: np.float64(q.value) for q in explanation.forward if q.parameter},
    }
    for quantity in explanation.forward:
        if quantity.term is not None:
            known[quantity.name] = read(quantity.term, known)
    return known


@pytest.mark.one_in(27)
@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row.name)
def test_every_form_is_the_derivative_that_was_derived_by_hand(row):
    explanation, example = explanation_of(row.name)
    arrays = any(np.ndim(value) for value in example.init.values())
    if arrays:
        pytest.skip("an array of slopes: in index form")
    positive = np.all(example.inputs["x"] > 0)
    for x in (0.37, 0.71, 0.93) if positive else (-2.3, -0.4, 0.37, 0.71):
        known = numbers_of(explanation, x)
        output = known[explanation.outputs[0]]
        by_hand = eval(row.shortest, {**vars(row.layer), "np": np, "x": x, "y": output, **example.init, **SPECIAL})
        known |= {f"∂L/∂{q.name}": np.float64(1) for q in explanation.forward if q.name in explanation.outputs}
        (of_x,) = (s for s in explanation.simplified if s.of == "x")
        assert of_x.forms
        last = read(of_x.forms[-1][0], known)
        assert last == pytest.approx(by_hand, rel=1e-9, abs=1e-12), (x, text(of_x.forms[-1][0]))


SPECIAL = {"scipy": pytest.importorskip("scipy"), "__builtins__": {}}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row.name)
def test_it_says_whether_the_output_alone_is_enough(row):
    explanation, _ = explanation_of(row.name)
    alone = any(set(keeping.names) <= set(explanation.outputs) for keeping in explanation.keeping)
    assert alone == (row.by_output and row.name not in NOT_BY_OUTPUT)


class Sigmoid:
    def forward(self, x):
        return 1 / (1 + np.exp(-x))


class Tanh:
    def forward(self, x):
        return np.tanh(x)


def test_the_derivation_of_the_slides_line_by_line():
    explanation = explained(Sigmoid, {}, {"x": 1.5})
    parts = [
        (step.operator, *map(text, (*part.local, part.gradient))) for step in explanation.steps for part in step.parts
    ]
    assert parts == [
        ("/", "−1 / c²", "−y²", "−∂L/∂y · y²"),
        ("+", "1", "−∂L/∂y · y²"),
        ("exp", "exp(a)", "−∂L/∂y · y² · exp(−x)"),
        ("×(−1)", "−1", "∂L/∂y · y² · exp(−x)"),
    ]
    (simplified,) = explanation.simplified
    assert [text(form) for form, _ in simplified.forms] == [
        "∂L/∂y · y² · exp(−x)",
        "∂L/∂y · y · exp(−x) / (1 + exp(−x))",
        "∂L/∂y · y · (1 − y)",
    ]
    reasons = [(text(why.fields["left"]), text(why.fields["right"])) for _, why in simplified.forms if why]
    assert reasons == [("y", "1 / (1 + exp(−x))"), ("exp(−x) / (1 + exp(−x))", "1 − y")]


def test_a_formula_that_is_wrong_is_not_printed(monkeypatch):
    """The rules by which SymPy differentiates are not those of the recorded gradient: a mistake in one is seen."""
    row = next(row for row in calculus.SLOPES if str(row) == "tanh")
    monkeypatch.setitem(calculus.SLOPES, row, lambda q, x: (1 + q**2,))
    (simplified,) = explained(Tanh, {}, {}).simplified
    assert all("1 + y²" not in text(form) for form, _ in simplified.forms)


X, Q = sympy.Symbol("x", real=True), sympy.Symbol("q", real=True)


@pytest.mark.parametrize(
    "relation",
    [2 * sympy.exp(X) - 1, sympy.log(X / 3), 5 / X, X**3 - 1, 2**X, sympy.tanh(-X), calculus.sigmoid(X),
     calculus.softplus(1 - X), sympy.log(X) / sympy.log(10)],
)  # fmt: skip
def test_an_input_follows_from_the_value_behind_functions_with_one_inverse(relation):
    before = calculus.inverted(relation, X, Q)
    there = float(before.subs(Q, 0.75))
    known = {
        calculus.sigmoid: lambda x: 1 / (1 + sympy.exp(-x)),
        calculus.softplus: lambda x: sympy.log(1 + sympy.exp(x)),
    }
    for function, plain in known.items():
        relation = relation.replace(function, plain)
    assert float(relation.subs(X, there)) == pytest.approx(0.75)


@pytest.mark.parametrize("relation", [X * sympy.exp(X), X**2 + 1, sympy.sin(X), sympy.cosh(X), X / (1 + X)])
def test_an_input_does_not_follow_where_several_may_be_meant_or_it_stands_twice(relation):
    assert calculus.inverted(relation, X, Q) is None


@pytest.mark.parametrize(("name", "twin"), [("asinh", "arcsinh"), ("hypot", "hypot"), ("exp2", "exp2")])
def test_a_function_of_math_has_the_form_of_its_twin_in_numpy(name, twin):
    rows_ = [PRIMITIVES[f"math_{name}"], PRIMITIVES[twin]]
    given = (X, Q) if name == "hypot" else (X,)
    mine, theirs = (calculus.form_of(row)(*given) for row in rows_)
    assert mine == theirs != calculus.form_of(PRIMITIVES["arctanh"])(X)


def test_a_function_that_the_user_did_not_write_is_defined():
    class Silu:
        def forward(self, x):
            return x / (1 + np.exp(-x))

    explanation = explained(Silu, {}, {})
    used = set().union(*(calls_in(form) for s in explanation.simplified for form, _ in s.forms))
    assert used - calls_in(explanation.formula) == {"sigmoid"}
    assert [(text(name), text(meaning)) for name, meaning in explanation.definitions] == [("σ(x)", "1 / (1 + exp(−x))")]


def test_a_step_without_derivative_is_named_with_its_line():
    class Steps:
        def forward(self, x):
            return 2 * np.sign(x)

    (reason,) = explained(Steps, {}, {}).not_explained
    assert reason.fields["operator"] == "sign"
    assert reason.fields["place"].startswith("test_shortest_forms.py:")


def test_kept_values_are_chosen_by_the_memory_they_take():
    class Relu:
        def forward(self, x):
            self.mask = x <= 0
            out = x.copy()
            out[self.mask] = 0
            return out

    keeping = explained(Relu, {}, {"x": np.ones((8, 8))}).keeping
    assert [(k.names, k.bytes) for k in keeping] == [(("mask",), 64), (("y",), 512), (("x",), 512)]


@pytest.mark.one_in(6)
@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: np.exp(x), "∂L/∂y · y"),
        (lambda x: np.sqrt(x), "∂L/∂y / (2 · y)"),
        (lambda x: np.log(1 + np.exp(x)), "∂L/∂y · (1 − exp(−y))"),
        (lambda x: np.log(x), "∂L/∂y / x"),
        (lambda x: np.tanh(x), "∂L/∂y · (1 − y²)"),
        (lambda x: np.maximum(x, 0), "∂L/∂y where x > 0, else 0"),
        (lambda x: np.clip(x, -1, 1), "∂L/∂y where |x| < 1, else 0"),
        (lambda x: 1 / x, "−∂L/∂y · y²"),
        (lambda x: x * x, "2 · ∂L/∂y · x"),
        (lambda x: x / (1 + np.abs(x)), "∂L/∂y · (1 − |y|)²"),
        (lambda x: (np.exp(x) - np.exp(-x)) / 2, "∂L/∂y · √(1 + y²)"),
        (lambda x: (x + np.sqrt(x * x + 3)) / 2, "∂L/∂y · y / (2 · y − x)"),
        (lambda x: x / np.sqrt(1 + 3 * x**2), "∂L/∂y · (1 − 3 · y²)^(3 / 2)"),
        (lambda x: np.where(np.abs(x) > 0.5, x, 0), "∂L/∂y where y ≠ 0, else 0"),
        (lambda x: np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5), "∂L/∂y · x where |x| < 1, else ∂L/∂y · sign(x)"),
        (lambda x: np.abs(x - 0.005), "∂L/∂y where x > 0.005, else −∂L/∂y"),
        (lambda x: np.where(np.abs(x) > 0.5, (x - 3) ** 2, 0), "∂L/∂y · (2 · x − 6) where |x| > 1 / 2, else 0"),
        (lambda x: np.maximum(x, 0) + 3 * np.minimum(0, 2 * x), "∂L/∂y where x > 0, else 6 · ∂L/∂y"),
        (
            lambda x: x * (1 + scipy.special.erf(x / np.sqrt(2))) / 2,
            "∂L/∂y · (1 + x · exp(−x² / 2) · √(2 / π) + erf(x / √2)) / 2",
        ),
        (
            lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
            "∂L/∂y · (1 + g + x · √(2 / π) · (1 − g²) · (1 + 3 · 0.044715 · x²)) / 2",
        ),
    ],
)
def test_textbook_forms(function, wanted):
    (simplified,) = explained(function, {}, {}).simplified
    assert text(simplified.forms[-1][0]) == wanted


def test_a_slope_for_each_feature_is_repeated_and_the_gradient_of_the_input_is_one_formula():
    class PRelu:
        def __init__(self, a):
            self.a = a

        def forward(self, x):
            return np.maximum(0, x) + self.a * np.minimum(0, x)

    explanation = explained(PRelu, {"a": np.array([0.2, -0.3])}, {"x": np.ones((3, 2))})
    of_x = next(s for s in explanation.simplified if s.of == "x")
    assert text(of_x.forms[-1][0]) == "dout where x > 0, else dout · a"


def test_a_form_by_the_output_comes_after_the_sum_of_all_uses_and_the_form_by_the_input():
    (simplified,) = explained(lambda x: x / (1 + np.abs(x)), {}, {}).simplified
    assert [text(form) for form, _ in simplified.forms] == [
        "∂L/∂x₁ + ∂L/∂x₂",
        "∂L/∂y / (1 + |x|)²",
        "∂L/∂y · (1 − |y|)²",
    ]
    why = simplified.forms[-1][1].fields
    assert (text(why["left"]), text(why["right"])) == ("1 / (1 + |x|)²", "(1 − |y|)²")


def test_a_reason_starts_from_the_form_that_is_printed_before():
    (simplified,) = explained(lambda x: -np.log(1 + np.exp(-x)), {}, {}).simplified
    assert text(simplified.forms[-1][1].fields["left"]) == "exp(−x) / (1 + exp(−x))"


def test_a_number_computed_from_those_that_the_layer_holds_is_not_kept():
    class Middle:
        def __init__(self, lower, upper):
            self.lower, self.upper = lower, upper

        def forward(self, x):
            slope = (self.lower + self.upper) / 2
            return np.where(x > 0, x, slope * x)

    keeping = explained(Middle, {"lower": 0.1, "upper": 0.3}, {"x": np.ones(8)}).keeping
    assert [k.names for k in keeping] == [("mask",), ("y",), ("x",)]


class Leaky:
    def __init__(self, alpha):
        self.alpha = alpha

    def forward(self, x):
        return np.maximum(self.alpha * x, x)


@pytest.mark.parametrize("alpha", [0.01, 2.5])
def test_a_condition_that_depends_on_the_size_of_a_number_is_told_with_that_number(alpha):
    (of_x,) = explained(Leaky, {"alpha": alpha}, {"x": np.array([-1.0, 2.0])}).simplified
    assert text(of_x.forms[-1][0]) == "∂L/∂y where x > alpha · x, else ∂L/∂y · alpha"


class Sided:
    def __init__(self, a=1.0):
        self.a = a

    def forward(self, x):
        return np.where(x > 0, x, self.a * x)


class Power:
    def __init__(self, p=2):
        self.p = p

    def forward(self, x):
        return np.abs(x) ** self.p


@pytest.mark.parametrize(
    ("cls", "form"),
    [
        (Sided, "∂L/∂y where x > 0, else ∂L/∂y · a"),
        (Power, "∂L/∂y · p · x^(p − 1) where x > 0, else −∂L/∂y · p · (−x)^(p − 1)"),
    ],
)
def test_a_number_for_which_two_sides_happen_to_be_one_formula_joins_none(cls, form):
    (of_x,) = explained(cls, {}, {"x": np.array([-1.0, 2.0])}).simplified
    assert text(of_x.forms[-1][0]) == form
