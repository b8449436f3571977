"""Arrays that stand in objects, with their gradients beside them."""

import weakref

import numpy as np


class Held:
    def __init__(self, data):
        if not isinstance(data, np.ndarray):
            raise TypeError(type(data))
        self.data = data
        self.grad = None


class Operation:
    def __call__(self, *inputs):
        self.inputs = inputs
        result = Held(np.asarray(self.forward(*[held.data for held in inputs])))
        self.output = weakref.ref(result)
        return result


class HeldProduct(Operation):
    def forward(self, a, b):
        return a * b

    def backward(self, dout):
        a, b = (held.data for held in self.inputs)
        return dout * b, dout * a


class Blob:
    def __init__(self, value):
        self.value = value
        self.D = 0


class BlobSine:
    def forward(self, bottom):
        self.bottom = bottom
        return Blob(np.sin(bottom.value))

    def backward(self, top):
        self.bottom.D = top.D * np.cos(self.bottom.value)
