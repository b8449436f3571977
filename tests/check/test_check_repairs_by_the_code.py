"""Repairs that the code itself proposes: what it does elsewhere, a line in another block, lengths that it names."""

import inspect

import numpy as np
import pytest

from dout.check.verb.check_layer import check


def table(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


class Heads:
    def forward(self, q, k):
        self.q, self.k = q, k
        return q @ k.swapaxes(-1, -2)

    def backward(self, dout):
        return dout @ self.k, dout @ self.q  # wrong: not turned


class Reversed:
    def __init__(self):
        self.W = table(3, 3)

    def forward(self, x):
        self.x = x
        return x @ self.W + x[:, ::-1] @ self.W

    def backward(self, dout):
        self.dW = (self.x + self.x[:, ::-1]).T @ dout if self.x.ndim == 2 else np.zeros((3, 3))
        there = dout @ self.W.T
        return there + there  # wrong: the second has to be turned back


class Smooth:
    def around(self, s):
        wide = np.pad(s, ((0, 0), (1, 1)))
        return wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]

    def forward(self, x):
        self.x, self.d = x, 2.0 + self.around(x**2)
        return x / self.d

    def backward(self, dout):
        t = dout * self.x / self.d**2
        return dout / self.d - 2 * self.x * t  # wrong: all around it, too


class Pooled:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        h, w = self.shape[2:]
        return np.ones((*self.shape[:2], h, w)) * dout[:, :, None, None]  # wrong: a mean of h * w


class Blocks:
    def forward(self, x):
        n, h = x.shape
        self.shape = x.shape
        return x.reshape(n, h // 6, 2, 3).transpose(0, 1, 3, 2)

    def backward(self, dout):
        return dout.reshape(self.shape)  # wrong: the axes stay turned


class Weighed:
    def forward(self, x, share):
        self.x, self.share = x, share
        return (x * share[..., None]).sum(axis=0)

    def backward(self, dout):
        dx = np.repeat(dout[None], len(self.x), axis=0)  # wrong: not weighed
        return dx, (self.x * dout).sum(axis=1)


class Grown:
    """Each step adds columns to those that it was given."""

    def __init__(self):
        self.W = [table(3, 2), table(5, 2)]

    def forward(self, x):
        self.xs = []
        for w in self.W:
            self.xs.append(x)
            x = np.concatenate([x, np.tanh(x @ w)], axis=1)
        self.out = x
        return x

    def backward(self, dout):
        self.dW = [None, None]
        for i in (1, 0):
            k = 3 + 2 * i
            dz = dout[:, k:] * (1 - np.tanh(self.xs[i] @ self.W[i]) ** 2)
            self.dW[i] = self.xs[i].T @ dz
            dout = dz @ self.W[i].T  # wrong: what was handed on is missing
        return dout


class Steps:
    def __init__(self):
        self.W, self.U = table(3, 4), 0.3 * table(4, 4)

    def forward(self, xs):
        self.xs, self.hs = xs, [np.zeros((xs.shape[1], 4))]
        for x in xs:
            self.hs.append(np.tanh(x @ self.W + self.hs[-1] @ self.U))
        return self.hs[-1]

    def backward(self, dh):
        self.dW, self.dU, dxs = np.zeros_like(self.W), np.zeros_like(self.U), np.zeros_like(self.xs)
        for t in reversed(range(len(self.xs))):
            dz = dh * (1 - self.hs[t + 1] ** 2)
            dxs[t] = dz @ self.W.T
            dh = dz @ self.U.T
            self.dW += self.xs[t].T @ dz
        self.dU += self.hs[t].T @ dz  # wrong: of the first step alone
        return dxs


@pytest.mark.parametrize(
    ("layer", "inputs", "argument", "said"),
    [
        (Heads, [(2, 3, 4), (2, 3, 4)], "k", "`dout.swapaxes(-1, -2) @ self.q`"),
        (Reversed, [(4, 3)], "x", "there[:, ::-1]"),
        (Smooth, [(3, 5)], "x", "self.around("),
        (Pooled, [(2, 3, 4, 5)], "x", "/ (h * w)"),
        (Blocks, [(2, 12)], "x", "transpose(0, 1, 3, 2)"),
        (Weighed, [(4, 3), (4,)], "x", "self.share[..., None]"),
        (Grown, [(4, 3)], "x", "+ dout[:, :k]"),
        (Steps, [(3, 2, 3)], "U", "belongs into the `for`"),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_the_repair_is_what_the_code_does_elsewhere(layer, inputs, argument, said):
    report = check(layer(), *(table(*shape) + i for i, shape in enumerate(inputs)))
    found = {item.argument: item for item in report.findings if item.severity == "error"}
    assert argument in found
    shown = found[argument] if said in found[argument].message else next(iter(found.values()))
    assert said in shown.message
    assert shown.fix is not None


class Net:
    def __init__(self):
        self.W1, self.W2 = table(3, 5), table(5, 2)

    def forward(self, x):
        self.x, self.z = x, x @ self.W1
        self.h = np.tanh(self.z)
        e = np.exp(self.h @ self.W2)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, y, lr=0.1):
        n = len(y)
        d = self.p.copy()
        d[np.arange(n), y] -= 1
        dh = (d @ self.W2.T) * (1 - self.h**2)
        self.W2 -= lr * self.h.T @ d / n
        self.W1 -= lr * self.x.T @ dh / n
        return -np.mean(np.log(self.p[np.arange(n), y]))


class Fast(Net):
    def backward(self, y, lr=0.1):
        n = len(y)
        d = self.p.copy()
        d[np.arange(n), y] -= 1
        dh = (d @ self.W2.T) * self.z  # wrong: no slope of tanh
        self.W2 -= lr * self.h.T @ d / n
        self.W1 -= lr * self.x.T @ dh / n
        return -np.mean(np.log(self.p[np.arange(n), y]))


@pytest.mark.long
def test_a_backward_that_another_class_has_is_no_place_for_a_repair():
    report = check(Fast)
    found = [item for item in report.findings if item.severity == "error"]
    assert [item.argument for item in found] == ["W1"]
    assert found[0].line >= inspect.getsourcelines(Fast)[1]


class InABranch:
    """A line that stands under the wrong condition is no line behind a loop."""

    def __init__(self, scale=True, alpha=0.0):
        self.scale, self.alpha = scale, alpha

    def forward(self, x):
        self.x = x
        return 3 * x**2 if self.scale else x**2

    def backward(self, dout):
        dx = dout * 2 * self.x
        if self.alpha:
            dx = dx + self.alpha
            dx = dx * 3  # wrong: it is that of the scale
        return dx


def test_a_line_is_not_moved_out_of_a_branch():
    report = check(InABranch(), table(3, 4))
    (found,) = [item for item in report.findings if item.severity == "error"]
    assert "belongs" not in found.message


class MaskOfDout:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dout):
        dx = dout.copy()
        dx[dout <= 0] = 0  # wrong: of what forward was given
        return dx


class KeptTwice:
    def forward(self, x):
        out = np.tanh(x)
        self.cache = (x, x)  # wrong: the second is what forward gives
        return out

    def backward(self, dout):
        _, out = self.cache
        return dout * (1 - out**2)


@pytest.mark.parametrize(
    ("layer", "repair"), [(MaskOfDout, "`dout` should be `self.x`"), (KeptTwice, "in forward: `x` should be `out`")]
)
def test_another_name_belongs_where_a_mask_is_made_and_where_values_are_kept(layer, repair):
    (found,) = [finding for finding in check(layer, table(4, 3)).findings if finding.code == "D101"]
    assert repair in found.because
