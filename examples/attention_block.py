import numpy as np


class Attention:
    def __init__(self, Wq, Wk, Wv):
        self.Wq = Wq
        self.Wk = Wk
        self.Wv = Wv
        self.cache = None
        self.dWq = None
        self.dWk = None
        self.dWv = None

    def forward(self, x):
        q = np.dot(x, self.Wq)
        k = np.dot(x, self.Wk)
        v = np.dot(x, self.Wv)
        scores = np.dot(q, k.T) / np.sqrt(q.shape[1])
        e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        weights = e / np.sum(e, axis=1, keepdims=True)
        out = np.dot(weights, v)
        self.cache = (x, q, k, v, weights)

        return out

    def backward(self, dout):
        x, q, k, v, weights = self.cache
        dv = np.dot(weights.T, dout)
        dweights = np.dot(dout, v.T)
        dscores = weights * (dweights - np.sum(dweights * weights, axis=1, keepdims=True))
        dscores = dscores / np.sqrt(q.shape[1])
        dq = np.dot(dscores, k)
        dk = np.dot(dscores.T, q)
        self.dWq = np.dot(x.T, dq)
        self.dWk = np.dot(x.T, dk)
        self.dWv = np.dot(x.T, dv)
        dx = np.dot(dq, self.Wq.T) + np.dot(dk, self.Wk.T) + np.dot(dv, self.Wv.T)

        return dx


class Normalize:
    def __init__(self, eps=1e-5):
        self.eps = eps
        self.std = None
        self.out = None

    def forward(self, x):
        centred = x - np.mean(x, axis=1, keepdims=True)
        self.std = np.sqrt(np.mean(centred ** 2, axis=1, keepdims=True) + self.eps)
        self.out = centred / self.std

        return self.out

    def backward(self, dout):
        mean = np.mean(dout, axis=1, keepdims=True)
        along = np.mean(dout * self.out, axis=1, keepdims=True)
        dx = (dout - mean - self.out * along) / self.std

        return dx


class Block:
    """x + attention(normalize(x))"""

    def __init__(self, Wq, Wk, Wv):
        self.norm = Normalize()
        self.attention = Attention(Wq, Wk, Wv)

    def forward(self, x):
        out = x + self.attention.forward(self.norm.forward(x))

        return out

    def backward(self, dout):
        dx = dout + self.norm.backward(self.attention.backward(dout))

        return dx


# two words of three numbers
x = np.array([[1.0, 0.5, -0.5], [0.0, 1.0, -1.0]])
rng = np.random.default_rng(0)
Wq, Wk, Wv = rng.normal(0, 0.5, (3, 3, 3)).round(2)

# layer
block = Block(Wq, Wk, Wv)

# forward
out = block.forward(x)

# backward
dout = np.array([[1.0, -0.5, 0.5], [0.5, 1.0, -1.0]])
dx = block.backward(dout)

print(np.round(out, 4))
print(np.round(dx, 4))
