"""Which kinds of inputs and settings a layer is given: modes, states, labels, scores, and what a repair switches on."""

import foreign_layers
import numpy as np
import pytest
from class_files import written
from edited_layers import layer

from dout.adapt import example
from dout.adapt.search.example import as_found
from dout.adapt.target import Target
from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word

# --- settings ---------------------------------------------------------------------------------------------------------


def test_a_dict_of_settings_has_the_keys_that_are_read_and_fits():
    given = example(layer(foreign_layers, "conv_forward_naive"), {}, {}).inputs
    stride, pad = given["conv_param"]["stride"], given["conv_param"]["pad"]
    for axis in (2, 3):
        assert (given["x"].shape[axis] + 2 * pad - given["w"].shape[axis]) % stride == 0


def test_a_mode_is_that_of_training():
    assert example(layer(foreign_layers, "batchnorm_forward"), {}, {}).inputs["bn_param"]["mode"] == "train"


def test_p_is_a_share_unless_it_stands_beside_a_window(tmp_path):
    drop = """
class Drop:
    def __init__(self, p):
        self.keep = 1 - p

    def forward(self, x):
        self.mask = np.random.binomial(1, self.keep, size=x.shape)
        return x * self.mask / self.keep

    def backward(self, dy):
        return dy * self.mask * self.keep
"""
    pad = """
class Pad:
    def __init__(self, k, p):
        self.W, self.p = np.random.randn(k), p

    def forward(self, x):
        self.n = x.shape[1]
        return np.pad(x, ((0, 0), (self.p, self.p)))

    def backward(self, dy):
        return dy[:, self.p : self.p + self.n]
"""
    assert example(written(tmp_path, drop), {}, {}).init["p"] == 0.5
    assert [v.word for v in check(written(tmp_path, drop)).verdicts] == [Word.REFUTED]
    assert example(written(tmp_path, pad), {}, {}).init["p"] in (0, 1)


def test_a_target_that_backward_is_given_and_does_not_read_is_no_matter(tmp_path):
    text = """
class Triple:
    def forward(self, z, training=False):
        return 3 * z

    def backward(self, da, y):
        return 3 * da
"""
    assert {v.argument: v.word for v in check(written(tmp_path, text)).verdicts} == {"z": Word.EXACT}
    with_target = check(written(tmp_path, text.replace("3 * da", "3 * (da - y)")))
    assert not with_target.verdicts
    assert any("takes the target itself" in item.message for item in with_target.findings)


def test_states_are_arrays_whatever_they_are_called(tmp_path):
    cls = written(tmp_path, """
class Cell:
    def __init__(self, input_dimension, hidden_dimension):
        self.weight = np.random.randn(hidden_dimension, input_dimension + hidden_dimension)

    def forward(self, current_input, prev_hidden_state, prev_cell_state):
        self.both = np.vstack((prev_hidden_state, current_input))
        return prev_cell_state + self.weight @ self.both

    def backward(self, dout):
        self.dweight, d, n = dout @ self.both.T, self.weight.T @ dout, len(self.weight)
        return d[n:], d[:n], dout
""")  # fmt: skip
    names = ("current_input", "prev_hidden_state", "prev_cell_state", "weight")
    assert {v.argument: v.word for v in check(cls).verdicts} == dict.fromkeys(names, Word.EXACT)


CALLED = """
class Function:
    def __call__(self, *args):
        output = self.forward(*args)
        self.grad = self.local_grad(*args)
        return output

class Tanh(Function):
    def forward(self, X):
        return np.tanh(X)

    def backward(self, dY):
        return dY * self.grad["X"]

    def local_grad(self, X):
        return {"X": 1 - np.tanh(X) ** 2}
"""


def test_a_layer_that_keeps_its_derivative_when_called_is_called(tmp_path):
    assert {v.argument: v.word for v in check(written(tmp_path, CALLED)).verdicts} == {"X": Word.EXACT}
    wrong = written(tmp_path, CALLED.replace("1 - np.tanh(X) ** 2", "1 - np.tanh(X)"))
    assert {v.argument: v.word for v in check(wrong).verdicts} == {"X": Word.REFUTED}


def test_a_constructor_that_hands_its_arguments_on_is_given_those_of_the_class_above(tmp_path):
    cls = written(tmp_path, """
class Hidden:
    def __init__(self, input_size, output_size, rate=0.01):
        self.W = np.random.randn(input_size, output_size)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T

class Output(Hidden):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
""")  # fmt: skip
    assert {"input_size", "output_size"} <= set(example(cls, {}, {}).init)
    assert {v.argument: v.word for v in check(cls).verdicts} == {"x": Word.EXACT, "W": Word.EXACT}


def test_methods_that_are_tests_are_neither_forward_nor_backward(tmp_path):
    cls = written(tmp_path, """
class RnnTest:
    def test_rnn_forward(self):
        assert True

    def test_rnn_backward(self):
        assert True
""")  # fmt: skip
    assert not Target(cls).has_both


@pytest.mark.long
def test_a_dict_of_settings_is_nobodys_input():
    report = check(layer(foreign_layers, "conv_forward_naive"))
    assert "conv_param" not in {f.argument for f in report.findings} | {v.argument for v in report.verdicts}


def test_labels_are_classes_that_there_are():
    given = example(foreign_layers.CrossEntropyLoss, {}, {}).inputs
    assert given["labels"].dtype.kind == "i"
    assert set(given["labels"].tolist()) <= set(range(given["logits"].shape[1]))
    assert len(set(given["labels"].tolist())) > 1


def test_logits_of_cross_entropy_with_a_log_inside_are_probabilities(tmp_path):
    cls = written(tmp_path, """
class BinaryCrossEntropy:
    def loss(self, y, p):
        return -y * np.log(p) - (1 - y) * np.log(1 - p)

    def gradient(self, y, p):
        return -(y / p) + (1 - y) / (1 - p)
""")  # fmt: skip
    given = example(cls, {}, {}).inputs["p"]
    assert np.all((given > 0) & (given < 1))
    assert {v.argument: v.word for v in check(cls).verdicts} == {"p": Word.EXACT}


def test_an_input_of_a_network_fits_the_parts_that_it_is_made_of(tmp_path):
    cls = written(tmp_path, """
class Window:
    def __init__(self, channels, size):
        self.W = np.random.randn(channels, size)

    def forward(self, x):
        self.x = x
        n, c, length = x.shape
        wide = self.W.shape[1]
        self.views = [x[:, :, i:i + wide] for i in range(length - wide + 1)]
        return np.stack([(view * self.W).sum(axis=(1, 2)) for view in self.views], axis=1)

    def backward(self, dout):
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for i, view in enumerate(self.views):
            dx[:, :, i:i + self.W.shape[1]] += dout[:, i, None, None] * self.W
            self.dW += (dout[:, i, None, None] * view).sum(axis=0)
        return dx


class Scan:
    def __init__(self):
        self.layers = [Window(9, 7)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
""")  # fmt: skip
    assert example(cls, {}, {}).inputs["x"].shape[1:] == (9, 8)
    assert {v.word for v in check(cls).verdicts} == {Word.EXACT}


NETWORK = """
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Net:
    def __init__(self, input_size, hidden_size_list, output_size, weight_init_std):
        sizes = [input_size] + hidden_size_list + [output_size]
        self.params, self.affines = {}, []
        for i in range(1, len(sizes)):
            self.params[f"W{i}"] = weight_init_std * np.random.randn(sizes[i - 1], sizes[i])
            self.params[f"b{i}"] = np.zeros(sizes[i])
            self.affines.append(Affine(self.params[f"W{i}"], self.params[f"b{i}"]))

    def predict(self, x):
        for affine in self.affines:
            x = affine.forward(x)
        y = np.exp(x - x.max(axis=-1, keepdims=True))
        return y / y.sum(axis=-1, keepdims=True)

    def loss(self, x, t):
        y = self.predict(x.reshape(len(x), -1))
        t = t.argmax(axis=1) if t.size == y.size else t
        return -np.log(y[np.arange(len(x)), t] + 1e-4).sum() / len(x)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.predict(x)
        MINUS_LABELS
        dout, grads = dout / len(x), {}
        for i in range(len(self.affines), 0, -1):
            dout = self.affines[i - 1].backward(dout)
            grads[f"W{i}"], grads[f"b{i}"] = self.affines[i - 1].dW, self.affines[i - 1].db
        return grads
"""


@pytest.mark.parametrize(
    ("minus_labels", "axes"),
    [("dout[np.arange(len(x)), t] -= 1", 1), ("dout -= t", 2)],  # as classes, or only as rows with one 1
)
def test_a_network_by_a_list_of_sizes_is_given_rows_and_a_label_for_each(minus_labels, axes, tmp_path):
    cls = written(tmp_path, NETWORK.replace("MINUS_LABELS", minus_labels))
    found = example(cls, {}, {})
    x, t = found.inputs["x"], found.inputs["t"]
    assert x.shape[1] == found.init["input_size"]
    assert (len(x) > 1, t.ndim, len(t)) == (True, axes, len(x))
    assert {v.word for v in check(cls).verdicts} == {Word.STABILISED}


def test_what_is_multiplied_by_labels_is_a_line_of_scores(tmp_path):
    cls = written(tmp_path, """
class SoftmaxLoss:
    def softmax(self, x):
        e = np.exp(x - np.max(x))
        return e / np.sum(e)

    def call(self, prediction, target):
        return -np.log(self.softmax(prediction)) @ target

    def deriv(self, prediction, target):
        y = self.softmax(prediction)
        y[np.where(target == 1)[0][0]] -= 1
        return y
""")  # fmt: skip
    given = example(cls, {}, {}).inputs
    assert (given["prediction"].ndim, given["prediction"].shape) == (1, given["target"].shape)
    assert {v.word for v in check(cls).verdicts} == {Word.EXACT}


KEEPING = """
def keeping(f):
    def forward(self, x, training=False, *args, **kwargs):
        y = f(self, x, training=training, *args, **kwargs)
        if training:
            self.kept = y
        return y
    return forward


class Layer:
    @keeping
    def forward(self, x, training=False):
        return FORWARD

    def backward(self, dy, training=False):
        return BACKWARD
"""


@pytest.mark.parametrize(
    ("forward", "backward"),
    [("np.tanh(x)", "dy * (1 - self.kept**2)"), ("2 * x if training else x", "dy + training * dy")],
)
def test_a_decorator_and_backward_are_switched_on_with_forward(forward, backward, tmp_path):
    cls = written(tmp_path, KEEPING.replace("FORWARD", forward).replace("BACKWARD", backward))
    assert {v.argument: v.word for v in check(cls).verdicts} == {"x": Word.EXACT}


def test_a_backward_that_runs_forward_again_draws_what_forward_drew(tmp_path):
    cls = written(tmp_path, """
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.params = {"W1": np.random.randn(n_in, n_hidden), "W2": np.random.randn(n_hidden, n_out)}

    def predict(self, x, train=False):
        self.x, self.h = x, x @ self.params["W1"]
        self.mask = np.random.rand(*self.h.shape) > 0.5 if train else np.ones_like(self.h)
        self.d = self.h * self.mask
        return self.d @ self.params["W2"]

    def loss(self, x, t):
        self.y = self.predict(x, train=True)
        return 0.5 * np.sum((self.y - t) ** 2)

    def gradient(self, x, t):
        self.loss(x, t)
        dy = self.y - t
        return {"W1": self.x.T @ (dy @ self.params["W2"].T * self.mask), "W2": self.d.T @ dy}
""")  # fmt: skip
    report = check(cls)
    assert {v.argument: v.word for v in report.verdicts} == {"W1": Word.EXACT, "W2": Word.EXACT}
    assert "D602" not in {finding.code for finding in report.findings}


def test_a_backward_that_draws_a_mask_of_its_own_is_wrong(tmp_path):
    cls = written(tmp_path, """
class Dropout:
    def forward(self, x):
        return x * (np.random.rand(*x.shape) > 0.5)

    def backward(self, dout, x):
        return dout * (np.random.rand(*x.shape) > 0.5)
""")  # fmt: skip
    assert any(finding.severity != "note" for finding in check(cls).findings)


DOT = """
class Dot:
    def forward(self, x, t):
        self.x, self.t = x, t
        return np.dot(x, t)

    def backward(self, dout):
        return GRADIENTS
"""


@pytest.mark.parametrize(
    ("gradients", "word"),
    [
        ("np.dot(dout, self.t.T), np.dot(self.x.T, dout)", Word.EXACT),
        ("np.dot(dout, self.t), np.dot(self.x, dout)", None),
    ],
)
def test_what_is_no_loss_is_given_matrices_whatever_they_are_called(gradients, word, tmp_path):
    cls = written(tmp_path, DOT.replace("GRADIENTS", gradients))
    report = check(cls)
    assert {v.word for v in report.verdicts} == {word} if word else any(f.severity == "error" for f in report.findings)


def test_what_is_switched_off_is_off_for_backward_too(tmp_path):
    text = KEEPING.replace("FORWARD", "2 * x if training else x").replace("BACKWARD", "2 * dy if training else dy")
    cls = written(tmp_path, text)
    for training in (True, False):
        found = example(cls, {}, {"training": training})
        layer, inputs = as_found(cls, found)
        made = layer()
        assert made.forward(*inputs).sum() == inputs[0].sum() * (1 + training)
        assert made.backward(np.ones_like(inputs[0])).sum() == inputs[0].size * (1 + training)
