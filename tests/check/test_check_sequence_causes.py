"""What is wrong in cells, sequences, pools and norms is named, and mended in the line where it was written."""

import numpy as np
import pytest

pytest.importorskip("flint")

from mended_layers import added, error_of, errors_of, layer

from dout.check import check

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(3, 4))


def mended(text, *inputs):
    """The lines that the one fix of all errors adds."""
    found = errors_of(text, *inputs)
    assert len({str(item.fix) for item in found}) == 1
    return [line.strip() for line in added(found[0])]


HUBER = """
import numpy as np

class Huber:
    def __init__(self):
        self.delta = 0.7

    def forward(self, guess, t):
        self.r = guess - t
        size = np.abs(self.r)
        return np.mean(np.where(size <= self.delta, self.r**2 / 2, self.delta * (size - self.delta / 2)))

    def backward(self):
        dr = np.where(np.abs(self.r) <= self.delta, self.r, self.delta * np.sign(self.r))
        return dr / self.r.size
"""


def test_the_sign_of_the_far_side_of_a_huber_loss_is_that_of_the_difference():
    t = np.zeros((3, 4))
    assert errors_of(HUBER, 2 * X, t) == []
    wrong = HUBER.replace("self.delta * np.sign(self.r))", "-self.delta)")
    assert mended(wrong, 2 * X, t) == [
        "dr = np.where(np.abs(self.r) <= self.delta, self.r, self.delta * np.sign(self.r))"
    ]


GATE = """
import numpy as np

class Gate:
    def __init__(self):
        self.U = np.arange(16.0).reshape(4, 4) / 9 - 0.7
        self.V = np.cos(np.arange(16.0)).reshape(4, 4)

    def forward(self, h):
        self.h = h
        self.r = 1 / (1 + np.exp(-self.V @ h))
        self.s = self.U @ h
        self.n = np.tanh(self.r * self.s)
        return self.n

    def backward(self, dout):
        dn = dout.reshape(1, -1) * (1 - self.n**2)
        dm = dn
        ds = dm * self.r
        dr = dm * self.s * self.r * (1 - self.r)
        self.dU = (self.h.reshape(-1, 1) @ ds).T
        dh = ds @ self.U
        self.dV = (self.h.reshape(-1, 1) @ dr).T
        dh += dr @ self.V
        return dh
"""
H = RANDOM.normal(size=4)


@pytest.mark.parametrize(
    ("line", "instead"), [("ds = dm * self.r", "ds = dm"), ("dh += dr @ self.V", "dh = dr @ self.V")]
)
def test_a_gradient_with_an_axis_of_one_more_is_mended_by_its_numbers(line, instead):
    assert errors_of(GATE, H) == []
    assert mended(GATE.replace(line, instead), H) == [line]


STEPS = """
import numpy as np

class Steps:
    def __init__(self):
        self.W = np.cos(np.arange(16.0)).reshape(4, 4)

    def forward(self, xs):
        self.states, h = [np.zeros(xs.shape[1])], np.zeros(xs.shape[1])
        for x in xs:
            h = np.tanh(x + h @ self.W)
            self.states.append(h)
        return np.array(self.states[1:])

    def step_back(self, dh, t):
        ds = dh * (1 - self.states[t + 1]**2)
        self.dW += np.outer(self.states[t], ds)
        return ds, ds @ self.W.T

    def backward(self, dout):
        self.dW, dxs, dh = np.zeros_like(self.W), np.zeros_like(dout), 0
        for t in reversed(range(len(dout))):
            dxs[t], dh = self.step_back(dout[t] + dh, t)
        return dxs
"""


def test_what_comes_back_from_the_step_after_is_added_although_it_is_0_in_the_first_turn():
    assert errors_of(STEPS, X) == []
    wrong = STEPS.replace("dout[t] + dh, t", "dout[t], t")
    assert mended(wrong, X) == ["dxs[t], dh = self.step_back(dout[t] + dh, t)"]


POOL = """
import numpy as np

class Pool:
    def forward(self, x):
        n = x.shape[1] - 1
        self.shape, self.places, out = x.shape, np.empty((len(x), n), dtype=tuple), np.zeros((len(x), n))
        for i in range(len(x)):
            for j in range(n):
                self.places[i, j] = i, j + int(np.argmax(x[i, j:j + 2]))
                out[i, j] = x[i, j:j + 2].max()
        return out

    def backward(self, dout):
        dx = np.zeros(self.shape)
        for i in range(dout.shape[0]):
            for j in range(dout.shape[1]):
                row, column = self.places[i, j]
                dx[row, column] += dout[i, j]
        return dx
"""


def test_places_in_an_array_of_objects_hide_no_cause():
    x = np.array([[1.0, 4.0, 2.0, 0.5], [3.0, 1.0, 7.0, 2.0], [0.2, 0.9, 0.1, 0.4]])
    assert errors_of(POOL, x) == []
    assert mended(POOL.replace("] += dout", "] = dout"), x) == ["dx[row, column] += dout[i, j]"]


THINNED = """
import numpy as np

class Thinned:
    def __init__(self):
        self.step = 2

    def forward(self, x):
        self.shape = x.shape
        return x[:, ::self.step]

    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[:, ::self.step] = dout
        return dx
"""


def test_a_step_that_is_forgotten_in_backward_is_that_of_forward():
    x = RANDOM.normal(size=(3, 6))
    assert errors_of(THINNED, x) == []
    wrong = THINNED.replace("dx[:, ::self.step]", "dx[:, :dout.shape[1]]")
    assert mended(wrong, x) == ["dx[:, ::self.step] = dout"]


NORM = """
import numpy as np

class Norm:
    def __init__(self):
        self.gamma = np.array([0.5, 1.5, -2.0, 1.0])
        self.momentum = 0.9

    def forward(self, x):
        self.n = x.shape[0]
        self.c = x - x.mean(axis=0)
        self.var = np.mean(self.c**2, axis=0)
        return self.gamma * self.c / np.sqrt(self.var + 1e-5)

    def backward(self, dout):
        s = np.sqrt(self.var + 1e-5)
        self.dgamma = np.sum(dout * self.c / s, axis=0)
        dy = dout * self.gamma
        dvar = -0.5 * np.sum(dy * self.c, axis=0) / s**3
        dc = dy / s + dvar * (2 / self.n) * self.c
        return dc - dc.mean(axis=0) - np.sum(self.c, axis=0) / self.n
"""


def test_a_repair_leaves_the_gradients_in_between_that_were_right():
    """`np.mean` for `np.sum` in dvar would mend x, too: dvar was right."""
    assert errors_of(NORM, X) == []
    (fixed,) = mended(NORM.replace("(2 / self.n) * self.c", "2 * self.c"), X)
    assert fixed.startswith("dc =")


def test_what_rounding_leaves_without_dout_is_no_penalty():
    """The mean of `c` is 0 up to rounding, whatever dout is: no number of the layer excuses that gamma is missing."""
    ones = NORM.replace("np.array([0.5, 1.5, -2.0, 1.0])", "np.ones(4)")
    assert errors_of(ones, X) == []
    found = error_of(ones.replace("dy = dout * self.gamma", "dy = dout"), X)
    assert [line.strip() for line in added(found)] == ["dy = dout * self.gamma"]


CELL = """
import numpy as np

class Cell:
    def __init__(self):
        self.W = np.cos(np.arange(16.0)).reshape(4, 4)

    def forward(self, x, h_prev):
        return np.tanh(x + h_prev @ self.W)

    def backward(self, delta, h_now, x_now, h_prev):
        dz = delta * (1 - h_now**2)
        self.dW = h_prev.T @ dz
        return dz, dz @ self.W.T
"""


def test_an_argument_that_is_called_as_one_of_forward_is_that_one():
    """With the output for h_prev, and h_prev for h_now, the gradients of x would be right."""
    assert errors_of(CELL, X, 0.5 * X) == []
    found = check(layer(CELL.replace("1 - h_now**2", "1 - h_prev**2")), X, 0.5 * X)
    wrong = {item.argument for item in found.findings if item.severity == "error"}
    assert {"x", "h_prev", "W"} <= {v.argument for v in found.verdicts if v.word == "refuted"}
    assert wrong
