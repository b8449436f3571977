"""The derived backward of the layers of the book, as text."""

import textwrap

import numpy as np
import pytest

from dout.explain.loops.looped_class import derived


class Sigmoid:
    def forward(self, x):
        return 1 / (1 + np.exp(-x))


class Relu:
    def forward(self, x):
        mask = x <= 0
        out = x.copy()
        out[mask] = 0

        return out


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        # a row of x is one sample
        out = np.dot(x, self.W) + self.b

        return out


class MulLayer:
    def forward(self, x, y):
        out = x * y

        return out


def softmax(x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)


GOLDEN = {
    Sigmoid: """
        class Sigmoid:
            def forward(self, x):
                out = 1 / (1 + np.exp(-x))
                self.out = out

                return out

            def backward(self, dout):
                # y = 1 / (1 + exp(-x))  →  dy/dx = y * (1 - y): the output is all that is needed
                dx = dout * (1 - self.out) * self.out

                return dx
    """,
    Relu: """
        class Relu:
            def forward(self, x):
                mask = x <= 0
                self.mask = mask
                out = x.copy()
                out[mask] = 0

                return out

            def backward(self, dout):
                # where: dout goes to the side that was chosen
                dx = np.where(self.mask, 0, dout)

                return dx
    """,
    Affine: """
        class Affine:
            def __init__(self, W, b):
                self.W = W
                self.b = b

            def forward(self, x):
                # a row of x is one sample
                self.x = x
                out = np.dot(x, self.W) + self.b

                return out

            def backward(self, dout):
                # x @ W: dout times the other matrix, transposed
                dx = np.dot(dout, self.W.T)
                self.dW = np.dot(self.x.T, dout)
                # b was broadcast: its gradient is summed over what it was repeated along
                self.db = dout.sum(axis=0)

                return dx
    """,
    MulLayer: """
        class MulLayer:
            def forward(self, x, y):
                self.x = x
                self.y = y
                out = x * y

                return out

            def backward(self, dout):
                # x * y: swap the inputs
                dx = dout * self.y
                dy = dout * self.x

                return dx, dy
    """,
    softmax: """
        class Softmax:
            def forward(self, x):
                x = x - np.max(x, axis=-1, keepdims=True)
                out = np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)
                self.out = out

                return out

            def backward(self, dout):
                # softmax: the output times what dout has above its mean, weighted by the output
                dx = (dout - (dout * self.out).sum(axis=-1, keepdims=True)) * self.out

                return dx
    """,
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("target", GOLDEN, ids=lambda target: target.__name__)
def test_the_derived_class_is_the_one_of_the_book(target):
    assert derived(target).source == textwrap.dedent(GOLDEN[target]).lstrip()


def test_a_backward_that_is_there_is_ignored_and_replaced():
    class Square:
        def forward(self, x):
            return x**2

        def backward(self, dout):
            return dout  # wrong

        def other(self):
            return 1

    found = derived(Square)
    assert "dx = 2 * dout * self.x" in found.source
    assert found.source.index("def backward") < found.source.index("def other")
    assert "wrong" not in found.source
