"""Where a round of a script begins and ends, and of which programs there is something to show."""

import numpy as np
import pytest
from recorded_scripts import record_script

from dout.errors import TargetError, UserCodeError
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


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ("x = np.ones((2, 3)) * 2", "multiply"),
        ("x = np.tanh(np.arange(15.).reshape(5, 3)[:2] @ np.ones((3, 3)))", "tanh"),
        ("x = np.arange(15.).reshape(5, 3)[np.array([1, 2, 2])] * 2.0", "multiply"),
    ],
)
def test_what_makes_the_input_of_a_layer_is_shown(before, shown, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(f"{LAYERS}{before}\nAffine().forward(x, np.ones((3, 1)))\n", encoding="utf-8")
    assert shown in {node.primitive.name for node in record_script(script).graph.nodes}


@pytest.mark.parametrize("first", ["net.loss.backward(1)", "net.affine.backward(net.loss.backward(1))"])
def test_a_backward_is_one_though_a_layer_inside_went_back_before_it(first, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        f"""{LAYERS}
class Net:
    def __init__(self):
        self.affine, self.loss = Affine(), Loss()
    def forward(self, x, t):
        return self.loss.forward(self.affine.forward(x, np.ones((3, 2))), t)
    def backward(self, dout):
        return self.affine.backward(dout)[0]
net = Net()
net.forward(np.ones((4, 3)), np.ones((4, 2)))
{first}
net.backward(np.ones((4, 2)))
""",
        encoding="utf-8",
    )
    assert {call.cls: call.gradients is not None for call in record_script(script).calls}["Net"]


def test_a_backward_that_computes_forward_again_is_no_step(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        f"""{LAYERS}
class Again:
    def forward(self, x):
        self.x, self.affine = x, Affine()
        return self.affine.forward(x, np.ones((3, 2)))
    def backward(self, dout):
        self.affine.forward(self.x, np.ones((3, 2)))
        return self.affine.backward(dout)[0]
again = Again()
again.forward(np.ones((4, 3)))
again.backward(np.ones((4, 2)))
""",
        encoding="utf-8",
    )
    trace = record_script(script)
    assert next((call.cls, call.gradients is not None) for call in trace.calls) == ("Again", True)
    assert not trace.wrong


def test_the_first_of_a_menu_is_chosen_once_where_a_question_lists_several(tmp_path, capsys):
    asks = """
print(input("1. digits\\n2. letters\\n") == "1", [input(q) for q in ("rate (0.1): ", "x1: ", "Size of layer 1: ")])
turns = 0
while input(f"{turns} done. 1 = once more, 0 = stop: ") == "1":
    turns += 1
print(turns)
"""
    script = tmp_path / "ask.py"
    script.write_text(LAYERS + asks + "Affine().forward(np.ones((2, 3)), np.ones((3, 1)))\n", encoding="utf-8")
    record_script(script)
    lines = capsys.readouterr().out.splitlines()
    assert "True ['', '', '']" in lines
    assert lines[-1] == "1"


@pytest.mark.parametrize(
    "program",
    [
        "from layers_of_mine import *\ny = np.tanh(np.arange(6.) * 2)\n",
        LAYERS + "class Net(Affine):\n    def predict(self, x):\n        return x * 2\nNet().predict(np.arange(6.))\n",
    ],
    ids=["imported", "predict"],
)
def test_a_program_that_computes_without_a_forward_is_shown(program, tmp_path):
    (tmp_path / "layers_of_mine.py").write_text(LAYERS, encoding="utf-8")
    (script := tmp_path / "run.py").write_text(program, encoding="utf-8")
    assert "multiply" in {node.primitive.name for node in record_script(script).graph.nodes}


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


MEASURES_BETWEEN = """
import numpy as np
class Flat:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)
    def backward(self, dout):
        return dout.reshape(len(dout), 2, 2)
class Dense:
    def __init__(self):
        self.W = np.arange(12.0).reshape(4, 3)
    def forward(self, x):
        return x @ self.W
    def backward(self, x, dout):
        self.dW = FACTOR * x.T @ dout
        return dout @ self.W.T
X, V, batch = np.arange(20.0).reshape(5, 2, 2), np.ones((OTHER, 2, 2)), np.random.permutation(5)
flat, dense = Flat(), Dense()
a = flat.forward(X[batch])
y = dense.forward(a)
loss = (y * y).sum()
seen = dense.forward(flat.forward(V))
dx = flat.backward(dense.backward(a, 2 * y))
"""


@pytest.mark.parametrize("others", ["5", "7"])
def test_a_backward_belongs_to_the_forward_that_its_gradient_came_of_and_not_to_a_later_measurement(tmp_path, others):
    script = tmp_path / "train.py"
    text = MEASURES_BETWEEN.replace("OTHER", others)
    script.write_text(text.replace("FACTOR * ", ""), encoding="utf-8")
    trace = record_script(script)
    assert [call.gradients is not None for call in trace.calls] == [True, True]
    assert not trace.wrong
    script.write_text(text.replace("FACTOR", "2"), encoding="utf-8")
    assert {wrong.value.shape for wrong in record_script(script).wrong} == {(4, 3)}


def test_picking_a_batch_by_drawn_places_loses_no_gradient(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(MEASURES_BETWEEN.replace("OTHER", "5").replace("FACTOR * ", ""), encoding="utf-8")
    assert not [event for event in record_script(script).events if event.kind == "escape"]


def test_a_measurement_between_forward_and_backward_does_not_prolong_the_round(tmp_path, capsys):
    script = tmp_path / "train.py"
    start, *step = MEASURES_BETWEEN.replace("OTHER", "7").replace("FACTOR * ", "").partition("a = flat")
    loop = "for i in range(9):\n" + "".join(f"    {line}\n" for line in "".join(step).splitlines()) + "    print(i)\n"
    script.write_text(start + loop, encoding="utf-8")
    trace = record_script(script)
    assert [call.name for call in trace.calls] == ["flat", "dense"]
    assert not trace.wrong
    assert capsys.readouterr().out == "0\n"


NEW_LAYERS = """
import numpy as np
class Square:
    def forward(self, x):
        self.x = x
        return x * x
    def backward(self, dout):
        return FACTOR * dout * self.x
class Product:
    def forward(self, x, w):
        self.x, self.w = x, w
        return x @ w
    def backward(self, dout):
        return dout @ self.w.T, self.x.T @ dout
def call(layer, *inputs):
    return layer, layer.forward(*inputs)
x, w = np.arange(6.0).reshape(2, 3), np.ones((3, 2))
for i in range(50):
    product, h = call(Product(), x, w)
    square, y = call(Square(), h)
    other, z = call(Square(), y)
    dx, dw = product.backward(square.backward(other.backward(np.ones((2, 2)))))
    w -= 0.001 * dw
    print(i)
"""


@pytest.mark.parametrize("factor", [2, 3])
def test_layers_that_are_made_anew_in_each_round_are_recorded_for_one(tmp_path, capsys, factor):
    script = tmp_path / "train.py"
    script.write_text(NEW_LAYERS.replace("FACTOR", str(factor)), encoding="utf-8")
    trace = record_script(script)
    assert [call.cls for call in trace.calls] == ["Product", "Square", "Square"]
    assert bool(trace.wrong) == (factor == 3)
    assert capsys.readouterr().out == "0\n"


HEADS = """
import numpy as np
class Affine:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        return FACTOR * dout @ self.W.T
class Loss:
    def forward(self, y, t):
        self.d = y - t
        return 0.5 * np.sum(self.d**2)
    def backward(self, dout=1):
        return dout * self.d
x, t = np.arange(6.0).reshape(2, 3), [np.ones((2, 4)), np.zeros((2, 4))]
MADE
h = trunk.forward(x)
dh = 0
for i in range(2):
    loss = LOSS
    loss.forward(h, t[i])
    dh = dh + loss.backward()
dx = trunk.backward(dh)
"""
TRUNK = "trunk = Affine(np.arange(12.0).reshape(3, 4))"


@pytest.mark.parametrize("loss", ["losses[i]", "Loss()"])
@pytest.mark.parametrize("factor", [1, 2])
def test_two_losses_of_one_trunk_are_one_round(tmp_path, factor, loss):
    script = tmp_path / "train.py"
    text = HEADS.replace("MADE", f"losses = [Loss(), Loss()]; {TRUNK}").replace("LOSS", loss)
    text = text.replace("FACTOR", str(factor))
    script.write_text(text, encoding="utf-8")
    trace = record_script(script)
    assert [call.cls for call in trace.calls] == ["Affine", "Loss", "Loss"]
    assert bool(trace.wrong) == (factor == 2)


def test_two_losses_that_are_there_before_are_one_round_without_a_trunk_too(tmp_path):
    script = tmp_path / "train.py"
    text = HEADS.replace("h = trunk.forward(x)", "h = x @ trunk.W").replace("dx = trunk.backward(dh)", "")
    text = text.replace("MADE", f"losses = [Loss(), Loss()]; {TRUNK}").replace("LOSS", "losses[i]")
    script.write_text(text.replace("FACTOR", "1"), encoding="utf-8")
    assert [call.cls for call in record_script(script).calls] == ["Loss", "Loss"]


def test_a_layer_before_the_loop_that_never_goes_back_is_part_of_the_first_round(tmp_path):
    text = (
        HEADS.replace("MADE", f"losses = []; {TRUNK}").replace("LOSS", "Loss()").replace("dx = trunk.backward(dh)", "")
    )
    script = tmp_path / "train.py"
    script.write_text(
        text.replace("FACTOR", "1").replace("range(2)", "range(5)").replace("t[i]", "t[0]"), encoding="utf-8"
    )
    assert [call.cls for call in record_script(script).calls] == ["Affine", "Loss"]


MEASURED = """
import numpy as np
class Affine:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = FACTOR * self.x.T @ dout
        return dout @ self.W.T
class Loss:
    def forward(self, y, t):
        self.d = y - t
        return 0.5 * np.sum(self.d**2)
    def backward(self, dout=1):
        return dout * self.d
x, other, t = np.cos(np.arange(6.0)).reshape(2, 3), np.sin(np.arange(6.0)).reshape(2, 3), np.ones((2, 2))
net, loss = [Affine(np.ones((3, 4)) / 3), Affine(np.sin(np.arange(8.0)).reshape(4, 2))], Loss()
def predict(x):
    for layer in net:
        x = layer.forward(x)
    return x
for i in range(3):
    loss.forward(predict(x), t)
    accuracy = np.mean(predict(DATA).argmax(axis=1) == t.argmax(axis=1))
    dout = loss.backward()
    for layer in net[::-1]:
        dout = layer.backward(dout)
    for layer in net:
        layer.W -= 0.1 * layer.dW
"""


@pytest.mark.parametrize(("data", "factor", "wrong"), [("x", 1, 0), ("x", 2, 4)])
def test_a_forward_for_the_accuracy_of_a_batch_leaves_the_gradients_to_that_of_the_loss(tmp_path, data, factor, wrong):
    script = tmp_path / "train.py"
    script.write_text(MEASURED.replace("DATA", data).replace("FACTOR", str(factor)), encoding="utf-8")
    trace = record_script(script)
    assert [call for call in trace.calls if call.gradients is not None] == [*trace.calls[:3]]
    assert len(trace.wrong) == wrong


def test_a_backward_belongs_to_the_forward_whose_values_its_layer_holds(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(MEASURED.replace("DATA", "other").replace("FACTOR", "1"), encoding="utf-8")
    trace = record_script(script)
    assert [call.gradients is not None for call in trace.calls] == [False, False, True, True, True]


USED_BESIDE = """
import copy
import numpy as np
class Dense:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = FACTOR * self.x.T @ dout
        return dout @ self.W.T
rng = np.random.default_rng(0)
dense = Dense(rng.normal(size=(3, 2)))
BEFORE
x, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
for _ in range(3):
    y = dense.forward(x)
    BETWEEN
    dense.backward(y - t)
    dense.W -= 0.01 * dense.dW
"""


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize(
    ("before", "between"),
    [
        ("best = copy.deepcopy(dense)", ""),
        ("best = dense.W.copy()", ""),
        ("", "accuracy = np.mean((dense.forward(x) > 0) == (t > 0))"),
    ],
)
def test_a_parameter_that_is_kept_or_measured_beside_has_its_own_gradient(tmp_path, factor, before, between):
    script = tmp_path / "train.py"
    text = USED_BESIDE.replace("FACTOR", str(factor)).replace("BEFORE", before).replace("BETWEEN", between)
    script.write_text(text)
    trace = record_script(script)
    weight, x, t = (trace[name].data for name in ("W", "x", "t"))
    value = next(v for v in trace.values if v.name == "W" and v.gradient is not None)
    slopes = np.zeros_like(weight)
    for place in np.ndindex(weight.shape):
        step = np.zeros_like(weight)
        step[place] = 1e-4
        up, down = (np.sum((x @ (weight + sign * step) - t) ** 2) / 2 for sign in (1, -1))
        slopes[place] = (up - down) / 2e-4
    assert value.gradient.source == "user"
    np.testing.assert_allclose(value.gradient.value, factor * slopes, rtol=1e-6)
    assert bool(trace.wrong) == (factor == 2)


REPEATED = """
import numpy as np
class Scale:
    def __init__(self, factor): self.factor = factor
    def forward(self, x): return x * self.factor
    def backward(self, dout): return dout * self.factor
first, last = Scale(2.0), Scale(3.0)
for x in np.arange(24.).reshape(4, 2, 3):
    h = 0.0
    for part in (x, x + 1.0)[:PARTS]:
        h = h + first.forward(part)
    y = last.forward(h)
    last.backward(y - 1.0)
"""


@pytest.mark.parametrize("parts", [1, 2])
def test_a_round_ends_where_a_layer_that_never_goes_back_comes_again_after_a_backward(tmp_path, parts):
    script = tmp_path / "train.py"
    script.write_text(REPEATED.replace("PARTS", str(parts)))
    assert len(record_script(script).calls) == parts + 1
