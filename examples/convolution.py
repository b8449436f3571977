import numpy as np


class Convolution:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.windows = None
        self.shape = None
        self.dW = None
        self.db = None

    def forward(self, x):
        N, C, H, width = x.shape
        FN, C, FH, FW = self.W.shape
        OH, OW = H - FH + 1, width - FW + 1
        # every window of x as a row, so that the convolution is one matrix product
        windows = np.zeros((N, C, FH, FW, OH, OW))
        for i in range(FH):
            for j in range(FW):
                windows[:, :, i, j, :, :] = x[:, :, i:i + OH, j:j + OW]
        self.windows = windows.transpose(0, 4, 5, 1, 2, 3).reshape(N * OH * OW, -1)
        self.shape = x.shape
        out = np.dot(self.windows, self.W.reshape(FN, -1).T) + self.b

        return out.reshape(N, OH, OW, FN).transpose(0, 3, 1, 2)

    def backward(self, dout):
        N, C, H, width = self.shape
        FN, C, FH, FW = self.W.shape
        OH, OW = H - FH + 1, width - FW + 1
        rows = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(rows, axis=0)
        self.dW = np.dot(rows.T, self.windows).reshape(FN, C, FH, FW)
        dwindows = np.dot(rows, self.W.reshape(FN, -1))
        dwindows = dwindows.reshape(N, OH, OW, C, FH, FW).transpose(0, 3, 4, 5, 1, 2)
        dx = np.zeros(self.shape)
        for i in range(FH):
            for j in range(FW):
                dx[:, :, i:i + OH, j:j + OW] += dwindows[:, :, i, j, :, :]

        return dx


# one image of one channel, one filter that sees edges
x = np.array([[[[0.0, 1.0, 3.0, 2.0], [1.0, 4.0, 2.0, 0.0], [2.0, 0.0, 1.0, 3.0], [5.0, 1.0, 0.0, 1.0]]]])
W = np.array([[[[1.0, -1.0], [2.0, -2.0]]]])
b = np.array([0.5])

# layer
conv1 = Convolution(W, b)

# forward
y = conv1.forward(x)

# backward
dy = np.ones((1, 1, 3, 3))
dx = conv1.backward(dy)

print(y[0, 0])
print(dx[0, 0])
