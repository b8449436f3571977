"""Activations with a bend: what ReLU became."""

import numpy as np

from forwards.corpus_row import normal, row, spread, wide


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0

        return out


class ReluByMaximum:
    def forward(self, x):
        return np.maximum(0, x)


class ReluByProduct:
    def forward(self, x):
        return x * (x > 0)


class ReluByAbsolute:
    def forward(self, x):
        return (x + np.abs(x)) / 2


class LeakyRelu:
    def __init__(self, slope=0.01):
        self.slope = slope

    def forward(self, x):
        return np.where(x > 0, x, self.slope * x)


class LeakyReluByMaximum:
    def __init__(self, slope=0.2):
        self.slope = slope

    def forward(self, x):
        out = np.maximum(x, self.slope * x)
        return out


class LeakyReluInPlace:
    def forward(self, x):
        out = np.array(x)
        out[x < 0] *= 0.1
        return out


class RReluInference:
    """In training the slope is drawn; afterwards it is the middle of where it was drawn from."""

    def __init__(self, lower=1 / 8, upper=1 / 3):
        self.lower, self.upper = lower, upper

    def forward(self, x):
        slope = (self.lower + self.upper) / 2
        return np.where(x >= 0, x, slope * x)


class PRelu:
    def __init__(self, a):
        self.a = a

    def forward(self, x):
        return np.maximum(0, x) + self.a * np.minimum(0, x)


class Relu6:
    def forward(self, x):
        return np.minimum(np.maximum(x, 0), 6)


class ShiftedRelu:
    def forward(self, x):
        return np.maximum(-1.0, x)


class SquaredRelu:
    def forward(self, x):
        return np.maximum(x, 0) ** 2


class Absolute:
    def forward(self, x):
        return np.abs(x)


class Elu:
    def __init__(self, alpha=1.5):
        self.alpha = alpha

    def forward(self, x):
        return np.where(x > 0, x, self.alpha * (np.exp(x) - 1))


class EluWithMask:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        out = x.copy()
        negative = x < 0
        out[negative] = self.alpha * np.expm1(x[negative])
        return out


class Celu:
    def __init__(self, alpha=0.75):
        self.alpha = alpha

    def forward(self, x):
        a = self.alpha
        return np.maximum(0, x) + np.minimum(0, a * (np.exp(x / a) - 1))


class Selu:
    scale = 1.0507009873554805
    alpha = 1.6732632423543772

    def forward(self, x):
        return self.scale * np.where(x > 0, x, self.alpha * (np.exp(x) - 1))


class Isrlu:
    def __init__(self, alpha=2.0):
        self.alpha = alpha

    def forward(self, x):
        return np.where(x < 0, x / np.sqrt(1 + self.alpha * x**2), x)


class Hardshrink:
    def __init__(self, lambd=0.5):
        self.lambd = lambd

    def forward(self, x):
        return np.where(np.abs(x) > self.lambd, x, 0)


class Softshrink:
    def __init__(self, lambd=0.5):
        self.lambd = lambd

    def forward(self, x):
        return np.sign(x) * np.maximum(np.abs(x) - self.lambd, 0)


class SoftshrinkByCases:
    def __init__(self, lambd=0.8):
        self.lambd = lambd

    def forward(self, x):
        out = np.zeros_like(x)
        above, below = x > self.lambd, x < -self.lambd
        out[above] = x[above] - self.lambd
        out[below] = x[below] + self.lambd
        return out


class Hardsigmoid:
    def forward(self, x):
        return np.clip(x / 6 + 0.5, 0, 1)


class HardsigmoidByCases:
    """As Keras had it."""

    def forward(self, x):
        y = 0.2 * x + 0.5
        return np.where(x < -2.5, 0.0, np.where(x > 2.5, 1.0, y))


class Hardtanh:
    def __init__(self, low=-1.0, high=1.5):
        self.low = low
        self.high = high

    def forward(self, x):
        return np.clip(x, self.low, self.high)


class Hardswish:
    def forward(self, x):
        return x * np.minimum(np.maximum(x + 3, 0), 6) / 6


class Threshold:
    def __init__(self, threshold=0.3, value=-2.0):
        self.threshold = threshold
        self.value = value

    def forward(self, x):
        return np.where(x > self.threshold, x, self.value)


class ThresholdedRelu:
    def __init__(self, theta=1.0):
        self.theta = theta

    def forward(self, x):
        return x * (x > self.theta)


class Softsign:
    def forward(self, x):
        return x / (1 + np.abs(x))


class Symlog:
    def forward(self, x):
        return np.sign(x) * np.log1p(np.abs(x))


X, WIDE = spread("N D"), normal("N 2D")
F = "torch.nn.functional."
POSITIVE = "np.where(y > 0, 1, 0)"

# by_output: a positive slope keeps the sign, so that y > 0 says x > 0; other reasons stand beside the row.
ROWS = (
    row(Relu, X, torch=F + "relu(x)", same="np.maximum(x, 0)", shortest=POSITIVE, by_output=True),
    row(ReluByMaximum, X, torch=F + "relu(x)", same="x * (x > 0)", shortest=POSITIVE, by_output=True),
    row(ReluByProduct, WIDE, torch=F + "relu(x)", same="np.maximum(x, 0)", shortest=POSITIVE, by_output=True),
    row(ReluByAbsolute, X, torch=F + "relu(x)", same="np.maximum(x, 0)", shortest=POSITIVE, by_output=True),
    row(
        LeakyRelu, X, init={"slope": 0.01}, torch=F + "leaky_relu(x, slope)", same="np.maximum(x, slope * x)",
        shortest="np.where(y > 0, 1, slope)", by_output=True,
    ),
    row(
        LeakyReluByMaximum, X, init={"slope": 0.2}, torch=F + "leaky_relu(x, slope)",
        same="np.where(x > 0, x, slope * x)", shortest="np.where(y > 0, 1, slope)", by_output=True,
    ),
    row(
        LeakyReluInPlace, X, torch=F + "leaky_relu(x, 0.1)", same="np.maximum(x, 0.1 * x)",
        shortest="np.where(y > 0, 1, 0.1)", by_output=True,
    ),
    row(
        RReluInference, X, init={"lower": 1 / 8, "upper": 1 / 3}, torch=F + "rrelu(x, lower, upper, training=False)",
        same="np.maximum(x, 11 / 48 * x)", shortest="np.where(y > 0, 1, 11 / 48)", by_output=True,
    ),
    # The gradient of a needs x where x < 0, and a may have any sign.
    row(
        PRelu, X, init={"a": normal("D")}, torch=F + "prelu(x, a)",
        same="np.where(x > 0, x, a * x)", shortest="np.where(x > 0, 1, a)", by_output=False,
    ),
    # Strictly between the bounds, y is x.
    row(
        Relu6, wide("N D"), torch=F + "relu6(x)", same="np.clip(x, 0, 6)",
        shortest="np.where((y > 0) & (y < 6), 1, 0)", by_output=True,
    ),
    row(ShiftedRelu, X, torch="x.clamp(min=-1.0)", shortest="np.where(y > -1, 1, 0)", by_output=True),
    # x is not negative where it matters: x = √y.
    row(SquaredRelu, X, torch=F + "relu(x) ** 2", same="np.where(x > 0, x * x, 0)", shortest="2 * np.sqrt(y)",
        by_output=True),
    row(Absolute, X, torch="torch.abs(x)", same="np.sqrt(x * x)", shortest="np.sign(x)", by_output=False),
    # α > 0: below 0, α·exp(x) = y + α.
    row(
        Elu, X, init={"alpha": 1.5}, torch=F + "elu(x, alpha)", same="np.where(x > 0, x, alpha * np.expm1(x))",
        shortest="np.where(y > 0, 1, y + alpha)", by_output=True,
    ),
    row(
        EluWithMask, X, init={"alpha": 1.0}, torch=F + "elu(x, alpha)", same="np.where(x > 0, x, alpha * np.expm1(x))",
        shortest="np.where(y > 0, 1, y + 1)", by_output=True,
    ),
    # Below 0, exp(x/α) = y/α + 1.
    row(
        Celu, X, init={"alpha": 0.75}, torch=F + "celu(x, alpha)",
        same="np.where(x > 0, x, alpha * np.expm1(x / alpha))",
        shortest="np.where(y > 0, 1, np.exp(x / alpha))", by_output=True,
    ),
    row(
        Selu, X, torch=F + "selu(x)",
        same="1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))",
        shortest="np.where(y > 0, scale, y + scale * alpha)", by_output=True,
    ),
    # Below 0, dy/dx = (1 + αx²)^(−3/2), and 1 + αx² = 1 / (1 − αy²).
    row(
        Isrlu, X, init={"alpha": 2.0}, torch="torch.where(x < 0, x * torch.rsqrt(1 + alpha * x * x), x)",
        same="np.where(x < 0, x * (1 + alpha * x * x) ** -0.5, x)",
        shortest="np.where(x > 0, 1, (1 + alpha * x**2) ** -1.5)", by_output=True,
    ),
    # y is 0 just where the slope is.
    row(
        Hardshrink, X, init={"lambd": 0.5}, torch=F + "hardshrink(x, lambd)",
        same="x * (np.abs(x) > lambd)", shortest="np.where(y != 0, 1, 0)", by_output=True,
    ),
    row(
        Softshrink, X, init={"lambd": 0.5}, torch=F + "softshrink(x, lambd)",
        same="x - np.clip(x, -lambd, lambd)", shortest="np.where(y != 0, 1, 0)", by_output=True,
    ),
    row(
        SoftshrinkByCases, X, init={"lambd": 0.8}, torch=F + "softshrink(x, lambd)",
        same="x - np.clip(x, -lambd, lambd)", shortest="np.where(y != 0, 1, 0)", by_output=True,
    ),
    row(
        Hardsigmoid, X, same="np.minimum(np.maximum(x + 3, 0), 6) / 6",
        torch="(x + 3).clamp(0, 6) / 6",  # PyTorch's own takes 1/6 in single precision
        shortest="np.where((y > 0) & (y < 1), 1 / 6, 0)", by_output=True,
    ),
    row(
        HardsigmoidByCases, X, torch="(x / 5 + 0.5).clamp(0, 1)", same="np.clip(0.2 * x + 0.5, 0, 1)",
        shortest="np.where((y > 0) & (y < 1), 0.2, 0)", by_output=True,
    ),
    row(
        Hardtanh, X, init={"low": -1.0, "high": 1.5}, torch=F + "hardtanh(x, low, high)",
        same="np.minimum(np.maximum(x, low), high)",
        shortest="np.where((y > low) & (y < high), 1, 0)", by_output=True,
    ),
    # Falls and rises again between −3 and 0: two x have one y.
    row(
        Hardswish, X, torch=F + "hardswish(x)", same="np.where(x < -3, 0, np.where(x > 3, x, x * (x + 3) / 6))",
        shortest="np.where(x < -3, 0, np.where(x > 3, 1, x / 3 + 0.5))", by_output=False,
    ),
    # The value that replaces x is below the threshold.
    row(
        Threshold, X, init={"threshold": 0.3, "value": -2.0}, torch=F + "threshold(x, threshold, value)",
        same="(x > threshold) * x + (x <= threshold) * value",
        shortest="np.where(y > threshold, 1, 0)", by_output=True,
    ),
    row(
        ThresholdedRelu, X, init={"theta": 1.0}, torch=F + "threshold(x, theta, 0.0)",
        same="np.where(x > theta, x, 0)", shortest="np.where(y > 0, 1, 0)", by_output=True,
    ),
    # |x| = |y| / (1 − |y|), so that 1 / (1 + |x|) = 1 − |y|.
    row(
        Softsign, X, torch=F + "softsign(x)", same="np.sign(x) * (1 - 1 / (1 + np.abs(x)))",
        shortest="(1 - np.abs(y)) ** 2", by_output=True,
    ),
    # |y| = log(1 + |x|).
    row(
        Symlog, X, torch="torch.sign(x) * torch.log1p(torch.abs(x))",
        same="np.where(x > 0, 1, -1) * np.log(1 + np.abs(x))", shortest="np.exp(-np.abs(y))", by_output=True,
    ),
)  # fmt: skip
