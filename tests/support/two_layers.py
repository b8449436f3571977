"""Two layers of a small network, to import and as the text of a file."""


class Linear:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Square:
    def forward(self, x):
        self.x = x
        return x * x + 1

    def backward(self, dout):
        return 2 * dout * self.x
