"""Which gradient is whose, however it is called and wherever it is left; and nobody gets that of another."""

import foreign_layers
import numpy as np
import pytest
from edited_layers import edited
from written import written

from dout.adapt import record_example
from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word
from dout.trace.session.pairing import GRADIENTS, is_named_as_gradient, pairs, stem

W, B = np.arange(1.0, 7.0).reshape(2, 3), np.arange(7.0, 10.0)
DW, DB = W * 10, B * 10

NAMES = [  # a parameter and what people call its gradient
    ("W", "dW"), ("W", "d_W"), ("W", "grad_W"), ("W", "W_grad"), ("W", "W_gradient"), ("W", "gradW"), ("W", "dLdW"),
    ("W", "dL_dW"), ("W", "dE_dW"), ("W", "dJdW"), ("W", "delta_W"), ("W", "nabla_w"), ("W", "grad_weights"),
    ("weights", "dweights"), ("weights", "dW"), ("weights", "dw"), ("weights", "weights_gradient"),
    ("weights", "grad_w"), ("weights", "weight_grad"), ("weights", "d_weights"), ("weights", "gradient_weights"),
    ("weight", "dweight"), ("kernel", "dkernel"), ("filters", "dfilters"), ("filters", "d_filters"), ("w1", "dw1"),
    ("b", "db"), ("bias", "db"), ("bias", "dbias"), ("biases", "dbiases"), ("bias", "bias_gradient"),
    ("bias", "grad_b"), ("gamma", "dgamma"), ("beta", "grad_beta"), ("Wxh", "dWxh"), ("embeddings", "dembeddings"),
    ("W", "_dW"), ("_W", "_dW"), ("gamma", "_dgamma"),
]  # fmt: skip


def xfails(reason):
    """What is not right yet in src/."""
    return pytest.mark.xfail(strict=True, reason=reason)


def found(before, after):
    return {pair.name: pair.gradient for pair in pairs(before, {**before, **after})}


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parameter", "gradient"), NAMES)
def test_a_parameter_and_its_gradient_are_about_the_same(parameter, gradient):
    assert stem(parameter) == stem(gradient)


@pytest.mark.parametrize(("parameter", "gradient"), NAMES)
def test_a_gradient_is_found_by_its_name_beside_another_of_the_same_shape(parameter, gradient):
    other = np.array(W)
    assert found({parameter: W, "other": other}, {gradient: DW, "dother": other * 3})[parameter] is DW


@pytest.mark.parametrize("name", ["dW", "dw", "db", "grad_x", "x_grad", "dinputs", "dgamma", "dvalues", "dbiases"])
def test_names_of_gradients(name):
    assert is_named_as_gradient(name)


@pytest.mark.parametrize(
    "name", ["data", "depth", "dim", "dropout", "decay", "W", "weights", "inputs", "distance", "dot"]
)
def test_names_that_only_begin_like_those_of_gradients(name):
    assert not is_named_as_gradient(name)


@pytest.mark.parametrize("name", ["d_model", "d_k"])
def test_sizes_are_no_gradients(name):
    assert not is_named_as_gradient(name)


# --- containers -------------------------------------------------------------------------------------------------------


def test_gradients_in_a_list_are_by_place():
    pair = found({"params": [W, B], "grads": []}, {"grads": [DW, DB]})
    assert pair["params[0]"] is DW
    assert pair["params[1]"] is DB


@pytest.mark.parametrize("prefix", ["", "d", "grad_"])
@pytest.mark.parametrize("holder", ["grads", "gradients"])
def test_gradients_in_a_dict_are_by_key(prefix, holder):
    one, two = np.array(W), np.array(W)
    pair = found({"params": {"W1": W, "W2": one}}, {holder: {f"{prefix}W1": DW, f"{prefix}W2": two}})
    assert pair["W1"] is DW
    assert pair["W2"] is two


def test_gradients_of_objects_in_a_dict_are_by_key():
    class Parameter:
        def __init__(self, data, grad):
            self.data, self.grad = data, grad

    pair = found({"_parameters": {"weights": Parameter(W, DW), "bias": Parameter(B, DB), "scale": None}}, {})
    assert pair["weights"] is DW
    assert pair["bias"] is DB


def test_a_parameter_in_a_dict_with_its_gradient_is_called_as_the_attribute():
    pair = found({"W": {"val": W, "grad": DW}, "b": {"val": B, "grad": DB}}, {})
    assert pair["W"] is DW
    assert pair["b"] is DB


def test_local_derivatives_in_a_dict_are_not_taken_for_gradients():
    local, update = {"X": W, "W": W.T, "b": np.ones(3)}, {"W": DW, "b": DB}
    pair = found({"weight": {"W": W, "b": B}, "weight_update": {"W": DW * 2}}, {"grad": local, "weight_update": update})
    assert pair["W"] is DW
    assert pair["b"] is DB


def test_gradients_that_are_noted_are_whose_they_are_noted_for():
    pair = found({"a": W, "b": np.array(W)}, {GRADIENTS: {"a": DW}, "da": DW * 2})
    assert pair["a"] is DW


def test_two_unnamed_gradients_of_one_shape_are_nobodys():
    assert found({"P": W, "Q": np.array(W)}, {"dOne": DW, "dTwo": DW * 2}) == {}


def test_a_gradient_of_a_shape_of_its_own_is_its_parameters():
    assert found({"P": W, "Q": B}, {"dOne": DW})["P"] is DW


def test_a_gradient_with_a_word_more_is_its_parameters_beside_others_of_its_shape():
    pair = found({"W": W, "b": B}, {"dW_curr": DW, "dZ_curr": DW * 2, "dx": W * 3, "db_curr": DB})
    assert pair["W"] is DW
    assert pair["b"] is DB


def test_a_parameter_that_is_only_called_like_a_gradient_is_nobodys():
    assert found({"P": W, "decoder_w": W * 2}, {}) == {}


def test_a_gradient_left_from_a_round_before_is_no_parameter():
    assert found({"dxt_caches": W, "b": B}, {"dxt_caches": DW, "db": DB}) == {"b": DB}


# --- what is no parameter ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("residual", "gradient"),
    [("inputs", "dinputs"), ("x", "grad_x"), ("x", "dx"), ("input", "input_gradient"), ("output", "doutput"),
     ("z", "dz"), ("a", "da")],
)  # fmt: skip
def test_what_forward_keeps_is_no_parameter(residual, gradient):
    assert residual not in found({residual: W}, {residual: np.array(W), gradient: DW})


@pytest.mark.parametrize("name", ["Layer_Dense", "GradBefore", "GradAfter", "Activation_ReLU", "LeavesAnAttribute"])
def test_no_input_is_judged_twice(name):
    report = check(getattr(foreign_layers, name))
    named = [verdict.argument for verdict in report.verdicts]
    assert len(named) == len(set(named))
    assert not {"grad_x", "x_grad", "dinputs", "output"} & set(named)
    assert not {f.code for f in report.findings} & {"D105", "D108"}


def test_a_layer_that_ran_before_has_no_other_parameters():
    used = foreign_layers.GradBefore(3, 5)
    x = np.random.default_rng(0).normal(size=(4, 3))
    used.backward(used.forward(x))
    assert {verdict.argument: verdict.word for verdict in check(used, x).verdicts} == dict.fromkeys("xWb", Word.EXACT)


def test_a_layer_that_updates_itself_is_judged_after_a_step_as_before():
    used = foreign_layers.UpdatesInPlace(3, 5)
    x = np.random.default_rng(0).normal(size=(4, 3))
    used.backward(used.forward(x), 0.1)
    words = {verdict.argument: verdict.word for verdict in check(used, x).verdicts}
    assert words == dict.fromkeys(("input_data", "weights", "bias"), Word.EXACT)


def test_a_layer_that_is_checked_is_not_changed():
    layer = foreign_layers.UpdatesByRebinding(3, 5)
    before = {name: np.array(item) for name, item in vars(layer).items()}
    check(layer, np.random.default_rng(0).normal(size=(4, 3)))
    assert type(layer) is foreign_layers.UpdatesByRebinding
    assert list(vars(layer)) == list(before)
    assert all(np.array_equal(before[name], item) for name, item in vars(layer).items())


# --- nothing is tried away --------------------------------------------------------------------------------------------

SWAPPED = (  # class, what is written there, what is written instead, whose gradients are swapped
    ("SquareWeights", "self.dWx = self.x.T @ dout\n        self.dWh = self.h.T @ dout",
     "self.dWh = self.x.T @ dout\n        self.dWx = self.h.T @ dout", {"Wx", "Wh"}),
    ("SquareWeights", "return dout @ self.Wx.T, dout @ self.Wh.T", "return dout @ self.Wh.T, dout @ self.Wx.T",
     {"x", "h"}),
    ("ScaleAndShift", "self.dgamma = (dout * self.x).sum(axis=0)\n        self.dbeta = dout.sum(axis=0)",
     "self.dbeta = (dout * self.x).sum(axis=0)\n        self.dgamma = dout.sum(axis=0)", {"gamma", "beta"}),
    ("ReturnsAList", "[dout * self.y, dout * self.x]", "[dout * self.x, dout * self.y]", {"x", "y"}),
)  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("name", "old", "new", "arguments"), SWAPPED)
def test_swapped_gradients_of_one_shape_are_both_wrong(name, old, new, arguments, tmp_path):
    report = check(edited(tmp_path, name, old, new))
    assert {v.argument for v in report.verdicts if v.word == Word.REFUTED} == arguments


@pytest.mark.long
def test_gradients_swapped_in_a_list_are_wrong(tmp_path):
    report = check(edited(tmp_path, "GradsInAList", "        self.grads[0][...] = self.x.T @ dout\n"
                          "        self.grads[1][...] = dout.sum(axis=0)",
                          "        self.grads = [dout.sum(axis=0), self.x.T @ dout]"))  # fmt: skip
    assert not report.ok, report


def test_gradients_swapped_between_keys_of_one_shape_are_wrong(tmp_path):
    layer = edited(tmp_path, "GradsInADict", 'self.grads["W2"] = self.h.T @ dout', 'self.grads["W2"] = self.x.T @ dout')
    report = check(layer, init={"n_in": 4, "n_hidden": 4, "n_out": 4})
    assert {v.argument for v in report.verdicts if v.word == Word.REFUTED} == {"W2"}


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pred - target", "target - pred"),
        ("2 * (pred - target)", "2 * (pred + target)"),
        ("/ pred.size", "* pred.size"),
    ],
)
def test_a_wrong_loss_is_not_right_for_its_target(old, new, tmp_path):
    written = "return 2 * (pred - target) / pred.size"
    report = check(edited(tmp_path, "LossWithBoth", written, written.replace(old, new)))
    assert "target" not in {v.argument for v in report.verdicts}, report
    assert not {v.word for v in report.verdicts} & {Word.EXACT, Word.AGREES}, report


@pytest.mark.parametrize("name", ["PropagateTanh", "PassTanh", "ColumnTanh"])
def test_a_backward_that_is_given_dout_and_ignores_it_is_wrong(name, tmp_path):
    edits = {
        "PropagateTanh": ("return error * (1 - self.y**2)", "return 1 - self.y**2"),
        "PassTanh": ("return accum_grad * (1 - np.tanh(self.x) ** 2)", "return 1 - np.tanh(self.x) ** 2"),
        "ColumnTanh": ("np.multiply(output_gradient, 1 - np.tanh(self.input) ** 2)", "1 - np.tanh(self.input) ** 2"),
    }
    report = check(edited(tmp_path, name, *edits[name]))
    assert "D103" in {f.code for f in report.findings}, report


def test_a_bias_is_given_as_a_row_so_that_a_missing_sum_shows(tmp_path):
    report = check(edited(tmp_path, "CachedLinear", "db = dout.sum(axis=0)", "db = dout"))
    assert {f.code for f in report.findings if f.argument == "b"} & {"D101", "D501"}, report


def test_a_derivative_in_the_output_is_of_that_function_alone(tmp_path):
    report = check(edited(tmp_path, "TanhActivation", "1 - np.tanh(x) ** 2", "x * (1 - x)"))
    assert [v.word for v in report.verdicts] == [Word.REFUTED]


# --- steps instead of gradients ---------------------------------------------------------------------------------------


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "averaged",
    ["dx = dout @ self.W.T; lr = lr / len(self.x)", "dx = dout @ self.W.T; dW, db = dW / len(dout), db / len(dout)"],
)
def test_steps_that_are_averaged_over_the_batch_are_a_convention_if_all_are(averaged, tmp_path):
    report = check(edited(tmp_path, "UpdatesByRebinding", "dx = dout @ self.W.T", averaged))
    words = {v.argument: v.word for v in report.verdicts}
    assert (report.ok, words) == (True, {"x": Word.EXACT, "W": Word.SCALED, "b": Word.SCALED})
    report = check(edited(tmp_path, "UpdatesByRebinding", "lr * dW", "lr * dW / len(self.x)"))
    words = {v.argument: v.word for v in report.verdicts}
    assert (report.ok, words) == (False, {"x": Word.EXACT, "W": Word.REFUTED, "b": Word.EXACT})


def test_a_step_uphill_is_wrong(tmp_path):
    report = check(edited(tmp_path, "UpdatesAtItsOwnRate", "self.b -= ", "self.b += "))
    assert {v.argument for v in report.verdicts if v.word == Word.REFUTED} == {"b"}


def test_a_gradient_through_weights_that_were_updated_before_is_wrong(tmp_path):
    old = "        dx = dout @ self.W.T\n        self.W -= self.lr * (self.x.T @ dout)\n"
    new = "        self.W -= self.lr * (self.x.T @ dout)\n        dx = dout @ self.W.T\n"
    report = check(edited(tmp_path, "UpdatesAtItsOwnRate", old, new))
    assert {v.argument for v in report.verdicts if v.word == Word.REFUTED} == {"x"}


def test_gradients_that_grow_beside_an_unused_rate_are_no_steps():
    cls = written("""
class Scale:
    def __init__(self):
        self.gamma, self.gamma_delta = np.array([0.5, -1.0, 2.0]), np.zeros(3)

    def forward(self, inputs):
        self.inputs = inputs
        return inputs * self.gamma

    def backward(self, delta, lr=1e-3):
        self.gamma_delta += np.sum(self.inputs * delta, axis=0)
        return delta * self.gamma
""").Scale
    assert {v.argument: v.word for v in check(cls).verdicts} == {"inputs": Word.EXACT, "gamma": Word.EXACT}


def test_what_an_adapter_compares_is_no_branch_of_the_layer():
    cls = written("""
class Scale:
    def __init__(self):
        self.gamma = np.array([0.5, -1.0, 2.0])

    def forward(self, x):
        self.x = x
        return x * self.gamma

    def backward(self, dout, lr):
        dx = dout * self.gamma
        self.gamma -= lr * np.sum(self.x * dout, axis=0)
        return dx
""").Scale
    trace, _ = record_example(cls, {}, {})
    assert [str(event) for event in trace.events if event.kind == "branch"] == []


def test_a_parameter_that_takes_steps_is_no_gradient_that_adds_up():
    assert "D207" not in {f.code for f in check(foreign_layers.UpdatesAtItsOwnRate).findings}


# --- kept nowhere -----------------------------------------------------------------------------------------------------


def test_a_gradient_that_is_computed_and_kept_nowhere_is_named():
    report = check(foreign_layers.KeptNowhere)
    (finding,) = [f for f in report.findings if f.code == "D108"]
    assert (finding.argument, finding.severity) == ("W", "error")
    assert "D105" not in {f.code for f in report.findings}


def test_a_gradient_that_is_not_computed_at_all_is_another_matter(tmp_path):
    report = check(edited(tmp_path, "KeptNowhere", "        dW = self.x.T @ dout\n", ""))
    assert [f.argument for f in report.findings if f.code == "D105"] == ["W"]
    assert "D108" not in {f.code for f in report.findings}


def test_a_part_that_has_its_gradient_lacks_none():
    module = written("""
class Part:
    def __init__(self):
        self.W = np.array([[1.0, 2.0, 0.5], [0.5, -1.0, 3.0]])

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T

class Whole:
    def __init__(self):
        self.part = Part()

    def forward(self, x):
        return 2 * self.part.forward(x)

    def backward(self, dout):
        return self.part.backward(2 * dout)

class Lazy:
    def __init__(self):
        self.W = {"val": None, "grad": 0}

    def forward(self, x):
        if self.W["val"] is None:
            self.W["val"] = 0.5 * np.random.randn(x.shape[1], 3)
        self.x = x
        return x @ self.W["val"]

    def backward(self, dout):
        self.W["grad"] = self.x.T @ dout
        return dout @ self.W["val"].T
""")
    for cls, parameters in ((module.Whole, ["part.W"]), (module.Lazy, ["W"])):
        report = check(cls(), np.array([[0.5, -1.0], [2.0, 0.25], [1.5, -0.75]]))
        assert [(v.argument, v.word) for v in report.verdicts] == [(name, Word.EXACT) for name in ["x", *parameters]]
        assert "D105" not in {f.code for f in report.findings}


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "name",
    ["CalledLinear", "UpdatesInPlace", "UpdatesByRebinding", "UpdatesADict", "HasAnOptimizer", "FromScratchDense",
     "ReturnsATuple", "ReturnsADict", "FillsGrads",
     "UpdatesAtItsOwnRate", "UpdatesAList",
     "HandsOverGradients",
     "ParametersWithData",
     "ParametersWithValue"],
)  # fmt: skip
def test_a_gradient_that_is_kept_returned_or_applied_is_not_lost(name):
    report = check(getattr(foreign_layers, name))
    assert not {f.code for f in report.findings} & {"D105", "D108"}, report
