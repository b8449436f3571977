"""Names of parameters and of their gradients."""

import numpy as np


class GradBefore:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.grad_W = self.x.T @ dout
        self.grad_b = dout.sum(axis=0)
        self.grad_x = dout @ self.W.T
        return self.grad_x


class GradAfter:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.W_grad = self.x.T @ dout
        self.b_grad = dout.sum(axis=0)
        self.x_grad = dout @ self.W.T
        return self.x_grad


class GradientSpelledOut:
    def __init__(self, n_in, n_out):
        self.weights = np.random.randn(n_in, n_out)
        self.bias = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, dout):
        self.weights_gradient = self.x.T @ dout
        self.bias_gradient = dout.sum(axis=0)
        return dout @ self.weights.T


class GradsInAList:
    def __init__(self, n_in, n_out):
        W, b = np.random.randn(n_in, n_out), np.zeros(n_out)
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, dout):
        W, b = self.params
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ W.T


class GradsInADict:
    def __init__(self, n_in, n_hidden, n_out):
        self.params = {"W1": np.random.randn(n_in, n_hidden), "W2": np.random.randn(n_hidden, n_out)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.params["W1"])
        return self.h @ self.params["W2"]

    def backward(self, dout):
        self.grads["W2"] = self.h.T @ dout
        dh = dout @ self.params["W2"].T * (1 - self.h**2)
        self.grads["W1"] = self.x.T @ dh
        return dh @ self.params["W1"].T


class Tensor:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)


class Variable:
    def __init__(self, value):
        self.value = value
        self.grad = None


class ParametersWithData:
    def __init__(self, n_in, n_out):
        self.params = [Tensor(np.random.randn(n_in, n_out)), Tensor(np.zeros(n_out))]

    def forward(self, x):
        self.x = x
        return x @ self.params[0].data + self.params[1].data

    def backward(self, dout):
        self.params[0].grad = self.x.T @ dout
        self.params[1].grad = dout.sum(axis=0)
        return dout @ self.params[0].data.T


class ParametersWithValue:
    def __init__(self, n_in, n_out):
        self.W = Variable(np.random.randn(n_in, n_out))
        self.b = Variable(np.zeros(n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W.value + self.b.value

    def backward(self, dout):
        self.W.grad = self.x.T @ dout
        self.b.grad = dout.sum(axis=0)
        return dout @ self.W.value.T


class SquareWeights:
    def __init__(self, size):
        self.Wx = np.random.randn(size, size)
        self.Wh = np.random.randn(size, size)

    def forward(self, x, h):
        self.x, self.h = x, h
        return x @ self.Wx + h @ self.Wh

    def backward(self, dout):
        self.dWx = self.x.T @ dout
        self.dWh = self.h.T @ dout
        return dout @ self.Wx.T, dout @ self.Wh.T


class ScaleAndShift:
    def __init__(self, n):
        self.gamma = np.random.randn(n)
        self.beta = np.random.randn(n)

    def forward(self, x):
        self.x = x
        return self.gamma * x + self.beta

    def backward(self, dout):
        self.dgamma = (dout * self.x).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        return dout * self.gamma


class HandsOverGradients:
    def __init__(self, n, optimizer):
        self.gamma = np.random.randn(n)
        self.beta = np.random.randn(n)
        self.optimizer = optimizer

    def forward(self, x):
        self.x = x
        return self.gamma * x + self.beta

    def backward(self, dout):
        dgamma = (dout * self.x).sum(axis=0)
        dbeta = dout.sum(axis=0)
        dx = dout * self.gamma
        self.optimizer.update([self.gamma, self.beta], [dgamma, dbeta])
        return dx


class KeptNowhere:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        dW = self.x.T @ dout
        return dout @ self.W.T
