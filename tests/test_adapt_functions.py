"""Pairs of functions over dicts of parameters, over settings, and of other functions, are driven and judged whole."""

import importlib.util

from dout import check
from dout.adapt.functions import function_pairs
from dout.check.model import Word

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


def pair(folder, source, name):
    """The pair of functions of this name in a file with this source."""
    file = folder / "layers.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("layers", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return function_pairs(module)[name]


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
