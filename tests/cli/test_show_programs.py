"""`dout show` of whole programs: where they are stopped, what is drawn of one that fails, where a gradient ends."""

import json

import numpy as np
import pytest
from show_commands import LAYER, dout, refused, script

SINGULAR = """
import numpy as np
class Values:
    def forward(self, x):
        return {inside}
    def backward(self, dout):
        return dout
y = Values().forward({given})
z = Values().forward({after})
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("inside", "given", "after", "said", "line"),
    [
        ("np.linalg.svd(x)[0] + x", "np.eye(2)", "y", "np.linalg.svd is not in dout's table of primitives", 5),
        ("x * 2.0", "np.eye(2)", "np.linalg.svd(y)[0]", "np.linalg.svd is not in dout's table of primitives", 9),
        ("complex(x).real * x", "2.0", "y", "complex(...) turns a traced value into a plain number", 5),
    ],
    ids=["in a layer", "between layers", "a number"],
)
def test_where_the_trace_ends_the_picture_says_so(tmp_path, inside, given, after, said, line):
    run = dout("show", script(tmp_path, SINGULAR.format(inside=inside, given=given, after=after)), "--json")
    (event,) = (event for event in json.loads(run.stdout)["events"] if event["kind"] == "escape")
    assert event["message"].startswith(f"a gradient ends here: {said}")
    assert event["line"] == line


@pytest.mark.long
def test_a_training_loop_is_stopped_after_its_round_unless_it_is_to_run_on(tmp_path):
    text = LAYER + "mul = MulLayer()\nfor turn in range(3):\n    mul.forward(2.0, 3.0)\n    mul.backward(1.0)\n"
    text += "    print('turn', turn)\n"
    saved = tmp_path / "saved.svg"
    stopped, whole, kept = (dout("show", script(tmp_path, text), *m) for m in ([], ["--run-on"], ["-o", saved]))
    assert ("turn 0" in stopped.stdout, "turn 1" in stopped.stdout) == (True, False)
    assert "the program was stopped where its next round begins (--run-on lets it go on)" in " ".join(
        stopped.stdout.split()
    )
    assert "turn 2" in whole.stdout
    assert "the program was stopped" in kept.stderr
    assert "the program was stopped" not in saved.read_text()


def test_arguments_are_passed_on_to_the_script(tmp_path):
    text = LAYER + "import sys\nprint(sys.argv[1:])\nMulLayer().forward(float(sys.argv[2]), 3.0)\n"
    assert "['--lr', '3']" in dout("show", script(tmp_path, text), "--", "--lr", "3").stdout
    refused(dout("show", "Sigmoid", "--", "--lr", "3"), "Sigmoid is no script; --lr is for a script")


def test_what_a_script_did_before_it_failed_is_drawn_and_the_error_follows(tmp_path):
    text = LAYER + "MulLayer().forward(2.0, 3.0)\nmissing\n"
    run = dout("show", script(tmp_path, text))
    assert run.returncode == 2
    assert "MulLayer" in run.stdout
    assert "NameError: name 'missing'" in run.stderr


@pytest.mark.long
def test_at_the_time_limit_what_a_script_did_is_drawn(tmp_path):
    text = LAYER + "MulLayer().forward(2.0, 3.0)\nwhile True:\n    pass\n"
    run = dout("show", script(tmp_path, text), "--timeout", "1")
    assert run.returncode == 0
    assert "MulLayer" in run.stdout
    assert "did not end within 1 s" in run.stdout
    run = dout("show", script(tmp_path, text), "--timeout", "1", "-o", str(tmp_path / "x.svg"))
    assert "did not end within 1 s" in run.stderr


def test_a_backward_that_is_given_the_target_is_compared_with_nothing(tmp_path):
    text = """
import numpy as np
class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y
    def backward(self, y_true):
        return self.y - y_true
layer = Softmax()
y = layer.forward(np.array([[1.0, 2.0, 0.5]]))
dx = layer.backward(np.array([[0.0, 1.0, 0.0]]))
"""
    run = dout("show", script(tmp_path, text))
    assert run.returncode == 0
    assert "✗" not in run.stdout


def test_a_program_that_catches_everything_is_told_to_end_again_and_what_it_says_of_that_is_dropped(tmp_path):
    text = (
        "import time, unittest\n"
        + LAYER
        + """
class Tests(unittest.TestCase):
    def test_a_round(self):
        mul = MulLayer()
        for turn in range(2):
            mul.backward(mul.forward(2.0, 3.0))
    def test_b(self):
        time.sleep(1000)
if __name__ == "__main__":
    unittest.main()
"""
    )
    run = dout("show", script(tmp_path, text))
    assert run.returncode == 0
    assert "mul" in run.stdout
    assert "the program was stopped where its next round begins" in run.stdout
    assert run.stderr == ""


def test_a_test_that_needs_a_library_says_which(tmp_path):
    text = "import unittest\nimport tensorflow\n"
    text += "class Tests(unittest.TestCase):\n    def test(self):\n        assert tensorflow.ones(3).sum() > 2\n"
    text += "unittest.main()\n"
    run = dout("show", script(tmp_path, text))
    assert run.returncode == 2
    assert run.stderr.endswith("mine.py ended with exit code True: it needs tensorflow, which is not installed\n")


def test_a_place_in_another_folder_is_named_from_here(tmp_path):
    for folder in ("common", "ch01"):
        (tmp_path / folder).mkdir()
    script(
        tmp_path / "common", LAYER.replace("def backward(self, dout):", "def backward(self, dout):\n        dout *= 2")
    )
    text = "import sys\nimport numpy as np\nsys.path.append('..')\nfrom common.mine import MulLayer\nmul = MulLayer()\n"
    script(tmp_path / "ch01", text + "mul.forward(np.ones(2), np.ones(2))\nmul.backward(np.ones(2))\n", "train.py")
    assert "dout, at ../common/mine.py:" in dout("show", "train.py", cwd=tmp_path / "ch01").stdout


def test_a_thread_that_a_stopped_program_leaves_does_not_keep_the_command(tmp_path):
    text = LAYER + "import threading\nover = threading.Event()\nthreading.Thread(target=over.wait).start()\n"
    text += "mul = MulLayer()\nfor turn in range(3):\n    mul.forward(2.0, 3.0)\n    mul.backward(1.0)\nover.set()\n"
    run = dout("show", script(tmp_path, text))
    assert (run.returncode, "6" in run.stdout, run.stderr) == (0, True, "")


FUNCTIONS = """
import numpy as np
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
def sigmoid_derivative(a):
    return a * (1 - a)
def {forward}:
    A = sigmoid({W} @ X + {b})
    return A, {{"A": A}}
def compute_cost(A, Y):
    return 0.5 * np.sum((A - Y) ** 2)
def {backward}:
    dZ = (cache["A"] - Y) * sigmoid_derivative(cache["A"])
    return {gradients}
X, Y, params = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[0.25, 0.5]]), {params}
for epoch in range(100):
    {turn}
"""
STYLES = {
    "parameters and gradients in a dict": {
        "forward": "forward_propagation(X, params)",
        "backward": "backward_propagation(X, Y, cache, params)",
        "W": "params['W1']",
        "b": "params['b1']",
        "params": "{'W1': np.array([[0.5, -0.25]]), 'b1': np.zeros((1, 1))}",
        "gradients": "{'dW1': dZ @ X.T, 'db1': dZ.sum(axis=1, keepdims=True)}",
        "turn": "A, cache = forward_propagation(X, params)\n    cost = compute_cost(A, Y)\n"
        "    grads = backward_propagation(X, Y, cache, params)\n"
        "    params = {k: params[k] - 0.1 * grads['d' + k] for k in params}",
    },
    "each by itself": {
        "forward": "forward_prop(W1, b1, X)",
        "backward": "back_prop(cache, X, Y)",
        "W": "W1",
        "b": "b1",
        "params": "0\nW1, b1 = np.array([[0.5, -0.25]]), np.zeros((1, 1))",
        "gradients": "dZ @ X.T, dZ.sum(axis=1, keepdims=True)",
        "turn": "A, cache = forward_prop(W1, b1, X)\n    dW1, db1 = back_prop(cache, X, Y)\n"
        "    print(compute_cost(A, Y))\n    W1, b1 = W1 - 0.1 * dW1, b1 - 0.1 * db1",
    },
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_one_round_of_a_program_without_classes_has_its_gradients_and_its_loss(tmp_path, style):
    run = dout("show", script(tmp_path, FUNCTIONS.format(**style)), "--json")
    shown = json.loads(run.stdout)
    values = {value["id"]: value["value"] for value in shown["values"]}
    (layer,) = shown["layers"]
    assert layer["name"] == style["forward"].partition("(")[0]
    A = 1 / (1 + np.exp(-np.array([[0.5 - 0.75, 1.0 + 0.25]])))
    dZ = (A - [[0.25, 0.5]]) * A * (1 - A)
    gradients = {one["name"]: values[one["gradient"]] for one in layer["parameters"]}
    np.testing.assert_allclose(gradients["W1"], [[(dZ @ [1, 2]).item(), (dZ @ [3, -1]).item()]])
    np.testing.assert_allclose(gradients["b1"], [[dZ.sum()]])
    assert [values[end] for end in shown["outputs"].values()] == [pytest.approx(0.5 * np.sum((A - [0.25, 0.5]) ** 2))]
    assert any(event["kind"] == "round" for event in shown["events"])
