"""An error is fair only on a fair example: lengths, numbers and ranks for which the layer is meant."""

import numpy as np
import pytest
from fair_examples import severities, table

import dout
from dout.adapt.interface.function_pairs import pair_class


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


@pytest.mark.long
def test_rows_that_fit_by_chance_are_no_error():
    assert severities(dout.check(LastState, table(2, 3), table(3, 4))) == ["warning"]
    assert severities(dout.check(LastState, table(2, 5, 3), table(5, 4))) == []


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


class TakesANumber:
    """A number becomes a line of one: so does its gradient."""

    def __init__(self, factor=1):
        self.W, self.factor = table(1, 4), factor

    def forward(self, x):
        self.x = np.array([x]) if np.isscalar(x) else x
        return self.x @ self.W

    def backward(self, dout):
        self.dW = np.outer(self.x, dout)
        return self.factor * dout @ self.W.T


@pytest.mark.parametrize(("factor", "found"), [(1, ("D501", "warning")), (2, ("D101", "error"))])
def test_a_number_may_have_a_line_of_one_as_its_gradient(factor, found):
    report = dout.check(TakesANumber(factor), 0.5)
    assert next((f.code, f.severity) for f in report.findings if f.code in ("D101", "D501")) == found


class AnyColumns:
    def __init__(self, size):
        self.W, self.b = table(size, size), table(size, 1)

    def forward(self, x, state):
        self.x = x
        return self.W @ x + state + self.b

    def backward(self, dout):
        self.dW, self.db = dout @ self.x.T, dout
        return self.W.T @ dout, dout.copy()


class ColumnCell(AnyColumns):
    def forward(self, x, state):
        """One step.

        x: array of shape (size, 1)
        state: array of shape (size, 1)
        """
        return super().forward(x, state)


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("cls", "severity"), [(ColumnCell, "warning"), (AnyColumns, "error")])
def test_a_layer_whose_text_says_one_column_may_be_meant_for_one(cls, severity):
    assert severities(dout.check(cls, table(3, 1), table(3, 1), init={"size": 3}), "D501") == [severity]


class TwoOutputs:
    """The state comes first, and the gradient is that of the other one."""

    def __init__(self):
        self.W, self.V = table(4, 4), np.cos(table(4, 4))

    def forward(self, x):
        self.state = np.tanh(x @ self.W)
        score = self.state @ self.V
        return self.state, score

    def backward(self, d_all):
        return (d_all @ self.V.T * (1 - self.state**2)) @ self.W.T


class TwoWrongOutputs(TwoOutputs):
    def backward(self, d_all):
        return (d_all @ self.V.T * (1 - self.state)) @ self.W.T


def test_the_upstream_gradient_may_be_that_of_the_last_output():
    assert [v.word for v in dout.check(TwoOutputs).verdicts] == ["exact"]
    assert severities(dout.check(TwoWrongOutputs)) == ["error"]


class PoolOfBlocks:
    def __init__(self, k_size, stride):
        self.k_size, self.stride = k_size, stride

    def forward(self, images):
        n, h, w, c = images.shape
        s_h, s_w = self.stride
        k_h, k_w = self.k_size
        blocks = images.reshape(n, h // s_h, k_h, w // s_w, k_w, c)
        out = blocks.max(axis=(2, 4))
        self.lower = out.repeat(k_h, axis=1).repeat(k_w, axis=2) != images
        return out

    def backward(self, dout):
        k_h, k_w = self.k_size
        dx = dout.repeat(k_h, axis=1).repeat(k_w, axis=2)
        dx[self.lower] = 0
        return dx


def test_windows_are_tried_with_another_size_where_blocks_do_not_fit():
    assert [v.word for v in dout.check(PoolOfBlocks).verdicts] == ["exact"]


def flat(maps):
    return maps.reshape(maps.shape[0], -1), maps.shape


def flat_backward(d_flat, original_shape):
    return d_flat.reshape(original_shape)


def test_what_forward_returns_beside_its_output_is_handed_to_backward():
    assert [v.word for v in dout.check(pair_class(flat, flat_backward)).verdicts] == ["exact"]


class EachChannel:
    """Loops over the channels that it was built for, and its backward takes no more of them."""

    factor = 1.0

    def __init__(self, channels):
        self.channels, self.scale = channels, np.arange(1.0, channels + 1)

    def forward(self, images):
        self.images, out = images, np.zeros(images.shape[:2])
        for channel in range(self.channels):
            out += images[:, :, channel] * self.scale[channel]
        return out

    def backward(self, dout):
        self.d_scale = np.einsum("ijk,ij->k", self.images, dout) + 0 * self.scale
        return dout[:, :, None] * self.scale * self.factor


class EachChannelWrong(EachChannel):
    factor = 2.0


def test_what_forward_does_not_read_is_no_part_of_an_example():
    assert {str(v.word) for v in dout.check(EachChannel).verdicts} == {"exact"}
    assert [f.argument for f in dout.check(EachChannelWrong).findings if f.severity == "error"] == ["images"]


class Reshaped:
    """Which of its backward's arguments is the gradient no name says."""

    def forward(self, table):
        return table.reshape(table.shape[0] * table.shape[1], 1)

    def backward(self, table, shape):
        return table.reshape(shape)


class ReshapedWrong:
    def forward(self, table):
        self.shape = table.shape
        return table.reshape(table.shape[0] * table.shape[1], 1)

    def backward(self, dout):
        return dout.reshape((7, *self.shape))


def test_a_backward_that_raises_is_in_doubt_where_no_name_says_what_arrives():
    assert not [f for f in dout.check(Reshaped).findings if f.severity == "error"]
    assert [f.code for f in dout.check(ReshapedWrong).findings if f.severity == "error"] == ["D001"]


class MaskOfNumbers:
    """A condition of numbers, which holds where they are not 0."""

    sides = (3.0, 1.0)

    def forward(self, x):
        self.inside = np.eye(*x.shape)
        return np.where(self.inside, 3 * x, x)

    def backward(self, dout):
        return np.where(self.inside, self.sides[0] * dout, self.sides[1] * dout)


class MaskOfNumbersWrong(MaskOfNumbers):
    sides = (1.0, 3.0)


def test_numbers_are_a_condition_where_they_are_not_0():
    assert dout.check(MaskOfNumbers(), table(3, 4)).verdicts[0].word == "exact"
    assert dout.check(MaskOfNumbersWrong(), table(3, 4)).verdicts[0].word == "refuted"


class AtTheLargest:
    """Asks its second input, which no name calls a target, only where the largest number of each row is."""

    factor = 1.0

    def forward(self, x, yt):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.yt = e / e.sum(axis=1, keepdims=True), yt
        return -np.mean(np.log(self.p[np.arange(len(x)), np.argmax(yt, axis=1)]))

    def backward(self, dout):
        return (self.p - self.factor * self.yt) / len(self.yt)


class AtTheLargestWrong(AtTheLargest):
    factor = -1.0


def test_what_is_asked_for_its_largest_number_has_rows_with_one_1_whatever_it_is_called():
    assert not [f for f in dout.check(AtTheLargest).findings if f.severity == "error"]
    assert [f.argument for f in dout.check(AtTheLargestWrong).findings if f.severity == "error"] == ["x"]
