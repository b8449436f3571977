"""`dout check` of a network that only its program can run: a recorded round says whether its gradients fit together."""

import pytest
from check_commands import document, dout, layers

NETWORK = '''
import numpy as np


class Perceptron:
    """Two layers, with all that it needs in a dict, and a target that no loss is computed of."""

    def __init__(self, store):
        self.store = store

    def predict(self, x):
        s = self.store
        s["x"] = x
        s["h"] = np.tanh(x @ s["W1"] + s["b1"])
        scores = s["h"] @ s["W2"] + s["b2"]
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, x):
        return self.predict(x)

    def backward(self, shares, guess, rate):
        s = self.store
        delta = (guess - shares) / len(guess)
        dW2, db2 = s["h"].T @ delta, delta.sum(axis=0)
        hidden = {hidden}
        dW1, db1 = s["x"].T @ hidden, hidden.sum(axis=0)
        for name, gradient in (("W1", dW1), ("b1", db1), ("W2", dW2), ("b2", db2)):
            s[name] = s[name] - rate * (gradient + {penalty} * s[name])
'''

TRAIN = """
import numpy as np
from network import Perceptron

rng = np.random.default_rng(3)
sizes = {"W1": (6, 5), "b1": (5,), "W2": (5, 3), "b2": (3,)}
net = Perceptron({name: rng.normal(size=shape) for name, shape in sizes.items()})
x = rng.normal(size=(20, 6))
shares = rng.uniform(size=(20, 3))  # which add up to anything: no usual loss has this gradient
for _ in range(1000):
    guess = net.forward(x)
    net.backward(shares, guess, 0.1)
"""

RIGHT = '(delta @ s["W2"].T) * (1 - s["h"] ** 2)'


@pytest.fixture
def project(tmp_path):
    def made(hidden=RIGHT, penalty="0"):
        (tmp_path / "README.md").write_text("A network.\n")
        (tmp_path / "network.py").write_text(NETWORK.replace("{hidden}", hidden).replace("{penalty}", penalty))
        (tmp_path / "train.py").write_text(TRAIN)
        return tmp_path

    return made


def test_gradients_that_follow_from_one_upstream_gradient_are_right(project):
    net = layers(document("network.py", cwd=project()))["Perceptron"]
    assert net["used"] == "as recorded in train.py"
    assert {verdict["word"] for verdict in net["verdicts"]} == {"agrees within rounding"}
    assert len(net["verdicts"]) == 4
    assert not net["findings"]


def test_the_text_says_how_it_was_judged(project):
    shown = dout("network.py", "--all", cwd=project())
    assert "as recorded in train.py" in shown.stdout
    assert "agrees within rounding by the numbers of its program" in shown.stdout


def test_a_slope_that_is_left_out_is_told_of_what_is_before_it(project):
    net = layers(document("network.py", cwd=project(hidden='delta @ s["W2"].T')))["Perceptron"]
    words = {verdict["argument"]: verdict["word"] for verdict in net["verdicts"]}
    assert sorted(words.values()) == ["agrees within rounding"] * 2 + ["inconclusive"] * 2
    assert {finding["severity"] for finding in net["findings"]} == {"warning"}
