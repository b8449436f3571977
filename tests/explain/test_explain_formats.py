"""What a terminal prints of an explanation, to the character: at any width, in two languages, in ASCII."""

import ast
import string
from pathlib import Path

import numpy as np
import pytest
from explanations import NODE, affine, mixed, multiply, quantity, relu, sigmoid
from rich.cells import cell_len
from rich.console import Console

import dout
from dout.explain.formats import terminal_lines
from dout.explain.formats.outline import judgement_of
from dout.explain.formats.words import TABLES, listed, said, said_reason
from dout.explain.model.explanation import BackwardLine, DerivationStep, Explanation, Phrase, StepPart
from dout.explain.terms.terms import FunctionCall, Partial, Symbol, product
from dout.graph import Where
from dout.ops import PRIMITIVES
from dout.styled_lines import coloured, plain

SIGMOID = """
Sigmoid    y = 1 / (1 + exp(−x))                                        slide_layers.py:60

  forward
    a = −x              −1.5
    b = exp(a)           0.2231
    c = 1 + b            1.223
    y = 1 / c            0.8176

  backward, from the output to the input                                ∂L/∂y = 1
    1   /      ∂y/∂c = −1/c² = −y²       ∂L/∂c = −∂L/∂y · y²                −0.6684
    2   +      ∂c/∂b = 1                 ∂L/∂b = −∂L/∂y · y²                −0.6684
    3   exp    ∂b/∂a = exp(a)            ∂L/∂a = −∂L/∂y · y² · exp(−x)      −0.1491
    4   ×(−1)  ∂a/∂x = −1                ∂L/∂x =  ∂L/∂y · y² · exp(−x)       0.1491

  simplified
    ∂L/∂x = ∂L/∂y · y² · exp(−x)
          = ∂L/∂y · y · exp(−x) / (1 + exp(−x))        since y = 1 / (1 + exp(−x))
          = ∂L/∂y · y · (1 − y)                        since exp(−x) / (1 + exp(−x)) = 1 − y

  The output alone is enough: keep y, forget x.

  your backward                                                         slide_layers.py:65
    dx = dout * (1.0 - self.out) * self.out            ✓ is ∂L/∂y · (1 − y) · y
"""

AFFINE = """
Affine     y = x @ W + b          x (N, D)   W (D, M)   b (M,)   y (N, M)        mine.py:4

  backward                                                       dout = ∂L/∂y    (N, M)
    1   + b    b was added to each of the N rows, so its gradient is the sum of theirs
               db[m]    = Σₙ dout[n, m]                 (N, M) → (M,)            dout.sum(axis=0)
    2   x @ W  y[n, m]  = Σ_d x[n, d] · W[d, m]
               dx[n, d] = Σₘ dout[n, m] · W[d, m]       (N, M)·(M, D) → (N, D)   dout @ W.T
               dW[d, m] = Σₙ x[n, d] · dout[n, m]       (D, N)·(N, M) → (D, M)   x.T @ dout

  Needs x (for dW) and W (for dx); the output is of no use.

  your backward                                                                  mine.py:11
    self.dW = self.x.T @ dout          ✓ step 2
    self.db = dout.sum(axis=1)         ✗ step 1 sums over the N rows: axis=0
    return dout @ self.W.T             ✓ step 2
"""

WHERE = Where("mine.py", 3)
EVERY = [sigmoid(), affine(), relu(), mixed(), multiply(), multiply(names=("price_of_one_apple", "number_of_apples"))]


def columns(text):
    return max(cell_len(line) for line in text.splitlines())


# --- the form ---------------------------------------------------------------------------------------------------------


def test_sigmoid_reads_as_in_a_textbook():
    assert terminal_lines.render(sigmoid(), numbers=True) == SIGMOID.strip("\n")


def test_affine_reads_as_in_a_textbook_and_names_the_wrong_axis():
    assert terminal_lines.render(affine(), width=100) == AFFINE.strip("\n")


def test_brief_is_the_formula_the_derivative_and_what_it_needs():
    assert terminal_lines.render(sigmoid(), short=True).splitlines() == [
        "y = 1 / (1 + exp(−x))",
        "∂y/∂x = y · (1 − y)",
        "The output alone is enough: keep y, forget x.",
    ]


def test_brief_says_what_a_name_is_before_it_is_used():
    a, x = Symbol("a"), Symbol("x")
    step = DerivationStep(1, "·", "y", NODE, (StepPart("x", product(Symbol("dout"), a), None, (a,)),))
    values = (
        quantity("x", None, 1.0),
        quantity("a", FunctionCall("sum", (x,)), 1.0),
        quantity("y", product(x, a), 1.0),
    )
    explanation = Explanation("Sum", None, values, ("y",), product(x, FunctionCall("sum", (x,))), (step,), (), ())
    assert terminal_lines.render(explanation, short=True) == "a  = sum(x)\ny  = x · a\ndx = dout · a".replace(
        "  =", " ="
    )


def test_without_numbers_there_are_none():
    text = terminal_lines.render(sigmoid())
    assert "0.8176" not in text
    assert "∂L/∂y = 1" not in text


def test_arrays_have_no_columns_of_numbers():
    assert terminal_lines.render(relu(), numbers=True) == terminal_lines.render(relu(), numbers=False)


def test_four_digits_right_to_the_last_one():
    text = terminal_lines.render(sigmoid(at=-700.0), numbers=True)
    assert f"{np.exp(700.0):.3e}".replace("e+", "e") in text


def test_the_right_gradients_have_no_cross():
    assert "✗" not in terminal_lines.render(affine(wrong=False))


def test_a_step_that_only_passes_a_gradient_on_is_one_row():
    text = terminal_lines.render(multiply(), numbers=True)
    assert "    1   ×      ∂out/∂x = y       ∂L/∂x = ∂L/∂out · y      2" in text
    assert "               ∂out/∂y = x       ∂L/∂y = ∂L/∂out · x      100" in text


def test_steps_on_each_element_and_along_axes_have_columns_of_their_own():
    assert terminal_lines.render(mixed(), width=100).splitlines()[2:6] == [
        "  backward                                                dout = ∂L/∂y    (N, D)",
        "    1   scale · x  ∂y/∂x = scale       dx = dout · scale",
        "                   scale is repeated along N, so its gradient is the sum over N",
        "                   dscale[d] = Σₙ dout[n, d] · x[n, d]  (N, D) → (D,)  np.sum(dout * x, axis=0)",
    ]


# --- any terminal -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 60, 40])
@pytest.mark.parametrize("explanation", EVERY, ids=lambda e: e.name)
@pytest.mark.parametrize("language", TABLES)
def test_no_line_is_wider_than_the_terminal(explanation, width, language):
    assert columns(terminal_lines.render(explanation, width=width, numbers=True, language=language)) <= width


@pytest.mark.parametrize("explanation", EVERY, ids=lambda e: e.name)
def test_a_narrow_terminal_has_every_word_of_a_wide_one(explanation):
    wide, narrow = (terminal_lines.render(explanation, width=width, numbers=True).split() for width in (200, 60))
    assert sorted("".join(wide)) == sorted("".join(narrow))


def test_what_has_no_room_goes_below_under_the_right_side():
    lines = terminal_lines.render(affine(), width=80).splitlines()
    at = next(i for i, line in enumerate(lines) if "dx[n, d]" in line)
    assert lines[at + 1].strip() == "dout @ W.T"
    assert lines[at + 1].index("dout") == lines[at].index("=") + 2


@pytest.mark.parametrize("explanation", EVERY, ids=lambda e: e.name)
@pytest.mark.parametrize("language", TABLES)
def test_a_terminal_without_unicode_gets_ascii(explanation, language):
    text = terminal_lines.render(explanation, unicode=False, numbers=True, language=language)
    assert text.isascii()
    assert "\\u" not in text


def test_ascii_spells_every_sign():
    text = terminal_lines.render(sigmoid(), unicode=False, numbers=True)
    assert "dy/dc = -1/c^2 = -y^2" in text
    assert "ok is dL/dy * (1 - y) * y" in text


def test_ascii_columns_line_up_too():
    lines = terminal_lines.render(sigmoid(), unicode=False, numbers=True, width=100).splitlines()
    steps = [line for line in lines if line[4:5] in tuple("1234") and "/d" in line]
    assert len(steps) == 4
    assert len({line.index("dL/d") for line in steps}) == 1


def test_control_characters_of_a_name_are_not_obeyed():
    assert "\x1b" not in terminal_lines.render(sigmoid(name="Layer\x1b[31m"))


def test_values_are_blue_and_gradients_orange_and_no_colours_means_none():
    lines = terminal_lines.to_lines(sigmoid(), numbers=True)
    console = Console(force_terminal=True, color_system="truecolor", width=100)
    with console.capture() as captured:
        console.print(coloured(lines))
    assert "\x1b[1;34m−1.5\x1b[0m" in captured.get()
    assert "\x1b[38;2;215;95;0m−0.6684\x1b[0m" in captured.get()
    assert "\x1b" not in plain(lines)


def test_a_line_that_takes_several_steps_names_them():
    lines = [BackwardLine(WHERE, "dx = …", steps=steps, matches=Symbol("dx")) for steps in ((1, 2, 3), (1, 2, 4))]
    assert [judgement_of(line).sentence for line in lines] == [("steps 1–3",), ("steps 1–2, 4",)]


def test_a_line_that_is_nothing_known_has_no_mark():
    assert judgement_of(BackwardLine(WHERE, "n = len(x)")) is None


def test_a_wrong_line_says_what_it_should_be_unless_its_reason_does():
    sign = BackwardLine(WHERE, "dx = dout", wrong=True, instead="-dout", reason=Phrase("beside_sign"))
    assert judgement_of(sign).sentence == ("the sign is wrong: -dout",)


# --- words ------------------------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_keys():
    assert TABLES["en"].keys() == TABLES["ja"].keys()


@pytest.mark.parametrize("key", TABLES["en"])
def test_both_languages_fill_in_the_same_fields(key):
    fields = [{field for _, field, _, _ in string.Formatter().parse(TABLES[lang][key]) if field} for lang in TABLES]
    assert fields[0] == fields[1]


def test_every_reason_that_the_house_gives_has_words():
    files = (Path(dout.__file__).parent / "explain").rglob("*.py")
    calls = [n for file in files for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Call)]
    named = [call.args[0] for call in calls if getattr(call.func, "id", "") == "Phrase" and call.args]
    keys = {node.value for node in named if isinstance(node, ast.Constant)}
    assert len(keys) > 40
    assert keys - TABLES["en"].keys() == set()


def test_japanese_reads_in_japanese():
    text = terminal_lines.render(sigmoid(), numbers=True, language="ja")
    for words in ("順伝播", "逆伝播（出力から入力へ）", "出力だけで足ります。", "✓ ∂L/∂y · (1 − y) · y です"):
        assert words in text


def test_wide_characters_take_two_columns():
    lines = terminal_lines.render(sigmoid(), numbers=True, language="ja").splitlines()
    forward = next(line for line in lines if line.endswith("slide_layers.py:60"))
    beside = next(line for line in lines if line.endswith("slide_layers.py:65"))
    assert cell_len(forward) == cell_len(beside)


def test_a_sentence_keeps_its_formulas():
    reason = Phrase("since", {"left": Symbol("y"), "right": Partial("x")})
    assert said_reason(reason) == ("since ", Symbol("y"), " = ", Partial("x"))


def test_lists_in_a_reason_are_spoken():
    assert said_reason(Phrase("keep values", {"names": ("x", "W", "b")})) == (
        "Needs ", Symbol("x"), ", ", Symbol("W"), " and ", Symbol("b"), ".",
    )  # fmt: skip
    assert said_reason(Phrase("beside_shape", {"mine": (2, 3), "right": (3,), "of": "W"})) == (
        "its shape is (2, 3); that of W is (3,)",
    )


def test_a_reason_in_a_reason_is_spoken_in_the_same_language():
    inner = Phrase("line.step", {"step": 2})
    assert said_reason(Phrase("row", {"says": inner}), "ja") == ("手順 2 です",)


def test_a_list_of_one_has_no_and():
    assert listed(["x"]) == ("x",)
    assert said("line.step", step=3) == ("step 3",)


def test_where_no_gradient_goes_on_japanese_says_so_too():
    flat = {row.says for row in PRIMITIVES.values() if row.backward is None}
    assert flat
    for says in flat:
        (said,) = said_reason(Phrase("stops", {"operator": "f", "place": "a.py:1", "says": says}), "ja")
        assert "gradient" not in said
        assert "勾配" in said
