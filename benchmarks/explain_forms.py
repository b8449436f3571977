"""The last form in which `dout.explain` gives the derivative of each activation, beside the shortest one known.

    python -m benchmarks.explain_forms                      every activation of the tests' corpus
    python -m benchmarks.explain_forms --only bends Mish    families or classes
    python -m benchmarks.explain_forms --forty              the elementwise activations of torch.nn, and 17 functions

The shortest form known, and whether the output alone determines the derivative, were found by hand; they stand in
`tests/support/forwards/`, with their reasons, and the tests compare them with numerical slopes. Here, for each:

- equal: the last form of ∂L/∂x, evaluated at random points in float64 with ∂L/∂y = 1, is the shortest form's number.
- symbols: how many numbers, names, functions and operators the last form has, and the shortest. ∂L/∂y and its × do not
  count; an intermediate value of forward counts as what it is computed from, or as one where x is not in it; a function
  that the explanation defines, as σ(x), counts as one. A number is one symbol in any spelling, and so are the numbers
  of one product: 1 / 2 as 0.5, 2 · x / √π as 1.1283791670955126 · x. A case counts as one operator.
- keeps: the first of the explanation's choices of what to keep; agrees: one of them is the output alone, or nothing,
  just where the output determines the derivative.
- s: seconds of the processor that the explanation took.

Goals: all equal, none longer, all agree, each within 2 s. The exit status is 0, whatever comes out.
"""

from __future__ import annotations

import argparse
import ast
import operator
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # when run as a file

import numpy as np
import scipy.special
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

import dout
from benchmarks.derive.rows import SMALL, ForwardRow, wanted_rows
from dout.explain.model.explanation import Explanation
from dout.explain.terms.terms import (
    Cases,
    Compare,
    FunctionCall,
    Number,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    Term,
    parts,
)
from dout.explain.terms.text_printer import text

MANY = {**SMALL, "N": 50}
PI, DOUT = Symbol("π"), Symbol("dout")
SECONDS = 2.0  # that an explanation may take
# The 23 of torch.nn that act on each element, in its order; GELU once more, and what they are made of.
FORTY = """
    Elu Hardshrink Hardsigmoid Hardtanh Hardswish LeakyRelu LogSigmoid PRelu Relu Relu6 RReluInference Selu Celu
    GeluByErf Sigmoid Silu Mish Softplus Softshrink Softsign Tanh Tanhshrink Threshold
    GeluByTanh Absolute Square Cube Exp ExpMinusOne Log LogOnePlus Sqrt ReciprocalRoot Reciprocal Sine Arctan Sinh Cosh
    Erf Swish
"""
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "max": np.maximum,
    "min": np.minimum,
    "erf": scipy.special.erf,
    "log": np.log,
    "sigmoid": scipy.special.expit,
    "softplus": lambda x: -scipy.special.log_expit(-x),
}
COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "≤": operator.le,
    ">": operator.gt,
    "≥": operator.ge,
    "=": operator.eq,
    "≠": operator.ne,
    "∧": np.logical_and,
    "∨": np.logical_or,
}


# --- a term as a number -----------------------------------------------------------------------------------------------


class Reading:
    """The terms of one explanation, as numbers: names are values of forward, and ∂L/∂y is 1."""

    def __init__(self, explanation: Explanation, known: Mapping[str, Any]) -> None:
        given = {q.name.removeprefix("self."): q.value for q in explanation.forward if q.term is None}
        self.values = {"π": np.pi, "dout": 1.0} | given | dict(known)
        self.terms = {q.name: q.term for q in explanation.forward if q.term is not None}
        self.functions = {call.function: (call, term) for call, term in explanation.definitions}

    def value(self, term: Term) -> Any:
        """The number of a term; raises KeyError for what has no meaning here."""
        return READERS[type(term)](self, term)

    def named(self, name: str) -> Any:
        """The value of a name; that of an intermediate one is computed."""
        plain = name.removeprefix("self.")
        if plain not in self.values:
            self.values[plain] = self.value(self.terms[name])
        return self.values[plain]

    def called(self, call: FunctionCall) -> Any:
        """The value of a function, one of NumPy's or one that the explanation defines."""
        arguments = [self.value(argument) for argument in call.arguments]
        if call.function not in self.functions:
            return (FUNCTIONS.get(call.function) or getattr(np, call.function))(*arguments)
        pattern, term = self.functions[call.function]
        inner = Reading.__new__(Reading)
        names = [argument.name for argument in pattern.arguments]
        inner.values = self.values | dict(zip(names, arguments, strict=True))
        inner.terms, inner.functions = self.terms, self.functions
        return inner.value(term)


def _cases(reading: Reading, term: Cases) -> Any:
    conditions = [reading.value(when) for _, when in term.pieces]
    shape = np.broadcast_shapes(*map(np.shape, conditions))
    pieces = [reading.value(piece) for piece, _ in term.pieces]
    conditions = [np.broadcast_to(when, shape) for when in conditions]
    return np.select(conditions, [np.broadcast_to(p, shape) for p in pieces], reading.value(term.otherwise))


def _product(reading: Reading, term: Product) -> Any:
    above = reduce(operator.mul, map(reading.value, term.factors), 1.0)
    return (-above if term.negative else above) / reduce(operator.mul, map(reading.value, term.over), 1.0)


def _compared(reading: Reading, term: Compare) -> Any:
    left, compare = term.left, COMPARED[term.symbol]
    if isinstance(left, Compare) and term.symbol in "<≤>≥":  # a chain: 0 < x < 1
        return reading.value(left) & compare(reading.value(left.right), reading.value(term.right))
    return compare(reading.value(left), reading.value(term.right))


READERS: dict[type[Term], Callable[[Reading, Any], Any]] = {
    Number: lambda reading, term: float(term.value),
    Symbol: lambda reading, term: reading.named(term.name),
    Partial: lambda reading, term: 1.0,
    Sum: lambda reading, term: sum(map(reading.value, term.terms)),
    Product: _product,
    Power: lambda reading, term: np.power(reading.value(term.base), reading.value(term.exponent)),
    FunctionCall: lambda reading, term: reading.called(term),
    Compare: _compared,
    Cases: _cases,
}


# --- how long a formula is --------------------------------------------------------------------------------------------


def symbols(term: Term, terms: Mapping[str, Term | None], ends: frozenset[str]) -> int:
    """How many symbols a term has; names that are not among `ends` count as what they are computed from."""

    def inside(*parts: Term) -> int:
        return sum(symbols(part, terms, ends) for part in parts)

    match term:
        case _ if _is_number(term):
            return 1 + (isinstance(term, Product) and term.negative)
        case Symbol(name=name):
            meaning = None if name in ends else terms.get(name)
            return 1 if meaning is None else inside(meaning)
        case Sum(terms=added):
            minus = sum(isinstance(part, Product) and part.negative for part in added[1:])
            return inside(*added) + len(added) - 1 - minus
        case Product(factors=factors, over=over, negative=negative):
            above = [f for f in factors if not isinstance(f, Partial) and f != DOUT] or [Number(1)]
            names = [f for f in (*above, *over) if not _is_number(f)]
            numbers = 2 * (len(names) < len(above) + len(over))
            return negative + inside(*names) + numbers + len(names) - 1
        case Power(base=base, exponent=exponent):
            return inside(base, exponent) + 1
        case FunctionCall(arguments=arguments):
            return inside(*arguments) + 1
        case Compare(left=left, right=right):
            return inside(left, right) + 1
        case Cases(pieces=pieces, otherwise=otherwise):
            return inside(otherwise, *(part for piece in pieces for part in piece)) + len(pieces)
        case _:
            return 1


def _is_number(term: Term) -> bool:
    return all(isinstance(part, Number) or part == PI for part in _within(term) if not parts(part))


def _depends(name: str, terms: Mapping[str, Term | None]) -> bool:
    """Whether a value depends on x."""
    waiting, seen = [name], set()
    while waiting:
        one = waiting.pop()
        if one == "x":
            return True
        meaning = None if one in seen else terms.get(one)
        seen.add(one)
        waiting += [] if meaning is None else [part.name for part in _within(meaning) if isinstance(part, Symbol)]
    return False


def _within(term: Term) -> list[Term]:
    found = [term]
    for part in found:
        found += parts(part)
    return found


def symbols_in(source: str) -> int:
    """How many symbols an expression in Python has, counted in the same way."""

    def is_number(node: ast.AST) -> bool:
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        return names <= {"np"} and not isinstance(node, ast.UnaryOp | ast.Compare)

    def factors(node: ast.AST) -> list[ast.AST]:
        match node:
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=right):
                return [*factors(left), *factors(right)]
        return [node]

    def count(node: ast.AST) -> int:
        match node:
            case _ if is_number(node):
                return 1
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                every = factors(node)
                names = [factor for factor in every if not is_number(factor)]
                return sum(map(count, names)) + 2 * (len(names) < len(every)) + len(names) - 1
            case ast.BinOp(left=left, right=right):
                return count(left) + count(right) + 1
            case ast.UnaryOp(operand=operand):
                return count(operand) + 1
            case ast.Compare(left=left, comparators=[right]):
                return count(left) + count(right) + 1
            case ast.Call(args=args):
                return sum(map(count, args)) + 1
            case ast.Name() | ast.Constant() | ast.Attribute():
                return 1
        raise TypeError(ast.dump(node))

    return count(ast.parse(source, mode="eval").body)


# --- one activation ---------------------------------------------------------------------------------------------------


@dataclass
class Form:
    """What was found of one activation."""

    row: ForwardRow
    seconds: float = 0.0
    text: str = ""
    equal: bool | None = None
    symbols: int | None = None
    kept: str = ""
    agrees: bool | None = None
    why: str = ""


def form(row: ForwardRow) -> Form:
    """Explain one activation, and compare."""
    found = Form(row)
    example = row.example(SMALL, np.random.default_rng(1))
    start = process_time()
    try:
        explanation = dout.explain(row.layer, *example.arguments, init=dict(example.init))
    except Exception as error:  # whatever it is, it is a row of the table
        found.seconds, found.why = process_time() - start, f"{type(error).__name__}: {error}"
        return found
    found.seconds = process_time() - start
    _compare_keeping(found, explanation)
    try:
        _compare_form(found, explanation)
    except Exception as error:
        found.why = f"{type(error).__name__}: {error}"
    return found


def _compare_keeping(found: Form, explanation: Explanation) -> None:
    if explanation.keeping:
        enough = {q.name for q in explanation.forward if q.parameter}.union(explanation.outputs)
        found.kept = ", ".join(explanation.keeping[0].names)
        found.agrees = any(enough.issuperset(k.names) for k in explanation.keeping) == found.row.by_output


def _compare_form(found: Form, explanation: Explanation) -> None:
    row = found.row
    last = next(simplified.forms[-1][0] for simplified in explanation.simplified if simplified.of == "x")
    found.text = text(last)
    terms = {q.name: q.term for q in explanation.forward}
    fixed = {q.name for q in explanation.forward if not _depends(q.name, terms)}
    found.symbols = symbols(last, terms, frozenset({"x", *explanation.outputs, *fixed}))
    example = row.example(MANY, np.random.default_rng(2))
    x = example.inputs["x"]
    y = example.made(row.layer).forward(x)
    names = {**vars(row.layer), **example.init, "x": x, "y": y}
    shortest = eval(row.shortest or "", {"np": np, "scipy": scipy, **names})
    got = Reading(explanation, {**names, **dict.fromkeys(explanation.outputs, y)}).value(last)
    found.equal = bool(np.allclose(np.broadcast_to(got, x.shape), shortest, rtol=1e-9, atol=1e-12))


def _mark(value: bool | None) -> Text:
    return Text("?", style="dim") if value is None else Text("✓", style="green") if value else Text("✗", style="red")


def _rendered(family: str, forms: list[Form]) -> Table:
    table = Table(title=family, title_justify="left", title_style="bold")
    for column in ("layer", "last form", "shortest known", "equal", "symbols", "keeps", "agrees", "s"):
        table.add_column(column, overflow="fold")
    for one in forms:
        least = symbols_in(one.row.shortest or "")
        longer = one.symbols is not None and one.symbols > least
        count = Text(f"{one.symbols} / {least}", style="red" if longer else "green")
        shown = Text(one.text).append(f" {one.why}" if one.why else "", "red")
        table.add_row(
            one.row.name, shown, one.row.shortest, _mark(one.equal), count, one.kept, _mark(one.agrees),
            f"{one.seconds:.2f}",
        )  # fmt: skip
    return table


def main() -> None:
    """Print a row for each activation, and the counts."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.explain_forms", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="families or classes")
    parser.add_argument("--forty", action="store_true", help="activations of torch.nn, and what they are made of")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = [row for row in wanted_rows(FORTY.split() if options.forty else options.only) if row.shortest]
    console = Console(width=None if sys.stdout.isatty() else 160)
    forms: list[Form] = []
    for family, group in groupby(rows, key=lambda row: row.family):
        done = [form(row) for row in track(list(group), family, console=Console(stderr=True), transient=True)]
        console.print(_rendered(family, done))
        forms += done
    short = [one.symbols is not None and one.symbols <= symbols_in(one.row.shortest or "") for one in forms]
    for what, hits in (
        ("equal to the shortest form known", [bool(one.equal) for one in forms]),
        ("and no longer", [fits and bool(one.equal) for fits, one in zip(short, forms, strict=True)]),
        ("right whether the output alone is enough", [bool(one.agrees) for one in forms]),
        (f"explained within {SECONDS:g} s of the processor", [one.seconds <= SECONDS for one in forms]),
    ):
        console.print(f"{sum(hits)} of {len(hits)} {what}")
    seconds = [one.seconds for one in forms] or [0.0]
    console.print(f"seconds of the processor: median {median(seconds):.2f}, most {max(seconds):.2f}")


if __name__ == "__main__":
    main()
