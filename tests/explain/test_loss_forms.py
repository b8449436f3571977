"""Losses, sigmoids and what is kept: the one formula that books print, and the condition under which it holds."""

import re

import flint
import numpy as np
import pytest

from dout.explain.derivation.derivation import explained
from dout.explain.formats.terminal_lines import render
from dout.explain.formats.words import said_reason
from dout.explain.terms.text_printer import text

X = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])
T = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
P = np.array([[0.3, 0.2, 0.7], [0.1, 0.4, 0.6]])


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy(x, t):
    return -np.sum(t * np.log(softmax(x))) / x.shape[0]


def cross_entropy_of_labels(x, t):
    y = softmax(x)
    return -np.sum(np.log(y[np.arange(len(t)), t] + 1e-7)) / len(t)


def binary(z, t):
    y = 1 / (1 + np.exp(-z))
    return -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y))


def squared(y, t):
    return np.sum((y - t) ** 2) / len(y)


def mean_squared(y, t):
    return np.mean((y - t) ** 2)


@pytest.mark.parametrize(
    ("loss", "of", "inputs", "formula", "condition"),
    [
        (cross_entropy, "x", (X, T), "dout · (softmax(x, axis=1) − t) / N", "where each row of t adds up to 1"),
        (cross_entropy_of_labels, "x", (X, np.array([2, 0])), "dout · (y − onehot(t)) / N",
         "without the 10⁻⁷ that keeps it finite"),
        (binary, "z", (X, P), "dout · (y − t) / (N · D)", ""),
        (squared, "y", (X, T), "2 · dout · (y − t) / N", ""),
        (mean_squared, "y", (X, T), "2 · dout · (y − t) / (N · D)", ""),
    ],
)  # fmt: skip
def test_a_loss_has_the_gradient_that_books_print(loss, of, inputs, formula, condition):
    simplified = {one.of: one.forms[-1] for one in explained(loss, {}, dict(enumerate_names(loss, inputs))).simplified}
    term, reason = simplified[of]
    words = "".join(part if isinstance(part, str) else text(part) for part in said_reason(reason)) if reason else ""
    assert (text(term), words) == (formula, condition)


def enumerate_names(loss, inputs):
    return zip(loss.__code__.co_varnames, inputs, strict=False)


def test_labels_as_rows_of_zeros_and_a_one_are_defined():
    found = explained(cross_entropy_of_labels, {}, {"x": X, "t": np.array([2, 0])})
    assert [f"{text(left)} = {text(right)}" for left, right in found.definitions] == [
        "onehot(t)[n, k] = 1 where k = t[n], else 0",
    ] or [text(left) for left, _ in found.definitions] == ["onehot(t)[n, c]"]


def test_a_gradient_that_is_no_multiple_of_a_difference_stays_as_the_steps_tell_it():
    def cubed(y, t):
        return np.sum((y - t) ** 3 + y**2)

    (of_y, _) = explained(cubed, {}, {"y": X, "t": T}).simplified
    assert "dout" not in text(of_y.forms[-1][0])


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def test_pi_has_as_many_digits_as_what_it_is_compared_with():
    before = flint.ctx.prec
    try:
        flint.ctx.prec = 53  # as it is in a new process
        found = explained(gelu, {}, {"x": X})
    finally:
        flint.ctx.prec = before
    assert found.formula is not None
    assert [one.of for one in found.simplified if one.forms] == ["x"]


class Gated:
    def forward(self, x):
        gate = 1 / (1 + np.exp(-x))
        return x * gate


def test_a_sigmoid_inside_a_layer_is_one_step_and_is_defined():
    found = explained(Gated, {}, {"x": X})
    assert [step.operator for step in found.steps] == ["×", "σ"]
    assert [text(left) for left, _ in found.definitions] == ["σ(x)"]
    assert len(explained(Gated, {}, {"x": X}, ["sigmoid"]).steps) > 2


class Normal:
    def forward(self, x):
        mean = x.mean(axis=1, keepdims=True)
        std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-7)
        normal = (x - mean) / std
        return normal * 2


def test_a_numerator_follows_from_its_quotient_and_need_not_be_kept():
    assert explained(Normal, {}, {"x": X}).keeping[0].names == ("std", "normal")


class Logistic:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, x, t):
        p = 1 / (1 + np.exp(-(x @ self.w + self.b)))
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


def test_what_a_sigmoid_inside_is_taken_of_has_the_gradient_that_books_print():
    found = explained(Logistic, {"w": X.T, "b": np.zeros(2)}, {"x": X, "t": P[:, :2]})
    assert "dout · (p − t) / (N · M)" in [text(one.forms[-1][0]) for one in found.simplified]


def likelihood(x, t):
    return np.mean(-np.log(softmax(x)[range(len(t)), t]))


def test_labels_chosen_by_a_range_are_read_as_those_chosen_by_an_array():
    found = explained(likelihood, {}, {"x": X, "t": np.array([2, 0])})
    assert text(found.simplified[0].forms[-1][0]) == "dout · (softmax(x, axis=1) − onehot(t)) / N"
    assert all(part.index or part.local for step in found.steps for part in step.parts)


def clipped(p, t):
    return -np.mean(t * np.log(np.clip(p, 1e-12, 1 - 1e-12)))


def test_a_formula_that_knows_no_bound_says_so():
    found = {one.of: one.forms[-1] for one in explained(clipped, {}, {"p": P, "t": T}).simplified}
    said = {name: "".join(said_reason(reason)) if reason else "" for name, (_, reason) in found.items()}
    assert said == {"p": "where nothing is clipped", "t": ""}


class Weighted:
    def __init__(self, w=0.5):
        self.w = w

    def forward(self, y, t):
        return self.w * np.sum((y - t) ** 2)


def test_a_setting_is_no_number_of_a_formula():
    explanation = explained(Weighted, {}, {"y": P, "t": T})
    last = {one.of: text(one.forms[-1][0]) for one in explanation.simplified}
    assert last.get("y") != "dout · (y − t)"


def huber(y, t):
    e = y - t
    return np.mean(np.where(np.abs(e) <= 1.0, 0.5 * e**2, np.abs(e) - 0.5))


def test_the_formula_of_one_case_is_not_that_of_a_loss_which_has_two():
    explanation = explained(huber, {}, {"y": P, "t": T})
    last = {one.of: text(one.forms[-1][0]) for one in explanation.simplified}
    assert "dout · e / (N · M)" not in last.values()


class PowerLoss:
    def __init__(self, p=1):
        self.p = p

    def forward(self, x, t):
        return np.mean(np.abs(x - t) ** self.p)


@pytest.mark.parametrize("p", [1, 2])
def test_the_formula_of_one_exponent_is_not_that_of_any(p):
    explanation = explained(PowerLoss, {"p": p}, {"x": P, "t": T})
    assert [text(one.forms[-1][0]) for one in explanation.simplified] == ["da", "−da"]  # step by step, with p


def smaller(a, b):
    return np.minimum(a * b, np.exp(b))


def test_where_two_values_are_equal_the_second_has_the_gradient():
    shown = render(explained(smaller, {}, {"a": P, "b": T + 0.5}))
    assert re.search(r"1 where \S.* < ", shown)
    assert re.search(r"1 where \S.* ≤ ", shown)
