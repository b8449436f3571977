"""What one turn of a loop computes, as functions of its own: they are compiled once and called at each turn.

A turn is cut into statements that run as they are written and functions for the rest. `x[:, t]` is read before a
function, `out[:, t] = …` is done after it: what the function is given does not depend on the number of the turn.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from dout.engine.loop_source.liveness import Names, loaded, stored
from dout.engine.loop_source.surroundings import place_of

PREFIX = "_dout_"
FEWEST = 4  # operations of a function: fewer take less time than the call of a program
_OPERATIONS = ast.BinOp | ast.UnaryOp | ast.Compare | ast.Call
_COMPREHENSIONS = ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp
_PERHAPS = ast.IfExp | ast.BoolOp | _COMPREHENSIONS  # in which an expression may be evaluated never, or many times
_REFUSED = ast.Yield | ast.YieldFrom | ast.Await | ast.NamedExpr | ast.Lambda
_COUNTING = ("range(", "reversed(range(", "np.ndindex(", "enumerate(")
_Node = TypeVar("_Node", bound=ast.AST)


@dataclass
class _Piece:
    """A statement as it is inside a function, with those that read before the function and write after it."""

    original: ast.stmt
    inside: ast.stmt
    before: list[ast.stmt] = field(default_factory=list)
    after: list[ast.stmt] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether it may change something that other statements see."""
        places = (node for node in ast.walk(self.inside) if isinstance(node, ast.Attribute | ast.Subscript))
        return isinstance(self.inside, ast.AugAssign) or any(isinstance(node.ctx, ast.Store) for node in places)

    def may_follow(self, others: Sequence[_Piece]) -> bool:
        """Whether its reads may go before the others, and nothing that they write after a function is missed."""
        changed = stored(*(one.inside for one in others))
        moves = not self.before or not (any(one.changes for one in others) or changed & loaded(*self.before))
        return moves and not any(one.after for one in others)


class TurnCutter:
    """Cuts the turns of the loops of a function. `live` are the names that are read after a statement.

    `local` are the names of the function, `hidden` those that functions inside it share. `twins` are the statements
    once more, for those that stay as they are.
    """

    def __init__(
        self, local: Names, hidden: Names, twins: Mapping[ast.AST, ast.AST], live: Mapping[ast.stmt, Names]
    ) -> None:
        self.local, self.hidden, self.twins, self.live = local, hidden, twins, live
        self.functions: list[ast.FunctionDef] = []
        self._numbers = 0

    def cut(self, tree: ast.FunctionDef) -> None:
        """Put calls into the loops of a function; what they call is in `functions`."""
        tree.body = self._block(tree.body, None)

    def _block(self, body: Sequence[ast.stmt], moving: Names | None) -> list[ast.stmt]:
        """The statements of a block, cut if it is part of a turn: then `moving` are the names that number the turns."""
        done: list[ast.stmt] = []
        pieces: list[_Piece] = []
        for statement in body:
            piece = None if moving is None else self._piece(statement, moving)
            if piece is not None and piece.may_follow(pieces):
                pieces.append(piece)
                continue
            done += self._joined(pieces)
            pieces = [piece] if piece is not None else []
            if piece is None:
                done.append(self._uncut(statement, moving))
        return done + self._joined(pieces)

    def _uncut(self, statement: ast.stmt, moving: Names | None) -> ast.stmt:
        """A statement that stays, with the turns inside it cut."""
        if isinstance(statement, ast.If):
            statement.body = self._block(statement.body, moving)
            statement.orelse = self._block(statement.orelse, moving)
        elif isinstance(statement, ast.For | ast.While):
            statement.body = self._block(statement.body, _numbering(statement) | (moving or frozenset()))
        else:
            return self._twin(statement)
        return statement

    def _twin(self, statement: ast.stmt) -> ast.stmt:
        twin = self.twins[statement]
        assert isinstance(twin, ast.stmt)
        return twin

    def _piece(self, statement: ast.stmt, moving: Names) -> _Piece | None:
        """What a statement does inside and outside of a function; None if it has to stay as it is."""
        simple = isinstance(statement, ast.AugAssign) or (
            isinstance(statement, ast.Assign) and len(statement.targets) == 1
        )
        refused = any(isinstance(node, _REFUSED) for node in ast.walk(statement))
        if not simple or refused or stored(statement) & self.hidden:
            return None
        piece = _Piece(self._twin(statement), statement)
        outside = _Outside(self, moving, piece)
        outside.visit(statement)
        return piece if outside.possible else None

    def _joined(self, pieces: Sequence[_Piece]) -> list[ast.stmt]:
        """The statements around a call of one function for all pieces; the pieces as they were if they are small."""
        inside = [piece.inside for piece in pieces]
        operations = sum(isinstance(node, _OPERATIONS) for one in inside for node in ast.walk(one))
        given = self._needed(inside)
        if operations < FEWEST or given is None:
            return [piece.original for piece in pieces]
        after = [statement for piece in pieces for statement in piece.after]
        sets = frozenset[str]().union(*(stored(one) - _bound(one) for one in inside))
        results = sorted(sets & (self.live[pieces[-1].original] | loaded(*after)))
        name, first = f"{PREFIX}turn_{len(self.functions) + 1}", pieces[0].original
        called = f"{name}({', '.join(given)})"
        values = "".join(f"{one}, " for one in results)
        function, call = ast.parse(f"def {called}:\n    return ({values})\n({values}) = {called}").body
        assert isinstance(function, ast.FunctionDef)
        function.body = [*inside, *_placed(function, first).body]
        self.functions.append(function)
        before = [statement for piece in pieces for statement in piece.before]
        return [*before, _placed(call, first), *after]

    def _needed(self, statements: Sequence[ast.stmt]) -> list[str] | None:
        """The names that statements in a row need from before; None if one of them is perhaps not read, and not set."""
        needed: dict[str, bool] = {}
        done: set[str] = set()
        for statement in statements:
            for name, surely in _reads(statement, frozenset(), surely=True):
                if (name in self.local or name.startswith(PREFIX)) and name not in done:
                    needed[name] = surely or needed.get(name, False)
            done |= stored(statement) - _bound(statement)
        return sorted(needed) if all(needed.values()) else None

    def new_name(self) -> str:
        """A name that nothing else has."""
        self._numbers += 1
        return f"{PREFIX}part_{self._numbers}"


class _Outside(ast.NodeTransformer):
    """Takes out of a statement what depends on the number of the turn: reads before it, writes after it."""

    def __init__(self, cutter: TurnCutter, moving: Names, piece: _Piece) -> None:
        self.cutter, self.moving, self.piece = cutter, moving, piece
        self.possible = True
        self.perhaps = 0

    def visit(self, node: ast.AST) -> ast.AST:
        """Visit, and know what may be evaluated never or many times."""
        self.perhaps += isinstance(node, _PERHAPS)
        made: ast.AST = super().visit(node)
        self.perhaps -= isinstance(node, _PERHAPS)
        return made

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """An element, row or part that is another at each turn."""
        if not loaded(node.slice) & self.moving:
            return self.generic_visit(node)
        calls = any(isinstance(one, ast.Call) for one in ast.walk(node))
        both = isinstance(node.ctx, ast.Store) and isinstance(self.piece.original, ast.AugAssign)  # `x[t] += y`
        self.possible = self.possible and not (self.perhaps or calls or both or not place_of(node.value))
        name = self.cutter.new_name()
        if isinstance(node.ctx, ast.Load):
            self.piece.before.append(_placed(ast.Assign([ast.Name(name, ast.Store())], node), node))
        else:
            self.piece.after.append(_placed(ast.Assign([node], ast.Name(name, ast.Load())), node))
        return _placed(ast.Name(name, node.ctx), node)


def _numbering(loop: ast.For | ast.While) -> Names:
    """The names that number the turns: what goes over a range or counts, and what is computed of that alone."""
    found: set[str] = set()
    for node in ast.walk(loop):
        if isinstance(node, ast.For) and ast.unparse(node.iter).startswith(_COUNTING):
            enumerates = isinstance(node.target, ast.Tuple) and ast.unparse(node.iter).startswith(_COUNTING[-1])
            found |= stored(node.target.elts[0] if enumerates else node.target)  # type: ignore[attr-defined]
        if isinstance(node, ast.AugAssign) and isinstance(node.value, ast.Constant):
            found |= stored(node.target)
    plain = ast.Call | ast.Subscript | ast.Attribute
    assigned = [one for one in ast.walk(loop) if isinstance(one, ast.Assign)]
    assigned = [one for one in assigned if not any(isinstance(part, plain) for part in ast.walk(one.value))]
    for _ in assigned:
        found |= {name for one in assigned if loaded(one.value) & found for name in stored(*one.targets)}
    return frozenset(found)


def _placed(made: _Node, at: ast.AST) -> _Node:
    """The node, with everything new in it at the place of another."""
    for one in ast.walk(made):
        if isinstance(one, ast.stmt | ast.expr | ast.arg):
            ast.copy_location(one, at)
    return made


def _bound(statement: ast.stmt) -> Names:
    """The names that belong to comprehensions inside."""
    return stored(*(node.target for node in ast.walk(statement) if isinstance(node, ast.comprehension)))


def _reads(node: ast.AST, bound: Names, *, surely: bool) -> Iterator[tuple[str, bool]]:
    """The names that are read inside, but for those of comprehensions, and whether they surely are."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in bound:
        yield node.id, surely
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, surely
    first = next(ast.iter_child_nodes(node), None) if isinstance(node, ast.IfExp) else None
    if isinstance(node, ast.BoolOp):
        first = node.values[0]
    if isinstance(node, _COMPREHENSIONS):
        first = node.generators[0].iter
        yield from _reads(first, bound, surely=surely)
        bound |= stored(*(one.target for one in node.generators))
    for child in ast.iter_child_nodes(node):
        yield from _reads(child, bound, surely=surely and (child is first or not isinstance(node, _PERHAPS)))
