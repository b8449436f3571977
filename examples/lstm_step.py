import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class LSTM:
    def __init__(self, Wx, Wh, b):
        self.Wx = Wx
        self.Wh = Wh
        self.b = b
        self.cache = None
        self.dWx = None
        self.dWh = None
        self.db = None

    def forward(self, x, h_prev, c_prev):
        H = h_prev.shape[1]
        A = np.dot(x, self.Wx) + np.dot(h_prev, self.Wh) + self.b
        f = sigmoid(A[:, :H])
        g = np.tanh(A[:, H:2 * H])
        i = sigmoid(A[:, 2 * H:3 * H])
        o = sigmoid(A[:, 3 * H:])
        c_next = f * c_prev + g * i
        h_next = o * np.tanh(c_next)
        self.cache = (x, h_prev, c_prev, i, f, g, o, c_next)

        return h_next, c_next

    def backward(self, dh_next, dc_next):
        x, h_prev, c_prev, i, f, g, o, c_next = self.cache
        tanh_c = np.tanh(c_next)
        dc = dc_next + dh_next * o * (1 - tanh_c ** 2)
        df = dc * c_prev * f * (1 - f)
        dg = dc * i * (1 - g ** 2)
        di = dc * g * i * (1 - i)
        do = dh_next * tanh_c * o * (1 - o)
        dA = np.hstack((df, dg, di, do))
        self.dWx = np.dot(x.T, dA)
        self.dWh = np.dot(h_prev.T, dA)
        self.db = np.sum(dA, axis=0)
        dx = np.dot(dA, self.Wx.T)
        dh_prev = np.dot(dA, self.Wh.T)
        dc_prev = dc * f

        return dx, dh_prev, dc_prev


# one sample of two numbers, a state of two
x = np.array([[1.0, -1.0]])
h_prev = np.array([[0.5, 0.0]])
c_prev = np.array([[-0.5, 1.0]])

Wx = np.array([[0.5, -0.5, 1.0, 0.25, -1.0, 0.5, 0.0, 1.0], [1.0, 0.0, -0.5, 0.5, 0.25, -0.25, 1.0, -1.0]])
Wh = np.array([[0.25, 0.5, -1.0, 1.0, 0.5, -0.5, 0.75, 0.0], [-0.5, 1.0, 0.5, 0.0, -0.25, 1.0, 0.5, 0.25]])
b = np.zeros(8)

# layer
lstm = LSTM(Wx, Wh, b)

# forward
h_next, c_next = lstm.forward(x, h_prev, c_prev)

# backward
dh_next = np.ones((1, 2))
dc_next = np.zeros((1, 2))
dx, dh_prev, dc_prev = lstm.backward(dh_next, dc_next)

print(np.round(h_next, 6))
print(np.round(dx, 6))
