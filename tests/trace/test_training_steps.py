"""Programs that train without layers: one step of theirs, with the gradients that they update parameters with."""

import numpy as np
import pytest
from recorded_scripts import record_script

import dout
from dout.trace.record.script import run_script
from dout.trace.session.function_layers import PairedFunctions
from dout.trace.session.layer_calls import LayerMethods, plain_methods

DATA = """
import numpy as np
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
W1, b1, W2 = rng.normal(size=(3, 4)), np.zeros((1, 4)), rng.normal(size=(4, 1))
"""
STEP = """
    a = np.tanh(X @ W1 + b1)
    out = a @ W2
    loss = np.mean((out - Y) ** 2)
    error = 2 * (out - Y) / 8
    back = error @ W2.T * (1 - a * a)
"""
DESCENT = (
    STEP + "    W2 -= 0.1 * a.T @ error\n    W1 -= 0.1 * (X.T @ back)\n    b1 -= 0.1 * back.sum(0, keepdims=True)\n"
)
LOOP = "for turn in range(50):\n"
NAMES = ("W1", "b1", "W2")


def assert_are_gradients(trace):
    """Hold the gradient of each parameter of the step against differences of its loss."""
    (step,), data = trace.calls, {}
    exec(DATA, data)
    found = {name: next(p.node for p in step.parameters if p.node.shape == data[name].shape) for name in NAMES}
    values = {name: trace.data[found[name]] for name in NAMES}

    def loss(name, change):
        at = {**values, name: values[name] + change}
        out = np.tanh(data["X"] @ at["W1"] + at["b1"]) @ at["W2"]
        return np.mean((out - data["Y"]) ** 2)

    for name in NAMES:
        gradient = trace.by_node[found[name]].gradient.value
        for place in np.ndindex(gradient.shape):
            change = np.zeros(gradient.shape)
            change[place] = 1e-6
            slope = (loss(name, change) - loss(name, -change)) / 2e-6
            assert gradient[place] == pytest.approx(slope, abs=1e-7)


def script(folder, text):
    file = folder / "train.py"
    file.write_text(text)
    return file


def test_one_step_is_kept_with_the_gradients_that_parameters_are_updated_with(tmp_path):
    trace = record_script(script(tmp_path, DATA + LOOP + DESCENT + "    print(loss)\n"))
    assert [call.cls for call in trace.calls] == ["training step"]
    assert_are_gradients(trace)
    (step,) = trace.calls
    assert [trace.names[node] for node in step.outputs] == ["loss"]
    assert "error" not in {trace.names.get(node) for node in trace.graph.nodes if node not in trace.backward}
    a = next(node for node in trace.graph.nodes if trace.names.get(node) == "a")
    assert trace.by_node[a].gradient.value.shape == a.shape  # as of each value on the way to the loss
    assert all(node in trace.backward for p in step.parameters for node in [p.gradient])


def test_gradients_are_found_behind_momentum_and_adam(tmp_path):
    momentum = STEP + "    for W, g in ((W2, a.T @ error), (W1, X.T @ back), (b1, back.sum(0, keepdims=True))):\n"
    momentum += "        v = state[id(W)] = 0.9 * state.get(id(W), np.zeros(W.shape)) + 0.1 * g\n        W -= 0.1 * v\n"
    assert_are_gradients(record_script(script(tmp_path, DATA + "state = {}\n" + LOOP + momentum)))
    downward = momentum.replace("+ 0.1 * g", "- 0.1 * g").replace("W -= 0.1 * v", "W += v")
    assert_are_gradients(record_script(script(tmp_path, DATA + "state = {}\n" + LOOP + downward)))
    adam = momentum.replace("+ 0.1 * g\n", "+ 0.1 * g\n        q = 0.1 * g ** 2 + 0.9 * np.ones(W.shape)\n")
    adam = adam.replace("0.1 * v\n", "0.1 * (v / 0.1) / (np.sqrt(q / 0.1) + 1e-8)\n")
    assert_are_gradients(record_script(script(tmp_path, DATA + "state = {}\n" + LOOP + adam)))


def test_gradients_are_whole_before_they_are_clipped_and_are_of_the_loss_before_it_is_averaged(tmp_path):
    grads = "    dW2, dW1, db1 = a.T @ error, X.T @ back, back.sum(0, keepdims=True)\n"
    clipped = (
        grads
        + "    for g in (dW2, dW1, db1):\n        np.clip(g, -0.01, 0.01, out=g)\n    mean = 0.9 * mean + 0.1 * loss\n"
    )
    update = "    for W, g in ((W2, dW2), (W1, dW1), (b1, db1)):\n        W -= 0.1 * g\n"
    trace = record_script(script(tmp_path, DATA + "mean = 0.0\n" + LOOP + STEP + clipped + update))
    assert_are_gradients(trace)
    assert {node for node in trace.seeds if trace.names[node] == "loss"} == set(trace.seeds) != set()


def test_a_gradient_that_is_divided_by_the_number_of_samples_is_so(tmp_path):
    sums = STEP.replace("2 * (out - Y) / 8", "2 * (out - Y)")
    means = "    dW2, dW1, db1 = a.T @ error / 8, X.T @ back / 8, back.sum(0, keepdims=True) / 8\n"
    update = "    for W, g in ((W2, dW2), (W1, dW1), (b1, db1)):\n        W -= 0.1 * g\n"
    assert_are_gradients(record_script(script(tmp_path, DATA + LOOP + sums + means + update)))


def test_a_step_that_descends_another_loss_than_the_one_that_is_printed_ends_where_gradients_begin(tmp_path):
    trace = record_script(script(tmp_path, DATA + LOOP + DESCENT.replace("2 * (out - Y) / 8", "np.sign(out - Y)")))
    (step,) = trace.calls
    assert [trace.names[node] for node in step.outputs] == ["error", "loss"]
    assert not trace.wrong


def test_an_update_may_read_its_parameter_twice_in_its_line(tmp_path):
    drawn = "    W2 = W2 - 0.1 * (0.5 * (W2 - A2) + a.T @ error)\n    W1 = W1 - 0.1 * (0.5 * (W1 - A1) + X.T @ back)\n"
    drawn += "    b1 = b1 - 0.1 * (0.5 * (b1 - c1) + back.sum(0, keepdims=True))\n"  # back to where they began
    begun = "A1, c1, A2 = W1.copy(), b1.copy(), W2.copy()\n"
    assert_are_gradients(record_script(script(tmp_path, DATA + begun + LOOP + STEP + drawn)))


@pytest.mark.parametrize(
    "line",
    [
        "W -= 0.1 * X.T @ (X @ W - Y)",
        "W += 0.1 * X.T @ (Y - X @ W)",
        "d = (Y - X @ W) + (Y - X @ W); W += 0.1 * X.T @ d",
    ],
)
def test_a_target_that_stands_in_each_step_is_no_parameter(tmp_path, line):
    trace = record_script(script(tmp_path, DATA + "W = rng.normal(size=(3, 1))\n" + LOOP + f"    {line}\n"))
    assert {parameter.node.shape for call in trace.calls for parameter in call.parameters} == {(3, 1)}


def test_what_is_added_is_the_negative_of_the_gradient(tmp_path):
    climbs = DESCENT.replace("error = 2 * (out - Y)", "error = 2 * (Y - out)").replace("-= 0.1", "+= 0.1")
    assert_are_gradients(record_script(script(tmp_path, DATA + LOOP + climbs)))
    for factor in ("+= -0.1 *", "-= -0.1 * -1 *", "+= -(0.1) *"):
        other = DESCENT.replace("-= 0.1 *", factor)
        assert_are_gradients(record_script(script(tmp_path, DATA + LOOP + other)))


def test_a_layer_that_is_given_the_negative_of_its_upstream_gradient_goes_up(tmp_path):
    layer = """
class Layer:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        old = self.W
        self.W = self.W + 0.1 * self.x.T @ dout
        return dout @ old.T
layer = Layer(W1)
for turn in range(9):
    layer.backward(1 - layer.forward(X))
"""
    trace = record_script(script(tmp_path, DATA + layer))
    (call,) = trace.calls
    assert [p.name for p in call.parameters] == ["W"]
    assert trace.by_node[call.parameters[0].node].gradient.value.shape == (3, 4)
    assert not trace.wrong


STEPPING = """
class Layer:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self):
        self.dx = self.dout @ self.W.T
        self.W += SIGN 0.1 * self.x.T @ self.dout
class Net:
    def __init__(self):
        self.last = Layer(W1)
    def forward(self, x):
        return self.last.forward(x)
    def backward(self, dout):
        self.last.dout = dout
        self.last.backward()
net = Net()
for turn in range(9):
    net.backward(net.forward(X) - 1)
"""


@pytest.mark.parametrize("sign", ["-", "+"])
def test_the_sign_of_a_step_is_the_users_also_where_a_network_hands_dout_on_as_an_attribute(tmp_path, sign):
    trace = record_script(script(tmp_path, DATA + STEPPING.replace("SIGN", sign)))
    assert any(p.name == "W" for call in trace.calls for p in call.parameters)
    assert not trace.wrong


def test_another_gradient_is_wrong_also_where_a_network_hands_dout_on_as_an_attribute(tmp_path):
    text = STEPPING.replace("SIGN", "-").replace("0.1 * self.x.T", "0.1 * np.abs(self.x.T)")
    assert record_script(script(tmp_path, DATA + text)).wrong


MEASURED = """
class Linear:
    def __init__(self):
        self.W = rng.normal(size=(3, 1))
        self.seen = 0.0
    def forward(self, x):
        self.x = x
        y = x @ self.W
        self.seen = 0.9 * self.seen + 0.1 * y.mean()
        return y
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
class Square:
    def forward(self, y, t):
        return np.mean((y - t) ** 2)
    def backward(self, y, t, scale=1.0):
        return scale * 2 * (y - t) / len(t)
net, cost = Linear(), Square()
print(cost.forward(net.forward(X), Y))
for turn in range(3):
    rows = rng.permutation(8)[:4]
    y = net.forward(X[rows])
    LOSS
    net.backward(cost.backward(y, Y[rows]))
    net.W -= 0.1 * net.dW
"""


def test_what_is_measured_before_a_training_is_left_out_although_a_layer_keeps_an_average(tmp_path):
    trace = record_script(script(tmp_path, DATA + MEASURED.replace("LOSS", "loss = cost.forward(y, Y[rows])")))
    assert [(call.cls, call.inputs[0].shape) for call in trace.calls] == [("Linear", (4, 3)), ("Square", (4, 1))]
    assert not trace.wrong


def test_a_loss_that_measured_other_data_has_no_part_in_a_round(tmp_path):
    def methods_of(cls):
        return plain_methods(cls) and LayerMethods(takes_dout=cls.__name__ != "Square")

    trace = run_script(script(tmp_path, DATA + MEASURED.replace("LOSS", "pass")), methods_of=methods_of).trace()
    assert [(call.cls, call.inputs[0].shape) for call in trace.calls] == [("Linear", (4, 3))]
    assert trace.by_node[trace.calls[0].outputs[0]].gradient is not None


def test_a_step_is_found_behind_a_long_preparation(tmp_path):
    long = "pairs = [np.array([float(i), 1.0]) * 2 for i in range(15000)]\n"
    trace = record_script(script(tmp_path, DATA + long + LOOP + DESCENT))
    assert_are_gradients(trace)
    assert len(trace.graph.nodes) < 100


def test_the_step_that_is_asked_for_is_kept(tmp_path):
    text = DATA + LOOP + DESCENT + "    print(repr(float(loss)))\n"
    steps = []
    for number in (1, 2, 3):
        trace = run_script(script(tmp_path, text), rounds=number).trace()
        assert_are_gradients(trace)
        steps.append(float(trace["loss"].data))
    assert len(set(steps)) == 3
    plain = {}
    exec(DATA + "losses = []\n" + LOOP + DESCENT + "    losses.append(loss)\n", plain)
    assert set(steps) <= set(map(float, plain["losses"][:6]))


def test_a_network_that_updates_itself_tells_its_gradients(tmp_path):
    network = """
class Net:
    def __init__(self, W1, b1, W2):
        self.W1, self.b1, self.W2 = W1, b1, W2
    def forward(self, X):
        self.a = np.tanh(X @ self.W1 + self.b1)
        return self.a @ self.W2
    def backward(self, X, Y, out):
        error = 2 * (out - Y) / 8
        back = error @ self.W2.T * (1 - self.a * self.a)
        self.W2 = self.W2 - 0.1 * self.a.T @ error
        self.W1 = self.W1 - 0.1 * X.T @ back
        self.b1 = self.b1 - 0.1 * back.sum(0, keepdims=True)
net = Net(W1, b1, W2)
for turn in range(9):
    print(np.mean((net.forward(X) - Y) ** 2), np.abs(net.forward(X) - Y).max())
    out = net.forward(X)
    net.backward(X, Y, out)
"""
    trace = record_script(script(tmp_path, DATA + network))
    (call,) = trace.calls
    assert sorted(p.name for p in call.parameters) == ["W1", "W2", "b1"]
    assert_are_gradients(trace)


def test_gradients_of_arguments_are_shown_where_functions_take_their_parameters(tmp_path):
    text = (
        DATA.replace("(8, 1)", "(8, 1)")
        + """
def forward(X, W1, b1, W2):
    a = np.tanh(X @ W1 + b1)
    return a, a @ W2
def backward(X, Y, a, out, W2):
    error = 2 * (out - Y) / 8
    back = error @ W2.T * (1 - a * a)
    return X.T @ back, back.sum(0, keepdims=True), a.T @ error
for turn in range(9):
    a, out = forward(X, W1, b1, W2)
    dW1, db1, dW2 = backward(X, Y, a, out, W2)
    W1, b1, W2 = W1 - 0.1 * dW1, b1 - 0.1 * db1, W2 - 0.1 * dW2
"""
    )
    trace = run_script(script(tmp_path, text), pairs_of=paired).trace()
    assert_are_gradients(trace)


def paired(names):
    return iter([PairedFunctions("forward", "backward", False)] if "backward" in names else [])


def test_functions_of_one_time_step_whose_gradients_add_up_in_arrays_are_one_training_step(tmp_path):
    text = """
import numpy as np
rng = np.random.default_rng(0)
W = rng.normal(size=(3, 4))
dW, x = np.zeros((3, 4)), rng.normal(size=(5, 1, 3))
def forward(x):
    return np.tanh(x @ W)
def backward(x, y):
    global dW
    dW += x.T @ (2 * y * (1 - y * y))
for turn in range(9):
    dW.fill(0)
    ys = [forward(row) for row in x]
    loss = sum((y ** 2).sum() for y in ys)
    for row, y in zip(x, ys):
        backward(row, y)
    for _ in range(40):  # a sample of what it has learned
        forward(x[0])
    W += -0.1 * dW
"""
    trace = run_script(script(tmp_path, text), pairs_of=paired).trace()
    (step,) = trace.calls
    (parameter,) = step.parameters
    data = {}
    exec(text.partition("dW, x")[0] + "x = rng.normal(size=(5, 1, 3))", data)
    x, y = data["x"][:, 0], np.tanh(data["x"][:, 0] @ data["W"])
    np.testing.assert_allclose(trace.by_node[parameter.node].gradient.value, x.T @ (2 * y * (1 - y * y)))
    assert sum(str(node.primitive) == "tanh" for node in trace.graph.nodes) == len(x)


@pytest.mark.long
def test_what_updates_nothing_is_shown_from_its_beginning(tmp_path):
    text = "import numpy as np\nw, x = np.full(3, 2.0), np.arange(3.0)\nz = w + x\n"
    text += "total = 0\nfor i in range(15000):\n    total = total + np.sum(z * x)\n"
    trace = record_script(script(tmp_path, text))
    assert str(trace.graph.nodes[2].primitive) == "add" or "z" in trace.names.values()
    assert not trace.calls


def test_a_result_that_no_backward_takes_a_gradient_of_is_given_none(tmp_path):
    text = """
import numpy as np
class Net:
    def __init__(self):
        self.W = np.full((3, 2), 0.5)
    def forward(self, x):
        return [x, x @ self.W], [x * 2]
    def backward(self, activations, others):
        self.dW = activations[0].T @ (activations[1] - 1)
        return self.dW
net = Net()
for turn in range(3):
    kept, others = net.forward(np.ones((4, 3)))
    net.backward(kept, others)
"""
    trace = record_script(script(tmp_path, text))
    assert trace.calls[0].douts is None
    dout.draw(trace)


def test_a_number_that_is_asked_for_is_one_and_a_line_is_empty(tmp_path):
    asks = "turns, rate = int(input('turns: ')), float(input('rate: '))\nassert input('go on? ') == ''\n"
    trace = record_script(script(tmp_path, DATA + asks + "for turn in range(turns):\n" + DESCENT))
    assert_are_gradients(trace)
    assert any("with 1 where a number is asked for" in str(event) for event in trace.events)


def test_a_progress_bar_that_nobody_sees_counts(tmp_path):
    bar = "import tqdm\nbar = tqdm.tqdm(iter(int, 1), total=9)\nfor turn in bar:\n    bar.update()\n"
    bar += "    if bar.n > 6:\n        tqdm.tqdm.write('done')\n        break\n"
    trace = record_script(script(tmp_path, DATA + bar + DESCENT))
    assert_are_gradients(trace)


def test_a_plain_array_whose_dot_takes_a_parameter_keeps_its_edge(tmp_path):
    plain = "import pickle\nX = pickle.loads(pickle.dumps(X))\n"  # as a library reads them
    step = DESCENT.replace("X @ W1", "X.dot(W1)").replace("(X.T @ back)", "X.T.dot(back)")
    trace = record_script(script(tmp_path, DATA + plain + LOOP + step + "    print(loss)\n"))
    assert_are_gradients(trace)


def test_what_a_plain_dot_gives_is_used_as_any_array(tmp_path):
    text = """
import pickle
import numpy as np
x = pickle.loads(pickle.dumps(np.ones((2, 3))))
W = np.arange(12.0).reshape(3, 4)
y = x.dot(W)
y[0] = 1.0
y += 1
z = np.concatenate([y, 2 * y]).sum(0) + y.T[:, 0] + y[1] + len(y) + np.exp(-y.mean(axis=0))
print(z)
"""
    trace = record_script(script(tmp_path, text))
    plain = {}
    exec(text.replace("pickle.loads(pickle.dumps(np.ones((2, 3))))", "np.ones((2, 3))"), plain)
    (node,) = (n for n, name in trace.names.items() if name == "z")
    assert np.array_equal(trace.data[node], plain["z"])
    assert "dot" in {n.primitive.name for n in trace.graph.nodes}


RESIDUAL = """
import numpy as np
rng = np.random.default_rng(0)

class Scaled:
    def __init__(self):
        self.W = rng.normal(size=(4, 4))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T

class Block:
    def __init__(self):
        self.inner = Scaled()
    def forward(self, x):
        return x + self.inner.forward(x)
    def backward(self, dout):
        return dout + self.inner.backward(dout)

class Net:
    def __init__(self):
        self.blocks = [Block(), Block(), Block()]
    def forward(self, x):
        for block in self.blocks:
            x = block.forward(x)
        return x
    def backward(self, dout):
        for block in reversed(self.blocks):
            dout = block.backward(dout)
        return dout

x, net = rng.normal(size=(2, 4)), Net()
for turn in range(5):
    net.forward(x)
    net.backward(np.ones((2, 4)))
    for block in net.blocks:
        block.inner.W -= 0.1 * block.inner.dW
"""


def test_what_residual_blocks_add_to_their_input_is_no_training_step(tmp_path):
    trace = record_script(script(tmp_path, RESIDUAL))
    assert [call.cls for call in trace.calls] == ["Net", *["Block", "Scaled"] * 3]
    assert all(call.gradients for call in trace.calls)
