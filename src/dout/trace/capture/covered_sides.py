"""Which sides of each condition were seen, in the code and in arrays: what was not seen is no part of a verdict."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType

from dout.files import shown_place
from dout.trace.model.user_source import Span, expressions, span_of

TRUE, FALSE = "True", "False"
FIRST, SECOND = "its first argument", "its second argument"
_LONGEST = 70  # characters of a condition that is told


@dataclass(frozen=True)
class ConditionPlace:
    """A condition: where its expression stands, and which of several there it is (`a` and `b` of `a and b`)."""

    file: str
    span: Span
    part: int | str = 0

    @classmethod
    def of(cls, code: CodeType, instruction: int, part: int | str = 0) -> ConditionPlace:
        """The place of an instruction."""
        return cls(code.co_filename, span_of(code, instruction), part)

    @property
    def expression(self) -> ast.expr | None:
        """The expression that stands here; None where the source is not to be had."""
        return expressions(self.file).get(self.span)

    @property
    def condition(self) -> ast.expr | None:
        """The part of the expression that is meant."""
        found = self.expression
        if isinstance(self.part, int) and isinstance(found, ast.BoolOp) and self.part < len(found.values):
            return found.values[self.part]
        if isinstance(self.part, int) and isinstance(found, ast.Compare) and 1 < len(found.ops) > self.part:
            sides = [found.left, *found.comparators]
            return ast.Compare(sides[self.part], [found.ops[self.part]], [sides[self.part + 1]])
        return found

    @property
    def has_no_else(self) -> bool:
        """Whether it is the condition of an `if` that has no code for the case that it does not hold."""
        test = self.expression
        parent = getattr(test, "parent", None)
        return isinstance(parent, ast.If) and parent.test is test and _goes_on(parent)

    def __str__(self) -> str:
        """Its source text, in one line."""
        found = self.condition
        if found is None:
            return self.part if isinstance(self.part, str) else "a condition"
        text = ast.unparse(found)
        return f"`{text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'}`"


@dataclass
class Sides:
    """What came out of one condition, of what may (`may` is empty: any value, and two of them will do)."""

    may: tuple[str, ...]
    seen: set[str]

    @property
    def missing(self) -> tuple[str, ...]:
        """The sides that were not seen; of values without end `another`, where there was one alone."""
        if not self.may:
            return ("another",) if len(self.seen) == 1 else ()
        return tuple(side for side in self.may if side not in self.seen)

    def __str__(self) -> str:
        if not self.seen:
            return "was not looked at"
        if self.may in ((), (TRUE, FALSE)):
            return f"was always {', '.join(self.seen)}"
        return f"was never {' or '.join(self.missing)}"


class Covered:
    """The conditions that were met where gradients were judged, each with the sides that were seen."""

    def __init__(self, sides: Mapping[ConditionPlace, Sides] | None = None) -> None:
        self.codes: list[CodeType] = []  # the user's code that ran
        self.sides: dict[ConditionPlace, Sides] = {p: Sides(s.may, {*s.seen}) for p, s in (sides or {}).items()}

    def __bool__(self) -> bool:
        return bool(self.sides)

    def note(self, place: ConditionPlace, may: tuple[str, ...], seen: Iterable[str]) -> None:
        """Add what was seen of a condition."""
        self.sides.setdefault(place, Sides(may, set())).seen.update(seen)

    def add(self, other: Covered) -> None:
        """Add everything that was seen elsewhere."""
        for place, sides in other.sides.items():
            self.note(place, sides.may, sides.seen)

    def gains(self, other: Covered) -> frozenset[tuple[ConditionPlace, str]]:
        """The sides that were missing here, and are seen there."""
        return frozenset(
            (place, side)
            for place, sides in self.sides.items()
            if sides.missing and place in other.sides
            for side in other.sides[place].seen - sides.seen
        )

    def note_unrecorded(self) -> None:
        """Add the conditions in arrays that stand in the code that ran, where no recording says how they came out."""
        for code in self.codes:
            last = max((line for _, _, line in code.co_lines() if line), default=0)
            known = {place.span for place in self.sides if place.file == code.co_filename}
            for span, node in expressions(code.co_filename).items():
                here = code.co_firstlineno <= span[0] <= last and span not in known
                if here and _is_of_arrays(node) and not decides_nothing(node):
                    self.note(ConditionPlace(code.co_filename, span), (TRUE, FALSE), ())

    @property
    def open(self) -> dict[ConditionPlace, Sides]:
        """The conditions of which a side was not seen."""
        return {place: sides for place, sides in self.sides.items() if sides.missing}

    def told(self) -> Iterator[str]:
        """A line for each condition of which a side was not seen, in the order of the source."""
        found = sorted(self.open.items(), key=lambda item: (item[0].file, item[0].span, str(item[0].part)))
        lines = (f"{place} at {shown_place(place.file, place.span[0])} {sides}" for place, sides in found)
        yield from dict.fromkeys(lines)


# --- the source -------------------------------------------------------------------------------------------------------


def _goes_on(node: ast.If) -> bool:
    if isinstance(node.body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break):
        return False  # the code behind it is for the other case
    return not node.orelse or (
        isinstance(node.orelse[0], ast.If) and len(node.orelse) == 1 and _goes_on(node.orelse[0])
    )


_CHOOSING = frozenset({
    "where", "clip", "maximum", "minimum", "fmax", "fmin", "heaviside", "floor", "ceil", "round", "rint", "trunc",
    "sign", "abs", "absolute", "argmax", "argmin", "median", "percentile", "quantile", "digitize", "searchsorted",
    "isclose", "putmask", "place", "select", "choose", "piecewise",
})  # fmt: skip


def _is_of_arrays(node: ast.expr) -> bool:
    """Whether an expression compares, or chooses by value."""
    if isinstance(node, ast.Compare):
        return isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE | ast.Eq | ast.NotEq)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHOOSING):
        return False
    return not any(
        map(_is_of_arrays, (part for part in ast.walk(node) if isinstance(part, ast.expr) and part is not node))
    )


def decides_nothing(test: ast.expr | None) -> bool:
    """Whether a condition only decides if an error is raised, or something is printed."""
    while test is not None and isinstance(getattr(test, "parent", None), ast.UnaryOp | ast.BoolOp):
        test = test.parent  # type: ignore[attr-defined]
    owner = getattr(test, "parent", None)
    if isinstance(owner, ast.Assert):
        return True
    if not isinstance(owner, ast.If) or owner.test is not test:
        return False
    return any(map(_only_raises, (owner.body, owner.orelse))) or (not owner.orelse and all(map(_tells, owner.body)))


def _only_raises(body: list[ast.stmt]) -> bool:
    """Whether statements end in an error, and never return before it."""
    inside = (node for statement in body for node in ast.walk(statement))
    return bool(body) and isinstance(body[-1], ast.Raise) and not any(isinstance(n, ast.Return) for n in inside)


_TELLING = frozenset({"print", "warn", "warning", "info", "debug", "error", "log"})


def _tells(statement: ast.stmt) -> bool:
    """Whether a statement prints or warns, or does nothing."""
    if isinstance(statement, ast.Pass):
        return True
    value = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(value, ast.Call):
        return isinstance(value, ast.Constant)
    name = value.func
    return (name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")) in _TELLING
