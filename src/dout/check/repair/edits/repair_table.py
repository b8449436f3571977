"""The repairs as one table: what a wrong expression or statement may have been meant to be.

A row has a cost (how far-fetched it is), the word of its cause, what stands there, what was meant, and when that may
be. What stands there is a pattern of Python, in which `a` and `b` are any expressions and `np` any module, or the name
of a kind of place. What was meant is a template. Its slots are the parts of the pattern, `{aT}` for one of them
transposed, `{x}` for the whole expression (`{p}` where a product needs no parentheses), and what is in scope:

    {t} a number or an array by its name    {n} the length of an axis
    {i} an axis of the expression           {d} the upstream gradient
    {m} a condition: booleans by their name, or an array compared with 0
    {s} the sum of the upstream gradient along all axes but one, as a bias has it

A slot of something in scope makes a candidate of each.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from string import Formatter


class EditedSpot(Enum):
    """A kind of place, in the column of what stands there."""

    WHOLE = "a float that is assigned, returned, added or given to a function: a factor may be missing there"
    FACTOR = "floats that are computed, and multiplied or divided by something"
    DENOMINATOR = "a number by which something is divided"
    CONDITION = "an array of booleans"
    FLAG = "one boolean"
    NUMBER = "a literal"
    MULTIPLIER = "a literal by which something is multiplied: what is added to it may be missing"
    NAME = "a name, an attribute or an element"
    FLOATS = "a name, an attribute or an element that holds floats"
    TURNS = "what a loop takes its turns from, where that has an order"
    COUNT = "one whole number that is no literal, and no factor: a limit of a slice, say"


class TermNeed(Enum):
    """When a row applies: a condition on the value in slot {t}, or on the axes of the expression."""

    NOTHING = ""
    FITS = "numbers that broadcast with the expression"
    ALIKE = "numbers of the same shape"
    MASK = "booleans that broadcast with the expression"
    ARRAY = "an array of numbers"
    SIGNED = "an array some of whose numbers are above 0, and some are not; without a slot {t} that is the expression"
    SCALAR = "one number, not 0 or 1, which many names hold"
    COUNTING = "a whole number by its name"
    SAME_KIND = "another value of the same shape, both of them numbers or both of them booleans"
    OTHER_KIND = "another value of the same shape, one of them numbers, one booleans"
    UNREAD = "numbers of the same shape in a local name that nothing reads"
    KEPT = "for an attribute of self, another one of another shape"
    ANOTHER = "an array of another shape"
    LABELS = "a whole number for each row, which is one of its places"
    AXES = "the expression has an axis"
    MATRIX = "the expression has two axes"
    MATRICES = "the expression has more than two axes"


WHOLE, CONDITION, NUMBER, NAME = EditedSpot.WHOLE, EditedSpot.CONDITION, EditedSpot.NUMBER, EditedSpot.NAME
FITS, ALIKE, MASK, ARRAY, SCALAR = TermNeed.FITS, TermNeed.ALIKE, TermNeed.MASK, TermNeed.ARRAY, TermNeed.SCALAR


@dataclass(frozen=True)
class RepairKind:
    """One kind of repair: a row of the table. `run` is the value that a changed statement gives its target."""

    cost: float
    word: str
    found: str | EditedSpot
    meant: str
    needs: TermNeed = TermNeed.NOTHING
    run: str = ""
    lost: str = ""  # the slot of a factor that comes or goes: a mask has a word of its own

    @cached_property
    def slots(self) -> frozenset[str]:
        """The slots of its templates."""
        return frozenset(name for _, name, _, _ in Formatter().parse(self.meant + self.run) if name)


def _each(
    cost: float, word: str, found: str | EditedSpot, *meant: str, needs: TermNeed = TermNeed.NOTHING, lost: str = ""
) -> Iterator[RepairKind]:
    return (RepairKind(cost, word, found, one, needs, lost=lost) for one in meant)


def _products() -> Iterator[RepairKind]:
    """A matrix product with its sides exchanged or transposed."""
    forms = [("a @ b", "{%s} @ {%s}"), ("a.dot(b)", "{%s}.dot({%s})")]
    forms += [(f"np.{name}(a, b)", f"{{np}}.{name}({{%s}}, {{%s}})") for name in ("dot", "matmul", "outer")]
    for found, form in forms:
        for cost, sides in ((1.0, "b a"), (1.0, "bT aT"), (1.0, "aT b"), (1.0, "a bT"), (1.2, "bT a"), (1.2, "b aT")):
            yield RepairKind(cost, "transpose", found, form % tuple(sides.split()))
        yield RepairKind(1.1, "transpose", found, "({x}).T")
    for side in ("{a}.swapaxes(-1, -2) @ {b}", "{a} @ {b}.swapaxes(-1, -2)"):
        yield RepairKind(1.1, "transpose", "a @ b", side, TermNeed.MATRICES)


def _comparisons() -> Iterator[RepairKind]:
    contrary = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "!=", "!=": "=="}
    for mine in contrary:
        for other in contrary:
            cost = 1.0 if other == contrary[mine] else 1.9 if {mine, other} & {"==", "!="} else 1.1
            yield RepairKind(cost, "mask", f"a {mine} b", f"{{a}} {other} {{b}}")
        yield RepairKind(1.3, "mask", f"a {mine} b", "{a}")
        if mine in "<=>=":
            yield RepairKind(1.35, "mask", f"a {mine} b", f"np.abs({{a}}) {mine} {{b}}")


KINDS: tuple[RepairKind, ...] = (
    # Signs, terms and factors.
    RepairKind(1.0, "sign", "a + b", "{a} - {b}"),
    RepairKind(1.3, "sign", "a + b", "{b} - {a}"),
    *_each(1.6, "extra term", "a + b", "{a}", "{b}"),
    RepairKind(1.0, "sign", "a - b", "{a} + {b}"),
    RepairKind(1.1, "sign", "a - b", "{b} - {a}"),
    RepairKind(1.6, "extra term", "a - b", "{a}"),
    RepairKind(1.6, "extra term", "a - b", "-{b}"),
    RepairKind(1.0, "factor", "a * b", "{a} / {b}"),
    RepairKind(1.2, "factor", "a * b", "{a}", lost="b"),
    RepairKind(1.2, "factor", "a * b", "{b}", lost="a"),
    RepairKind(1.3, "factor", "a * b", "{b} / {a}"),
    RepairKind(1.0, "factor", "a / b", "{a} * {b}"),
    RepairKind(1.2, "factor", "a / b", "{a}"),
    RepairKind(1.4, "factor", "a / b", "{b} / {a}"),
    *_each(1.4, "formula", "a / b", "{a} / {b}**2", "{a} / np.sqrt({b})"),
    RepairKind(1.2, "formula", "a ** b", "{a}"),
    RepairKind(1.1, "formula", "(a + c) ** b", "{a} + {c}**{b}"),
    RepairKind(1.1, "formula", "(a - c) ** b", "{a} - {c}**{b}"),
    *_each(1.3, "formula", "a ** b", "{a} ** ({b} - 1)", "{a} ** ({b} + 1)"),
    RepairKind(1.0, "sign", "-a", "{a}"),
    RepairKind(1.3, "missing term", "-a", "1 - {a}"),
    RepairKind(1.9, "sign", "-a", "{a} * np.sign({t})", ARRAY),
    *(RepairKind(1.5, "formula", spot, "1 - {x}") for spot in (WHOLE, EditedSpot.FACTOR)),
    RepairKind(1.05, "sign", WHOLE, "-{p}"),
    RepairKind(1.35, "sign", NAME, "-{x}"),
    # Another number. A name in scope is likelier than a literal that happens to fit.
    RepairKind(1.05, "factor", NUMBER, "{t}", SCALAR),
    RepairKind(1.1, "factor", NUMBER, "{n}"),
    RepairKind(1.4, "factor", EditedSpot.DENOMINATOR, "{t}", SCALAR),
    RepairKind(1.5, "factor", EditedSpot.DENOMINATOR, "{n}"),
    RepairKind(1.5, "factor", NUMBER, "{t}", ARRAY),
    RepairKind(1.55, "factor", NUMBER, "{x} * {t}", ARRAY),
    *(
        kind
        for spot in (NUMBER, EditedSpot.MULTIPLIER)
        for kind in _each(1.6, "missing term", spot, "{x} + {t}", "{x} - {t}", needs=ARRAY)
    ),
    RepairKind(1.6, "factor", WHOLE, "{p} / {n}"),
    RepairKind(1.8, "factor", WHOLE, "{p} * {n}"),
    RepairKind(1.5, "factor", WHOLE, "2 * {p}"),
    RepairKind(1.65, "factor", WHOLE, "3 * {p}"),
    RepairKind(1.6, "factor", WHOLE, "0.5 * {p}"),
    *_each(1.45, "factor", EditedSpot.COUNT, "{t} * {x}", needs=TermNeed.COUNTING),
    *_each(1.5, "missing term", EditedSpot.COUNT, "{x} + {t}", "{x} - {t}", needs=TermNeed.COUNTING),
    *_each(1.5, "missing term", EditedSpot.COUNT, "{x} + 1", "{x} - 1"),
    RepairKind(1.5, "factor", EditedSpot.COUNT, "2 * {x}"),
    # A factor or a term is missing.
    RepairKind(1.5, "factor", WHOLE, "{p} * {t}", FITS, lost="t"),
    RepairKind(1.65, "factor", WHOLE, "{p} / {t}", FITS),
    RepairKind(1.7, "factor", WHOLE, "{p} / np.sqrt({t})", SCALAR),
    RepairKind(1.75, "factor", WHOLE, "{p} / np.sqrt({n})"),
    *_each(1.6, "factor", WHOLE, "{p} / {t}**2", "{p} / (1 - {t})", needs=SCALAR),
    RepairKind(1.8, "factor", WHOLE, "{p} * (1 - {t})", FITS),
    *_each(1.9, "factor", WHOLE, "{p} * (1 - {t}**2)", "{p} * {t}**2", needs=FITS),
    RepairKind(2.3, "sign", WHOLE, "{p} * np.sign({t})", FITS),
    RepairKind(2.3, "sign", NAME, "{x} * np.sign({t})", ARRAY),
    *(
        RepairKind(1.55, "formula", spot, f"np.{name}({{x}})")
        for spot in (WHOLE, EditedSpot.FACTOR)
        for name in ("exp", "tanh", "log", "sqrt", "abs", "sign")
    ),
    *(
        kind
        for spot in (WHOLE, EditedSpot.FACTOR)
        for kind in _each(1.6, "formula", spot, "{x} ** -0.5", "{x} ** -1.5", "1 / {x}", "1 / {x}**2")
    ),
    RepairKind(1.5, "missing term", EditedSpot.DENOMINATOR, "1 + {x}"),
    *_each(1.6, "missing term", WHOLE, "{x} + {t}", "{x} - {t}", needs=FITS),
    RepairKind(1.9, "missing term", EditedSpot.FLOATS, "{x} + {t}", TermNeed.UNREAD),
    RepairKind(1.9, "missing term", EditedSpot.FLOATS, "{x} - np.eye({x}.shape[-1])[{t}]", TermNeed.LABELS),
    *_each(2.1, "missing term", WHOLE, "{x} - {d} * {t}", "{x} + {d} * {t}", needs=ALIKE),
    RepairKind(2.0, "missing term", WHOLE, "{x} - {x}.mean(axis={i}, keepdims=True)"),
    RepairKind(2.0, "missing term", WHOLE, "{x} - {t} * {x}.sum(axis={i}, keepdims=True)", ALIKE),
    RepairKind(2.05, "missing term", WHOLE, "{t} * ({x} - ({p} * {t}).sum(axis={i}, keepdims=True))", ALIKE),
    RepairKind(2.05, "missing term", WHOLE, "{x} - ({p} * {t}).sum(axis={i}, keepdims=True)", ALIKE),
    RepairKind(2.1, "missing term", WHOLE, "{x} - {t} * ({p} * {t}).sum(axis={i}, keepdims=True)", ALIKE),
    RepairKind(2.2, "missing term", WHOLE, "{x} - {t} * ({p} * {t}).mean(axis={i}, keepdims=True)", ALIKE),
    # Masks.
    RepairKind(1.0, "mask", "~a", "{a}"),
    RepairKind(1.0, "mask", "not a", "{a}"),
    RepairKind(1.1, "mask", CONDITION, "~{x}"),
    RepairKind(1.2, "ignores dout", CONDITION, "{d} * {p}"),
    RepairKind(1.7, "mask", EditedSpot.FLAG, "not {x}"),
    RepairKind(1.8, "mask", CONDITION, "{x} & {t}", MASK),
    RepairKind(1.9, "mask", CONDITION, "{x} | {t}", MASK),
    *_comparisons(),
    *_each(1.5, "mask", EditedSpot.FLOATS, "{x} > 0", "{x} < 0", needs=TermNeed.SIGNED),
    *_each(1.7, "mask", NUMBER, "{t} > 0", "{t} < 0", needs=TermNeed.SIGNED),
    RepairKind(1.0, "mask", "a & b", "{a} | {b}"),
    RepairKind(1.0, "mask", "a | b", "{a} & {b}"),
    *_each(1.3, "mask", "a & b", "{a}", "{b}"),
    *_each(1.3, "mask", "a | b", "{a}", "{b}"),
    RepairKind(1.0, "mask", "np.where(c, a, b)", "{np}.where({c}, {b}, {a})"),
    *_each(1.5, "mask", "np.where(c, a, b)", "{a}", "{b}"),
    RepairKind(1.5, "mask", WHOLE, "{p} * {t}", MASK),
    RepairKind(1.7, "mask", WHOLE, "{p} * ~{t}", MASK),
    RepairKind(2.2, "mask", WHOLE, "{p} * ({t} > 0)", FITS),
    *_each(2.0, "mask", WHOLE, "{p} * np.where({m}, 1, {t})", "{p} * np.where({m}, {t}, 1)", needs=SCALAR),
    # Shapes: transposed, summed along another axis, not summed at all.
    *_products(),
    RepairKind(1.0, "transpose", "a.T", "{a}"),
    RepairKind(1.0, "transpose", "np.transpose(a, b)", "{np}.transpose({a}, {np}.argsort({b}))"),
    RepairKind(1.0, "transpose", "a.transpose(b)", "{a}.transpose(np.argsort({b}))"),
    RepairKind(1.1, "transpose", NAME, "{x}.T", TermNeed.MATRIX),
    RepairKind(1.2, "transpose", WHOLE, "{x}.T", TermNeed.MATRIX),
    RepairKind(1.5, "broadcast", WHOLE, "{x}.sum(axis={i})"),
    RepairKind(1.6, "broadcast", WHOLE, "{x}.sum(axis={i}, keepdims=True)"),
    RepairKind(1.7, "broadcast", WHOLE, "{x}.sum()", TermNeed.AXES),
    RepairKind(1.9, "broadcast", WHOLE, "{x}.mean(axis={i}, keepdims=True)"),
    RepairKind(1.75, "axis", WHOLE, "{s}"),
    # Another name, or a function of it. Gradients come back through layers in the order reverse to that of forward.
    RepairKind(1.25, "order", EditedSpot.TURNS, "reversed({x})"),  # `+=` in the place of `=` may do the same
    RepairKind(1.0, "order", "reversed(a)", "{a}"),
    RepairKind(1.0, "order", "range(a, -1, -1)", "range({a} + 1)"),
    RepairKind(0.5, "swapped", "a.backward(b.backward(c))", "{b}.backward({a}.backward({c}))"),
    RepairKind(1.3, "swapped", NAME, "{t}", TermNeed.SAME_KIND),
    RepairKind(1.7, "swapped", NAME, "{t}", TermNeed.KEPT),
    RepairKind(1.75, "swapped", NAME, "{t}", TermNeed.ANOTHER),
    RepairKind(1.9, "swapped", NAME, "{t}", TermNeed.OTHER_KIND),
    RepairKind(1.9, "formula", NAME, "1 - {t}", ALIKE),
    RepairKind(1.4, "formula", EditedSpot.FLOATS, "{x}**2"),
    RepairKind(1.5, "formula", EditedSpot.FLOATS, "{x}**3"),
    RepairKind(1.4, "formula", NAME, "1 - {x}"),
    RepairKind(1.7, "formula", EditedSpot.FLOATS, "np.sqrt({x})"),
    RepairKind(1.8, "formula", EditedSpot.FLOATS, "1 - {x}**2"),
    # A call too many.
    *(
        kind
        for name in ("clip", "cumsum", "flip", "maximum", "minimum")
        for kind in _each(1.5, "formula", f"np.{name}(a, ...)", "{a}")
    ),
    RepairKind(1.0, "ignores dout", "np.ones_like(a, ...)", "{a}"),
    *(
        kind
        for name in ("sum", "mean", "max", "min")
        for found in (f"np.{name}(a, ...)", f"a.{name}(...)")
        for kind in _each(1.4, "axis", found, "{a}")
    ),
    *(
        RepairKind(1.5, "axis", found, "{a}[:, None]")
        for name in ("sum", "mean")
        for found in (f"np.{name}(a, ...)", f"a.{name}(...)")
    ),
    # Statements.
    RepairKind(0.9, "sign", "a += b", "{a} -= {b}", run="-{b}"),
    RepairKind(0.9, "sign", "a -= b", "{a} += {b}", run="-{b}"),
    RepairKind(0.9, "factor", "a *= b", "{a} /= {b}", run="1 / {b}"),
    RepairKind(0.9, "factor", "a /= b", "{a} *= {b}", run="1 / {b}"),
    RepairKind(1.4, "extra term", "a += b", "{a} = {b}", run="{b} - {a}"),
    RepairKind(1.15, "missing term", "a = -b", "{a} -= {b}", run="{a} - {b}"),
    RepairKind(1.2, "missing term", "a = b", "{a} += {b}", run="{a} + {b}"),
    RepairKind(1.3, "factor", "a = b", "{a} *= {b}", run="{a} * {b}"),
    RepairKind(1.45, "factor", "a = b", "{a} *= {t}", SCALAR, run="{a} * {t}"),
)

_OTHERS = {
    "factor": "sum:mean,max,prod mean:sum",
    "axis": "repeat:tile tile:repeat",
    "mask": "logical_and:logical_or logical_or:logical_and less:greater greater:less less_equal:greater_equal "
    "greater_equal:less_equal triu:tril tril:triu",
    "sign": "sign:abs abs:sign",
    "formula": "maximum:minimum minimum:maximum argmax:argmin argmin:argmax max:min,sum min:max hstack:vstack "
    "vstack:hstack exp:expm1,log expm1:exp log:log1p,exp log1p:log sin:cos,tanh cos:sin tanh:sin,sinh,cosh sinh:cosh "
    "cosh:sinh zeros_like:ones_like ones_like:zeros_like sqrt:square square:sqrt var:std std:var floor:round,ceil "
    "ceil:floor round:floor zeros:ones ones:zeros prod:sum expand_dims:squeeze log2:log log10:log exp2:exp "
    "logaddexp:maximum",
}  # by the word of the cause, functions and what they are mistaken for
OTHER_FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    name: (word, tuple(others.split(",")))
    for word, listed in _OTHERS.items()
    for name, _, others in (pair.partition(":") for pair in listed.split())
}


_SIDE: dict[type[ast.cmpop], int] = {ast.Lt: -1, ast.LtE: -1, ast.Gt: 1, ast.GtE: 1, ast.Eq: 2, ast.NotEq: -2}


def sentence_of(word: str, old: str, new: str) -> str:
    """What is wrong, by the word of a repair and the text before and after it."""
    more = new.count(".T") + new.count(".swapaxes(") - old.count(".T") - old.count(".swapaxes(")
    if word == "transpose" and more:
        return "a transpose is missing" if more > 0 else "there is one transpose too many"
    if word == "broadcast" and new.startswith((f"{old}.sum(", f"({old}).sum(")):
        return "a sum is missing"
    if word == "mask" and (new.startswith(f"{old} * ") or old.isdigit()):
        return "a mask is missing"
    if word == "mask" and new.startswith((f"{old} > ", f"{old} < ")):
        return "a comparison is missing"
    if word == "mask" and _is_inverted(old, new):
        return "the mask is inverted"
    if word == "factor" and (more := _more_factors(old, new)):
        return "a factor is missing" if more > 0 else "there is one factor too many"
    if word == "swapped" and _is_a_name(old) and _is_a_name(new):
        return "another value belongs here"
    if word == "swapped" and "=" in old and "[" in old.partition("=")[0]:
        return "it is written into another array"
    return SENTENCES[word]


def _more_factors(old: str, new: str) -> int:
    """1 if a product has all factors of another one and more, -1 if that one has more; else 0."""
    try:
        before, after = (Counter(_factors(ast.parse(f"({text}\n)", mode="eval").body)) for text in (old, new))
    except SyntaxError:  # a statement
        return 0
    return (before < after) - (after < before)


def _factors(node: ast.expr, power: int = 1) -> Iterator[tuple[str, int]]:
    """The factors of a product, each with 1, or -1 if it is divided by."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield from _factors(node.left, power)
        yield from _factors(node.right, power if isinstance(node.op, ast.Mult) else -power)
    else:
        yield ast.dump(node), power


def _is_a_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _is_inverted(old: str, new: str) -> bool:
    """Whether a condition, or the choice by one, is the contrary of another."""
    try:
        before, after = (ast.parse(f"({text}\n)", mode="eval").body for text in (old, new))
    except SyntaxError:  # a statement
        return False
    pairs = (before, after), (after, before)
    if any(isinstance(one, ast.UnaryOp) and ast.dump(one.operand) == ast.dump(other) for one, other in pairs):
        return True
    if isinstance(before, ast.Compare) and isinstance(after, ast.Compare):
        return sum(_SIDE.get(type(one.ops[0]), 9) for one in (before, after)) == 0
    if isinstance(before, ast.Call) and isinstance(after, ast.Call) and len(before.args) == len(after.args) == 3:
        return [*map(ast.dump, before.args[1:])] == [*map(ast.dump, after.args[:0:-1])]
    return False


SENTENCES = {
    "sign": "the sign is wrong",
    "factor": "a factor is wrong",
    "ignores dout": "the factor dout is missing, so this is only the local derivative",
    "mask": "the condition is wrong",
    "transpose": "it is transposed wrongly",
    "axis": "the axis is wrong",
    "broadcast": "the shape is wrong",
    "swapped": "two values are swapped",
    "missing term": "a term is missing",
    "extra term": "there is one term too many",
    "formula": "the formula is wrong",
    "order": "the turns are taken in the wrong order",
    "index": "an index repeats, and of an element that is written twice only one value remains",
}
