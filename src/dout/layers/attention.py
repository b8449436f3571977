"""Attention: each word asks all others, and takes the mean of what they say, weighed by how well they answer.

Shapes are (…, T, D): T words of D numbers, with any axes before them. A `mask` says who may be asked: True for yes, in
a shape that broadcasts to (…, T, S). Nothing that comes in is written into, and float32 stays float32.
"""

import math
from typing import Any

import numpy as np

from dout.layers.activations import Softmax
from dout.layers.affine import MatMul
from dout.layers.form import Value, arriving, keep_form, sum_back


class DotProductAttention:
    """Scaled dot-product attention. PyTorch: `torch.nn.functional.scaled_dot_product_attention`.

    `out = A @ v` with `A = softmax(q @ kᵀ / √D)` along the last axis. Backward goes the same way in reverse:
    `dv = Aᵀ @ dout`, `dA = dout @ vᵀ`, the Softmax makes `dS` of it, `dq = dS @ k / √D` and `dk = dSᵀ @ q / √D`.

    `q` has shape (…, T, D), `k` (…, S, D), `v` (…, S, E), and `out` (…, T, E). With `causal` a word asks none that
    comes after it.
    Source: Vaswani and others (2017), "Attention is all you need".
    """

    def __init__(self, *, causal: bool = False) -> None:
        self.causal = causal
        self.softmax = Softmax()

    def forward(self, q: Value, k: Value, v: Value, mask: Value = None) -> Value:
        """Return the weighed means. A word that may ask nobody gets NaN."""
        if np.shape(q)[-1] != np.shape(k)[-1] or np.shape(k)[-2] != np.shape(v)[-2]:
            raise ValueError(
                f"DotProductAttention.forward: q has shape {np.shape(q)}, k {np.shape(k)}, v {np.shape(v)}: give "
                "(…, T, D), (…, S, D) and (…, S, E)"
            )
        self.q, self.k, self.v = q, k, v
        self.scale = 1 / math.sqrt(q.shape[-1])
        scores = q @ k.swapaxes(-1, -2) * self.scale
        if self.causal:
            scores = np.where(np.tri(*scores.shape[-2:]) > 0, scores, -np.inf)
        if mask is not None:
            scores = np.where(mask, scores, -np.inf)
        self.weights = self.softmax.forward(scores)
        out = self.weights @ v
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> tuple[Value, Value, Value]:
        """Return `dq`, `dk` and `dv`."""
        dout = arriving(self, dout)
        dv = self.weights.swapaxes(-1, -2) @ dout
        dscores = self.softmax.backward(dout @ self.v.swapaxes(-1, -2)) * self.scale
        dq = dscores @ self.k
        dk = dscores.swapaxes(-1, -2) @ self.q

        return sum_back(dq, self.q.shape), sum_back(dk, self.k.shape), sum_back(dv, self.v.shape)


def dout_example() -> dict[str, Any]:
    """What `dout check` and `dout show` take for an attention: three words that ask two others."""
    q = np.array([[[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]]])
    k, v = np.array([[[1.0, 0.5], [-0.5, 1.25]]]), np.array([[[2.0, -1.0, 0.5], [0.25, 1.5, -2.0]]])
    return {"DotProductAttention": {"inputs": {"q": q, "k": k, "v": v}}}


class MultiHeadAttention:
    """Several attentions side by side, each on a part of the numbers. PyTorch: `torch.nn.MultiheadAttention`.

    `q = x @ Wq`, `k = y @ Wk` and `v = y @ Wv` are parted into `heads`, each attends alone, and `out = [heads] @ Wo`.
    `x` has shape (N, T, D), and `y` (N, S, D): what is asked; without `y` the words of `x` ask each other. `Wq`, `Wk`
    and `Wv` have shape (D, M), and `Wo` (M, D); there are no biases. Gradients `dWq`, `dWk`, `dWv`, `dWo`. PyTorch's
    `in_proj_weight` is `Wqᵀ`, `Wkᵀ` and `Wvᵀ`, one below the other, and `out_proj.weight` is `Woᵀ`.
    Source: Vaswani and others (2017), "Attention is all you need".
    """

    def __init__(self, Wq: Value, Wk: Value, Wv: Value, Wo: Value, heads: int = 1, *, causal: bool = False) -> None:
        if heads < 1 or np.shape(Wq)[1] % heads:
            raise ValueError(f"MultiHeadAttention: Wq has shape {np.shape(Wq)}: its columns cannot be {heads} heads")
        self.Wq, self.Wk, self.Wv, self.Wo, self.heads = Wq, Wk, Wv, Wo, heads
        self.dWq, self.dWk, self.dWv, self.dWo = (np.zeros_like(W) for W in (Wq, Wk, Wv, Wo))
        self.attention = DotProductAttention(causal=causal)

    def forward(self, x: Value, y: Value = None, mask: Value = None) -> Value:
        """Return what each word of `x` heard."""
        self.asks_itself = y is None
        y = x if self.asks_itself else y
        self.query, self.key, self.value = MatMul(self.Wq), MatMul(self.Wk), MatMul(self.Wv)
        self.out = MatMul(self.Wo)
        q, k, v = (self._parted(part) for part in (self.query.forward(x), self.key.forward(y), self.value.forward(y)))
        out = self.out.forward(self._joined(self.attention.forward(q, k, v, mask)))
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, or `dx` and `dy`, and leave the gradients of the weights in the layer."""
        dout = arriving(self, dout)
        dq, dk, dv = self.attention.backward(self._parted(self.out.backward(dout)))
        dx = self.query.backward(self._joined(dq))
        dy = self.key.backward(self._joined(dk)) + self.value.backward(self._joined(dv))
        self.dWq, self.dWk, self.dWv, self.dWo = self.query.dW, self.key.dW, self.value.dW, self.out.dW

        return dx + dy if self.asks_itself else (dx, dy)

    def _parted(self, x: Value) -> Value:
        """Return (N, T, D) as (N, heads, T, D / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    def _joined(self, x: Value) -> Value:
        """Return (N, heads, T, D / heads) as (N, T, D)."""
        return x.swapaxes(1, 2).reshape(len(x), x.shape[2], -1)


class PositionalEncoding:
    """Tell words apart by their place: add waves of falling frequency. Source: Vaswani and others (2017).

    `out[…, t, 2i] = x[…, t, 2i] + sin(t / 10000^(2i/D))`, and the same with cos in 2i + 1; `dx = dout`. `x` has shape
    (…, T, D).
    """

    def forward(self, x: Value) -> Value:
        """Return `x` and the waves, added."""
        if np.ndim(x) < 2:
            raise ValueError(f"PositionalEncoding.forward: x has shape {np.shape(x)}: give (…, T, D)")
        words, numbers = x.shape[-2:]
        angles = np.arange(words)[:, np.newaxis] / 10000 ** (np.arange(numbers) // 2 * 2 / numbers)
        waves = np.where(np.arange(numbers) % 2, np.cos(angles), np.sin(angles))
        out = x + waves.astype(np.result_type(x, np.float16))
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout`: the waves are the same for every `x`."""
        return arriving(self, dout) * 1
