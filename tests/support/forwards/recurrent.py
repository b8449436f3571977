"""Recurrent cells, one step, and short sequences of steps."""

import numpy as np

from forwards.corpus_row import normal, row


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class RnnCell:
    """As the second book has it."""

    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        t = np.dot(h_prev, Wh) + np.dot(x, Wx) + b
        h_next = np.tanh(t)
        return h_next


class RnnCellByConcat:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x, h):
        return np.tanh(np.hstack([x, h]) @ self.W + self.b)


class LstmCell:
    """As the second book has it."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h_prev, c_prev):
        N, H = h_prev.shape
        A = np.dot(x, self.Wx) + np.dot(h_prev, self.Wh) + self.b
        f = sigmoid(A[:, :H])
        g = np.tanh(A[:, H : 2 * H])
        i = sigmoid(A[:, 2 * H : 3 * H])
        o = sigmoid(A[:, 3 * H :])
        c_next = f * c_prev + g * i
        h_next = o * np.tanh(c_next)
        return h_next, c_next


class LstmCellBySplit:
    def __init__(self, W, U, b):
        self.W, self.U, self.b = W, U, b

    def forward(self, x, h, c):
        i, f, g, o = np.split(x @ self.W + h @ self.U + self.b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c)


class GruCell:
    """As the second book has it."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h_prev):
        Wx, Wh, b = self.Wx, self.Wh, self.b
        H = Wh.shape[0]
        z = sigmoid(np.dot(x, Wx[:, :H]) + np.dot(h_prev, Wh[:, :H]) + b[:H])
        r = sigmoid(np.dot(x, Wx[:, H : 2 * H]) + np.dot(h_prev, Wh[:, H : 2 * H]) + b[H : 2 * H])
        h_hat = np.tanh(np.dot(x, Wx[:, 2 * H :]) + np.dot(r * h_prev, Wh[:, 2 * H :]) + b[2 * H :])
        return (1 - z) * h_prev + z * h_hat


class GruOfMatrices:
    def __init__(self, Wz, Uz, Wr, Ur, Wh, Uh):
        self.Wz, self.Uz, self.Wr, self.Ur, self.Wh, self.Uh = Wz, Uz, Wr, Ur, Wh, Uh

    def forward(self, x, h):
        z = sigmoid(x @ self.Wz + h @ self.Uz)
        r = sigmoid(x @ self.Wr + h @ self.Ur)
        n = np.tanh(x @ self.Wh + r * (h @ self.Uh))
        return z * h + (1 - z) * n


class MinimalGatedUnit:
    def __init__(self, Wf, Wh):
        self.Wf = Wf
        self.Wh = Wh

    def forward(self, x, h):
        f = sigmoid(np.concatenate([x, h], axis=1) @ self.Wf)
        candidate = np.tanh(np.concatenate([x, f * h], axis=1) @ self.Wh)
        return (1 - f) * h + f * candidate


class RnnSequence:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, xs):
        N, T, D = xs.shape
        h = np.zeros((N, self.Wh.shape[0]), dtype=xs.dtype)
        hs = np.empty((N, T, h.shape[1]), dtype=xs.dtype)
        for t in range(T):
            h = np.tanh(xs[:, t] @ self.Wx + h @ self.Wh + self.b)
            hs[:, t] = h
        return hs


class ExponentialAverage:
    def __init__(self, alpha=0.3):
        self.alpha = alpha

    def forward(self, xs):
        s = xs[0]
        out = [s]
        for x in xs[1:]:
            s = self.alpha * x + (1 - self.alpha) * s
            out.append(s)
        return np.stack(out)


X, S = normal("N D"), normal("N H")


def gates(k):
    return {"Wx": normal(f"D {k}H"), "Wh": normal(f"H {k}H"), "b": normal(f"{k}H")}


ROWS = (
    row(RnnCell, X, S, init=gates(1), torch="torch.rnn_tanh_cell(x, h_prev, Wx.T, Wh.T, b, b * 0)",
        same="np.tanh(np.hstack([x, h_prev]) @ np.vstack([Wx, Wh]) + b)"),
    row(RnnCellByConcat, X, S, init={"W": normal("D+H H"), "b": normal("H")},
        torch="torch.rnn_tanh_cell(x, h, W[: x.shape[1]].T, W[x.shape[1] :].T, b, b * 0)",
        same="np.tanh(x @ W[: x.shape[1]] + h @ W[x.shape[1] :] + b)"),
    row(LstmCell, X, S, S, init=gates(4), torch="torch.lstm_cell(x, (h_prev, c_prev), *(torch.cat([m.chunk(4)[i]"
        " for i in (2, 0, 1, 3)]) for m in (Wx.T, Wh.T, b, b * 0)))"),
    row(LstmCellBySplit, X, S, S, init={"W": normal("D 4H"), "U": normal("H 4H"), "b": normal("4H")},
        torch="torch.lstm_cell(x, (h, c), W.T, U.T, b, b * 0)[0]"),
    row(GruCell, X, S, init=gates(3),
        torch="(lambda z, r, n, Uz, Ur, Un: torch.lerp(h_prev, torch.tanh(n + (torch.sigmoid"
        "(r + h_prev @ Ur) * h_prev) @ Un), torch.sigmoid(z + h_prev @ Uz)))(*(x @ Wx + b).chunk(3, 1),"
        " *Wh.chunk(3, 1))"),
    row(GruOfMatrices, X, S, init={n + k: normal(f"{a} H") for k in "zrh" for n, a in ("WD", "UH")},
        torch="torch.gru_cell(x, h, torch.cat([Wr, Wz, Wh], 1).T, torch.cat([Ur, Uz, Uh], 1).T)"),
    row(MinimalGatedUnit, X, S, init={"Wf": normal("D+H H"), "Wh": normal("D+H H")},
        torch="(lambda f: torch.lerp(h, torch.tanh(torch.cat([x, f * h], 1) @ Wh), f))(torch.sigmoid(torch.cat([x, h],"
        " 1) @ Wf))"),
    row(RnnSequence, normal("N T D"), init=gates(1)),
    row(ExponentialAverage, normal("T D"), init={"alpha": 0.3},
        same="scipy.signal.lfilter([alpha], [1, alpha - 1], xs, axis=0, zi=(1 - alpha) * xs[:1])[0]"),
)  # fmt: skip
