"""Other settings: what stands for None, words, flags, other ranks; and what only a later step shows."""

import numpy as np
import pytest

from dout.check.exact.difference_route import uncontradicted
from dout.check.exact.judge import judge
from dout.check.exact.subject import Subject
from dout.check.verb.check_layer import check

X = np.array([[1.0, -2.0, 0.5, 3.0], [0.25, 1.5, -1.0, 2.0], [-0.5, 0.75, 2.5, -3.0]])


def errors(report):
    return [finding for finding in report.findings if finding.severity == "error"]


class MeanOfPairs:
    """Divides by the step where the size is meant: the same as long as no step is given."""

    def __init__(self, size=2, step=None):
        self.size, self.step = size, step or size

    def forward(self, x):
        self.shape = x.shape
        places = range(0, x.shape[1] - self.size + 1, self.step)
        return np.stack([x[:, i : i + self.size].mean(axis=1) for i in places], axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape)
        for place in range(dout.shape[1]):
            dx[:, place * self.step : place * self.step + self.size] += dout[:, place, None] / self.step
        return dx


class Weighted:
    """Leaves the weights out."""

    def __init__(self, weight=None):
        self.weight = weight

    def forward(self, x):
        self.x = x
        return x**2 * (1.0 if self.weight is None else self.weight)

    def backward(self, dout):
        return dout * 2 * self.x


class SquareLoss:
    """Divides at each reduction."""

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, y, t):
        self.d = y - t
        return (self.d**2).mean() if self.reduction == "mean" else (self.d**2).sum() if self.reduction == "sum" else 0.0

    def backward(self, dout=1):
        return dout * 2 * self.d / self.d.size


class Both:
    """Sums what it reads forwards and backwards, and turns no gradient round."""

    def __init__(self, backwards=False):
        self.backwards = backwards

    def forward(self, x):
        return x + 2 * x[:, ::-1] if self.backwards else x

    def backward(self, dout):
        return 3 * dout if self.backwards else dout


@pytest.mark.parametrize(("cls", "setting"), [
    (MeanOfPairs, "with step = 1"), (Weighted, "with weight = "), (SquareLoss, "with reduction = 'sum'"),
    (Both, "with backwards = True"),
])  # fmt: skip
def test_what_another_setting_makes_wrong_is_an_error(cls, setting):
    inputs = (X, np.ones_like(X)) if cls is SquareLoss else (X,)
    assert [setting in finding.message for finding in errors(check(cls, *inputs))] == [True]


class Stops:
    """Right: it is told to stop the gradient."""

    def __init__(self, frozen=False):
        self.frozen = frozen

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return np.zeros_like(dout) if self.frozen else 2 * dout


class Shifted:
    """Right: what stands for None is a parameter."""

    def __init__(self, b=None):
        self.b = np.zeros(4) if b is None else b

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = dout.sum(axis=0)
        return dout


@pytest.mark.parametrize("cls", [Stops, Shifted])
def test_what_a_setting_is_for_is_no_error(cls):
    assert errors(check(cls, X)) == []


class Centred:
    """Of matrices alone, although both methods count axes from the end."""

    def forward(self, x):
        return x - x.mean(axis=-1, keepdims=True)

    def backward(self, dout):
        return dout - dout.mean(axis=1, keepdims=True) * (dout.shape[-1] / dout.shape[1])


def test_another_number_of_axes_is_a_warning():
    report = check(Centred(), X)
    assert errors(report) == []
    assert [f.severity for f in report.findings if "on x (3, 2, 4)" in f.message] == ["warning"]


def test_what_was_not_tried_is_said():
    names = [f"n{i}" for i in range(90)]
    space = {}
    exec(
        "class Many:\n"
        f"    def __init__(self, {', '.join(f'{name}=3' for name in names)}):\n"
        f"        self.n = [{', '.join(names)}]\n"
        "    def forward(self, x):\n        return x * sum(self.n)\n"
        "    def backward(self, dout):\n        return dout * sum(self.n)\n",
        space,
    )
    assert any("not tried" in line for line in check(space["Many"], X).branches)


class AddsUp:
    """Returns the gradients of all steps together."""

    dx = 0.0

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        self.dx = self.dx + 2 * dout
        return self.dx


class DropsTheSame:
    """Draws its mask once."""

    def __init__(self):
        self.numbers, self.mask = np.random.default_rng(0), None

    def forward(self, x):
        if self.mask is None:
            self.mask = self.numbers.random(x.shape) > 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


@pytest.mark.parametrize("cls", [AddsUp, DropsTheSame])
def test_what_only_the_second_step_shows_is_an_error(cls):
    assert "D206" in {finding.code for finding in errors(check(cls(), X))}


class Decays:
    """Averages, and adds a penalty."""

    def __init__(self):
        self.W = np.linspace(-1.0, 2.0, 8).reshape(4, 2)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout / len(dout) + 0.25 * self.W
        return dout @ self.W.T


def test_a_penalty_may_be_added_to_an_average():
    (found,) = [finding for finding in check(Decays(), X).findings if finding.code == "D112"]
    assert "averages over the samples, adds 0.25·W" in found.message


class Named:
    """Gives NumPy's functions their arrays by name."""

    def forward(self, x):
        self.x = x
        return np.sum(a=np.pad(array=x, pad_width=((0, 0), (1, 1)), mode="constant") ** 2, axis=1)

    def backward(self, dout):
        return 2 * self.x * dout[:, None]


def test_an_array_that_goes_by_name_is_recorded():
    (verdict,) = check(Named(), X).verdicts
    assert (verdict.word, verdict.route) == ("exact", "exact arithmetic")


class Doubles:
    factor = 2

    def forward(self, x):
        return self.factor * x

    def backward(self, dout):
        return 2 * dout


class Triples(Doubles):
    factor = 3


@pytest.mark.parametrize(("ran", "remains"), [(Doubles, 0), (Triples, 1)])
def test_what_a_recording_refutes_is_believed_unless_plain_runs_contradict_it(ran, remains):
    recorded = Subject.of(Triples, (X,), ("x",))
    judgement = judge(recorded.recorded((np.ones_like(X),)))
    subject = Subject.of(ran, (X,), ("x",))
    assert len(uncontradicted(judgement, subject, subject.run()).refuted) == remains


class Picks:
    """The loss of the right class, whether labels are numbers or rows; backward doubles that of rows."""

    def forward(self, p, t):
        self.p, self.t, self.rows = p, t if t.ndim == 1 else t.argmax(axis=1), t.ndim == 2
        return -np.log(p[np.arange(len(p)), self.t]).sum()

    def backward(self, dout=1):
        dp = np.zeros_like(self.p)
        dp[np.arange(len(dp)), self.t] = -dout / self.p[np.arange(len(dp)), self.t]
        if self.rows:
            dp = 2 * dp
        return dp


def test_labels_come_as_numbers_and_as_rows():
    (found,) = errors(check(Picks(), np.exp(X), np.array([1, 0, 3])))
    assert "where `" in found.message


class Softmax:
    """Its backward multiplies columns with columns, which goes well with one class alone."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        columns = [y[:, None] for y in self.y]
        return np.stack([(np.diagflat(y) - y @ y) @ d for y, d in zip(columns, dout, strict=True)])


def test_one_class_is_no_example_of_a_softmax():
    assert [finding.code for finding in errors(check(Softmax, X[:, :1]))] == ["D001"]


class Windows:
    """Places its windows at the wrong steps, which one window does not show."""

    def forward(self, x):
        self.shape = x.shape
        return np.stack([x[:, i : i + 3].sum(axis=1) for i in range(0, x.shape[1] - 2, 2)], axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape)
        for place in range(dout.shape[1]):
            dx[:, place : place + 3] += dout[:, place, None]
        return dx


def test_larger_inputs_show_what_one_window_hides():
    assert ["on larger inputs" in finding.message for finding in errors(check(Windows(), X))] == [True]


class Gained(Weighted):
    """Leaves out a gain that is 1."""

    def __init__(self, shift=1):
        super().__init__()
        self.gain = 1.0
        self.shift = shift

    def forward(self, x):
        self.x = x
        return self.gain * self.shift * x**2


def test_what_a_layer_holds_is_a_setting_too():
    assert ["with shift = 2" in finding.message for finding in errors(check(Gained, X))] == [True]
    assert ["with self.shift = 2" in finding.message for finding in errors(check(Gained(), X))] == [True]


class GainOnly(Gained):
    def backward(self, dout):
        return self.shift * super().backward(dout)


def test_a_number_that_stands_in_the_constructor_is_warned_of():
    found = [finding for finding in check(GainOnly, X).findings if finding.code == "D101"]
    assert [(f.severity, "with self.gain = " in f.message) for f in found] == [("warning", True)]


class Lasso:
    """Takes w for its sign, which noughts and ones do not show."""

    def __init__(self, strength=0.0):
        self.strength = strength

    def forward(self, w, x):
        self.w, self.x = w, x
        return np.sum((x @ w) ** 2) + self.strength * np.abs(w).sum()

    def backward(self, dout):
        return dout * (2 * self.x.T @ self.x @ self.w + self.strength * self.w)


def test_noughts_and_ones_are_no_example_of_what_has_a_gradient():
    (found,) = errors(check(Lasso, np.eye(4)[:, :3], X))
    assert found.argument == "w"
    assert "strength = 0.3" in found.message or "than 0 and 1 in w" in found.message


class Slope:
    """What forward takes by default, backward takes for granted."""

    def forward(self, x, slope=0.1):
        self.x, self.slope = x, slope
        return np.where(x > 0, x, slope * x)

    def backward(self, dout):
        return np.where(self.x > 0, dout, 0.1 * dout)


class RightSlope(Slope):
    def backward(self, dout):
        return np.where(self.x > 0, dout, self.slope * dout)


class ToldTwice(Slope):
    """It is told to both."""

    def backward(self, dout, slope=0.1):
        return np.where(self.x > 0, dout, slope * dout)


class Evaluated(Slope):
    """Backward belongs to training."""

    def forward(self, x, evaluate=False):
        return (x - 1) * 3 if evaluate else super().forward(x)


def test_a_default_of_forward_is_a_setting():
    (finding,) = errors(check(Slope, X))
    assert "slope = 0.11" in finding.message
    assert not any(errors(check(layer, X)) for layer in (RightSlope, ToldTwice, Evaluated))


class Reduced:
    def forward(self, prediction, target, reduction="sum"):
        self.difference = prediction - target
        if reduction == "mean":
            return np.mean(self.difference**2)
        return np.sum(self.difference**2)

    def backward(self):
        return 2 * self.difference


def test_a_word_that_forward_is_given_is_a_setting():
    (finding,) = errors(check(Reduced(), X, 0.5 * X[::-1], reduction="sum"))
    assert "reduction = 'mean'" in finding.message


class DividedByRows:
    """A mean over all numbers, whose backward knows the rows alone: right for one column."""

    def forward(self, prediction, target):
        self.difference = prediction - target
        return np.mean(self.difference**2)

    def backward(self):
        return 2 * self.difference / len(self.difference)


class DividedByAll(DividedByRows):
    def backward(self):
        return 2 * self.difference / self.difference.size


def test_one_column_is_no_example_of_a_loss():
    (finding,) = errors(check(DividedByRows(), X[:, :1], X[:, 1:2]))
    assert "on prediction (3, 3), target (3, 3)" in finding.message
    assert not errors(check(DividedByAll(), X[:, :1], X[:, 1:2]))


class Flat:
    """It is built for samples of one shape."""

    def __init__(self, shape=(4,)):
        self.shape = shape

    def forward(self, x):
        return np.reshape(x, (-1, *self.shape))

    def backward(self, dout):
        return np.reshape(dout, (-1, *self.shape))


def test_another_number_of_axes_may_be_none_of_the_layers_own():
    assert not errors(check(Flat(), X))


class SumOverChannels:
    """Right for one channel: with several, each gets the sum of all."""

    def __init__(self, channels=1):
        self.channels, self.W = channels, np.linspace(0.5, 1.5, channels)

    def forward(self, x):
        assert x.shape[1] == self.channels
        return np.sum(x * self.W[:, None], axis=1)

    def backward(self, dout):
        return np.repeat(dout[:, None, :] * self.W.sum(), self.channels, axis=1)


def test_one_channel_is_no_example_of_several():
    (finding,) = errors(check(SumOverChannels, np.ones((2, 1, 4)), init={"channels": 1}))
    assert "with channels = 3" in finding.message


class MeanOfRuns:
    """Leaves out the last numbers where the length is no multiple of the size: in forward alone."""

    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        self.shape, number = x.shape, x.shape[1] // self.size
        return x[:, : number * self.size].reshape(len(x), number, self.size).mean(axis=2)

    def backward(self, dout):
        return (np.repeat(dout, self.size, axis=1) / self.size).reshape(self.shape)


def test_a_backward_that_raises_where_forward_runs_is_warned_of_with_the_setting():
    report = check(MeanOfRuns, X)
    (finding,) = [found for found in report.findings if found.code == "D001"]
    assert finding.severity == "warning"
    assert finding.message.startswith("MeanOfRuns.backward raises ValueError: cannot reshape array")
    assert "on larger inputs, (3, 7), where forward runs" in finding.message


class NotForLongRows(MeanOfRuns):
    """Says itself what it is not made for."""

    def backward(self, dout):
        if self.shape[1] % self.size:
            raise NotImplementedError("rows must be a multiple of the size")
        return super().backward(dout)


def test_a_backward_that_refuses_a_setting_is_not_warned_of():
    assert "D001" not in [found.code for found in check(NotForLongRows, X).findings]


class ByName:
    """Activations by their names, of which the softmax leaves the work to its loss."""

    def __init__(self, name):
        self.name = name

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        if self.name == "softmax":
            powers = np.exp(x - np.max(x, axis=1, keepdims=True))
            self.y = powers / np.sum(powers, axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        if self.name == "softmax":
            return dout
        return dout * self.y * (1 - self.y)


class LossByName:
    def __init__(self, name):
        self.name = name

    def forward(self, y, t):
        self.y, self.t = y, t
        if self.name == "cce":
            return -np.mean(np.sum(t * np.log(y), axis=1))
        return -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y))

    def backward(self):
        if self.name == "cce":
            return (self.y - self.t) / len(self.y)
        return ((1 - self.t) / (1 - self.y) - self.t / self.y) / len(self.y)


def test_a_word_that_is_for_several_classes_is_not_judged_on_one_column():
    column = np.array([[0.25], [0.625], [0.375]])
    assert not errors(check(ByName, column, init={"name": "sigmoid"}))
    assert not errors(check(LossByName, column, np.array([[1.0], [0.0], [1.0]]), init={"name": "bce"}))


class Columns:
    """Takes columns of numbers, one a sample."""

    def __init__(self, out_d):
        self.W, self.b = np.linspace(0.25, 1.0, 2 * out_d).reshape(out_d, 2), np.zeros((out_d, 1))

    def forward(self, x):
        self.x = x
        return self.W @ x + self.b

    def backward(self, dout):
        self.dW, self.db = np.sum(dout @ self.x.transpose(0, 2, 1), axis=0), np.sum(dout, axis=0)
        return self.W.T @ dout


def test_a_width_of_the_output_is_tried_without_another_width_of_the_inputs():
    report = check(Columns, np.arange(6.0).reshape(3, 2, 1), init={"out_d": 1})
    assert not [found for found in report.findings if found.severity in ("error", "warning") and found.code[1] in "15"]
