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
        out = np.where(self.mask, 0.0, x)

        return out

    def backward(self, dout):
        dx = np.where(self.mask, 0.0, dout)

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

    def backward(self, dout):
        dx = dout * (self.y - self.t) / len(self.t)

        return dx


# Two samples of three numbers; two classes
x = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, -1.0]])
t = np.array([[1.0, 0.0], [0.0, 1.0]])

W1 = np.array([[0.5, -1.0, 0.25, 1.0], [1.0, 0.5, -0.5, 0.0], [-0.25, 1.0, 1.0, -1.0]])
b1 = np.zeros(4)
W2 = np.array([[1.0, -1.0], [0.5, 0.0], [-1.0, 1.0], [0.25, 0.5]])
b2 = np.zeros(2)

# layer
affine1 = Affine(W1, b1)
relu1 = Relu()
affine2 = Affine(W2, b2)
last_layer = SoftmaxWithLoss()

# forward
a1 = affine1.forward(x)
z1 = relu1.forward(a1)
a2 = affine2.forward(z1)
loss = last_layer.forward(a2, t)

# backward
dloss = 1.0
da2 = last_layer.backward(dloss)
dz1 = affine2.backward(da2)
da1 = relu1.backward(dz1)
dx = affine1.backward(da1)

print(round(float(loss), 6))
print(np.round(affine1.db, 6))
