"""Layers in other people's interfaces, as users write them; each right. The tests break them one edit at a time.

`tests/test_adapt_interfaces.py` says for each which arguments are judged, and which edits make which of them wrong.
"""

# ruff: noqa: B905, F841, NPY002, RUF007, RUF059, UP031 - as people write it: that is the point

import numpy as np

# --- what forward and backward are called -----------------------------------------------------------------------------


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


# --- parameters are updated inside ------------------------------------------------------------------------------------


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


# --- results are left in attributes -----------------------------------------------------------------------------------


class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


class Activation_ReLU:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


class Activation_Sigmoid:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = 1 / (1 + np.exp(-inputs))

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output) * self.output


class Activation_Softmax:
    def forward(self, inputs):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for index, (single_output, single_dvalues) in enumerate(zip(self.output, dvalues)):
            single_output = single_output.reshape(-1, 1)
            jacobian_matrix = np.diagflat(single_output) - np.dot(single_output, single_output.T)
            self.dinputs[index] = np.dot(jacobian_matrix, single_dvalues)


class Loss_MeanSquaredError:
    def forward(self, y_pred, y_true):
        sample_losses = np.mean((y_true - y_pred) ** 2, axis=-1)
        return sample_losses

    def backward(self, dvalues, y_true):
        outputs = len(dvalues[0])
        self.dinputs = -2 * (y_true - dvalues) / outputs


class Activation_Softmax_Loss_CategoricalCrossentropy:
    def forward(self, inputs, y_true):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)
        correct = np.clip(self.output, 1e-7, 1 - 1e-7)[range(len(inputs)), y_true]
        return np.mean(-np.log(correct))

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        self.dinputs = dvalues.copy()
        self.dinputs[range(samples), y_true] -= 1
        self.dinputs = self.dinputs / samples


class Loss_CategoricalCrossentropy:
    def forward(self, y_pred, y_true):
        y_pred_clipped = np.clip(y_pred, 1e-7, 1 - 1e-7)
        if len(y_true.shape) == 1:
            correct_confidences = y_pred_clipped[range(len(y_pred)), y_true]
        elif len(y_true.shape) == 2:
            correct_confidences = np.sum(y_pred_clipped * y_true, axis=1)
        return -np.log(correct_confidences)

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        labels = len(dvalues[0])
        if len(y_true.shape) == 1:
            y_true = np.eye(labels)[y_true]
        self.dinputs = -y_true / dvalues
        self.dinputs = self.dinputs / samples


# --- static methods with a context ------------------------------------------------------------------------------------


class SavesForBackward:
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, grad_output):
        x, w = ctx.saved_tensors
        return grad_output @ w.T, x.T @ grad_output


class KeepsOnTheContext:
    @staticmethod
    def forward(ctx, x):
        ctx.y = 1 / (1 + np.exp(-x))
        return ctx.y

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.y * (1 - ctx.y)


# --- losses -----------------------------------------------------------------------------------------------------------


class LossWithBoth:
    def forward(self, pred, target):
        return np.mean((pred - target) ** 2)

    def backward(self, pred, target):
        return 2 * (pred - target) / pred.size


class LossWithTarget:
    def forward(self, pred, target):
        self.pred = pred
        return 0.5 * np.sum((pred - target) ** 2)

    def backward(self, target):
        return self.pred - target


class LossWithNothing:
    def forward(self, pred, target):
        self.diff = pred - target
        return np.mean(self.diff**2)

    def backward(self):
        return 2 * self.diff / self.diff.size


class LossTargetFirst:
    def forward(self, y_true, y_pred):
        return np.mean(np.power(y_true - y_pred, 2))

    def backward(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / np.size(y_true)


class SquareLoss:
    def loss(self, y, y_pred):
        return 0.5 * np.power((y - y_pred), 2)

    def gradient(self, y, y_pred):
        return -(y - y_pred)


class CrossEntropyLoss:
    def forward(self, logits, labels):
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.probs = shifted / shifted.sum(axis=1, keepdims=True)
        self.labels = labels
        return -np.mean(np.log(self.probs[np.arange(len(labels)), labels]))

    def backward(self):
        grad = self.probs.copy()
        grad[np.arange(len(self.labels)), self.labels] -= 1
        return grad / len(self.labels)


class QuadraticCost:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.linalg.norm(a - y) ** 2

    @staticmethod
    def delta(z, a, y):
        s = 1 / (1 + np.exp(-z))
        return (a - y) * s * (1 - s)


# --- forward also returns a cache -------------------------------------------------------------------------------------


class CachedLinear:
    def forward(self, x, w, b):
        out = x @ w + b
        cache = (x, w)
        return out, cache

    def backward(self, dout, cache):
        x, w = cache
        dx = dout @ w.T
        dw = x.T @ dout
        db = dout.sum(axis=0)
        return dx, dw, db


class FillsGrads:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.random.randn(n_out)

    def forward(self, x):
        z = x @ self.W + self.b
        return np.tanh(z), z

    def backward(self, x, cache, dout, grads):
        dz = dout * (1 - np.tanh(cache) ** 2)
        grads["W"] = x.T @ dz
        grads["b"] = dz.sum(axis=0)
        return dz @ self.W.T


# --- gradients in other containers ------------------------------------------------------------------------------------


class ReturnsATuple:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        dW = self.x.T @ dout
        db = dout.sum(axis=0)
        return dx, dW, db


class ReturnsAList:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return [dout * self.y, dout * self.x]


class ReturnsADict:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        return {"dx": dout @ self.W.T, "dW": self.x.T @ dout, "db": np.sum(dout, axis=0)}


class LeavesAnAttribute:
    def forward(self, x):
        self.x = x
        return np.sin(x)

    def backward(self, dout):
        self.grad_x = dout * np.cos(self.x)


class PairOfOutputs:
    def forward(self, x):
        self.x = x
        return np.sin(x), np.cos(x)

    def backward(self, ds, dc):
        return ds * np.cos(self.x) - dc * np.sin(self.x)


# --- prepared before the first forward --------------------------------------------------------------------------------


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


# --- activations that give their local derivative ---------------------------------------------------------------------


class SigmoidActivation:
    def __call__(self, x):
        return 1 / (1 + np.exp(-x))

    def gradient(self, x):
        return self.__call__(x) * (1 - self.__call__(x))


class TanhActivation:
    def function(self, x):
        return np.tanh(x)

    def derivative(self, x):
        return 1 - np.tanh(x) ** 2


class SoftPlusActivation:
    def __call__(self, x):
        return np.log(1 + np.exp(x))

    def grad(self, x):
        return 1 / (1 + np.exp(-x))


class ArctanActivation:
    @staticmethod
    def fn(z):
        return np.arctan(z)

    @staticmethod
    def prime(z):
        return 1 / (1 + z**2)


class SigmoidOfOutput:
    def activate(self, x):
        return 1.0 / (1.0 + np.exp(-x))

    def derivative(self, y):
        return y * (1 - y)


class TanhKeepsOutput:
    def forward(self, x):
        self.output = np.tanh(x)
        return self.output

    def derivative(self):
        return 1 - self.output**2


class SoftmaxGradient:
    def __call__(self, x):
        e_x = np.exp(x - np.max(x, axis=-1, keepdims=True))
        return e_x / np.sum(e_x, axis=-1, keepdims=True)

    def gradient(self, x):
        p = self.__call__(x)
        return p[..., None] * np.eye(p.shape[-1]) - p[..., None] * p[..., None, :]


# --- layouts ----------------------------------------------------------------------------------------------------------


class BatchLast:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_out, n_in) * 0.01
        self.b = np.zeros((n_out, 1))

    def forward(self, A_prev):
        self.A_prev = A_prev
        return np.dot(self.W, A_prev) + self.b

    def backward(self, dZ):
        self.dW = np.dot(dZ, self.A_prev.T)
        self.db = np.sum(dZ, axis=1, keepdims=True)
        return np.dot(self.W.T, dZ)


class ChannelsLast:
    def __init__(self, in_channels, out_channels):
        self.W = np.random.randn(in_channels, out_channels)
        self.b = np.zeros(out_channels)

    def forward(self, x):
        N, H, W, C = x.shape
        self.x = x
        return np.tensordot(x, self.W, axes=([3], [0])) + self.b

    def backward(self, dout):
        self.dW = np.tensordot(self.x, dout, axes=([0, 1, 2], [0, 1, 2]))
        self.db = dout.sum(axis=(0, 1, 2))
        return np.tensordot(dout, self.W, axes=([3], [1]))


class ChannelsLastMean:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(1, 2))

    def backward(self, dout):
        N, H, W, C = self.shape
        return np.ones(self.shape) * dout[:, None, None, :] / (H * W)


# --- names of parameters and of their gradients -----------------------------------------------------------------------


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


# --- pairs of functions -----------------------------------------------------------------------------------------------


def affine_forward(x, w, b):
    """
    Computes the forward pass for an affine (fully-connected) layer.

    The input x has shape (N, d_1, ..., d_k) and contains a minibatch of N
    examples, where each example x[i] has shape (d_1, ..., d_k).

    Inputs:
    - x: A numpy array containing input data, of shape (N, d_1, ..., d_k)
    - w: A numpy array of weights, of shape (D, M)
    - b: A numpy array of biases, of shape (M,)

    Returns a tuple of:
    - out: output, of shape (N, M)
    - cache: (x, w, b)
    """
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    """
    Computes the backward pass for an affine layer.

    Inputs:
    - dout: Upstream derivative, of shape (N, M)
    - cache: Tuple of:
      - x: Input data, of shape (N, d_1, ... d_k)
      - w: Weights, of shape (D, M)

    Returns a tuple of:
    - dx: Gradient with respect to x, of shape (N, d1, ..., d_k)
    - dw: Gradient with respect to w, of shape (D, M)
    - db: Gradient with respect to b, of shape (M,)
    """
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    out = np.maximum(0, x)
    cache = x
    return out, cache


def relu_backward(dout, cache):
    dx, x = None, cache
    dx = dout * (x > 0)
    return dx


def conv_forward_naive(x, w, b, conv_param):
    """
    A naive implementation of the forward pass for a convolutional layer.

    Input:
    - x: Input data of shape (N, C, H, W)
    - w: Filter weights of shape (F, C, HH, WW)
    - b: Biases, of shape (F,)
    - conv_param: A dictionary with the following keys:
      - 'stride': The number of pixels between adjacent receptive fields in the
        horizontal and vertical directions.
      - 'pad': The number of pixels that will be used to zero-pad the input.

    Returns a tuple of:
    - out: Output data, of shape (N, F, H', W') where H' and W' are given by
      H' = 1 + (H + 2 * pad - HH) / stride
      W' = 1 + (W + 2 * pad - WW) / stride
    - cache: (x, w, b, conv_param)
    """
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    out = np.zeros((N, F, H_out, W_out))
    for i in range(H_out):
        for j in range(W_out):
            window = x_pad[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            for f in range(F):
                out[:, f, i, j] = np.sum(window * w[f], axis=(1, 2, 3)) + b[f]
    cache = (x, w, b, conv_param)
    return out, cache


def conv_backward_naive(dout, cache):
    """
    A naive implementation of the backward pass for a convolutional layer.

    Inputs:
    - dout: Upstream derivatives.
    - cache: A tuple of (x, w, b, conv_param) as in conv_forward_naive
    """
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, F, H_out, W_out = dout.shape
    HH, WW = w.shape[2:]
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    dx_pad, dw = np.zeros_like(x_pad), np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for i in range(H_out):
        for j in range(W_out):
            rows, cols = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)
            for f in range(F):
                here = dout[:, f, i, j][:, None, None, None]
                dw[f] += np.sum(x_pad[:, :, rows, cols] * here, axis=0)
                dx_pad[:, :, rows, cols] += w[f] * here
    dx = dx_pad[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
    return dx, dw, db


def batchnorm_forward(x, gamma, beta, bn_param):
    """
    Forward pass for batch normalization.

    Input:
    - x: Data of shape (N, D)
    - gamma: Scale parameter of shape (D,)
    - beta: Shift paremeter of shape (D,)
    - bn_param: Dictionary with the following keys:
      - mode: 'train' or 'test'; required
      - eps: Constant for numeric stability
      - momentum: Constant for running mean / variance.
      - running_mean: Array of shape (D,) giving running mean of features
      - running_var Array of shape (D,) giving running variance of features

    Returns a tuple of:
    - out: of shape (N, D)
    - cache: A tuple of values needed in the backward pass
    """
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    out, cache = None, None
    if mode == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        std = np.sqrt(var + eps)
        x_hat = (x - mean) / std
        out = gamma * x_hat + beta
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var
        cache = (x_hat, gamma, std)
    elif mode == "test":
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    else:
        raise ValueError('Invalid forward batchnorm mode "%s"' % mode)
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    """
    Backward pass for batch normalization.

    Inputs:
    - dout: Upstream derivatives, of shape (N, D)
    - cache: Variable of intermediates from batchnorm_forward.
    """
    x_hat, gamma, std = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)
    dx_hat = dout * gamma
    dx = (dx_hat - dx_hat.mean(axis=0) - x_hat * (dx_hat * x_hat).mean(axis=0)) / std
    return dx, dgamma, dbeta


def linear_forward(A, W, b):
    """
    Implement the linear part of a layer's forward propagation.

    Arguments:
    A -- activations from previous layer (or input data): (size of previous layer, number of examples)
    W -- weights matrix: numpy array of shape (size of current layer, size of previous layer)
    b -- bias vector, numpy array of shape (size of the current layer, 1)

    Returns:
    Z -- the input of the activation function, also called pre-activation parameter
    cache -- a python tuple containing "A", "W" and "b" ; stored for computing the backward pass efficiently
    """
    Z = W.dot(A) + b
    cache = (A, W, b)
    return Z, cache


def linear_backward(dZ, cache):
    """
    Implement the linear portion of backward propagation for a single layer (layer l)

    Arguments:
    dZ -- Gradient of the cost with respect to the linear output (of current layer l)
    cache -- tuple of values (A_prev, W, b) coming from the forward propagation in the current layer
    """
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = 1 / m * np.dot(dZ, A_prev.T)
    db = 1 / m * np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def tanh(x):
    return np.tanh(x)


def tanh_derivative(y):
    return 1 - y**2


def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)


def layernorm_forward(x, gamma, beta, ln_param):
    """
    Forward pass for layer normalization.

    Input:
    - x: Data of shape (N, D)
    - gamma: Scale parameter of shape (D,)
    - beta: Shift paremeter of shape (D,)
    - ln_param: Dictionary with the following keys:
        - eps: Constant for numeric stability
    """
    eps = ln_param.get("eps", 1e-5)
    mu = x.mean(axis=1, keepdims=True)
    std = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    x_hat = (x - mu) / std
    return gamma * x_hat + beta, (x_hat, gamma, std)


def layernorm_backward(dout, cache):
    x_hat, gamma, std = cache
    g = dout * gamma
    dx = (g - g.mean(axis=1, keepdims=True) - x_hat * (g * x_hat).mean(axis=1, keepdims=True)) / std
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    """
    Run the forward pass for a single timestep of a vanilla RNN.

    Inputs:
    - x: Input data for this timestep, of shape (N, D)
    - prev_h: Hidden state from previous timestep, of shape (N, H)
    - Wx: Weight matrix for input-to-hidden connections, of shape (D, H)
    - Wh: Weight matrix for hidden-to-hidden connections, of shape (H, H)
    - b: Biases of shape (H,)
    """
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h**2)
    return dz @ Wx.T, dz @ Wh.T, x.T @ dz, prev_h.T @ dz, dz.sum(axis=0)


def softplus(x):
    return np.log(1 + np.exp(x))


def dsoftplus(x):
    return 1 / (1 + np.exp(-x))


def leaky_relu(x, alpha=0.01):
    return np.where(x > 0, x, alpha * x)


def leaky_relu_derivative(x, alpha=0.01):
    return np.where(x > 0, 1, alpha)
