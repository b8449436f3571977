"""Activations without a bend: sigmoids, what they are made of, and what was made of them."""

import math

import numpy as np
from scipy.special import erf, expit

from forwards.corpus_row import row, spread


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out

        return out


class SigmoidByTanh:
    def forward(self, x):
        return 0.5 * (1 + np.tanh(0.5 * x))


class SigmoidByExp:
    def forward(self, x):
        e = np.exp(x)
        return e / (e + 1)


class SigmoidWithoutOverflow:
    def forward(self, x):
        e = np.exp(-np.abs(x))
        return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


class SigmoidOfScipy:
    def forward(self, x):
        return expit(x)


class Tanh:
    def forward(self, x):
        return np.tanh(x)


class TanhByExp:
    def forward(self, x):
        a, b = np.exp(x), np.exp(-x)
        return (a - b) / (a + b)


class TanhBySigmoid:
    def forward(self, x):
        return 2 / (1 + np.exp(-2 * x)) - 1


class ScaledTanh:
    """LeCun's."""

    def forward(self, x):
        return 1.7159 * np.tanh(2 / 3 * x)


class Silu:
    def forward(self, x):
        return x / (1 + np.exp(-x))


class Swish:
    def __init__(self, beta=1.5):
        self.beta = beta

    def forward(self, x):
        sigmoid = 1 / (1 + np.exp(-self.beta * x))
        return x * sigmoid


class Mish:
    def forward(self, x):
        return x * np.tanh(np.log(1 + np.exp(x)))


class GeluByTanh:
    def forward(self, x):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


class GeluByErf:
    def forward(self, x):
        cdf = 0.5 * (1 + erf(x / math.sqrt(2)))
        return x * cdf


class GeluBySigmoid:
    def forward(self, x):
        return x / (1 + np.exp(-1.702 * x))


class Softplus:
    def forward(self, x):
        return np.log(1 + np.exp(x))


class SoftplusWithoutOverflow:
    def forward(self, x):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class SoftplusByLogaddexp:
    def forward(self, x):
        return np.logaddexp(0, x)


class SoftplusWithBeta:
    def __init__(self, beta=2.0):
        self.beta = beta

    def forward(self, x):
        return np.log1p(np.exp(self.beta * x)) / self.beta


class LogSigmoid:
    def forward(self, x):
        return -np.log(1 + np.exp(-x))


class LogSigmoidByLog:
    def forward(self, x):
        return np.log(1 / (1 + np.exp(-x)))


class Tanhshrink:
    def forward(self, x):
        return x - np.tanh(x)


class Squareplus:
    def __init__(self, b=4.0):
        self.b = b

    def forward(self, x):
        return (x + np.sqrt(x**2 + self.b)) / 2


class BentIdentity:
    def forward(self, x):
        return (np.sqrt(x**2 + 1) - 1) / 2 + x


class Isru:
    def __init__(self, alpha=3.0):
        self.alpha = alpha

    def forward(self, x):
        return x / np.sqrt(1 + self.alpha * x**2)


class LogCosh:
    def forward(self, x):
        return np.log(np.cosh(x))


class SoftExponential:
    def __init__(self, alpha=0.5):
        self.alpha = alpha

    def forward(self, x):
        if self.alpha == 0:
            return x
        if self.alpha < 0:
            return -np.log(1 - self.alpha * (x + self.alpha)) / self.alpha
        return (np.exp(self.alpha * x) - 1) / self.alpha + self.alpha


class Gaussian:
    def forward(self, x):
        return np.exp(-(x**2))


class GrowingCosine:
    def forward(self, x):
        return x * np.cos(x)


class Snake:
    def __init__(self, a=1.5):
        self.a = a

    def forward(self, x):
        return x + np.sin(self.a * x) ** 2 / self.a


class Lisht:
    def forward(self, x):
        return x * np.tanh(x)


class TanhExp:
    def forward(self, x):
        return x * np.tanh(np.exp(x))


class ComplementaryLogLog:
    def forward(self, x):
        return 1 - np.exp(-np.exp(x))


class Gompertz:
    def forward(self, x):
        return np.exp(-np.exp(-x))


class Smoothstep:
    """A sigmoid that is 0 and 1 from the bounds on."""

    def forward(self, x):
        t = np.clip((x + 2) / 4, 0, 1)
        return t * t * (3 - 2 * t)


X = spread("N D")
F = "torch.nn.functional."
LOGISTIC = {"same": "scipy.special.expit(x)", "shortest": "y * (1 - y)", "by_output": True}
TANH = {"torch": "torch.tanh(x)", "same": "2 * scipy.special.expit(2 * x) - 1", "shortest": "1 - y**2",
        "by_output": True}  # fmt: skip
# exp(y) = 1 + exp(x), so that the sigmoid of x is 1 − exp(−y); no form in x is as short.
SOFTPLUS = {"torch": F + "softplus(x)", "same": "-scipy.special.log_expit(-x)", "shortest": "1 - np.exp(-y)",
            "by_output": True}  # fmt: skip
LOG_SIGMOID = {"torch": F + "logsigmoid(x)", "same": "scipy.special.log_expit(x)", "shortest": "1 - np.exp(y)",
               "by_output": True}  # fmt: skip
SIGMOID = "1 / (1 + np.exp(-{0}))"
U = "(0.7978845608028654 * (x + 0.044715 * x**3))"

ROWS = (
    row(Sigmoid, X, torch="torch.sigmoid(x)", **LOGISTIC),
    row(SigmoidByTanh, X, torch="torch.sigmoid(x)", **LOGISTIC),
    row(SigmoidByExp, X, torch="torch.sigmoid(x)", **LOGISTIC),
    row(SigmoidWithoutOverflow, X, torch="torch.sigmoid(x)", **LOGISTIC),
    row(SigmoidOfScipy, X, torch="torch.sigmoid(x)", same="1 / (1 + np.exp(-x))", shortest="y * (1 - y)",
        by_output=True),
    row(Tanh, X, **TANH),
    row(TanhByExp, X, **TANH),
    row(TanhBySigmoid, X, **TANH),
    row(ScaledTanh, X, torch="1.7159 * torch.tanh(x / 1.5)", same="1.7159 * (2 * scipy.special.expit(x / 0.75) - 1)",
        shortest="1.7159 * 2 / 3 * (1 - (y / 1.7159) ** 2)", by_output=True),
    # x times a sigmoid falls and rises again: two x have one y. The sigmoid is y/x, but not where x is 0.
    row(Silu, X, torch=F + "silu(x)", same="x * scipy.special.expit(x)", shortest="(1 + x - y) / (1 + np.exp(-x))",
        by_output=False),
    row(Swish, X, init={"beta": 1.5}, torch="x * torch.sigmoid(beta * x)", same="x * scipy.special.expit(beta * x)",
        shortest="(1 + beta * (x - y)) / (1 + np.exp(-beta * x))", by_output=False),
    row(Mish, X, torch=F + "mish(x)", same="x * np.tanh(-scipy.special.log_expit(-x))",
        shortest="np.tanh(np.log(1 + np.exp(x))) + x * (1 - np.tanh(np.log(1 + np.exp(x))) ** 2)"
        " / (1 + np.exp(-x))", by_output=False),
    row(GeluByTanh, X, torch=F + "gelu(x, approximate='tanh')", same=f"x * scipy.special.expit(2 * {U})",
        shortest=f"(1 + np.tanh({U})) / 2 + x / 2 * (1 - np.tanh({U}) ** 2)"
        " * 0.7978845608028654 * (1 + 0.134145 * x**2)", by_output=False),
    row(GeluByErf, X, torch=F + "gelu(x)", same="x * scipy.special.ndtr(x)",
        shortest="(1 + scipy.special.erf(x / 1.4142135623730951)) / 2 + x * np.exp(x**2 / -2)"
        " / 2.5066282746310002", by_output=False),
    row(GeluBySigmoid, X, torch="x * torch.sigmoid(1.702 * x)", same="x * scipy.special.expit(1.702 * x)",
        shortest="(1 + 1.702 * (x - y)) / (1 + np.exp(-1.702 * x))", by_output=False),
    row(Softplus, X, **SOFTPLUS),
    row(SoftplusWithoutOverflow, X, **SOFTPLUS),
    row(SoftplusByLogaddexp, X, **SOFTPLUS),
    row(SoftplusWithBeta, X, init={"beta": 2.0}, torch=F + "softplus(x, beta)",
        same="-scipy.special.log_expit(-beta * x) / beta", shortest="1 - np.exp(-beta * y)", by_output=True),
    row(LogSigmoid, X, **LOG_SIGMOID),
    row(LogSigmoidByLog, X, **LOG_SIGMOID),
    # It rises, but its inverse has no closed form: the output does not give the derivative.
    row(Tanhshrink, X, torch=F + "tanhshrink(x)", same="x - 2 * scipy.special.expit(2 * x) + 1",
        shortest="np.tanh(x) ** 2", by_output=False),
    # x = y − b/(4y), and the root is 2y − x.
    row(Squareplus, X, init={"b": 4.0}, torch="(x + torch.sqrt(x * x + b)) / 2",
        same="x / 2 + np.hypot(x, np.sqrt(b)) / 2", shortest="y / (2 * y - x)", by_output=True),
    # With u = 2y + 1, x = (2u − √(u² + 3)) / 3: closed, though the form in x is shorter.
    row(BentIdentity, X, torch="(torch.sqrt(x * x + 1) - 1) / 2 + x", same="x + np.hypot(x, 1) / 2 - 0.5",
        shortest="1 + x / (2 * np.sqrt(x**2 + 1))", by_output=True),
    # 1 + αx² = 1 / (1 − αy²).
    row(Isru, X, init={"alpha": 3.0}, torch="x * torch.rsqrt(1 + alpha * x * x)",
        same="x / np.hypot(1, np.sqrt(alpha) * x)", shortest="(1 - alpha * y**2) ** 1.5", by_output=True),
    row(LogCosh, X, torch="torch.log(torch.cosh(x))", same="np.logaddexp(x, -x) - np.log(2)",
        shortest="np.tanh(x)", by_output=False),  # even: y does not know the sign of x
    # For α > 0, exp(αx) = α(y − α) + 1.
    row(SoftExponential, X, init={"alpha": 0.5}, torch="torch.expm1(alpha * x) / alpha + alpha",
        same="np.expm1(alpha * x) / alpha + alpha", shortest="np.exp(alpha * x)", by_output=True),
    row(Gaussian, X, torch="torch.exp(-x * x)", same="scipy.stats.norm.pdf(x, scale=0.5**0.5) * np.sqrt(np.pi)",
        shortest="-2 * x * y", by_output=False),  # even
    row(GrowingCosine, X, torch="x * torch.cos(x)", same="x * np.sin(x + np.pi / 2)",
        shortest="np.cos(x) - x * np.sin(x)", by_output=False),
    # It rises, without a closed inverse.
    row(Snake, X, init={"a": 1.5}, torch="x + torch.sin(a * x) ** 2 / a",
        same="x + (1 - np.cos(2 * a * x)) / (2 * a)", shortest="1 + np.sin(2 * a * x)", by_output=False),
    row(Lisht, X, torch="x * torch.tanh(x)", same="x * (2 * scipy.special.expit(2 * x) - 1)",
        shortest="np.tanh(x) + x * (1 - np.tanh(x) ** 2)", by_output=False),  # even
    row(TanhExp, X, torch="x * torch.tanh(torch.exp(x))", same="x * (2 * scipy.special.expit(2 * np.exp(x)) - 1)",
        shortest="np.tanh(np.exp(x)) + x * np.exp(x) * (1 - np.tanh(np.exp(x)) ** 2)", by_output=False),
    # exp(x) = −log(1 − y).
    row(ComplementaryLogLog, X, torch="-torch.expm1(-torch.exp(x))", same="-np.expm1(-np.exp(x))",
        shortest="np.exp(x) * (1 - y)", by_output=True),
    # exp(−x) = −log(y).
    row(Gompertz, X, torch="torch.exp(-torch.exp(-x))", same="scipy.stats.gumbel_r.cdf(x)",
        shortest="-y * np.log(y)", by_output=True),
    # A cubic in t: its inverse needs angles, ½ − sin(arcsin(1 − 2y)/3), but it is closed, and 6t(1 − t)/4 follows.
    row(Smoothstep, X, torch="(lambda t: t * t * (3 - 2 * t))(((x + 2) / 4).clamp(0, 1))",
        same="np.where(x < -2, 0, np.where(x > 2, 1, 0.5 + 0.375 * x - x**3 / 32))",
        shortest="np.where(np.abs(x) < 2, 0.375 - 0.09375 * x**2, 0)", by_output=True),
)  # fmt: skip
