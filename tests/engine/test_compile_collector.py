"""Whether garbage is collected is the user's to say, also while a first call is recorded."""

import gc

import numpy as np
import pytest

import dout

SEEN = []


class Asks:
    def forward(self, x):
        SEEN.append(gc.isenabled())
        gc.disable()
        return x * 2.0

    def backward(self, dout):
        return dout * 2.0


@pytest.fixture
def _collector():
    was, thresholds = gc.isenabled(), gc.get_threshold()
    gc.enable()
    yield
    gc.set_threshold(*thresholds)
    (gc.enable if was else gc.disable)()


@pytest.mark.usefixtures("_collector")
def test_a_layer_finds_the_collector_on_and_may_turn_it_off():
    thresholds = gc.get_threshold()
    compiled = dout.compile(Asks())
    compiled.forward(np.ones(3))
    assert SEEN == [True]
    assert not gc.isenabled()
    assert gc.get_threshold() == thresholds


class NeverCollects(Asks):
    def forward(self, x):
        gc.set_threshold(0)
        return x * 2.0


@pytest.mark.usefixtures("_collector")
def test_a_threshold_of_zero_that_a_layer_sets_stays():
    dout.compile(NeverCollects()).forward(np.ones(3))
    assert gc.get_threshold()[0] == 0
