"""Attention, in the parts the book builds it of and whole."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import math

import numpy as np


def softmax(x):
    """Softmax along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class WeightSum:
    """The sum of the rows of hs under the weights a."""

    def __init__(self):
        self.cache = None

    def forward(self, hs, a):
        N, T, H = hs.shape
        ar = a.reshape(N, T, 1).repeat(H, axis=2)
        t = hs * ar
        c = np.sum(t, axis=1)
        self.cache = (hs, ar)
        return c

    def backward(self, dc):
        hs, ar = self.cache
        N, T, H = hs.shape
        dt = dc.reshape(N, 1, H).repeat(T, axis=1)
        dar = dt * hs
        dhs = dt * ar
        da = np.sum(dar, axis=2)
        return dhs, da


class AttentionWeight:
    """How well each row of hs goes with h."""

    def forward(self, hs, h):
        N, _, H = hs.shape
        self.hs, self.h = hs, h
        score = np.sum(hs * h.reshape(N, 1, H), axis=2)
        self.a = softmax(score)
        return self.a.copy()

    def backward(self, da):
        hs, h = self.hs, self.h
        N, _, H = hs.shape
        ds = self.a * (da - np.sum(da * self.a, axis=1, keepdims=True))
        ds = ds[:, :, np.newaxis]
        dhs = ds * h.reshape(N, 1, H)
        dh = np.sum(ds * hs, axis=1)
        return dhs, dh


class ScaledDotProduct:
    """softmax(Q Kᵀ / sqrt(d)) V for each example."""

    def forward(self, q, k, v):
        self.scale = 1 / math.sqrt(q.shape[-1])
        scores = q @ k.transpose(0, 2, 1) * self.scale
        self.p = softmax(scores)
        self.q, self.k, self.v = q, k, v
        return self.p @ v

    def backward(self, dout):
        dv = self.p.transpose(0, 2, 1) @ dout
        dp = dout @ self.v.transpose(0, 2, 1)
        ds = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True))
        dq = ds @ self.k * self.scale
        dk = ds.transpose(0, 2, 1) @ self.q * self.scale
        return dq, dk, dv


class CausalAttention:
    """Attention of a sequence to its own past."""

    def __init__(self, Wq, Wk):
        self.Wq = Wq
        self.Wk = Wk

    def forward(self, x):
        steps = x.shape[1]
        q, k = x @ self.Wq, x @ self.Wk
        future = np.triu(np.ones((steps, steps), dtype=bool), 1)
        scores = np.einsum("nid,njd->nij", q, k)
        p = softmax(np.where(future, -1e9, scores))
        self.cache = (x, q, k, p)
        return np.einsum("nij,njd->nid", p, x)

    def backward(self, dout):
        x, q, k, p = self.cache
        dp = np.einsum("nid,njd->nij", dout, x)
        ds = p * (dp - np.sum(dp * p, axis=-1, keepdims=True))
        dq = np.einsum("nij,njd->nid", ds, k)
        dk = np.einsum("nij,nid->njd", ds, q)
        self.dWq = np.einsum("nid,nie->de", x, dq)
        self.dWk = np.einsum("nid,nie->de", x, dk)
        dx = np.einsum("nij,nid->njd", p, dout)
        dx += dq @ self.Wq.T
        dx += dk @ self.Wk.T
        return dx


class AdditiveAttention:
    """Scores by a small network: v · tanh(hs W + h U)."""

    def __init__(self, W, U, v):
        self.params = {"W": W, "U": U, "v": v}
        self.grads = {}

    def forward(self, hs, h):
        p = self.params
        self.hs, self.h = hs, h
        self.z = np.tanh(hs @ p["W"] + (h @ p["U"])[:, None, :])
        self.a = softmax(self.z @ p["v"])
        return np.einsum("nt,nth->nh", self.a, hs)

    def backward(self, dout):
        p = self.params
        da = np.einsum("nh,nth->nt", dout, self.hs)
        ds = self.a * (da - (da * self.a).sum(axis=1, keepdims=True))
        dz = ds[:, :, None] * p["v"] * (1 - self.z**2)
        dhu = dz.sum(axis=1)
        self.grads["v"] = np.einsum("nt,ntk->k", ds, self.z)
        self.grads["W"] = np.einsum("nth,ntk->hk", self.hs, dz)
        self.grads["U"] = self.h.T @ dhu
        dhs = dout[:, None, :] * self.a[:, :, None] + dz @ p["W"].T
        dh = dhu @ p["U"].T
        return dhs, dh
