"""Where a round of a script begins and ends: with its batch, and where its layers go forward once more."""

import math

import pytest
from recorded_scripts import record_script

from dout.errors import TargetError, UserCodeError
from dout.graph import topological
from dout.trace.tracer import script_tracer

LAYERS = """
import numpy as np
class Affine:
    def forward(self, x, W):
        self.x, self.W = x, W
        return x @ W
    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout
class Loss:
    def forward(self, y, t):
        self.d = y - t
        return np.sum(self.d ** 2) / 2
    def backward(self, dout=1):
        return self.d * dout
"""
TRAINING = """
class Net:
    def __init__(self):
        self.W, self.affine, self.loss = np.ones((3, 2)), Affine(), Loss()
    def forward(self, x):
        return self.affine.forward(x, self.W)
    def backward(self, x, t):
        self.loss.forward(self.forward(x), t)
        _, self.dW = self.affine.backward(self.loss.backward())
net = Net()
data, labels = np.arange(300.).reshape(100, 3) / 100, np.ones((100, 2))
for i in range(100):
    x, t = data[i:i + 4], labels[i:i + 4]
    net.backward(x, t)
    net.W -= 0.1 * net.dW
    print(i)
"""


def test_a_backward_that_goes_forward_itself_is_a_step_whose_layers_are_shown(tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text(LAYERS + TRAINING, encoding="utf-8")
    trace = record_script(script)
    assert [call.cls for call in trace.calls] == ["Net", "Affine", "Loss"]
    assert [call.gradients is not None for call in trace.calls] == [False, True, True]
    assert not trace.wrong
    assert capsys.readouterr().out == "0\n"  # it was stopped where its second round begins


def test_a_round_begins_with_its_batch(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(LAYERS + TRAINING, encoding="utf-8")
    trace = record_script(script)
    assert trace.graph.inputs["x"].shape == (4, 3)
    led = topological([node for call in trace.calls for node in call.outputs])
    assert max(math.prod(node.shape) for node in led) == 12  # none of the whole data


def test_what_makes_the_input_of_a_layer_is_shown_where_nothing_is_chosen_from_data(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(LAYERS + "x = np.ones((2, 3))\nAffine().forward(x * 2, np.ones((3, 1)))\n", encoding="utf-8")
    assert "multiply" in {node.primitive.name for node in record_script(script).graph.nodes}


def test_the_first_of_a_menu_is_chosen_where_a_question_lists_it(tmp_path, capsys):
    asks = "print([input(q) for q in ('1. digits\\n2. letters\\n', 'rate (0.1): ', 'x1: ')])\n"
    script = tmp_path / "ask.py"
    script.write_text(LAYERS + asks + "Affine().forward(np.ones((2, 3)), np.ones((3, 1)))\n", encoding="utf-8")
    record_script(script)
    assert capsys.readouterr().out.endswith("['1', '', '']\n")


def test_of_a_program_that_calls_none_of_its_layers_the_preparation_is_not_shown(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(LAYERS + "x = np.arange(6.) / 255\n", encoding="utf-8")
    with pytest.raises(TargetError, match=r"calls none of its layers \(Affine, Loss\)"):
        record_script(script)
    script.write_text(LAYERS + "x = np.arange(6.) / 255\nx.missing\n", encoding="utf-8")
    with pytest.raises(UserCodeError, match="AttributeError"):
        record_script(script)


def test_of_a_backward_that_goes_on_and_on_the_forward_is_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script_tracer, "MOST", 100)
    script = tmp_path / "train.py"
    script.write_text(
        """
import numpy as np
class Net:
    def forward(self, x):
        self.x = x
        return x * 2
    def backward(self, dout):
        for _ in range(1000):
            dout = dout + 1
        return dout
net = Net()
for i in range(9):
    net.backward(net.forward(np.ones(3)))
    print(i)
""",
        encoding="utf-8",
    )
    trace = record_script(script)
    assert [call.cls for call in trace.calls] == ["Net"]
    assert [event.kind for event in trace.events] == ["limit"]
    assert not capsys.readouterr().out
