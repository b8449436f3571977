"""What is not judged is said: a gradient that is missing, a container without parts, a convention that is none."""

import numpy as np
import pytest
from check_commands import document, layers, write

from dout.check.verb.check_layer import check

X = np.random.default_rng(0).normal(size=(3, 4))


def severities(report):
    return {(f.code, f.argument): f.severity for f in report.findings if f.code in ("D101", "D105", "D108", "D501")}


class Scale:
    """Right; the others leave something out."""

    def __init__(self, d=4):
        self.gamma, self.beta = np.linspace(0.5, 2, d), np.zeros(d)

    def forward(self, x):
        self.x = x
        return x * self.gamma + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = np.sum(dout * self.x, axis=0), np.sum(dout, axis=0)
        return dout * self.gamma


class ReturnsNothing(Scale):
    def backward(self, dout):
        dx = dout * self.gamma
        dx += 0


class ForgetsToReturn(Scale):
    def backward(self, dout):
        self.dgamma, self.dbeta = np.sum(dout * self.x, axis=0), np.sum(dout, axis=0)
        dx = dout * self.gamma
        dx += 0


class StartsWithOnes(ForgetsToReturn):
    def __init__(self, d=4):
        self.gamma, self.beta = np.ones(d), np.zeros(d)


class IsTheFirst(ForgetsToReturn):
    """There is no layer before it."""

    def backward(self, dout):
        self.dgamma, self.dbeta = np.sum(dout * self.x, axis=0), np.sum(dout, axis=0)
        return None  # noqa: RET501 - said on purpose


class ForgetsBeta(Scale):
    def backward(self, dout):
        self.dgamma = np.sum(dout * self.x, axis=0)
        return dout * self.gamma


class SumsTooMuch(Scale):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dgamma = np.sum(dout * self.x)
        return dx


def test_a_layer_that_leaves_nothing_out_has_no_such_finding():
    report = check(Scale(), X)
    assert (severities(report), report.missing) == ({}, ())


def test_a_backward_that_gives_nothing_is_an_error():
    report = check(ReturnsNothing(), X)
    assert severities(report) == {("D105", "x"): "error"}
    assert (report.verdicts, report.missing) == ((), ("gamma", "beta", "x"))


@pytest.mark.parametrize("cls", [ForgetsToReturn, StartsWithOnes])
def test_a_backward_without_return_is_an_error(cls):
    assert severities(check(cls(), X)) == {("D105", "x"): "error"}


class LeavesANumber:
    def __call__(self, x):
        return x.copy()

    def gradient(self, x):
        self.grad_inputs = 1


class KeepsWhatCame:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        self.kept = dout
        dx = 2 * self.kept  # noqa: F841


def test_a_backward_that_leaves_a_number_may_mean_it_and_one_that_computes_and_forgets_does_not():
    assert set(severities(check(LeavesANumber(), X)).values()) == {"warning"}
    assert "error" in severities(check(KeepsWhatCame(), X)).values()


def test_a_backward_that_returns_none_as_it_says_is_noted():
    assert severities(check(IsTheFirst(), X))["D105", "x"] == "note"


def test_a_parameter_without_a_gradient_beside_one_that_has_one_is_listed_and_warned_of():
    report = check(ForgetsBeta(), X)
    assert severities(report) == {("D105", "beta"): "warning"}
    assert "? beta   no gradient found" in str(report)
    assert report.to_json()["without_gradient"] == ["beta"]


def test_a_gradient_that_is_one_number_does_not_disappear():
    report = check(SumsTooMuch(), X)
    assert severities(report) == {("D501", "gamma"): "error"}
    assert "the gradient of gamma has shape (), gamma has (4,)" in "".join(f.message for f in report.findings)


# --- containers -------------------------------------------------------------------------------------------------------


class Chain:
    def __init__(self):
        self.layers = []

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class ChainInOrder(Chain):
    def backward(self, dout):
        for layer in self.layers:
            dout = layer.backward(dout)
        return dout


class Given(Chain):
    def __init__(self, parts):
        self.layers = list(parts)


class Stepping(Chain):
    """It steps its parts on the way back."""

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
            layer.update(0.1)
        return dout


class EndsInItsLoss(Chain):
    """Its last part is the loss, whose backward takes nothing."""

    def backward(self):
        dout = self.layers[-1].backward()
        for layer in reversed(self.layers[:-1]):
            dout = layer.backward(dout)
        return dout


@pytest.mark.parametrize("cls", [Chain, Given, Stepping, EndsInItsLoss])
def test_a_container_is_judged_with_parts_in_it(cls):
    report = check(cls)
    assert [str(verdict) for verdict in report.verdicts] == ["x: exact", "layers[0]: exact", "layers[1]: exact"]
    assert "has no parts" not in str(report)


def test_a_container_that_takes_its_parts_in_the_wrong_order_is_wrong():
    wrong = dict.fromkeys((("D101", name) for name in ("x", "layers[0]", "layers[1]")), "error")
    assert severities(check(ChainInOrder)) == wrong


class ByName:
    """It keeps its parts in a dict."""

    def __init__(self):
        self.nodes = {}

    def forward(self, x):
        for node in self.nodes.values():
            x = node.forward(x)
        return x

    def backward(self, dout):
        for node in reversed(self.nodes.values()):
            dout = node.backward(dout)
        return dout


class ByNameInOrder(ByName):
    def backward(self, dout):
        for node in self.nodes.values():
            dout = node.backward(dout)
        return dout


def test_a_container_of_parts_by_name_is_judged_with_parts_in_it():
    assert [verdict.word for verdict in check(ByName).verdicts] == ["exact"] * 3
    assert set(severities(check(ByNameInOrder)).values()) == {"error"}


class Named(Chain):
    """Its parts have methods that no other layer has."""

    def forward(self, x):
        for layer in self.layers:
            x = layer.run_ahead(x)
        return x


def test_a_container_for_which_there_are_no_parts_says_so():
    assert "Named has no parts in self.layers" in "".join(f.message for f in check(Named).findings)


class Filled(Chain):
    def __init__(self):
        self.layers = [Scale(), ForgetsBeta(), SumsTooMuch()]


def test_the_parameters_of_parts_have_rows():
    report = check(Filled(), X)
    assert {v.argument for v in report.verdicts} >= {"layers[0].gamma", "layers[0].beta", "layers[1].gamma"}
    assert severities(report)["D501", "layers[2].gamma"] == "error"


# --- conventions that are none ----------------------------------------------------------------------------------------


class AbsoluteError:
    """The gradient of a cross entropy, of another loss."""

    def forward(self, p, t):
        self.p, self.t = p, t
        return np.sum(np.abs(p - t))

    def backward(self, dout=1):
        return dout * (self.p - self.t)


class CrossEntropy(AbsoluteError):
    def forward(self, p, t):
        self.p, self.t = p, t
        return -np.sum(t * np.log(p))


class ShareOfTheSum:
    """Adds up to 1, and is no softmax."""

    def forward(self, x):
        return x / x.sum(axis=1, keepdims=True)

    def backward(self, dout):
        return dout


def test_prediction_minus_target_excuses_the_loss_alone_that_has_it():
    p = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    t = np.eye(4)[[1, 0, 3]]
    assert check(CrossEntropy(), p, t).ok
    assert not check(AbsoluteError(), p, t).ok


def test_no_layer_but_a_softmax_may_pass_dout_on():
    assert not check(ShareOfTheSum(), np.abs(X)).ok


class Clipped(Scale):
    def __init__(self, limit=2.0):
        super().__init__()
        self.limit = limit

    def backward(self, dout):
        return super().backward(np.clip(dout, -self.limit, self.limit))


def test_a_limit_that_cuts_a_gradient_off_is_meant_at_other_settings_too():
    assert severities(check(Clipped, X)) == {}


class AddsToLists(Scale):
    """Each backward adds its gradients to those of other calls."""

    def __init__(self, d=4):
        super().__init__(d)
        self.gamma_gradients, self.beta_gradients = [], []

    def backward(self, dout):
        self.gamma_gradients.append(np.sum(dout * self.x, axis=0))
        self.beta_gradients.append(np.sum(dout * self.x, axis=0))
        return dout * self.gamma


class KeepsUpdates:
    def __init__(self, d=4):
        self.weight, self.weight_update = {"gamma": np.linspace(0.5, 2, d), "beta": np.zeros(d)}, {}

    def forward(self, x):
        self.x = x
        return x * self.weight["gamma"] + self.weight["beta"]

    def backward(self, dout):
        self.weight_update["gamma"] = np.sum(dout * self.x, axis=0)
        self.weight_update["beta"] = np.sum(dout * self.x, axis=0)
        return dout * self.weight["gamma"]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("layer", [AddsToLists, KeepsUpdates])
def test_gradients_in_lists_and_in_dicts_of_updates_are_judged(layer):
    report = check(layer, X)
    assert {verdict.argument: str(verdict.word) for verdict in report.verdicts} == {
        "x": "exact", "gamma": "exact", "beta": "refuted",
    }  # fmt: skip


class Padding:
    def __init__(self, padding=0):
        self.padding = padding

    def forward(self, x):
        p = self.padding
        return np.pad(x, ((0, 0), (p, p), (p, p)))

    def backward(self, dout):
        p = self.padding
        return dout[:, p:-p, p:-p]


def test_a_slice_that_leaves_nothing_is_a_wrong_gradient():
    assert severities(check(Padding, np.ones((2, 4, 5)))) == {("D501", "x"): "error"}
    assert severities(check(Padding, np.ones((2, 4, 5)), init={"padding": 1})) == {("D501", "x"): "error"}


class Network:
    """It ends with its first layer: nobody asks for the gradient of data."""

    def __init__(self):
        self.layers = []

    def forward(self, x):
        for _, layer in enumerate(self.layers):
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in self.layers[::-1]:
            dout = layer.backward(dout)


def test_that_a_network_gives_nothing_is_no_error():
    assert "error" not in severities(check(Network, X)).values()


SCALED = """
import numpy as np

class Scaled:
    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta

    def forward(self, x):
        self.shape = x.shape
        if x.ndim != 2:
            N, C, H, W = x.shape
            x = x.reshape(N, -1)
        self.x = x
        return (self.gamma * x + self.beta).reshape(self.shape)

    def backward(self, dout):
        dout = dout.reshape(len(dout), -1)
        self.dgamma, self.dbeta = {gradient}, np.sum(dout, axis=0)
        return (dout * self.gamma).reshape(self.shape)
"""


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("gradient", "word"),
    [("np.sum(self.x * dout, axis=0)", "exact"), ("-7 * np.sum(dout, axis=0)", "refuted")],
)
def test_a_parameter_is_chosen_as_long_as_its_gradient(tmp_path, gradient, word):
    (layer,) = layers(document(write(tmp_path, SCALED.format(gradient=gradient)))).values()
    assert {v["argument"]: v["word"] for v in layer["verdicts"]} == {"x": "exact", "gamma": word, "beta": "exact"}


class Windows:
    """Nothing is left of an image that is smaller than a window."""

    def forward(self, x):
        self.shape = x.shape
        return np.stack([x[:, i : i + 2].sum(axis=1) for i in range(x.shape[1] - 1)] or [np.zeros((0, 3))])

    def backward(self, dout):
        return np.zeros(self.shape)


def test_where_forward_gives_no_elements_nothing_is_right():
    report = check(Windows(), np.ones((3, 1)))
    assert report.verdicts == ()
    assert "gives no elements" in str(report)
    assert not check(Windows(), X).ok
