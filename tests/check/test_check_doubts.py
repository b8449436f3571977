"""What `dout check` says of an example that it chose, where that may not be what is meant."""

import numpy as np
import pytest
from check_commands import document, layers, write

import dout

TWO_CLASSES = """
import numpy as np

class {name}:
    def forward(self, y_true, y_pred):
        y_true = y_true.reshape(-1, 1)
        return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))

    def backward(self, y_true, y_pred):
        y_true = y_true.reshape(-1, 1)
        return {factor} * ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)
"""
DOWN = """
import numpy as np

class CrossEntropy:
    def forward(self, x, y):
        e = np.exp(x - x.max(0))
        self.p = e / e.sum(0)
        return -(y * np.log(self.p)).sum(0)

    def backward(self, x, y):
        return {factor} * (self.p - y)
"""
ROWS_OF_ONE = """
import numpy as np

class Table:
    def __init__(self):
        self.W = np.ones((5, 3))

    def forward(self, inputs):
        rows = inputs.astype(int)
        self.rows = np.eye(5)[np.abs(rows) % 5]
        return self.rows @ self.W

    def backward(self, dout):
        self.dW = self.rows.reshape(-1, 5).T @ dout.reshape(-1, 3)
        return dout @ self.W.T
"""
LABELS = """
import numpy as np

def to_rows(labels):
    rows = np.zeros([len(labels), 10])
    rows[np.arange(len(labels)), labels.astype(int)] = 1
    return rows

def to_rows_back(labels):
    return np.where(labels == 1)[1]
"""

EMPTY = """
def scale(x):
    return None

def scale_twice_forward(x):
    return scale(x)

def scale_twice_backward(dout):
    return 4 * dout
"""


def severities(folder, source):
    write(folder, source)
    (layer,) = layers(document(".", cwd=folder)).values()
    return {(f["code"], f["severity"]) for f in layer["findings"] if f["code"] in ("D101", "D501")}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("source", [TWO_CLASSES, DOWN])
def test_a_loss_is_only_wrong_where_it_is_on_its_own_labels(tmp_path, source, factor):
    found = severities(tmp_path, source.format(name="BinaryCrossEntropy", factor=factor))
    assert ("error" in {severity for _, severity in found}) == (factor != 1)


@pytest.mark.long
def test_rows_of_one_have_a_gradient_that_is_none_of_the_numbers(tmp_path):
    assert severities(tmp_path, ROWS_OF_ONE) == {("D501", "warning")}


def test_what_returns_no_numbers_is_no_backward(tmp_path):
    assert severities(tmp_path, LABELS) == set()


PLACES = """
import numpy as np

def places_forward(x):
    number = {number}
    return np.zeros((number, 2)) + x.sum(), x

def places_backward(dout, cache):
    return np.full_like(cache, dout.sum())
"""


@pytest.mark.parametrize(("number", "severity"), [("(len(x) - 1) / 1 + 1", "error"), ("x.flat[0]", None)])
def test_a_size_that_is_a_quotient_is_the_layers_own_mistake(tmp_path, number, severity):
    write(tmp_path, PLACES.format(number=number))
    (layer,) = layers(document(".", cwd=tmp_path)).values()
    assert {f["severity"] for f in layer["findings"] if f["code"] == "D001"} == ({severity} if severity else set())


def test_a_forward_that_gives_nothing_is_not_complete(tmp_path):
    write(tmp_path, EMPTY)
    (layer,) = layers(document(".", cwd=tmp_path)).values()
    assert "not complete by itself" in layer["findings"][0]["message"]


BASE = """
import numpy as np
class Dense:
    def __init__(self, size):
        self.W = np.ones((3, size))
    def forward(self, x):
        self.x = x
        return self.activate(x @ self.W)
    def backward(self, dout):
        return (dout * self.slope(self.x @ self.W)) @ self.W.T
class Squared(Dense):
    def __init__(self, size):
        super().__init__(size)
        self.activate, self.slope = np.square, lambda z: 2 * z
"""


def test_a_class_that_lacks_what_a_derived_one_makes_is_not_complete(tmp_path):
    write(tmp_path, BASE)
    found = layers(document(".", cwd=tmp_path))
    assert "is not complete by itself: Squared" in found["Dense"]["findings"][0]["message"]
    assert {verdict["word"] for verdict in found["Squared"]["verdicts"] if verdict["argument"] == "x"} == {"exact"}


RECURRENT = """
import numpy as np
class RNN:
    def __init__(self, input_size, hidden_size, learning_rate, output_size):
        self.hidden_size, self.learning_rate = hidden_size, learning_rate
        self.Wxh = np.random.randn(input_size, hidden_size) * 0.01
        self.Whh = np.random.randn(hidden_size, hidden_size) * 0.01
        self.Why = np.random.randn(hidden_size, output_size) * 0.01
        self.bx, self.bh = np.zeros((1, hidden_size)), np.zeros((1, hidden_size))
        self.by = np.zeros((1, output_size))

    def forward(self, inputs, hprev):
        self.hs = {-1: np.copy(hprev)}
        for t in range(len(inputs)):
            self.hs[t] = np.tanh(np.dot(inputs[t], self.Wxh) + self.bx + np.dot(self.hs[t - 1], self.Whh) + self.bh)
        return np.dot(self.hs[len(inputs) - 1], self.Why) + self.by, self.hs[len(inputs) - 1]

    def backward(self, dout, inputs):
        dWxh, dWhh = np.zeros_like(self.Wxh), np.zeros_like(self.Whh)
        dbx, dbh = np.zeros_like(self.bx), np.zeros_like(self.bh)
        last = self.hs[len(inputs) - 1]
        dWhy, dby = np.dot(last.T, dout), np.sum(dout, axis=0, keepdims=True)
        dh = np.dot(dout, self.Why.T)
        for t in reversed(range(len(inputs))):
            dhraw = (1 - self.hs[t] * self.hs[t]) * dh
            dh = np.dot(dhraw, self.Whh.T)
            dbh += np.sum(dhraw, axis=0, keepdims=True)
            dbx += np.sum(dhraw, axis=0, keepdims=True)
            dWxh += np.dot(inputs[t].T, dhraw)
            dWhh += np.dot(self.hs[t - 1].T, dhraw)
        return dWxh, dWhh, dWhy, dbh, dby, dbx
"""


@pytest.mark.long
def test_a_step_of_one_number_where_a_product_takes_a_row_is_no_example_that_refutes(tmp_path):
    write(tmp_path, RECURRENT)
    (layer,) = layers(document(".", cwd=tmp_path)).values()
    assert not [f for f in layer["findings"] if f["severity"] == "error"]


LACKS_MASK = """
import numpy as np
class {name}({base}):
    def forward(self, x):
        return x * (x > 0)

    def backward(self, dout):
        return dout * self.mask
"""
OTHERS = """
import numpy as np
class Layer:
    pass

class Dropout(Layer):
    def forward(self, x):
        self.mask = np.ones(x.shape)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask

class Masked:
    def make(self, x):
        self.mask = x > 0
"""


@pytest.mark.long
def test_what_another_class_sets_of_itself_excuses_no_missing_attribute(tmp_path):
    write(tmp_path, "from others import Layer, Masked\n" + LACKS_MASK.format(name="Relu", base="Layer"))
    write(tmp_path, OTHERS, "others.py")
    relu = layers(document("mine.py", cwd=tmp_path))["Relu"]
    assert [f["severity"] for f in relu["findings"] if "has no attribute 'mask'" in f["message"]] == ["error"]
    write(tmp_path, "from others import Layer, Masked\n" + LACKS_MASK.format(name="Relu", base="Layer, Masked"))
    relu = layers(document("mine.py", cwd=tmp_path))["Relu"]
    assert not [f for f in relu["findings"] if f["severity"] == "error"]


SEVERAL = """
import numpy as np
class MeanSquares:
    def forward(self, inputs):
        y_true, y_pred = inputs
        self.difference = y_pred - y_true
        return np.mean(self.difference ** 2)

    def backward(self):
        return 2 * self.difference / self.difference.size
"""


@pytest.mark.long
def test_an_argument_that_is_unpacked_may_be_several_inputs(tmp_path):
    write(tmp_path, SEVERAL)
    (layer,) = layers(document(".", cwd=tmp_path)).values()
    assert {f["severity"] for f in layer["findings"]} == {"warning", "note"}


COMPILED = """
import numpy as np
try:
    from fast_squares import square
except ImportError:
    print("compile fast_squares first")

def squares_forward(x):
    return square(x), x

def squares_backward(dout, cache):
    return 2 * cache * dout
"""


def test_what_could_not_be_imported_is_no_mistake(tmp_path):
    write(tmp_path, COMPILED)
    (layer,) = layers(document(".", cwd=tmp_path)).values()
    assert [(f["code"], f["severity"]) for f in layer["findings"]] == [("D002", "note")]
    assert "needs fast_squares" in layer["findings"][0]["message"]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("place", ["constructor", "forward", "backward"])
def test_a_module_that_a_layer_imports_when_it_runs_and_that_is_not_there_is_needed(tmp_path, place):
    text = """
class Scatter:
    def __init__(self):
        {constructor}
        self.n = 3

    def forward(self, x):
        {forward}
        return 2 * x

    def backward(self, dout):
        {backward}
        return 2 * dout
"""
    write(
        tmp_path,
        text.format(**{**dict.fromkeys(("constructor", "forward", "backward"), "pass"), place: "import scatterlib"}),
    )
    (layer,) = layers(document(".", cwd=tmp_path)).values()
    assert [(f["code"], f["severity"]) for f in layer["findings"]] == [("D002", "note")]
    assert layer["findings"][0]["message"] == "Scatter needs scatterlib, which is not installed"


class EitherLabels:
    """A loss that takes labels as whole numbers, and as rows with one 1, which it knows by their size."""

    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        self.t = t.argmax(axis=1) if t.size == x.size else t
        return -np.sum(np.log(self.y[np.arange(len(x)), self.t])) / len(x)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dout * dx / len(dx)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_scores_and_labels_have_as_many_classes_at_every_length(samples):
    scores = np.random.default_rng(0).normal(size=(samples, 3))
    report = dout.check(EitherLabels(), scores, np.eye(3, dtype=int)[np.arange(samples) % 3])
    assert [str(verdict) for verdict in report.verdicts] == ["x: exact"]


LOG_OF_ONE = """
import numpy as np

class {name}:
    def predict(self, z):
        e = np.exp(z)
        return e / np.sum(e)

    def loss(self, z, y):
        return -np.log(self.predict(z)[y])

    def diff(self, z, y):
        p = self.predict(z)
        p[y] -= {taken}
        return p
"""


@pytest.mark.long
def test_a_loss_of_one_sample_that_is_right_there_is_no_error(tmp_path):
    right, wrong = LOG_OF_ONE.format(name="Right", taken=1.0), LOG_OF_ONE.format(name="Wrong", taken=2.0)
    write(tmp_path, f"{right}\n{wrong}")
    found = layers(document(".", cwd=tmp_path))
    errors = {name: [f["severity"] for f in layer["findings"] if f["code"] == "D101"] for name, layer in found.items()}
    assert errors == {"Right": ["warning"], "Wrong": ["error"]}


OF_ALL_TURNS = """
import numpy as np

class Cell:
    def __init__(self):
        self.W = np.linspace(-1, 1, 12).reshape(4, 3)

    def forward(self, x, h):
        self.x, self.y = x, np.tanh(x @ self.W + h)
        return self.y

    def backward(self, dout):
        dz = dout * (1 - self.y**2)
        self.dW = self.x.T @ dz
        return dz @ self.W.T, dz

class Turns:
    def __init__(self):
        self.cell = Cell()

    def forward(self, xs):
        self.xs, self.hs = xs, [np.zeros((len(xs), 3))]
        for t in range(xs.shape[1]):
            self.hs.append(self.cell.forward(xs[:, t], self.hs[-1]))
        return np.stack(self.hs[1:], axis=1)

    def backward(self, dout):
        dh, total, dxs = 0.0, np.zeros((4, 3)), np.zeros(self.xs.shape)
        for t in reversed(range(dout.shape[1])):
            self.cell.x, self.cell.y = self.xs[:, t], self.hs[t + 1]
            dxs[:, t], dh = self.cell.backward(dout[:, t] + dh)
            total += self.cell.dW
        self.cell.W = self.cell.W - 0.1 * {step}
        return dxs
"""


@pytest.mark.parametrize(("step", "severity"), [("total", "warning"), ("self.cell.dW", "error")])
def test_a_part_that_is_stepped_by_the_sum_of_all_turns_may_keep_that_of_one(tmp_path, step, severity):
    write(tmp_path, OF_ALL_TURNS.format(step=step))
    found = layers(document("mine.py:Turns", cwd=tmp_path))["Turns"]["findings"]
    assert [(f["argument"], f["severity"]) for f in found if f["code"] == "D101"] == [("cell.W", severity)]


STATIC = """
import numpy as np

class Squares:
    def loss(y_true, y_pred):
        return np.sum((y_true - y_pred) ** 2) / 2

    def derivative(y_true, y_pred):
        return y_pred - y_true
"""


def test_functions_of_a_class_that_take_no_instance_are_judged(tmp_path):
    write(tmp_path, STATIC)
    found = layers(document(".", cwd=tmp_path))
    assert [v["word"] for v in found["Squares"]["verdicts"]] == ["exact"]


class Attends:
    """The query stands for keys that are not given, and has a gradient of its own."""

    def forward(self, query, key=None):
        self.query, self.key = query, query if key is None else key
        return self.query * self.key

    def backward(self, dout):
        return dout * self.key, dout * self.query


def test_a_gradient_of_what_an_input_stands_for_is_no_error_of_that_input():
    report = dout.check(Attends, np.array([[1.0, 2.0], [3.0, -1.5]]))
    assert all(finding.severity != "error" for finding in report.findings)
    assert "forward was not given key" in str(report)
