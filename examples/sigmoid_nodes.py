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


class AddLayer:
    def __init__(self):
        pass

    def forward(self, x, y):
        out = x + y
        return out

    def backward(self, dout):
        dx = dout * 1
        dy = dout * 1
        return dx, dy


class ExpLayer:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = np.exp(x)
        self.out = out

        return out

    def backward(self, dout):
        dx = dout * self.out

        return dx


class ReciprocalLayer:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / x
        self.out = out

        return out

    def backward(self, dout):
        dx = dout * (-self.out ** 2)

        return dx


# Sigmoid : y = 1 / (1 + exp(-x))
x = 1.5

# layer
mul_layer = MulLayer()
exp_layer = ExpLayer()
add_layer = AddLayer()
reciprocal_layer = ReciprocalLayer()

# forward
minus_x = mul_layer.forward(x, -1) #(1)
exp_x = exp_layer.forward(minus_x) #(2)
one_plus = add_layer.forward(exp_x, 1) #(3)
y = reciprocal_layer.forward(one_plus) #(4)

print(y)

# backward
dy = 1
done_plus = reciprocal_layer.backward(dy) #(4)
dexp_x, done = add_layer.backward(done_plus) #(3)
dminus_x = exp_layer.backward(dexp_x) #(2)
dx, dminus_one = mul_layer.backward(dminus_x) #(1)

print(dx)
print(y * (1 - y)) # the same: expressible only by output
