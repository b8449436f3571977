"""Pairs of functions that hand a cache from forward to backward, and a loss function that returns its gradient."""

import numpy as np

from dout.trace.record.script import run_script
from dout.trace.session.function_layers import PairedFunctions

PROGRAM = """
import numpy as np
rng = np.random.default_rng(0)

def affine_forward(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)

def relu_forward(x):
    return np.maximum(x, 0), x

def relu_backward(dout, cache):
    return dout * (cache > 0)

def softmax_loss(x, y):
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(x)), y]).AVERAGE()
    dx = p.copy()
    dx[np.arange(len(x)), y] -= 1
    return loss, dx / len(x)

w1, b1 = rng.normal(size=(3, 4)), np.zeros(4)
w2, b2 = rng.normal(size=(4, 2)), np.zeros(2)
x, y = rng.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])
hidden, cache1 = affine_forward(x, w1, b1)
active, cache2 = relu_forward(hidden)
scores, cache3 = affine_forward(active, w2, b2)
loss, dscores = softmax_loss(scores, y)
dactive, dw2, db2 = affine_backward(dscores, cache3)
dhidden = relu_backward(dactive, cache2)
dx, dw1, db1 = affine_backward(dhidden, cache1)
"""


def pairs_of(names):
    for name in names:
        backward = name.replace("_forward", "_backward")
        if backward != name and backward in names:
            yield PairedFunctions(name, backward)


def trace_of(folder, average="mean"):
    (folder / "net.py").write_text(PROGRAM.replace("AVERAGE", average))
    run = run_script(folder / "net.py", pairs_of=pairs_of)
    assert run.error is None
    return run.trace()


def test_a_cache_is_no_output_and_what_it_is_handed_back_as_no_gradient(tmp_path):
    trace = trace_of(tmp_path)
    assert [call.cls for call in trace.calls] == ["affine_forward", "relu_forward", "affine_forward"]
    relu = trace.calls[1]
    assert len([node for node in relu.outputs if node is not None]) == 1
    assert all(call.douts is not None and len(call.douts) == 1 for call in trace.calls)
    assert not trace.wrong


def test_the_loss_that_a_function_computes_begins_the_gradients_of_its_own_steps(tmp_path):
    trace = trace_of(tmp_path)
    (loss,) = (value for value in trace.values if value.name == "loss")
    assert loss.gradient.value == 1
    exps = [value for value in trace.values if value.node.primitive.name == "exp"]
    assert exps
    assert all(value.gradient is not None for value in exps)
    scores = trace.by_node[trace.calls[2].outputs[0]]
    p = np.exp(scores.data) / np.exp(scores.data).sum(axis=1, keepdims=True)
    right = (p - np.eye(2)[[0, 1, 1, 0, 1]]) / 5  # by hand
    np.testing.assert_allclose(scores.gradient.value, right, rtol=1e-12, atol=1e-15)


def test_a_loss_whose_gradients_are_not_those_that_backward_begins_with_has_none(tmp_path):
    trace = trace_of(tmp_path, average="sum")
    (loss,) = (value for value in trace.values if value.name == "loss")
    assert loss.gradient is None
    assert not trace.wrong
