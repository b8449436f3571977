"""The page counts and writes numbers as Python does."""

from __future__ import annotations

import itertools
import math
import random
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import page_programs
import pytest
from recorded_scripts import record_script

from dout.draw.page.number_steps import LEFT_OUT as OF_BITS
from dout.draw.page.number_steps import encoded
from dout.draw.page.page_data import page_data
from dout.draw.page.page_program import PageProgram
from dout.draw.words.equations import EquationLine, Operand, gives, near
from dout.graph import dtype_name
from dout.number_text import format_number
from dout.ops import PRIMITIVES
from dout.ops.registry import kind_of

EXAMPLES = Path(__file__).parents[2] / "examples"

NUMBERS = ("numbers", "arrays", "rules", "equations", "recompute")
ENCODE = "const encode = (v) => typeof v === 'number' ? 'f' + reprOf(v) : typeof v === 'bigint' ? 'i' + v : reprOf(v);"


def kinded(data: Any) -> str | None:
    """A number as text that says its kind, as ENCODE does it; None for anything but a single real number."""
    if isinstance(data, np.ndarray | np.generic):
        data = data.item() if data.ndim == 0 else None
    if isinstance(data, bool):
        return str(data)
    return f"i{data}" if isinstance(data, int) else f"f{data!r}" if isinstance(data, float) else None


EDGES = [
    *(0, -0.0, 1e-300, 1e16, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf, True, False),
    *(0.5, 2.5, 1.5, 12345, 12345.5, 1234.5, 1233.5, 999950.0, 999949.9999, 999999.5, 1e6, 9.9995, 9.9996, 0.00012345),
    *(10**12 - 1, 10**12, -(10**12), 10**40, 123456789012345, 10**15 + 5 * 10**11, 0.1 + 0.2, 715.0000000000001),
    *(99995, 99995.0, 0.000099995, 0.99995, 1e21, 1e22, 123456789.5, -0.00001, 1e-5, 1e-4, 9007199254740993),
]


def numbers() -> list[Any]:
    rng = random.Random(0)
    found: list[Any] = list(EDGES)
    found += [struct.unpack("d", rng.randbytes(8))[0] for _ in range(2000)]  # every size, every digit
    found += [rng.uniform(-1e4, 1e4) for _ in range(500)] + [round(rng.uniform(-99, 99), 2) for _ in range(500)]
    found += [rng.randint(-(10**5), 10**5) / 2**n for n in range(8) for _ in range(100)]  # ties
    return found + [rng.randint(-(10**18), 10**18) for _ in range(300)]


@pytest.mark.parametrize("digits", [1, 3, 4, 8])
def test_numbers_are_written_as_in_python(digits: int) -> None:
    given = numbers()
    body = "return given.numbers.map((n) => formatNumber(decoded(n), given.digits));"
    written = page_programs.run(NUMBERS, body, {"numbers": [encoded(n) for n in given], "digits": digits})
    wrong = [(n, text) for n, text in zip(given, written, strict=True) if text != format_number(n, digits)]
    assert wrong == []


def test_every_digit_is_written_as_in_python() -> None:
    given = numbers()
    written = page_programs.run(NUMBERS, "return given.map((n) => reprOf(decoded(n)));", [encoded(n) for n in given])
    assert [(n, text) for n, text in zip(given, written, strict=True) if text != repr(n)] == []


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("text", "dtype", "number"),
    [
        ("2", "int", "i2"), ("2.5", "int", "f2.5"), ("2", "float", "f2.0"), (" −3 ", "int", "i-3"),
        ("2.5", "int64", None), ("7", "int64", "i7"), (".5", "float64", "f0.5"), ("inf", "float", "finf"),
        ("+1e3", "float", "f1000.0"), ("", "float", None),
        ("2 + 2", "float", None), ("0x10", "int", None), ("1_000", "int", None), ("alert(1)", "float", None),
        ("constructor", "float", None), ("nan", "float", "fnan"),
    ],
)  # fmt: skip
def test_what_is_typed_is_a_number_as_in_python(text: str, dtype: str, number: str | None) -> None:
    body = f"{ENCODE} const found = typed(given[0], given[1]); return found === null ? null : encode(found);"
    assert page_programs.run(NUMBERS, body, [text, dtype]) == number


# --- the rows of the table --------------------------------------------------------------------------------------------

GIVEN = [
    0,
    1,
    2,
    -3,
    7,
    True,
    False,
    0.5,
    -0.5,
    1.5,
    -2.25,
    3.75,
    -0.0,
    0.0,
    1e300,
    -40.0,
    math.inf,
    -math.inf,
    math.nan,
]
THREE = [1, -2, True, 0.5, -1.5, math.nan]

# Rows that the page leaves out, and why.
LEFT_OUT = {
    "their result has another shape for other numbers, or is an order": "nonzero places argsort",
    "equations": "inv solve det",
    "of whole numbers that are patterns of bits": "left_shift right_shift",
    "with decimals to round to": "around",
    "they follow from no input": "zeros ones empty",
}
# Rows that only move numbers or change their kind, and rows that other rows are made of.
TURNED = """copy asarray item broadcast_to reshape full astype float ravel flatten transpose getitem setitem survives
    scatter add_at concatenate repeat tile pad roll tril triu diag diagonal windows fold array matmul dot inner convolve
    einsum mean var std cumsum cumprod special_softmax special_log_softmax special_logsumexp"""
OF_STEPS = "taken written added total"  # for indices that follow from an input, and for sums along other axes
PASSING = "sum prod max min any all argmax argmin"  # they have their own test, with more than a number


def computed(row: str, given: tuple[Any, ...]) -> Any:
    """What Python makes of it; None where it refuses, or gives what is no real number."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = PRIMITIVES[row].apply(given, {})
    except (ArithmeticError, ValueError, TypeError):
        return None
    half = isinstance(found, np.float16)  # what NumPy makes of bools; the page has no such numbers
    return None if half or isinstance(found, complex) or kinded(found) is None else found


def close(mine: str, found: Any) -> bool:
    """Whether the page's number is Python's, within a few units of the last place, and of the same kind."""
    wanted = kinded(found)
    assert wanted is not None
    if mine == wanted or mine[0] != wanted[0] or mine[0] != "f":
        return mine == wanted
    a, b = float(mine[1:]), float(wanted[1:])
    return (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 1e-14 * abs(b) + 1e-310


def test_every_row_is_in_the_page_or_left_out_for_a_reason() -> None:
    there = set(page_programs.run(NUMBERS, "return Object.keys(RULES);", 0)) | set(TURNED.split())
    left = {name for names in LEFT_OUT.values() for name in names.split()}
    assert there - set(OF_STEPS.split()) | left == set(PRIMITIVES)
    assert there & left == set()
    assert set(map(str, OF_BITS)) < left


def test_every_row_computes_what_python_does() -> None:
    rows = set(PRIMITIVES) - {name for names in (*LEFT_OUT.values(), PASSING, TURNED) for name in names.split()}
    cases = [
        (row, given, computed(row, given))
        for row in sorted(rows)
        for count in (1, 2, 3)
        if _takes(row, count)
        for given in itertools.product(THREE if count == 3 else GIVEN, repeat=count)
        if not _refused(row, given)
    ]
    body = f"""{ENCODE}
        return given.map(([row, values, dtype]) => {{
            try {{ return encode(apply(row, values.map(decoded), dtype)); }}
            catch (error) {{ if (error instanceof Refusal) return null; throw error; }}
        }});"""
    given = [
        (row, [encoded(n) for n in args], "float" if found is None else dtype_name(kind_of(found)))
        for row, args, found in cases
    ]
    answers = page_programs.run(NUMBERS, body, given)
    wrong = [
        (row, args, found, mine)
        for (row, args, found), mine in zip(cases, answers, strict=True)
        if found is not None and (mine is None or not close(mine, found))
    ]
    assert wrong == []
    assert len(cases) > 5000


def _refused(row: str, given: tuple[Any, ...]) -> bool:
    """What the page leaves to Python: the reciprocal of a whole 0, which is none, and whole numbers rounded to tens."""
    whole = isinstance(given[0], int)
    return (row == "reciprocal" and whole and not given[0]) or (row == "round" and whole and given[1:] == (-3,))


def _takes(row: str, count: int) -> bool:
    """Whether a row takes so many numbers."""
    try:
        with np.errstate(all="ignore"):
            PRIMITIVES[row].apply([True] * count, {})
    except (ArithmeticError, ValueError):
        return True
    except (TypeError, DeprecationWarning):  # a third argument of np.maximum is where to put the result
        return False
    return True


def test_a_line_is_equal_or_nearly_as_in_python() -> None:
    rng = random.Random(1)
    texts = ["1", "0.1", "650", "1.1", "−3", "0.3333", "1e16", "0", "−0", "∞", "NaN", "2", "0.5", "1e-300", "715"]
    cases = []
    for row in ("add", "subtract", "multiply", "divide", "negative", "square", "exp", "log", "maximum", "greater"):
        for _ in range(150):
            operands = [rng.choice(texts) for _ in range(1 if row in ("negative", "square", "exp", "log") else 2)]
            values = [float(t.replace("−", "-").replace("∞", "inf")) for t in operands]
            found = computed(row, tuple(values))
            result = format_number(found) if found is not None and rng.random() < 0.7 else rng.choice(texts)
            cases.append((row, operands, result))
    mine = page_programs.run(
        NUMBERS, "return given.map(([row, texts, result]) => givesAsShown(row, texts, result));", cases
    )
    wrong = [
        (case, answer)
        for case, answer in zip(cases, mine, strict=True)
        if answer is not gives(PRIMITIVES[case[0]], case[1], case[2])
    ]
    assert wrong == []
    assert near(PRIMITIVES["add"], [1, 2], 3)


@pytest.mark.parametrize("name", ["buy_apple", "buy_fruits", "sigmoid_nodes"])
@pytest.mark.parametrize("backward", [False, True])
def test_each_line_of_a_card_says_the_same_in_both_languages(name: str, backward: bool) -> None:
    trace = record_script(str(EXAMPLES / f"{name}.py"))
    data = page_data(trace.draw(backward=backward))
    lines = [line for cards in data["cards"].values() for card in cards for line in card["lines"]]
    lines = [line for line in lines if not isinstance(line, str)]
    body = """const run = makeRun(given.program);
        return given.lines.map((line) => lineText(line, run, given.program.digits));"""
    written = page_programs.run(NUMBERS, body, {"program": data["program"], "lines": lines})
    assert len(lines) > 5
    assert written == [line["text"] for line in lines]


@pytest.mark.parametrize(("row", "sure"), [(None, False), (PRIMITIVES["multiply"], True), (PRIMITIVES["sum"], False)])
def test_what_no_sign_can_join_leads_to_its_result_in_both_languages(row: Any, sure: bool) -> None:
    trace = record_script(str(EXAMPLES / "buy_apple.py"))
    apple = next(value for value in trace.values if value.name == "apple")
    result, array = Operand(apple.data, apple.node), Operand(np.array([apple.data - 1, 1]))
    line = EquationLine("", result, row, "f({0})", (array,), sure=sure)
    program = PageProgram(trace, 4, [apple.node])
    made, data = program._line(line), program.json()
    body = "return lineText(given.line, makeRun(given.program), 4);"
    assert line.text(4) == "f([99 1]) → 100"
    assert page_programs.run(NUMBERS, body, {"program": data, "line": made}) == line.text(4)
