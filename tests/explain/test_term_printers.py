"""Terms are printed with the right brackets, signs and escapes, as text, LaTeX and MathML."""

import re
import xml.etree.ElementTree as ET
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from term_strategies import formulas
from term_values import value_of, value_of_text

from dout.explain.terms.latex_printer import latex
from dout.explain.terms.mathml_printer import framed, inner
from dout.explain.terms.terms import (
    ONE,
    TWO,
    ZERO,
    Cases,
    Compare,
    FunctionCall,
    MatrixProduct,
    Number,
    Partial,
    Power,
    Product,
    Sum,
    SumOver,
    Symbol,
    Transposed,
    alike,
    negated,
    number,
    parts,
    product,
    total,
)
from dout.explain.terms.text_printer import text

x, y, z, W, b, dout = map(Symbol, ("x", "y", "z", "W", "b", "dout"))
n, m, d = map(Symbol, "nmd")
dy = Partial("y")
exp_x = FunctionCall("exp", (negated(x),))
POINT = {
    name: np.float64(value)
    for name, value in {
        "x": 1.5,
        "y": -0.75,
        "z": 2.25,
        "W": 0.625,
        "dout": -1.25,
        "n": 1,
        "d": 2,
        "∂L/∂y": 3.5,
    }.items()
}


# --- the form of products and sums ------------------------------------------------------------------------------------


def test_factors_stand_in_one_order_and_equal_ones_are_a_power():
    assert product(exp_x, y, dout, y) == product(dout, Power(y, TWO), exp_x)
    assert product(Power(y, TWO), y) == Power(y, Number(3))


def test_a_product_has_one_sign_one_bar_and_no_ones():
    assert product(negated(x), negated(y), ONE) == Product((x, y))
    assert product(x, over=(product(y, over=(z,)),)) == Product((x, z), (y,))
    assert product(x, over=(negated(ONE),)) == negated(x)
    assert product(x, ZERO) == ZERO


def test_numbers_are_multiplied_unless_that_rounds_them():
    assert product(TWO, Number(3), x) == product(Number(6), x)
    assert product(Number(0.5), Number(2)) == ONE
    assert text(product(Number(3), Number(0.044715), x)) == "3 · 0.044715 · x"


def test_a_formula_is_like_another_however_deep_they_are():
    one, other = x, Symbol("x")
    for _ in range(5000):
        one, other = FunctionCall("tanh", (one,)), FunctionCall("tanh", (other,))
    assert alike(one, other)
    assert not alike(one, FunctionCall("tanh", (other,)))
    square = product(one, other)
    assert (type(square), square.exponent) == (Power, TWO)


# --- text -------------------------------------------------------------------------------------------------------------

LINES = [
    (negated(product(dy, Power(y, TWO), exp_x)), "−∂L/∂y · y² · exp(−x)"),
    (product(ONE, over=(total(ONE, exp_x),)), "1 / (1 + exp(−x))"),
    (product(y, total(ONE, negated(y))), "y · (1 − y)"),
    (product(dy, y, exp_x, over=(total(ONE, exp_x),)), "∂L/∂y · y · exp(−x) / (1 + exp(−x))"),
    (negated(product(ONE, over=(Power(Symbol("c"), TWO),))), "−1 / c²"),
    (product(x, over=(y, z)), "x / (y · z)"),
    (product(x, over=(dy,)), "x / (∂L/∂y)"),
    (Power(dy, TWO), "(∂L/∂y)²"),
    (MatrixProduct(dout, Transposed(W)), "dout @ Wᵀ"),
    (total(MatrixProduct(x, W), b), "x @ W + b"),
    (MatrixProduct(MatrixProduct(x, W), W), "x @ W @ W"),
    (MatrixProduct(product(x, y), W), "(x · y) @ W"),
    (product(y, MatrixProduct(x, W)), "y · (x @ W)"),
    (Transposed(MatrixProduct(x, W)), "(x @ W)ᵀ"),
    (SumOver(("n",), Symbol("dout", (n, m))), "Σₙ dout[n, m]"),
    (SumOver(("d",), product(Symbol("x", (n, d)), Symbol("W", (d, m)))), "Σ_d x[n, d] · W[d, m]"),
    (SumOver(("n",), total(x, y)), "Σₙ (x + y)"),
    (total(SumOver(("n",), x), y), "Σₙ x + y"),
    (product(y, SumOver(("n",), x)), "y · (Σₙ x)"),
    (FunctionCall("sum", (x,), ("n",)), "Σₙ x"),
    (FunctionCall("sum", (x,), ("0",)), "sum(x, axis=0)"),
    (FunctionCall("mean", (x,), ("n",)), "meanₙ(x)"),
    (FunctionCall("var", (x,), ("n", "d")), "var_{n, d}(x)"),
    (FunctionCall("sqrt", (x,)), "√x"),
    (FunctionCall("sqrt", (total(x, ONE),)), "√(1 + x)"),
    (Power(FunctionCall("sqrt", (x,)), TWO), "(√x)²"),
    (FunctionCall("abs", (negated(x),)), "|−x|"),
    (FunctionCall("abs", (FunctionCall("abs", (x,)),)), "abs(|x|)"),
    (Cases(((x, Compare(x, ">", ZERO)),), ZERO), "x where x > 0, else 0"),
    (product(y, Cases(((x, Compare(x, ">", ZERO)),), ZERO)), "y · (x where x > 0, else 0)"),
    (Compare(Compare(x, "<", ONE), "∧", Compare(Compare(y, "<", ONE), "∨", Compare(z, "<", ONE))),
     "x < 1 ∧ (y < 1 ∨ z < 1)"),
    (FunctionCall("max", (x, ZERO)), "max(x, 0)"),
    (FunctionCall("not", (Compare(x, ">", ZERO),)), "¬(x > 0)"),
    (FunctionCall("getitem", (total(x, y), ZERO)), "(x + y)[0]"),
    (negated(total(x, y)), "−(x + y)"),
    (total(x, negated(total(y, z))), "x − (y + z)"),
    (Sum((x, Sum((negated(y), z)))), "x + (−y + z)"),
    (Power(negated(x), TWO), "(−x)²"),
    (Power(Power(x, TWO), TWO), "(x²)²"),
    (Power(x, negated(ONE)), "x⁻¹"),
    (Power(x, Number(0.5)), "x^0.5"),
    (Power(TWO, total(x, ONE)), "2^(1 + x)"),
    (product(ONE, over=(Number(Fraction(1, 3)),)), "1 / (1/3)"),
    (number(-1.0), "−1"),
    (Number(1.5e-7), "1.5 · 10⁻⁷"),
    (Power(Number(1e-7), TWO), "(10⁻⁷)²"),
    (Number(0.044715), "0.044715"),
    (Number(float("inf")), "∞"),
]  # fmt: skip


@pytest.mark.parametrize(("term", "line"), LINES, ids=[line for _, line in LINES])
def test_text_is_unicode_mathematics(term, line):
    assert text(term) == line


def test_total_puts_numbers_first_and_what_is_negative_last():
    assert text(total(negated(x), y, ONE)) == "1 + y − x"


def same(one, other):
    return one == other or (one != one and other != other)


@given(formulas())
@settings(max_examples=100, deadline=None)
def test_a_reader_of_the_text_computes_the_value_of_the_term(term):
    with np.errstate(all="ignore"):
        assert same(value_of_text(text(term), POINT), value_of(term, POINT))


@pytest.mark.parametrize("line", ["1 / 2 · x", "x < 1 ∧ y < 1 ∨ z < 1", "−−x", "1 / ∂L/∂y", "2 x"])
def test_the_reader_of_text_refuses_what_could_be_read_in_two_ways(line):
    with pytest.raises(AssertionError):
        value_of_text(line, POINT)


def test_the_reader_of_text_sees_missing_brackets():
    assert value_of_text("x · (1 − y)", POINT) == 1.5 * 1.75
    assert value_of_text("x · 1 − y", POINT) == 1.5 + 0.75


def test_text_has_no_characters_that_steer_a_terminal():
    assert text(Symbol("x\x1b[2J")) == "x�[2J"


# --- LaTeX ------------------------------------------------------------------------------------------------------------

FRAGMENTS = [
    (product(ONE, over=(total(ONE, exp_x),)), r"\frac{1}{1 + e^{-x}}"),
    (negated(product(dy, Power(y, TWO), exp_x)), r"-\frac{\partial L}{\partial y} \cdot {y}^{2} \cdot e^{-x}"),
    (product(dy, x, over=(y,)), r"\frac{\partial L}{\partial y} \cdot \frac{x}{y}"),
    (product(total(x, y), over=(TWO,)), r"\frac{x + y}{2}"),
    (Power(exp_x, TWO), r"{(e^{-x})}^{2}"),
    (Power(dy, TWO), r"{\left(\frac{\partial L}{\partial y}\right)}^{2}"),
    (FunctionCall("log", (x,)), r"\log(x)"),
    (FunctionCall("log2", (total(x, y),)), r"\log_2(x + y)"),
    (FunctionCall("hypot", (Power(x, TWO), y)), r"\sqrt{({x}^{2})^2 + y^2}"),
    (product(y, FunctionCall("expm1", (x,))), r"y \cdot (e^{x} - 1)"),
    (FunctionCall("log1p", (negated(x),)), r"\log(1 + (-x))"),
    (FunctionCall("sigmoid", (negated(x),)), r"\sigma(-x)"),
    (FunctionCall("max", (x, ZERO)), r"\max(x, 0)"),
    (FunctionCall("abs", (negated(x),)), r"\left|-x\right|"),
    (FunctionCall("mod", (x, total(y, z))), r"x \bmod (y + z)"),
    (FunctionCall("mean", (x,), ("n",)), r"\operatorname{mean}_{n}(x)"),
    (FunctionCall("sum", (x,), ("n", "d")), r"\sum_{n, d} x"),
    (FunctionCall("concatenate", (x, y, z)), r"\operatorname{concatenate}(x, y, z)"),
    (SumOver(("n",), Symbol("dout", (n, m))), r"\sum_{n} \mathrm{dout}_{n, m}"),
    (MatrixProduct(dout, Transposed(W)), r"\mathrm{dout}\, {W}^\mathsf{T}"),
    (Cases(((x, Compare(x, "≥", ZERO)),), ZERO), r"\begin{cases} x & x \ge 0 \\ 0 & \text{otherwise} \end{cases}"),
    (Number(1.5e-7), r"1.5 \cdot {10}^{-7}"),
    (Symbol("gamma"), r"\gamma"),
    (Symbol("γ"), r"\gamma"),
    (Symbol("x_1"), r"\mathrm{x\_1}"),
    (Symbol("50%"), r"\text{50\%}"),
    (Symbol(r"\input{f}"), r"\text{\textbackslash{}input\{f\}}"),
    (Symbol("größe"), r"\text{größe}"),
    (FunctionCall("my_row", (x,)), r"\operatorname{my\_row}(x)"),
]


@pytest.mark.parametrize(("term", "fragment"), FRAGMENTS, ids=[fragment for _, fragment in FRAGMENTS])
def test_latex_is_as_the_rows_of_primitives_write_it(term, fragment):
    assert latex(term) == fragment


EVIL = ("<script>", "a&b", "x_1", '50%"', "}{\\frac")


@given(formulas(EVIL))
@settings(max_examples=60, deadline=None)
def test_latex_has_balanced_braces_and_one_exponent_a_base(term):
    written = re.sub(r"\\[{}%&_#$]", "", latex(term))
    depth = 0
    for c in written:
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0
    assert written.count(r"\left") == written.count(r"\right")
    assert written.count(r"\begin") == written.count(r"\end")
    flat = written
    while (less := re.sub(r"\{[^{}]*\}", "o", flat)) != flat:
        flat = less
    assert not re.search(r"\^\s*(\\\w+|.)\^", flat)
    outside = re.sub(r"\\text\{(\\\w+\{\}|[^{}])*\}", "", written)  # amsmath's text may hold anything that is escaped
    assert "script>" not in outside
    assert "%" not in outside


# --- MathML -----------------------------------------------------------------------------------------------------------

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"


def mathml(term):
    return framed(inner(term))


def test_mathml_has_fractions_roots_and_scripts():
    assert inner(product(ONE, over=(x,))) == '<mfrac><mn>1</mn><mi data-name="x">x</mi></mfrac>'
    assert inner(FunctionCall("sqrt", (x,))) == '<msqrt><mi data-name="x">x</mi></msqrt>'
    assert inner(Power(x, TWO)) == '<msup><mi data-name="x">x</mi><mn>2</mn></msup>'
    assert inner(exp_x).startswith("<msup><mi>e</mi>")
    assert inner(SumOver(("n",), x)).startswith("<mrow><munder><mo>∑</mo><mrow><mi>n</mi></mrow></munder>")


def test_mathml_has_a_table_of_cases():
    tree = ET.fromstring(mathml(Cases(((x, Compare(x, "<", ZERO)),), ONE)))
    rows = tree.iter(f"{NAMESPACE}mtr")
    assert ["".join(row.itertext()) for row in rows] == ["xx<0", "1otherwise"]


def test_mathml_names_what_a_page_may_light_up():
    tree = ET.fromstring(mathml(product(dy, Symbol("W", (n, m)), Symbol("gamma"))))
    named = {e.get("data-name"): "".join(e.itertext()) for e in tree.iter() if e.get("data-name")}
    assert named == {"∂L/∂y": "∂L∂y", "W": "Wn,m", "n": "n", "m": "m", "gamma": "γ"}


def test_mathml_escapes_names():
    tree = ET.fromstring(mathml(Symbol('<script>"&')))
    assert [e.tag for e in tree.iter()] == [f"{NAMESPACE}math", f"{NAMESPACE}mi"]
    assert tree[0].text == tree[0].get("data-name") == '<script>"&'


def test_mathml_may_have_a_line_of_its_own():
    assert 'display="block"' in framed(inner(x), block=True)


def names_in(term):
    inside = set().union(*map(names_in, parts(term)))
    own = {term.name} if isinstance(term, Symbol) else {f"∂L/∂{term.of}"} if isinstance(term, Partial) else set()
    return inside | own


@given(formulas(EVIL))
@settings(max_examples=60, deadline=None)
def test_mathml_is_xml_with_two_parts_where_two_belong_and_every_name_marked(term):
    tree = ET.fromstring(mathml(term))
    assert len(tree) == 1
    for element in tree.iter():
        tag = element.tag.removeprefix(NAMESPACE)
        if tag in ("mfrac", "msup", "msub", "munder", "mroot"):
            assert len(element) == 2
        if tag in ("mi", "mn", "mo", "mtext"):
            assert len(element) == 0
        else:
            assert tag == "mspace" or len(element) > 0
    assert {e.get("data-name") for e in tree.iter() if e.get("data-name")} == names_in(term)


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("printer", [text, latex, mathml])
def test_a_formula_may_be_thousands_of_functions_deep(printer):
    deep = x
    for _ in range(1001):
        deep = FunctionCall("tanh", (deep,))
    assert printer(deep).count("tanh") == 1001


def test_a_sum_without_an_index_is_over_all_elements_and_a_numbered_name_has_its_number_below():
    whole = SumOver((), Symbol("dx₁₂"))
    assert (text(whole), latex(whole)) == ("Σ dx₁₂", r"\sum \mathrm{dx}_{12}")
    assert "munder" not in mathml(whole)


def test_latex_has_one_subscript_a_base():
    assert latex(Symbol("dx₁", (Symbol("n"), Symbol("d")))) == r"{\mathrm{dx}_{1}}_{n, d}"
