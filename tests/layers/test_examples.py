"""The example scripts, run by plain Python: they print the slides' digits, and they do not know about dout."""

import ast
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

PRINTED = {
    "buy_apple.py": "220.00000000000003\n2.2 110.00000000000001 200\n",
    "buy_fruits.py": "715.0000000000001\n110.00000000000001 2.2 3.3000000000000003 165.0 650\n",
    "boolean_mask.py": """\
[[ 1.  -0.5]
 [-2.   3. ]]
[[False  True]
 [ True False]]
[-0.5 -2. ]
[ 0.5 -1. ]
[[1. 0.]
 [0. 3.]]
[[ 1. 10.]
 [20.  3.]]
""",
    "slide_layers.py": "",
    "two_layer_net.py": "3.000753\n[0.904651 0.       0.974043 0.008674]\n",
    "convolution.py": """\
[[-6.5  2.5  5.5]
 [ 1.5  0.5 -1.5]
 [10.5  1.5 -3.5]]
[[ 1.  0.  0. -1.]
 [ 3.  0.  0. -3.]
 [ 3.  0.  0. -3.]
 [ 2.  0.  0. -2.]]
""",
    "attention_block.py": """\
[[ 1.0216  0.5072  0.0671]
 [ 0.027   0.9973 -0.4307]]
[[ 0.9634 -0.4451  0.4817]
 [ 0.4503  1.0249 -0.9751]]
""",
    "named_layers.py": "0.077\n",
    "deep_net.py": "",
    "recurrent.py": "",
    "lstm_step.py": "[[4.04000e-04 4.66905e-01]]\n[[0.054714 0.072049]]\n",
    "residual.py": "[ 6. -8.]\n[2. 0.]\n[6. 0.]\n[ 2. -0.]\n",
    "train_clusters.py": """\
epoch 0, loss 1.654
epoch 50, loss 0.487
epoch 100, loss 0.468
epoch 150, loss 0.454
right: 79%
""",
}

TRAINED = {
    "digits.py",
    "filters.py",
    "mnist.py",
    "reverse.py",
    "zen.py",
}  # by dout.train; tests/train runs some of them


def run(name: str) -> str:
    """Return what the script prints when a plain Python runs it with every warning an error."""
    command = [sys.executable, "-W", "error", EXAMPLES / name]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", PRINTED)
def test_script_prints_exactly_this(name):
    assert run(name) == PRINTED[name]


def test_sigmoid_nodes_prints_the_sigmoid_and_twice_its_derivative():
    y, dx, check = (Decimal(line) for line in run("sigmoid_nodes.py").splitlines())
    exact = 1 / (1 + Decimal("-1.5").exp())
    # Three roundings and an exp whose last digit is the platform's: a few units in the 16th place.
    assert abs(y - exact) < Decimal("5e-16")
    assert abs(dx - exact * (1 - exact)) < Decimal("5e-16")
    assert abs(check - exact * (1 - exact)) < Decimal("5e-16")


def test_every_script_has_its_expected_text():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*PRINTED, "sigmoid_nodes.py", *TRAINED}


PLAIN = sorted(path for path in EXAMPLES.glob("*.py") if path.name not in TRAINED)


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.name)
def test_script_imports_numpy_at_most_and_what_reads_its_arguments(path):
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in imports} <= {"import numpy as np", "import argparse"}
