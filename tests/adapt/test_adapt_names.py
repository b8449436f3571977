"""What an argument is for, by its name, and what a target is, whatever named it."""

import numpy as np
import pytest

from dout import TargetError
from dout.adapt.argument_names import names_label, names_loss, names_size, names_switch, names_upstream, stands_for
from dout.adapt.target import Target

KINDS = {
    names_label: (["y", "t", "targets", "y_true", "ground_truth", "true_label", "answers"], ["x", "y_pred", "table"]),
    names_upstream: (["dout", "grad_output", "delta", "dL_dy", "upstream"], ["x", "weights", "shape"]),
    names_switch: (["training", "is_train", "verbose"], ["x", "trainer", "targets"]),
    names_loss: (
        ["MSE", "mse_loss", "SumMSE", "NLLLoss", "cross_entropy", "bce"],
        ["SumSelected", "TeamSense", "Celu"],
    ),
    names_size: (["in_features", "hidden_dim", "n_units", "num_channels"], ["beta", "x", "bias"]),
}


@pytest.mark.parametrize("names", KINDS)
def test_a_name_says_what_an_argument_is_for(names):
    meant, others = KINDS[names]
    assert [name for name in meant if not names(name)] == []
    assert [name for name in others if names(name)] == []


@pytest.mark.parametrize(("name", "kind"), [("W", "W"), ("W_hh", "Wh"), ("bias", "b"), ("h_prev", "h"), ("x", "")])
def test_a_name_says_which_parameter_or_state_an_argument_is(name, kind):
    assert stands_for(name) == kind


class Scale:
    def __init__(self, k, offset=0.0):
        self.k, self.offset = k, offset

    def forward(self, x):
        return self.k * x + self.offset

    def backward(self, dout):
        return self.k * dout


def square(x, *, times=1):
    return times * x * x


def test_a_class_is_built_with_its_arguments():
    target = Target(Scale)
    assert (target.name, target.cls, target.has_both) == ("Scale", Scale, True)
    assert [p.name for p in target.constructor] == ["k", "offset"]
    assert target.not_given({}) == ["k"]
    assert target.builder({"k": 2.0})().forward(3.0) == 6.0
    with pytest.raises(TargetError, match="Scale needs k to be built"):
        target.builder({})
    with pytest.raises(TargetError, match="Scale has no argument size"):
        target.builder({"k": 2.0, "size": 3})


def test_an_instance_is_copied_and_takes_no_arguments():
    layer = Scale(np.ones(2))
    target = Target(layer)
    assert (target.name, target.cls, target.constructor) == ("Scale", Scale, [])
    assert target.fresh({}).k is not layer.k
    with pytest.raises(TargetError, match="Scale is not a class"):
        target.builder({"k": 2.0})


def test_a_function_is_its_own_forward():
    target = Target(square)
    assert (target.name, target.has_both, target.fresh({})) == ("square", False, square)
    assert target.arguments({"x": 3.0, "times": 2}) == ([3.0], {"times": 2})


def test_a_target_is_resolved_once():
    target = Target(Scale)
    assert Target.of(target) is target
    assert Target.of(Scale).named is Scale
