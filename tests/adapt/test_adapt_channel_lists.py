"""Channels in a list: as inputs, as outputs and as gradients."""

from collections import OrderedDict

import numpy as np

from dout.check.verb.check_layer import check
from dout.judge.outcomes import Word


class SquashAll:
    """Takes a list of maps, and makes one array of them: so is the gradient."""

    def forward(self, maps):
        self.y = np.tanh(np.array(maps))
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class WrongSquashAll(SquashAll):
    def backward(self, dout):
        return dout * (1 - self.y)


def test_one_array_is_the_gradient_of_all_maps_in_a_list():
    maps = list(np.random.default_rng(0).normal(size=(3, 4, 5)))
    assert [v.word for v in check(SquashAll, maps).verdicts] == [Word.EXACT] * 3
    assert [v.word for v in check(WrongSquashAll, maps).verdicts] == [Word.REFUTED] * 3


class Mixed:
    """Each map has a kernel of its own, and a list of maps is what comes back; backward makes its step itself."""

    def __init__(self, channels):
        self.channels = channels
        self.kernels = [np.random.default_rng(i).normal(size=(3, 3)) for i in range(channels)]

    def forward(self, maps):
        self.maps = maps
        return [maps[i] * self.kernels[i] for i in range(self.channels)]

    def backward(self, dout, learning_rate):
        found = []
        for i in range(self.channels):
            found.append(dout[i] * self.kernels[i])
            self.kernels[i] = self.kernels[i] - learning_rate * dout[i] * self.maps[i]
        return found


def test_returned_maps_are_no_gradients_of_kernels_of_the_same_shape():
    report = check(Mixed, init={"channels": 2})
    assert Word.REFUTED not in [v.word for v in report.verdicts]
    assert "error" not in [f.severity for f in report.findings]


class Named:
    """A network to be filled by others: by name, nothing yet, with a rule for what is called so."""

    def __init__(self):
        self.parts = OrderedDict()

    def forward(self, x):
        for name, part in self.parts.items():
            x = part.forward(x, True) if "dropout" in name else part.forward(x)
        return x

    def backward(self, dout):
        for part in reversed(self.parts.values()):
            dout = part.backward(dout)


def test_a_network_of_parts_by_name_is_judged_with_two_and_has_no_error():
    report = check(Named)
    assert "error" not in [f.severity for f in report.findings]
    assert not any("no parts in self.parts" in f.message for f in report.findings)
    assert report.verdicts
