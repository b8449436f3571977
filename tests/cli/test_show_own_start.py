"""A function that goes back from what forward returned, without an upstream gradient, may divide by the samples."""

import pytest
from show_commands import script

from dout.check.verb.excused_gradients import with_conventions
from dout.cli.show_command import _methods_of, _pairs_of
from dout.trace.record.script import run_script

PROGRAM = """
import numpy as np
def relu(Z):
    return np.maximum(0, Z)
def relu_backward(dA, Z):
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ
def net_forward(X, params):
    memory = {"A0": X}
    memory["Z1"] = params["W1"] @ X + params["b1"]
    memory["A1"] = relu(memory["Z1"])
    memory["Z2"] = params["W2"] @ memory["A1"] + params["b2"]
    powers = np.exp(memory["Z2"])
    return powers / powers.sum(axis=0), memory
def net_backward(Y_hat, Y, memory, params):
    m = Y.shape[1]
    dZ2 = Y_hat - Y
    dZ1 = relu_backward(params["W2"].T @ dZ2, memory["Z1"])
    return {
        "dW2": dZ2 @ memory["A1"].T / m, "db2": dZ2.sum(axis=1, keepdims=True) / m,
        "dW1": dZ1 @ memory["A0"].T / FACTOR, "db1": dZ1.sum(axis=1, keepdims=True) / m,
    }
draw = np.random.default_rng(0)
params = {"W1": draw.normal(size=(4, 5)), "b1": draw.normal(size=(4, 1)),
          "W2": draw.normal(size=(3, 4)), "b2": draw.normal(size=(3, 1))}
X, Y = draw.normal(size=(5, 7)), np.eye(3)[:, [0, 1, 2, 0, 1, 2, 0]]
for epoch in range(3):
    Y_hat, memory = net_forward(X, params)
    loss = -np.sum(Y * np.log(Y_hat)) / Y.shape[1]
    grads = net_backward(Y_hat, Y, memory, params)
    for name in params:
        params[name] -= 0.1 * grads["d" + name]
"""


@pytest.mark.parametrize(("factor", "is_right"), [("m", True), ("(2 * m)", False)])
def test_gradients_divided_by_the_samples_are_right_by_a_convention(tmp_path, factor, is_right):
    path = script(tmp_path, PROGRAM.replace("FACTOR", factor))
    trace = with_conventions(run_script(path, methods_of=_methods_of, pairs_of=_pairs_of).trace(), {})
    assert (trace.wrong == ()) == is_right
    said = [event.message for event in trace.events if event.kind == "convention"]
    assert said
    assert all("1/7 of the derivative" in message for message in said)
