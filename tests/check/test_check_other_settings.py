"""Other settings: what stands for None, words, flags, other ranks; and what only a later step shows."""

import numpy as np
import pytest
from report_findings import errors

from dout.check.exact.difference_route import uncontradicted
from dout.check.exact.judge import judge
from dout.check.exact.subject import Subject
from dout.check.verb.check_layer import check

X = np.array([[1.0, -2.0, 0.5, 3.0], [0.25, 1.5, -1.0, 2.0], [-0.5, 0.75, 2.5, -3.0]])


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


@pytest.mark.one_in(3)
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


class TurnsTables:
    """A small change makes it right on inputs with more axes, and does not say that these are meant."""

    def forward(self, x):
        return x.swapaxes(-1, -2)

    def backward(self, dout):
        return dout.T


def test_a_change_that_mends_another_number_of_axes_is_no_proof_that_they_are_meant():
    (finding,) = [f for f in check(TurnsTables(), X).findings if f.code == "D501"]
    assert (finding.severity, finding.fix is not None) == ("warning", True)


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


class Power:
    """Forgets the factor that is 1 by default."""

    def __init__(self, gain=1.0, mode="square"):
        self.gain, self.mode = gain, mode

    def forward(self, x):
        self.x = x
        return self.gain * (x**2 if self.mode == "square" else x**3 if self.mode == "cube" else x)

    def backward(self, dout):
        return dout * (2 * self.x if self.mode == "square" else 3 * self.x**2 if self.mode == "cube" else 1)


class WrongCube(Power):
    def backward(self, dout):
        return self.gain * dout * 2 * self.x


@pytest.mark.parametrize(("cls", "setting"), [(Power, "with gain = 0.375"), (WrongCube, "with mode = 'cube'")])
def test_what_is_wrong_at_another_setting_alone_is_said_with_it(cls, setting):
    (found,) = [f for f in check(cls, X).findings if f.code == "D101"]
    assert (found.severity, setting in found.message) == ("error", True)


class Join:
    """Right for two widths that are the same."""

    def forward(self, a, b):
        return np.concatenate([a, b], axis=1)

    def backward(self, dout):
        half = dout.shape[1] // 2
        return dout[:, :half], dout[:, half:]


def test_two_inputs_of_equal_widths_do_not_hide_a_split():
    assert "on a (3, 5)" in str(check(Join(), X, X[::-1].copy()))


class Joined:
    def forward(self, arrays):
        self.widths = [x.shape[1] for x in arrays]
        return np.concatenate(arrays, axis=1)

    def backward(self, dout):
        return np.split(dout, np.cumsum(self.widths)[:-1], axis=1)


class JoinedAndSplitInEqualParts(Joined):
    def backward(self, dout):
        return np.split(dout, len(self.widths), axis=1)


def test_arrays_in_a_list_are_joined_in_several_lengths():
    assert check(Joined).ok
    found = errors(check(JoinedAndSplitInEqualParts))
    assert {finding.argument for finding in found} == {"arrays[0]", "arrays[1]", "arrays[2]"}


class Squares:
    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, y, t):
        self.difference = y - t
        squares = self.difference**2
        return squares.mean() if self.reduction == "mean" else squares.sum()

    def backward(self, dout=1.0):
        return 2 * dout * self.difference / self.difference.size


class Rescaled:
    def __init__(self, scale=2.0):
        self.scale, self.training = scale, True

    def forward(self, x):
        return x * self.scale if self.training else x / self.scale

    def backward(self, dout):
        return dout * self.scale if self.training else dout


@pytest.mark.parametrize(("cls", "setting"), [(Squares, "any reduction but 'mean'"), (Rescaled, "training = False")])
def test_the_other_branch_of_a_word_or_a_mode_is_judged(cls, setting):
    (error,) = errors(check(cls))
    assert f"with {setting}" in error.message


class LossOfTwoKindsOfLabels:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.mean(np.log(self.y[range(len(x)), t]))

    def backward(self, dout=1.0):
        t = np.argmax(self.t, axis=1) if len(self.t.shape) == 2 else self.t
        dx = self.y.copy()
        dx[range(len(dx)), t] -= 1
        return dout * dx / len(dx)


def test_that_labels_may_have_two_axes_says_nothing_of_the_axes_of_scores():
    report = check(LossOfTwoKindsOfLabels(), np.array([[0.5, -1.0, 0.25], [1.0, 0.75, 2.0]]), np.array([2, 0]))
    assert report.ok, report
    assert [verdict.argument for verdict in report.verdicts] == ["x"]
