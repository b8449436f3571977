"""Pairs of functions over dicts of parameters, over settings, and of other functions, are driven and judged whole."""

import importlib.util

import pytest

from dout import check
from dout.adapt.interface.function_pairs import function_pairs, pair_class
from dout.adapt.source.empty_methods import gives_nothing, is_stub, is_unwritten
from dout.judge.outcomes import Word

BAD = {Word.REFUTED, Word.INCONCLUSIVE}
GATED = """
import numpy as np


def gated_forward(xt, s_prev, weights):
    keep = np.tanh(weights["Ws"] @ s_prev + weights["Wx"] @ xt + weights["bs"])
    seen = np.tanh(weights["Wz"] @ s_prev + weights["Wv"] @ xt + weights["bz"])
    s_next = keep * seen
    read = weights["Wr"] @ s_next
    return s_next, read, (xt, s_prev, keep, seen, weights)


def gated_backward(ds_next, cache):
    xt, s_prev, keep, seen, weights = cache
    dkeep = ds_next * seen * (1 - keep ** 2)
    dseen = ds_next * keep * (1 - seen ** 2)
    return {
        "ds_prev": weights["Ws"].T @ dkeep + weights["Wz"].T @ dseen,
        "dWz": dseen @ s_prev.T, "dWs": dkeep @ s_prev.T, "dWv": dseen @ xt.T, "dWx": dkeep @ xt.T,
        "dbz": dseen.sum(axis=1, keepdims=True), "dbs": dkeep.sum(axis=1, keepdims=True),
        "dxt": weights["Wx"].T @ dkeep + weights["Wv"].T @ dseen,
    }
"""
USES = """
import numpy as np
from layers import gated_forward


def test_gated():
    xt, s = np.random.randn(3, 4), np.random.randn(5, 4)
    square, wide, bias = np.random.randn(5, 5), np.random.randn(5, 3), np.random.randn(5, 1)
    given = {"Ws": square, "Wz": square, "Wx": wide, "Wv": wide, "bs": bias, "bz": bias, "Wr": np.random.randn(2, 5)}
    gated_forward(xt, s, given)
"""


def loaded(folder, source):
    """The module in a file with this source."""
    file = folder / "layers.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("layers", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pair(folder, source, name):
    """The pair of functions of this name in a file with this source."""
    return function_pairs(vars(loaded(folder, source)))[name]


def words(target):
    """The word of each verdict, by its argument."""
    return {v.argument: v.word for v in check(target).verdicts}


def test_a_call_in_a_test_gives_the_parameters_and_a_dict_of_gradients_is_read_by_its_keys(tmp_path):
    (tmp_path / "test_layers.py").write_text(USES)
    found = words(pair(tmp_path, GATED, "gated_forward"))
    assert set(found) == {"xt", "s_prev", "Ws", "Wz", "Wx", "Wv", "bs", "bz"}
    assert set(found.values()) == {Word.EXACT}


def test_gradients_that_are_exchanged_in_a_dict_are_wrong(tmp_path):
    (tmp_path / "test_layers.py").write_text(USES)
    wrong = GATED.replace('"dWs": dkeep', '"dWs": dseen')
    found = words(pair(tmp_path, wrong, "gated_forward"))
    assert {name for name, word in found.items() if word == Word.REFUTED} == {"Ws"}


COMPOSED = """
import numpy as np


def scaled_forward(x, w, b, scale_param):
    N, C, H, W = x.shape
    F, _, _, _ = w.shape
    cols = np.einsum("nchw,fcij->nfhw", x, w) * scale_param["factor"]
    return cols + b.reshape(1, F, 1, 1), (x, w, scale_param)


def scaled_backward(dout, cache):
    x, w, scale_param = cache
    dout = dout * scale_param["factor"]
    dx = np.einsum("nfhw,fcij->nchw", dout, w)
    dw = np.einsum("nfhw,nchw->fc", dout, x)[:, :, None, None] * np.ones(w.shape)
    return dx, dw, dout.sum(axis=(0, 2, 3)) / scale_param["factor"]


def centred_forward(x, gamma, beta, norm_param):
    mean = x.mean(axis=(0, 2, 3), keepdims=True)
    norm_param["mean"] = mean
    return gamma.reshape(1, -1, 1, 1) * (x - mean) + beta.reshape(1, -1, 1, 1), (x - mean, gamma)


def centred_backward(dout, cache):
    centred, gamma = cache
    dx = dout * gamma.reshape(1, -1, 1, 1)
    dx = dx - dx.mean(axis=(0, 2, 3), keepdims=True)
    return dx, (dout * centred).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


def scaled_centred_forward(x, w, b, gamma, beta, scale_param, norm_param):
    a, scaled = scaled_forward(x, w, b, scale_param)
    out, centred = centred_forward(a, gamma, beta, norm_param)
    return out, (scaled, centred)


def scaled_centred_backward(dout, cache):
    scaled, centred = cache
    da, dgamma, dbeta = centred_backward(dout, centred)
    return *scaled_backward(da, scaled), dgamma, dbeta
"""
GROUPED = '''
import numpy as np


def grouped_forward(x, gamma, beta, G, group_param):
    """
    - x: images of shape (N, C, H, W)
    - gamma: of shape (C,)
    - beta: of shape (C,)
    """
    N, C, H, W = x.shape
    parts = x.reshape(N, G, C // G, H, W) * group_param.get("scale", 2.0)
    hat = (parts - parts.mean(axis=2, keepdims=True)).reshape(x.shape)
    return gamma * hat + beta, (hat, gamma, G, group_param)


def grouped_backward(dout, cache):
    hat, gamma, G, group_param = cache
    N, C, H, W = dout.shape
    parts = (dout * gamma).reshape(N, G, C // G, H, W)
    dx = (parts - parts.mean(axis=2, keepdims=True)).reshape(dout.shape) * group_param.get("scale", 2.0)
    every = {"axis": (0, 2, 3), "keepdims": True}
    return dx, (dout * hat).sum(**every), dout.sum(**every)
'''
CHOSEN = """
import numpy as np


def through_forward(A, W, b, which):
    Z = W @ A + b
    if which == "tanh":
        out = np.tanh(Z)
    elif which == "square":
        out = Z ** 2
    return out, (A, W, Z)


def through_backward(dA, cache, which):
    A, W, Z = cache
    dZ = dA * (1 - np.tanh(Z) ** 2) if which == "tanh" else dA * 2 * Z
    return W.T @ dZ, dZ @ A.T, dZ.sum(axis=1, keepdims=True)
"""
LOSS = """
import numpy as np


def size_of(weights):
    return sum(np.sum(weights[key] ** 2) for key in weights.keys() if key.startswith("W"))


def one_hot(labels):
    found = np.zeros((labels.size, labels.max() + 1))
    found[range(labels.size), labels] = 1.0
    return found


def square_loss(weights, y_pred, y_train, decay=1e-3):
    return 0.5 * np.sum((one_hot(y_train) - y_pred) ** 2) / len(y_pred) + decay * size_of(weights)


def dsquare_loss(y_pred, y_train):
    return (y_pred - one_hot(y_train)) / len(y_pred)
"""


def test_the_axes_of_a_filter_and_of_what_comes_after_it_are_found(tmp_path):
    found = words(pair(tmp_path, COMPOSED, "scaled_centred_forward"))
    assert set(found) == {"x", "w", "b", "gamma", "beta"}
    assert not set(found.values()) & BAD  # b is taken away again: its gradient is 0


def test_a_number_of_groups_is_no_array_and_a_scale_may_have_the_axes_of_an_image(tmp_path):
    found = words(pair(tmp_path, GROUPED, "grouped_forward"))
    assert found == {"x": Word.EXACT, "gamma": Word.EXACT, "beta": Word.EXACT}


def test_a_string_that_chooses_is_given_to_both(tmp_path):
    found = words(pair(tmp_path, CHOSEN, "through_forward"))
    assert found == {"A": Word.EXACT, "W": Word.EXACT, "b": Word.EXACT}


def test_a_loss_that_also_takes_the_parameters_is_one_of_the_prediction(tmp_path):
    found = words(pair(tmp_path, LOSS, "square_loss"))
    assert set(found) == {"y_pred"}
    assert not set(found.values()) & BAD


def test_what_a_run_writes_into_a_dict_of_settings_is_not_in_the_example(tmp_path):
    from dout.adapt.search.example import example

    assert "mean" not in example(pair(tmp_path, COMPOSED, "centred_forward"), {}, {}).inputs["norm_param"]


CELLS = """
import numpy as np


def joined_forward(xt, h_prev, c_prev, weights):
    both = np.concatenate((h_prev, xt), axis=0)
    keep = np.tanh(np.dot(weights["Wk"], both) + weights["bk"])
    new = np.tanh(weights["Wn"] @ both + weights["bn"])
    c_next = keep * c_prev + new
    return c_next, (keep, new, both, c_prev, len(h_prev), weights)


def joined_backward(dc_next, cache):
    keep, new, both, c_prev, n, weights = cache
    dkeep, dnew = dc_next * c_prev * (1 - keep ** 2), dc_next * (1 - new ** 2)
    dboth = weights["Wk"].T @ dkeep + weights["Wn"].T @ dnew
    return {
        "dh_prev": dboth[:n], "dxt": dboth[n:], "dc_prev": dc_next * keep,
        "dWn": dnew @ both.T, "dWk": dkeep @ both.T,
        "dbn": dnew.sum(axis=1, keepdims=True), "dbk": dkeep.sum(axis=1, keepdims=True),
    }
"""
KEPT_APART = """
import numpy as np


def centre_forward(X, gamma, cache, rate=0.5):
    mean, = cache
    mu = X.mean(axis=0)
    mean = rate * mean + (1 - rate) * mu
    cache = (X - mu, gamma)
    return gamma * (X - mu), cache, mean


def centre_backward(dout, cache):
    centred, gamma = cache
    dX = dout * gamma
    return dX - dX.mean(axis=0), (dout * centred).sum(axis=0)
"""
SHOWN = """
def show_forward(layer):
    print(layer.forward(1.0))


def show_backward(layer):
    print(layer.backward(1.0))


def cell_forward(sizes):
    return True


def cell_backward(sizes, expected):
    return False
"""


def test_the_axes_of_a_dict_of_parameters_are_those_that_its_products_need(tmp_path):
    found = words(pair(tmp_path, CELLS, "joined_forward"))
    assert set(found) == {"xt", "h_prev", "c_prev", "Wk", "Wn", "bk", "bn"}
    assert set(found.values()) == {Word.EXACT}


def test_a_cache_may_stand_before_what_is_no_output(tmp_path):
    assert words(pair(tmp_path, KEPT_APART, "centre_forward")) == {"X": Word.EXACT, "gamma": Word.EXACT}


def test_functions_that_give_nothing_are_no_layer(tmp_path):
    module = loaded(tmp_path, SHOWN)
    assert function_pairs(vars(module)) == {}


REGRESSED = """
import numpy as np


def apart_loss(weights, y_pred, y_train):
    return 0.5 * np.sum((y_train - y_pred) ** 2) / y_pred.shape[0] + sum(np.sum(w ** 2) for w in weights.values())


def dapart_loss(y_pred, y_train):
    return (y_pred - y_train.reshape(-1, 1)) / y_pred.shape[0]
"""


def test_a_target_may_have_to_be_a_column(tmp_path):
    assert words(pair(tmp_path, REGRESSED, "apart_loss")) == {"y_pred": Word.EXACT}


def square(self, x):
    return x * x


def square_derivative(self, x):
    return 2 * x


def test_functions_that_take_self_are_methods():
    report = check(pair_class(square, square_derivative))
    assert [str(verdict.word) for verdict in report.verdicts] == ["exact"]


def template_forward(x, w):
    out = None
    cache = (x, w)
    return out, cache


def template_backward(dout, cache):
    dx, dw = None, None
    return dx, dw


def filled_backward(dout, cache):
    dx, dw = None, None
    dx = dout * cache[1]
    return dx, dw


def cast_forward(x, rate):
    out, mask = None, None
    out = out.astype(x.dtype)
    return out, (rate, mask)


def filled_and_cast_forward(x, rate):
    out = None
    out = x * rate
    out = out.astype(x.dtype)
    return out, rate


@pytest.mark.parametrize(
    ("function", "nothing"),
    [
        (template_forward, True), (template_backward, True), (filled_backward, False), (cast_forward, True),
        (filled_and_cast_forward, False),
    ],
)  # fmt: skip
def test_a_template_that_nobody_filled_in_gives_nothing(function, nothing):
    assert gives_nothing(function) == nothing


VALLEY = """
import numpy as np

def valley(x, y):
    return (1 - x) ** 2 + 5 * (y - x**2) ** 2


def valley_grad(x, y):
    return np.array([-2 * (1 - x) - 20 * x * (y - x**2), 10 * (y - x**2)])
"""


def test_the_gradients_of_several_inputs_may_come_in_one_array(tmp_path):
    assert words(pair(tmp_path, VALLEY, "valley")) == {"x": Word.EXACT, "y": Word.EXACT}


def test_a_method_that_only_raises_is_not_written(tmp_path):
    text = "class Base:\n    def forward(self, x):\n        raise Exception('to do')\n\n    backward = forward\n"
    base = loaded(tmp_path, text).Base
    assert is_stub(base.forward)
    assert is_unwritten(base, "backward")


MODULE_ARRAYS = """
import numpy as np

Wx, Wh = np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-0.5, 0.5, 16).reshape(4, 4)
b = np.zeros((4, 1))


def one_hot(i):
    x = np.zeros((3, 1))
    x[i] = 1
    return x


def loss_of_text(inputs, targets, h_prev):
    hs, loss = {-1: h_prev}, 0
    for t in range(len(inputs)):
        hs[t] = np.tanh(Wx @ one_hot(inputs[t]) + Wh @ hs[t - 1] + b)
        loss += 0.5 * np.sum((hs[t] - targets[t]) ** 2)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh_next = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        draw = (1 - hs[t] ** 2) * (hs[t] - targets[t] + dh_next)
        dWx += draw @ one_hot(inputs[t]).T
        dWh += draw @ hs[t - 1].T
        db += draw
        dh_next = Wh.T @ draw
    return loss, dWx, dWh, db, hs[len(inputs) - 1]
"""


@pytest.mark.parametrize(
    ("line", "wrong"),
    [("draw @ hs[t - 1].T", set()), pytest.param("draw @ hs[t].T", {"Wh"}, marks=pytest.mark.long)],
)
def test_the_arrays_of_a_module_are_parameters_of_the_functions_that_read_them(tmp_path, line, wrong):
    module = loaded(tmp_path, MODULE_ARRAYS.replace("draw @ hs[t - 1].T", line))
    before = module.Wh.copy()
    found = words(function_pairs(vars(module))["loss_of_text"])
    assert set(found) == {"Wx", "Wh", "b"}
    assert {name for name, word in found.items() if word == Word.REFUTED} == wrong
    assert module.Wh.tolist() == before.tolist()
