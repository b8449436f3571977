"""Whose a gradient is: by its place, name and shape, and where these cannot say it, nothing is an error."""

import numpy as np
import pytest
from fair_examples import table

import dout


def shares(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class SecondFirst:
    """Its backward gives the gradient of the second input, which no name says."""

    def forward(self, probabilities, logits):
        self.wanted, self.shares = probabilities, shares(logits)
        return -np.sum(self.wanted * np.log(self.shares))

    def backward(self):
        return self.shares - self.wanted


class OtherSign:
    """Wrong of the first input, which makes it right for the second."""

    def forward(self, one, other):
        self.difference = one - other
        return np.sum(self.difference**2)

    def backward(self):
        return -2 * self.difference


def test_one_gradient_is_that_of_the_input_for_which_it_is_right():
    report = dout.check(SecondFirst, shares(table(3, 4)), table(3, 4)[::-1] + 0.5)
    assert [(v.argument, report.ok) for v in report.verdicts] == [("logits", True)]
    report = dout.check(OtherSign, table(3, 4), table(3, 4) ** 2)
    assert [(v.argument, report.ok) for v in report.verdicts] == [("one", False)]


class Neuron:
    """One score a sample; backward returns the gradients of weights and bias, which no name says."""

    def __init__(self):
        self.w, self.b = table(3), 0.5

    def forward(self, x):
        self.x = x
        self.y = np.tanh(x @ self.w + self.b)
        return self.y

    def backward(self, dout):
        d = dout * (1 - self.y**2)
        return d @ self.x, d


class NamedNeuron(Neuron):
    def backward(self, dout):
        d = dout * (1 - self.y**2)
        dx, dw = np.outer(d, self.w), -d @ self.x
        return dx, dw


def errors(report):
    return [f.message for f in report.findings if f.severity == "error"]


def test_whose_a_gradient_is_may_be_guessed_and_then_it_is_no_error():
    assert errors(dout.check(Neuron, table(4, 3))) == []
    (only,) = errors(dout.check(NamedNeuron, table(4, 3)))
    assert "the gradient of w " in only


class Cell:
    def __init__(self):
        self.W = table(5, 2)

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W)

    def backward(self, dout):
        d = dout * (1 - np.tanh(self.x @ self.W) ** 2)
        self.dW = self.x.T @ d
        return d @ self.W.T


class Recurrent:
    """Calls a cell at every step, and adds its gradients up itself."""

    def __init__(self):
        self.cell = Cell()

    def forward(self, x):
        self.seen, h = [], np.zeros((len(x), 2))
        for t in range(x.shape[1]):
            self.seen.append(np.hstack([x[:, t], h]))
            h = self.cell.forward(self.seen[-1])
        return h

    def backward(self, dout):
        self.cell_gradient = np.zeros_like(self.cell.W)
        dx = np.zeros((len(dout), len(self.seen), 3))
        for t in reversed(range(len(self.seen))):
            self.cell.x = self.seen[t]
            back = self.cell.backward(dout)
            self.add(self.cell.dW)
            dx[:, t], dout = back[:, :3], back[:, 3:]
        return dx

    def add(self, gradient):
        self.cell_gradient += gradient


class LastStep(Recurrent):
    def add(self, gradient):
        self.cell_gradient = gradient


def test_the_gradient_of_a_part_that_is_called_at_every_step_is_that_of_all_steps():
    right, wrong = (dout.check(layer, table(4, 3, 3)) for layer in (Recurrent, LastStep))
    assert [str(v) for v in right.verdicts] == ["x: exact", "cell.W: exact"]
    assert errors(right) == []
    assert [v.argument for v in wrong.verdicts if v.word == "refuted"] == ["cell.W"]


class Probabilities:
    """Forward gives them beside the loss, and backward wants them back."""

    def forward(self, scores, y):
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return p, -np.sum(y * np.log(p))

    def backward(self, dout, y):
        return dout - y


class InAnotherOrder:
    def __init__(self):
        self.W = table(5, 2)

    def forward(self, x, h):
        self.y = np.tanh(np.hstack([x, h]) @ self.W)
        return self.y

    def backward(self, dout):
        d = dout * (1 - self.y**2) @ self.W.T
        return d[:, 3:], d[:, :3]


@pytest.mark.long
def test_what_backward_is_given_and_the_order_of_what_it_gives_may_be_guessed():
    assert errors(dout.check(Probabilities, table(3, 4), np.eye(4)[:3])) == []
    assert errors(dout.check(InAnotherOrder(), table(4, 3), table(4, 2))) == []


class Stepping:
    def __init__(self):
        self.W = table(3, 2)

    def forward(self, input_data):
        self.input = input_data
        return input_data @ self.W

    def backward(self, output_gradient, learning_rate):
        input_gradient = output_gradient @ self.W.T
        self.W -= learning_rate * self.input.T @ output_gradient
        return input_gradient


def test_a_gradient_is_that_of_the_input_and_not_of_what_a_used_layer_has_kept_of_it():
    layer = Stepping()
    layer.forward(table(4, 3))
    report = dout.check(layer, table(4, 3))
    assert [str(v) for v in report.verdicts] == ["input_data: exact", "W: exact"]


class LossAndPrediction:
    def forward(self, scores, targets):
        self.p, self.targets = 1 / (1 + np.exp(-scores)), targets
        loss = -np.mean(targets * np.log(self.p) + (1 - targets) * np.log(1 - self.p))
        return loss, self.p

    def backward(self):
        return (self.p - self.targets) / self.p.size


@pytest.mark.long
def test_a_backward_without_dout_may_be_that_of_the_loss_alone():
    assert errors(dout.check(LossAndPrediction, table(3, 4), np.eye(4)[:3])) == []


class Valued:
    """Each parameter is a dict with its value and its gradient, which backward returns as well."""

    def __init__(self):
        self.W = {"val": table(4, 3), "grad": np.zeros((4, 3))}
        self.b = {"val": np.ones((1, 3)), "grad": np.zeros((1, 3))}

    def forward(self, x):
        self.x = x
        return x @ self.W["val"] + self.b["val"]

    def backward(self, dout):
        self.W["grad"] = self.x.T @ dout
        self.b["grad"] = dout.sum(axis=0, keepdims=True)
        return dout @ self.W["val"].T, self.W["grad"], self.b["grad"]


class Paired:
    """Backward returns each parameter beside its gradient, and a list has the parameters that it began with."""

    def __init__(self):
        self.W, self.b = table(4, 3), np.ones((1, 3))
        self.params = [self.W, self.b]

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        pairs = [(self.W, self.x.T @ dout), (self.b, dout.sum(axis=0, keepdims=True))]
        return dout @ self.W.T, pairs


class Halved(Paired):
    def backward(self, dout):
        dx, ((W, dW), b) = super().backward(dout)
        return dx, [(W, dW / 2), b]


def set_by_hand(layer):
    layer.W, layer.b = 2 * layer.W, layer.b + 1
    return layer


@pytest.mark.parametrize("layer", [Valued(), Paired(), set_by_hand(Paired())])
def test_returned_gradients_belong_to_the_parameters_that_stand_with_them(layer):
    found = {verdict.argument: verdict.word for verdict in dout.check(layer, table(5, 4)).verdicts}
    assert found == {"x": "exact", "W": "exact", "b": "exact"}


def test_a_wrong_gradient_in_a_pair_is_wrong():
    found = {verdict.argument: verdict.word for verdict in dout.check(set_by_hand(Halved()), table(5, 4)).verdicts}
    assert found["W"] not in ("exact", "agrees within rounding")


class Told:
    """What it returns says whose it is where it is no formula: h needs no gradient."""

    def __init__(self, W):
        self.W = W

    def forward(self, x, h, c, scale):
        self.kept = x, h, c, scale
        return (x @ self.W + h) * c * scale

    def backward(self, dout):
        x, h, c, scale = self.kept
        d = dout * c * scale
        dW = x.T @ d
        dc = dout * (x @ self.W + h) * scale
        return d @ self.W.T, dW, dc


def test_the_return_statement_names_the_owners_beside_a_formula():
    report = dout.check(Told)
    assert {(v.argument, str(v.word)) for v in report.verdicts} == {("x", "exact"), ("W", "exact"), ("c", "exact")}


class OfWeights:
    """Its weights are square, as its input may be: what it returns is a list with the gradient of each."""

    def __init__(self):
        self.weights = [table(3, 3), table(3, 3)[::-1]]

    def forward(self, X):
        self.kept = [X]
        for weight in self.weights:
            self.kept.append(np.tanh(self.kept[-1] @ weight))
        return self.kept[-1]

    def backward(self, dout):
        found = []
        for place in (1, 0):
            d = dout * (1 - self.kept[place + 1] ** 2)
            found.insert(0, self.kept[place].T @ d)
            dout = d @ self.weights[place].T
        return found


class OfScaledWeights(OfWeights):
    def __init__(self):
        super().__init__()
        self.scales = [table(3, 3) + 1, 2 * table(3, 3)]


class OfWeightsWrong(OfWeights):
    def backward(self, dout):
        return [2 * found for found in super().backward(dout)]


@pytest.mark.parametrize("layer", [OfWeights, pytest.param(OfScaledWeights, marks=pytest.mark.long)])
def test_a_list_of_gradients_belongs_to_the_list_that_it_fits(layer):
    verdicts = [(v.argument, str(v.word)) for v in dout.check(layer).verdicts]
    assert verdicts == [("weights[0]", "exact"), ("weights[1]", "exact")]


@pytest.mark.long
def test_a_wrong_list_of_gradients_is_an_error():
    assert "error" in {item.severity for item in dout.check(OfWeightsWrong).findings}


def loss_by_keys(x, y, w, b):
    return (w * x + b - y) ** 2


def loss_by_keys_backward(x, y, w, b):
    error = w * x + b - y
    return {"w": 2 * error * x, "b": 2 * error}


def test_gradients_in_a_dict_are_in_no_order():
    report = dout.check(loss_by_keys)
    assert {item.severity for item in report.findings} <= {"warning", "note"}
    assert not any("order" in item.message for item in report.findings)
