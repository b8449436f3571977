"""Values, gradients and events of a trace, through `dout.trace`, `dout.grad` and the Trace they return."""

import math

import numpy as np
import pytest
from traced_layers import Affine, MulLayer, Relu, Sigmoid, kinds, messages

import dout
from dout.graph import evaluate

# --- values and gradients ---------------------------------------------------------------------------------------------


def test_mul_layer_swaps_its_inputs():
    trace = dout.trace(MulLayer(), 100, 2)
    assert trace.outputs == 200
    assert type(trace.outputs) is int
    assert trace.gradients == {"x": 2, "y": 100}
    assert trace["x"].gradient.source == "user"
    assert trace["x"].gradient.expected is None


def test_the_upstream_gradient_can_be_given():
    assert dout.trace(MulLayer(), 100, 2, dout=1.5).gradients == {"x": 3.0, "y": 150.0}


def test_inner_edges_of_sigmoid_have_derived_gradients():
    trace = dout.trace(Sigmoid(), 0.0)
    primitives = [v.node.primitive.name for v in trace.values if v.made and v.node not in trace.backward]
    assert primitives == ["negative", "exp", "add", "divide"]
    by_name = {v.node.primitive.name: v.gradient for v in trace.values if v.made and v.node not in trace.backward}
    assert (by_name["divide"].source, by_name["divide"].value) == ("user", 1.0)
    # At x = 0: y = 1/2, so -y² = -1/4 at 1 + exp(-x), the same at exp(-x), and exp(0) times it at -x.
    assert [by_name[n].value for n in ("add", "exp", "negative")] == [-0.25, -0.25, -0.25]
    assert {by_name[n].source for n in ("add", "exp", "negative")} == {"dout"}
    assert trace.gradients["x"] == 0.25


def test_relu_that_overwrites_dout_is_an_event_and_its_effect_is_kept():
    upstream = np.ones(2)
    trace = dout.trace(Relu(), np.array([1.0, -2.0]), dout=upstream)
    assert kinds(trace) == ["write"]
    assert "Relu.backward writes into its argument dout, at " in messages(trace)[0]
    np.testing.assert_array_equal(upstream, [1.0, 0.0])
    np.testing.assert_array_equal(trace.gradients["x"], [1.0, 0.0])


def test_missing_sum_over_a_broadcast_axis_is_a_wrong_gradient():
    trace = dout.trace(MulLayer(), np.ones((2, 3)), np.array([1.0, 2.0, 3.0]))
    wrong = trace["y"].gradient
    assert wrong.value.shape == (2, 3)
    np.testing.assert_array_equal(wrong.expected, [2.0, 2.0, 2.0])
    assert trace["x"].gradient.expected is None


def test_gradient_of_a_value_is_the_sum_over_its_edges():
    trace = dout.trace(lambda x: x * x + x, 3.0)
    x = trace["x"]
    assert [use.gradient.value for use in x.uses] == [3.0, 3.0, 1.0]
    assert x.gradient.value == 7.0


def test_a_gradient_that_overflows_on_our_side_is_not_called_wrong():
    with np.errstate(over="ignore"):
        trace = dout.trace(Sigmoid(), np.array([-1000.0, 0.5]))
    assert trace["x"].gradient.expected is None


def test_parameters_pair_with_their_gradients_by_name():
    trace = dout.trace(Affine(np.ones((3, 2)), np.zeros(2)), np.ones((4, 3)))
    assert [(p.name, p.by) for p in trace.calls[0].parameters] == [("W", "name"), ("b", "name")]
    assert trace["W"].gradient.source == "user"
    np.testing.assert_array_equal(trace["b"].gradient.value, [4.0, 4.0])


class Scaled:
    def __init__(self):
        self.slope, self.lr = 1.5, 0.1

    def forward(self, x):
        self.x = x
        return self.slope * x

    def backward(self, dout):
        self.dslope = np.sum(dout * self.x)
        return dout * self.slope


def test_a_number_pairs_with_the_gradient_that_backward_computed_for_it():
    trace = dout.trace(Scaled(), np.array([1.0, 2.0]))
    assert [(p.name, p.by) for p in trace.calls[0].parameters] == [("slope", "name")]
    assert trace["slope"].gradient.value == 3.0


def test_a_swapped_parameter_gradient_is_wrong_and_not_paired_by_value():
    class Swapped(Affine):
        def __init__(self, Wx, Wh):
            self.Wx, self.Wh = Wx, Wh

        def forward(self, x, h):
            self.x, self.h = x, h
            return np.matmul(x, self.Wx) + np.matmul(h, self.Wh)

        def backward(self, dout):
            self.dWx = np.matmul(self.h.T, dout)
            self.dWh = np.matmul(self.x.T, dout)
            return np.matmul(dout, self.Wx.T), np.matmul(dout, self.Wh.T)

    rng = np.random.default_rng(1)
    trace = dout.trace(Swapped(*rng.normal(size=(2, 3, 3))), *rng.normal(size=(2, 4, 3)))
    assert trace["Wx"].gradient.expected is not None
    assert trace["Wh"].gradient.expected is not None
    assert trace["x"].gradient.expected is None


def test_layer_reused_before_backward_shows_the_wrong_gradients():
    class Twice:
        def __init__(self):
            self.mul = MulLayer()

        def forward(self, apple, num, tax):
            return self.mul.forward(self.mul.forward(apple, num), tax)

        def backward(self, dout):
            dprice, dtax = self.mul.backward(dout)
            return (*self.mul.backward(dprice), dtax)

    trace = dout.trace(Twice(), 100, 2, 1.1)
    apple, num = trace["apple"].gradient, trace["num"].gradient
    assert (apple.value, apple.expected) == (pytest.approx(1.21), 2.2)
    assert (num.value, num.expected) == (pytest.approx(220), pytest.approx(110))


def test_a_backward_belongs_to_the_forward_whose_residuals_it_reads():
    class Keeps:
        def __init__(self):
            self.caches = []

        def forward(self, x):
            self.caches.append(x * 2.0)
            return x * x

        def backward(self, dout):
            return dout * self.caches.pop(0)  # first in, first out

    class Both:
        def __init__(self):
            self.square = Keeps()

        def forward(self, a, b):
            return self.square.forward(a) + self.square.forward(b)

        def backward(self, dout):
            da = self.square.backward(dout)
            return da, self.square.backward(dout)

    trace = dout.trace(Both(), 3.0, 5.0)
    inner = [call for call in trace.calls if call.cls == "Keeps"]
    assert [trace.data[call.gradients[0]] for call in inner] == [6.0, 10.0]
    assert trace["a"].gradient.expected is None


# --- grad -------------------------------------------------------------------------------------------------------------


def test_grad_of_grad_of_grad():
    assert dout.grad(lambda x: x**4)(2.0) == 32.0
    assert dout.grad(dout.grad(lambda x: x**4))(2.0) == 48.0
    assert dout.grad(dout.grad(dout.grad(lambda x: x**4)))(2.0) == 48.0


def test_grad_with_respect_to_several_inputs():
    value, (da, db) = dout.value_and_grad(lambda a, b: np.sum(a * b), argnums=(0, 1))(np.ones(2), np.array([2.0, 3.0]))
    assert value == 5.0
    np.testing.assert_array_equal(da, [2.0, 3.0])
    np.testing.assert_array_equal(db, [1.0, 1.0])


def test_grad_of_an_array_valued_function_says_what_to_write():
    with pytest.raises(dout.DoutError, match=r"gives shape \(2,\), not one number: sum it"):
        dout.grad(lambda x: x * 2)(np.ones(2))


def test_grad_of_a_function_that_ignores_its_input_is_zero():
    np.testing.assert_array_equal(dout.grad(lambda x, y: np.sum(y * y))(np.ones(3), np.ones(2)), np.zeros(3))


def test_grad_of_the_same_array_given_twice_keeps_the_two_apart():
    x = np.array([1.0, 2.0])
    da, db = dout.grad(lambda a, b: np.sum(a * a * b), argnums=(0, 1))(x, x)
    np.testing.assert_array_equal(da, [2.0, 8.0])
    np.testing.assert_array_equal(db, [1.0, 4.0])


def test_math_functions_are_traced():
    assert dout.grad(lambda x: 1 / (1 + math.exp(-x)))(0.0) == 0.25


def test_ready_made_sigmoid_has_its_slope_at_zero():
    from dout.layers import Sigmoid as Made

    assert dout.grad(lambda x: np.sum(Made().forward(x)))(np.array([0.0]))[0] == 0.25
    assert dout.trace(Made(), np.array([0.0, 2.0, -2.0]))["x"].gradient.expected is None


# --- found by review --------------------------------------------------------------------------------------------------


def test_one_value_given_to_both_arguments_of_a_layer():
    class Square:
        def __init__(self):
            self.mul = MulLayer()

        def forward(self, x):
            return self.mul.forward(x, x)

        def backward(self, dout):
            da, db = self.mul.backward(dout)
            return da + db

    trace = dout.trace(Square(), 3.0)
    assert (trace["x"].gradient.value, trace["x"].gradient.expected) == (6.0, None)
    assert [use.gradient.value for use in trace["x"].uses if use.gradient] == [3.0, 3.0]
    assert [v for v in trace.values if v.gradient is not None and v.gradient.expected is not None] == []


def test_a_wrong_element_is_seen_beside_a_large_one():
    class Scale:
        def forward(self, x):
            return x * np.array([1e10, 1.0])

        def backward(self, dout):
            return dout * np.array([1e10, 2.0])

    assert dout.trace(Scale(), np.ones(2))["x"].gradient.expected is not None


def test_a_gradient_too_many_is_said():
    class Doubles:
        def forward(self, x):
            return x * 2.0

        def backward(self, dout):
            return dout * 2.0, dout

    trace = dout.trace(Doubles(), 3.0)
    assert kinds(trace) == ["count"]
    assert "Doubles.backward returns 2 gradients, forward takes 1 input" in messages(trace)[0]


def test_a_dict_of_gradients_of_parameters_is_no_gradient_too_many():
    class Doubles:
        def forward(self, x):
            return x * 2.0

        def backward(self, dout):
            return dout * 2.0, {}

    trace = dout.trace(Doubles(), 3.0)
    assert kinds(trace) == []
    assert trace["x"].gradient.value == 2.0


@pytest.mark.parametrize("layer", [MulLayer(), Sigmoid()], ids=["two inputs", "an inside"])
def test_each_gradient_says_which_node_computes_it(layer):
    given = (3.0, 4.0) if isinstance(layer, MulLayer) else (0.5,)
    trace = dout.trace(layer, *given)
    known = {node: data for node, data in trace.data.items() if node.primitive.name in ("input", "constant")}
    gradients = [v.gradient for v in trace.values if v.gradient is not None and v.node not in trace.backward]
    assert gradients
    for gradient in gradients:
        for node in (gradient.node, gradient.derived):
            assert evaluate([node], known)[node] == pytest.approx(gradient.value)


# --- what is no plain number ------------------------------------------------------------------------------------------


class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class Flagged:
    def forward(self, train, x):
        return x * 3 if train else x

    def backward(self, dout):
        return None, dout * 3


def test_an_argument_that_is_no_number_takes_its_gradient_along():
    trace = dout.trace(Product(), True, 2.5)
    assert trace.gradients == {"y": 1.0}
    assert trace["y"].gradient.expected is None
    assert dout.trace(Flagged(), True, 2.5).gradients == {"x": 3.0}
    assert trace.events == ()


class RootOf:
    def forward(self, x):
        return math.sqrt(x) + math.log(x + 1e-7)

    def backward(self, dout):
        return dout


def test_a_slope_that_python_has_no_number_for_leaves_the_gradient_unjudged():
    trace = dout.trace(RootOf(), 0.0)
    root = next(v for v in trace.values if v.node.primitive.name == "math_sqrt")
    assert root.gradient.value == 1.0
    assert trace.gradients == {"x": 1.0}


def test_a_whole_number_beyond_the_limit_of_its_text_is_recorded():
    for large in (2**70, 10**400, 10**5000):
        trace = dout.trace(MulLayer(), large, 2)
        assert trace.gradients == {"x": 2, "y": large}
        assert trace["y"].gradient.expected is None
        assert "✗" not in trace.draw().text()


# --- conditions, numbers and empty arrays -----------------------------------------------------------------------------

ON_CONDITIONS = {
    "abs": lambda x: np.abs(x > 1),
    "square": lambda x: np.square(x > 1),
    "maximum": lambda x: np.maximum(x > 1, x > 2),
    "add": lambda x: (x > 1) + (x > 2),
    "multiply": lambda x: (x > 1) * (x > 2),
    "where": lambda x: np.where(x > 1, x > 2, x > 0),
    "max": lambda x: np.max(x > 1),
    "mean of whole numbers": lambda x: np.mean((x > 1).astype(int)),
    "sum": lambda x: np.sum(x > 1),
    "prod": lambda x: np.prod(x > 1),
    "clip": lambda x: np.clip(x > 1, False, True),
    "take": lambda x: np.take(x > 1, [0, 2, 1]),
    "dot": lambda x: np.dot(x > 1, x > 2),
    "cumsum": lambda x: np.cumsum(x > 1),
}


@pytest.mark.parametrize("how", ON_CONDITIONS)
def test_no_gradient_flows_through_what_is_computed_of_conditions(how):
    x = np.array([1.5, -2.0, 3.0])
    steps = ON_CONDITIONS[how]
    # What is computed of conditions stays as it is nearby, so that the derivative of its product with x is itself.
    np.testing.assert_array_equal(
        dout.grad(lambda x: np.sum(steps(x) * x))(x), np.broadcast_to(steps(x), x.shape).astype(float)
    )
    trace = dout.trace(lambda x: np.sum(steps(x) * x), x)
    assert trace.outputs == np.sum(steps(x) * x)
    np.testing.assert_array_equal(trace.gradients["x"], np.broadcast_to(steps(x), x.shape))


PRODUCTS = {
    "dot": np.dot,
    "inner": np.inner,
    "vdot": np.vdot,
    "matmul": np.matmul,
    "tensordot": lambda a, b: np.tensordot(a, b, 1),
    "einsum": lambda a, b: np.einsum("i,i->", a, b),
    "method": lambda a, b: a.dot(b),
    "sum": lambda a, b: np.sum(a * b),
    "norm": lambda a, b: np.linalg.norm(a) ** 2 + np.dot(a, b) - np.linalg.norm(a) ** 2 if a.size else np.dot(a, b),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("length", [3, 1, 0])
@pytest.mark.parametrize("how", PRODUCTS)
def test_the_upstream_gradient_of_a_product_of_vectors_may_be_a_plain_number(how, length):
    class Product:
        def forward(self, a, b):
            self.a, self.b = a, b
            return PRODUCTS[how](a, b)

        def backward(self, dout):
            return dout * self.b, dout * self.a

    a, b = np.arange(float(length)) + 2, np.arange(float(length)) - 7
    for upstream in (2.0, 2, np.float64(2), np.array(2.0), None):
        trace = dout.trace(Product(), a, b, dout=upstream)
        times = 1 if upstream is None else 2
        np.testing.assert_array_equal(trace["a"].gradient.value, times * b, strict=True)
        assert trace["a"].gradient.expected is None
        assert trace["b"].gradient.expected is None
        assert trace.draw().text()
    np.testing.assert_allclose(dout.grad(PRODUCTS[how])(a, b), b, rtol=1e-12)


@pytest.mark.parametrize("upstream", [2.0, 2])
def test_a_plain_upstream_gradient_goes_through_a_write_into_an_array_without_axes(upstream):
    class Written:
        def forward(self, x):
            out = np.zeros(())
            out[...] = x * 3.0
            return out

        def backward(self, dout):
            return dout * 3.0

    trace = dout.trace(Written(), np.array(1.5), dout=upstream)
    (written,) = [value for value in trace.values if value.node.primitive.name == "multiply" and value.data == 4.5]
    assert written.gradient.value == upstream
    assert trace["x"].gradient.expected is None
