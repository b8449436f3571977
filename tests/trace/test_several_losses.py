"""Programs whose gradient begins in several places, and parameters that several calls share."""

import numpy as np
import pytest
from recorded_scripts import record_script

TWO_LOSSES = """
import numpy as np

class Tanh:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        self.y = np.tanh(x @ self.W)
        return self.y
    def backward(self, dout):
        d = dout * (1 - self.y**2)
        self.dW = self.x.T @ d
        return d @ self.W.T

rng = np.random.default_rng(0)
first, second = Tanh(rng.normal(size=(3, 4))), Tanh(rng.normal(size=(4, 4)))
t = rng.normal(size=(2, 4))
h = first.forward(rng.normal(size=(2, 3)))
y = second.forward(h)
d = second.backward(y - t)
first.backward(BACK)
"""


def recorded(folder, text):
    file = folder / "train.py"
    file.write_text(text)
    return record_script(file)


@pytest.mark.parametrize("back", ["(h - t) + d", "d + (h - t)", "d + 2 * (h - t) + t"])
def test_a_loss_of_an_inner_value_is_part_of_its_gradient(tmp_path, back):
    trace = recorded(tmp_path, TWO_LOSSES.replace("BACK", back))
    assert not trace.wrong
    (call, _) = trace.calls
    (pair,) = call.parameters
    weight, x, t = trace.data[pair.node], trace.data[call.inputs[0]], trace["t"].data
    h = np.tanh(x @ weight)
    onward = trace.calls[1].gradients[0]
    begun = eval(back, {"h": h, "t": t, "d": trace.data[onward]})
    np.testing.assert_allclose(trace.by_node[pair.node].gradient.value, x.T @ (begun * (1 - h**2)))


def test_a_layer_before_that_is_judged_with_it(tmp_path):
    wrong = TWO_LOSSES.replace("return d @ self.W.T", "return 2 * d @ self.W.T")
    trace = recorded(tmp_path, wrong.replace("BACK", "(h - t) + d"))
    assert trace.wrong


SHARED = """
import numpy as np

class Weights:
    def __init__(self):
        self.w, self.w_diff = np.full(3, 0.5), np.zeros(3)

class State:
    pass

class Cell:
    def __init__(self, weights):
        self.weights, self.state = weights, State()
    def forward(self, x, h):
        self.x, self.h = x, h
        self.state.h = np.tanh(x * self.weights.w + h)
    def backward(self, dh):
        d = dh * (1 - self.state.h**2)
        self.weights.w_diff += d * self.x
        self.state.dh = d

weights = Weights()
cells = [Cell(weights) for _ in range(4)]
for turn in range(3):
    h = np.zeros(3)
    for i, cell in enumerate(cells):
        cell.forward(np.full(3, 0.1 * i + 0.2), h)
        h = cell.state.h
    dh = np.ones(3)
    for cell in cells[::-1]:
        cell.backward(dh)
        dh = cell.state.dh
    weights.w -= 0.1 * weights.w_diff
    weights.w_diff = np.zeros(3)
"""


def test_what_calls_add_to_the_gradient_of_a_shared_parameter_is_each_one_s_own(tmp_path):
    trace = recorded(tmp_path, SHARED)
    assert len(trace.calls) == 4
    assert not trace.wrong
    added = [trace.data[parameter.gradient] for call in trace.calls for parameter in call.parameters]
    (weights,) = {parameter.node for call in trace.calls for parameter in call.parameters}
    assert len(added) == 4
    np.testing.assert_allclose(trace.by_node[weights].gradient.value, sum(added), rtol=1e-12)


def test_what_an_update_takes_of_calls_that_share_a_parameter_is_none_of_their_gradients_alone(tmp_path):
    trace = recorded(tmp_path, SHARED.replace("w_diff", "w_sum"))
    assert len(trace.calls) == 4
    assert not trace.wrong
    assert not any(call.parameters for call in trace.calls)


BEFORE_A_LAYER = """
import numpy as np
class Loss:
    def forward(self, y, t):
        self.d = y - t
        return 0.5 * np.sum(self.d ** 2)
    def backward(self, dout=1.0):
        return dout * self.d
x, W, t = np.cos(np.arange(6.0)).reshape(2, 3), np.sin(np.arange(12.0)).reshape(3, 4), np.ones((2, 4))
z = x @ W
h = np.tanh(z)
loss = Loss()
loss.forward(h, t)
dh = loss.backward()
dz = dh * (1 - SLOPE)
dW = x.T @ dz TERM
W = W - 0.1 * dW
"""


@pytest.mark.parametrize(
    ("slope", "term", "wrong"),
    [
        ("h ** 2", "", []),
        ("h", "", ["z", "W"]),
        ("h ** 2", "* W", ["W"]),
        ("h ** 2", "/ len(x)", []),  # the mean over the samples
        ("h ** 2", "+ 0.1 * W", []),  # the decay of a weight is a loss that is not there
    ],
)
def test_steps_before_a_layer_have_the_gradients_that_the_program_computes(tmp_path, slope, term, wrong):
    path = tmp_path / "train.py"
    path.write_text(BEFORE_A_LAYER.replace("SLOPE", slope).replace("TERM", term))
    trace = record_script(path)
    forward = [node for node in trace.names if node not in trace.backward]
    named = {trace.names[node]: trace.by_node[node].gradient for node in forward}
    assert [name for name in ("z", "W") if named[name].expected is not None] == wrong
    assert len(trace.wrong) == len(wrong)
    assert named["z"].source == "user"
