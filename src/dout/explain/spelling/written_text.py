"""Python text with its precedence, so that parentheses stand only where they are needed, and long lines are wrapped."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

WIDTH = 100

LOOSEST, COMPARED, OR, XOR, AND, SHIFTED, ADDED, MULTIPLIED, SIGNED, POWER, ATOM = range(11)


@dataclass(frozen=True, slots=True)
class WrittenText:
    """An expression; `binds` is how tightly its outermost operator does."""

    text: str
    binds: int = ATOM

    def within(self, binds: int) -> str:
        """The text as an operand of an operator that binds so tightly."""
        return self.text if self.binds >= binds else f"({self.text})"

    def __str__(self) -> str:
        return self.text


def numeral(value: object) -> str:
    """A number as people write it: `1e-5`, where Python writes `1e-05`."""
    return re.sub(r"(e[-+])0", r"\1", repr(value))


def infix(left: WrittenText, symbol: str, right: WrittenText, binds: int, *, associative: bool = False) -> WrittenText:
    """Two operands with an operator between them; `associative` ones need no parentheses on the right."""
    tight = binds if associative and binds == right.binds else binds + 1
    if binds == COMPARED:  # a < b < c is something else
        return WrittenText(f"{left.within(COMPARED + 1)} {symbol} {right.within(COMPARED + 1)}", binds)
    return WrittenText(f"{left.within(binds)} {symbol} {right.within(tight)}", binds)


def negated(operand: WrittenText) -> WrittenText:
    """A minus in front, or one less."""
    if operand.text.startswith("-") and operand.binds in (SIGNED, MULTIPLIED):
        return WrittenText(operand.text[1:], ATOM if operand.binds == SIGNED else MULTIPLIED)
    return WrittenText(f"-{operand.within(SIGNED)}", SIGNED)


def multiplied(factors: Sequence[WrittenText]) -> WrittenText:
    """The product of factors, from the left."""
    made = factors[0]
    for factor in factors[1:]:
        made = infix(made, "*", factor, MULTIPLIED)
    return made


def powered(base: WrittenText, exponent: WrittenText) -> WrittenText:
    """A power: `x**2`."""
    return WrittenText(f"{base.within(ATOM)}**{exponent.within(SIGNED)}", POWER)


def called(function: str, *arguments: str) -> WrittenText:
    """A call."""
    return WrittenText(f"{function}({', '.join(arguments)})")


def method(owner: WrittenText, name: str, *arguments: str) -> WrittenText:
    """A call of a method."""
    return WrittenText(f"{owner.within(ATOM)}.{name}({', '.join(arguments)})")


def tupled(parts: list[str]) -> str:
    """A tuple."""
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def one_or_tuple(parts: list[str]) -> str:
    """Several as a tuple; one alone as it is."""
    return parts[0] if len(parts) == 1 else tupled(parts)


def wrapped(line: str, indent: str) -> Iterator[str]:
    """A statement as lines of at most WIDTH characters, broken at commas, else at operators, of its outer brackets."""
    if len(indent) + len(line) <= WIDTH:
        yield indent + line
        return
    if line.startswith("#"):
        yield from textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}# ")
        return
    at = _value_start(line)
    start, body = line[:at], line[at:]
    places = list(_outer_operators(body))
    if not places:
        yield from _broken_call(line, indent)
        return
    yield f"{indent}{start}("
    low = 0
    for at in [*places, len(body)]:
        yield f"{indent}    {body[low:at].strip()}"
        low = at
    yield f"{indent})"


def _value_start(line: str) -> int:
    """Where the value of a statement starts that assigns, adds to something or returns; 0 in other lines."""
    try:
        statement = ast.parse(line).body[0]
    except SyntaxError:  # the head of a loop
        return 0
    value = statement.value if isinstance(statement, ast.Assign | ast.AugAssign | ast.Return) else None
    return len(line.encode()[: value.col_offset].decode()) if value else 0


def _outer_operators(body: str) -> Iterator[int]:
    """The places of the outermost sums in an expression, or of its products where it has none."""
    for symbols in ((" + ", " - "), (" * ", " / ", " @ ")):
        depth, found = 0, []
        for i, letter in enumerate(body):
            depth += (letter in "([{") - (letter in ")]}")
            if depth == 0 and body[i : i + 3] in symbols:
                found.append(i)
        if found:
            yield from found
            return


def _broken_call(line: str, indent: str) -> Iterator[str]:
    """A call with its arguments on a line of their own."""
    if not line.endswith(")") or line.endswith("()"):
        yield indent + line
        return
    depth = 0
    for i in range(len(line) - 1, -1, -1):
        depth += (line[i] in ")]}") - (line[i] in "([{")
        if depth == 0:
            break
    inner, arguments = f"{indent}    ", line[i + 1 : -1]
    parts = _parts(arguments) if len(inner) + len(arguments) > WIDTH else []
    yield f"{indent}{line[: i + 1]}"
    yield from (f"{inner}{part}," for part in parts) if parts else [inner + arguments]
    yield f"{indent})"


def _parts(arguments: str) -> list[str]:
    """The arguments of a call, or the items of a tuple, each as text."""
    text = f"f({arguments})"
    call = ast.parse(text, mode="eval").body
    found = [*call.args, *call.keywords] if isinstance(call, ast.Call) else []
    return [ast.get_source_segment(text, one) or "" for one in found]


def indented(lines: Iterable[str], unit: str = "    ") -> list[str]:
    """Lines one level further in; empty ones stay empty."""
    return [f"{unit}{line}" if line else "" for line in lines]
