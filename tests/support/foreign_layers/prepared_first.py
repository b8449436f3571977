"""Prepared before the first forward."""

import numpy as np


class Built:
    def __init__(self, units):
        self.units = units

    def build(self, input_shape):
        self.W = np.random.randn(input_shape[-1], self.units)
        self.b = np.zeros(self.units)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Connected:
    def __init__(self, n_out):
        self.n_out = n_out

    def connect(self, n_in):
        self.W = np.random.randn(n_in, self.n_out)

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W)

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        return np.dot(dout, self.W.T)


class ConnectedToALayer:
    def __init__(self, units):
        self.units = units

    def __call__(self, before):
        shape = before.compute_output_shape()
        self.W = np.random.randn(shape[0], self.units)
        return self

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W)

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        return np.dot(dout, self.W.T)


class PreparedInSteps:
    def __init__(self, units=4):
        self.units = units
        self.shapes, self.p, self.g, self.kept = {}, {}, {}, {}

    def compute_shapes(self, A):
        self.shapes["W"] = (A.shape[1], self.units)

    def initialize_parameters(self):
        self.p["W"] = self.rng.standard_normal(self.shapes["W"])
        self.p["b"] = np.zeros(self.units)

    def forward(self, A):
        self.kept["X"] = A
        return A @ self.p["W"] + self.p["b"]

    def backward(self, dA):
        self.kept["dZ"] = dA
        return dA @ self.p["W"].T

    def compute_gradients(self):
        self.g["dW"] = self.kept["X"].T @ self.kept["dZ"]
        self.g["db"] = self.kept["dZ"].sum(axis=0)


class LeavesDeltaInPlace:
    def __init__(self, input_shape=None):
        self.input_shape = input_shape
        self.output, self.delta = None, None

    def __call__(self, before):
        self.input_shape = before.out_shape
        return self

    def forward(self, inpt):
        if self.input_shape[1:] != inpt.shape[1:]:
            raise ValueError("not the shape that was told")
        self.output = inpt * inpt
        self.delta = np.zeros(inpt.shape)
        return self

    def backward(self, inpt, delta=None):
        if delta is not None:
            delta[:] += 2 * inpt * self.delta
        return self


class KeepsIfAsked:
    def __init__(self):
        self.cache = {}

    def forward(self, Z, save_cache=False):
        if save_cache:
            self.cache["Z"] = Z
        return Z * Z

    def backward(self, dA):
        return 2 * self.cache["Z"] * dA


class WithItsPenalty:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W), np.sum(self.W**2)

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        return np.dot(dout, self.W.T)


class HasAnOptimizer:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros((1, n_out))

    def set_optimizer(self, optimizer):
        self.optimizer = optimizer

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        dW = self.x.T @ dout
        db = np.sum(dout, axis=0, keepdims=True)
        self.W = self.optimizer.update(self.W, dW)
        self.b = self.optimizer.update(self.b, db)
        return dx


class FromScratchDense:
    def __init__(self, n_units, input_shape=None):
        self.layer_input = None
        self.input_shape = input_shape
        self.n_units = n_units
        self.trainable = True
        self.W = None
        self.w0 = None

    def set_input_shape(self, shape):
        self.input_shape = shape

    def initialize(self, optimizer):
        import copy
        import math

        limit = 1 / math.sqrt(self.input_shape[0])
        self.W = np.random.uniform(-limit, limit, (self.input_shape[0], self.n_units))
        self.w0 = np.zeros((1, self.n_units))
        self.W_opt = copy.copy(optimizer)
        self.w0_opt = copy.copy(optimizer)

    def forward_pass(self, X, training=True):
        self.layer_input = X
        return X.dot(self.W) + self.w0

    def backward_pass(self, accum_grad):
        W = self.W
        if self.trainable:
            grad_w = self.layer_input.T.dot(accum_grad)
            grad_w0 = np.sum(accum_grad, axis=0, keepdims=True)
            self.W = self.W_opt.update(self.W, grad_w)
            self.w0 = self.w0_opt.update(self.w0, grad_w0)
        accum_grad = accum_grad.dot(W.T)
        return accum_grad
