"""What forward and backward are called."""

import numpy as np


class CalledLinear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) * 0.1
        self.b = np.zeros(n_out)

    def __call__(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class PassLinear:
    def __init__(self, input_size, output_size):
        self.W = np.random.randn(input_size, output_size)
        self.b = np.zeros((1, output_size))

    def forward_pass(self, X):
        self.layer_input = X
        return X.dot(self.W) + self.b

    def backward_pass(self, accum_grad):
        self.dW = self.layer_input.T.dot(accum_grad)
        self.db = np.sum(accum_grad, axis=0, keepdims=True)
        return accum_grad.dot(self.W.T)


class PassTanh:
    def forward_pass(self, x):
        self.x = x
        return np.tanh(x)

    def backward_pass(self, accum_grad):
        return accum_grad * (1 - np.tanh(self.x) ** 2)


class BackpropLinear:
    def __init__(self, in_dim, out_dim):
        self.W = np.random.randn(in_dim, out_dim)

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W)

    def backprop(self, grad):
        self.dW = np.dot(self.x.T, grad)
        return np.dot(grad, self.W.T)


class PropagateTanh:
    def propagate(self, x):
        self.y = np.tanh(x)
        return self.y

    def back_propagate(self, error):
        return error * (1 - self.y**2)


class ComputeGradientsLinear:
    def __init__(self, n_in, n_out):
        self.weights = np.random.randn(n_in, n_out)
        self.bias = np.random.randn(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def compute_gradients(self, dout):
        self.grad_weights = self.x.T @ dout
        self.grad_bias = np.sum(dout, axis=0)
        return dout @ self.weights.T


class FeedForwardLinear:
    def __init__(self, num_inputs, num_outputs):
        self.weights = np.random.randn(num_inputs, num_outputs)

    def feedforward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights

    def backpropagate(self, delta):
        self.weights_gradient = self.inputs.T @ delta
        return delta @ self.weights.T
