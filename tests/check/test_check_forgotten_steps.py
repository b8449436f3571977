"""A step that forward forgets and backward takes is an error with its name; one that may scale gradients is none."""

import numpy as np

import dout


class Pool:
    def __init__(self, size=2, stride=1):
        self.size, self.stride = size, stride

    def forward(self, x):
        self.x = x
        height, width = (n - self.size + 1 for n in x.shape)
        out = np.zeros((height, width))
        for i in range(height):
            for j in range(width):
                out[i, j] = x[i : i + self.size, j : j + self.size].mean()
        return out

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(dout.shape[0]):
            for j in range(dout.shape[1]):
                a, b = i * self.stride, j * self.stride
                dx[a : a + self.size, b : b + self.size] += dout[i, j] / self.size**2
        return dx


class AddsUp:
    def __init__(self, steps=1):
        self.W = np.arange(12.0).reshape(4, 3) / 7
        self.steps = steps

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout / self.steps
        return dout @ self.W.T


class LastPart:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * self.x[-1] * dout[-1]


def test_a_stride_that_forward_forgets_is_an_error():
    (finding,) = (finding for finding in dout.check(Pool).findings if finding.code == "D101")
    assert finding.severity == "error"
    assert "stride" in str(finding)
    assert "forward gives the same" in str(finding)


def test_a_number_of_steps_that_backward_divides_by_is_no_error():
    assert dout.check(AddsUp).ok


def test_no_loop_is_blamed_where_there_is_none():
    report = dout.check(LastPart)
    assert not report.ok
    assert "each turn" not in str(report)
