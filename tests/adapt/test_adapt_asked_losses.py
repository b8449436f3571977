"""Networks whose backward asks a loss first, before it goes back through its parts: the loss is any."""

import numpy as np
import pytest

import dout
from dout.adapt.interface.method_pairs import pairs_of


class Asks:
    """What the loss gives is the upstream gradient of the network; subclasses ask it in their own ways."""

    def __init__(self, layers, loss):
        self.layers = layers
        self.loss = loss

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, output, y, lr):
        delta = self.loss.prime(output, y)
        for layer in reversed(self.layers):
            delta = layer.backward(delta, lr)


class AsksInOrder(Asks):
    def backward(self, output, y, lr):
        delta = self.loss.prime(output, y)
        for layer in self.layers:
            delta = layer.backward(delta, lr)


class IsToldLater:
    def __init__(self):
        self.layers = None
        self.loss_function = None

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self):
        d = self.loss_function.backward()
        for layer in reversed(self.layers):
            d = layer.backward(d)
        return d


class DoublesWhatItIsTold(IsToldLater):
    def backward(self):
        d = self.loss_function.backward()
        for layer in reversed(self.layers):
            d = layer.backward(2 * d)
        return d


class ReadsTheTargetAgain(Asks):
    """Its target is more than what a loss is asked about."""

    def backward(self, output, y, lr):
        delta = self.loss.prime(output, y) * y
        for layer in reversed(self.layers):
            delta = layer.backward(delta, lr)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("network", [Asks, IsToldLater])
def test_what_a_loss_is_asked_for_is_the_upstream_gradient(network):
    report = dout.check(network)
    assert report.ok
    assert {verdict.argument for verdict in report.verdicts} >= {"layers[0]", "layers[1]"}
    assert {str(verdict.word) for verdict in report.verdicts} == {"exact"}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("network", [AsksInOrder, DoublesWhatItIsTold])
def test_a_network_that_goes_back_wrongly_is_refuted(network):
    assert not dout.check(network).ok


def test_a_target_that_is_read_again_is_no_loss_alone():
    with pytest.raises(dout.errors.TargetError, match="takes the target"):
        dout.check(ReadsTheTargetAgain)


def test_a_method_that_returns_an_ellipsis_is_not_written():
    class ToBeWritten:
        def forward(self, x):
            return ...

        def backward(self, dout):
            return ...

    class Template:
        def forward(self, x, *more):
            return self._forward(x, *more) if more else self._forward(x)

        def backward(self, dout):
            gradient = self._backward(dout)
            return gradient

        def _forward(self, x):
            raise NotImplementedError

        def _backward(self, dout):
            raise NotImplementedError

    class Filled(Template):
        def _forward(self, x):
            self.seen()
            return np.sin(x)

        def _backward(self, dout):
            return dout

        def seen(self):
            pass

    assert pairs_of(ToBeWritten) == pairs_of(Template) == []
    assert pairs_of(Filled)[0] == ("forward", "backward")


def test_a_layer_of_which_nothing_is_judged_says_so():
    class OfText:
        def forward(self, x):
            return "text"

        def backward(self, dout):
            return "text"

    report = dout.check(OfText(), np.ones((2, 3)))
    assert not report.verdicts
    assert [finding.code for finding in report.findings] == ["D002"]
