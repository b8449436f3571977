"""The lines of a derived backward in; a comment for each that says its rule out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dout.explain.derive.backward_graph import BackwardGraph, EqualValues
from dout.explain.spelling.written_text import WIDTH
from dout.graph import CONSTANT, Node
from dout.ops import by_primitive, primitives

_LONGEST = WIDTH - 16
_BETWEEN = by_primitive({"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "dot": "@"})


@dataclass(frozen=True, eq=False)
class Rules:
    """Says which rule of the table a line follows; `name` is what the user calls a value of forward."""

    graph: BackwardGraph
    equal: EqualValues
    name: Callable[[Node], str | None]

    def of(self, node: Node) -> str | None:
        """The rule behind a gradient: the rule of the one step that passes it on, or the sum over uses."""
        for (user, argument), gradient in self.graph.raw.on.items():
            if self.equal.same(node, gradient):
                return self._rule(user, argument)
        for value, gradient in self.graph.raw.of.items():
            if self.equal.same(node, gradient):
                uses = sum(1 for user, argument in self.graph.raw.on if user.inputs[argument] is value)
                name = self.name(value)
                return f"{name} is used {_times(uses)}: the gradients of its uses add up" if name and uses > 1 else None
        return None

    def _rule(self, user: Node, argument: int) -> str | None:
        says = user.primitive.says
        if not says or user.primitive in primitives("reshape transpose astype copy asarray positive"):
            return None
        value = user.inputs[argument]
        if value.shape != user.shape and user.primitive in primitives("add subtract multiply divide maximum minimum"):
            name = self.name(value)
            if name:
                return f"{name} was broadcast: its gradient is summed over what it was repeated along"
        return f"{self._step(user)}: {says}"

    def _step(self, node: Node) -> str:
        """A step in the user's names: `xhat = xc / std`, else its function."""
        names = [self.name(i) or _number(i) for i in node.inputs]
        between = _BETWEEN.get(node.primitive)
        out = self.name(node)
        head = f"{out} = " if out and out != "out" else ""
        if between and len(names) == 2 and all(names):
            return f"{head}{names[0]} {between} {names[1]}"
        symbol = node.primitive.symbol if node.primitive.symbol.replace(" ", "").isidentifier() else str(node.primitive)
        symbol = {"getitem": "indexing", "setitem": "writing at an index"}.get(symbol, symbol)
        return (
            f"{head}{symbol}({names[0]})"
            if head and names[0] and symbol.isidentifier()
            else f"{head.removesuffix(' = ')}{', ' if head else ''}{symbol}"
        )


def _number(node: Node) -> str | None:
    return repr(node.static["value"]) if node.primitive is CONSTANT else None


def _times(count: int) -> str:
    return {2: "twice", 3: "three times"}.get(count, f"{count} times")


def slope_comment(formula: str, gradient: str, leaves: Mapping[str, str]) -> str | None:
    """`y = …  →  dy/dx = …` for a layer that acts on each element, from the text of dx; None where it is long.

    `leaves` are the texts of what is kept, with the letter that stands for each.
    """
    text = gradient
    for kept, letter in leaves.items():
        text = re.sub(rf"{re.escape(kept)}(?!\w)", letter, text)
    text = re.sub(r"(\d) \* dout\b", r"\1", text, count=1)
    text = re.sub(r"\bdout \* ", "", text, count=1)
    text = re.sub(r"\bdout / ", "1 / ", text, count=1)
    text = re.sub(r"^(\([^()]*\)) \* (\w+)$", r"\2 * \1", text)  # y * (1 - y), as books have it
    if "dout" in text or not text:
        return None
    formula, slope = (re.sub(r"\bnp\.", "", one) for one in (formula, text))
    comment = f"y = {formula}  →  dy/dx = {slope}"
    letters = set(leaves.values())
    if letters == {"y"}:
        comment += ": the output is all that is needed"
    return comment if len(comment) <= _LONGEST else None
