import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        out = np.dot(x, self.W) + self.b

        return out

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)

        return dx


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = (x <= 0)
        out = x.copy()
        out[self.mask] = 0

        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0

        return dx


class SoftmaxWithLoss:
    def __init__(self):
        self.y = None
        self.t = None

    def forward(self, x, t):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.y = e / np.sum(e, axis=1, keepdims=True)
        self.t = t
        loss = -np.sum(t * np.log(self.y)) / len(x)

        return loss

    def backward(self, dout=1):
        dx = dout * (self.y - self.t) / len(self.t)

        return dx


class TwoLayerNet:
    def __init__(self, inputs, hidden, outputs):
        rng = np.random.default_rng(1)
        self.params = {}
        self.params["W1"] = rng.normal(0, 0.5, (inputs, hidden))
        self.params["b1"] = np.zeros(hidden)
        self.params["W2"] = rng.normal(0, 0.5, (hidden, outputs))
        self.params["b2"] = np.zeros(outputs)

        # the layers, in the order of forward
        self.layers = {}
        self.layers["Affine1"] = Affine(self.params["W1"], self.params["b1"])
        self.layers["Relu1"] = Relu()
        self.layers["Affine2"] = Affine(self.params["W2"], self.params["b2"])
        self.last_layer = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)

        return x

    def loss(self, x, t):
        return self.last_layer.forward(self.predict(x), t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last_layer.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)

        return {
            "W1": self.layers["Affine1"].dW, "b1": self.layers["Affine1"].db,
            "W2": self.layers["Affine2"].dW, "b2": self.layers["Affine2"].db,
        }


# Points in four corners; the class is whether the signs agree
rng = np.random.default_rng(0)
x = rng.normal(size=(20, 2))
t = np.eye(2)[(x[:, 0] * x[:, 1] > 0).astype(int)]

net = TwoLayerNet(2, 6, 2)
for step in range(200):
    grads = net.gradient(x, t)
    for key in net.params:
        net.params[key] -= 0.5 * grads[key]

print(round(float(net.loss(x, t)), 3))
