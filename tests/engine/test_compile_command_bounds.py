"""What `dout compile` may spend on a layer: it tries sizes near the given ones, and records no long run twice."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

from dout.adapt.search.example import example
from dout.engine.export import Layer, standalone
from dout.trace.capture.capture import capture

LAYERS = """
import numpy as np

sizes = []


class Doubled:
    def forward(self, x):
        sizes.append(x.size)
        return np.exp(2 * x) + x

    def backward(self, dout):
        return dout


class Rows:
    def forward(self, x):
        out = np.zeros_like(x)
        for i in range(len(x)):
            out[i] = np.exp(x[i] - x[i].max()) * 2
        return out

    def backward(self, dout):
        return np.tanh(dout) * 3 * dout
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    path = tmp_path / "bounded_layers.py"
    path.write_text(LAYERS)
    spec = importlib.util.spec_from_file_location("bounded_layers", path)
    found = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bounded_layers", found)
    spec.loader.exec_module(found)
    return found


def made(module, name, *shape):
    layer = getattr(module, name)
    return standalone(module, [Layer(layer, example(layer, {}, {"x": np.ones(shape)}))], ("float64",))


def test_a_long_axis_does_not_make_the_short_ones_long(module):
    made(module, "Doubled", 600, 6, 11)
    assert max(module.sizes) < 10 * 600 * 6 * 11


@pytest.mark.long
def test_a_loop_too_long_to_record_is_recorded_once_and_its_method_says_so(module, monkeypatch):
    recorded = []

    def counted(method, *given):
        recorded.append(method.__name__)
        return capture(method, *given)

    monkeypatch.setattr("dout.engine.export.sample_runs.capture", counted)
    found = made(module, "Rows", 600, 6, 11)
    assert "too many operations to be recorded" in found.plain["Rows.forward"]
    assert recorded.count("forward") == 1


@pytest.mark.long
def test_the_backward_of_a_layer_whose_forward_is_too_long_is_compiled(module):
    assert made(module, "Rows", 600, 6, 11).fast == ("Rows.backward",)
