"""Calls of layers that take more steps than anybody looks at: nothing in them is recorded, and all around them is."""

import numpy as np
import pytest
from recorded_scripts import record_script

from dout.trace.record.script import run_script
from dout.trace.tracer import script_tracer

LAYERS = """
import numpy as np
class Slow:
    '''Multiplies by a weight, number by number.'''
    next = None
    def __init__(self):
        self.W, self.seen = np.array([2.0, 3.0, 4.0]), np.zeros(3)
    def forward(self, x):
        self.x = x
        self.out = np.zeros(x.shape)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                self.out[i, j] = x[i, j] * self.W[j]
                self.seen[j] += 1
        return self.out if self.next is None else self.next.forward(self.out)
    def backward(self, dout):
        if self.next is not None:
            dout = self.next.backward(dout)
        self.dW = np.zeros(3)
        dx = np.zeros(self.x.shape)
        for i in range(dx.shape[0]):
            for j in range(dx.shape[1]):
                self.dW[j] += dout[i, j] * self.x[i, j]
                dx[i, j] = dout[i, j] * self.W[j]
        return dx
class Shift:
    FACTOR = 1
    def __init__(self):
        self.b = np.ones(3)
    def forward(self, x):
        return x + self.b
    def backward(self, dout):
        self.db = dout.sum(axis=0) * self.FACTOR
        return dout
x, dout = np.arange(60.).reshape(20, 3), np.cos(np.arange(60.)).reshape(20, 3)
slow, shift = Slow(), Shift()
"""
ROUNDS = """
for turn in range(3):
    y = shift.forward(slow.forward(x))
    slow.backward(shift.backward(dout))
"""
X, DOUT = np.arange(60.0).reshape(20, 3), np.cos(np.arange(60.0)).reshape(20, 3)


def recorded(folder, text, monkeypatch, most=100):
    """The trace of a program whose calls may take so many steps."""
    monkeypatch.setattr(script_tracer, "MOST_INSIDE", most)
    path = folder / "train.py"
    path.write_text(LAYERS + text)
    return record_script(path)


def parameters(call):
    return {parameter.name: parameter for parameter in call.parameters}


@pytest.mark.parametrize("most", [100, 10_000])
def test_values_and_gradients_around_a_call_are_those_of_the_run_however_long_it_is(tmp_path, monkeypatch, most):
    trace = recorded(tmp_path, ROUNDS, monkeypatch, most)
    slow, shift = trace.calls
    W = np.array([2.0, 3.0, 4.0])
    np.testing.assert_array_equal(trace.data[slow.outputs[0]], X * W)
    np.testing.assert_array_equal(trace.data[shift.inputs[0]], X * W)
    np.testing.assert_array_equal(trace.data[slow.douts[0]], DOUT)
    np.testing.assert_array_equal(trace.data[slow.gradients[0]], DOUT * W)
    np.testing.assert_allclose(trace.data[parameters(slow)["W"].gradient], (DOUT * X).sum(axis=0))
    np.testing.assert_array_equal(trace.data[parameters(slow)["W"].node], W)
    told = [event for event in trace.events if event.kind == "escape"]
    assert bool(told) == (most == 100)
    assert all("Slow" in event.message and str(most) in event.message for event in told)
    inside = sum(trace.call_of.get(node) is slow for node in trace.graph.nodes)
    assert inside < 10 if most == 100 else inside > 100


def test_only_where_all_is_recorded_a_wrong_gradient_is_marked(tmp_path, monkeypatch):
    wrong = "Shift.FACTOR = 2\n" + ROUNDS
    assert recorded(tmp_path, ROUNDS, monkeypatch, 10_000).wrong == ()
    assert recorded(tmp_path, wrong, monkeypatch, 10_000).wrong != ()
    assert recorded(tmp_path, wrong, monkeypatch).wrong == ()  # nothing is compared, and the trace says so


def test_layers_that_a_long_call_hands_on_to_are_recorded(tmp_path, monkeypatch):
    linked = "slow.next = shift\nfor turn in range(3):\n    y = slow.forward(x)\n    slow.backward(dout)\n"
    slow, shift = (trace := recorded(tmp_path, linked, monkeypatch)).calls
    assert shift.parent is slow
    np.testing.assert_array_equal(trace.data[shift.inputs[0]], X * [2.0, 3.0, 4.0])
    np.testing.assert_array_equal(trace.data[shift.gradients[0]], DOUT)
    np.testing.assert_allclose(trace.data[parameters(shift)["b"].gradient], DOUT.sum(axis=0))


def test_an_array_that_the_rest_of_a_long_call_changes_is_an_input_as_it_is_then(tmp_path, monkeypatch):
    filled = """
class Fill:
    def forward(self, x, table):
        for i in range(50):
            table[i] = x[i % 3] * i
        return x * 2.0
    def backward(self, dout):
        return dout * 2.0, None
table, fill, row = np.zeros(50), Fill(), np.array([1.0, 2.0, 3.0])
half = table[25:]
for turn in range(2):
    y = shift.forward(fill.forward(row, table) + half.sum())
    fill.backward(shift.backward(np.ones((1, 3))))
"""
    trace = recorded(tmp_path, filled, monkeypatch)
    table = [[1.0, 2.0, 3.0][i % 3] * i for i in range(50)]
    np.testing.assert_allclose(trace.data[trace.calls[1].inputs[0]], np.array([2.0, 4.0, 6.0]) + sum(table[25:]))
    np.testing.assert_allclose(trace["y"].data, np.array([3.0, 5.0, 7.0]) + sum(table[25:]))
    assert not [event for event in trace.events if event.kind == "replay"]


def test_an_error_in_a_long_call_is_the_users(tmp_path, monkeypatch):
    raising = "x = np.ones((20, 4))\ntry:\n    slow.forward(x)\nexcept IndexError:\n    x = np.ones((20, 3))\n" + ROUNDS
    assert len(recorded(tmp_path, raising, monkeypatch).calls) >= 2


def test_the_gradient_of_a_value_that_goes_beside_a_long_call_is_the_sum_of_both_edges(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text(
        LAYERS
        + """
class Add:
    def forward(self, a, b):
        return a + b
    def backward(self, dout):
        return 5 * dout / 5, 1 * dout
slow.W = np.ones(3) * 2
add = Add()
out = add.forward(slow.forward(x), x)
da, db = add.backward(np.ones((20, 3)))
total = slow.backward(da) + db
"""
    )
    monkeypatch.setattr(script_tracer, "MOST_INSIDE", 50)
    svg = record_script(tmp_path / "beside.py").draw().svg()
    assert "[3, 3]" in svg  # 2 by the long call, and 1 beside it


STOPPED = """
from dout.errors import EndOfRun
y = shift.forward(x)
class Half(Shift):
    def forward(self, x):
        h = x * 2
        h = self.inner(h) + 1
        raise ERROR
    def inner(self, h):
        return h
class Around(Half):
    def inner(self, h):
        return shift.forward(h)
Half().forward(y) if ALONE else Around().forward(y)
"""


@pytest.mark.parametrize(
    ("error", "alone", "classes", "products"),
    [
        ("EndOfRun('did not end')", True, ["Shift"], 0),
        ("EndOfRun('did not end')", False, ["Shift", "Around", "Shift"], 1),  # what ran in it is a layer
        ("ValueError('x')", True, ["Shift", "Half"], 1),  # this is what the error is about
    ],
)
def test_the_layer_in_which_a_program_was_stopped_is_left_out(tmp_path, error, alone, classes, products):
    path = tmp_path / "train.py"
    path.write_text(LAYERS + STOPPED.replace("ERROR", error).replace("ALONE", str(alone)))
    trace = run_script(path).trace()
    assert [call.cls for call in trace.calls] == classes
    assert sum(node.primitive.name == "multiply" for node in trace.graph.nodes) == products


WORDS = """
class Embed(Slow):
    def forward(self, places):
        return self.table[places].sum(axis=1)
embed = Embed()
embed.table = np.linspace(-1.0, 1.0, 27).reshape(9, 3)
def decode():
    ids = [0]
    for word in range(5):
        z = shift.forward(embed.forward(np.asarray(ids).reshape(1, -1)))
        ids.append(z.argmax(axis=-1).item())
for sentence in range(4):
    decode()
"""
LAYERS_IN_A_ROW = """
row = [Shift() for _ in range(5)]
for batch in range(4):
    z = x
    for layer in row:
        z = layer.forward(z)
"""


@pytest.mark.parametrize(("text", "classes"), [(WORDS, ["Embed", "Shift"]), (LAYERS_IN_A_ROW, ["Shift"] * 5)])
def test_of_a_decoder_that_is_called_for_each_word_the_first_call_is_kept(tmp_path, monkeypatch, text, classes):
    assert [call.cls for call in recorded(tmp_path, text, monkeypatch).calls] == classes
