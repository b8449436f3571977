"""Parameters are updated inside."""

import numpy as np


class KeepsAScaleInTraining:
    is_training = False

    def forward(self, x):
        if self.is_training:
            self.scale = np.arange(x.shape[1]) + 2.0
            return x * self.scale
        return x

    def backward(self, dout):
        return dout * self.scale


class StoresInAnotherForward:
    def __init__(self, weights):
        self.weights = weights
        self.kept_x = None

    def forwardPropagate(self, x):
        return x @ self.weights

    def storeForwardPropagate(self, x):
        self.kept_x = x
        return x @ self.weights

    def backPropagate(self, delta, learning_rate):
        passed = delta @ self.weights.T
        self.weights -= learning_rate * (self.kept_x.T @ delta)
        return passed


class TakesOneRow:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(input_size, output_size)
        self.bias = np.random.randn(1, output_size)

    def forward(self, x):
        self.x = x
        return np.dot(x, self.weights) + self.bias

    def backward(self, error, learning_rate):
        passed = np.dot(error, self.weights.T)
        self.weights -= learning_rate * np.dot(self.x.T, error)
        self.bias -= learning_rate * error
        return passed


class LinesForwardRowsBackward:
    def __init__(self, in_dim, hidden_dim):
        self.W = np.random.randn(hidden_dim, in_dim)
        self.U = np.random.randn(hidden_dim, hidden_dim)
        self.dW, self.dU = np.zeros(self.W.shape), np.zeros(self.U.shape)

    def forward(self, x, h):
        self.x, self.h = x, h
        self.out = np.tanh(np.dot(self.W, x) + np.dot(self.U, h))
        assert self.out.shape == (len(self.U),)
        return self.out

    def backward(self, delta):
        dz = delta * (1 - self.out**2)
        self.dW = np.dot(dz.T, self.x.reshape(1, -1))
        self.dU = np.dot(dz.T, self.h.reshape(1, -1))
        dx, dh = np.dot(dz, self.W), np.dot(dz, self.U)
        assert dx.shape == (1, len(self.x))
        return dx, dh


class UpdatesInPlace:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(input_size, output_size)
        self.bias = np.random.randn(1, output_size)

    def forward(self, input_data):
        self.input = input_data
        self.output = np.dot(self.input, self.weights) + self.bias
        return self.output

    def backward(self, output_error, learning_rate):
        input_error = np.dot(output_error, self.weights.T)
        weights_error = np.dot(self.input.T, output_error)
        self.weights -= learning_rate * weights_error
        self.bias -= learning_rate * np.sum(output_error, axis=0, keepdims=True)
        return input_error


class UpdatesByRebinding:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout, lr):
        dW = self.x.T @ dout
        db = np.sum(dout, axis=0)
        dx = dout @ self.W.T
        self.W = self.W - lr * dW
        self.b = self.b - lr * db
        return dx


class UpdatesAList:
    def __init__(self, n_in, n_out):
        self.params = [np.random.randn(n_in, n_out), np.random.randn(n_out)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, dout, learning_rate=0.01):
        grads = [self.x.T @ dout, dout.sum(axis=0)]
        dx = dout @ self.params[0].T
        for param, grad in zip(self.params, grads):
            param -= learning_rate * grad
        return dx


class UpdatesADict:
    def __init__(self, n_in, n_out):
        self.params = {"W": np.random.randn(n_in, n_out), "b": np.zeros(n_out)}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout, learning_rate):
        dx = dout @ self.params["W"].T
        self.params["W"] -= learning_rate * (self.x.T @ dout)
        self.params["b"] -= learning_rate * dout.sum(axis=0)
        return dx


class UpdatesAtItsOwnRate:
    def __init__(self, n_in, n_out, lr=0.1):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)
        self.lr = lr

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.W -= self.lr * (self.x.T @ dout)
        self.b -= self.lr * dout.sum(axis=0)
        return dx


class Momentum:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.vW = np.zeros((n_in, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, learning_rate, momentum=0.9):
        dx = dout @ self.W.T
        self.vW = momentum * self.vW - learning_rate * (self.x.T @ dout)
        self.W += self.vW
        return dx


class ListOfWeights:
    def __init__(self, sizes):
        self.weights = [np.random.randn(a, b) for a, b in zip(sizes[:-1], sizes[1:])]

    def forward(self, x):
        self.acts = [x]
        for w in self.weights:
            self.acts.append(np.tanh(self.acts[-1] @ w))
        return self.acts[-1]

    def backward(self, dout, lr):
        for i in reversed(range(len(self.weights))):
            dz = dout * (1 - self.acts[i + 1] ** 2)
            dout = dz @ self.weights[i].T
            self.weights[i] = self.weights[i] - lr * self.acts[i].T @ dz
        return dout


class ColumnDense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient, learning_rate):
        weights_gradient = np.dot(output_gradient, self.input.T)
        input_gradient = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * output_gradient
        return input_gradient


class ColumnTanh:
    def forward(self, input):
        self.input = input
        return np.tanh(self.input)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, 1 - np.tanh(self.input) ** 2)
