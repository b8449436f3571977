"""Attention, and what tells it positions apart."""

import numpy as np

from forwards.corpus_row import normal, row


class DotProductAttention:
    def forward(self, q, k, v):
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = e / e.sum(axis=-1, keepdims=True)
        return weights @ v


class CausalAttention:
    def forward(self, q, k, v):
        T = q.shape[1]
        scores = np.matmul(q, np.swapaxes(k, 1, 2)) * q.shape[2] ** -0.5
        mask = np.triu(np.ones((T, T), dtype=bool), 1)
        scores = np.where(mask, -1e9, scores)
        scores = np.exp(scores - np.max(scores, axis=2, keepdims=True))
        return np.matmul(scores / np.sum(scores, axis=2, keepdims=True), v)


class EinsumAttention:
    def forward(self, q, k, v):
        s = np.einsum("bqd,bkd->bqk", q, k) / np.sqrt(q.shape[-1])
        p = np.exp(s)
        p = p / p.sum(-1, keepdims=True)
        return np.einsum("bqk,bkd->bqd", p, v)


class MultiHeadAttention:
    def __init__(self, Wq, Wk, Wv, Wo, heads=2):
        self.Wq, self.Wk, self.Wv, self.Wo = Wq, Wk, Wv, Wo
        self.heads = heads

    def split(self, x):
        N, T, D = x.shape
        return x.reshape(N, T, self.heads, D // self.heads).transpose(0, 2, 1, 3)

    def forward(self, x):
        N, T, D = x.shape
        q, k, v = (self.split(x @ W) for W in (self.Wq, self.Wk, self.Wv))
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(D // self.heads)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        out = (e / e.sum(axis=-1, keepdims=True)) @ v
        return out.transpose(0, 2, 1, 3).reshape(N, T, D) @ self.Wo


class AttentionWeight:
    """As the second book has it."""

    def forward(self, hs, h):
        N, T, H = hs.shape
        hr = h.reshape(N, 1, H).repeat(T, axis=1)
        t = hs * hr
        s = np.sum(t, axis=2)
        e = np.exp(s - s.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


class AdditiveAttention:
    def __init__(self, W, U, v):
        self.W = W
        self.U = U
        self.v = v

    def forward(self, hs, h):
        score = np.tanh(hs @ self.W + (h @ self.U)[:, None, :]) @ self.v
        a = np.exp(score)
        a = a / a.sum(axis=1, keepdims=True)
        return (a[:, :, None] * hs).sum(axis=1)


class PositionalEncoding:
    def forward(self, x):
        _, T, D = x.shape
        position = np.arange(T)[:, None]
        rate = 10000.0 ** (-np.arange(0, D, 2) / D)
        table = np.zeros((T, D))
        table[:, 0::2] = np.sin(position * rate)
        table[:, 1::2] = np.cos(position * rate)
        return x + table.astype(x.dtype)


class LearnedPositions:
    def __init__(self, P):
        self.P = P

    def forward(self, x):
        return x + self.P[: x.shape[1]]


class RotaryEmbedding:
    def forward(self, x):
        T, D = x.shape[1:]
        angle = np.outer(np.arange(T), 100.0 ** (-np.arange(D // 2) / D)).astype(x.dtype)
        a, b = x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2] = a * np.cos(angle) - b * np.sin(angle)
        out[..., 1::2] = a * np.sin(angle) + b * np.cos(angle)
        return out


Q, M = normal("N T 2H"), normal("2H 2H")
F = "torch.nn.functional."
HEADS = "(x @ {0}).unflatten(2, (heads, -1)).transpose(1, 2)"
SOFT = "scipy.special.softmax(q @ k.transpose(0, 2, 1) / q.shape[2] ** 0.5, axis=2) @ v"

ROWS = (
    row(DotProductAttention, Q, Q, Q, torch=F + "scaled_dot_product_attention(q, k, v)", same=SOFT),
    row(CausalAttention, Q, Q, Q, torch=F + "scaled_dot_product_attention(q, k, v, is_causal=True)",
        same="scipy.special.softmax(q @ k.transpose(0, 2, 1) / q.shape[2] ** 0.5"
        " + np.triu(np.full((q.shape[1],) * 2, -np.inf), 1), axis=2) @ v"),
    row(EinsumAttention, Q, Q, Q, torch=F + "scaled_dot_product_attention(q, k, v)", same=SOFT),
    row(
        MultiHeadAttention, Q, init={"Wq": M, "Wk": M, "Wv": M, "Wo": M, "heads": 2},
        torch=F + "scaled_dot_product_attention(" + ", ".join(HEADS.format(W) for W in ("Wq", "Wk", "Wv"))
        + ").transpose(1, 2).flatten(2) @ Wo",
    ),
    row(AttentionWeight, normal("N T H"), normal("N H"), torch="torch.softmax(torch.einsum('nth,nh->nt', hs, h), 1)",
        same="scipy.special.softmax(np.einsum('nth,nh->nt', hs, h), axis=1)"),
    row(AdditiveAttention, normal("N T H"), normal("N D"),
        init={"W": normal("H M"), "U": normal("D M"), "v": normal("M")},
        torch="torch.einsum('nt,nth->nh', torch.softmax(torch.tanh(hs @ W + (h @ U)[:, None]) @ v, 1), hs)"),
    row(PositionalEncoding, Q),
    row(LearnedPositions, Q, init={"P": normal("8T 2H")}, torch="x + P[: x.shape[1]]",
        same="x + P[: x.shape[1]][None]"),
    row(RotaryEmbedding, Q, same="""(lambda z, t: np.stack([z.real, z.imag], -1).reshape(x.shape))(
        (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * np.outer(np.arange(x.shape[1]), 100.0 ** (
        -np.arange(x.shape[2] // 2) / x.shape[2]))), 0)"""),
)  # fmt: skip
