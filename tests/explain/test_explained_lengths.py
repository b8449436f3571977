"""Numbers that are lengths of axes: they are told by letters, and those that only happen to be equal stay numbers."""

import numpy as np
import pytest

from dout.explain.derivation.derivation import explained
from dout.explain.terms.text_printer import text


def formula(forward, **inputs):
    return text(explained(forward, {}, inputs).formula)


def scaled(Q, K):
    return Q @ K.T / np.sqrt(Q.shape[-1])


def centred(x):
    return x - x.sum(axis=1, keepdims=True) / x.shape[1]


def shared(x):
    return x.sum() / x.size


def unbiased(x):
    return np.sum(x**2, axis=1) / (x.shape[1] - 1)


def by_root_two(x):
    return x @ x.T / np.sqrt(2)


@pytest.mark.parametrize(
    ("forward", "shapes", "expected"),
    [
        (scaled, {"Q": (3, 2), "K": (4, 2)}, "(Q @ Kᵀ) / √D"),
        (centred, {"x": (3, 2)}, "x − sum(x, axis=1) / D"),
        (shared, {"x": (3, 2)}, "sum(x) / (N · D)"),
        (unbiased, {"x": (3, 4)}, "sum(x², axis=1) / (D − 1)"),
        (by_root_two, {"x": (3, 2)}, "(x @ xᵀ) / √2"),
    ],
)
def test_a_number_that_is_a_length_is_its_letter(forward, shapes, expected):
    generator = np.random.default_rng(0)
    assert formula(forward, **{name: generator.normal(size=shape) for name, shape in shapes.items()}) == expected


class Gates:
    def __init__(self, Wx, Wh):
        self.Wx, self.Wh = Wx, Wh

    def forward(self, x, h, c):
        H = h.shape[1]
        a = x @ self.Wx + h @ self.Wh
        return np.tanh(a[:, :H]) * c + a[:, H : 2 * H] * a[:, 2 * H :]


@pytest.fixture(scope="module")
def gates():
    generator = np.random.default_rng(0)
    init = {"Wx": generator.normal(size=(2, 12)), "Wh": generator.normal(size=(4, 12))}
    inputs = {name: generator.normal(size=shape) for name, shape in {"x": (3, 2), "h": (3, 4), "c": (3, 4)}.items()}
    return explained(Gates, init, inputs)


def test_axes_that_only_go_together_have_one_letter_and_their_multiples_are_told(gates):
    axes = {quantity.name: quantity.axes for quantity in gates.forward}
    state = axes["h"][1]
    assert axes["c"] == axes["h"]
    assert axes["Wh"] == (state, f"3·{state}")


def test_slices_by_lengths_are_told_by_letters(gates):
    parts = [part.index[1] for step in gates.steps for part in step.parts if part.of == "a" and part.index]
    state = next(quantity.axes[1] for quantity in gates.forward if quantity.name == "h")
    assert {text(right).partition(" where ")[2] for right in parts} == {
        f"k < {state}, else 0", f"{state} ≤ k < 2 · {state}, else 0", f"2 · {state} ≤ k, else 0",
    }  # fmt: skip


def test_an_axis_has_no_letter_that_is_the_name_of_a_matrix():
    def attention(Q, K, V):
        return np.tanh(Q @ K.T) @ V

    found = explained(attention, {}, {"Q": np.ones((2, 3)), "K": np.ones((4, 3)), "V": np.ones((4, 5))})
    letters = {letter for quantity in found.forward for letter in quantity.axes}
    assert not letters & {"Q", "K", "V"}


class Heads:
    def forward(self, q, k):
        n, t, d = q.shape
        q, k = (a.reshape(n, t, 2, d // 2).transpose(0, 2, 1, 3) for a in (q, k))
        return q @ k.transpose(0, 1, 3, 2) / np.sqrt(d // 2)


def test_a_number_that_is_a_part_of_a_length_is_told_by_its_letter():
    found = explained(Heads, {}, {"q": np.ones((3, 5, 4)), "k": np.ones((3, 5, 4))})
    letter = next(quantity.axes[2] for quantity in found.forward if quantity.name == "q")
    assert text(found.formula).endswith(f"/ √({letter} / 2)")


def test_the_number_of_a_mean_stands_in_no_line_of_code():
    def forward(x):
        return np.mean(np.exp(x) @ x.T)

    found = explained(forward, {}, {"x": np.arange(6.0).reshape(2, 3)})
    codes = [part.code for step in found.steps for part in step.parts]
    assert not any("/ 4" in code for code in codes)
