"""What an explanation tells of: which values have gradients, which parts add up, what is one step, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from dout.errors import TargetError
from dout.explain.derivation.derivation import explained
from dout.explain.formats import terminal_lines
from dout.explain.formats.outline import outline
from dout.explain.terms.text_printer import text
from dout.trace.record.script import load_file

SLIDES = load_file(str(Path(__file__).parents[2] / "examples" / "slide_layers.py"))


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=1)
        return dout @ self.W.T


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


class Centred:
    def forward(self, x):
        return x - x.mean(axis=0)


def parts_of(explanation):
    return [part for step in explanation.steps for part in step.parts]


def test_affine_in_index_and_matrix_form_with_shapes():
    parts = {part.of: part for part in parts_of(explained(Affine, {}, {}))}
    told = {of: (*map(text, part.index), text(part.gradient), part.shapes, part.code) for of, part in parts.items()}
    assert told == {
        "b": ("db[m]", "Σₙ dout[n, m]", "Σ_N dout", "(N, M) → (M,)", "dout.sum(axis=0)"),
        "x": ("dx[n, d]", "Σₘ dout[n, m] · W[d, m]", "dout @ Wᵀ", "(N, M)·(M, D) → (N, D)", "dout @ W.T"),
        "W": ("dW[d, m]", "Σₙ dout[n, m] · x[n, d]", "xᵀ @ dout", "(D, N)·(N, M) → (D, M)", "x.T @ dout"),
    }


def test_the_wrong_line_of_a_backward_is_told_from_the_right_ones():
    lines = explained(Affine, {}, {}).backward
    assert [(line.step, line.wrong) for line in lines] == [(2, False), (1, True), (2, False)]


def test_a_softmax_is_one_step_unless_it_is_opened():
    closed, opened = explained(Softmax, {}, {}), explained(Softmax, {}, {}, ("softmax",))
    assert [step.operator for step in closed.steps] == ["softmax"]
    (part,) = parts_of(closed)
    assert text(part.index[1]) == "y[n, d] · (dout[n, d] − Σₖ dout[n, k] · y[n, k])"
    assert [step.operator for step in opened.steps] == ["e / c", "Σ", "exp", "x − a", "max"]


def test_gradients_of_several_uses_are_numbered_and_add_up():
    parts = [part for part in parts_of(explained(Centred, {}, {})) if part.of == "x"]
    assert [part.share for part in parts] == [1, 2, 0]
    assert text(parts[-1].gradient) == "dx₁ + dx₂"


def test_an_array_of_the_layer_gets_a_gradient_and_a_setting_none():
    class Scaled:
        def __init__(self, slopes, power=2.0):
            self.slopes, self.power = slopes, power

        def forward(self, x):
            return self.slopes * x**self.power

    explanation = explained(Scaled, {"slopes": np.ones(3)}, {"x": np.ones((2, 3))})
    assert {part.of for part in parts_of(explanation)} >= {"slopes", "x"}
    assert "power" not in {part.of for part in parts_of(explanation)}


def test_constants_that_forward_makes_get_no_gradient():
    def with_ones(x):
        ones = np.ones((x.shape[1], 1))
        return x @ ones

    assert {part.of for part in parts_of(explained(with_ones, {}, {"x": np.ones((2, 3))}))} == {"x"}


def test_the_axes_that_a_docstring_tells_are_the_letters():
    class Mixed:
        def __init__(self, W):
            self.W = W

        def forward(self, x):
            """Mix channels.

            x: array of shape (T, C)
            """
            return x @ self.W

    (x,) = (q for q in explained(Mixed, {}, {}).forward if q.name == "x")
    assert x.axes == ("T", "C")


def test_a_layer_that_gives_back_its_input_says_so():
    class Identity:
        def forward(self, x):
            return x

    with pytest.raises(TargetError, match="gives back its input"):
        explained(Identity, {}, {})


def test_a_long_loop_is_refused_and_not_waited_for():
    def repeated(x):
        for _ in range(400):
            x = np.tanh(x) + 0.1
        return x

    with pytest.raises(TargetError, match=r"takes 800 different steps .* --input"):
        explained(repeated, {}, {"x": np.ones(2)})


def test_the_gradient_that_comes_in_for_an_output_adds_to_those_of_its_uses():
    def cell(x):
        c = np.cumsum(x, axis=0)
        h = np.tanh(c)
        return c, h

    parts = [part for part in parts_of(explained(cell, {}, {"x": np.ones((2, 3))})) if part.of == "c"]
    assert [part.share for part in parts] == [2, 0]
    assert [text(part.gradient) for part in parts] == ["dh · (1 − h²)", "dc₁ + dc₂"]


def test_no_value_is_called_as_the_gradient_of_another():
    def affine(x, dx):
        out = x.reshape(2, 6) @ np.ones((6, 1))
        return np.tanh(out * dx)

    explanation = explained(affine, {}, {"x": np.ones((2, 3, 2)), "dx": np.ones((2, 1))})
    names = {quantity.name for quantity in explanation.forward}
    assert not names & {"dout", *(f"d{name}" for name in names)}


def test_items_of_an_attribute_are_called_as_forward_calls_them():
    class Cell:
        def __init__(self, W, b):
            self.params = [W, b]

        def forward(self, x):
            W, b = self.params
            return x @ W + b

    explanation = explained(Cell, {"W": np.ones((3, 2)), "b": np.ones(2)}, {"x": np.ones((4, 3))})
    assert text(explanation.formula) == "x @ W + b"


def local(explanation):
    return {(step.operator, part.of): [*map(text, part.local)] for step in explanation.steps for part in step.parts}


def test_multiplication_swaps_its_inputs():
    explanation = explained(SLIDES.MulLayer, {}, {"x": 100, "y": 2})
    assert local(explanation) == {("×", "x"): ["y"], ("×", "y"): ["x"]}
    assert [(s.of, text(s.forms[-1][0])) for s in explanation.simplified] == [("x", "∂L/∂z · y"), ("y", "∂L/∂z · x")]
    assert [part.value for part in parts_of(explanation)] == [2, 100]
    assert [(line.wrong, line.matches is not None) for line in explanation.backward[:2]] == [(False, True)] * 2


def test_addition_passes_its_gradient_on_and_keeps_nothing():
    explanation = explained(SLIDES.AddLayer, {}, {})
    assert local(explanation) == {("+", "x"): ["1"], ("+", "y"): ["1"]}
    assert explanation.keeping[0].names == ()


def test_relu_is_a_switch():
    explanation = explained(SLIDES.Relu, {}, {})
    assert local(explanation) == {("where", "x"): ["0 where x ≤ 0, else 1"]}
    assert text(explanation.simplified[0].forms[-1][0]) == "∂L/∂y where x > 0, else 0"


@pytest.mark.parametrize(
    ("function", "operator", "forms"),
    [(lambda x: 1 / x, "/", ["−1 / x²", "−y²"]), (lambda x: np.exp(x), "exp", ["exp(x)", "y"])],
)
def test_the_new_nodes_of_the_slides(function, operator, forms):
    assert local(explained(function, {}, {})) == {(operator, "x"): forms}


def test_a_constant_is_the_number_that_it_is_printed_as_on_the_way_back_too():
    def by_two_thirds(x):
        return np.tanh(2 / 3 * x) / np.sqrt(2)

    (simplified,) = explained(by_two_thirds, {}, {"x": np.ones(2)}).simplified
    assert text(simplified.forms[0][0]) == "2 · ∂L/∂a / 3"


def test_a_float32_has_the_digits_that_it_is_printed_with():
    (part,) = parts_of(explained(lambda x: np.float32(0.1) * x, {}, {"x": np.ones(2, np.float32)}))
    assert text(part.gradient) == "0.1 · ∂L/∂y"


def test_a_condition_that_is_an_input_decides_and_has_to_be_kept():
    def gate(x, y, mask):
        return np.where(mask, x, y)

    inputs = {"x": np.ones(4), "y": np.ones(4), "mask": np.array([True, False, True, False])}
    explanation = explained(gate, {}, inputs)
    assert {part.of: text(part.gradient) for part in parts_of(explanation)} == {
        "x": "∂L/∂z where mask, else 0",
        "y": "0 where mask, else ∂L/∂z",
    }
    assert explanation.keeping[0].names == ("mask",)


def test_values_without_a_name_are_kept_as_the_named_ones_that_they_come_from():
    class Loss:
        def forward(self, x, t):
            y = np.exp(x)
            return -np.sum(t * np.log(y + 1e-7))

    (keeping,) = explained(Loss, {}, {"x": np.ones((2, 3)), "t": np.ones((2, 3))}).keeping
    assert set(keeping.names) <= {"t", "y"}


def test_a_chain_whose_formula_doubles_with_each_step_is_told_step_by_step():
    def repeated(x):
        for _ in range(20):
            x = np.tanh(x) + x
        return x

    explanation = explained(repeated, {}, {"x": np.ones(2)})
    assert (len(explanation.steps), explanation.formula) == (40, None)


def test_complex_numbers_are_refused():
    with pytest.raises(TargetError, match="complex"):
        explained(lambda x: x * 2, {}, {"x": np.ones(2) * 1j})


def test_numpy_is_shown_only_where_it_gives_the_gradient():
    from dout.explain.derivation.part_code import part_code
    from dout.graph import INPUT, Node
    from dout.ops import PRIMITIVES
    from dout.rewrite.node_facts import applied

    dout, W = (Node(INPUT, (), {}, (2, 2), np.dtype(float)) for _ in range(2))
    gradient = applied(PRIMITIVES["multiply"], [dout, W], {})
    values = {dout: np.arange(4.0).reshape(2, 2), W: np.arange(4.0, 8).reshape(2, 2)}
    assert part_code(gradient, {dout: "dout", W: "W"}, values) == "dout * W"
    assert part_code(gradient, {dout: "dout", W: "W'"}, values) == ""
    assert part_code(gradient, {dout: "W", W: "W"}, values) == ""


def test_the_gradient_of_one_number_for_all_elements_says_that_it_is_a_sum():
    inputs = {"x": np.ones(3), "a": np.array(0.5)}
    parts = {part.of: part for part in parts_of(explained(lambda x, a: a * x, {}, inputs))}
    assert text(parts["a"].gradient) == "Σ ∂L/∂y · x"
    assert parts["a"].reason.key == "one for all"
    assert text(parts["x"].gradient) == "∂L/∂y · a"


def test_a_headline_that_is_not_what_forward_computes_is_not_printed(monkeypatch):
    from dout.explain.derivation import derivation
    from dout.explain.terms.terms import ONE, total

    right = explained(lambda x: np.tanh(x) * 2, {}, {"x": np.ones(2)}).formula
    assert text(right) == "2 · tanh(x)"
    monkeypatch.setattr(derivation, "_formula", lambda forward, letters: total(right, ONE))
    assert explained(lambda x: np.tanh(x) * 2, {}, {"x": np.ones(2)}).formula is None


def test_the_functions_that_are_explained_by_definition_are_defined_rightly():
    from dout.explain.algebra.exact_values import equal, value

    sigmoid = explained(lambda x: x / (1 + np.exp(-x)), {}, {"x": np.ones(2)})
    mish = explained(lambda x: x * np.tanh(np.log(1 + np.exp(x))), {}, {"x": np.ones(2)})
    defined = {text(left): (left, right) for left, right in (*sigmoid.definitions, *mish.definitions)}
    assert set(defined) == {"σ(x)", "softplus(x)"}
    for left, right in defined.values():
        assert equal(left, {"x": [0.3, -2.0]}, [value(right, {"x": x}) for x in (0.3, -2.0)])


def test_a_reshape_that_splits_an_axis_stands_in_the_headline_and_in_the_listing():
    def pooled(x):
        return x.reshape(x.shape[0], 2, 3).max(axis=2)

    explanation = explained(pooled, {}, {"x": np.ones((4, 6))})
    (listed,) = (q.term for q in explanation.forward if q.name == "a")
    assert text(explanation.formula) == f"max({text(listed)}, axis=2)"
    assert text(listed).startswith("reshape(x, N, ")


def test_a_headline_has_each_reshape_once():
    def flat(x):
        return (x.reshape(6, 4) * 2).reshape(2, 3, 4)

    assert text(explained(flat, {}, {"x": np.ones((2, 3, 4))}).formula).count("reshape") == 2


class Looked:
    def __init__(self, W):
        self.W = W

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.idx] = dout


def test_a_row_that_is_looked_up_twice_shows_that_gradients_are_overwritten():
    last = explained(Looked, {}, {}).backward[-1]
    assert (last.wrong, last.reason.key) == (True, "beside_overwritten")


def test_an_index_that_is_given_without_repeats_leaves_a_line_right_for_such_inputs_alone():
    found = explained(Looked(np.ones((5, 3))), {}, {"idx": np.array([0, 2, 1])})
    assert outline(found).parts[-1].rows[-1].cells["mark"].mark == "~"


def test_a_wrong_line_is_told_with_the_line_that_is_right():
    (line,) = (line for line in explained(Affine, {}, {}).backward if line.wrong)
    assert line.instead == "dout.sum(axis=0)"


class MeanOfSamples:
    def forward(self, x, t):
        self.x, self.t = x, t
        return np.sum((x - t) ** 2) / x.shape[0] / 2

    def backward(self, dout=1):
        return dout * (self.x - self.t)


def test_the_number_of_samples_is_a_letter_and_a_2_of_the_formula_stays_a_2():
    found = explained(MeanOfSamples, {}, {"x": np.eye(2), "t": np.ones((2, 2)) / 3})
    assert text(found.formula) == "sum((x − t)²) / (2 · N)"
    assert [text(step.parts[0].gradient) for step in found.steps[:2]] == ["dout / 2", "df / N"]


def test_a_line_that_is_right_but_for_the_number_of_samples_is_nearly_right():
    (line,) = outline(explained(MeanOfSamples, {}, {"x": np.eye(2), "t": np.ones((2, 2)) / 3})).parts[-1].rows
    assert line.cells["mark"].mark == "~"
    assert "the factor 1/N is missing" in str(line.cells["mark"].sentence)


def test_a_product_of_a_value_with_itself_is_derived_as_the_square_that_it_is_printed_as():
    def scaled(a):
        return np.sum(a * a) * a

    found = explained(scaled, {}, {"a": np.ones((2, 3)) / 2})
    parts = [text(part.gradient) for step in found.steps for part in step.parts if part.of == "a"]
    (square,) = [name for name in (q.name for q in found.forward) if f"2 · d{name} · a" in parts]
    assert len(parts) == 3
    assert square


def test_each_use_of_a_value_has_a_derivative_of_its_own_and_they_add_up():
    def gated(x):
        c = np.exp(x)
        return c * np.tanh(c)

    found = explained(gated, {}, {"x": 0.5})
    gradients = [(part.of, part.share, text(part.gradient)) for step in found.steps for part in step.parts]
    assert ("c", 0, "∂L/∂c₁ + ∂L/∂c₂") in gradients
    page = terminal_lines.render(found, width=100)
    assert "∂y/∂c₁ = " in page
    assert "∂y/∂c = " not in page


class Raising:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        raise ValueError("not yet")


def test_where_the_backward_raises_the_derivation_is_told_nevertheless():
    found = explained(Raising, {}, {"x": np.ones(3)})
    assert [text(part.gradient) for step in found.steps for part in step.parts] == ["2 · ∂L/∂y · x"]
    (reason,) = found.not_explained
    assert (reason.key, reason.fields) == ("backward_raises", {"error": "ValueError: not yet"})
