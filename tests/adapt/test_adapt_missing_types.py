"""A forward that takes objects of a library alone, where that is not there: no example is looked for."""

import numpy as np
import pytest

import dout
from dout.errors import TargetError
from dout.trace.program.stub_modules import Missing

torch = Missing("torch, which is not installed")
calls = []


class OfTensors:
    def forward(self, x, t):
        calls.append(type(x))
        if not isinstance(x, torch.Tensor) or not isinstance(t, torch.Tensor):
            raise TypeError("tensors alone")
        return x * t

    def backward(self, dout):
        return dout


class OfBoth:
    def forward(self, x, axis):
        calls.append(type(x))
        if not isinstance(x, (np.ndarray, torch.Tensor)) or not isinstance(axis, int):
            raise TypeError("an array, and an axis")
        self.shape, self.axis = x.shape, axis
        return x.sum(axis=axis)

    def backward(self, dout):
        return np.broadcast_to(np.expand_dims(dout, self.axis), self.shape) + 0.0


@pytest.fixture(autouse=True)
def _none_yet():
    calls.clear()


def test_a_search_ends_at_the_first_test_that_nothing_passes():
    with pytest.raises(TargetError):
        dout.check(OfTensors)
    assert len(calls) < 10


def test_it_goes_on_where_an_array_would_pass():
    assert [str(v) for v in dout.check(OfBoth).verdicts] == ["x: exact"]
