"""What was chosen may have been chosen otherwise: where that is as likely, and makes a layer right, it is right."""

import numpy as np
import pytest
from fair_examples import severities, table

import dout


def shares(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


class RowOfLabels:
    """A cross entropy of columns, with labels in a row (1, N); right behind a softmax."""

    sign = 1

    def forward(self, p, t):
        self.p, self.t = p, t
        return -np.mean(np.log(p[t[0], np.arange(p.shape[1])]))

    def backward(self):
        d = self.p.copy()
        d[self.t[0], np.arange(d.shape[1])] -= self.sign
        return d / d.shape[1]


class RowOfLabelsAdded(RowOfLabels):
    sign = -1


class SquaresOfASigmoid:
    """Squares of what a sigmoid gave, with the gradient of both."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return np.mean((p - t) ** 2)

    def backward(self):
        return 2 * (self.p - self.t) * self.p * (1 - self.p) / self.p.size


class SquaresOfHalfASigmoid(SquaresOfASigmoid):
    def backward(self):
        return 2 * (self.p - self.t) * self.p / self.p.size


@pytest.mark.parametrize(
    ("right", "wrong"), [(RowOfLabels, RowOfLabelsAdded), (SquaresOfASigmoid, SquaresOfHalfASigmoid)]
)
def test_a_loss_may_give_the_gradient_of_its_activation_in_whatever_form_labels_come(right, wrong):
    assert [v.word for v in dout.check(right).verdicts] == ["right for the loss and its activation together"]
    assert not dout.check(wrong).ok


class ByATarget:
    """A layer, and no loss, although its first input is called as one of a loss."""

    def forward(self, target, x):
        self.target, self.x = target, x
        return target * x

    def backward(self, dout):
        return dout * self.x


class ByATargetSquared(ByATarget):
    def forward(self, target, x):
        return super().forward(target, x) * target


def test_what_is_called_a_target_has_a_gradient_if_it_is_right_for_it():
    assert [v.argument for v in dout.check(ByATarget).verdicts] == ["target"]
    assert dout.check(ByATarget).ok
    assert not dout.check(ByATargetSquared).ok


class WithFlag:
    """Softmax and cross entropy, of which a flag leaves the loss out; backward is handed what forward kept."""

    def forward(self, inputs, y_true, predict):
        e = np.exp(inputs - inputs.max(axis=1, keepdims=True))
        self.output = e / e.sum(axis=1, keepdims=True)
        if predict:
            return self.output
        return np.mean(-np.log(self.output[range(len(inputs)), y_true]))

    def backward(self, dvalues, y_true):
        d = dvalues.copy()
        d[range(len(d)), y_true] -= 1
        self.dinputs = d / len(d)


class WithFlagUndivided(WithFlag):
    def backward(self, dvalues, y_true):
        d = dvalues.copy()
        d[range(len(d)), y_true] += 1
        self.dinputs = d / len(d)


def test_a_flag_that_leaves_out_what_backward_is_handed_is_turned():
    assert [(v.argument, v.word) for v in dout.check(WithFlag).verdicts] == [("inputs", "exact")]
    assert [f.code for f in dout.check(WithFlagUndivided).findings if f.severity == "error"] == ["D101"]


class OfTwoFunctions:
    """Which of its functions takes what the other gives, no code says."""

    def __init__(self, activation, activation_prime):
        self.activation, self.activation_prime = activation, activation_prime

    def forward(self, x):
        self.out = self.activation(x)
        return self.out

    def backward(self, dout):
        return dout * self.activation_prime(self.out)


class OfTwoFunctionsAdded(OfTwoFunctions):
    def backward(self, dout):
        return dout + self.activation_prime(self.out)


class OfTwoFunctionsByInput(OfTwoFunctions):
    def forward(self, x):
        self.x = x
        return self.activation(x)

    def backward(self, dout):
        return dout * self.activation_prime(self.x)


def test_a_slope_that_was_chosen_may_take_what_its_function_gives():
    assert dout.check(OfTwoFunctions).ok
    assert dout.check(OfTwoFunctionsByInput).ok
    assert not dout.check(OfTwoFunctionsAdded).ok


class Flat:
    """Gives tables, and takes gradients with an axis more, which other layers of its author add."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1).T

    def backward(self, dout):
        count, one, features = dout.shape[0], dout.shape[1], dout.shape[2]
        return (dout * one).reshape(count, 1, features, 1)[:, 0].reshape(self.shape)


class FlatWithoutShape:
    def forward(self, x):
        return x.reshape(len(x), -1).T

    def backward(self, dout):
        return dout.reshape(self.shape)


def test_a_backward_that_reads_more_axes_of_dout_than_forward_gives_raises_no_error():
    x = table(3, 2, 4)
    assert [f.severity for f in dout.check(FlatWithoutShape, x).findings if f.code == "D001"] == ["error"]
    assert "error" not in [f.severity for f in dout.check(Flat).findings]


class RunningMean:
    """Keeps a running mean of its gradients, and learns from that."""

    def __init__(self, n, m):
        self.W, self.mean = np.ones((n, m)) / 2, np.zeros((n, m))

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W)

    def backward(self, dout):
        d = dout * self.slope()
        dx = d @ self.W.T
        self.mean = 0.9 * self.mean + 0.1 * (self.x.T @ d)
        self.dW = self.mean
        return dx

    def slope(self):
        return 1 - np.tanh(self.x @ self.W) ** 2


class RunningMeanOfHalf(RunningMean):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.mean / 2
        return dx


def test_a_running_mean_of_gradients_is_right_up_to_a_constant():
    words = {v.argument: v.word for v in dout.check(RunningMean).verdicts}
    assert words == {"x": "exact", "W": "right up to a constant factor"}
    assert not dout.check(RunningMeanOfHalf).ok


class TwoLayers:
    """A whole network that steps by itself; nothing stands before it."""

    def __init__(self):
        draw = np.random.default_rng(0)
        self.W1, self.W2 = draw.normal(size=(3, 4)), draw.normal(size=(4, 2))

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W1)
        return self.h @ self.W2

    def backward(self, dout, lr):
        g2 = self.h.T @ dout
        g1 = self.x.T @ ((dout @ self.W2.T) * (1 - self.h**2))
        self.W1 -= lr * g1
        self.W2 -= lr * g2


class OneLayer:
    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, lr):
        self.W -= lr * self.x.T @ dout


def test_a_network_that_learns_by_itself_needs_no_return():
    assert "error" not in [f.severity for f in dout.check(TwoLayers).findings]
    assert [f.code for f in dout.check(OneLayer).findings if f.severity == "error"] == ["D105"]


class AskedByANumber:
    """Gives the gradient of W where a number asks for it."""

    times = 1

    def __init__(self, n=3, m=3, mode=0):
        self.W, self.mode = np.ones((n, m)) / 2, mode

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        if self.mode > 0:
            self.dW = self.times * self.x.T @ dout
        return dout @ self.W.T


class AskedByANumberTwice(AskedByANumber):
    times = 2


def test_a_gradient_that_a_number_asks_for_is_judged_by_its_name():
    assert "D101" not in [f.code for f in dout.check(AskedByANumber).findings]
    assert "D101" in [f.code for f in dout.check(AskedByANumberTwice).findings]


class RowsOfSquares:
    """Half of a mean squared error of one row; of several it gives a number for each pair."""

    def forward(self, A, Y):
        self.A, self.Y = A, Y
        return (A - Y).dot((A - Y).T) / (2 * Y.shape[1])


class MeanSquaredError(RowsOfSquares):
    def backward(self):
        return self.A - self.Y


class MeanSquaredErrorTurned(RowsOfSquares):
    def backward(self):
        return self.Y - self.A


@pytest.mark.long
def test_a_loss_of_one_row_is_no_error_on_several():
    assert severities(dout.check(MeanSquaredError)) == ["warning"]
    assert severities(dout.check(MeanSquaredErrorTurned)) == ["error"]


class RowsWithOne:
    """A cross entropy with its softmax, of labels that are rows with one 1; no name says so."""

    sign = 1

    def forward(self, x, labels):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return np.sum(-np.log(self.p[np.where(labels == 1)]))

    def backward(self, labels):
        d = self.p.copy()
        d[np.where(labels == 1)] -= self.sign
        return d


class RowsWithOneAdded(RowsWithOne):
    sign = -1


def test_labels_may_be_rows_with_one_1_where_whole_numbers_were_chosen():
    assert [v.word for v in dout.check(RowsWithOne).verdicts] == ["exact"]
    assert not dout.check(RowsWithOneAdded).ok


class OfNextWeights:
    """What comes after may leave its weights to the layer before, or None where it has used them."""

    def __init__(self, n, m):
        self.table = np.ones((n, m)) / 4

    def forward(self, x):
        self.x = x
        return x @ self.table

    def backward(self, delta_next, w_next):
        delta = delta_next if w_next is None else delta_next @ w_next.T
        self.table_gradient = self.x.T @ delta
        return delta @ self.table.T


class OfNextWeightsTwice(OfNextWeights):
    def backward(self, delta_next, w_next):
        delta = delta_next if w_next is None else delta_next @ w_next.T
        self.table_gradient = self.x.T @ delta
        return 2 * delta @ self.table.T


def test_what_a_backward_takes_for_none_may_be_none():
    assert {v.word for v in dout.check(OfNextWeights).verdicts} == {"exact"}
    assert not dout.check(OfNextWeightsTwice).ok


class Chain:
    """A container that calls its parts by name."""

    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x=x)
        return x

    def backward(self, gradient, learning_rate):
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient=gradient, learning_rate=learning_rate)


class ChainForwards(Chain):
    def backward(self, gradient, learning_rate):
        for layer in self.layers:
            gradient = layer.backward(gradient=gradient, learning_rate=learning_rate)


def test_a_container_may_give_its_parts_their_input_by_name():
    assert dout.check(Chain).ok
    assert dout.check(Chain, init={"layers": []}).ok
    assert not dout.check(ChainForwards).ok


class ForAnEntropy:
    """A softmax that is right for `-t / y` alone."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y.copy()

    def backward(self, dout):
        return self.y + dout * self.y


class ForAnAverage(ForAnEntropy):
    def backward(self, dout):
        return (self.y + dout * self.y) / len(dout)


class ForNothing(ForAnEntropy):
    def backward(self, dout):
        return self.y - dout * self.y


class ForTwice(ForAnEntropy):
    def backward(self, dout):
        return 2 * (self.y + dout * self.y)


def test_a_softmax_for_a_cross_entropy_is_a_warning():
    assert severities(dout.check(ForAnEntropy)) == ["warning"]
    assert severities(dout.check(ForAnAverage)) == ["warning"]
    assert severities(dout.check(ForNothing)) == ["error"]
    assert severities(dout.check(ForTwice)) == ["error"]


class WithVelocity:
    """Steps by a velocity, and keeps its gradients under other names than its parameters have."""

    def __init__(self, n, m):
        self.filters, self.v_dw = np.ones((n, m)) / 4, np.zeros((n, m))

    def forward_propagation(self, x):
        self.x = x
        return x @ self.filters

    def backward_propagation(self, dout, learning_rate=0.01, gamma=0.9):
        dx = dout @ self.filters.T
        self.dW = self.gradient(dout)
        self.v_dw = gamma * self.v_dw + self.dW
        self.filters -= learning_rate * self.v_dw
        return dx

    def gradient(self, dout):
        return self.x.T @ dout


class WithVelocityTurned(WithVelocity):
    def gradient(self, dout):
        return -self.x.T @ dout


def test_a_velocity_is_no_parameter_beside_a_gradient_by_another_name():
    assert {v.argument: v.word for v in dout.check(WithVelocity).verdicts} == {"x": "exact", "filters": "exact"}
    assert not dout.check(WithVelocityTurned).ok


class LimitedSwish:
    """Its backward knows nothing of the limit, beyond which next to nothing is left."""

    most = 30.0

    def forward(self, x):
        self.x = x
        self.share = 1 / (1 + np.exp(-np.clip(x, -self.most, self.most)))
        return x * self.share

    def backward(self, dout):
        return dout * self.share * (1 + self.x * (1 - self.share))


class SwishWithin3(LimitedSwish):
    most = 3.0


FAR_OUT = np.array([[-50.0, -31.0, -1.0, 2.0], [40.0, 0.5, -35.0, 31.0]])


@pytest.mark.parametrize("x", [table(2, 4), FAR_OUT])
def test_next_to_nothing_beyond_a_limit_is_no_error(x):
    assert [v.word for v in dout.check(LimitedSwish, x).verdicts] == ["exact up to a stabiliser"]
    assert not dout.check(SwishWithin3, FAR_OUT).ok


class OfTokens:
    """A cross entropy of scores for each token; with more scores than tokens forward leaves the rest out."""

    axis = -1

    def forward(self, scores, tokens):
        flat, places = scores.reshape(-1, scores.shape[-1]), tokens.reshape(-1)
        shares = np.exp(flat) / np.exp(flat).sum(axis=self.axis, keepdims=True)
        self.d = np.exp(flat) / np.exp(flat).sum(axis=-1, keepdims=True)
        self.d[np.arange(len(places)), places] -= 1
        self.d = (self.d / len(places)).reshape(scores.shape)
        return -np.mean(np.log(shares[np.arange(len(places)), places]))

    def backward(self):
        return self.d


class OfTokensDown(OfTokens):
    axis = 0


def test_scores_are_as_many_as_their_tokens():
    given = table(2, 4, 3), np.array([[0, 2, 1, 0], [1, 1, 2, 0]])
    assert dout.check(OfTokens, *given).ok
    assert not dout.check(OfTokensDown, *given).ok


class ByOutputs:
    """A container that hands the backward of each part what the part gave."""

    def __init__(self, modules):
        self.modules = modules

    def forward(self, x):
        self.outputs = [x]
        for module in self.modules:
            self.outputs.append(module.forward(self.outputs[-1]))
        return self.outputs[-1]

    def backward(self, delta):
        for place in reversed(range(len(self.modules))):
            delta = self.modules[place].backward_delta(self.outputs[place + 1], delta)
        return delta


class ByOutputsForwards(ByOutputs):
    def backward(self, delta):
        for place in range(len(self.modules)):
            delta = self.modules[place].backward_delta(self.outputs[place + 1], delta)
        return delta


class EveryOutput(ByOutputs):
    """Gives what each of its parts gave, and takes the gradient of the last alone."""

    def forward(self, x):
        super().forward(x)
        return self.outputs[::-1]

    def backward(self, outputs, delta):
        return super().backward(delta)


@pytest.mark.long
def test_the_backward_of_a_part_may_be_given_what_the_part_gave():
    assert dout.check(ByOutputs).ok
    assert not dout.check(ByOutputsForwards).ok
    assert dout.check(EveryOutput).ok
