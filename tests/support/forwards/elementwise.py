"""Functions of each element: what activations are made of, and what tables of derivatives begin with."""

import numpy as np
from scipy.special import erf

from forwards.corpus_row import between, normal, positive, row, spread


class Exp:
    def forward(self, x):
        return np.exp(x)


class Log:
    def forward(self, x):
        return np.log(x)


class Sqrt:
    def forward(self, x):
        return np.sqrt(x)


class ReciprocalRoot:
    def forward(self, x):
        return 1 / np.sqrt(x)


class Reciprocal:
    def forward(self, x):
        return 1 / x


class Square:
    def forward(self, x):
        return x**2


class Cube:
    def forward(self, x):
        return x**3


class CubeByProducts:
    def forward(self, x):
        return x * x * x


class CubeRoot:
    def forward(self, x):
        return np.cbrt(x)


class PowerOf:
    def __init__(self, p=1.7):
        self.p = p

    def forward(self, x):
        return x**self.p


class Polynomial:
    """By Horner's rule: 2x³ − 3x² + x − 4."""

    def forward(self, x):
        out = 0
        for c in (2, -3, 1, -4):
            out = out * x + c
        return out


class Sine:
    def forward(self, x):
        return np.sin(x)


class Tangent:
    def forward(self, x):
        return np.tan(x)


class Sinc:
    """sin(x)/x, and 1 at 0."""

    def forward(self, x):
        safe = np.where(x == 0, 1.0, x)
        return np.where(x == 0, 1.0, np.sin(safe) / safe)


class Arctan:
    def forward(self, x):
        return np.arctan(x)


class Arcsine:
    def forward(self, x):
        return np.arcsin(x)


class Sinh:
    def forward(self, x):
        return (np.exp(x) - np.exp(-x)) / 2


class Cosh:
    def forward(self, x):
        return np.cosh(x)


class Arcsinh:
    def forward(self, x):
        return np.log(x + np.sqrt(x * x + 1))


class Arctanh:
    def forward(self, x):
        return 0.5 * np.log((1 + x) / (1 - x))


class Logit:
    def forward(self, x):
        return np.log(x / (1 - x))


class LogOnePlus:
    def forward(self, x):
        return np.log1p(x)


class ExpMinusOne:
    def forward(self, x):
        return np.expm1(x)


class Entropy:
    def forward(self, x):
        return -x * np.log(x)


class Erf:
    def forward(self, x):
        return erf(x)


class Scaled:
    def __init__(self, a=2.5, c=-1.0):
        self.a = a
        self.c = c

    def forward(self, x):
        return self.a * x + self.c


class Lorentz:
    def forward(self, x):
        return 1 / (1 + x**2)


class MobiusMap:
    def forward(self, x):
        return (x - 1) / (x + 1)


class TwoToThe:
    def forward(self, x):
        return 2**x


X, P, B = spread("N D"), positive("N D"), between("N D")

ROWS = (
    row(Exp, X, torch="torch.exp(x)", same="1 + np.expm1(x)", shortest="y", by_output=True),
    row(Log, P, torch="torch.log(x)", same="np.log1p(x - 1)", shortest="1 / x", by_output=True),  # x = exp(y)
    row(Sqrt, P, torch="torch.sqrt(x)", same="x**0.5", shortest="1 / (2 * y)", by_output=True),
    row(ReciprocalRoot, P, torch="torch.rsqrt(x)", same="x**-0.5", shortest="-0.5 * y**3", by_output=True),
    row(Reciprocal, X, torch="torch.reciprocal(x)", same="x**-1", shortest="-(y**2)", by_output=True),
    row(Square, normal("N D"), torch="torch.square(x)", same="x * x", shortest="2 * x", by_output=False),  # even
    # x = ∛y.
    row(Cube, X, torch="x ** 3", same="x * x * x", shortest="3 * x**2", by_output=True),
    row(CubeByProducts, X, torch="x ** 3", same="x**3", shortest="3 * x**2", by_output=True),
    row(CubeRoot, P, torch="x ** (1 / 3)", same="x ** (1 / 3)", shortest="1 / (3 * y**2)", by_output=True),
    # On positive x, x = y^(1/p).
    row(PowerOf, P, init={"p": 1.7}, torch="x ** p", same="np.exp(p * np.log(x))", shortest="p * y / x",
        by_output=True),
    row(Polynomial, X, torch="((2 * x - 3) * x + 1) * x - 4", same="np.polyval([2, -3, 1, -4], x)",
        shortest="6 * x**2 - 6 * x + 1", by_output=False),
    row(Sine, X, torch="torch.sin(x)", same="np.cos(x - np.pi / 2)", shortest="np.cos(x)", by_output=False),
    row(Tangent, B, torch="torch.tan(x)", same="np.sin(x) / np.cos(x)", shortest="1 + y**2", by_output=True),
    row(Sinc, X, torch="torch.sinc(x / torch.pi)", same="np.sinc(x / np.pi)", shortest="(np.cos(x) - y) / x",
        by_output=False),
    # x = tan(y): cos(y)² is shorter, but tables of derivatives have this form, and so for the next inverses.
    row(Arctan, X, torch="torch.arctan(x)", same="np.arctan2(x, 1)", shortest="1 / (1 + x**2)", by_output=True),
    # √(1 − x²) is cos(y), as y lies between −π/2 and π/2.
    row(Arcsine, B, torch="torch.arcsin(x)", same="np.arctan(x / np.sqrt(1 - x * x))",
        shortest="1 / np.sqrt(1 - x**2)", by_output=True),
    # cosh² = 1 + sinh².
    row(Sinh, X, torch="torch.sinh(x)", same="np.sinh(x)", shortest="np.cosh(x)", by_output=True),
    row(Cosh, X, torch="torch.cosh(x)", same="(np.exp(x) + np.exp(-x)) / 2", shortest="np.sinh(x)",
        by_output=False),  # even
    # x = sinh(y).
    row(Arcsinh, X, torch="torch.arcsinh(x)", same="np.arcsinh(x)", shortest="1 / np.sqrt(x**2 + 1)",
        by_output=True),
    # x = tanh(y).
    row(Arctanh, B, torch="torch.arctanh(x)", same="np.arctanh(x)", shortest="1 / (1 - x**2)", by_output=True),
    # x is the sigmoid of y: 1 / (x(1 − x)) = 2 + exp(y) + exp(−y).
    row(Logit, B, torch="torch.logit(x)", same="scipy.special.logit(x)", shortest="1 / (x * (1 - x))",
        by_output=True),
    row(LogOnePlus, P, torch="torch.log1p(x)", same="np.log(1 + x)", shortest="np.exp(-y)", by_output=True),
    row(ExpMinusOne, X, torch="torch.expm1(x)", same="np.exp(x) - 1", shortest="y + 1", by_output=True),
    # It rises and falls.
    row(Entropy, P, torch="torch.special.entr(x)", same="scipy.special.entr(x)", shortest="-1 - np.log(x)",
        by_output=False),
    # It rises, and its inverse is a function that has a name, but is no elementary one.
    row(Erf, X, torch="torch.erf(x)", same="2 * scipy.special.ndtr(np.sqrt(2) * x) - 1",
        shortest="2 / np.sqrt(np.pi) * np.exp(-(x**2))", by_output=False),
    row(Scaled, X, init={"a": 2.5, "c": -1.0}, torch="a * x + c", same="a * (x + c / a)", shortest="a",
        by_output=True),
    row(Lorentz, X, torch="1 / (1 + x * x)", same="np.cos(np.arctan(x)) ** 2", shortest="-2 * x * y**2",
        by_output=False),  # even
    # 1 − y = 2 / (x + 1).
    row(MobiusMap, P, torch="(x - 1) / (x + 1)", same="1 - 2 / (x + 1)", shortest="2 / (x + 1) ** 2",
        by_output=True),
    row(TwoToThe, X, torch="2 ** x", same="np.exp2(x)", shortest="y * np.log(2)", by_output=True),
)  # fmt: skip
