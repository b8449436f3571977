"""`--brief`: what a textbook prints of a layer, every name in it introduced and nothing that is not needed."""

import re

import numpy as np
import pytest

from dout.explain.derivation.derivation import explained
from dout.explain.formats.terminal_lines import render
from dout.explain.terms.text_printer import text

X = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])


class BatchNorm:
    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta

    def forward(self, x):
        mu = x.mean(axis=0)
        xc = x - mu
        std = np.sqrt(np.mean(xc**2, axis=0) + 1e-5)
        xn = xc / std
        return self.gamma * xn + self.beta


def unit(x):
    norm = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    y = x / norm
    return y


def root_mean_square(x):
    scale = np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-6)
    n = x / scale
    return n * 3


@pytest.mark.parametrize(
    ("layer", "init", "expected"),
    [
        (BatchNorm, {"gamma": np.array([1.0, 2.0, 0.5]), "beta": np.zeros(3)},
         "(dxn − mean(dxn, axis=0) − xn · mean(dxn · xn, axis=0)) / std"),
        (unit, {}, "(dout − y · sum(dout · y, axis=1)) / norm"),
        (root_mean_square, {}, "(dn − n · mean(dn · n, axis=1)) / scale"),
    ],
)  # fmt: skip
def test_the_gradient_of_what_is_normalised_is_the_formula_of_books(layer, init, expected):
    simplified = {one.of: one.forms[-1][0] for one in explained(layer, init, {"x": X}).simplified}
    assert text(simplified["x"]) == expected


class ScaledRootMeanSquare:
    """Its scale is 1 at the start, where it could be left out of a formula."""

    def __init__(self):
        self.g = np.ones(3)

    def forward(self, x):
        r = 1 / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)
        y = self.g * x * r
        return y


def test_a_formula_holds_for_every_scale_and_not_for_that_of_the_start_alone():
    (of_x,) = (one for one in explained(ScaledRootMeanSquare, {}, {"x": X}).simplified if one.of == "x")
    assert "mean(dout · y" not in text(of_x.forms[-1][0])


def names(line):
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r"(mean|sum|max|axis|tanh|exp)\b|Σ_\w|[ᵀ²]", "", line)))


class Residual:
    def __init__(self, W1, W2):
        self.W1, self.W2 = W1, W2

    def forward(self, x):
        h = np.tanh(x @ self.W1 + x)
        return x + h @ self.W2


class Gated:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        return np.tanh(x @ self.W) * np.exp(x)


@pytest.mark.parametrize(
    ("layer", "init"),
    [
        (Gated, {"W": np.eye(3)}),
        (BatchNorm, {"gamma": np.array([1.0, 2.0, 0.5]), "beta": np.zeros(3)}),
        (Residual, {"W1": np.eye(3), "W2": np.eye(3) + 1}),
    ],
)
def test_every_name_of_a_brief_explanation_is_introduced(layer, init):
    lines = [line for line in render(explained(layer, init, {"x": X}), short=True).splitlines() if " = " in line]
    known = {"x", "dout", *init, "sqrt"}
    for line in lines:
        left, _, right = line.partition(" = ")
        assert names(right) <= known, line
        assert {name[1:] for name in names(left) if name[0] == "d"} <= known, line
        known |= names(left)


def halves(x):
    total = np.zeros_like(x)
    total[:, :2] = x[:, :2] * 3
    total[:, 2:] = np.sum(x[:, 1:], axis=1, keepdims=True)
    return total * total


def test_what_is_written_into_an_array_has_a_line_of_its_own():
    lines = render(explained(halves, {}, {"x": X}), short=True).splitlines()
    assert [line for line in lines if "←" in line] == [
        line for line in lines if line.count("←") == 1 and len(line) < 40
    ]
    assert not [line for line in lines if line.partition(" = ")[2] == line.partition(" = ")[0].rstrip("₁₂")]


def test_a_sum_of_two_steps_without_names_hands_its_gradient_to_both():
    def forward(x, W, h, V):
        return np.tanh(x @ W + h @ V)

    found = explained(forward, {}, {"x": X, "W": np.eye(3), "h": X + 1, "V": np.eye(3)})
    (both,) = (step for step in found.steps if "+" in step.operator)
    assert [(part.of, text(part.gradient)) for part in both.parts] == [("a", "dc"), ("b", "dc")]


def test_a_gradient_has_the_name_under_which_a_step_told_it():
    found = explained(BatchNormOfVar, {}, {"x": X})
    told = {part.of: text(part.gradient) for step in found.steps for part in step.parts}
    (spread,) = (text(part.gradient) for step in found.steps if step.operator == "var" for part in step.parts[:1])
    assert told["spread"] == "da"
    assert "dspread" in spread


class BatchNormOfVar:
    def forward(self, x):
        spread = x.var(axis=0)
        return x * np.sqrt(spread + 1e-5)


def test_a_formula_does_not_divide_by_an_input_that_may_be_zero():
    def dropped(x, mask):
        return x * mask / 0.8

    found = explained(dropped, {}, {"x": X, "mask": X > 0})
    (of_x,) = (one for one in found.simplified if one.of == "x")
    assert "/ x" not in text(of_x.forms[-1][0])


def test_a_division_by_a_repeated_value_has_its_local_derivative():
    found = explained(unit, {}, {"x": X})
    (part,) = (part for step in found.steps for part in step.parts if part.of == "norm")
    assert [text(form) for form in part.local] == ["−x / norm²", "−y / norm"]
    assert part.index is not None
    assert "∂y/∂norm" in render(found)


def test_a_logarithm_is_derived_where_it_has_a_value():
    def geometric(x):
        return np.exp(np.mean(np.log(x), axis=1))

    parts = [part for step in explained(geometric, {}, {"x": np.abs(X)}).steps for part in step.parts]
    assert [text((part.index or (None, part.gradient))[1]) for part in parts] == ["dout · y", "db[n] / D", "da / x"]


def test_a_term_without_a_row_of_its_own_hands_on_the_name_that_its_sum_has():
    def triplet(a, p, n):
        near = ((a - p) ** 2).sum(axis=1)
        far = ((a - n) ** 2).sum(axis=1)
        return np.maximum(0, near - far + 1).mean()

    shown = render(explained(triplet, {}, {"a": X, "p": X + 1, "n": X * 2}), width=120)
    used = set(re.findall(r"\bd[a-z]\b(?=\[| |$)", shown))
    told = set(re.findall(r"^.*?\b(d[a-z])\b(?:\[[^]]*\])? += ", shown, re.MULTILINE))
    assert used <= told


def test_joined_arrays_begin_where_the_length_before_ends():
    def joined(a, b):
        return np.tanh(np.concatenate([a, b], axis=1))

    found = explained(joined, {}, {"a": X, "b": X[:, :2]})
    (of_b,) = (part.index for step in found.steps for part in step.parts if part.of == "b")
    letter = next(quantity.axes[1] for quantity in found.forward if quantity.name == "a")
    assert f"+ {letter}]" in text(of_b[1])
