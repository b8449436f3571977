"""Names and sentences in the text of a kernel: what it computes, and from which line. All of it is untrusted text."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from dout.engine.ir.kernel_group import Group
from dout.engine.ir.scalar_expressions import FILLS, MOVES, REDUCTIONS, expression_of
from dout.graph import CONSTANT, Node
from dout.ops import PRIMITIVES, primitives

_LONGEST_NAME = 30
_LONGEST_FORMULA = 100
_TAKEN = frozenset(
    {"np", "range", "min", "max", "abs", "njit", "prange", "numba", "work", *keyword.kwlist, *keyword.softkwlist}
)


class UniqueNames:
    """Names that no two things share."""

    def __init__(self, functions: Iterable[str] = ()) -> None:
        self._others = _TAKEN | frozenset(functions)  # what is called so is no value
        self._taken = set(self._others)
        self._last: dict[str, int] = {}  # the last number that was given to a name that many wish for

    def new(self, wish: str) -> str:
        """A name that Python takes, as near to `wish` as it can be; the wish may be any text.

        >>> names = UniqueNames()
        >>> names.new("x"), names.new("x"), names.new("self.params['W']"), names.new("1 + max"), names.new("max")
        ('x', 'x_2', 'self_params_W', 'v1_max', 'max_2')
        """
        base = re.sub(r"[^A-Za-z0-9]+", "_", wish).strip("_")[:_LONGEST_NAME].strip("_") or "value"
        base = f"v{base}" if base[0].isdigit() else base
        name, number = base, self._last.get(base, 1)
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._last[base] = number
        self._taken.add(name)
        return name

    def isdisjoint(self, others: Iterable[str]) -> bool:
        """Whether nothing has one of these names."""
        return self._taken.isdisjoint(others)

    def neutral(self, text: str) -> str:
        """The text with its names numbered: texts that differ in names alone become one.

        >>> names = UniqueNames()
        >>> names.neutral(f"{names.new('cache[3]')} = np.exp({names.new('x')})")
        '_0 = np.exp(_1)'
        """
        numbers: dict[str, str] = {}
        own = self._taken - self._others

        def numbered(match: re.Match[str]) -> str:
            return numbers.setdefault(match[0], f"_{len(numbers)}") if match[0] in own else match[0]

        return re.sub(r"(?<![.\w])[A-Za-z]\w*", numbered, text)


def title(group: Group) -> str:
    """What a kernel computes, as a name: its first rows and its last."""
    named = [str(n.primitive) for n in group.nodes if n.primitive not in MOVES and n.primitive not in FILLS]
    unique = list(dict.fromkeys(named)) or ["copy"]
    chosen = unique if len(unique) <= 4 else [*unique[:3], unique[-1]]
    return re.sub(r"\W", "", "_".join(name.removeprefix("special_").strip("_") for name in chosen), flags=re.ASCII)


def described(group: Group, texts: Mapping[Node, str]) -> str:
    """What a kernel computes and where that stands in the user's file, on one line; `texts` are the names of values."""
    found = places(group.nodes)
    return f"{formula(group, texts)}{f', from {found}' if found else ''}."


def formula(group: Group, texts: Mapping[Node, str]) -> str:
    """What a kernel computes: a formula for each of its outputs where they are short, else their names and the rows."""
    formulas = "; ".join(f"{texts[node]} = {_formula(node, group, texts)}" for node in group.outputs)
    if len(formulas) > _LONGEST_FORMULA:
        named = list(dict.fromkeys(str(n.primitive) for n in group.nodes))
        formulas = f"{', '.join(texts[n] for n in group.outputs)} by {', '.join(named)}"
    return formulas


def _formula(node: Node, group: Group, texts: Mapping[Node, str], inner: bool = False) -> str:
    """The node as a formula in Python's notation; no longer than needed to see that it is too long."""
    if node.primitive is CONSTANT:
        return repr(node.static["value"]).removeprefix("np.")
    if node not in group.nodes or (inner and node in group.outputs):
        return texts[node]
    row = node.primitive
    parts: list[str] = []
    for operand in node.inputs:
        parts.append(_formula(operand, group, texts, inner=True))
        if sum(map(len, parts)) > _LONGEST_FORMULA:
            return "".join(parts)
    if row in REDUCTIONS:
        axis = node.static.get("axis")
        return f"{row}({_bare(parts[0])}{'' if axis is None else f', axis={axis}'})"
    if row in FILLS:
        return str(FILLS[row])
    if row in MOVES:
        return f"{node.dtype}({_bare(parts[0])})" if row is PRIMITIVES["astype"] else parts[0]
    if row in primitives("maximum minimum clip where logaddexp"):
        return f"{row}({', '.join(map(_bare, parts))})"
    text = (expression_of(node) or "").replace("np.", "")
    if text.endswith(")"):
        return text.format(*map(_bare, parts))
    return f"({text.format(*parts)})" if inner else text.format(*parts)


def _bare(text: str) -> str:
    """The text without parentheses around all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and place < len(text) - 1:
            return text
    return text[1:-1]


def places(nodes: Iterable[Node]) -> str:
    """From which lines of the user's files nodes come, the files by their names alone."""
    lines: dict[str, list[int]] = {}
    for node in nodes:
        if node.where is not None:
            file = re.sub(r"[^\w.<> -]", "_", PurePath(node.where.file).name)[:60]
            lines.setdefault(file, []).append(node.where.line)
    found = [
        f"{file}:{min(found)}" if min(found) == max(found) else f"{file}:{min(found)}-{max(found)}"
        for file, found in lines.items()
    ]
    return ", ".join(found[:3])
