"""A layer that no program uses is judged as one is used that takes the same."""

import pytest
from check_commands import document, dout, layers

WORDS = '''
import numpy as np


class Near:
    """One row of words: `table` says how often each comes, and a word that it lacks has no chance to be drawn."""

    def __init__(self, words, width, table):
        rng = np.random.RandomState(0)
        self.chances = np.bincount(table) / len(table)
        rng.choice(words, p=self.chances)
        self.W = rng.normal(size=(words, width)) * self.chances[:, None]

    def forward(self, which, scale):
        self.which, self.scale = which, scale
        return self.W[which] * scale[:, None]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.which, dout * self.scale[:, None])
        return None, np.sum(dout * self.W[self.which], axis=1)


class Far(Near):
    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.which, dout{factor})
        return None, np.sum(dout * self.W[self.which], axis=1)


class Other:
    def __init__(self, factor, more):
        self.factor = factor * more

    def forward(self, which):
        return which * self.factor

    def backward(self, dout):
        return dout * self.factor
'''
TRAIN = """
import numpy as np
from words import Far, Near

text = np.array([0, 1, 2, 1, 0, 3, 4, 4, 2, 5, 5, 3])
net = Near(6, 5, text)
for _ in range(3):
    y = net.forward(text, np.linspace(0.5, 1.5, 12))
    net.backward(y)
"""


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("factor", "word"), [(" * self.scale[:, None]", "exact"), ("", "refuted")])
def test_a_layer_that_takes_the_same_is_judged_on_the_same(tmp_path, factor, word):
    (tmp_path / "words.py").write_text(WORDS.format(factor=factor))
    (tmp_path / "train.py").write_text(TRAIN)
    found = layers(document("words.py", cwd=tmp_path))["Far"]
    assert {v["argument"]: v["word"] for v in found["verdicts"]}["W"] == word
    said = " ".join(dout("words.py:Far", cwd=tmp_path).stdout.split())
    assert "as Near is used in train.py:8" in said
    assert "Near is used" not in " ".join(dout("words.py:Other", cwd=tmp_path).stdout.split())
