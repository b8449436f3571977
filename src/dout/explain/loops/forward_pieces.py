"""The source of a forward in; its pieces out: statements in a row, and loops with the pieces of their bodies."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dout.explain.derive.forward_source import ForwardSource
from dout.explain.loops.inlined_calls import with_inlined_call
from dout.explain.loops.plain_loops import called, kept_values, stored, with_plain_loop
from dout.explain.model.explanation import Phrase
from dout.explain.spelling.syntax_trees import is_text, items_of, names_of, own_attribute


class NoLoopError(Exception):
    """A loop that cannot be written in reverse, with the reason."""

    def __init__(self, key: str = "loop known", **fields: Any) -> None:
        self.reason = Phrase(key, fields)
        super().__init__(key)


@dataclass(eq=False)
class ForwardLoop:
    """A `for`. `position` counts its turns; `given` computes its targets from that, unless the target counts itself."""

    node: ast.For
    around: tuple[ForwardLoop, ...]
    first: int  # the line after what stands before it
    position: str = ""
    given: str = ""
    body: list[ForwardPiece | ForwardLoop] = field(default_factory=list)

    @property
    def has_number(self) -> bool:
        """Whether its target is a whole number that differs from the position."""
        return not self.given and isinstance(self.node.target, ast.Name) and self.node.target.id != self.position

    @property
    def inside(self) -> tuple[ForwardLoop, ...]:
        """The loops around a statement in its body."""
        return (*self.around, self)

    @cached_property
    def writes(self) -> set[str]:
        """The names that a turn gives a value."""
        return set(stored([self.node]))


@dataclass(frozen=True, eq=False)
class Store:
    """A write of a value into an array, `hs[:, t] = {}`, or to the end of a list, which has no key.

    The value is that of a name, or has one while its piece is a function by itself.
    """

    statement: ast.stmt
    buffer: str
    key: ast.expr | None
    text: str
    name: str

    @property
    def is_whole(self) -> bool:
        """Whether the write replaces the old value."""
        return isinstance(self.statement, ast.Assign)


@dataclass(eq=False)
class ForwardPiece:
    """Statements in a row, with the loops around them, outermost first."""

    statements: list[ast.stmt]
    around: tuple[ForwardLoop, ...]
    first: int
    number: int
    stores: list[Store] = field(default_factory=list)
    objects: set[str] = field(default_factory=set)  # names of objects, and of lists of them

    @property
    def valued(self) -> list[Store]:
        """The writes of values: not those of layers into a list."""
        return [store for store in self.stores if not self.objects & {store.name, store.buffer}]

    @property
    def last(self) -> int:
        """The last line."""
        return self.statements[-1].end_lineno or self.statements[-1].lineno

    @property
    def is_end(self) -> bool:
        """Whether the function returns here."""
        return isinstance(self.statements[-1], ast.Return)

    @cached_property
    def given(self) -> str:
        """The line in front that makes the targets of a loop."""
        loop = self.around[-1] if self.around else None
        return loop.given if loop is not None and loop.body[0] is self else ""

    @property
    def _trees(self) -> list[ast.stmt]:
        return [*(ast.parse(self.given).body if self.given else ()), *self.statements]

    @cached_property
    def reads(self) -> set[str]:
        """The names that it reads as they are when it begins."""
        found: set[str] = set()
        written: set[str] = set()
        for tree in self._trees:
            own = {id(n.target) for n in ast.walk(tree) if isinstance(n, ast.AugAssign)}
            nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
            found |= {n.id for n in nodes if isinstance(n.ctx, ast.Load) or id(n) in own} - written
            written |= set(stored([tree])) if not isinstance(tree, ast.If) else set()
        return found

    @cached_property
    def named_in_indices(self) -> set[str]:
        """The names that it reads in an index."""
        indices = [n.slice for tree in self.statements for n in ast.walk(tree) if isinstance(n, ast.Subscript)]
        return set().union(*map(names_of, indices))

    @cached_property
    def writes(self) -> list[str]:
        """The names that it gives a value, buffers aside."""
        return list(dict.fromkeys(stored(self._trees)))


Parts = list[ForwardPiece | ForwardLoop]


def in_order(pieces: Sequence[ForwardPiece | ForwardLoop]) -> Iterator[ForwardPiece | ForwardLoop]:
    """Every piece and loop, those in a body after their loop."""
    for one in pieces:
        yield one
        if isinstance(one, ForwardLoop):
            yield from in_order(one.body)


class ForwardPieces:
    """The pieces of a function. Raises NoLoopError for a loop that is none over a range, arrays or a list."""

    def __init__(self, source: ForwardSource, owner: type | None = None) -> None:
        self.source = source
        while (text := with_plain_loop(source, owner) or with_inlined_call(source, owner)) is not None:
            source.rewritten(text)
        self.names = names_of(source.tree) | set(source.parameters)
        self._count = 0
        body = source.definition.body
        is_doc = is_text(body[0])
        self.head = (body[0].end_lineno or 1) if is_doc else body[0].lineno - 1  # the lines before the first statement
        self.top = self._split(body[1:] if is_doc else body, (), self.head + 1)
        self.all = list(in_order(self.top))
        self.lines = {piece: self._named(piece) for piece in self.pieces}

    @cached_property
    def lists(self) -> set[str]:
        """The names of lists that loops add to."""
        found = (_store(s) for piece in self.pieces if piece.around for s in piece.statements)
        return {buffer for buffer, key, _, value in found if value is not None and key is None}

    @cached_property
    def attributes(self) -> set[str]:
        """The attributes that the function itself gives a value."""
        nodes = (n for n in ast.walk(self.source.tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))
        return {node.attr for node in nodes}

    @cached_property
    def overwritten(self) -> set[str]:
        """The arrays of the layer, `self.out`, that forward itself fills: what they held before has no gradient."""
        filled = {store.buffer for piece in self.pieces for store in piece.stores if store.key is not None}
        pairs = ((item.targets[0], item.value) for item in self.source.definition.body if isinstance(item, ast.Assign))
        return {ast.unparse(v) for t, v in pairs if isinstance(t, ast.Name) and t.id in filled and own_attribute(v)}

    @cached_property
    def kept_as(self) -> dict[str, str]:
        """The attribute in which forward itself keeps a value until the end, by the name of the value."""
        return {value: attribute for _, value, attribute, _ in reversed(list(kept_values(self.source)))}

    @property
    def pieces(self) -> list[ForwardPiece]:
        """Every piece, in order."""
        return [one for one in self.all if isinstance(one, ForwardPiece)]

    def _split(self, body: Sequence[ast.stmt], around: tuple[ForwardLoop, ...], first: int) -> Parts:
        found: Parts = []
        for statement in body:
            if isinstance(statement, ast.For):
                found.append(self._loop(statement, around, first))
            elif any(isinstance(n, ast.For | ast.While | ast.Break | ast.Continue) for n in ast.walk(statement)):
                raise _refused(statement)
            elif found and isinstance(found[-1], ForwardPiece) and not isinstance(statement, ast.Return):
                found[-1].statements.append(statement)
            else:
                self._count += 1
                found.append(ForwardPiece([statement], around, first, self._count))
            first = (statement.end_lineno or statement.lineno) + 1
        return found

    def _loop(self, node: ast.For, around: tuple[ForwardLoop, ...], first: int) -> ForwardLoop:
        if node.orelse:
            raise NoLoopError("loop jump", head="else")
        loop = ForwardLoop(node, around, first)
        over, target = node.iter, node.target
        if range_of(over) is not None and isinstance(target, ast.Name):
            loop.position = target.id
            if len(range_of(over) or ()) > 1:
                loop.position = self._free("k")
        elif isinstance(over, ast.Call) and called(over, "reversed") and range_of(over.args[0]) is not None:
            loop.position = self._free("k")
        elif called(over, "enumerate") and isinstance(target, ast.Tuple) and isinstance(target.elts[0], ast.Name):
            assert isinstance(over, ast.Call)
            loop.position = target.elts[0].id
            if range_of(over.args[0]) is None or not isinstance(target.elts[1], ast.Name):
                loop.given = f"{ast.unparse(target.elts[1])} = {_item(over.args[0], loop.position)}"
        elif called(over, "zip") and isinstance(target, ast.Tuple):
            assert isinstance(over, ast.Call)
            loop.position = self._free("t")
            items = [_item(one, loop.position) for one in over.args]
            loop.given = f"{ast.unparse(target)} = {', '.join(items)}"
        elif isinstance(over, ast.Name | ast.Attribute | ast.Subscript):
            loop.position = self._free("t")
            loop.given = f"{ast.unparse(target)} = {_item(over, loop.position)}"
        else:
            raise NoLoopError("loop over", over=ast.unparse(over))
        loop.body = self._split(node.body, loop.inside, node.body[0].lineno)
        if isinstance(loop.body[0], ForwardLoop) and loop.given:
            raise NoLoopError("loop over", over=ast.unparse(over))
        return loop

    def _free(self, wish: str) -> str:
        while wish in self.names:
            wish += "_"
        self.names.add(wish)
        return wish

    # --- the text of a piece ------------------------------------------------------------------------------------------

    def _named(self, piece: ForwardPiece) -> list[str]:
        """The lines of a piece, in which what it writes into an array or adds to a list has a name."""
        lines = self.source.lines
        own = textwrap.dedent("\n".join(lines[piece.first - 1 : piece.last])).splitlines()
        shift = piece.first
        for statement in reversed(piece.statements):
            new = self._stored(piece, statement)
            if new is not None:
                own[statement.lineno - shift : (statement.end_lineno or 0) - shift + 1] = new
        return [*filter(None, [piece.given]), *own]

    def _stored(self, piece: ForwardPiece, statement: ast.stmt) -> list[str] | None:
        """A write into an array or list inside a loop, as a name that is given a value; None of anything else."""
        if not piece.around:
            return None
        buffer, key, text, value = _store(statement)
        if value is None:
            return None
        name = value.id if isinstance(value, ast.Name) else self._free(f"{buffer}_")
        piece.stores.append(Store(statement, buffer, key, text, name))
        if isinstance(value, ast.Name):
            return None
        written = [text.format(name)] if key is not None and self.reads_back(piece, buffer) else []
        return [f"{name} = {ast.unparse(value)}", *written]

    def reads_back(self, piece: ForwardPiece, buffer: str, loop: ForwardLoop | None = None) -> bool:
        """Whether a loop around a piece reads the array that it writes into; by default the outermost one."""
        nodes = list(ast.walk((loop or piece.around[0]).node))
        stores = (n for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store))
        sizes = (n for n in nodes if isinstance(n, ast.Attribute) and n.attr in ("shape", "dtype", "append"))
        lengths = (n.args[0] for n in nodes if isinstance(n, ast.Call) and called(n, "len") and n.args)
        others = {*map(id, lengths), *(id(_owner(n)) for n in (*stores, *sizes))}
        loads = (n for n in nodes if isinstance(n, ast.Name) and n.id == buffer and isinstance(n.ctx, ast.Load))
        return any(id(n) not in others for n in loads)


def _refused(statement: ast.stmt) -> NoLoopError:
    """Why a statement with a loop in, or that ends a turn, is no piece."""
    head = ast.unparse(statement).splitlines()[0].rstrip(":")
    if isinstance(statement, ast.While):
        return NoLoopError("loop while", head=head)
    loops = any(isinstance(n, ast.For | ast.While) for n in ast.walk(statement))
    return NoLoopError("loop inside" if loops else "loop jump", head=head)


def _store(statement: ast.stmt) -> tuple[str, ast.expr | None, str, ast.expr | None]:
    """The array or list, the index, the text and the value of `hs[:, t] = h`, `hs[:, t] += h` or `hs.append(h)`."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        target = statement.target
    buffer, key = _place(target)
    if key is not None and target is not None and isinstance(statement, ast.Assign | ast.AugAssign):
        equals = "+=" if isinstance(statement, ast.AugAssign) else "="
        return buffer, key, f"{ast.unparse(target)} {equals} {{}}", statement.value
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        name, is_append = call.func.value.id, call.func.attr == "append" and len(call.args) == 1
        return (name, None, f"{name}.append({{}})", call.args[0]) if is_append else ("", None, "", None)
    return "", None, "", None


def _owner(node: ast.expr) -> ast.expr:
    """The array of an index or an attribute: `a` of `a[i][j]`."""
    inner = node.value  # type: ignore[attr-defined]
    return _owner(inner) if isinstance(inner, ast.Subscript) else inner


def _place(target: ast.expr | None) -> tuple[str, ast.expr | None]:
    """The array and the index of `a[i, j]`; `a[i][j]` is the same place, where i is a number."""
    keys = list[ast.expr]()
    while isinstance(target, ast.Subscript):
        keys[:0] = items_of(target.slice)
        target = target.value
        if isinstance(target, ast.Subscript) and any(isinstance(n, ast.Slice) for n in ast.walk(target.slice)):
            return "", None
    if not keys or not isinstance(target, ast.Name):
        return "", None
    return target.id, keys[0] if len(keys) == 1 else ast.Tuple(keys, ast.Load())


def range_of(over: ast.expr) -> list[ast.expr] | None:
    """The arguments of a `range`."""
    return over.args if isinstance(over, ast.Call) and called(over, "range") else None


def _item(over: ast.expr, position: str) -> str:
    """The element of an array at a position: that of `xs[1:]` is one further on in `xs`."""
    if isinstance(over, ast.Subscript) and isinstance(over.slice, ast.Slice):
        low, rest = over.slice.lower, (over.slice.upper, over.slice.step)
        if isinstance(low, ast.Constant) and rest == (None, None):
            return f"{ast.unparse(over.value)}[{position} + {ast.unparse(low)}]"
    text = ast.unparse(over)
    is_plain = isinstance(over, ast.Name | ast.Attribute | ast.Subscript)
    return f"{text}[{position}]" if is_plain else f"({text})[{position}]"
