"""Layers that take nothing that dout chooses: a program of their repository shows what they take."""

import pytest
from click.testing import CliRunner

from dout.cli import commands

LAYERS = """\
import numpy as np


class Locked:
    def __init__(self, word, scale):
        if sum(map(ord, word)) != 896:
            raise ValueError(f"{word} does not fit")
        self.scale = scale

    def forward(self, x):
        self.x = x
        return self.scale * x * x

    def backward(self, dout):
        return 2 * self.scale * self.x * dout
"""
PROGRAM = """\
import numpy as np
from layers import Locked

layer = Locked("lookouts", 3.0)
layer.forward(np.ones((20, 30)))
layer.backward(np.ones((20, 30)))
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    (tmp_path / "layers.py").write_text(LAYERS)
    (tmp_path / "train.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["explain", "layers.py:Locked", "--brief"], "∂y/∂x"),
        (["derive", "layers.py:Locked"], "def backward(self, dout):"),
        (["show", "layers.py:Locked"], "(3, 6) f64"),
    ],
)
def test_a_layer_is_built_and_run_as_a_program_does(repository, command, told):
    result = CliRunner().invoke(commands, command)
    assert result.exit_code == 0, result.output
    assert told in result.stdout
    assert (
        "Locked as used in train.py:5, at smaller sizes: --init 'word=\"lookouts\"' --init 'scale=3.0'" in result.stderr
    )


def test_without_a_program_the_error_says_what_is_missing(repository):
    (repository / "train.py").unlink()
    result = CliRunner().invoke(commands, ["explain", "layers.py:Locked"])
    assert result.exit_code != 0
    assert "Locked needs word, scale to be built" in str(result.exception)


SEVERAL = """\
import numpy as np


class Several:
    def __init__(self, weights, word):
        if sum(map(ord, word)) != 896:
            raise ValueError(f"{word} does not fit")
        self.weights = weights

    def forward(self, x):
        for weight in self.weights:
            x = x @ weight
        return x

    def backward(self, dout):
        for weight in reversed(self.weights):
            dout = dout @ weight.T
        return dout
"""
SHOWN = """\
import numpy as np
from layers import Several

layer = Several([np.ones((SIZE, 4)), np.ones((4, 2))], "lookouts")
layer.forward(np.ones((5, SIZE)))
layer.backward(np.ones((5, 2)))
"""


@pytest.mark.parametrize("size", [3, 3000])
def test_lists_of_arrays_are_values_too_and_large_ones_are_not_used(repository, size):
    (repository / "layers.py").write_text(SEVERAL)
    (repository / "train.py").write_text(SHOWN.replace("SIZE", str(size)))
    result = CliRunner().invoke(commands, ["explain", "layers.py:Several", "--brief"])
    assert (result.exit_code == 0) == ("Several as used in train.py:5" in result.stderr)
    assert not isinstance(result.exception, ValueError)
