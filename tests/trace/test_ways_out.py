"""Every way in which a value can leave a trace: recorded, an event, an orphan, or an error that says what to do."""

import copy
import functools
import importlib
import itertools
import json
import math
import pickle
import statistics
import struct
import threading

import numpy as np
import pytest

import dout


def real():
    """NumPy as a C extension or another library has it: the trace does not see its calls."""
    return importlib.import_module("numpy")


def through_a_thread(x):
    found = []
    thread = threading.Thread(target=lambda: found.append(x * 2.0))
    thread.start()
    thread.join()
    return x + found[0]


# What is done to an array of two numbers, or to a plain number; the outcome; and for an error or event, what it says.
WAYS = {
    "item": (lambda x: x[0].item() * 2.0, "recorded"),
    "item by place": (lambda x: x.item(1) * x.reshape(1, 2).item(0, 1) * x.reshape(2, 1).item(-2), "recorded"),
    "tolist": (lambda x: sum(x.tolist()), "recorded"),
    "iteration": (lambda x: sum(v * v for v in x), "recorded"),
    "unpacking": (lambda x: (lambda a, b: a * b)(*x), "recorded"),
    "np.array of elements": (lambda x: np.sum(np.array([x[0], x[1] * 2.0])), "recorded"),
    "np.asarray": (lambda x: np.sum(np.asarray(x) * 2.0), "recorded"),
    "copy.copy": (lambda x: np.sum(copy.copy(x) * 2.0), "recorded"),
    "copy.deepcopy": (lambda x: np.sum(copy.deepcopy([x])[0] * 2.0), "recorded"),
    "math on a number": (lambda x: math.exp(x[0].item()), "recorded"),
    "write into a new array": (lambda x: _written(x), "recorded"),
    "sum()": (lambda x: sum(x), "recorded"),
    "max()": (lambda x: max(x) * 2.0, "branch"),
    "bool": (lambda x: x[0] * 2.0 if x[0] > 0 else x[1], "branch"),
    "in": (lambda x: np.sum(x) if 1.0 in x else x[0], "branch"),
    "sorted": (lambda x: sorted(x)[1] * 2.0, "branch"),
    "math.isclose": (lambda x: np.sum(x) if math.isclose(x[0], x[0]) else x[0], "branch"),
    "np.allclose": (lambda x: np.sum(x) if np.allclose(x, x) else x[0], "branch"),
    "int": (lambda x: np.sum(x) * int(x[1]), "index"),
    "range": (lambda x: sum(x[0] for _ in range(np.argmax(x) + 1)), "index"),
    "slice": (lambda x: np.sum(x[: np.argmax(x) + 1]), "index"),
    "shape": (lambda x: np.sum(np.zeros((np.argmax(x) + 1, 2)) + x), "index"),
    "float": (lambda x: float(x[0]) * x[1], "recorded"),
    "float of a sum": (lambda x: np.sum(x * (float(np.sum(x * x)) + 1.0)), "recorded"),
    "map(float)": (lambda x: max(map(float, x[:1])) * x[1], "recorded"),
    "total += float": (lambda x: functools.reduce(lambda total, v: total + float(v) ** 2, x, 0.0), "recorded"),
    "float of text": (lambda x: x[0] * float("2.5"), "recorded"),
    "np.nditer for places": (lambda x: by_places(x), "recorded"),
    "np.nditer for numbers": (lambda x: x[0] * float(sum(v for v in np.nditer(x))), "escape"),
    "np.vectorize": (lambda x: np.sum(np.vectorize(lambda v: v * v)(x)), "recorded"),
    "json.dumps": (lambda x: x[0] * (len(json.dumps([float(x[1])])) > 0), "recorded"),
    "print(float)": (lambda x: x[0] * (len(f"{float(x[1]):.3f} {f'{float(x[1]):g}'}") > 0), "recorded"),
    "modulo of a float": (lambda x: float(x[1]) % 2.0 * x[0], "recorded"),
    "float by another name": (
        lambda x, convert=float: convert(x[0]) * x[1],
        r"float\(...\) turns a traced value into a plain number",
    ),
    "np.float32": (lambda x: np.float32(x[0]) * x[1], r"np\.float32\(...\) turns a traced value into a plain number"),
    "np.float64": (lambda x: np.float64(x[0]) * x[1], r"np\.float32\(...\) turns a traced value into a plain number"),
    "statistics": (lambda x: x[0] * statistics.mean([float(v) for v in x]), "escape"),
    "struct": (lambda x: x[0] * struct.unpack("d", struct.pack("d", x[1]))[0], "escape"),
    "complex": (lambda x: complex(x[0]) * x[1], r"complex\(...\) turns a traced value into a plain number"),
    "an unknown function": (lambda x: np.linalg.svd(np.outer(x, x)), r"np\.linalg\.svd is not in dout's table"),
    "an unknown method": (lambda x: x.byteswap(), r"ndarray\.byteswap of a traced value"),
    "the flat iterator": (lambda x: x.flat[0] * x.flat[1], "recorded"),
    "the flat iterator of columns": (lambda x: np.stack([x, x]).T.flat[0] * x[1], "recorded"),
    "the sum of that": (lambda x: np.sum(np.stack([x, x]).T.flat), "a FlatElements cannot be an operand"),
    "a write into that": (lambda x: np.stack([x, x]).T.flat.__setitem__(0, 1), r"ndarray\.flat of a traced value"),
    "the memory itself": (lambda x: x.data, r"ndarray\.data of a traced value"),
    "another view": (lambda x: x.view(np.int64), r"ndarray\.view of a traced value"),
    "real numpy's array()": (lambda x: np.sum(x * real().array(x)), "orphan"),
    "real numpy's dot": (lambda x: np.sum(x * real().ones((2, 2)).dot(x)), "orphan"),
    "real numpy's nditer": (
        lambda x: np.sum(x * real().array([float(v) for v in real().nditer(real().array(x))])),
        "orphan",
    ),
    "pickle": (lambda x: np.sum(x * pickle.loads(pickle.dumps(x))), "orphan"),
    "itertools": (lambda x: sum(itertools.accumulate(x)), "recorded"),
    "another thread": (through_a_thread, "orphan"),
}


def by_places(x):
    """The book's numerical_gradient goes over an array like this."""
    total, it = 0.0, np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not it.finished:
        total = total + x[it.multi_index] ** 2
        it.iternext()
    return total


def _written(x):
    y = np.zeros(2)
    y[:] = x
    y[0] *= 3.0
    return np.sum(y)


@pytest.mark.parametrize("way", WAYS)
def test_a_value_leaves_only_as_said(way):
    function, outcome = WAYS[way]
    x = np.array([1.0, 2.0])
    if outcome in ("recorded", "branch", "index", "orphan", "escape"):
        trace = dout.trace(function, x)
        kinds = {event.kind for event in trace.events}
        np.testing.assert_array_equal(trace.outputs, function(x))
        assert "replay" not in kinds
        if outcome in ("orphan", "escape"):
            assert outcome in kinds
        else:
            assert kinds == ({outcome} - {"recorded"})
            assert trace["x"].gradient is not None
    else:
        with pytest.raises(dout.DoutError, match=rf"{outcome}.*, at .*test_ways_out\.py:\d+"):
            dout.trace(function, x)


@pytest.mark.parametrize("way", [way for way, (_, outcome) in WAYS.items() if outcome in ("orphan", "escape")])
def test_after_an_orphan_or_escape_no_gradient_is_given(way):
    with pytest.raises(dout.DoutError, match="no gradient can be given"):
        dout.grad(lambda x: np.sum(WAYS[way][0](x)))(np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    "way", [way for way, (_, outcome) in WAYS.items() if outcome in ("recorded", "branch", "index")]
)
def test_what_is_recorded_has_the_right_gradient(way):
    function = WAYS[way][0]
    x, h = np.array([1.0, 2.5]), 1e-6
    slopes = [(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(dout.grad(lambda x: np.sum(function(x)))(x), slopes, rtol=1e-6, atol=1e-8)
