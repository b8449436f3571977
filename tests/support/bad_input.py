"""Layers that hold whatever they are given, and what it is to trace one right."""

import numpy as np

import dout

X = np.array([1.0, -2.0])


class Double:
    def forward(self, x):
        return x * 2.0

    def backward(self, dout):
        return dout * 2.0


class Scale:
    """A layer that multiplies by what its `weight` finds."""

    def forward(self, x):
        self.x = x
        return x * self.weight()

    def backward(self, dout):
        return dout * self.weight()


def holding(**attributes):
    layer = Double()
    layer.__dict__.update(attributes)
    return layer


def traced_right(layer, x=X):
    """The trace of a layer that gives what a plain run gives, with a gradient that is right."""
    trace = dout.trace(layer, x)
    assert not [event for event in trace.events if event.kind in ("replay", "orphan", "specialised")]
    plain = layer.forward(x)
    np.testing.assert_array_equal(trace.outputs, plain, strict=True)
    gradient = trace["x"].gradient
    assert gradient.source == "user"
    assert gradient.expected is None
    return trace


def raises(*_):
    raise RuntimeError("not to be called")


def weighing(held, weight):
    layer = Scale()
    layer.held = held
    layer.weight = lambda: weight(layer.held)
    return layer
