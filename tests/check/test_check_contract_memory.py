import inspect

import numpy as np
import pytest
from check_commands import dout
from contract_findings import X, Y, alarming, found, line


class Scale:
    def forward(self, x):
        return x * 2

    def backward(self, dout):
        return dout * 2


def test_a_layer_that_works_on_its_own_arrays_has_no_finding():
    assert not found(Scale, X)


class ScaleInPlace(Scale):
    def backward(self, dout):
        dout *= 2
        return dout


def test_augmented_assignment_writes_into_dout():
    finding = found(ScaleInPlace, X)["D201"]
    assert finding.severity == "error"
    assert line(finding) == "dout *= 2"
    assert "+        dout = dout * 2" in str(finding.fix)
    assert "D203" not in found(ScaleInPlace, X)


class LeakyInPlace(Scale):
    def forward(self, x):
        self.x = x
        return np.where(x < 0, 0.25 * x, x)

    def backward(self, dout):
        self.dx = dout
        self.dx[self.x < 0] *= 0.25
        return self.dx


def test_a_write_into_dout_is_told_once_and_as_that_alone():
    assert set(found(LeakyInPlace, X)) == {"D201", "D208"}


def test_a_write_into_dout_is_shown_where_it_changes_a_number():
    x = np.abs(np.arange(1.0, 13.0).reshape(3, 4))
    x[2, 1] = -1.0
    message = found(LeakyInPlace, x)["D201"].message
    assert "the gradient of x becomes 0.5 at [2, 1], right: 1.25;" in message


class Clipped(Scale):
    def forward(self, x, copy=False):
        y = x.copy() if copy else x
        y[y < 0] = 0
        return 2 * y

    def backward(self, dout):
        return dout * 2


class Opted(Scale):
    def __init__(self, inplace=True):
        self.inplace = inplace

    def backward(self, dout):
        dx = dout if self.inplace else dout.copy()
        dx *= 2
        return dx


class FillsWhatItIsGiven:
    def forward(self, x, out):
        self.x = x
        np.multiply(x, x, out=out)
        return out

    def backward(self, dout):
        return 2 * self.x * dout, 0 * self.x


class AddsToWhatItIsGiven(FillsWhatItIsGiven):
    def forward(self, x, out):
        self.x = x
        out += x * x
        return out

    def backward(self, dout):
        return 2 * self.x * dout, dout


def test_an_array_that_forward_fills_and_does_not_read_is_a_warning_and_one_that_it_reads_an_error():
    assert found(FillsWhatItIsGiven, X, np.ones_like(X))["D202"].severity == "warning"
    assert found(AddsToWhatItIsGiven, X, np.ones_like(X))["D202"].severity == "error"


def test_a_write_that_an_option_asks_for_is_a_warning_that_names_it():
    finding = found(Clipped, X - 2)["D202"]
    assert finding.severity == "warning"
    assert finding.message.endswith(", for copy=False; give copy=True where it is used again")
    finding = found(Opted, X)["D201"]
    assert finding.severity == "warning"
    assert "for inplace=True; give inplace=False" in finding.message


def test_a_write_that_an_option_forbids_is_an_error():
    assert found(type("Opted", (ScaleInPlace,), {"inplace": False}), X)["D201"].severity == "error"


class MaskedByView(Scale):
    def forward(self, x):
        self.mask = x > 2.5
        return np.where(self.mask, 0, x)

    def backward(self, dout):
        dx = dout.reshape(-1)
        np.putmask(dx, self.mask, 0.0)
        return dx.reshape(dout.shape)


def test_a_write_through_a_view_is_a_write_into_dout():
    finding = found(MaskedByView, X)["D201"]
    assert line(finding) == "np.putmask(dx, self.mask, 0.0)"
    assert "+        dout = dout.copy()" in str(finding.fix)


class Negative:
    """No element of the usual input is masked: the write shows at the other sign."""

    def forward(self, x):
        self.mask = x < 0
        return np.where(self.mask, 0, x)

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


def test_a_write_that_the_given_input_does_not_show_is_found():
    assert "D201" in found(Negative, np.abs(X))


class TwoOutputs:
    def forward(self, x):
        return x * 2, x * 3

    def backward(self, da, db):
        db *= 3
        return da * 2 + db


def test_each_of_several_douts_is_looked_at():
    finding = found(TwoOutputs, X)["D201"]
    assert "writes into db" in finding.message


class Centre:
    def forward(self, x):
        x -= x.mean(axis=0)
        return x.copy()

    def backward(self, dout):
        return dout - dout.mean(axis=0)


class CentreRight(Centre):
    def forward(self, x):
        return x - x.mean(axis=0)


def test_forward_must_not_write_into_its_input():
    finding = found(Centre, X)["D202"]
    assert (finding.severity, finding.argument, finding.cause) == ("error", "x", "overwrites input")
    assert line(finding) == "x -= x.mean(axis=0)"
    assert "+        x = x - x.mean(axis=0)" in str(finding.fix)
    assert not alarming(found(CentreRight, X))


class Labels:
    def forward(self, x, t):
        self.x, self.t = x, t
        return np.sum(x[np.arange(len(x)), t])

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dx[np.arange(len(dx)), self.t] = dout
        self.t += 1
        return dx


class LabelsRight(Labels):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dx[np.arange(len(dx)), self.t] = dout
        return dx


def test_backward_must_not_write_into_labels():
    finding = found(Labels, X, np.array([0, 0]))["D202"]
    assert finding.argument == "t"
    assert "Labels.backward writes into t" in finding.message
    assert alarming(found(LabelsRight, X, np.array([0, 1]))) == {"D303"}  # zeros_like of integers


class Handing:
    def forward(self, x):
        return x + 1

    def backward(self, dout):
        return dout


def test_to_hand_dout_on_is_a_note():
    finding = found(Handing, X)["D203"]
    assert (finding.severity, finding.cause) == ("note", "alias")
    assert not found(Scale, X)


class AddSame:
    def forward(self, x, y):
        return x @ np.ones((2, 2), x.dtype) + y @ np.ones((2, 2), x.dtype)

    def backward(self, dout):
        dx = dout @ np.ones((2, 2), dout.dtype)
        return dx, dx


class AddTwo(AddSame):
    def backward(self, dout):
        dx = dout @ np.ones((2, 2), dout.dtype)
        return dx, dx.copy()


def test_two_gradients_must_not_be_one_array():
    finding = found(AddSame, X, Y)["D204"]
    assert finding.severity == "warning"
    assert "the gradient of x and the gradient of y share memory" in finding.message
    assert not found(AddTwo, X, Y)


class Bias:
    def __init__(self):
        self.b = np.zeros((2, 2))

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = dout * 1
        return self.db


def test_a_gradient_that_is_also_kept_as_that_of_a_parameter():
    assert "D204" in found(Bias, X)


class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class TanhCopied(Tanh):
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out.copy()


class TanhUnused(Tanh):
    def forward(self, x):
        self.out = np.tanh(x)
        self.slope = 1 - self.out**2
        return self.out

    def backward(self, dout):
        return dout * self.slope


def test_a_returned_residual_is_noted_only_where_it_matters():
    finding = found(Tanh, X)["D205"]
    assert finding.severity == "note"
    assert "forward returns self.out itself" in finding.message
    assert "D205" not in found(TanhCopied, X)
    assert "D205" not in found(TanhUnused, X)


class Buffer:
    def forward(self, x):
        self.dx = np.ones(np.shape(x), dtype=np.asarray(x * 1.0).dtype)
        return x * 2

    def backward(self, dout):
        self.last = self.dx
        out, self.dx = self.dx, self.last * 1
        np.multiply(dout, 2, out=out)
        return out


class Slope:
    def forward(self, x):
        self.slope = 2 * x
        return x * x

    def backward(self, dout):
        self.slope = self.slope * 1
        return self.slope[...] if np.all(dout == 1) else np.multiply(self.slope, dout)


def test_layers_with_buffers_of_their_own_are_right():
    assert not alarming(found(Buffer, X))
    assert not alarming(found(Slope, X))


class View:
    def forward(self, x):
        return x[:, ::-1]

    def backward(self, dout):
        return dout[:, ::-1].copy()


class Repeated:
    def forward(self, x):
        self.shape = x.shape
        return np.sum(x, axis=1, keepdims=True)

    def backward(self, dout):
        return np.broadcast_to(dout, self.shape)


def test_a_view_of_what_came_in_is_noted():
    assert "the output shares memory with x" in found(View, X)["D203"].message
    assert "the gradient of x shares memory with dout" in found(Repeated, X)["D203"].message


class ScaledByOnes:
    """Its scale is 1 at first: then what it writes into dout changes nothing."""

    def __init__(self):
        self.gamma = np.ones(4)

    def forward(self, x):
        self.x = x
        return x * self.gamma

    def backward(self, dout):
        self.dgamma = np.sum(dout * self.x, axis=0)
        dout *= self.gamma
        return dout.copy()


def test_a_write_shows_with_parameters_that_are_not_1():
    assert found(ScaledByOnes, np.ones((3, 4)))["D201"].severity == "error"


class SquareOfKept(Scale):
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        x = self.x
        x *= 2
        return dout * x


class Otherwise(Scale):
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def gradient(self, upstream):
        upstream[self.x < 0] = 0
        return upstream


class StaticRelu:
    @staticmethod
    def forward(x):
        return np.maximum(x, 0)

    @staticmethod
    def derivative(x):
        x[x > 0] = 1
        x[x <= 0] = 0
        return x


@pytest.mark.long
def test_a_backward_that_writes_into_its_argument_works_on_a_copy(tmp_path):
    path = tmp_path / "mine.py"
    other = inspect.getsource(Otherwise).replace("(Scale)", "")
    path.write_text(f"import numpy as np\n\n\n{inspect.getsource(StaticRelu)}\n\n{other}", encoding="utf-8")
    run = dout("mine.py", "--fix", cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    assert "        x = x.copy()\n        x[x > 0] = 1\n" in path.read_text(encoding="utf-8")
    assert "        upstream = upstream.copy()\n        upstream[self.x < 0] = 0\n" in path.read_text(encoding="utf-8")


def test_a_change_that_is_not_proven_is_not_shown():
    assert found(SquareOfKept, X)["D202"].fix is None  # no argument of backward is what it writes into
