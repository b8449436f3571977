"""Layers that go from step to step: in one loop, and with a cell for each step in a list."""

from __future__ import annotations

from typing import Any

import numpy as np

WIDTH = 100  # of inputs and states


def weights(gates: int, dtype: Any) -> tuple[Any, Any, Any]:
    """For inputs, for states, and what is added: the gates side by side."""
    rng = np.random.default_rng(7)
    for_x, for_h = ((rng.standard_normal((WIDTH, gates * WIDTH)) / 10).astype(np.float32) for _ in "xh")
    return for_x.astype(dtype), for_h.astype(dtype), np.zeros(gates * WIDTH, dtype)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ)."""
    return 1 / (1 + np.exp(-x))


class Recurrent:
    """Long short-term memory over all steps, from zeros: forget, new, input and output gate side by side."""

    def __init__(self, dtype: Any = np.float32) -> None:
        self.params = self.Wx, self.Wh, self.b = weights(4, dtype)

    def forward(self, x: Any) -> Any:
        """(N, T, inputs) → (N, T, hidden)."""
        count, steps, _ = x.shape
        hidden = self.Wh.shape[0]
        h = c = np.zeros((count, hidden), x.dtype)
        out = np.empty((count, steps, hidden), x.dtype)
        self.kept = []
        for t in range(steps):
            gates = np.dot(x[:, t], self.Wx) + np.dot(h, self.Wh) + self.b
            f, i, o = (1 / (1 + np.exp(-gates[:, k * hidden : (k + 1) * hidden])) for k in (0, 2, 3))
            g = np.tanh(gates[:, hidden : 2 * hidden])
            before, c = (h, c), f * c + g * i
            h = o * np.tanh(c)
            out[:, t] = h
            self.kept.append((x[:, t], *before, f, g, i, o, c))
        return out

    def backward(self, dout: Any) -> Any:
        """Gradients of Wx, Wh and b stay in the layer."""
        count, steps, hidden = dout.shape
        dx = np.empty((count, steps, self.Wx.shape[0]), dout.dtype)
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dh = dc = np.zeros((count, hidden), dout.dtype)
        for t in reversed(range(steps)):
            x, h, before, f, g, i, o, c = self.kept[t]
            dh = dout[:, t] + dh
            tanh = np.tanh(c)
            dc = dc + dh * o * (1 - tanh**2)
            parts = (dc * before * f * (1 - f), dc * i * (1 - g**2), dc * g * i * (1 - i), dh * tanh * o * (1 - o))
            gates = np.hstack(parts)
            self.dWx += np.dot(x.T, gates)
            self.dWh += np.dot(h.T, gates)
            self.db += gates.sum(axis=0)
            dx[:, t], dh, dc = np.dot(gates, self.Wx.T), np.dot(gates, self.Wh.T), dc * f
        self.grads = self.dWx, self.dWh, self.db
        return dx


class SimpleCell:
    """One step: tanh of inputs and state."""

    def __init__(self, Wx: Any, Wh: Any, b: Any) -> None:
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]

    def forward(self, x: Any, h: Any) -> Any:
        """The next state."""
        Wx, Wh, b = self.params
        out = np.tanh(np.dot(x, Wx) + np.dot(h, Wh) + b)
        self.cache = x, h, out
        return out

    def backward(self, dout: Any) -> Any:
        """Gradients of inputs and state."""
        Wx, Wh, _ = self.params
        x, h, out = self.cache
        dsum = dout * (1 - out**2)
        self.grads[0][...] = np.dot(x.T, dsum)
        self.grads[1][...] = np.dot(h.T, dsum)
        self.grads[2][...] = dsum.sum(axis=0)
        return np.dot(dsum, Wx.T), np.dot(dsum, Wh.T)


class GatedCell(SimpleCell):
    """One step of a gated recurrent unit: reset, update, new; the reset follows the product, as in PyTorch."""

    def forward(self, x: Any, h: Any) -> Any:
        """The next state."""
        Wx, Wh, b = self.params
        width = h.shape[1]
        from_x, from_h = np.dot(x, Wx) + b, np.dot(h, Wh)
        r = sigmoid(from_x[:, :width] + from_h[:, :width])
        z = sigmoid(from_x[:, width : 2 * width] + from_h[:, width : 2 * width])
        last = from_h[:, 2 * width :]
        n = np.tanh(from_x[:, 2 * width :] + r * last)
        self.cache = x, h, r, z, n, last
        return (1 - z) * n + z * h

    def backward(self, dout: Any) -> Any:
        """Gradients of inputs and state."""
        Wx, Wh, _ = self.params
        x, h, r, z, n, last = self.cache
        dn = dout * (1 - z) * (1 - n**2)
        dz = dout * (h - n) * z * (1 - z)
        dr = dn * last * r * (1 - r)
        to_x, to_h = np.hstack((dr, dz, dn)), np.hstack((dr, dz, dn * r))
        self.grads[0][...] = np.dot(x.T, to_x)
        self.grads[1][...] = np.dot(h.T, to_h)
        self.grads[2][...] = to_x.sum(axis=0)
        return np.dot(to_x, Wx.T), np.dot(to_h, Wh.T) + dout * z


class LongCell(SimpleCell):
    """One step of long short-term memory: forget, new, input and output gate side by side."""

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        """The next state and memory."""
        Wx, Wh, b = self.params
        width = h.shape[1]
        gates = np.dot(x, Wx) + np.dot(h, Wh) + b
        f, g = sigmoid(gates[:, :width]), np.tanh(gates[:, width : 2 * width])
        i, o = sigmoid(gates[:, 2 * width : 3 * width]), sigmoid(gates[:, 3 * width :])
        memory = f * c + g * i
        out = o * np.tanh(memory)
        self.cache = x, h, c, f, g, i, o, memory
        return out, memory

    def backward(self, dout: Any, dmemory: Any) -> Any:
        """Gradients of inputs, state and memory."""
        Wx, Wh, _ = self.params
        x, h, c, f, g, i, o, memory = self.cache
        tanh = np.tanh(memory)
        dmemory = dmemory + dout * o * (1 - tanh**2)
        df, dg = dmemory * c * f * (1 - f), dmemory * i * (1 - g**2)
        di, do = dmemory * g * i * (1 - i), dout * tanh * o * (1 - o)
        gates = np.hstack((df, dg, di, do))
        self.grads[0][...] = np.dot(x.T, gates)
        self.grads[1][...] = np.dot(h.T, gates)
        self.grads[2][...] = gates.sum(axis=0)
        return np.dot(gates, Wx.T), np.dot(gates, Wh.T), dmemory * f


class SimpleSteps:
    """A cell of its own for each step, from a state of zeros."""

    cell: Any = SimpleCell
    gates = 1

    def __init__(self, dtype: Any = np.float32) -> None:
        self.params = list(weights(self.gates, dtype))
        self.grads = [np.zeros_like(param) for param in self.params]

    def forward(self, xs: Any) -> Any:
        """(N, T, inputs) → (N, T, width)."""
        count, steps, _ = xs.shape
        width = self.params[1].shape[0]
        self.cells = []
        hs = np.empty((count, steps, width), dtype=xs.dtype)
        h = np.zeros((count, width), dtype=xs.dtype)
        for t in range(steps):
            cell = self.cell(*self.params)
            h = cell.forward(xs[:, t, :], h)
            hs[:, t, :] = h
            self.cells.append(cell)
        return hs

    def backward(self, dhs: Any) -> Any:
        """From the last step to the first; the gradients of the weights are sums over the cells."""
        count, steps, width = dhs.shape
        dxs = np.empty((count, steps, self.params[0].shape[0]), dtype=dhs.dtype)
        dh, grads = np.zeros((count, width), dtype=dhs.dtype), [0, 0, 0]
        for t in reversed(range(steps)):
            cell = self.cells[t]
            dx, dh = cell.backward(dhs[:, t, :] + dh)
            dxs[:, t, :] = dx
            for i, grad in enumerate(cell.grads):
                grads[i] += grad
        for i, grad in enumerate(grads):
            self.grads[i][...] = grad
        return dxs


class GatedSteps(SimpleSteps):
    """The same with gated cells."""

    cell = GatedCell
    gates = 3


class LongSteps(SimpleSteps):
    """The same with a memory beside the state."""

    cell = LongCell
    gates = 4

    def forward(self, xs: Any) -> Any:
        """(N, T, inputs) → (N, T, width)."""
        count, steps, _ = xs.shape
        width = self.params[1].shape[0]
        self.cells = []
        hs = np.empty((count, steps, width), dtype=xs.dtype)
        h, c = np.zeros((count, width), dtype=xs.dtype), np.zeros((count, width), dtype=xs.dtype)
        for t in range(steps):
            cell = self.cell(*self.params)
            h, c = cell.forward(xs[:, t, :], h, c)
            hs[:, t, :] = h
            self.cells.append(cell)
        return hs

    def backward(self, dhs: Any) -> Any:
        """From the last step to the first; the gradients of the weights are sums over the cells."""
        count, steps, width = dhs.shape
        dxs = np.empty((count, steps, self.params[0].shape[0]), dtype=dhs.dtype)
        dh, dc, grads = np.zeros((count, width), dtype=dhs.dtype), np.zeros((count, width), dtype=dhs.dtype), [0, 0, 0]
        for t in reversed(range(steps)):
            cell = self.cells[t]
            dx, dh, dc = cell.backward(dhs[:, t, :] + dh, dc)
            dxs[:, t, :] = dx
            for i, grad in enumerate(cell.grads):
                grads[i] += grad
        for i, grad in enumerate(grads):
            self.grads[i][...] = grad
        return dxs
