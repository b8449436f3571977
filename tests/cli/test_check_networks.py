"""`dout check` of networks whose loss stands apart from forward: backward takes the target, and gives its gradients."""

import pytest
from check_commands import document, layers

CLASS = """
import numpy as np
class Network:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros((1, n_out))
    def forward(self, X):
        self.A = 1 / (1 + np.exp(-(X @ self.W + self.b)))
        return self.A
    def compute_loss(self, y_true, y_pred):
        return -np.sum(y_true * np.log(y_pred) + (1 - y_true) * np.log(1 - y_pred)) / len(y_true)
    def backward(self, X, y):
        dZ = self.A - y
        self.dW = X.T @ dZ / len(X)
        self.db = dZ.sum(axis=0, keepdims=True) / len(X)
"""
CLASS_USED = """
net = Network(2, 1)
X, y = np.random.rand(6, 2), np.array([[0], [1], [1], [0], [1], [1.0]])
for epoch in range(100):
    loss = net.compute_loss(y, net.forward(X))
    net.backward(X, y)
    net.W, net.b = net.W - net.dW, net.b - net.db
"""
FUNCTIONS = """
import numpy as np
def forward_propagation(X, params):
    A = np.tanh(params["W1"] @ X + params["b1"])
    return A, {"A": A}
def compute_cost(A, Y):
    return np.sum((A - Y) ** 2) / 2
def backward_propagation(params, cache, X, Y):
    dZ = (cache["A"] - Y) * (1 - cache["A"] ** 2)
    return {"dW1": dZ @ X.T, "db1": dZ.sum(axis=1, keepdims=True)}
"""
FUNCTIONS_USED = """
params = {"W1": np.random.randn(3, 2), "b1": np.zeros((3, 1))}
X, Y = np.random.randn(2, 5), np.random.rand(3, 5)
for epoch in range(100):
    A, cache = forward_propagation(X, params)
    grads = backward_propagation(params, cache, X, Y)
    params = {k: params[k] - grads["d" + k] for k in params}
"""


def verdicts(folder, text):
    """The only layer of a program, and the word on each of its gradients that is judged."""
    (folder / "net.py").write_text(text)
    (layer,) = layers(document("net.py", cwd=folder)).values()
    return layer, {v["argument"]: v["word"] for v in layer["verdicts"] if v["word"] != "inconclusive"}


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("text", "used", "at"),
    [(CLASS, CLASS_USED, "net.py:19"), (FUNCTIONS, FUNCTIONS_USED, "net.py:15")],
    ids=["a class", "functions"],
)
def test_gradients_are_those_of_the_loss_of_what_forward_gives(tmp_path, text, used, at):
    names = ("W", "b") if text is CLASS else ("W1", "b1")
    layer, words = verdicts(tmp_path, text + used)
    assert words == dict.fromkeys(names, "exact")
    assert layer["used"] == f"as used in {at}, at smaller sizes"
    assert verdicts(tmp_path, text)[1] == words  # where no program uses it


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("old", "new", "severity"),
    [("/ len(X)\n        self.db", "\n        self.db", "error"), ("self.A - y", "3 * (self.A - y)", "warning")],
    ids=["one of them", "all of them: of another loss, perhaps"],
)
def test_a_wrong_gradient_of_a_network_is_an_error_beside_right_ones(tmp_path, old, new, severity):
    layer, words = verdicts(tmp_path, CLASS.replace(old, new) + CLASS_USED)
    assert words["W"] == "refuted"
    assert {f["severity"] for f in layer["findings"] if f["code"] == "D101"} == {severity}


SOFTMAX = """
import numpy as np
def forward_prop(W1, b1, W2, b2, X):
    Z1 = W1.dot(X) + b1
    A1 = np.tanh(Z1)
    Z2 = W2.dot(A1) + b2
    A2 = np.exp(Z2) / np.sum(np.exp(Z2), axis=0)
    return Z1, A1, Z2, A2
def one_hot(Y):
    ones = np.zeros((Y.size, 3))
    ones[np.arange(Y.size), Y] = 1
    return ones.T
def backward_prop(Z1, A1, Z2, A2, W1, W2, X, Y):
    dZ2 = A2 - one_hot(Y)
    dW2 = dZ2.dot(A1.T) / Y.size
    db2 = dZ2.sum(axis=1, keepdims=True) / Y.size
    dZ1 = W2.T.dot(dZ2) * (1 - A1 ** 2)
    dW1 = dZ1.dot(X.T) / Y.size
    db1 = dZ1.sum(axis=1, keepdims=True) / Y.size
    return dW1, db1, dW2, db2
X, Y = np.random.rand(6, 40), np.random.randint(0, 3, 40)
W1, b1, W2, b2 = np.random.randn(4, 6), np.zeros((4, 1)), np.random.randn(3, 4), np.zeros((3, 1))
for epoch in range(100):
    Z1, A1, Z2, A2 = forward_prop(W1, b1, W2, b2, X)
    dW1, db1, dW2, db2 = backward_prop(Z1, A1, Z2, A2, W1, W2, X, Y)
    W1, b1, W2, b2 = W1 - dW1, b1 - db1, W2 - dW2, b2 - db2
"""


@pytest.mark.long
def test_without_a_loss_it_is_the_usual_one_for_which_backward_is_right(tmp_path):
    _, words = verdicts(tmp_path, SOFTMAX)
    assert words == dict.fromkeys(("W1", "b1", "W2", "b2"), "exact")
    _, words = verdicts(tmp_path, SOFTMAX.replace("db1 = dZ1.sum(axis=1, keepdims=True)", "db1 = dZ1.sum()"))
    assert words == {"W1": "exact", "b1": "refuted", "W2": "exact", "b2": "exact"}


@pytest.mark.long
def test_where_backward_is_right_for_no_usual_loss_nothing_is_judged(tmp_path):
    layer, words = verdicts(tmp_path, SOFTMAX.replace("dZ2 = A2 - one_hot(Y)", "dZ2 = A2 ** 3 - one_hot(Y)"))
    assert words == {}
    assert "takes the target itself" in layer["findings"][0]["message"]


ONE_SAMPLE = """
import numpy as np
class Shares:
    def __init__(self, n, m):
        self.W, self.rate = np.random.randn(m, n), 0.25
    def forward(self, x):
        e = np.exp(self.W @ x)
        self.x, self.p = x, e / e.sum()
        return self.p
    def backward(self, target):
        self.W -= self.rate * np.outer(self.p - target, self.x)
net = Shares(6, 5)
for i in range(100):
    net.forward(np.random.rand(6))
    net.backward(np.eye(5)[i % 5])
"""


@pytest.mark.long
def test_the_label_of_one_sample_stays_a_line_with_one_1_at_smaller_sizes(tmp_path):
    layer, words = verdicts(tmp_path, ONE_SAMPLE)
    assert words == {"W": "exact"}
    assert "at smaller sizes" in layer["used"]
