"""The value of a formula, twice: of a term as data, and of a line of Unicode as a reader takes it."""

import math
import re

import numpy as np

from dout.explain.terms import terms as t

INDEX = range(3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    **{name: getattr(np, name) for name in ("exp", "log", "log2", "log10", "sqrt", "cbrt", "sin", "cos", "tan", "sinh",
       "cosh", "tanh", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "floor", "ceil", "trunc", "sign",
       "abs", "clip", "fmod", "isnan", "isinf", "isfinite", "bitwise_and", "bitwise_or", "bitwise_xor", "invert")},
    "sigmoid": sigmoid,
    "σ": sigmoid,
    "softplus": lambda x: np.logaddexp(0, x),
    "arctan2": np.arctan2,
    "atan2": np.arctan2,
    "max": np.maximum,
    "min": np.minimum,
    "mod": np.mod,
    "round": lambda x, places=0: np.round(x, int(places)),
    "not": lambda x: not x,
    "erf": math.erf,
    "erfc": math.erfc,
    "true": lambda: True,
    "log₂": np.log2,
    "log₁₀": np.log10,
}  # fmt: skip
RELATIONS = {
    "<": np.less, "≤": np.less_equal, ">": np.greater, "≥": np.greater_equal, "=": np.equal, "≠": np.not_equal,
    "∧": np.logical_and, "∨": np.logical_or, "⊻": np.logical_xor,
}  # fmt: skip
CONNECTIVES = "∧∨⊻"


def element(point, name, indices):
    """A number for each name, and another for each of its elements."""
    if name in point and not indices:
        return point[name]
    return np.float64(point[name] + sum((k + 1) * 0.37 * i for k, i in enumerate(indices)))


def chosen(pieces, otherwise):
    return next((value() for value, condition in pieces if condition()), None) if any(
        condition() for _, condition in pieces
    ) else otherwise()  # fmt: skip


def folded(sign, values):
    values = list(values)
    made = values[0]
    for value in values[1:]:
        made = {"Σ": np.add, "Π": np.multiply, "max": np.maximum}[sign](made, value)
    return made


def raised(base, exponent):
    return np.float_power(base, exponent)


def multiplied(values):
    made = np.float64(1)
    for value in values:
        made = made * value
    return made


def value_of(term, point):
    """The value of a term where `point` says that of each name."""
    of = lambda one: value_of(one, point)  # noqa: E731 - one letter shorter thirty times
    match term:
        case t.Number(value):
            return np.float64(value)
        case t.Symbol("π" | "e" as name) if name not in point:
            return np.float64({"π": math.pi, "e": math.e}[name])
        case t.Symbol("true" | "false" as name) if name not in point:
            return name == "true"
        case t.Symbol(name, indices):
            return element(point, name, [of(i) for i in indices])
        case t.Partial(name):
            return point[f"∂L/∂{name}"]
        case t.Sum(inside):
            return sum((of(one) for one in inside[1:]), of(inside[0]))
        case t.Product(factors, over, negative):
            made = multiplied(map(of, factors))
            made = made / multiplied(map(of, over)) if over else made
            return -made if negative else made
        case t.Power(base, exponent):
            return raised(of(base), of(exponent))
        case t.FunctionCall(name, arguments):
            return FUNCTIONS[name](*map(of, arguments))
        case t.Compare(left, symbol, right):
            return bool(RELATIONS[symbol](of(left), of(right)))
        case t.Cases(pieces, otherwise):
            return next((of(one) for one, condition in pieces if of(condition)), None) if any(
                of(condition) for _, condition in pieces
            ) else of(otherwise)  # fmt: skip
        case t.SumOver((index, *rest), inside, symbol):
            body = t.SumOver(tuple(rest), inside, symbol) if rest else inside
            return folded(symbol, (value_of(body, {**point, index: np.float64(i)}) for i in INDEX))
        case t.MatrixProduct(left, right):
            return of(left) * of(right)  # matrices with one element
        case t.Transposed(matrix):
            return of(matrix)
    raise TypeError(term)


# --- a line of Unicode ------------------------------------------------------------------------------------------------

LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789aehijklmnoprstuvx", strict=True))
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))
LOW = "".join(LOWERED)
TOKEN = re.compile(
    rf"\s*(∂L/∂[a-z]+|\d+/\d+|\d+(?:\.\d+)?|(?:Σ|Π|max)(?:[{LOW}]|_\w)(?!\()|log₂|log₁₀|[A-Za-zσπ][A-Za-z0-9_]*|[{''.join(RAISED)}]+|.)"
)


class Reader:
    """Reads a formula as a person does; each method gives a function of the point."""

    def __init__(self, line):
        self.tokens = TOKEN.findall(line)
        self.at = 0

    @property
    def next(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected):
        token = self.next
        assert not expected or token in expected, f"{token!r} at {self.at} of {self.tokens}, not {expected}"
        self.at += 1
        return token

    def whole(self):
        made = self.cases()
        assert self.next == "", f"{self.tokens[self.at :]} is left"
        return made

    def cases(self):
        first = self.logic()
        if self.next != "where":
            return first
        pieces, value = [], first
        while True:
            self.take("where")
            pieces.append((value, self.logic()))
            self.take(",")
            if self.next == "else":
                self.take()
                other = self.logic()
                return lambda p: next((v(p) for v, c in pieces if c(p)), None) if any(
                    c(p) for _, c in pieces) else other(p)  # fmt: skip
            value = self.logic()

    def logic(self):
        made, sign = self.comparison(), self.next
        while self.next and self.next in CONNECTIVES:
            self.take(sign)  # one connective: a mixture needs brackets
            made = self.related(made, sign, self.comparison())
        return made

    def comparison(self):
        made = self.sum()
        if not self.next or self.next not in RELATIONS or self.next in CONNECTIVES:
            return made
        sign, right = self.take(), self.sum()
        first = self.related(made, sign, right)
        if sign in ("<", "≤") and self.next in ("<", "≤"):  # 0 < x < 1
            second = self.related(right, self.take(), self.sum())
            return lambda p: first(p) and second(p)
        return first

    @staticmethod
    def related(left, sign, right):
        return lambda p: bool(RELATIONS[sign](left(p), right(p)))

    def sum(self):
        if self.next == "−":
            self.take()
            first = self.term()
            made = lambda p: -first(p)  # noqa: E731
        else:
            made = self.term()
        while self.next in ("+", "−"):
            sign, before, after = self.take(), made, self.term()
            made = (lambda p, a=before, b=after: a(p) + b(p)) if sign == "+" else (
                lambda p, a=before, b=after: a(p) - b(p))  # fmt: skip
        return made

    def term(self):
        added = re.fullmatch(rf"(Σ|Π|max)([{LOW}]|_\w)", self.next)
        if added:
            self.take()
            sign, index = added[1], LOWERED.get(added[2], added[2][-1])
            body = self.term()
            return lambda p: folded(sign, (body({**p, index: np.float64(i)}) for i in INDEX))
        factors = [self.power()]
        if self.next == "mod":
            self.take()
            left, right = factors[0], self.power()
            return lambda p: np.mod(left(p), right(p))
        while self.next in ("·", "@"):  # numbers stand for matrices
            self.take()
            factors.append(self.power())
        if self.next != "/":
            return lambda p: multiplied(f(p) for f in factors)
        self.take()
        assert not re.match(r"∂L|\d+/", self.next), "a fraction below a bar"
        below = self.power()
        return lambda p: multiplied(f(p) for f in factors) / below(p)

    def power(self):
        if self.next in ("√", "∛", "¬"):
            function = FUNCTIONS[{"√": "sqrt", "∛": "cbrt", "¬": "not"}[self.take()]]
            inside = self.atom()
            return lambda p: function(inside(p))
        if re.fullmatch(r"\d+/\d+", self.next):
            above, below = map(int, self.take().split("/"))
            return lambda p: np.float64(above / below)
        if self.next.startswith("∂L/∂"):
            name = self.take()
            return lambda p: p[name]
        ten = self.next == "10"
        base = self.atom()
        if self.next == "ᵀ":
            self.take()
        elif self.next == "^":
            self.take()
            exponent = self.atom()
            return lambda p: raised(base(p), exponent(p))
        elif self.next and self.next[0] in RAISED:
            digits = "".join(RAISED[c] for c in self.take())
            return (lambda p: np.float64(f"1e{digits}")) if ten else lambda p: raised(base(p), np.float64(digits))
        return base

    def atom(self):
        token = self.take()
        for start, end, function in (("(", ")", float), ("|", "|", np.abs), ("⌊", "⌋", np.floor), ("⌈", "⌉", np.ceil)):
            if token == start:
                inside = self.cases()
                self.take(end)
                return inside if token == "(" else lambda p, f=function, i=inside: f(i(p))
        if token[0].isdigit():
            return lambda p: np.float64(token)
        if self.next == "(":
            arguments = self.listed("(", ")")
            return lambda p: FUNCTIONS[token](*(a(p) for a in arguments))
        indices = self.listed("[", "]") if self.next == "[" else []
        return lambda p: element(p, token, [i(p) for i in indices])

    def listed(self, start, end):
        self.take(start)
        found = [self.cases()]
        while self.next == ",":
            self.take()
            found.append(self.cases())
        self.take(end)
        return found


def value_of_text(line, point):
    """The value of a line of Unicode where `point` says that of each name."""
    return Reader(line).whole()(point)
