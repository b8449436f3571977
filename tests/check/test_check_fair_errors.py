"""What is an error, and what is not: where a layer is meant for something else than it was given."""

import numpy as np
import pytest

import dout


def table(*shape):
    return np.random.default_rng(0).normal(size=shape)


def severities(report, code="D101"):
    return [f.severity for f in report.findings if f.code == code]


class SoftmaxOfAll:
    """Forward forgets the axis: its sums are over all that it is given."""

    def forward(self, x):
        e = np.exp(x - np.max(x))
        self.y = e / np.sum(e)
        return self.y

    def backward(self, dout):
        return self.y * (dout - np.sum(dout * self.y, axis=-1, keepdims=True))


class SoftmaxOfRows(SoftmaxOfAll):
    def forward(self, x):
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        self.y = e / np.sum(e, axis=-1, keepdims=True)
        return self.y

    def backward(self, dout):
        return self.y * (dout - np.sum(dout * self.y))


def test_a_softmax_that_is_wrong_on_several_samples_is_wrong():
    assert severities(dout.check(SoftmaxOfAll, table(3, 4))) == ["error"]
    assert severities(dout.check(SoftmaxOfRows, table(3, 4))) == ["error"]


class Linear:
    def __init__(self):
        self.W, self.b = table(4, 3), np.zeros(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Network:
    def __init__(self):
        self.layers = [Linear(), SoftmaxOfRows()]

    def forward(self, x):
        for layer in self.layers[:1]:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in self.layers[:1]:
            dout = layer.backward(dout)


class Forgetful(Linear):
    def backward(self, dout):
        super().backward(dout)


def test_a_network_need_not_return_the_gradient_of_its_data():
    assert severities(dout.check(Network, table(2, 4)), "D105") == ["warning"]
    assert severities(dout.check(Forgetful, table(2, 4)), "D105") == ["error"]


class WithoutBias(Linear):
    def forward(self, x):
        self.x = x
        return x @ self.W


class PerhapsWithoutBias(Linear):
    use_bias = False

    def forward(self, x):
        self.x = x
        return x @ self.W + (self.b if self.use_bias else 0)


def test_a_gradient_for_what_no_other_method_reads_is_an_error():
    assert severities(dout.check(WithoutBias, table(2, 4))) == ["error"]
    assert severities(dout.check(PerhapsWithoutBias, table(2, 4))) == ["warning"]


class Dropout:
    def __init__(self):
        self.mask = np.zeros((3, 4))

    def forward(self, x, training=False):
        if not training:
            return x
        self.mask = np.random.default_rng(0).random(x.shape) < 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class WrongDropout(Dropout):
    def backward(self, dout):
        return dout * self.mask * 2


def test_backward_belongs_to_training():
    assert dout.check(Dropout, table(3, 4)).ok
    assert severities(dout.check(WrongDropout, table(3, 4))) == ["error"]


class Activation:
    """Backward differentiates at the output instead of the input: right for relu alone."""

    def __init__(self, kind="relu"):
        self.kind = kind

    def value(self, x):
        return {"relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: 1 / (1 + np.exp(-x))}[self.kind](x)

    def slope(self, x):
        if self.kind == "relu":
            return (x > 0) * 1.0
        return self.value(x) * (1 - self.value(x))

    def forward(self, x):
        self.y = self.value(x)
        return self.y

    def backward(self, dout):
        return dout * self.slope(self.y)


class Parametrised(Activation):
    def __init__(self, name="relu"):
        super().__init__(name)


@pytest.mark.parametrize("cls", [Activation, Parametrised])
def test_words_of_the_parents_are_tried(cls):
    (finding,) = [f for f in dout.check(cls, table(3, 4)).findings if f.severity == "error"]
    assert "= 'sigmoid'" in finding.message


class Unrepeatable:
    """Its noise comes from outside: no two calls have the same, and NumPy's own functions are not called on x alone."""

    calls = 0

    def forward(self, x):
        Unrepeatable.calls += 1
        self.x = x
        return np.frompyfunc(lambda a: float(a) ** 3 * Unrepeatable.calls, 1, 1)(x).astype(float)

    def backward(self, dout):
        return dout * self.x


def test_nothing_is_wrong_of_a_forward_that_differs_at_each_call():
    report = dout.check(Unrepeatable, table(2, 3))
    assert [v.word for v in report.verdicts] == ["inconclusive"]


class Loss:
    """The book's: of a single sample `len(t)` counts the classes."""

    def forward(self, x, t):
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        self.y, self.t = e / e.sum(axis=-1, keepdims=True), t
        number = len(t) if t.ndim == 2 else 1
        return -np.sum(t * np.log(self.y + 1e-7)) / number

    def backward(self, dout=1):
        return (self.y - self.t) / len(self.t) * dout


def test_another_number_of_axes_of_a_loss_is_a_warning():
    report = dout.check(Loss, table(3, 4), np.eye(4)[[1, 2, 2]])
    assert severities(report) == ["warning"]


class Trained:
    """Its backward takes what the network should have given, and makes a step."""

    def __init__(self):
        self.weights, self.learning_rate = table(4, 3), 0.5

    def feed_forward(self, x):
        return x @ self.weights

    def back_propagation(self, x, outputs):
        self.weights -= self.learning_rate * x.T @ (x @ self.weights - outputs)


class Silent(Trained):
    def back_propagation(self, x, outputs):
        self.weights -= 0 * outputs[0]


def test_a_backward_that_takes_the_target_is_not_judged():
    report = dout.check(Trained(), table(5, 4), interface="feed_forward, back_propagation(x, dout)")
    assert not report.verdicts
    assert any("takes the target itself" in f.message for f in report.findings)
    other = dout.check(Silent(), table(5, 4), interface="feed_forward, back_propagation(x, dout)")
    assert not any("takes the target itself" in f.message for f in other.findings)


class Decay:
    def __init__(self, units=3):
        self.W, self.b = table(4, units), np.zeros(units)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout + 0.25 * self.W
        self.db = dout.sum(axis=0) + 0.5 * self.b
        return dout @ self.W.T


def test_a_penalty_on_a_bias_of_zeros_is_a_convention_too():
    report = dout.check(Decay, table(5, 4))
    assert report.ok
    (note,) = [f for f in report.findings if f.code == "D112"]
    assert "0.25·W" in note.message
    assert "0.5·b" in note.message
    assert "units" not in note.message  # it is there as given


class Flatten:
    """It puts the numbers back in another order: of a table that is the same."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, dout):
        return dout.reshape(self.shape[0], *self.shape[:0:-1]).T.reshape(self.shape[::-1]).T


class RightFlatten(Flatten):
    def backward(self, dout):
        return dout.reshape(self.shape)


def test_what_flattens_a_table_is_tried_on_images():
    assert dout.check(RightFlatten, table(3, 4)).ok
    (finding,) = [f for f in dout.check(Flatten, table(3, 4)).findings if f.severity == "error"]
    assert "on x (3, 2, 4, 5)" in finding.message


class Norm:
    """Its mean is over the rows of whatever it is given; backward divides by the first axis."""

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        self.x, self.m = x, rows.mean(axis=0)
        return x - self.m

    def backward(self, dout):
        return dout - dout.reshape(-1, dout.shape[-1]).sum(axis=0) / len(self.x)


class RightNorm(Norm):
    def backward(self, dout):
        return dout - dout.reshape(-1, dout.shape[-1]).mean(axis=0)


class NormOfTables(Norm):
    def forward(self, x):
        self.x, self.m = x, x.mean(axis=tuple(range(x.ndim - 1)))
        return x - self.m


def test_what_makes_a_table_of_a_table_is_meant_for_more_axes():
    assert not severities(dout.check(RightNorm, table(3, 4)))
    assert severities(dout.check(Norm, table(3, 4))) == ["error"]
    assert severities(dout.check(NormOfTables, table(3, 4))) == ["warning"]


class Regularised:
    """A penalty is a convention; what is wrong at the setting after it is not."""

    def __init__(self, strength=0.0, gain=1.0):
        self.W, self.strength, self.gain = table(4, 3), strength, gain

    def forward(self, x):
        self.x = x
        return self.gain * (x @ self.W)

    def backward(self, dout):
        self.dW = self.gain * self.x.T @ dout + self.strength * self.W
        return dout @ self.W.T


def test_a_penalty_hides_no_wrong_gradient_at_another_setting():
    (finding,) = [f for f in dout.check(Regularised, table(3, 4)).findings if f.severity == "error"]
    assert "with gain = " in finding.message


class Calls:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout(1 - self.y**2)


def test_a_backward_that_calls_an_array_raises_whatever_it_is_given():
    (finding,) = dout.check(Calls).findings
    assert (finding.code, finding.severity) == ("D001", "error")
    assert finding.message.endswith("whatever it is given")


class Identity:
    """Its derivative is a Jacobian for each row of columns, which has the shape of a square input by chance."""

    def f(self, x):
        return x

    def f_prime(self, x):
        return np.repeat(np.eye(x.shape[1])[None], len(x), axis=0)


def test_a_jacobian_of_a_square_input_is_not_judged():
    report = dout.check(Identity(), table(2, 3, 3), interface="f, f_prime(x), local")
    assert not report.verdicts
    assert any("it may be a Jacobian" in f.message for f in report.findings)


class Steps:
    def __init__(self):
        self.W, self.b = table(4, 3), table(1, 3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.W = self.W - 0.5 * self.x.T @ dout
        self.b = self.b - 0.5 * dout
        return dx


class SummedSteps(Steps):
    def backward(self, dout):
        dx = super().backward(dout)
        self.b = self.b.mean(axis=0, keepdims=True)
        return dx


def test_a_step_that_spreads_a_parameter_over_the_samples_is_an_error():
    assert severities(dout.check(Steps, table(5, 4)), "D210") == ["error"]
    assert severities(dout.check(SummedSteps, table(5, 4)), "D210") == ["warning"]


class Activated:
    """The sigmoid at the end is left to the loss, as many have it."""

    left = "sigmoid"

    def __init__(self, kind="linear"):
        self.W, self.kind = table(4, 3), kind

    def forward(self, x):
        self.x, z = x, x @ self.W
        if self.kind == "sigmoid":
            z = 1 / (1 + np.exp(-z))
        elif self.kind == "tanh":
            z = np.tanh(z)
        self.y = z
        return z

    def backward(self, dout):
        slopes = {"linear": 1.0, "sigmoid": self.y * (1 - self.y), "tanh": 1 - self.y**2}
        dz = dout * (1.0 if self.kind == self.left else slopes[self.kind])
        self.dW = self.x.T @ dz
        return dz @ self.W.T


class LeavesTanh(Activated):
    left = "tanh"


def test_a_sigmoid_at_the_end_that_is_one_word_of_several_may_be_left_to_the_loss():
    assert dout.check(Activated, table(5, 4)).ok
    assert not dout.check(LeavesTanh, table(5, 4)).ok


class HalfOfSquares:
    def forward(self, prediction, target):
        self.difference = prediction - target
        return np.sum(self.difference**2)

    def backward(self, dout=1):
        return dout * self.difference**3


def test_numbers_on_which_every_gradient_is_0_are_no_example():
    zeros = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert not dout.check(HalfOfSquares, zeros, zeros).ok


class Picks:
    def forward(self, scores, labels):
        self.scores, self.place = scores, (np.arange(len(labels)), labels)
        return np.sum(scores[self.place])

    def backward(self, dout=1):
        gradient = np.zeros_like(self.scores)
        gradient[self.place] += dout
        return gradient


class Unpacks:
    """It expects a pair, and two rows are one."""

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        gradient, rest = dout
        return np.stack([gradient, rest + gradient])


def test_lengths_that_are_alike_by_chance_are_no_example():
    rows_of_labels = np.array([[0, 1, 1], [2, 0, 1], [1, 2, 2]])
    assert severities(dout.check(Picks, table(3, 3), rows_of_labels)) == ["warning"]
    assert dout.check(Picks, table(4, 3), np.array([0, 2, 1, 1])).ok
    assert severities(dout.check(Unpacks, table(2, 3))) == ["warning"]


def test_an_empty_input_tells_nothing_more():
    assert dout.check(Linear, np.zeros((0, 4))).ok


class SignOfBias:
    """What is not negative has the sign 1 here, and a bias begins at 0."""

    def __init__(self, strength=0):
        self.W, self.b, self.strength = table(4, 3), np.zeros(3), strength

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        if self.strength > 0:
            signs = np.ones_like(self.b)
            signs[self.b < 0] = -1
            self.db += self.strength * signs
        return dout @ self.W.T


def test_a_penalty_on_the_signs_of_zeros_is_a_convention_too():
    report = dout.check(SignOfBias, table(5, 4))
    assert report.ok
    assert "D112" in {f.code for f in report.findings}


class LogOfLimited:
    """The limit keeps the logarithm finite: beyond it nobody wants its derivative."""

    def forward(self, x):
        self.x = x
        return np.log(np.maximum(x, 1e-8))

    def backward(self, dout):
        return dout / self.x


class TwiceLogOfLimited(LogOfLimited):
    def backward(self, dout):
        return 2 * dout / self.x


def test_beyond_a_limit_that_keeps_numbers_finite_nothing_is_wrong():
    assert severities(dout.check(LogOfLimited, table(3, 4))) == []
    assert severities(dout.check(TwiceLogOfLimited, table(3, 4))) == ["error"]


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


class LastState:
    """A sequence of rows: of one line for each step, which a state of as many rows by chance takes as well."""

    def __init__(self):
        self.Wx, self.Wh = table(3, 4), table(4, 4)

    def forward(self, inputs, state):
        self.states = [state]
        for x in inputs:
            self.states.append(np.tanh(x @ self.Wx + self.states[-1] @ self.Wh))
        return self.states[-1]

    def backward(self, dout, inputs):
        dWx, dWh = np.zeros_like(self.Wx), np.zeros_like(self.Wh)
        for t in reversed(range(len(inputs))):
            inner = dout * (1 - self.states[t + 1] ** 2)
            dWx += np.dot(inputs[t].T, inner)
            dWh += np.dot(self.states[t].T, inner)
            dout = inner @ self.Wh.T
        return dWx, dWh


def test_rows_that_fit_by_chance_are_no_error():
    assert severities(dout.check(LastState, table(2, 3), table(3, 4))) == ["warning"]
    assert severities(dout.check(LastState, table(2, 5, 3), table(5, 4))) == []


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


def test_a_backward_without_dout_may_be_that_of_the_loss_alone():
    assert errors(dout.check(LossAndPrediction, table(3, 4), np.eye(4)[:3])) == []


class ScaledByANumber:
    """No recording knows `putmask`; the gradient of a number is no row."""

    def __init__(self, gamma=0.5):
        self.gamma = gamma

    def forward(self, x):
        self.x = x
        return self.gamma * x

    def backward(self, dout):
        dx = self.gamma * dout
        np.putmask(dx, np.isnan(dx), 0)
        self.dgamma = np.sum(dout * self.x, axis=0)
        return dx


def test_a_row_as_the_gradient_of_a_number_ends_no_check_by_differences():
    (verdict,) = dout.check(ScaledByANumber, table(3, 4)).verdicts
    assert (verdict.argument, verdict.word) == ("x", "agrees within rounding")
