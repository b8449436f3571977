"""Whole nets, idioms and random programs give by onnxruntime what NumPy gives, at other sizes of the batch, too."""

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from onnx_runs import ran
from random_programs import FEWER, programs

import dout
from dout import layers
from dout.errors import TargetError, UnsupportedError
from dout.run import deep_copy, flat

RANDOM = np.random.default_rng(3)


def weights(*shape):
    return RANDOM.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))


class Net:
    """Layers one after the other."""

    def __init__(self, *parts):
        self.parts = parts

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x


def im2col(x, height, width, stride=1, pad=0):
    """Patches of images as rows, in the manner of the book."""
    n, c, h, w = x.shape
    rows, columns = (h + 2 * pad - height) // stride + 1, (w + 2 * pad - width) // stride + 1
    image = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    patches = np.zeros((n, c, height, width, rows, columns))
    for y in range(height):
        for z in range(width):
            patches[:, :, y, z, :, :] = image[:, :, y : y + stride * rows : stride, z : z + stride * columns : stride]
    return patches.transpose(0, 4, 5, 1, 2, 3).reshape(n * rows * columns, -1)


class PatchConvolution:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        filters, _, height, width = self.W.shape
        n, _, h, w = x.shape
        out = im2col(x, height, width) @ self.W.reshape(filters, -1).T + self.b
        return out.reshape(n, h - height + 1, w - width + 1, -1).transpose(0, 3, 1, 2)


class PatchPool:
    def forward(self, x):
        n, c, h, w = x.shape
        return im2col(x, 2, 2, 2).reshape(-1, 4).max(axis=1).reshape(n, h // 2, w // 2, c).transpose(0, 3, 1, 2)


class ViewedWindows:
    """Windows as a view: every second one, weighed."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
        return np.einsum("nchwij,fcij->nfhw", windows, self.W)


class IndexedWindows:
    """Windows by index arrays."""

    def forward(self, x):
        places = np.arange(4)[:, None] + np.arange(3)
        return x[:, :, places].max(axis=3)


class FilledStates:
    """A recurrent net that writes each state into an array, and reads the last one out of it."""

    def __init__(self, W, U):
        self.W, self.U = W, U

    def forward(self, x):
        states = np.empty((x.shape[0], x.shape[1], len(self.U)))
        for t in range(x.shape[1]):
            before = states[:, t - 1] if t else np.zeros((len(x), len(self.U)))
            states[:, t] = np.tanh(x[:, t] @ self.W + before @ self.U)
        return states


class Loss:
    """A softmax with the cross entropy of labels, in the manner of the book."""

    def __init__(self, W):
        self.W = W

    def forward(self, x, t):
        y = x @ self.W
        y = np.exp(y - y.max(axis=1, keepdims=True))
        y /= y.sum(axis=1, keepdims=True)
        return -np.sum(np.log(y[np.arange(y.shape[0]), t] + 1e-7)) / y.shape[0]


IMAGES, SEQUENCES = RANDOM.normal(size=(2, 3, 8, 8)), RANDOM.normal(size=(2, 4, 5))
NETS = {
    "two layers": (Net(layers.Affine(weights(6, 5), weights(5)), layers.Relu(),
                       layers.Affine(weights(5, 3), weights(3)), layers.Softmax()), [RANDOM.normal(size=(4, 6))]),
    "patches": (Net(PatchConvolution(weights(4, 3, 3, 3), weights(4)), layers.Relu(), PatchPool(), layers.Flatten(),
                    layers.Affine(weights(36, 2), weights(2))), [IMAGES]),
    "places of a kernel": (Net(layers.Convolution(weights(4, 3, 3, 3), weights(4), pad=1),
                               layers.BatchNorm(weights(4), weights(4)), layers.Relu(), layers.MaxPool(),
                               layers.TransposedConvolution(weights(4, 2, 2, 2), weights(2), stride=2)), [IMAGES]),
    "a view of windows": (ViewedWindows(weights(2, 3, 3, 3)), [IMAGES]),
    "indexed windows": (IndexedWindows(), [RANDOM.normal(size=(2, 3, 6))]),
    "a recurrent net": (Net(layers.Lstm(weights(5, 12), weights(3, 12), weights(12)),
                            layers.Gru(weights(3, 6), weights(2, 6), weights(6), weights(6))), [SEQUENCES]),
    "states in an array": (FilledStates(weights(5, 3), weights(3, 3)), [SEQUENCES]),
    "attention": (Net(layers.PositionalEncoding(),
                      layers.MultiHeadAttention(*(weights(6, 6) for _ in range(4)), heads=2),
                      layers.LayerNorm(weights(6), weights(6)), layers.Gelu(), layers.Gelu("tanh")),
                  [RANDOM.normal(size=(2, 4, 6))]),
    "a loss": (Loss(weights(5, 3)), [RANDOM.normal(size=(4, 5)), np.array([2, 0, 1, 1])]),
}  # fmt: skip


def plainly(net, inputs):
    net = deep_copy(net)
    for part in getattr(net, "parts", ()):
        if hasattr(part, "training"):
            part.training = False
    return [np.asarray(y) for y in flat(net.forward(*deep_copy(inputs)))]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", NETS)
def test_a_net_agrees_with_onnxruntime_at_any_size_of_the_batch(name):
    net, inputs = NETS[name]
    model = dout.export(net, None, *inputs)
    assert "batch" in str(model.model.graph.inputs[0].shape), model.notes
    for rows in (len(inputs[0]), 1, 7):
        given = [np.take(x, np.arange(rows) % len(x), axis=0) for x in inputs]
        for got, wanted in zip(ran(model.content, *given), plainly(net, given), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["patches", "states in an array", "a loss"])
def test_gradients_are_those_that_dout_derives(name):
    net, inputs = NETS[name]
    model = dout.export(net, None, *inputs, backward=True)
    names = [value.name for value in model.model.graph.outputs]
    got = dict(zip(names, ran(model.content, *inputs), strict=True))
    wanted = dout.grad(lambda x: np.sum(deep_copy(net).forward(x, *inputs[1:])))(inputs[0])
    np.testing.assert_allclose(got["dx"], wanted, rtol=1e-10, atol=1e-12)
    assert any(name.startswith("dW") for name in names)


def test_a_loop_over_rows_has_the_size_of_the_example_and_a_note_says_why():
    def rows(x):
        return np.stack([np.tanh(row) * 2 for row in x])

    model = dout.export(rows, None, np.ones((2, 3)))
    assert "batch" not in str(model.model.graph.inputs[0].shape)
    (note,) = model.notes
    assert "the size of the batch is fixed" in note
    assert "test_export_nets.py:" in note
    assert note.endswith("--loops loop writes such a loop as one step")
    np.testing.assert_allclose(ran(model.content, np.ones((2, 3)))[0], rows(np.ones((2, 3))))


def test_states_in_an_array_are_joined_and_not_written_one_by_one():
    kinds = [node.op_type for node in dout.export(*NETS["states in an array"][:1], None, SEQUENCES).model.graph]
    assert "ScatterND" not in kinds
    assert kinds.count("Tanh") == 4


def test_numbers_of_the_batch_are_computed_from_it():
    def shares(x):
        return (x - x.sum(axis=0) / len(x)) / np.sqrt(len(x)) + np.arange(len(x))[:, None] + np.ones(x.shape) * len(x)

    content = dout.export(shares, None, np.ones((2, 3))).content
    for rows in (1, 2, 9):
        x = RANDOM.normal(size=(rows, 3))
        np.testing.assert_allclose(ran(content, x)[0], shares(x), rtol=1e-12)


def test_a_list_of_layers_is_a_net_and_keeps_its_dtype():
    net = [layers.Affine(weights(3, 2).astype("f4"), np.ones(2, "f4")), layers.Relu()]
    model = dout.export(net)
    assert model.lines[0] == "inputs: x float[batch, 3]"
    assert [node.op_type for node in model.model.graph] == ["MatMul", "Add", "LessOrEqual", "Where"]
    assert [value.name for value in model.model.graph.outputs] == ["out"]


def test_numbers_and_conditions_are_inputs():
    content = dout.export(layers.MulLayer(), None, 100.0, 2).content
    assert ran(content, 1.5, 4)[0] == 6.0
    chosen = dout.export(lambda x, mask: np.where(mask, x, 0), None, np.ones((2, 3)), np.ones((2, 3), bool)).content
    assert np.array_equal(ran(chosen, [[1.0, 2.0, 3.0]], [[True, False, True]])[0], [[1, 0, 3]])


def test_what_is_given_is_given_back_under_a_name_of_its_own():
    model = dout.export(lambda x: (x, x * 2, x), None, np.ones(3))
    names = [value.name for value in (*model.model.graph.inputs, *model.model.graph.outputs)]
    assert names == ["x", "out0", "out1", "out2"]


def test_names_are_identifiers_whatever_the_user_writes():
    class Named:
        def __init__(self):
            self.params = {"W\x1b[31m 1": np.ones((3, 3)), "ü" * 100: np.ones(3)}

        def forward(self, x):
            return x @ self.params["W\x1b[31m 1"] + self.params["ü" * 100]

    names = [*dout.export(Named(), None, np.ones((2, 3))).model.graph.initializers]
    assert all(name.isidentifier() and name.isascii() for name in names)


def test_a_net_is_left_as_it_was():
    class Counting:
        def __init__(self):
            self.turns, self.training = 0, True

        def forward(self, x):
            self.turns += 1
            return x * 2 if self.training else x + 1

    net = Counting()
    model = dout.export(net, None, np.ones((2, 3)))
    assert (net.turns, net.training) == (0, True)
    assert model.notes == ("exported as it is used: Counting.training = False",)
    assert np.array_equal(ran(model.content, [[1.0, 2.0, 3.0]])[0], [[2, 3, 4]])


def test_two_steps_in_a_row_that_only_move_are_one():
    def moved(x):
        return x.transpose(2, 0, 1).transpose(1, 2, 0).reshape(3, -1).reshape(len(x), -1) + 1

    model = dout.export(moved, None, np.ones((2, 3, 4)))
    assert [node.op_type for node in model.model.graph] == ["Reshape", "Add"]


class BookDropout:
    """A Dropout that is told by an argument whether the net trains, in the manner of the book."""

    def forward(self, x, train_flg=True):
        return x * (np.random.rand(*x.shape) > 0.5) if train_flg else x * 0.5  # noqa: NPY002


def test_a_layer_that_trains_by_default_is_told_that_it_is_used():
    model = dout.export([layers.Affine(weights(3, 2), weights(2)), BookDropout()], None, np.ones((2, 3)))
    assert [node.op_type for node in model.model.graph] == ["MatMul", "Add", "Mul"]


def test_a_model_that_is_too_large_for_a_file_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.import_module("dout.export.onnx_export"), "MOST_BYTES", 100)
    with pytest.raises(TargetError, match=r"0\.0 GB of numbers.*export a part of it"):
        dout.export(*NETS["two layers"][:1], None, *NETS["two layers"][1])


FOLDER = Path(__file__).parents[1] / "idioms"
IDIOMS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
REFUSED = {  # what no model can do, and the words that say so
    "branch_on_a_value": "by the value of an input",
    **dict.fromkeys(["dropout", "draws_of_a_random_state"], "draws random numbers"),
    **dict.fromkeys(["masked_read", "masked_write_of_values"], "that a condition selects"),
}
OTHERWISE = {  # what a model does otherwise
    "large_integers": "Python's whole numbers have no end",
    "running_mean": "it is exported as it is used, not as it trains",
}


@pytest.mark.one_in(8)
@pytest.mark.parametrize("name", [name for name in IDIOMS if name not in OTHERWISE])
def test_an_idiom_agrees_with_onnxruntime(name):
    spec = importlib.util.spec_from_file_location(f"exported_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    inputs = [np.array(item) if isinstance(item, list) else item for item in module.INPUTS]
    target = module.Layer() if hasattr(module, "Layer") else module.run
    if name in REFUSED:
        with pytest.raises(UnsupportedError, match=REFUSED[name]):
            dout.export(target, None, *inputs)
        return
    content = dout.export(target, None, *inputs).content
    wanted = list(flat(deep_copy(getattr(target, "forward", target))(*deep_copy(inputs))))
    for got, one in zip(ran(content, *inputs), wanted, strict=True):
        np.testing.assert_allclose(got, np.asarray(one), rtol=1e-6 if got.dtype == np.float32 else 1e-12, atol=1e-12)


@pytest.mark.long
@given(programs())
@settings(FEWER, max_examples=40)
def test_random_programs_agree_with_onnxruntime(program):
    arguments = program.arguments()
    try:
        content = dout.export(program.function(), None, *arguments).content
    except UnsupportedError:  # what a condition selects
        reject()
    wanted = program.function()(*program.arguments())
    for got, one in zip(ran(content, *program.arguments()), wanted, strict=True):
        digits = 1e-4 if one.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(got, one, rtol=digits, atol=digits)
