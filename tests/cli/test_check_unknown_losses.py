"""Networks whose backward begins with a gradient of its own making, of a loss that is in no code."""

import pytest
from check_commands import document, layers

NET = """
import numpy as np

class Judge:
    def __init__(self, wide, inner, narrow):
        self.A = np.random.randn(wide, inner)
        self.a = np.zeros(inner)
        self.B = np.random.randn(inner, narrow)
        self.b = np.zeros(narrow)

    def forward(self, x):
        self.x = x
        self.hidden = np.tanh(x @ self.A + self.a)
        self.out = 1 / (1 + np.exp(-(self.hidden @ self.B + self.b)))
        return self.out

    def backward(self, y):
        first = 3 * (self.out - y) * self.out * (1 - self.out)
        self.dB = self.hidden.T @ first
        self.db = first.sum(axis=0)
        inner = first @ self.B.T * (1 - self.hidden ** 2)
        self.dA = self.x.T @ inner
        self.da = inner.sum(axis=0)
"""


def judged(folder, text):
    """The layer of a file, as `dout check` tells it, and the words of its gradients."""
    (folder / "net.py").write_text(text)
    (layer,) = layers(document("net.py", cwd=folder)).values()
    return layer, {verdict["argument"]: verdict["word"] for verdict in layer["verdicts"]}


@pytest.mark.long
def test_all_gradients_that_follow_from_the_first_one_of_backward_agree(tmp_path):
    _, words = judged(tmp_path, NET)
    assert words == dict.fromkeys(("A", "a", "B", "b"), "agrees within rounding")


def test_a_gradient_that_does_not_follow_from_the_first_one_is_named(tmp_path):
    layer, words = judged(tmp_path, NET.replace("(1 - self.hidden ** 2)", "(1 - self.hidden)"))
    assert words == {
        "A": "refuted",
        "a": "refuted",
        "B": "agrees within rounding",
        "b": "agrees within rounding",
    }
    assert [(item["code"], item["argument"]) for item in layer["findings"]] == [("D101", "A"), ("D101", "a")]


@pytest.mark.long
def test_a_backward_that_begins_with_no_gradient_of_a_loss_is_not_judged(tmp_path):
    layer, words = judged(tmp_path, NET.replace("3 * (self.out - y)", "3 * (self.out ** 3 - y)"))
    assert words == {}
    assert "takes the target itself" in layer["findings"][0]["message"]
