"""One edit of the user's source: as it is tried, and as it is written."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from dout.check.repair.edits.expression_places import ExpressionPlace
from dout.check.repair.edits.seen_values import Seen

Slots = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Edit:
    """One change of an expression, or of its statement: `meant` stands there instead, with `slots` filled in.

    `run` is what the expression would have to be for the same effect, where the statement changes.
    """

    place: ExpressionPlace
    cost: float
    word: str
    meant: str
    slots: Slots | None = None  # None: `meant` is the text itself
    run: str = ""

    @property
    def key(self) -> tuple[tuple[int, int], str]:
        """What tells it from other edits: where its expression stands in the file, and the text."""
        return self.place.function.source.span(self.place.node), self.text

    @property
    def node(self) -> ast.AST:
        """What is written anew: the expression or its statement."""
        return self.place.statement if self.run else self.place.node

    @cached_property
    def text(self) -> str:
        """The expression that is tried."""
        template = self.run or self.meant
        return template if self.slots is None else _filled(template, self.slots)

    @cached_property
    def written(self) -> str:
        """The new source of `node`."""
        if self.slots is None:
            return self.meant
        template, slots = _with_own_slots(self.meant, self.slots)
        bare: set[str] = set()
        meaning = ast.dump(_parsed(_filled(template, slots)))
        for name in slots:
            if _means(_filled(template, slots, {*bare, name}), meaning):
                bare.add(name)
        return _filled(template, slots, bare)

    @property
    def said(self) -> str:
        """The word of the cause, by what is written: a sum of what stood there and more lacked a term."""
        before, after = (f"{self.old} + ", f"{self.old} - "), f" + {self.old}"
        if self.word == "formula" and (self.written.startswith(before) or self.written.endswith(after)):
            return "missing term"
        return self.word

    @property
    def old(self) -> str:
        """The source of `node` as it stands."""
        return self.place.function.source.segment(self.node)

    @property
    def shown(self) -> str:
        """The same on one line."""
        return " ".join(self.old.replace("\\\n", " ").split())

    def patched(self) -> str:
        """The file with the edit made; parentheses only where the expression would be read otherwise."""
        source = self.place.function.source
        (first, last), (start, end) = source.span(self.place.function.node), source.span(self.node)
        before, after = source.data[first:start].decode(), source.data[end:last].decode()
        text = before + self.written + after if self.run else self._in_parentheses(before, after)
        return source.data[:first].decode() + text + source.data[last:].decode()

    def _in_parentheses(self, before: str, after: str) -> str:
        """A function with the edit between these texts, in parentheses where it would be read otherwise."""
        safe = f"{before}({self.written}){after}"
        meaning = ast.dump(_parsed(safe))
        there = [(before[:-1], after[1:])] if before.endswith("(") and after.startswith(")") else []
        for head, tail in (*there, (before, after)):
            if _means(head + self.written + tail, meaning):
                return head + self.written + tail
        return safe

    @property
    def drops_a_step(self) -> bool:
        """Whether an operand takes the place of what is computed of it: `x` that of `np.log(x)`."""
        parts = (node for node in ast.walk(self.node) if isinstance(node, ast.expr) and node is not self.node)
        return not self.run and any(_means(self.written, ast.dump(_alone(part))) for part in parts)

    @property
    def drops_a_term(self) -> bool:
        """Whether that leaves out a term of a sum."""
        return self.drops_a_step and isinstance(self.node, ast.BinOp) and isinstance(self.node.op, ast.Add | ast.Sub)

    def fits_by_chance(self, seen: Seen) -> bool:
        """Whether the edit brings in a literal that is the value of a name in scope, its root, or 1 divided by these.

        `/ 3` instead of `/ len(x)`, `2 *` instead of `/ self.ratio`, or `0.5 *` instead of `/ np.sqrt(d)` where roots
        are taken. No length is an exponent.
        """
        if self.place.is_exponent:
            return False
        roots = {n**0.5 for n in seen.scalars} if "sqrt" in self.place.function.source.text else set[float]()
        known = {*seen.scalars, *(1 / number for number in seen.named), *roots, *(1 / root for root in roots)}
        return any(number in known for number in _literals(self.text) - _literals(self.place.text))


def _alone(part: ast.expr) -> ast.Module:
    """An expression as a module."""
    return ast.Module([ast.Expr(part)], [])


def _with_own_slots(template: str, slots: Slots) -> tuple[str, dict[str, str]]:
    """The template with a slot of its own for each place, of which one may need parentheses and another none."""
    text, own = "", dict[str, str]()
    for number, (before, name, _, _) in enumerate(Formatter().parse(template)):
        text += before.replace("{", "{{").replace("}", "}}")
        if name is not None:
            key = name if name == "p" else f"{name}_{number}"
            own[key] = slots[name]
            text += f"{{{key}}}"
    return text, own


def _filled(template: str, slots: Slots, bare: set[str] | None = None) -> str:
    """The template with every slot in parentheses but those in `bare`, and {p}."""
    bare = bare or set()
    return template.format(**{k: v if k == "p" or k in bare else f"({v})" for k, v in slots.items()})


def _means(text: str, meaning: str) -> bool:
    try:
        return ast.dump(_parsed(text)) == meaning
    except SyntaxError:
        return False


def _parsed(text: str) -> ast.Module:
    """The syntax of an expression, which may go on in a next line, or of statements."""
    try:
        return ast.parse(f"({text}\n)")
    except SyntaxError:
        return ast.parse(text)


def _literals(text: str) -> set[float]:
    constants = (n.value for n in ast.walk(ast.parse(f"({text}\n)", mode="eval")) if isinstance(n, ast.Constant))
    return {abs(float(value)) for value in constants if isinstance(value, int | float)}
