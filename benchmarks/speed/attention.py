"""A transformer block: causal attention of several heads, and two affine layers for each token, each behind a norm."""

import math
from typing import Any

import numpy as np

from benchmarks.speed.layers import GeluTanh


class TokenNorm:
    """Each token to mean 0 and variance 1, then scaled and shifted."""

    def __init__(self, gamma: Any, beta: Any) -> None:
        self.gamma, self.beta = gamma, beta

    def forward(self, x: Any) -> Any:
        """Statistics along the last axis."""
        xc = x - x.mean(axis=-1, keepdims=True)
        self.std = np.sqrt((xc**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.xn = xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout: Any) -> Any:
        """Gradients of gamma and beta stay in the layer."""
        self.dgamma, self.dbeta = (dout * self.xn).sum(axis=(0, 1)), dout.sum(axis=(0, 1))
        dxn = dout * self.gamma
        along = (dxn * self.xn).mean(axis=-1, keepdims=True)
        return (dxn - dxn.mean(axis=-1, keepdims=True) - self.xn * along) / self.std


class TokenAffine:
    """x·W + b for each token."""

    def __init__(self, W: Any, b: Any) -> None:
        self.W, self.b = W, b

    def forward(self, x: Any) -> Any:
        """(N, T, inputs) → (N, T, outputs)."""
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        """Gradients of W and b stay in the layer."""
        flat = dout.reshape(-1, dout.shape[-1])
        self.dW = self.x.reshape(-1, self.x.shape[-1]).T @ flat
        self.db = flat.sum(axis=0)
        return dout @ self.W.T


class CausalAttention:
    """Each token looks at itself and those before it, once in each head."""

    def __init__(self, heads: int) -> None:
        self.heads = heads

    def split(self, x: Any) -> Any:
        """(N, T, D) → (N, heads, T, D / heads)."""
        count, steps, width = x.shape
        return x.reshape(count, steps, self.heads, width // self.heads).transpose(0, 2, 1, 3)

    def join(self, x: Any) -> Any:
        """Back again."""
        count, heads, steps, width = x.shape
        return x.transpose(0, 2, 1, 3).reshape(count, steps, heads * width)

    def forward(self, qkv: Any) -> Any:
        """Queries, keys and values side by side: (N, T, 3D) → (N, T, D)."""
        self.q, self.k, self.v = (self.split(part) for part in np.split(qkv, 3, axis=-1))
        steps = qkv.shape[1]
        self.scale = 1 / math.sqrt(self.q.shape[-1])
        scores = self.q @ self.k.transpose(0, 1, 3, 2) * self.scale
        later = np.triu(np.ones((steps, steps), dtype=bool), 1)
        scores = np.where(later, -np.inf, scores)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.p = e / e.sum(axis=-1, keepdims=True)
        return self.join(self.p @ self.v)

    def backward(self, dout: Any) -> Any:
        """Gradients of queries, keys and values, side by side."""
        dout = self.split(dout)
        dv = self.p.transpose(0, 1, 3, 2) @ dout
        dp = dout @ self.v.transpose(0, 1, 3, 2)
        dscores = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True)) * self.scale
        dq, dk = dscores @ self.k, dscores.transpose(0, 1, 3, 2) @ self.q
        return np.concatenate([self.join(dq), self.join(dk), self.join(dv)], axis=-1)


class Block:
    """x + attention of its norm, and that + two affine layers with a GELU of its norm."""

    def __init__(self, dtype: Any = np.float32, width: int = 256, heads: int = 8) -> None:
        rng = np.random.default_rng(7)
        shapes = {"Wqkv": (width, 3 * width), "Wout": (width, width), "Wup": (width, 4 * width)}
        self.params: dict[str, Any] = {}
        for name, shape in (shapes | {"Wdown": (4 * width, width)}).items():
            weight = rng.standard_normal(shape) / math.sqrt(shape[0])
            self.params[name] = weight.astype(np.float32).astype(dtype)
            self.params["b" + name[1:]] = np.zeros(shape[1], dtype)
        for name in ("1", "2"):
            self.params["gamma" + name], self.params["beta" + name] = np.ones(width, dtype), np.zeros(width, dtype)
        p = self.params
        self.qkv, self.out = TokenAffine(p["Wqkv"], p["bqkv"]), TokenAffine(p["Wout"], p["bout"])
        self.up, self.down = TokenAffine(p["Wup"], p["bup"]), TokenAffine(p["Wdown"], p["bdown"])
        self.norm1, self.norm2 = TokenNorm(p["gamma1"], p["beta1"]), TokenNorm(p["gamma2"], p["beta2"])
        self.attention, self.gelu = CausalAttention(heads), GeluTanh()

    def forward(self, x: Any) -> Any:
        """(N, T, D) → (N, T, D)."""
        x = x + self.out.forward(self.attention.forward(self.qkv.forward(self.norm1.forward(x))))
        return x + self.down.forward(self.gelu.forward(self.up.forward(self.norm2.forward(x))))

    def backward(self, dout: Any) -> Any:
        """Gradients of the parameters stay in the block, by name."""
        inner = self.norm2.backward(self.up.backward(self.gelu.backward(self.down.backward(dout))))
        dout = dout + inner
        inner = self.norm1.backward(self.qkv.backward(self.attention.backward(self.out.backward(dout))))
        affine = {"qkv": self.qkv, "out": self.out, "up": self.up, "down": self.down}
        self.grads = {}
        for name, layer in affine.items():
            self.grads["W" + name], self.grads["b" + name] = layer.dW, layer.db
        for name, norm in (("1", self.norm1), ("2", self.norm2)):
            self.grads["gamma" + name], self.grads["beta" + name] = norm.dgamma, norm.dbeta
        return dout + inner
