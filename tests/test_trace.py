"""Facts about a trace, through `dout.trace`, `dout.grad` and the Trace they return; layers as users write them."""

import math
import subprocess
import sys
import threading

import numpy as np
import pytest

import dout
from dout.trace.document import to_document
from dout.trace.loading import from_document
from dout.trace.script import record_script


class MulLayer:
    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        out = x * y
        return out

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x
        return dx, dy


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout
        return dx


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        return np.matmul(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.matmul(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.matmul(dout, self.W.T)


def kinds(trace):
    return [event.kind for event in trace.events]


def messages(trace):
    return [str(event) for event in trace.events]


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


# --- what was there before is there afterwards ------------------------------------------------------------------------


def test_instance_is_as_after_a_plain_run():
    W = np.ones((3, 2))
    layer, plain = Affine(W, np.zeros(2)), Affine(W, np.zeros(2))
    x = np.arange(6.0).reshape(2, 3)
    dout.trace(layer, x)
    plain.forward(x)
    plain.backward(np.ones((2, 2)))
    assert layer.W is W
    assert layer.x is x
    assert vars(layer).keys() == vars(plain).keys()
    for key, item in vars(plain).items():
        assert type(getattr(layer, key)) is np.ndarray
        np.testing.assert_array_equal(getattr(layer, key), item)


def test_everything_is_put_back_when_the_users_code_raises():
    class Raises(Affine):
        def backward(self, dout):
            self.seen = dout
            raise RuntimeError("mine")

    layer = Raises(np.ones((3, 2)), np.zeros(2))
    W, forward = layer.W, Affine.__dict__["forward"]
    with pytest.raises(RuntimeError, match="mine"):
        dout.trace(layer, np.ones((2, 3)))
    assert layer.W is W
    assert type(layer.seen) is np.ndarray
    assert Affine.__dict__["forward"] is forward
    assert type(np) is type(math)


def test_a_later_change_of_the_users_arrays_does_not_change_the_trace():
    x = np.array([1.0, 2.0])
    trace = dout.trace(Relu(), x)
    out = trace.outputs
    x[...] = 7.0
    out[...] = 7.0
    np.testing.assert_array_equal(trace["x"].data, [1.0, 2.0])
    np.testing.assert_array_equal(trace["out"].data, [1.0, 2.0])


def test_other_threads_compute_plainly_while_a_trace_runs():
    found = []

    class Asks:
        def forward(self, x):
            thread = threading.Thread(target=lambda: found.append(np.sum(x * 2)))
            thread.start()
            thread.join()
            return x * 3.0

        def backward(self, dout):
            return dout * 3.0

    trace = dout.trace(Asks(), np.ones(3))
    assert found[0] == 6.0
    assert type(found[0]) is np.float64
    assert [v.node.primitive.name for v in trace.values if v.made] == ["multiply", "multiply"]


def test_a_trace_inside_a_trace():
    class Inner:
        def forward(self, x):
            self.slope = dout.grad(lambda z: z * z)(x)
            return x * x

        def backward(self, upstream):
            return upstream * self.slope

    assert dout.trace(Inner(), 3.0)["x"].gradient.expected is None


def test_classes_and_functions_of_a_notebook_cell():
    cell = {"__name__": "__main__"}
    source = """
import numpy as np
scale = np.array([1.0, 2.0])
class Scale:
    def forward(self, x):
        return x * np.exp(scale)
    def backward(self, dout):
        return dout * np.exp(scale)
def loss(x):
    return np.sum(np.exp(x) * scale)
"""
    exec(compile(source, "<cell 1>", "exec"), cell)
    trace = dout.trace(cell["Scale"](), np.ones(2))
    assert trace["x"].gradient.expected is None
    assert trace["x"].gradient.source == "user"
    assert "orphan" not in kinds(trace)
    np.testing.assert_array_equal(dout.grad(cell["loss"])(np.zeros(2)), [1.0, 2.0])
    assert type(cell["scale"]) is np.ndarray


# --- ways out ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: np.linalg.svd(x), r"np\.linalg\.svd is not in dout's table of primitives"),
        (lambda x: np.pad(x, 1, mode="mean"), r"np\.pad with mode='mean'.* is not in"),
        (lambda x: np.add.reduceat(x, [0, 1]), r"np\.add\.reduceat is not in"),
        (lambda x: x.conj(), r"ndarray\.conj of a traced value"),
        (lambda x: complex(x[0, 0]) * x, r"complex\(\.\.\.\) turns a traced value into a plain number"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_file_and_line(function, what):
    with pytest.raises(dout.DoutError, match=rf"{what}.*, at .*test_trace\.py:\d+"):
        dout.trace(function, np.ones((2, 2)))


def test_a_refusal_that_the_users_code_swallows_is_still_a_refusal():
    def function(x):
        try:
            return complex(x) * 2.0
        except TypeError:
            return x

    with pytest.raises(dout.DoutError, match="turns a traced value"):
        dout.trace(function, 1.5)


def test_a_value_may_go_into_text():
    said = []

    def function(x):
        said.append(f"{x:.2f} %.1f %d {x!s}" % (x, x))
        said.append(str(float(x)))
        return x * 2

    dout.trace(function, 1.5)
    assert said == ["1.50 1.5 1 1.5", "1.5"]


def test_an_array_from_outside_is_an_orphan():
    hidden = [np.ones(2)]

    class Hides:
        def forward(self, x):
            return x + np.frombuffer(hidden[0].tobytes())

        def backward(self, dout):
            return dout

    import importlib

    class Sneaks(Hides):
        def forward(self, x):
            real = importlib.import_module("numpy")
            return x + real.full(2, 3.0)

    assert "orphan" in kinds(dout.trace(Sneaks(), np.ones(2)))
    assert "orphan" not in kinds(dout.trace(Hides(), np.ones(2)))


def test_no_gradient_is_given_where_an_edge_was_lost():
    import importlib

    def function(x):
        real = importlib.import_module("numpy")
        return np.sum(x * real.array(x))

    with pytest.raises(dout.DoutError, match=r"no gradient can be given: .*, at .*test_trace\.py"):
        dout.grad(function)(np.ones(2))


def test_a_branch_on_a_value_is_an_event_and_specialises_the_trace():
    class Leaky:
        def forward(self, x):
            self.positive = np.sum(x) > 0
            return x * 2.0 if self.positive else x * 0.1

        def backward(self, dout):
            return dout * 2.0 if self.positive else dout * 0.1

    trace = dout.trace(Leaky(), np.array([3.0, 1.0]))
    assert kinds(trace)[0] == "branch"

    class Always(Leaky):
        def forward(self, x):
            self.positive = bool(np.sum(x) > -1e9)
            return x * 2.0

    assert "specialised" not in kinds(dout.trace(Always(), np.array([3.0, 1.0])))
    flipped = dout.trace(Leaky(), np.array([0.5, 100.0]), dout=np.ones(2))
    assert "branch" in kinds(flipped)


def test_a_number_that_stayed_in_python_specialises_the_trace():
    class Counts:
        def forward(self, x):
            self.n = len([v for v in x if v > 0])
            return x * self.n

        def backward(self, dout):
            return dout * self.n

    trace = dout.trace(Counts(), np.array([1.0, 2.0, 3.0, 4.0]))
    assert kinds(trace)[-1] == "specialised"
    assert "Counts computes something else" in messages(trace)[-1]


# --- scripts ----------------------------------------------------------------------------------------------------------

LOOP = """
import numpy as np
class Scale:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x * self.W
    def backward(self, dout):
        self.dW = dout * self.x
        return dout * self.W
layer = Scale(np.array([1.0, 2.0]))
for step in range(4):
    y = layer.forward(np.array([1.0, 1.0]))
    layer.backward(np.ones(2))
    layer.W -= 0.5 * layer.dW
print(layer.W, type(layer.W).__name__)
"""


def test_of_a_training_loop_the_first_round_is_kept(tmp_path, capsys):
    (tmp_path / "loop.py").write_text(LOOP)
    trace = record_script(tmp_path / "loop.py")
    assert capsys.readouterr().out.startswith("[-1.  0.]")
    assert len(trace.calls) == 1
    np.testing.assert_array_equal(trace["y"].data, [1.0, 2.0])
    assert "round" in kinds(trace)
    assert "replay" not in kinds(trace)


def test_of_a_training_loop_the_round_asked_for_is_kept(tmp_path, capsys):
    (tmp_path / "loop.py").write_text(LOOP)
    trace = record_script(tmp_path / "loop.py", rounds=3)
    capsys.readouterr()
    np.testing.assert_array_equal(trace["y"].data, [0.0, 1.0])
    np.testing.assert_array_equal(trace["W"].gradient.value, [1.0, 1.0])
    assert trace["W"].gradient.expected is None


def test_a_round_that_does_not_come_is_an_error(tmp_path, capsys):
    (tmp_path / "loop.py").write_text(LOOP)
    with pytest.raises(dout.DoutError, match="has 4 forward–backward rounds, not 9"):
        record_script(tmp_path / "loop.py", rounds=9)


def test_the_script_prints_what_it_prints_without_dout(tmp_path, capsys):
    path = tmp_path / "loop.py"
    path.write_text(
        LOOP + "print(type(y), type(layer), type(1.5), isinstance(Scale, type), type('A', (), {}).__name__)\n"
    )
    plain = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stdout
    record_script(path)
    assert capsys.readouterr().out == plain


def test_the_type_of_a_traced_value_is_that_of_the_value():
    types = []

    class Asks:
        def forward(self, x):
            types.append((type(x), type(x) is np.ndarray, type(x.shape), type(self).__name__))
            return x * 2.0

        def backward(self, dout):
            return dout * 2.0

    dout.trace(Asks(), np.ones(2))
    assert types[0] == (np.ndarray, True, tuple, "Asks")
    assert "type" not in globals()


def test_names_come_from_the_calls_of_the_script(tmp_path):
    trace = record_script("examples/buy_fruits.py")
    assert [call.name for call in trace.calls] == [
        "mul_apple_layer",
        "mul_orange_layer",
        "add_apple_orange_layer",
        "mul_tax_layer",
    ]
    assert set(trace.gradients) == {"apple", "apple_num", "orange", "orange_num", "tax", "dprice"} - {"dprice"}


def test_the_residual_net_with_the_slides_relu_shows_the_wrong_gradient():
    trace = record_script("examples/residual.py")
    h = trace["h"].gradient
    np.testing.assert_array_equal(h.value, [2.0, 0.0])
    np.testing.assert_array_equal(h.expected, [2.0, 1.0])
    assert messages(trace) == ["Relu.backward writes into its argument dout, at examples/residual.py:35"]


# --- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["buy_apple", "buy_fruits", "boolean_mask", "sigmoid_nodes", "residual"])
def test_a_saved_trace_loads_as_it_was(script, tmp_path, capsys):
    trace = record_script(f"examples/{script}.py")
    trace.save(tmp_path / "trace.json")
    again = dout.load(tmp_path / "trace.json")
    assert to_document(again) == to_document(trace)


def test_a_document_of_another_version_is_refused():
    with pytest.raises(dout.DoutError, match="has version 99, this dout reads 1"):
        from_document({"dout": 99})


@pytest.mark.parametrize("broken", [[], {"dout": 1}, {"dout": 1, "values": [{}], "nodes": []}])
def test_a_broken_document_is_refused(broken):
    with pytest.raises(dout.DoutError, match="trace document"):
        from_document(broken)


def test_nan_and_infinities_are_strings_and_come_back():
    with np.errstate(divide="ignore"):
        trace = dout.trace(lambda x: np.log(x), np.array([0.0, -0.0, 1.0]))
    document = to_document(trace)
    (out,) = [v for v in document["values"] if v["from"]]
    assert out["value"] == ["-inf", "-inf", 0.0]
    np.testing.assert_array_equal(from_document(document).values[-2].data, [-np.inf, -np.inf, 0.0])


def test_large_arrays_are_summarised_and_say_so():
    document = to_document(dout.trace(lambda x: x * 2.0, np.ones(100_000)))
    (out,) = [v for v in document["values"] if v["from"]]
    assert out["value"]["summarised"] is True
    assert (out["value"]["size"], out["value"]["mean"]) == (100_000, 2.0)


# --- random draws -----------------------------------------------------------------------------------------------------


class Dropout:
    def __init__(self):
        self.rng = np.random.default_rng(3)
        self.old = np.random.RandomState(2)

    def forward(self, x):
        self.mask = (self.rng.random(x.shape) > 0.4) * self.old.rand(*x.shape)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def test_draws_of_a_layers_own_generators_are_inputs_and_the_generators_go_on_as_after_a_plain_run():
    layer, plain = Dropout(), Dropout()
    trace = dout.trace(layer, np.ones((2, 3)))
    np.testing.assert_array_equal(trace.outputs, plain.forward(np.ones((2, 3))))
    assert kinds(trace) == ["draw", "draw"]
    assert type(layer.rng) is np.random.Generator
    assert (layer.rng.random(), layer.old.rand()) == (plain.rng.random(), plain.old.rand())


def test_elements_that_are_shuffled_or_chosen_stay_traced():
    def function(x):
        state, generator = np.random.RandomState(0), np.random.default_rng(1)
        assert isinstance(state, np.random.RandomState)
        y = x * 2.0
        state.shuffle(y)
        return np.sum(y * y) + np.sum(generator.permutation(x)) + np.sum(state.choice(x, 2, replace=False))

    x = np.array([1.0, 2.0, 3.0])
    trace = dout.trace(function, x)
    assert trace.outputs == function(x)
    assert "orphan" not in kinds(trace)
    slopes = trace["x"].gradient.value - (8 * x + 1)  # what is left is 1 where the element was chosen
    assert sorted(slopes) == [0.0, 1.0, 1.0]


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


def test_a_sequence_is_repeated_by_a_traced_number():
    made = []

    def function(n, x):
        made.append(([0] * n, n * (1, 2), "-" * n))
        return n * x

    dout.trace(function, 3, 2.0)
    assert made == [([0, 0, 0], (1, 2, 1, 2, 1, 2), "---")]


def test_a_later_round_is_recorded_as_well_where_parameters_change_in_place(tmp_path, capsys):
    text = LOOP.replace("x * self.W", "np.matmul(x, self.W.T)").replace("dout * self.W", "np.matmul(dout, self.W)")
    text = text.replace("self.dW = dout * self.x", "self.dW = np.matmul(dout.T, self.x)")
    text = text.replace("np.array([1.0, 2.0])", "np.eye(2)").replace("np.array([1.0, 1.0])", "np.ones((3, 2))")
    (tmp_path / "loop.py").write_text(text.replace("np.ones(2)", "np.ones((3, 2))"))
    trace = record_script(tmp_path / "loop.py", rounds=3)
    assert "replay" not in kinds(trace)
    assert trace["W"].gradient.expected is None


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
    assert "Doubles.backward returns 2 gradients, forward takes 1 inputs" in messages(trace)[0]


def test_gradients_are_of_arrays_and_numbers():
    with pytest.raises(dout.DoutError, match="argument 0 is a dict"):
        dout.grad(lambda p: np.sum(p["W"] * 2))({"W": np.ones(2)})


def test_an_option_that_is_not_supported_is_said_as_such():
    with pytest.raises(dout.DoutError, match=r"np\.copyto with where is not in dout's table"):
        dout.trace(lambda x: np.copyto(x, 0, where=x > 0), np.ones(2))
