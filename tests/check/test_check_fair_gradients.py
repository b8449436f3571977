"""Whose gradient a stranger's backward gives, and what its average and its missing parts say."""

import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
from fair_examples import table
from fair_readings import errors, said, shares

import dout
from dout.adapt.interface.function_pairs import pair_class
from dout.check.verb.judged_layer import agrees


class Kept:
    """Returns gradients of its input and its filter, which only the shapes tell, and 0 for a bias that it has not."""

    def __init__(self):
        self.conv_filter = table(3, 2)

    def forward(self, image):
        self.A_prev = image
        return image @ self.conv_filter.T

    def backward(self, dA):
        dA_prev, dW, db = dA @ self.conv_filter, -dA.T @ self.A_prev, 0
        return dA_prev, dW, db


def test_a_number_returned_beside_gradients_leaves_no_doubt_of_them():
    (message,) = errors(dout.check(Kept, table(5, 2)))
    assert "the gradient of conv_filter" in message


class Averaged:
    """An affine layer behind a threshold, which averages in the gradient of its parameters."""

    def __init__(self):
        self.W, self.b = np.zeros((2, 3)), np.zeros(3)

    def forward(self, x):
        self.x, self.z = x, x @ self.W + self.b
        return np.maximum(self.z, 0)

    def backward(self, dout):
        dz = dout * (self.z > 0)
        self.dW, self.db = self.x.T @ dz / len(dz), dz.sum(axis=0) / len(dz)
        return dz @ self.W.T


def test_an_average_is_seen_behind_units_that_are_dead():
    report = dout.check(Averaged(), table(3, 2))
    assert errors(report) == []
    assert sum("1/N" in text for text in said(report)) == 2


class Shares:
    """A softmax at the end that hands dout on."""

    def __init__(self):
        self.W, self.b = table(4, 3), np.zeros(3)

    def forward(self, x):
        self.x = x
        return shares((x @ self.W + self.b).T).T

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, np.sum(dout, axis=0)
        return dout @ self.W.T


class UnequalShares(Shares):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.mean(dout, axis=0)
        return dx


def test_parameters_before_a_softmax_are_averaged_together_or_not_at_all():
    assert errors(dout.check(Shares, table(5, 4))) == []
    (message,) = errors(dout.check(UnequalShares, table(5, 4)))
    assert "the gradient of b" in message


def test_nothing_is_known_behind_weights_of_0_and_nothing_said():
    layer = Shares()
    layer.W[...] = 0
    assert errors(dout.check(layer, table(5, 4))) == []


class Ignorant:
    """Right where `dout` is 1."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return 1 - self.y**2


def test_a_backward_that_does_not_use_dout_agrees_with_nothing():
    assert not agrees(Ignorant, [table(3, 4)], {}, ["x"])
    assert agrees(Shares, [table(5, 4)], {}, ["x"])


class Functions:
    @staticmethod
    def relu(x):
        return np.maximum(0, x)

    @staticmethod
    def relu_derivative(x):
        return (x > 0) * 1.0

    def bent(self, x):
        return np.tanh(x)

    def bent_derivative(self, x):
        return 1 - np.tanh(x)


@pytest.mark.long
def test_every_pair_of_a_class_of_functions_is_judged(tmp_path):
    source = tmp_path / "functions.py"
    source.write_text(f"import numpy as np\n\n\n{inspect.getsource(Functions)}\n\n{inspect.getsource(Averaged)}")
    found = checked_file(str(source))
    assert set(found) == {"Functions.relu", "Functions.bent", "Averaged"}
    assert [name for name, layer in found.items() if not layer["ok"]] == ["Functions.bent"]


def checked_file(path):
    done = subprocess.run([sys.executable, "-m", "dout", "check", path, "--json"], stdout=subprocess.PIPE, text=True)
    return {layer["layer"]: layer for file in json.loads(done.stdout)["files"] for layer in file["layers"]}


class Unrecorded:
    """Its numbers leave the recording as text, and differences judge it."""

    def __init__(self):
        self.weights, self.biases = table(3, 4), np.zeros((1, 4))

    def forward(self, x):
        self.x = np.array([[float(repr(float(v))) for v in row] for row in x])
        return self.x @ self.weights + self.biases

    def backward(self, d):
        self.dweights, self.dbiases = self.x.T @ d, d
        return d @ self.weights.T


def test_differences_see_a_gradient_that_is_not_summed():
    (message,) = errors(dout.check(Unrecorded, table(5, 3)))
    assert "the gradient of biases has shape (5, 4)" in message


class Recurrent(Unrecorded):
    """The gradient of one of its parameters is called by another name, and told by its shape."""

    def __init__(self):
        self.weights, self.recurrent = table(3, 4), table(4, 4)
        self.weights_grad, self.r_grad = np.zeros((3, 4)), np.zeros((4, 4))

    def forward(self, x):
        self.x = np.array([[float(repr(float(v))) for v in row] for row in x])
        self.y = self.x @ self.weights
        return self.y @ self.recurrent

    def backward(self, d):
        self.r_grad = self.y.T @ d
        self.weights_grad = self.x.T @ (d @ self.recurrent.T)
        return d @ self.recurrent.T @ self.weights.T


def test_differences_move_a_parameter_whose_gradient_is_told_by_its_shape():
    words = {v.argument: v.word for v in dout.check(Recurrent, table(5, 3)).verdicts}
    assert words == dict.fromkeys(("x", "weights", "recurrent"), "agrees within rounding")


class OfOldMemory:
    """It begins with whatever `np.empty` finds."""

    def forward(self, x):
        start = np.empty((5, 3))
        self.tanh = np.tanh(start)
        self.x = x * self.tanh
        return self.x * self.x

    def backward(self, d):
        return 2 * d * self.x * self.tanh


def test_what_depends_on_old_memory_is_not_refuted_by_differences():
    old = np.full((5, 3), 0.5)
    del old
    assert errors(dout.check(OfOldMemory, table(5, 3))) == []


class Named:
    """A table, as a library for data gives it."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numbers, dtype=dtype)


class Rows:
    def __init__(self, n_in, n_out):
        self.W = np.ones((n_in, n_out))

    def forward(self, rows):
        self.rows = rows
        return np.dot(rows, self.W)

    def backward(self, d):
        self.dW = np.dot(np.transpose(self.rows), d)
        return d @ self.W.T


def test_a_table_that_a_program_hands_over_is_an_array(tmp_path):
    source, ran = (
        tmp_path / "rows.py",
        "layer = Rows(3, 2)\ny = layer.forward(Named([[1.5, 2, 3]] * 6))\nlayer.backward(y)",
    )
    source.write_text(f"import numpy as np\n\n{inspect.getsource(Named)}\n{inspect.getsource(Rows)}\n{ran}\n")
    layer = checked_file(str(source))["Rows"]
    assert "rows.py" in layer["used"]
    assert [v["argument"] for v in layer["verdicts"]] == ["rows", "W"]


class Whole(Shares):
    """Its weights were drawn as whole numbers."""

    def __init__(self):
        self.W, self.b = np.arange(12).reshape(4, 3) % 5, np.zeros(3, dtype=int)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout
        return dout @ self.W.T


def test_weights_of_whole_numbers_have_gradients():
    report = dout.check(Whole, table(5, 4))
    assert [v.argument for v in report.verdicts] == ["x", "W", "b"]
    assert any("the gradient of b has shape (5, 3)" in message for message in errors(report))


class Passes:
    """The two passes of the forward-backward algorithm."""

    def get_forward_probs(self, logits, symbols):
        return np.cumsum(logits[:, symbols], axis=0)

    def get_backward_probs(self, logits, symbols):
        return np.cumsum(logits[::-1][:, symbols], axis=0)[::-1]


def test_a_backward_pass_that_gives_the_shape_of_the_output_is_no_gradient():
    report = dout.check(
        Passes,
        table(5, 4),
        np.array([2, 0, 2]),
        interface="get_forward_probs, get_backward_probs(logits, symbols), local",
    )
    assert not report.verdicts
    assert any("it is no gradient" in f.message for f in report.findings)


class First:
    def forward(self, x, training=False):
        self.x = x
        return x.max(axis=1)

    def backward(self, output_gradient, _: float):
        dx = np.zeros_like(self.x)
        dx[:, 0] = output_gradient
        return dx


def test_an_argument_that_backward_does_not_read_leaves_no_doubt():
    (message,) = errors(dout.check(First, table(3, 4)))
    assert "the gradient of x" in message


def centred_forward(x, mean):
    out = x - x.mean(axis=0)
    mean[...] = 0.9 * mean + 0.1 * x.mean(axis=0)
    cache = x.shape
    return out, cache, mean


def centred_backward(dout, cache):
    return dout - dout.mean(axis=0)


def test_what_forward_writes_into_and_hands_back_is_a_warning():
    report = dout.check(pair_class(centred_forward, centred_backward), table(5, 4), table(4))
    assert [f.severity for f in report.findings if f.code == "D202"] == ["warning"]


class OfLabels:
    """Right where each row of `y` has one 1: nothing but the forward says that `y` are labels."""

    def forward(self, logits, y):
        self.y, self.probs = y, shares(logits.T).T
        return -np.mean(np.sum(y * np.log(self.probs), axis=-1))

    def backward(self):
        return (self.probs - self.y) / len(self.y)


class OfLabelsTurned(OfLabels):
    def backward(self):
        return -super().backward()


@pytest.mark.long
def test_a_loss_that_is_right_on_labels_is_no_error(tmp_path):
    source = tmp_path / "losses.py"
    parts = map(inspect.getsource, (shares, OfLabels, OfLabelsTurned))
    source.write_text("import numpy as np\n\n\n" + "\n\n".join(parts))
    found = checked_file(str(source))
    assert [name for name, layer in found.items() if not layer["ok"]] == ["OfLabelsTurned"]


class Spread:
    """Its kernel is made of its weights where it is built; np.nanmean is not recorded."""

    def __init__(self):
        self.W = np.array([1.0, -2.0, 0.5])
        self.kernel = self.spread()

    def spread(self):
        kernel = np.zeros(5)
        kernel[::2] = self.W
        return kernel

    def forward(self, x):
        self.x = x
        return x @ self.kernel

    def backward(self, dout):
        self.dW = np.nanmean([self.x.T @ dout], axis=0)[::2]
        return np.outer(dout, self.kernel)


class SpreadByNobody(Spread):
    def __init__(self):
        self.W = np.array([1.0, -2.0, 0.5])
        self.kernel = np.array([1.0, 0.0, -2.0, 0.0, 0.5])

    spread = None


def test_a_parameter_that_another_method_spreads_may_be_meant_where_differences_judge_too():
    (found,) = [finding for finding in dout.check(Spread).findings if finding.code == "D101"]
    assert (found.argument, found.severity) == ("W", "warning")
    (found,) = [finding for finding in dout.check(SpreadByNobody).findings if finding.code == "D101"]
    assert (found.argument, found.severity) == ("W", "error")


class CentredByHand:
    """A bias of which what it adds to all columns is taken out again; the text of a number is not recorded."""

    def __init__(self):
        self.b, self.db = np.zeros(4), np.zeros(4)

    def forward(self, x):
        z = x + self.b
        centred = z - z.mean(axis=1, keepdims=True)
        return np.array([[float(str(number)) for number in row] for row in centred])

    def backward(self, dout):
        self.db = dout.sum(axis=0)
        return dout - dout.mean(axis=1, keepdims=True)


def test_a_parameter_to_which_forward_is_invariant_in_part_is_used():
    (found,) = [finding for finding in dout.check(CentredByHand).findings if finding.code == "D101"]
    assert (found.argument, found.severity) == ("b", "error")
    assert "makes no use" not in found.message


class GivesAGradientOfNothing:
    """Forward makes no use of `b`; backward keeps what it was given for its gradient."""

    def __init__(self):
        self.b = np.full((3, 4), 0.5)
        self.db = np.zeros((3, 4))

    def forward(self, x):
        self.x = x
        return 2 * x

    def backward(self, dout):
        self.db = dout
        return 2 * dout


class GivesItsInput(GivesAGradientOfNothing):
    def backward(self, dout):
        self.db = self.x
        return 2 * dout


class LeavesItAlone(GivesAGradientOfNothing):
    def backward(self, dout):
        return 2 * dout


@pytest.mark.parametrize("layer", [GivesAGradientOfNothing, GivesItsInput])
def test_what_a_layer_is_given_is_no_gradient_of_what_forward_makes_no_use_of(layer):
    x = np.arange(12.0).reshape(3, 4) - 5
    assert not dout.check(layer(), x).ok
    assert dout.check(LeavesItAlone(), x).ok
