"""`dout check` of a class that no program uses: it is judged as the code of its repository builds it."""

import pytest
from check_commands import document, layers

BLOCKS = '''
import numpy as np


class Blocks:
    """Parts of a vector, each by its own factor."""

    def __init__(self, spec):
        self.factors, self.size = spec["factors"], spec["size"]

    def forward(self, x):
        assert len(self.factors) == 3 and x.shape[1] == self.size * 3
        self.scale = np.repeat(np.asarray(self.factors), self.size)
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale{wrong}
'''

BUILDS = """
from blocks import Blocks

FACTORS = [1.0, 2.0, 3.0]


def build(size=2):
    return Blocks({"factors": FACTORS, "size": size})
"""

NETWORK = """
import numpy as np


class Dense:
    def __init__(self, inputs, outputs):
        rng = np.random.default_rng(0)
        self.W, self.b = rng.normal(size=(inputs, outputs)), rng.normal(size=(1, outputs))

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, delta):
        return delta @ self.W.T, self.x.T @ delta, delta.sum(0, keepdims=True)


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, delta):
        return delta * (1 - self.y ** 2){wrong}


class Chain:
    def __init__(self):
        self.steps = []

    def put(self, step):
        self.steps.append(step)

    def forward(self, x):
        for step in self.steps:
            assert isinstance(step, Dense | Tanh)
            x = step.forward(x)
        return x

    def backward(self, truth, guess):
        delta, weights, biases = guess - truth, [], []
        for step in reversed(self.steps):
            if isinstance(step, Dense):
                delta, dW, db = step.backward(delta)
                weights.append(dW)
                biases.append(db)
            else:
                delta = step.backward(delta)
        return weights, biases
"""

TRAINING = """
from network import Chain, Dense, Tanh


def train(batches):
    net = Chain()
    net.put(Dense(784, 30))
    net.put(Tanh())
    net.put(Dense(30, 10))
    for x, labels in batches:
        result = net.forward(x)
        net.backward(labels, result)
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("wrong", "word"), [("", "exact"), (" * 2", "refuted")])
def test_a_class_is_built_as_a_function_that_nobody_calls_builds_it(tmp_path, wrong, word):
    (tmp_path / "blocks.py").write_text(BLOCKS.replace("{wrong}", wrong))
    (tmp_path / "build.py").write_text(BUILDS)
    layer = layers(document("blocks.py", cwd=tmp_path))["Blocks"]
    assert layer["used"] == "built as in build.py:8, on inputs that were chosen"
    assert [verdict["word"] for verdict in layer["verdicts"]] == [word]


def test_arguments_that_cannot_be_told_are_chosen(tmp_path):
    (tmp_path / "blocks.py").write_text(BLOCKS.replace("{wrong}", "").replace("spec)", "spec, width)"))
    (tmp_path / "build.py").write_text(BUILDS.replace("size})", "size}, width())"))
    layer = layers(document("blocks.py", cwd=tmp_path))["Blocks"]
    assert layer["used"].startswith("built as in build.py:8")
    assert [verdict["word"] for verdict in layer["verdicts"]] == ["exact"]


def test_a_class_of_the_same_name_is_another(tmp_path):
    (tmp_path / "blocks.py").write_text(BLOCKS.replace("{wrong}", ""))
    (tmp_path / "other.py").write_text("class Blocks:\n    def __init__(self, spec):\n        pass\n")
    (tmp_path / "build.py").write_text(BUILDS.replace("from blocks", "from other"))
    layer = layers(document("blocks.py", cwd=tmp_path))["Blocks"]
    assert not layer["verdicts"]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("wrong", "words"), [("", {"exact"}), (" + 1", {"exact", "refuted"})])
def test_a_network_is_filled_and_called_as_its_training_does(tmp_path, wrong, words):
    (tmp_path / "network.py").write_text(NETWORK.replace("{wrong}", wrong))
    (tmp_path / "training.py").write_text(TRAINING)
    net = layers(document("network.py", cwd=tmp_path))["Chain"]
    assert net["used"] == "built as in training.py:6, on inputs that were chosen"
    assert {verdict["argument"] for verdict in net["verdicts"]} == {f"steps[{i}].{n}" for i in (0, 2) for n in "Wb"}
    assert {verdict["word"] for verdict in net["verdicts"]} == words
    assert "error" not in {finding["severity"] for finding in net["findings"]}, "it is an error of Tanh, once"


@pytest.mark.long
def test_what_was_found_first_stays_where_the_class_as_it_is_built_never_ends(tmp_path):
    endless = BLOCKS.replace("{wrong}", "").replace("assert", "while self.size == 2:\n            pass\n        assert")
    (tmp_path / "blocks.py").write_text(endless)
    (tmp_path / "build.py").write_text(BUILDS)
    layer = layers(document("blocks.py", "--timeout", "3", cwd=tmp_path))["Blocks"]
    assert [finding["code"] for finding in layer["findings"]] == ["D002"]
