"""What a derivation calls its values, what decides how forward goes on, and steps without a rule."""

import numpy as np
import pytest

from dout.errors import UnsupportedError
from dout.explain.derivation.derivation import explained
from dout.explain.derivation.helper_names import helper_names
from dout.explain.formats import terminal_lines
from dout.explain.terms.text_printer import text
from dout.trace.record.record import record


def helper(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Calling:
    def forward(self, x):
        return helper(x) * 2


def test_the_heading_points_to_forward_and_not_to_a_function_that_it_calls():
    where = explained(Calling, {}, {"x": np.ones((2, 3))}).where
    assert where.line == Calling.forward.__code__.co_firstlineno + 1


def squash(x):
    return np.exp(x) / (1 + np.exp(x))


def halves(a):
    left = a[:, :2]
    right = a[:, 2:]
    left = squash(left)
    right = squash(right)
    return left * np.tanh(right)


def twice(a):
    for _ in range(2):
        a = squash(a)
    b = squash(a)
    return b * a


def test_what_a_helper_returns_has_the_name_that_forward_gives_it():
    terms = {q.name: text(q.term) for q in explained(halves, {}, {"a": np.ones((3, 4))}).forward if q.term}
    assert all(" / " in terms[name] for name in ("left", "right"))


def test_what_a_helper_returns_in_a_loop_has_no_name_of_its_own():
    assert "b" not in helper_names(twice, record(twice, np.ones((3, 4)))).values()


class OneWay:
    def forward(self, x):
        if x.sum() > 0:
            return x * x
        return np.exp(x)


class Positive:
    def forward(self, x):
        y = x[x > 0]
        return np.sum(y * y)


class Rounded:
    def forward(self, x):
        return np.round(np.exp(x))


def test_a_value_that_decides_how_forward_goes_on_is_named():
    (reason,) = explained(OneWay, {}, {}).not_explained
    assert reason.key == "other way"
    assert str(reason.fields["place"]).startswith("test_derivation_names.py:")


def test_elements_chosen_by_a_condition_are_chosen_once():
    *_, chosen = explained(Positive, {}, {}).steps
    assert [part.reason.key for part in chosen.parts] == ["chosen"]


def test_of_what_is_flat_nothing_is_said_of_keeping():
    found = explained(Rounded, {}, {})
    assert found.keeping == ()
    assert [reason.key for reason in found.not_explained] == ["stops"]


class Spectral:
    def forward(self, x):
        s = np.linalg.svd(x, compute_uv=False)
        return np.sum(s) + np.sum(x * x)


def spectral(x):
    return np.sum(np.linalg.svd(x, compute_uv=False)) + np.sum(x * x)


@pytest.mark.parametrize("target", [Spectral, spectral])
def test_behind_a_step_without_a_rule_the_rest_is_explained(target):
    found = explained(target, {}, {})
    assert "svd" in str(found.not_explained[0].fields["event"])
    assert "x" in {part.of for step in found.steps for part in step.parts}
    assert found.simplified == ()  # a part of the gradient is not the gradient


def test_what_a_step_without_a_rule_gives_is_called_as_the_user_calls_it_or_as_the_function():
    assert text(explained(Spectral, {}, {}).formula) == "sum(s) + sum(x²)"
    assert text(explained(lambda x: np.interp(x, [0.0, 1.0], [1.0, 3.0]) * x, {}, {}).formula) == "interp · x"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: np.abs(np.fft.fft(x)), "np.fft.fft"),  # complex numbers
        (lambda x: np.linalg.lstsq(x, x, rcond=None)[0], "np.linalg.lstsq"),  # nothing is left to explain
    ],
)
def test_where_nothing_can_be_explained_behind_a_step_the_step_is_named(function, name):
    with pytest.raises(UnsupportedError, match=rf"{name} .*test_derivation_names\.py:\d+"):
        explained(function, {}, {"x": np.eye(3)})


class Noisy:
    def forward(self, x):
        noise = np.random.randn(*x.shape)  # noqa: NPY002 - as people draw
        return x * noise


def test_random_numbers_get_no_gradient_and_have_to_be_kept():
    found = explained(Noisy, {}, {"x": np.ones(3)})
    assert {part.of for step in found.steps for part in step.parts} == {"x"}
    assert [k.names for k in found.keeping] == [("random",)]


def test_numbers_that_values_decide_on_and_whole_numbers_are_named():
    def first(x):
        return (x * x)[: int(np.sum(x > 0))]

    def whole(x):
        return x.astype(int) * 2

    assert [r.key for r in explained(first, {}, {"x": np.ones(3)}).not_explained] == ["other number"]
    assert [r.key for r in explained(whole, {}, {"x": np.ones(3)}).not_explained] == ["stops whole"]


def test_a_sorted_array_is_called_so_and_each_element_goes_back_to_its_place():
    found = explained(lambda x: np.sort(x, axis=1), {}, {"x": np.array([[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]])})
    assert text(found.formula) == "sort(x)"
    ((_, right),) = [part.index for step in found.steps for part in step.parts]
    assert text(right) == "Σₕ (dout[k, h] where c = a[k, h], else 0)"


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


ROWS = np.array([[1.0, -0.5, 2.0], [0.5, 1.0, 0.25]])


class Normalised:
    def forward(self, x):
        inv = 1 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        xhat = (x - x.mean(axis=1, keepdims=True)) * inv
        return xhat**3


def test_what_is_normalised_by_a_product_has_the_formula_of_books_and_needs_what_is_in_it():
    found = explained(Normalised, {}, {})
    ((form, _),) = found.simplified[-1].forms
    assert text(form) == "inv · (dxhat − mean(dxhat, axis=1) − xhat · mean(dxhat · xhat, axis=1))"
    assert found.keeping[0].names == ("inv", "xhat")


def test_a_line_of_numpy_reads_the_gradients_that_were_told():
    def cross_entropy(x, t):
        return -np.sum(t * np.log(Softmax().forward(x)))

    steps = explained(cross_entropy, {}, {"x": ROWS, "t": ROWS}).steps
    codes = [part.code for step in steps for part in step.parts if part.of == "x"]
    assert codes == ["da - np.exp(a) * da.sum(axis=1, keepdims=True)"]


def test_a_condition_among_the_steps_of_forward_is_a_number_and_a_power_is_one_lower():
    shares = np.abs(ROWS) / 4
    found = explained(lambda x, t, g: np.mean(np.where(t == 1, x, 1 - x) ** g), {}, {"x": shares, "t": ROWS, "g": 2.5})
    told = terminal_lines.render(found, width=100)
    assert "a = 1 where t = 1, else 0" in told
    assert "g · c^(g − 1)" in told


def test_what_is_written_at_places_is_told_with_the_array_that_it_is_written_into():
    def halves(x):
        out = np.zeros((2, 4))
        out[:, 0::2] = np.sin(x)
        return out * 3

    told = terminal_lines.render(explained(halves, {}, {"x": np.ones((2, 2))}), width=100)
    assert "c = a with a[:, 0::2] ← b" in told
    found = explained(lambda x: np.unique(x).sum(), {}, {"x": np.array([2.0, 1.0, 2.0])})
    gradients = [text(part.gradient) for step in found.steps for part in step.parts]
    assert gradients == ["dout", "zeros with zeros[a] ← db"]


class TrainedOnATarget:
    """Its backward is given the target of a loss that stands nowhere."""

    def __init__(self):
        self.W = np.array([[1.0, 0.5], [-2.0, 0.25], [0.0, 1.5]])

    def forward(self, X):
        return np.tanh(X @ self.W)

    def backward(self, X, y):
        self.W -= 0.1 * X.T @ (self.forward(X) - y) / len(X)


@pytest.mark.long
def test_a_forward_whose_backward_cannot_be_called_is_explained_alone():
    made = explained(TrainedOnATarget, {}, {})
    assert [step.operator for step in made.steps] == ["tanh", "X @ W"]
    assert not made.backward
