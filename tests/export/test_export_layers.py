"""Every ready-made layer gives by onnxruntime what its forward gives, with other numbers of rows, too."""

import copy

import numpy as np
import pytest
from onnx_runs import ran

import dout
from dout import layers
from dout.adapt import example
from dout.run import flat


def built(cls):
    """A layer as it is used, and inputs that it takes."""
    found = example(cls, {}, {})
    layer = cls(**found.init)
    if hasattr(layer, "training"):
        layer.training = False
    return layer, list(found.inputs.values())


def longer(inputs, rows):
    """The same with so many rows, repeated, where the first axis is that of the first input."""
    first = next(len(x) for x in flat(inputs) if np.ndim(x))
    return [np.take(x, np.arange(rows) % first, axis=0) if np.ndim(x) and len(x) == first else x for x in inputs]


def agrees(content, layer, inputs, digits, dtype):
    wanted = [np.asarray(y) for y in flat(copy.deepcopy(layer).forward(*copy.deepcopy(inputs)))]
    got = ran(content, *flat(inputs))
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        assert one.dtype == (dtype if other.dtype.kind == "f" else other.dtype)
        np.testing.assert_allclose(one, other, rtol=digits, atol=digits)


@pytest.mark.one_in(18)
@pytest.mark.parametrize("name", layers.__all__)
def test_a_layer_agrees_with_onnxruntime(name):
    layer, inputs = built(getattr(layers, name))
    model = dout.export(layer, None, *inputs)
    agrees(model.content, layer, inputs, 1e-12, np.float64)
    assert "batch" in str(model.model.graph.inputs[0].shape), model.notes
    for rows in (6, 1):
        agrees(model.content, layer, longer(inputs, rows), 1e-12, np.float64)


@pytest.mark.one_in(16)
@pytest.mark.parametrize("name", layers.__all__)
def test_a_layer_agrees_in_32_bits(name):
    layer, inputs = built(getattr(layers, name))
    single = dout.export(layer, None, *inputs, dtype="float32")
    agrees(single.content, layer, inputs, 1e-5, np.float32)
