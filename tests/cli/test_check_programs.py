"""`dout check` of code with a program beside it: its layers are judged as the program uses them."""

import pytest
from check_commands import PLAIN, SQUARE, document, dout, layers

LAYERS = '''
import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T


class Blocks:
    """Parts of a vector, each by its own factor: it needs as many factors as there are parts, of eight numbers each."""

    def __init__(self, factors, size):
        self.factors, self.size = factors, size

    def forward(self, x):
        assert x.shape[1] == self.size * len(self.factors) and len(self.factors) == 4 and self.size % 8 == 0
        self.scale = np.repeat(np.asarray(self.factors), self.size)
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale


class Unused:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout
'''

TRAIN = """
import numpy as np
from layers import Affine, Blocks

rng = np.random.default_rng(1)
x = rng.normal(size=(100, 32))
net = [Affine(rng.normal(size=(32, 32)), np.zeros(32)), Blocks([1.0, 2.0, 3.0, 4.0], 8)]
for epoch in range(100_000):
    y = x
    for layer in net:
        y = layer.forward(y)
    dout = y / len(y)
    for layer in reversed(net):
        dout = layer.backward(dout)
    print(epoch, (y * y).mean())
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "README.md").write_text("A network.\n")
    (tmp_path / "layers.py").write_text(LAYERS)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def test_layers_are_judged_as_a_training_script_uses_them(project):
    found = layers(document("layers.py", cwd=project))
    words = {name: {v["word"] for v in layer["verdicts"]} for name, layer in found.items()}
    assert words == {"Affine": {"exact"}, "Blocks": {"exact"}, "Unused": {"exact"}}
    assert [layer["used"] for layer in found.values()] == [
        "as used in train.py:11, at smaller sizes",
        "as used in train.py:11, with fewer samples",
        None,
    ]


def test_a_script_is_a_target_and_its_layers_are_those_that_it_uses(project):
    run = dout("train.py", "--all", cwd=project)
    assert run.returncode == 0
    assert "Affine  layers.py:13\n  as used in train.py:11, at smaller sizes: built with W (6, 6)" in run.stdout
    assert "Unused" not in run.stdout
    assert run.stdout.endswith("s\n")
    assert "2 layers: 4 gradients exact" in run.stdout


GREEDY = """
kept = []
try:
    while True:
        kept.append(np.ones(20_000))
except MemoryError:
    kept.pop()
"""


@pytest.mark.long
def test_a_program_that_keeps_all_of_its_memory_leaves_enough_to_judge_its_layers(project):
    (project / "train.py").write_text(TRAIN.replace("for epoch", f"{GREEDY}for epoch"))
    found = layers(document("layers.py", "--memory", "0.5", cwd=project))
    assert str(found["Blocks"]["used"]).startswith("as used in train.py")
    assert {verdict["word"] for verdict in found["Blocks"]["verdicts"]} == {"exact"}


ENDS = """
import numpy as np


class Ends:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.t, self.y = t, e / e.sum(axis=1, keepdims=True)
        return -np.sum(np.log(self.y[np.arange(len(x)), t])) / len(x)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dout * dx / len(dx)
"""


@pytest.mark.long
def test_a_program_that_gives_several_samples_comes_before_one_that_gives_one(tmp_path):
    (tmp_path / "README.md").write_text("A loss.\n")
    (tmp_path / "ends.py").write_text(ENDS)
    head = "import numpy as np\nfrom ends import Ends\nloss = Ends()\nrng = np.random.default_rng(0)\n"
    one = "loss.forward(rng.normal(size=(1, 5)), np.array([[2]]))\nloss.backward()\n"  # labels (1, 1) fit one row alone
    many = "loss.forward(rng.normal(size=(20, 5)), rng.integers(0, 5, 20))\nloss.backward()\n"
    (tmp_path / "a_test.py").write_text(head + one)
    (tmp_path / "train.py").write_text(head + many)
    found = layers(document("ends.py", cwd=tmp_path))["Ends"]
    assert found["used"].startswith("as used in train.py:5")
    assert not [item for item in found["findings"] if item["severity"] == "error"]


@pytest.mark.long
def test_a_layer_that_is_wrong_where_a_script_uses_it_is_an_error_there(project):
    (project / "layers.py").write_text(LAYERS.replace("dout @ self.W.T", "dout @ self.W"))
    run = dout("train.py", cwd=project)
    assert run.returncode == 1
    assert "  ✗ x  wrong\n  ✓ W  exact\n  ✓ b  exact\n" in run.stdout
    assert "error layers.py:15" in run.stdout
    said = "network: train.py: the first wrong gradient on the way back is that of x in Affine (layers.py:13)"
    assert said in " ".join(run.stdout.split())


def test_a_program_leaves_nothing_and_ends_though_it_trains_for_hours(project):
    before = sorted(path.name for path in project.iterdir())
    text = TRAIN.replace("    print(", "    open('log.txt', 'a').write('x')\n    np.save('w.npy', x)\n    print(")
    (project / "train.py").write_text(text)
    found = layers(document("layers.py", cwd=project))
    assert found["Affine"]["used"]
    assert sorted(path.name for path in project.iterdir()) == before


@pytest.mark.long
def test_a_program_that_ends_before_its_layers_says_so_and_they_are_judged_without_it(project):
    (project / "train.py").write_text(TRAIN.replace("net = [", "import sys; sys.exit(3)\nnet = [", 1))
    run = dout("train.py", cwd=project)
    assert run.returncode == 2
    assert "train.py ended with exit code 3" in run.stderr
    assert layers(document("layers.py", cwd=project))["Affine"]["used"] is None


def test_a_statement_that_fails_is_told_and_the_program_goes_on_without_it(project):
    (project / "train.py").write_text(TRAIN.replace("net = [", "raise RuntimeError('no data')\nnet = [", 1))
    run = dout("train.py", cwd=project)
    assert run.returncode == 2
    assert "dout: train.py raised RuntimeError, at train.py:7\n" in run.stderr
    assert "2 layers: 4 gradients exact" in run.stdout


@pytest.mark.long
def test_what_a_library_gives_is_stood_for_and_the_report_says_so(project):
    loads = (
        "from keras.datasets import mnist\n(x, t), _ = mnist.load_data()\nx = x[:100].reshape(100, 784)[:, :32] / 255\n"
    )
    (project / "train.py").write_text(TRAIN.replace("x = rng.normal(size=(100, 32))\n", loads))
    run = dout("train.py", cwd=project)
    assert "data: stand-in data for keras.datasets.mnist.load_data" in run.stdout
    assert "data: stand-in data for keras.datasets.mnist.load_data" in dout(".", cwd=project).stdout
    assert "2 layers: 4 gradients exact" in " ".join(run.stdout.split())


def test_what_holds_for_the_programs_numbers_alone_is_a_warning(project):
    (project / "layers.py").write_text("""
class Smooth:  # of a symmetric matrix
    def __init__(self, A):
        self.A = A
    def forward(self, x):
        return self.A @ x
    def backward(self, dout):
        return self.A @ dout
""")
    (project / "train.py").write_text("""
import numpy as np
from layers import Smooth
A = np.random.default_rng(0).normal(size=(20, 20))
layer = Smooth(A + A.T)
layer.backward(layer.forward(np.ones((20, 9)) / 7))
""")
    run = dout("train.py", cwd=project)
    assert run.returncode == 0
    assert "as used in train.py:6, with fewer samples it is right" in " ".join(
        run.stdout.split()
    ) or "as used in train.py:6 it is right" in " ".join(run.stdout.split())


def test_what_the_programs_numbers_hide_by_chance_is_an_error(project):
    (project / "layers.py").write_text("""
import numpy as np
class Embedding:
    def __init__(self, W):
        self.W = W
    def forward(self, index):
        self.index = index
        return self.W[index]
    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.index] = dout
""")
    (project / "train.py").write_text("""
import numpy as np
from layers import Embedding
layer = Embedding(np.random.default_rng(0).normal(size=(50, 30)))
layer.backward(layer.forward(np.arange(3, 40, 2)) ** 2)
""")
    run = dout("train.py", cwd=project)
    assert run.returncode == 1
    assert "an index repeats" in " ".join(run.stdout.split())


@pytest.mark.long
def test_each_manner_of_use_is_judged_and_the_forward_that_a_backward_follows(project):
    (project / "layers.py").write_text("""
def double(x):
    return x * 2.0
def triple(x):
    return x * 3.0
class Scale:
    def __init__(self, rule):
        self.rule = rule
    def forward(self, x, train=True):
        self.train = train
        return self.rule(x) if train else x
    def backward(self, dout):
        return dout * 2.0 if self.train else dout
""")
    train = """
import numpy as np
from layers import Scale, double, triple
x = np.ones((20, 9)) / 7
for rule in RULES:
    layer = Scale(rule)
    layer.forward(x, train=False)
    layer.backward(layer.forward(x))
"""
    for rules, code in (("double, double", 0), ("double, triple", 1)):
        (project / "train.py").write_text(train.replace("RULES", f"({rules})"))
        assert dout("train.py", cwd=project).returncode == code


def test_layers_of_a_function_and_after_a_training_are_judged_too(project):
    (project / "train.py").write_text("""
import numpy as np
def main():
    class Own:
        def forward(self, x):
            return x * 3.0
        def backward(self, dout):
            return dout * 2.0
    own = Own()
    own.backward(own.forward(np.ones((7, 9))))
for turn in range(100):
    from layers import Unused
    unused = Unused() if turn == 0 else unused
    unused.backward(unused.forward(np.ones((7, 9))))
main()
""")
    found = layers(document("train.py", cwd=project))
    assert {name: layer["ok"] for name, layer in found.items()} == {"Unused": True, "main.<locals>.Own": False}


def test_a_notebook_is_a_program_and_its_places_are_cells(project):
    import json

    (project / "train.py").unlink()
    cells = [{"cell_type": "code", "source": part} for part in ("%matplotlib inline", TRAIN)]
    (project / "train.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}))
    assert layers(document("layers.py", cwd=project))["Affine"]["used"] == (
        "as used in train.ipynb, cell 2:11, at smaller sizes"
    )


def test_tests_are_programs_each_of_which_may_fail(project):
    (project / "train.py").unlink()
    (project / "test_layers.py").write_text("""
import unittest
import numpy as np
from layers import Affine, Blocks, Unused

class AffineTest(unittest.TestCase):
    def setUp(self):
        self.layer = Affine(np.ones((20, 10)), np.zeros(10))

    def test_forward(self):
        self.assertEqual(self.layer.forward(np.ones((3, 20))).shape, (3, 11))

class TestBlocks:
    def test_forward(self):
        Blocks([1, 2, 3, 4], 16).forward(np.ones((7, 64)))

def test_needs_a_fixture(layer):
    Unused().forward(1.0)
""")
    used = {name: layer["used"] for name, layer in layers(document("layers.py", cwd=project)).items()}
    assert used == {
        "Affine": "as used in test_layers.py:11, at smaller sizes",
        "Blocks": "as used in test_layers.py:15, with fewer samples",
        "Unused": None,
    }


def test_an_example_that_the_author_gives_comes_before_a_program(project):
    example = '{"init": {"W": np.ones((3, 2)), "b": np.ones(2)}, "inputs": [np.ones((4, 3))]}'
    given = f'\n\ndef dout_example():\n    return {{"Affine": {example}}}\n'
    (project / "layers.py").write_text(LAYERS + given)
    assert layers(document("layers.py", cwd=project))["Affine"]["used"] is None


def test_inputs_that_are_given_come_first(project):
    found = layers(document("layers.py:Unused", "--input", "x=[1.0]", cwd=project))
    assert found["Unused"]["used"] is None


def test_a_module_has_its_programs_too_and_each_manner_of_use_is_named(project):
    (project / "parts").mkdir()
    (project / "parts" / "sums.py").write_text("""
class Sum:
    def __init__(self, how):
        self.how = how
    def forward(self, *terms):
        self.count = len(terms) if self.how == "mean" else 1
        return sum(terms) / self.count
    def backward(self, dout):
        return dout / self.count, dout / self.count
""")
    (project / "train.py").write_text("""
import numpy as np
from parts.sums import Sum
np.seterr(all="raise")
np.add = None
x = np.ones((7, 30))
total, mean = Sum("sum"), Sum("mean")
total.backward(total.forward(x, 2 * x))
mean.backward(mean.forward(x, 2 * x))
""")
    (layer,) = layers(document("parts.sums:Sum", cwd=project)).values()
    assert layer["used"] == "as used in train.py:8, at smaller sizes (so too in train.py:9)"
    assert {v["word"] for v in layer["verdicts"]} == {"exact"}
    assert len(layer["chosen"]["inputs"]) == 2


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), 9)", "while True: pass"], ids=["it kills itself", "it never ends"]
)
def test_a_program_that_is_killed_leaves_no_made_up_data(tmp_path, end):
    (scratch := tmp_path / "scratch").mkdir()
    (tmp_path / "layers.py").write_text(LAYERS)
    train = f"import os\nimport numpy as np\nfrom layers import *\nnp.load('mnist.npz')\nUnused().forward(1.0)\n{end}\n"
    (tmp_path / "train.py").write_text(train)
    run = dout(tmp_path, "--timeout", "2", cwd=tmp_path, env={**PLAIN, "TMPDIR": str(scratch)})
    assert "stand-in data for the file mnist.npz" in run.stdout
    assert not list(scratch.iterdir())


@pytest.mark.long
def test_a_program_draws_the_same_in_every_check(tmp_path):
    (tmp_path / "README.md").write_text("Draws.\n")
    (tmp_path / "net.py").write_text(f"""
import random
import numpy as np
{SQUARE.format(factor=2)}

if __name__ == "__main__":
    square = Square()
    shape = np.random.randint(2, 9), random.randint(2, 9), np.random.default_rng().integers(2, 9)
    square.backward(square.forward(np.random.randn(*shape)))
""")
    found = [
        layers(document("net.py", cwd=tmp_path, env={**PLAIN, "DOUT_NO_CACHE": "1"}))["Square"]["chosen"]
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert len(found[0]["inputs"]["x"]) > 1


STEPS = """
def step(x):
    return x if x > 0 else 0.0


def step_back(x, d):
    return {}


if __name__ == "__main__":
    step(-2.0)
    step_back(-2.0, 0.0)
    step(-2.0)
    step_back(-2.0, 0.0)
"""


@pytest.mark.parametrize(("back", "errors"), [("d if x > 0 else 0.0", 0), ("d if x < 0 else 0.0", 1)])
def test_a_use_on_one_number_excuses_nothing(tmp_path, back, errors):
    (tmp_path / "steps.py").write_text(STEPS.format(back))
    (step,) = layers(document("steps.py:step", cwd=tmp_path)).values()
    assert [item["severity"] for item in step["findings"]].count("error") == errors


MANY = """
from layers import Other, Square
for epoch in range(1000000):
    square, other = Square(), Other()
    square.forward(1.0 + epoch)
    square.backward(1.0)
    if epoch > 100000:
        other.forward(2.0)
"""


def test_a_program_runs_until_the_layer_that_is_asked_for_has_been_seen(tmp_path):
    text = SQUARE.format(factor=2)
    (tmp_path / "layers.py").write_text(text + text.replace("Square", "Other"))
    (tmp_path / "train.py").write_text(MANY)
    shown = document("layers.py:Square", cwd=tmp_path)
    assert layers(shown)["Square"]["used"].startswith("as used in train.py:5")
    assert not shown.get("remarks")


def test_a_layer_of_a_program_that_is_named_is_told_alone(tmp_path):
    (tmp_path / "net.py").write_text("""
import numpy as np

class Double:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout

class Triple:
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        return 2 * dout

if __name__ == "__main__":
    layers = [Double(), Triple()]
    x = np.ones((4, 3))
    for layer in layers:
        x = layer.forward(x)
    for layer in reversed(layers):
        x = layer.backward(x)
""")
    told = document("net.py:Double", cwd=tmp_path)
    assert list(layers(told)) == ["Double"]
    assert dout("net.py:Double", cwd=tmp_path).returncode == 0  # Triple is wrong, and nobody asked
    assert dout("net.py:Triple", cwd=tmp_path).returncode == 1
    assert set(layers(document("net.py", cwd=tmp_path))) == {"Double", "Triple"}
