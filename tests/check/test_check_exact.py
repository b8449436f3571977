"""Verdicts: what the exact route says of right and wrong gradients, at kinks, and where there is no exact answer."""

import numpy as np
import pytest

import dout
from dout.check.verb.check_layer import check

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


class Layer:
    """Made of two functions: forward(x) gives the output, backward(x, y, dout) the gradient."""

    def __init__(self, forward, backward):
        self.functions = forward, backward

    def forward(self, x):
        self.x = x
        self.y = self.functions[0](x)
        return self.y

    def backward(self, dout):
        return self.functions[1](self.x, self.y, dout)


def words(layer, *inputs):
    return {verdict.argument: verdict.word for verdict in check(layer, *inputs).verdicts}


def codes(layer, *inputs):
    return {finding.code for finding in check(layer, *inputs).findings if finding.code.startswith("D1")}


def softplus(x):
    return np.log1p(np.exp(x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_back(x, y, dout):
    t = np.tanh(0.7978845608028654 * (x + 0.044715 * x**3))
    return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 0.134145 * x * x))


RIGHT = {
    "exp": Layer(np.exp, lambda x, y, d: d * y),
    "tanh": Layer(np.tanh, lambda x, y, d: d * (1 - y * y)),
    "softplus": Layer(softplus, lambda x, y, d: d / (1 + np.exp(-x))),
    "square": Layer(lambda x: x**2, lambda x, y, d: 2 * x * d),
    "row sums": Layer(lambda x: x.sum(axis=1), lambda x, y, d: np.repeat(d[:, None], x.shape[1], axis=1)),
    "mean": Layer(lambda x: x.mean(axis=0), lambda x, y, d: np.ones_like(x) * d / len(x)),
    "norm": Layer(lambda x: np.sqrt((x * x).sum(1)), lambda x, y, d: x * (d / y)[:, None]),
    "relu": Layer(lambda x: np.maximum(x, 0), lambda x, y, d: d * (x > 0)),
    "elu": Layer(
        lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1), lambda x, y, d: d * np.where(x > 0, 1, y + 1)
    ),
    "cumsum": Layer(lambda x: np.cumsum(x, axis=1), lambda x, y, d: np.cumsum(d[:, ::-1], axis=1)[:, ::-1]),
    "sort": Layer(
        lambda x: np.sort(x, axis=1),
        lambda x, y, d: np.take_along_axis(d, np.argsort(np.argsort(x, axis=1), axis=1), axis=1),
    ),
    "loop": Layer(lambda x: np.array([row @ row for row in x]), lambda x, y, d: 2 * x * d[:, None]),
    "inverse": Layer(lambda x: np.linalg.inv(x[:, :3]), lambda x, y, d: np.pad(-y.T @ d @ y.T, ((0, 0), (0, 1)))),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_exact(name):
    report = check(RIGHT[name], X.copy())
    assert [v.word for v in report.verdicts] == ["exact"]
    assert not {f.code for f in report.findings if f.code.startswith("D1")}


WRONG = {
    "sign": Layer(np.exp, lambda x, y, d: -d * y),
    "factor": Layer(lambda x: x * x, lambda x, y, d: x * d),
    "a factor of 1.001": Layer(np.exp, lambda x, y, d: 1.001 * d * y),
    "a term of 1e-9": Layer(np.exp, lambda x, y, d: d * (y + 1e-6 * x)),
    "input for output": Layer(np.tanh, lambda x, y, d: d * (1 - x * x)),
    "other axis": Layer(lambda x: x / x.sum(1, keepdims=True), lambda x, y, d: d / x.sum(0, keepdims=True)),
    "no sum over rows": Layer(lambda x: x.mean(0), lambda x, y, d: np.ones_like(x) * d),
    "the other side of a branch": Layer(np.abs, lambda x, y, d: d),
    "a mask that is missing": Layer(lambda x: np.maximum(x, 0), lambda x, y, d: d * 1),
    "not finite": Layer(lambda x: np.maximum(x, 0), lambda x, y, d: d / (x > 0)),
    "its shape": Layer(lambda x: x.sum(1), lambda x, y, d: d),
}


@pytest.mark.one_in(9)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_refuted(name):
    report = check(WRONG[name], X.copy())
    assert [v.word for v in report.verdicts] == ["refuted"]
    assert not report.ok


def test_a_branch_that_the_input_does_not_take_is_judged_too():
    assert words(Layer(np.abs, lambda x, y, d: d), np.abs(X)) == {"x": "refuted"}


def test_expected_and_got_are_the_numbers_at_the_index():
    (finding,) = [
        f for f in check(Layer(lambda x: x * x, lambda x, y, d: x * d), X.copy()).findings if f.code == "D101"
    ]
    assert finding.argument == "x"
    assert len(finding.index) == 2
    assert finding.expected == pytest.approx(2 * finding.got, rel=1e-14)


def test_a_rounded_constant_is_not_an_error():
    assert words(Layer(gelu, gelu_back), X.copy()) == {"x": "exact up to rounded constants"}


def test_a_stabiliser_is_not_an_error():
    layer = Layer(lambda x: np.log(x + 1e-7), lambda x, y, d: d / x)
    assert words(layer, np.abs(X)) == {"x": "exact up to a stabiliser"}


def test_a_stabiliser_excuses_nothing_else():
    layer = Layer(lambda x: np.log(x + 1e-7), lambda x, y, d: d / (2 * x))
    assert words(layer, np.abs(X)) == {"x": "refuted"}


def test_parameters_are_judged():
    class Affine:
        def __init__(self):
            self.W, self.b = RNG.normal(size=(4, 2)), RNG.normal(size=2)

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dout):
            self.dW = self.x.T @ dout
            self.db = dout.mean(axis=0)
            return dout @ self.W.T

    assert words(Affine(), X.copy()) == {"x": "exact", "W": "exact", "b": "refuted"}


# --- kinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_any_slope_between_the_sides_is_right_at_a_kink(at_zero):
    layer = Layer(lambda x: np.maximum(x, 0), lambda x, y, d: d * np.where(x == 0, at_zero, x > 0))
    assert codes(layer, np.maximum(X, 0)) == set()


def test_a_slope_outside_the_sides_is_wrong_at_a_kink():
    layer = Layer(lambda x: np.maximum(x, 0), lambda x, y, d: d * np.where(x == 0, 2, x > 0))
    assert codes(layer, X.copy()) == {"D102"}


def test_each_of_several_largest_getting_all_of_dout_is_wrong():
    layer = Layer(lambda x: x.max(1), lambda x, y, d: (x == y[:, None]) * d[:, None])
    (finding,) = check(layer, X.copy()).findings[:1]
    assert (finding.code, finding.severity) == ("D102", "warning")


def test_sharing_dout_among_several_largest_is_right():
    def shared(x, y, d):
        largest = x == y[:, None]
        return largest * (d / largest.sum(1))[:, None]

    assert codes(Layer(lambda x: x.max(1), shared), X.copy()) == set()


def test_many_kinks_at_once_raise_no_false_alarm():
    layer = Layer(lambda x: np.abs(x - np.abs(x)).sum(1), lambda x, y, d: np.where(x < 0, -2.0, 0.0) * d[:, None])
    assert codes(layer, np.zeros((3, 4))) == set()


# --- dout -------------------------------------------------------------------------------------------------------------


def test_a_loss_may_assume_that_dout_is_one():
    report = check(Layer(lambda x: np.sum(x * x), lambda x, y, d: 2 * x), X.copy())
    assert report.ok
    assert [f.code for f in report.findings if f.code.startswith("D1")] == ["D104"]


def test_a_layer_that_is_no_loss_may_not_ignore_dout():
    report = check(Layer(np.exp, lambda x, y, d: y), X.copy())
    assert not report.ok
    assert [f.code for f in report.findings if f.code.startswith("D1")] == ["D103"]
    assert [v.word for v in report.verdicts] == ["refuted"]


# --- no exact answer --------------------------------------------------------------------------------------------------


def outside(x):
    """What no tracer sees through: the numbers go through Python's own floats."""
    return np.array([[float(repr(v)) ** 3 for v in row] for row in x.tolist()])


@pytest.mark.parametrize(("factor", "word"), [(3, "agrees within rounding"), (2, "refuted")])
def test_what_cannot_be_traced_is_judged_by_differences(factor, word):
    report = check(Layer(outside, lambda x, y, d: factor * d * x**2), X.copy())
    assert [v.word for v in report.verdicts] == [word]
    assert report.verdicts[0].route == "differences"
    assert any(f.code == "D002" for f in report.findings)


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("backward", "word"),
    [
        (lambda x, y, d: d * (1 - y * y), "agrees within rounding"),
        (lambda x, y, d: d * (1 - x * y), "refuted"),
        (lambda x, y, d: (d * (1 - y * y)).astype(np.float32), "agrees within rounding"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_large_inputs_are_judged_in_float64(backward, word, dtype):
    report = check(Layer(np.tanh, backward), RNG.normal(size=(300, 400)).astype(dtype))
    assert [(v.word, v.route) for v in report.verdicts] == [(word, "the derived gradient in float64")]


def test_a_derivative_that_is_not_finite_anywhere_is_inconclusive():
    assert words(Layer(lambda x: np.sqrt(x * 0.0), lambda x, y, d: d), X.copy()) == {"x": "inconclusive"}


def test_a_layer_that_raises_is_an_error_with_its_line():
    def broken(x, y, d):
        raise ValueError("no backward today")

    (finding,) = check(Layer(np.exp, broken), X.copy()).findings
    assert finding.code == "D001"
    assert finding.file == __file__
    assert "no backward today" in finding.message


def test_the_layer_is_left_as_it_was():
    layer = Layer(np.exp, lambda x, y, d: d * y)
    x = X.copy()
    check(layer, x)
    assert set(vars(layer)) == {"functions"}
    assert np.array_equal(x, X)


@pytest.mark.parametrize("cls", ["MulLayer", "AddLayer", "Relu", "Sigmoid", "ExpLayer", "ReciprocalLayer"])
def test_ready_made_layers_are_exact(cls):
    report = check(getattr(dout.layers, cls))
    assert {v.word for v in report.verdicts} == {"exact"}
    assert report.ok


@pytest.mark.parametrize(("rows", "word"), [(3, "exact"), (30_000, "agrees within rounding")])
def test_a_gradient_that_lacks_an_axis_of_length_one_is_a_warning(rows, word):
    class Bias:
        def __init__(self):
            self.b = np.ones((1, 4))

        def forward(self, x):
            return x + self.b

        def backward(self, dout):
            self.db = dout.sum(axis=0)
            return dout * 1

    report = check(Bias(), RNG.normal(size=(rows, 4)))
    assert [(v.argument, v.word) for v in report.verdicts] == [("x", word), ("b", word)]
    assert [(f.code, f.severity) for f in report.findings if f.argument == "b"] == [("D501", "warning")]


@pytest.mark.parametrize(("factor", "word"), [(2, "exact"), (3, "refuted")])
def test_a_branch_on_a_value_is_judged_both_ways(factor, word):
    def forward(x):
        return x * x if x.sum() > 0 else -x * x

    layer = Layer(forward, lambda x, y, d: d * (2 * x if x.sum() > 0 else -factor * x))
    assert words(layer, np.abs(X)) == {"x": word}


def test_a_backward_that_calls_its_forward_again_belongs_to_the_first_one():
    class Sigmoid:
        def forward(self, x):
            self.x = x
            return 1 / (1 + np.exp(-x))

        def backward(self, dout):
            return dout * self.forward(self.x) * (1 - self.forward(self.x))

    (verdict,) = dout.check(Sigmoid(), np.array([[0.5, -1.0]])).verdicts
    assert (verdict.argument, verdict.word) == ("x", "exact")


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("axis", "word"), [(0, "exact"), (1, "refuted")])
def test_a_bias_that_a_norm_takes_away_has_the_gradient_0(axis, word):
    class Centred:
        def __init__(self):
            self.b = np.array([0.5, -1.5, 0.25, 2.0])

        def forward(self, x):
            self.y = x * x + self.b
            centred = self.y - self.y.mean(axis=0)
            self.std = np.sqrt((centred**2).mean(axis=0) + 0.5)
            self.out = centred / self.std
            self.x = x
            return self.out

        def backward(self, dout):
            d = dout - dout.mean(axis=0) - self.out * (dout * self.out).mean(axis=0)
            d = d / self.std
            self.db = d.sum(axis=axis) if axis == 0 else d.sum(axis=1)[0] + 0 * self.b
            return d * 2 * self.x

    assert words(Centred(), np.array([[0.5, 1.0, -0.25, 2.0], [1.5, -1.0, 0.75, 0.5], [-0.5, 0.25, 1.0, -2.0],
                                      [1.0, 2.0, 3.0, 0.25]])) == {"x": "exact", "b": word}  # fmt: skip


def test_an_input_whose_gradient_is_0_everywhere_is_not_called_exact():
    class Normal:
        def forward(self, x):
            self.std = np.sqrt(x.var(axis=0) + 0.5)
            self.out = (x - x.mean(axis=0)) / self.std
            return self.out

        def backward(self, dout):
            centred = dout - dout.mean(axis=0) - self.out * (dout * self.out).mean(axis=0)
            return centred / self.std

    assert words(Normal(), np.array([[0.5, 1.0, -0.25]])) == {"x": "inconclusive"}
    assert words(Normal(), np.array([[0.5, 1.0, -0.25], [1.5, -1.0, 0.75]])) == {"x": "exact"}


class SqueezedLoss:
    """Its number is taken out of an array without axes."""

    def forward(self, x, t):
        self.d = x - t
        return np.squeeze(np.mean(self.d**2))[()]

    def backward(self):
        return 2 * self.d / self.d.size


def test_a_number_is_taken_out_of_an_array_without_axes():
    report = check(SqueezedLoss, np.array([[0.5, 1.25, -0.75]]), np.array([[1.0, -0.5, 0.25]]))
    assert [str(verdict.word) for verdict in report.verdicts] == ["exact"]
