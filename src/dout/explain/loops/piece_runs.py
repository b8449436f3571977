"""The pieces of a forward in; each recorded by itself, on what it was given at several sizes and turns, out."""

from __future__ import annotations

import ast
import copy
import linecache
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from dout.adapt.target import Target
from dout.clock import check_time
from dout.explain.derive.forward_runs import ForwardRun, ForwardSubject, recorded
from dout.explain.derive.forward_watch import hook
from dout.explain.loops.forward_pieces import ForwardLoop, ForwardPiece, ForwardPieces, NoLoopError
from dout.explain.spelling.syntax_trees import items_of
from dout.run import deep_copy, filled_cells, quiet

_HOOK = "__dout_loop_hook__"
_NUMBER = count(1)
_TURNS, _MANY = 3, 3  # so many turns are recorded of each loop at so many sizes, and one at the others


@dataclass(eq=False)
class PieceCapture:
    """The local names before a piece, the turn of each loop around it, and after it the whole numbers.

    `objects` are the names of objects of the user's after it, and of lists of them.
    """

    names: dict[str, Any]
    turns: tuple[int, ...]
    after: dict[str, Any] = field(default_factory=dict)
    objects: frozenset[str] = frozenset()


class Captures:
    """What each piece of a forward is given while that runs, and how many turns its loops take."""

    def __init__(self, pieces: ForwardPieces, subject: ForwardSubject) -> None:
        """Run the forward twice: to count turns, and to copy what a few of them are given. Raises what it raises."""
        self.of: dict[ForwardPiece, list[PieceCapture]] = {piece: [] for piece in pieces.pieces}
        self.before: dict[ForwardLoop, Mapping[str, Any]] = {}
        self.turn: dict[ForwardLoop, int] = {}
        self._all = pieces.all
        self._count: Counter[ForwardPiece] = Counter()
        self._chosen: dict[ForwardPiece, set[int]] = {}  # the runs of each piece that are copied
        self._run(pieces, subject)
        self._chosen = {piece: _some(count) for piece, count in self._count.items()}
        self._count.clear()
        self._run(pieces, subject)

    def _run(self, pieces: ForwardPieces, subject: ForwardSubject) -> None:
        function = subject.with_defaults(pieces.source.compiled(_hooked(pieces), {_HOOK: self._seen}))
        ordered, keywords = subject.arguments
        with quiet(subject.seed):
            held = () if subject.target.is_function else (subject.bare(),)
            function(*held, *ordered, **keywords)

    @property
    def length(self) -> int:
        """How many pieces ran, each turn of a loop counted."""
        return self._count.total()

    def _seen(self, what: str, number: int, names: Mapping[str, Any]) -> None:
        one = self._all[number]
        if isinstance(one, ForwardLoop):
            if what == "before":
                if one not in self.before:
                    self.before[one] = _copied(names)
                self.turn[one] = -1
            else:
                self.turn[one] += 1
            return
        if what == "before":
            self._count[one] += 1
        if self._count[one] - 1 not in self._chosen.get(one, ()):
            return
        if what == "before":
            turns = tuple(self.turn[loop] for loop in one.around)
            given = {loop.position: turn for loop, turn in zip(one.around, turns, strict=True)}
            self.of[one].append(PieceCapture({**_copied(names), **given}, turns))
        else:
            last = self.of[one][-1]
            new = {name: item for name, item in names.items() if name not in last.names or name in one.writes}
            last.after = {name: item for name, item in new.items() if is_counted(item)}
            last.objects = frozenset(name for name, item in names.items() if _is_object(item))


def _copied(names: Mapping[str, Any]) -> dict[str, Any]:
    """Local names with copies of arrays; a list of arrays is one array, as `np.stack` makes it."""
    found = {}
    for name, item in names.items():
        if isinstance(item, list) and item and all(isinstance(one, np.ndarray | np.generic) for one in item):
            with suppress(ValueError):
                found[name] = np.stack(item)
        elif isinstance(item, np.ndarray):
            found[name] = item.copy()
        elif name == "self":
            found[name] = deep_copy(item)
        else:
            found[name] = item
    return found


def _hooked(pieces: ForwardPieces) -> ast.FunctionDef:
    """The function with a hook before and after each piece, before each loop, and at the start of each turn."""
    numbers = {id(one): i for i, one in enumerate(pieces.all)}

    def made(one: ForwardPiece | ForwardLoop) -> list[ast.stmt]:
        number = numbers[id(one)]
        if isinstance(one, ForwardLoop):
            loop = copy.copy(one.node)
            loop.body = [hook(_HOOK, "turn", number), *(s for part in one.body for s in made(part))]
            return [hook(_HOOK, "before", number), loop]
        after = [] if one.is_end else [hook(_HOOK, "after", number)]
        return [hook(_HOOK, "before", number), *one.statements, *after]

    definition = copy.copy(pieces.source.definition)
    definition.decorator_list = []
    definition.body = [s for one in pieces.top for s in made(one)]
    return definition


@dataclass(eq=False)
class PieceRuns:
    """The recordings of a piece, with what each was captured of; `parameters` are the names that it is given."""

    piece: ForwardPiece
    parameters: list[str]
    returned: list[str]
    runs: list[ForwardRun]
    captures: list[PieceCapture]

    @property
    def whole(self) -> set[str]:
        """The names that are whole numbers before the piece."""
        return {name for name, item in self.captures[0].names.items() if type(item) is int}

    def numbers(self, places: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """The whole numbers before and after the piece in some recordings, by name, that are not always one."""
        every = [{**self.captures[i].names, **self.captures[i].after} for i in places]
        counted = {loop.position for loop in self.piece.around if loop.has_number}
        names = [n for n, item in every[0].items() if type(item) is int and n not in counted]
        names.sort(key=lambda name: name not in self.piece.named_in_indices)  # of equal ones that which forward uses
        found = {n: tuple(one[n] for one in every) for n in names if all(type(one.get(n)) is int for one in every)}
        return {n: sizes for n, sizes in found.items() if len(set(sizes)) > 1}

    def indices(self, places: Sequence[int]) -> Iterator[tuple[ast.expr, tuple[int, ...]]]:
        """The whole numbers that the piece computes in an index, `2 * i + 2`, or for a slice, in some recordings."""
        space = self.runs[0].subject.target.forward.__globals__
        every = [{**self.captures[i].names, **self.captures[i].after} for i in places]
        for node in [n for tree in self.piece.statements for n in ast.walk(tree)]:
            for part in _bounds(node):
                if isinstance(part, ast.BinOp) and all(isinstance(n, _COUNTING) for n in ast.walk(part)):
                    code = compile(ast.Expression(part), "<index>", "eval")
                    yield part, tuple(int(eval(code, dict(space), names)) for names in every)


def _bounds(node: ast.AST) -> Sequence[ast.expr | None]:
    """What an index picks, and what a slice goes from and to: of `a[i + j]`, `a[low:high]` and `slice(low, high)`."""
    if isinstance(node, ast.Subscript):
        return items_of(node.slice)
    if isinstance(node, ast.Slice):
        return node.lower, node.upper
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "slice":
        return node.args
    return ()


_COUNTING = (ast.BinOp, ast.Name, ast.Attribute, ast.Constant, ast.operator, ast.expr_context)


def recorded_piece(
    pieces: ForwardPieces,
    piece: ForwardPiece,
    captured: Sequence[tuple[ForwardSubject, Captures]],
    returned: Sequence[str],
) -> PieceRuns:
    """Record a piece on its captured inputs. Raises NoLoopError if it never ran, and any error of the recording."""
    lines = pieces.lines[piece]
    turns = [_begun(all_.of[piece], piece)[-_TURNS if i < _MANY else -1 :] for i, (_, all_) in enumerate(captured)]
    chosen = [(subject, one) for (subject, _), some in zip(captured, turns, strict=True) for one in some]
    if not chosen:  # its loop takes no turn in any example
        raise NoLoopError("empty")
    first = chosen[0][1]
    written = {s.buffer for s in piece.stores if not pieces.reads_back(piece, s.buffer)}  # np.empty has any numbers
    lists = {store.buffer for store in piece.stores if store.key is None}
    names = [n for n in first.names if n in piece.reads - lists and _is_array(first.names[n])]
    names = [n for n in names if all(_is_array(one.names.get(n)) for _, one in chosen)]
    has_self = not chosen[0][0].target.is_function
    returned = list(dict.fromkeys([*returned, *(store.name for store in piece.valued)]))
    ends = [f"np.stack({name})" if name in pieces.lists else name for name in returned]
    end = [] if piece.is_end else [f"return ({', '.join(ends)},)"]
    head = f"def forward({', '.join([*(['self'] if has_self else []), *names])}):"
    text = "\n".join([head, *(f"    {line}" for line in (*lines, *end))]) + "\n"
    file = f"<piece {piece.number} of a forward, {next(_NUMBER)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    code = compile(text, file, "exec")
    runs = []
    for subject, one in chosen:
        check_time()
        numbers = {name: item for name, item in one.names.items() if not _is_array(item)}
        numbers |= {name: [] for name in lists}
        space = {**pieces.source.function.__globals__, **_cells(pieces), "np": np, **numbers}
        exec(code, space)
        inputs = {n: np.zeros_like(one.names[n]) if n in written else one.names[n] for n in names}
        runs.append(recorded(_subject(subject, space["forward"], one, inputs)))
    return PieceRuns(piece, names, returned, runs, [one for _, one in chosen])


def _begun(captures: Sequence[PieceCapture], piece: ForwardPiece) -> list[PieceCapture]:
    """The captures in which no sum is a plain 0; of a piece whose every turn begins so, with 0.0 in its place."""
    sums = {n for n in piece.reads if n in piece.writes}
    plain = [{n for n in sums if type(one.names.get(n)) is int and n not in one.after} for one in captures]
    begun = [one for one, names in zip(captures, plain, strict=True) if not names]
    for one, names in zip(captures, plain, strict=True):
        one.names |= dict.fromkeys(() if begun else names, 0.0)
    return begun or list(captures)


def _some(count: int) -> set[int]:
    """A few turns of many. The first is left out of several: a carried value may still be a plain 0 there."""
    return {count - 1, 1, count // 2} if count > 1 else {0}


def is_counted(item: Any) -> bool:
    """Whether something is a whole number, or a shape."""
    return type(item) is int or (isinstance(item, tuple) and all(type(one) is int for one in item))


def _is_array(item: Any) -> bool:
    return isinstance(item, float) or (isinstance(item, np.ndarray | np.generic) and item.dtype.kind in "biuf")


def _is_object(item: Any) -> bool:
    item = item[-1] if isinstance(item, list) and item else item
    if isinstance(item, np.ndarray):
        return bool(item.dtype.kind == "O")
    return hasattr(item, "__dict__") and not _is_array(item)


def _cells(pieces: ForwardPieces) -> dict[str, Any]:
    return {name: cell.cell_contents for name, cell in filled_cells(pieces.source.function)}


def _subject(subject: ForwardSubject, function: Any, one: PieceCapture, inputs: Mapping[str, Any]) -> ForwardSubject:
    if subject.target.is_function:
        return ForwardSubject(Target.of(function), {}, inputs, seed=subject.seed)
    cls = type(one.names["self"])
    layer = deep_copy(one.names["self"])
    layer.__class__ = type(cls.__name__, (cls,), {"forward": function, "__module__": cls.__module__})
    return ForwardSubject(Target.of(layer), {}, inputs, seed=subject.seed)
