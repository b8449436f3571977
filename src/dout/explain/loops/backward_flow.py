"""What is known while the pieces of a forward are walked backwards: the gradients so far, and what forward keeps."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.explain.loops.forward_pieces import ForwardLoop, ForwardPiece, ForwardPieces, NoLoopError, Store
from dout.explain.loops.piece_runs import Captures, is_counted
from dout.explain.spelling.syntax_trees import parsed
from dout.run import deep_copy


@dataclass(eq=False)
class BackwardFlow:
    """The state of the walk.

    `live` has the gradients that have been computed, by the name of what they belong to; `fresh` are those in memory of
    their own. `before` are lines of forward that stand before a loop or piece.
    """

    pieces: ForwardPieces
    base: Captures
    taken: set[str]
    dout: str = "dout"  # a gradient that arrives
    live: dict[str, str] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)  # gradients in memory of their own that the piece at hand uses up
    before: dict[ForwardLoop | ForwardPiece, list[str]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)  # by attribute, which value it is
    asked: set[ForwardLoop] = field(default_factory=set)  # whose position backward reads

    @property
    def arguments(self) -> list[str]:
        """The names that the function is given: their gradients belong to the caller."""
        return self.pieces.source.parameters

    @property
    def turns(self) -> Mapping[ForwardLoop, int]:
        """How many turns each loop takes in the example."""
        return {loop: max(turn + 1, 1) for loop, turn in self.base.turn.items()}

    # --- forward ------------------------------------------------------------------------------------------------------

    def depth(self, name: str, piece: ForwardPiece) -> int:
        """In how many of the loops around a piece a name gets another value at each turn."""
        return sum(1 for loop in piece.around if name in loop.writes or name == loop.position)

    def version(self, name: str, piece: ForwardPiece) -> tuple[str, int]:
        """Which value of a name a piece begins with: how many pieces before it write it."""
        before = self.pieces.pieces[: self.pieces.pieces.index(piece)]
        return name, sum(1 for one in before if name in one.writes)

    def attribute(self, wish: str, value: Any) -> str:
        """The attribute that keeps a value."""
        name, n = wish, 2
        while self.kept.setdefault(name, value) != value:
            name, n = f"{wish}_{n}", n + 1
        return name

    def _line(self, where: ForwardLoop | ForwardPiece, line: str) -> None:
        lines = self.before.setdefault(where, [])
        if line not in lines:
            lines.append(line)

    def begin(self, piece: ForwardPiece, name: str, depth: int) -> None:
        """Begin the lists that keep a value of each turn."""
        self._line(piece.around[0], f"self.{name} = []")
        for level in range(1, depth):
            self._line(piece.around[level], f"self.{name}{'[-1]' * (level - 1)}.append([])")

    def keep_before(self, piece: ForwardPiece, name: str, text: str, depth: int, *, is_size: bool) -> None:
        """Keep a value that is there before a loop around a piece."""
        if is_size:
            argument = text.partition(".")[0]
            depth = next((i for i, loop in enumerate(piece.around) if argument in self.base.before[loop]), -1)
            self._line(piece.around[depth], f"self.{name} = {text}")
        elif depth:
            self.begin(piece, name, depth)
            self._line(piece.around[depth], f"self.{name}{'[-1]' * (depth - 1)}.append({text})")
        else:
            self._line(piece.around[0], f"self.{name} = {text}")

    def lines_before(self, where: ForwardLoop | ForwardPiece) -> list[str]:
        """The lines of forward before a loop or piece: lists that begin together stand in one of them."""
        lines = self.before.get(where, [])
        lists = [line.removesuffix(" = []") for line in lines if line.endswith(" = []")]
        begun = [f"{', '.join(lists)} = {', '.join(['[]'] * len(lists))}"] if lists else []
        return [*begun, *(line for line in lines if not line.endswith(" = []"))]

    def spelled(self, lines: Sequence[str]) -> list[str]:
        """The lines of backward. Values that forward keeps itself, and shapes of kept values, are read from there."""
        text, own = "\n".join(lines), self.pieces.kept_as
        for kept in self.before.values():
            for line in list(kept):
                attribute, _, value = line.partition(" = ")
                name = value.removesuffix(".shape")
                if name != value and (name in own or f"self.{name} = {name}" in kept):
                    new = f"self.{own.get(name, name)}.shape"
                elif name in own and attribute == f"self.{name}":
                    new = f"self.{own[name]}"
                else:
                    continue
                kept.remove(line)
                text = re.sub(rf"(?<![\w.]){re.escape(attribute)}\b", new, text)
        return text.splitlines()

    # --- backward -----------------------------------------------------------------------------------------------------

    def used(self, loop: ForwardLoop) -> str:
        """The position in a loop, which backward reads."""
        self.asked.add(loop)
        return loop.position

    def sum_name(self, text: str) -> str:
        """The name of a gradient that is a sum of others, the first of which has a text."""
        return text if text.isidentifier() else self.free("dout_")

    def owned(self, name: str) -> list[str]:
        """The line that copies a gradient before something is added to it."""
        if name in self.fresh or name.startswith("self."):
            return []
        text, self.live[name] = self.live[name], f"d{name}"
        self.fresh.add(name)
        return [f"d{name} = {text} * 1"]

    def free(self, wish: str) -> str:
        """A name for a gradient."""
        while wish in self.taken:
            wish += "_"
        self.taken.add(wish)
        return wish

    def text(self, tree: ast.AST, where: ForwardLoop | ForwardPiece) -> str:
        """An expression or statement of whole numbers as backward has it; what it reads is kept. Raises NoLoopError."""
        around = where.around
        outer = where if not around else around[0]
        inside = {n for loop in around for n in (*loop.writes, loop.position)}
        inside |= {where.position} if isinstance(where, ForwardLoop) and tree is not where.node.iter else set()
        for loop in around:
            if any(isinstance(n, ast.Name) and n.id == loop.position for n in ast.walk(tree)):
                self.asked.add(loop)
        made = _Kept(self, outer, inside).visit(deep_copy(tree))
        text = ast.unparse(ast.fix_missing_locations(made))
        if isinstance(made, ast.Assign) and isinstance(made.value, ast.Tuple):
            text = f"{ast.unparse(made.targets[0]).strip('()')} = {ast.unparse(made.value)[1:-1]}"
        return text

    def key(self, store: Store, piece: ForwardPiece) -> str:
        """The index at which a turn writes, as backward has it."""
        assert store.key is not None
        text = self.text(store.key, piece)
        return text[1:-1] if isinstance(store.key, ast.Tuple) else text

    def zeros(self, name: str, loop: ForwardLoop) -> str:
        """What a gradient that is added up in a loop begins with."""
        if name.startswith("self."):
            return f"np.zeros_like({name})"
        value = self.base.before[loop].get(name)
        if not isinstance(value, np.ndarray | np.generic):
            return "0.0"
        first = next(one for one in self.pieces.pieces if loop in one.around)
        kept = next((a for a, v in self.kept.items() if v == self.version(name, first)), None)
        if kept is not None and not self.depth(name, first):
            return f"np.zeros(self.{kept}.shape, dtype={self.dout}.dtype)"
        self._line(loop, f"self.{name}_shape = {name}.shape")
        return f"np.zeros(self.{name}_shape, dtype={self.dout}.dtype)"


class _Kept(ast.NodeTransformer):
    """Whole numbers of forward as attributes that keep them."""

    def __init__(self, flow: BackwardFlow, outer: ForwardLoop | ForwardPiece, inside: set[str]) -> None:
        self.flow, self.outer, self.inside = flow, outer, inside
        self.there = flow.base.before[outer] if isinstance(outer, ForwardLoop) else flow.base.of[outer][0].names

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        name = ast.unparse(node.value)
        if node.attr == "shape" and isinstance(self.there.get(name), np.ndarray):
            self.flow._line(self.outer, f"self.{name}_shape = {name}.shape")
            return parsed(f"self.{name}_shape")
        return node if name == "self" else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        name = ast.unparse(node.args[0]) if node.args else ""
        if ast.unparse(node.func) == "len" and isinstance(self.there.get(name), np.ndarray):
            self.flow._line(self.outer, f"self.{name}_shape = {name}.shape")
            return parsed(f"self.{name}_shape[0]")
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id in self.inside or isinstance(node.ctx, ast.Store) or node.id not in self.there:
            return node
        if type(self.there[node.id]) not in (int, bool, float) and not is_counted(self.there[node.id]):
            raise NoLoopError("loop value", name=node.id)
        self.flow._line(self.outer, f"self.{node.id} = {node.id}")
        return parsed(f"self.{node.id}")


def names_in(lines: Sequence[str]) -> set[str]:
    """The names that lines of a body read."""
    tree = ast.parse("if 1:\n" + "\n".join(f"    {line}" for line in lines or ["pass"]))
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
