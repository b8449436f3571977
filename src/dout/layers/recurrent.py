"""Layers that read a sequence step by step and keep a state, and what is wrapped around them.

`x` has shape (N, T, D): N sequences of T steps of D numbers; `out` is (N, T, H), the state after each step. The state
begins with zeros. Backward goes through the steps in reverse: what arrives at a step is its `dout`, and what the next
step makes of its state. The gradients of the weights, which every step uses, are one product over all steps.
Parameters `Wx`, `Wh` and biases, gradients with a `d` before them. Nothing that comes in is written into, and float32
stays float32.
"""

from typing import Any

import numpy as np

from dout.layers.affine import MatMul
from dout.layers.form import Value, arriving, keep_form, sigmoid


class Rnn:
    """A state that is made anew of itself and the next input. PyTorch: `torch.nn.RNN(batch_first=True)`.

    `h[t] = tanh(x[t] @ Wx + h[t - 1] @ Wh + b)`. Backward, with `da = dh · (1 - h[t]²)`: `dx[t] = da @ Wxᵀ`, and
    `da @ Whᵀ` arrives at the step before. `Wx` has shape (D, H), `Wh` (H, H), `b` (H,): PyTorch's `weight_ih_l0` and
    `weight_hh_l0` transposed, and the sum of its two biases.
    Source: Saito, "Deep Learning from Scratch 2" (O'Reilly Japan), chapter 5.
    """

    def __init__(self, Wx: Value, Wh: Value, b: Value) -> None:
        _check_weights(self, Wx, Wh, 1, b=b)
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx, self.dWh, self.db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)

    def forward(self, x: Value) -> Value:
        """Return the states."""
        _check_sequence(self, x)
        self.x = x
        steps = _at_all_steps(x, self.Wx) + self.b
        h = np.zeros_like(steps[:, 0])
        states = []
        for t in range(x.shape[1]):
            h = np.tanh(steps[:, t] + h @ self.Wh)
            states.append(h)
        self.h = np.stack(states, axis=1)
        keep_form(self, self.h)

        return self.h.copy()

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dWx`, `dWh` and `db` in the layer."""
        dout = arriving(self, dout)
        da = np.zeros_like(self.h)
        dh = np.zeros_like(self.h[:, 0])
        for t in reversed(range(dout.shape[1])):
            da[:, t] = (dout[:, t] + dh) * (1 - self.h[:, t] ** 2)
            dh = da[:, t] @ self.Wh.T
        self.dWx, self.dWh, self.db = _products(self.x, da), _products(_before(self.h), da), np.sum(da, axis=(0, 1))

        return _at_all_steps(da, self.Wx.T)


class Lstm:
    """A state with a memory beside it that gates open and close. PyTorch: `torch.nn.LSTM(batch_first=True)`.

    With the gates `i`, `f`, `o = sigmoid(…)` and `g = tanh(…)` of `x[t] @ Wx + h[t - 1] @ Wh + b`, four parts side by
    side in the order i, f, g, o: `c[t] = f · c[t - 1] + i · g` and `h[t] = o · tanh(c[t])`. `Wx` has shape (D, 4H),
    `Wh` (H, 4H), `b` (4H,): PyTorch's `weight_ih_l0` and `weight_hh_l0` transposed, and the sum of its two biases.
    Source: Hochreiter and Schmidhuber (1997), "Long short-term memory"; Saito, "Deep Learning from Scratch 2" (O'Reilly
    Japan), chapter 6.
    """

    def __init__(self, Wx: Value, Wh: Value, b: Value) -> None:
        _check_weights(self, Wx, Wh, 4, b=b)
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx, self.dWh, self.db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)

    def forward(self, x: Value) -> Value:
        """Return the states."""
        _check_sequence(self, x)
        self.x = x
        steps = _at_all_steps(x, self.Wx) + self.b
        h = c = np.zeros((len(x), len(self.Wh)), steps.dtype)
        self.gates: list[tuple[Value, ...]] = []
        self.memories = [c]
        states = []
        for t in range(x.shape[1]):
            i, f, g, o = np.split(steps[:, t] + h @ self.Wh, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            c = f * c + i * g
            h = o * np.tanh(c)
            self.gates.append((i, f, g, o))
            self.memories.append(c)
            states.append(h)
        self.h = np.stack(states, axis=1)
        keep_form(self, self.h)

        return self.h.copy()

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dWx`, `dWh` and `db` in the layer."""
        dout = arriving(self, dout)
        da = np.zeros((*self.x.shape[:2], self.Wx.shape[1]), self.h.dtype)
        dh = dc = np.zeros_like(self.h[:, 0])
        for t in reversed(range(dout.shape[1])):
            i, f, g, o = self.gates[t]
            tanh = np.tanh(self.memories[t + 1])
            dh = dout[:, t] + dh
            dc = dc + dh * o * (1 - tanh * tanh)
            di, df, dg, do = dc * g, dc * self.memories[t], dc * i, dh * tanh
            parts = di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)
            step = np.concatenate(parts, axis=1)
            dh, dc = step @ self.Wh.T, dc * f
            da[:, t] = step
        self.dWx, self.dWh, self.db = _products(self.x, da), _products(_before(self.h), da), np.sum(da, axis=(0, 1))

        return _at_all_steps(da, self.Wx.T)


class Gru:
    """A state that a gate mixes with a new one; another says what the new one sees. PyTorch: `torch.nn.GRU`.

    With `x[t] @ Wx + bx` and `h[t - 1] @ Wh + bh`, each three parts side by side in the order r, z, n: `r` and `z` are
    sigmoids of both added up, `n = tanh(xn + r · hn)`, and `h[t] = (1 - z) · n + z · h[t - 1]`. `Wx` has shape (D, 3H),
    `Wh` (H, 3H), `bx` and `bh` (3H,): PyTorch's `weight_ih_l0` and `weight_hh_l0` transposed, and its two biases.
    Source: Cho and others (2014), "Learning phrase representations using RNN encoder–decoder".
    """

    def __init__(self, Wx: Value, Wh: Value, bx: Value, bh: Value) -> None:
        _check_weights(self, Wx, Wh, 3, bx=bx, bh=bh)
        self.Wx, self.Wh, self.bx, self.bh = Wx, Wh, bx, bh
        self.dWx, self.dWh = np.zeros_like(Wx), np.zeros_like(Wh)
        self.dbx, self.dbh = np.zeros_like(bx), np.zeros_like(bh)

    def forward(self, x: Value) -> Value:
        """Return the states."""
        _check_sequence(self, x)
        self.x = x
        steps = _at_all_steps(x, self.Wx) + self.bx
        h = np.zeros((len(x), len(self.Wh)), steps.dtype)
        self.gates: list[tuple[Value, ...]] = []
        states = []
        for t in range(x.shape[1]):
            xr, xz, xn = np.split(steps[:, t], 3, axis=1)
            hr, hz, hn = np.split(h @ self.Wh + self.bh, 3, axis=1)
            r, z = sigmoid(xr + hr), sigmoid(xz + hz)
            n = np.tanh(xn + r * hn)
            self.gates.append((r, z, n, hn))
            h = (1 - z) * n + z * h
            states.append(h)
        self.h = np.stack(states, axis=1)
        keep_form(self, self.h)

        return self.h.copy()

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dWx`, `dWh`, `dbx` and `dbh` in the layer."""
        dout = arriving(self, dout)
        before = _before(self.h)
        dax = np.zeros((*self.x.shape[:2], self.Wx.shape[1]), self.h.dtype)
        dah = np.zeros_like(dax)
        dh = np.zeros_like(self.h[:, 0])
        for t in reversed(range(dout.shape[1])):
            r, z, n, hn = self.gates[t]
            dh = dout[:, t] + dh
            dn = dh * (1 - z) * (1 - n * n)
            dz = dh * (before[:, t] - n) * z * (1 - z)
            dr = dn * hn * r * (1 - r)
            dax[:, t] = np.concatenate([dr, dz, dn], axis=1)
            dah[:, t] = np.concatenate([dr, dz, dn * r], axis=1)
            dh = dah[:, t] @ self.Wh.T + dh * z
        self.dWx, self.dWh = _products(self.x, dax), _products(before, dah)
        self.dbx, self.dbh = np.sum(dax, axis=(0, 1)), np.sum(dah, axis=(0, 1))

        return _at_all_steps(dax, self.Wx.T)


class Bidirectional:
    """Read a sequence from both ends, and put the states side by side. PyTorch: `bidirectional=True`.

    `out = [there(x), back(x reversed) reversed]` along the last axis. `there` and `back` are two layers that read
    sequences; their parameters and gradients stay in them. `x` has shape (N, T, D), `out` (N, T, 2H).
    Source: Schuster and Paliwal (1997), "Bidirectional recurrent neural networks".
    """

    def __init__(self, there: Any, back: Any) -> None:
        self.there, self.back = there, back

    def forward(self, x: Value) -> Value:
        """Return the states of both, side by side."""
        there, back = self.there.forward(x), self.back.forward(x[:, ::-1])[:, ::-1]
        self.width = there.shape[-1]
        out = np.concatenate([there, back], axis=-1)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, of both added up."""
        dout = arriving(self, dout)
        there, back = dout[..., : self.width], dout[..., self.width :]

        return self.there.backward(there) + self.back.backward(back[:, ::-1])[:, ::-1]


class TimeDistributed:
    """Give each step of a sequence to one layer, as if all steps were samples. Keras: `TimeDistributed`.

    `x` has shape (N, T, …), and the layer sees (N · T, …). Its parameters and gradients stay in it.
    Source: Saito, "Deep Learning from Scratch 2" (O'Reilly Japan), chapter 5.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def forward(self, x: Value) -> Value:
        """Return what the layer makes of each step."""
        self.steps = np.shape(x)[:2]
        out = self.layer.forward(np.reshape(x, (self.steps[0] * self.steps[1], *np.shape(x)[2:])))
        out = np.reshape(out, (*self.steps, *np.shape(out)[1:]))
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`."""
        dout = arriving(self, dout)
        dx = self.layer.backward(np.reshape(dout, (self.steps[0] * self.steps[1], *np.shape(dout)[2:])))

        return np.reshape(dx, (*self.steps, *np.shape(dx)[1:]))


def dout_example() -> dict[str, Any]:
    """What `dout check` builds the layers with whose arguments are other layers, or do not say their shapes."""
    x, Wx, Wh = (np.linspace(-1.0, 1.0, n * m).reshape(n, m) for n, m in ((2 * 3, 4), (4, 6), (2, 6)))
    bx, bh = np.linspace(-0.5, 1.0, 6), np.linspace(1.0, -0.5, 6)
    there, back = Rnn(Wx[:, :2], Wh[:, :2], bx[:2]), Rnn(Wx[:, 2:4], Wh[:, 2:4], bh[:2])
    four = (np.concatenate([part, part[..., :2]], axis=-1) for part in (Wx, Wh, bx))
    sequence = {"x": x.reshape(2, 3, 4)}
    return {
        "Rnn": {"init": {"Wx": Wx[:, :2], "Wh": Wh[:, :2], "b": bx[:2]}, "inputs": sequence},
        "Lstm": {"init": dict(zip(("Wx", "Wh", "b"), four, strict=True)), "inputs": sequence},
        "Gru": {"init": {"Wx": Wx, "Wh": Wh, "bx": bx, "bh": bh}, "inputs": sequence},
        "Bidirectional": {"init": {"there": there, "back": back}, "inputs": sequence},
        "TimeDistributed": {"init": {"layer": MatMul(Wx)}, "inputs": sequence},
    }  # fmt: skip


def _before(h: Value) -> Value:
    """Return the state before each step: zeros, and all but the last."""
    return np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)


def _at_all_steps(x: Value, W: Value) -> Value:
    """Return `x @ W`: one product of matrices for all samples and steps."""
    return np.reshape(_rows(x) @ W, (*x.shape[:-1], W.shape[-1]))


def _products(x: Value, da: Value) -> Value:
    """Return `xᵀ @ da`, summed over samples and steps."""
    return _rows(x).T @ _rows(da)


def _rows(x: Value) -> Value:
    """Return a row for each step of each sample. Their number is written out: of rows of no numbers it is not told."""
    return np.reshape(x, (x.shape[0] * x.shape[1], x.shape[2]))


def _check_weights(layer: Any, Wx: Value, Wh: Value, parts: int, **biases: Value) -> None:
    width = len(Wh) * parts
    shapes = {"Wx": (len(Wx), width), "Wh": (len(Wh), width), **dict.fromkeys(biases, (width,))}
    given = {"Wx": Wx, "Wh": Wh, **biases}
    for name, shape in shapes.items():
        if np.shape(given[name]) != shape:
            raise ValueError(
                f"{type(layer).__name__}: Wh has {len(Wh)} rows, so {name} must have shape {shape}, "
                f"and has {np.shape(given[name])}"
            )


def _check_sequence(layer: Any, x: Value) -> None:
    if np.ndim(x) != 3 or np.shape(x)[2] != len(layer.Wx) or np.shape(x)[1] == 0:
        raise ValueError(
            f"{type(layer).__name__}.forward: x has shape {np.shape(x)}, Wx has shape {np.shape(layer.Wx)}: "
            f"give (N, T, {len(layer.Wx)}), with a step at least"
        )
