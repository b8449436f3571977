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


@pytest.mark.long
def test_gradients_that_follow_from_one_upstream_gradient_are_right(project):
    net = layers(document("network.py", cwd=project()))["Perceptron"]
    assert net["used"] == "as recorded in train.py"
    assert {verdict["word"] for verdict in net["verdicts"]} == {"agrees within rounding"}
    assert len(net["verdicts"]) == 4
    assert not net["findings"]


@pytest.mark.long
def test_the_text_says_how_it_was_judged(project):
    shown = dout("network.py", "--all", cwd=project())
    assert "as recorded in train.py" in shown.stdout
    assert "agrees within rounding by the numbers of its program" in shown.stdout


@pytest.mark.long
def test_a_slope_that_is_left_out_is_told_of_what_is_before_it(project):
    net = layers(document("network.py", cwd=project(hidden='delta @ s["W2"].T')))["Perceptron"]
    words = {verdict["argument"]: verdict["word"] for verdict in net["verdicts"]}
    assert sorted(words.values()) == ["agrees within rounding"] * 2 + ["refuted"] * 2
    assert {finding["severity"] for finding in net["findings"]} == {"error"}
    for finding in net["findings"]:
        assert finding["line"] > 0
        assert abs(finding["expected"] - finding["got"]) > 1e-3


@pytest.mark.long
def test_updates_that_go_up_the_loss_are_told_and_nothing_is_right(project):
    folder = project()
    source = (folder / "network.py").read_text()
    (folder / "network.py").write_text(source.replace("s[name] - rate", "s[name] + rate"))
    net = layers(document("network.py", cwd=folder))["Perceptron"]
    assert {verdict["word"] for verdict in net["verdicts"]} == {"inconclusive"}
    (finding,) = net["findings"]
    assert (finding["code"], finding["severity"]) == ("D101", "warning")
    assert "makes the loss larger" in finding["message"]


BAG = """
import numpy as np


class BagOfVectors:
    def __init__(self, d, k):
        self.u, self.V, self.c = np.random.randn(d) * 0.4, np.random.randn(d, k) * 0.4, np.zeros(k)

    def forward(self, bag):
        self.bag = bag
        e = np.exp(bag @ self.u)
        self.share = e / e.sum()
        self.mean = self.share @ bag
        z = np.exp(self.mean @ self.V + self.c)
        self.out = z / z.sum()
        return self.out

    def backward(self, cls):
        d = self.out.copy()
        d[cls] -= 1
        slope = self.bag @ (self.V @ d)
        return {"u": self.bag.T @ (self.share * SLOPE), "V": np.outer(self.mean, d), "c": d}


np.random.seed(0)
net = BagOfVectors(4, 3)
for i in range(40):
    net.forward(np.random.randn(2 + i % 3, 4))
    for name, gradient in net.backward(i % 3).items():
        setattr(net, name, getattr(net, name) - 0.1 * gradient)
"""


@pytest.mark.one_in(6)
@pytest.mark.parametrize(("slope", "ok"), [("(slope - self.share @ slope)", True), ("slope", False)])
def test_a_crash_on_chosen_inputs_gives_way_to_the_round_of_a_program(tmp_path, slope, ok):
    (tmp_path / "README.md").write_text("A network of bags.\n")
    (tmp_path / "bags.py").write_text(BAG.replace("SLOPE", slope))
    net = layers(document("bags.py", cwd=tmp_path))["BagOfVectors"]
    assert not [finding for finding in net["findings"] if finding["code"] == "D001"]
    words = {verdict["argument"]: verdict["word"] for verdict in net["verdicts"]}
    assert words["V"] == "agrees within rounding"
    assert (words["u"] == "agrees within rounding") is ok


CRITIC = """
import numpy as np


class Critic:
    def __init__(self, n, h):
        self.A, self.B = np.random.randn(n, h) * 0.5, np.random.randn(h, 1) * 0.5

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.A)
        self.p = 1 / (1 + np.exp(-self.h @ self.B))
        return self.p

    def backward(self, genuine):
        d = (self.p - genuine) / len(self.x)
        self.dB = self.h.T @ d
        da = d @ self.B.T * (1 - self.h ** 2)
        self.dA = self.x.T @ da
        return da @ self.A.T


np.random.seed(0)
critic = Critic(2, 8)
for step in range(20):
    for label in (1.0, 0.0):
        critic.forward(np.random.randn(6, 2) + label)
        critic.backward(label)
        critic.A -= 0.1 * critic.dA
        critic.B -= 0.1 * critic.dB
"""


@pytest.mark.long
def test_a_parameter_for_which_a_round_has_no_gradient_is_listed(tmp_path):
    gained = CRITIC.replace(
        "np.random.randn(h, 1) * 0.5", "np.random.randn(h, 1) * 0.5\n        self.gain = np.ones(h)"
    )
    (tmp_path / "README.md").write_text("A critic.\n")
    (tmp_path / "critic.py").write_text(gained.replace("self.h @", "(self.gain * self.h) @"))
    net = layers(document("critic.py", cwd=tmp_path))["Critic"]
    assert "gain" in net["without_gradient"]


WHOLE = """
import numpy as np


class NeuralNetwork:
    def __init__(self, x, y):
        self.x, self.y = x, y
        self.first, self.second = np.random.rand(x.shape[1], 4), np.random.rand(4, 1)

    def feedforward(self):
        self.hidden = 1 / (1 + np.exp(-np.dot(self.x, self.first)))
        self.output = 1 / (1 + np.exp(-np.dot(self.hidden, self.second)))

    def backprop(self):
        d = 2 * (self.y - self.output) * self.output * (1 - self.output)
        step = np.dot(self.hidden.T, d)
        self.first += np.dot(self.x.T, np.dot(d, self.second.T) * self.hidden * (1 - self.hidden))
        self.second += step


net = NeuralNetwork(np.array([[0.0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]]), np.array([[0.0], [1], [1], [0]]))
for _ in range(200):
    net.feedforward()
    net.backprop()
"""


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("way", "word"), [("+=", "agrees within rounding"), ("-=", "inconclusive")])
def test_a_target_that_each_step_subtracts_from_is_no_parameter(tmp_path, way, word):
    (tmp_path / "README.md").write_text("A network.\n")
    (tmp_path / "net.py").write_text(WHOLE.replace("+=", way))
    net = layers(document("net.py", cwd=tmp_path))["NeuralNetwork"]
    assert {verdict["argument"]: verdict["word"] for verdict in net["verdicts"]} == dict.fromkeys(
        ("first", "second"), word
    )


@pytest.mark.long
def test_an_interface_found_by_trial_gives_way_to_the_round_of_a_program(tmp_path):
    (tmp_path / "README.md").write_text("A critic.\n")
    (tmp_path / "critic.py").write_text(CRITIC)
    net = layers(document("critic.py", cwd=tmp_path))["Critic"]
    assert net["ok"]
    words = {verdict["argument"]: verdict["word"] for verdict in net["verdicts"]}
    assert {words["A"], words["B"]} == {"agrees within rounding"}


DENSE = """
import numpy as np


class Dense:
    def __init__(self, n, m):
        self.W, self.b = np.random.default_rng(0).normal(size=(n, m)), np.zeros(m)

    def forward(self, x):
        return x @ self.W + self.b

    def backward(self, x, top):
        self.dW = FACTOR * x.T @ top
        self.db = FACTOR * top.sum(0)
        return RETURNED
"""

TRAIN_DENSE = """
import numpy as np
import right, wrong

rng = np.random.default_rng(1)
x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
for layer in LAYERS:
    for _ in range(3):
        out = layer.forward(x)
        layer.backward(x, (out - y) / len(x))
        layer.W -= 0.1 * layer.dW
        layer.b -= 0.1 * layer.db
"""


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("used", ["right.Dense(3, 2), wrong.Dense(3, 2)", "wrong.Dense(3, 2)"])
def test_a_round_says_nothing_of_a_class_of_the_same_name_or_of_a_factor(tmp_path, used):
    (tmp_path / "README.md").write_text("Layers.\n")
    (tmp_path / "right.py").write_text(DENSE.replace("FACTOR", "1").replace("RETURNED", "top @ self.W.T"))
    (tmp_path / "wrong.py").write_text(DENSE.replace("FACTOR", "2").replace("RETURNED", "np.abs(top @ self.W.T) + 1"))
    (tmp_path / "train.py").write_text(TRAIN_DENSE.replace("LAYERS", f"[{used}]"))
    net = layers(document("wrong.py", cwd=tmp_path))["Dense"]
    assert {verdict["word"] for verdict in net["verdicts"]} == {"refuted"}
    assert len(net["verdicts"]) == 3


XOR = """
import numpy as np


class Dense:
    def __init__(self, n_in, n_out):
        self.weights, self.bias = np.random.rand(n_in, n_out) - 0.5, np.random.rand(1, n_out) - 0.5

    def forward_step(self, given):
        self.given = given
        return given @ self.weights + self.bias

    def backward_step(self, error, rate):
        back = error @ self.weights.T
        self.weights -= rate * self.given.T @ error
        self.bias -= rate * error
        return back


class Bend:
    def forward_step(self, given):
        self.given = given
        self.output = np.tanh(given)
        return self.output

    def backward_step(self, error, rate):
        return (1 - np.tanh(self.KEPT) ** 2) * error


layers = [Dense(2, 3), Bend(), Dense(3, 1), Bend()]
for x, y in [([[0, 0]], 0), ([[0, 1]], 1)] * 2:
    out = np.array(x)
    for layer in layers:
        out = layer.forward_step(out)
    error = 2 * (out - y)
    for layer in reversed(layers):
        error = layer.backward_step(error, 0.1)
"""


@pytest.mark.parametrize("kept", ["given", "output"])
def test_a_layer_of_a_program_with_one_sample_of_zeros(tmp_path, kept):
    (tmp_path / "README.md").write_text("One layer after another.\n")
    (tmp_path / "xor.py").write_text(XOR.replace("KEPT", kept))
    found = layers(document("xor.py", cwd=tmp_path))
    words = {verdict["argument"]: verdict["word"] for verdict in found["Dense"]["verdicts"]}
    assert words == {"given": "exact", "weights": "exact", "bias": "exact"}
    assert [verdict["word"] for verdict in found["Bend"]["verdicts"]] == ["exact" if kept == "given" else "refuted"]
