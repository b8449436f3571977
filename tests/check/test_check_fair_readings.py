"""What layers of strangers are read as: arguments without a plain name, other modes, shapes and gradients."""

import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
from fair_examples import table

import dout
from dout.adapt.interface.function_pairs import pair_class
from dout.check.verb.check_layer import agrees


def errors(report):
    return [f.message for f in report.findings if f.severity == "error"]


def said(report):
    return [str(v).partition(":")[2].strip() for v in report.verdicts]


# ---------------------------------------------------------------------------------- a cache that forward does not give


def curve(Z):
    return np.where(Z > 0, Z, np.exp(Z) - 1)


def curve_backward(dA, cache):
    return dA * np.where(cache > 0, 1, np.exp(cache))


def bent(Z):
    return np.tanh(Z)


def bent_backward(dA, cache):
    return dA * (1 - cache**2)


def wave(Z):
    return np.sin(Z)


def wave_backward(dA, cache):
    return dA * np.sin(cache)


def shares(Z):
    e = np.exp(Z - Z.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


def shares_backward(dA, A_pred):
    return A_pred - dA


@pytest.mark.parametrize("pair", [(curve, curve_backward), (bent, bent_backward)], ids=["input", "output"])
def test_a_cache_that_forward_does_not_return_is_its_input_or_its_output(pair):
    assert said(dout.check(pair_class(*pair), table(3, 4))) == ["exact"]


def test_what_is_wrong_with_the_input_and_with_the_output_as_the_cache_is_wrong():
    (message,) = errors(dout.check(pair_class(wave, wave_backward), table(3, 4)))
    assert "the gradient of Z" in message


def test_a_softmax_that_is_given_the_target_is_not_judged():
    report = dout.check(pair_class(shares, shares_backward), table(3, 4))
    assert not report.verdicts
    assert any("takes the target itself" in f.message for f in report.findings)


class Dense:
    def __init__(self, n_in=3, n_out=5, activation="wave"):
        self.W, self.activation = table(n_out, n_in), activation

    def forward(self, A_prev):
        self.A_prev, self.Z = A_prev, self.W @ A_prev
        if self.activation == "wave":
            self.A = np.sin(self.Z)
        elif self.activation == "softmax":
            self.A = shares(self.Z)
        return self.A

    def backward(self, dA):
        if self.activation == "wave":
            dZ = dA * np.cos(self.Z)
        elif self.activation == "softmax":
            dZ = shares_backward(dA, self.A)
        self.dW = dZ @ self.A_prev.T
        return self.W.T @ dZ


def test_nor_is_a_layer_at_the_setting_at_which_it_is_given_the_target():
    assert errors(dout.check(Dense, table(3, 4))) == []


# ----------------------------------------------------------------------------------------------------- modes and steps


class Norm:
    def __init__(self):
        self.mean, self.var = np.zeros(4), np.ones(4)

    def forward(self, x, eval=False):
        mean, var = (self.mean, self.var) if eval else (x.mean(axis=0), x.var(axis=0))
        self.std = np.sqrt(var + 1e-8)
        self.hat = (x - mean) / self.std
        return self.hat

    def backward(self, dout):
        return (dout - dout.mean(axis=0) - self.hat * (dout * self.hat).mean(axis=0)) / self.std


def test_backward_belongs_to_training_whatever_the_flag_is_called():
    assert errors(dout.check(Norm(), table(6, 4), True)) == []


class Rounded:
    def forward(self, x):
        self.x = x
        return np.round(2 * x)

    def backward(self, dout):
        return dout * (np.abs(self.x) < 1)


class Halved(Rounded):
    def backward(self, dout):
        return dout * 0.5


def test_a_step_may_hand_dout_on_as_it_is():
    report = dout.check(Rounded, table(3, 4))
    assert report.ok
    assert said(report)[0].startswith("passed straight through a step")
    assert errors(dout.check(Halved, table(3, 4)))


# -------------------------------------------------------------------------------------------------- shapes and lengths


class Scores:
    def forward(self, hs, h):
        N, T, H = hs.shape
        self.hs, self.h = hs.reshape(N, T, H), h.reshape(N, 1, H)
        return np.sum(self.hs * self.h, axis=2)

    def backward(self, dout):
        return dout[:, :, None] * self.h, np.sum(dout[:, :, None] * self.hs, axis=1)


def test_an_input_that_forward_reshapes_has_the_shape_of_its_gradient():
    assert errors(dout.check(Scores)) == []


class Steps:
    """Starts from `h_0`, which it makes itself, and gives the gradient of that."""

    def __init__(self):
        self.U = table(3, 2)

    def forward(self, x, h_0=None):
        self.start = np.zeros((1, len(x), 2)) if h_0 is None else h_0
        self.x = x
        return self.start[0] + x @ self.U

    def backward(self, dout):
        self.dU = self.x.T @ dout
        return 1.0 * dout[None]


def test_a_gradient_may_be_that_of_an_argument_that_is_left_out():
    assert errors(dout.check(Steps(), table(5, 3))) == []


class Turned:
    def __init__(self, inputs_num=4, units_num=5):
        self.w = table(inputs_num, units_num)

    def forward(self, X):
        self.x = X
        return X @ self.w

    def backward(self, error):
        self.grad_w = np.sum(self.x.transpose(0, 2, 1) @ error, axis=0)
        return error @ self.w.T


def test_a_backward_that_turns_three_axes_is_meant_for_three():
    report = dout.check(Turned)
    assert report.ok
    assert len(report.verdicts) == 2


class Loss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y, self.t = e / e.sum(axis=-1, keepdims=True), t
        return -np.sum(np.log(self.y[np.arange(len(t)), t])) / len(t)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


def test_labels_in_a_column_are_those_of_one_row_alone():
    assert errors(dout.check(Loss(), table(1, 4), np.array([[2]]))) == []


# ---------------------------------------------------------------------------------------- whose gradient, and averages


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


def test_a_loss_that_is_right_on_labels_is_no_error(tmp_path):
    source = tmp_path / "losses.py"
    parts = map(inspect.getsource, (shares, OfLabels, OfLabelsTurned))
    source.write_text("import numpy as np\n\n\n" + "\n\n".join(parts))
    found = checked_file(str(source))
    assert [name for name, layer in found.items() if not layer["ok"]] == ["OfLabelsTurned"]
