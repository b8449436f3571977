"""Layers of one operation or a few, on numbers and on arrays that broadcast."""

import numpy as np

from forwards.corpus_row import Draw, normal, positive, row


class MulLayer:
    """As on the slides."""

    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        out = x * y

        return out


class AddLayer:
    """As on the slides."""

    def __init__(self):
        pass

    def forward(self, x, y):
        out = x + y
        return out


class BuyApples:
    """The slides' apples and oranges, with their tax."""

    def forward(self, apple, apple_num, orange, orange_num, tax):
        apple_price = apple * apple_num
        orange_price = orange * orange_num
        all_price = apple_price + orange_price
        price = all_price * tax
        return price


class SubtractLayer:
    def forward(self, x, y):
        return x - y


class DivideLayer:
    def forward(self, x, y):
        return x / y


class PowerLayer:
    def forward(self, x, y):
        return x**y


class AddBias:
    def __init__(self, b):
        self.b = b

    def forward(self, x):
        return x + self.b


class ScaleChannels:
    def __init__(self, scale):
        self.scale = scale

    def forward(self, x):
        return x * self.scale[:, None, None]


class Interpolate:
    def forward(self, a, b, t):
        return a + t * (b - a)


class Distance:
    def forward(self, x, y):
        return np.sqrt(x**2 + y**2)


class Angle:
    def forward(self, x, y):
        return np.arctan2(y, x)


class MaximumLayer:
    def forward(self, x, y):
        return np.maximum(x, y)


class Gate:
    def forward(self, x, y, mask):
        return np.where(mask, x, y)


class Highway:
    def forward(self, x, h, t):
        g = 1 / (1 + np.exp(-t))
        return g * h + (1 - g) * x


class TwiceUsed:
    def forward(self, x):
        a = np.exp(x)
        b = a * x
        return a + b * a


class HarmonicMean:
    def forward(self, x, y):
        return 2 / (1 / x + 1 / y)


class ComplexProduct:
    def forward(self, a, b, c, d):
        return a * c - b * d, a * d + b * c


X, Y, P, S = normal("N D"), normal("D"), positive("N D"), Draw("positive")

ROWS = (
    row(MulLayer, X, X, torch="x * y", same="np.einsum('nd,nd->nd', x, y)"),
    row(AddLayer, X, X, torch="x + y", same="np.add(x, y)"),
    row(BuyApples, S, S, S, S, S, torch="(apple * apple_num + orange * orange_num) * tax",
        same="tax * np.dot([apple, orange], [apple_num, orange_num])"),
    row(SubtractLayer, X, Y, torch="x - y", same="x + -y"),
    row(DivideLayer, X, positive("N 1"), torch="x / y", same="x * y**-1"),
    row(PowerLayer, P, X, torch="x ** y", same="np.exp(y * np.log(x))"),
    row(AddBias, normal("N T D"), init={"b": Y}, torch="x + b", same="x + b[None, None]"),
    row(ScaleChannels, normal("N C P Q"), init={"scale": normal("C")}, torch="x * scale[:, None, None]",
        same="np.einsum('nchw,c->nchw', x, scale)"),
    row(Interpolate, X, X, positive("N 1"), torch="torch.lerp(a, b, t)", same="(1 - t) * a + t * b"),
    row(Distance, X, X, torch="torch.hypot(x, y)", same="np.abs(x + 1j * y)"),
    row(Angle, X, X, torch="torch.arctan2(y, x)", same="np.angle(x + 1j * y)"),
    row(MaximumLayer, X, Y, torch="torch.maximum(x, y)", same="np.where(x > y, x, y)"),
    row(Gate, X, X, Draw("mask", "N D"), torch="torch.where(mask, x, y)", same="mask * x + ~mask * y"),
    row(Highway, X, X, X, torch="torch.lerp(x, h, torch.sigmoid(t))", same="x + scipy.special.expit(t) * (h - x)"),
    row(TwiceUsed, X, torch="torch.exp(x) + x * torch.exp(2 * x)", same="np.exp(x) + x * np.exp(2 * x)",
        shortest="np.exp(x) + (2 * x + 1) * np.exp(2 * x)", by_output=False),
    row(HarmonicMean, P, P, torch="2 * x * y / (x + y)", same="scipy.stats.hmean([x, y])"),
    row(ComplexProduct, X, X, X, X, torch="(a * c - b * d, a * d + b * c)"),
)  # fmt: skip
