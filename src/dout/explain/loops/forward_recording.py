"""A forward with loops in; its pieces out, each recorded at several sizes and turns, and what in them has gradients."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, islice

import numpy as np

from dout.explain.derive.backward_graph import wanted_inputs
from dout.explain.derive.example_subjects import axes_of, is_numbers, renumbered, resized, with_longer
from dout.explain.derive.forward_runs import ForwardRun, ForwardSubject
from dout.explain.derive.forward_source import ForwardSource, has_gradient
from dout.explain.loops.forward_pieces import ForwardLoop, ForwardPiece, ForwardPieces, NoLoopError
from dout.explain.loops.piece_runs import Captures, PieceRuns, recorded_piece
from dout.explain.spelling.size_words import UnspelledError
from dout.explain.spelling.syntax_trees import items_of
from dout.graph import Node, topological
from dout.run import arrays

_TRIED = 8  # subjects with another number for one setting
SIZES = 5  # recorded, beside those with other numbers in the constructor
_MOST_PIECES = 800  # in all that is judged: the ones that are left out have the axes of others, and take as long again


class ForwardRecording:
    """What every way of writing a class reads; nothing of it depends on the way.

    `captured` has the subjects that ran, the first of them as given. `active` are the names that depend on something
    with a gradient, `carries` the outputs of pieces that do. `fixed` are the settings that may be no other number.
    """

    def __init__(self, subject: ForwardSubject) -> None:
        """Record it. Raises NoLoopError where there is no loop, UnspelledError, and what source and code raise."""
        self.subject = subject
        target = subject.target
        self.source = ForwardSource(target.named if target.is_function else getattr(target.cls, subject.methods[0]))
        self.pieces = ForwardPieces(self.source, None if subject.target.is_function else subject.target.cls)
        if not any(isinstance(one, ForwardLoop) for one in self.pieces.all):
            raise NoLoopError
        self.fixed: list[str] = []  # numbers in whose place no other one ran
        self.captured = [(subject, Captures(self.pieces, subject)), *self._others()]
        self._refuse_long_counts()
        self.runs: dict[ForwardPiece, PieceRuns] = {}
        self.active: set[str] = set()
        self.carries: set[tuple[ForwardPiece, str]] = set()
        self._record()

    def _refuse_long_counts(self) -> None:
        """Raise NoLoopError if a loop counts modulo a number that no example reaches."""
        most = max((turn + 1 for _, one in self.captured for turn in one.turn.values()), default=0)
        for loop in (one.node for one in self.pieces.top if isinstance(one, ForwardLoop)):
            for node in ast.walk(loop):
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.FloorDiv):
                    number = node.right.value if isinstance(node.right, ast.Constant) else 0
                    if type(number) is int and number >= most:
                        raise NoLoopError("loop modulo", part=ast.unparse(node), count=most)

    def _others(self) -> Iterator[tuple[ForwardSubject, Captures]]:
        """The same at other sizes, and with other numbers in the constructor."""
        others = list(islice(self._run(resized(self.subject)), SIZES))
        yield from others
        axes = {axis: n for axis, n in axes_of(self.subject).items() if n > 1}
        for axis, n in axes.items():
            alike = [other for other in axes if other != axis and axes[other] == n]
            ways = [[axis], *([axis, other] for other in alike)] if alike else []
            yield from islice(self._run(with_longer(self.subject, way) for way in ways), 1)
        yield from self._with_other_numbers([*(subject for subject, _ in others), self.subject])

    def _run(self, subjects: Iterable[ForwardSubject]) -> Iterator[tuple[ForwardSubject, Captures]]:
        for subject in subjects:
            with suppress(Exception):  # the user's own: it does not run
                yield subject, Captures(self.pieces, subject)

    def _with_other_numbers(self, subjects: Sequence[ForwardSubject]) -> Iterator[tuple[ForwardSubject, Captures]]:
        """The subject with each number changed alone; if that fails, with equal numbers changed together."""
        numbers = {name: value for name, value in self.subject.settings.items() if is_numbers(value)}
        for name, value in numbers.items():
            equal = [other for other in numbers if numbers[other] == value]
            found = self._renumbered(subjects, [name])
            if not found and len(equal) > 1:
                found = self._renumbered(subjects, equal)
            if not found and all(subject.settings[name] == value for subject in subjects):
                self.fixed.append(name)
            yield from found

    def _renumbered(
        self, subjects: Sequence[ForwardSubject], names: Sequence[str]
    ) -> list[tuple[ForwardSubject, Captures]]:
        """The first run with other numbers, and the longest: a stride of 2 that leaves one turn tells nothing."""
        made = (one for subject in subjects for one in _all_renumbered(subject, names))
        tried = list(islice(self._run(one for one in made if not _has_new_ones(self.subject, one)), _TRIED))
        found = [one for one in tried if one[1].length > len(self.pieces.pieces)] or tried  # of several turns
        longest = max(found, key=lambda one: one[1].length, default=None)
        return [one for i, one in enumerate(found) if i == 0 or one is longest]

    def by_length(self) -> tuple[list[ForwardSubject], list[ForwardSubject]]:
        """The subjects whose loops, written out, are short, the one as given first; and the others."""
        in_order = sorted(self.captured[1:], key=lambda one: one[1].length)
        lengths = accumulate(one.length for _, one in in_order)
        short = [s for (s, _), all_ in zip(in_order, lengths, strict=True) if all_ <= _MOST_PIECES]
        return [self.subject, *short], [subject for subject, _ in in_order[len(short) :]]

    def names(self) -> set[str]:
        """The names that forward uses, and those of their gradients."""
        names = set(self.source.parameters)
        for one in self.pieces.all:
            names |= {*one.writes, *((one.position,) if isinstance(one, ForwardLoop) else one.stores)}
        return names | {f"d{name}" for name in names} | {"dout"}

    def _record(self) -> None:
        """Record each piece, and find which names depend on something that has a gradient."""
        pieces = self.pieces.pieces
        for piece in pieces:
            piece.objects = {name for one in self.captured[0][1].of[piece] for name in one.objects}
        read = {name for piece in pieces for name in piece.reads}
        floats = {
            n for p in pieces for one in self.captured[0][1].of[p] for n, i in one.names.items() if has_gradient(i)
        }
        self.active = {name for name in self.source.parameters if name in floats} - self.subject.of_forward.keys()
        loops = [self.captured[0][1].before[one] for one in self.pieces.top if isinstance(one, ForwardLoop)]
        full = {n for n in self.pieces.lists if any(isinstance(names.get(n), np.ndarray) for names in loops[:1])}
        for piece in pieces:
            if piece.is_end and plain_return(piece) is not None:
                continue
            returned = [n for n in piece.writes if n in read and n in floats and n not in self.pieces.lists - full]
            if not (returned or piece.valued or piece.is_end):
                continue
            self.runs[piece] = recorded_piece(self.pieces, piece, self.captured, returned)
        before = -1
        while before != len(self.active):
            before = len(self.active)
            for runs in self.runs.values():
                self._activate(runs)

    def wanted(self, run: ForwardRun) -> dict[str, Node]:
        """Which inputs of a piece may have a gradient: no array that forward fills."""
        return {name: node for name, node in wanted_inputs(run).items() if name not in self.pieces.overwritten}

    def _activate(self, runs: PieceRuns) -> None:
        run = runs.runs[0]
        starts = {n for name, n in self.wanted(run).items() if name in self.active or name.startswith("self.")}
        starts -= {n for n, p in run.held.items() if p in run.written}
        outputs = list(run.graph.outputs.values())
        if len(outputs) != len(runs.returned) and not runs.piece.is_end:
            raise UnspelledError("derive nowhere", where=self.subject.name)
        for name, node in zip(runs.returned, outputs, strict=False):
            if not starts.isdisjoint(topological([node])):
                self.carries.add((runs.piece, name))
                self.active |= {name, *(s.buffer for s in runs.piece.stores if s.name == name)}


def _all_renumbered(subject: ForwardSubject, names: Sequence[str]) -> Iterator[ForwardSubject]:
    """The subject with another number, the same one, for several settings; not with 1: a window of one is none."""
    for other in renumbered(subject, names[0]):
        number = other.settings.get(names[0])
        for name in names[1:]:
            other = other.with_number(name, number)
        if number != 1:
            yield other


def _has_new_ones(subject: ForwardSubject, other: ForwardSubject) -> bool:
    """Whether an array that the layer holds has an axis of 1 in the place of a longer one: it may fit by accident."""
    if subject.target.is_function:
        return False
    try:
        before, after = arrays(subject.bare()), arrays(other.bare())
    except Exception:  # the user's own: it will not run
        return True
    pairs = [(before[path].shape, item.shape) for path, item in after.items() if path in before]
    return any(n == 1 < m for old, new in pairs for m, n in zip(old, new, strict=False))


def plain_return(piece: ForwardPiece) -> list[str] | None:
    """The names that a function returns, and nothing else."""
    value = piece.statements[-1].value if isinstance(piece.statements[-1], ast.Return) else None
    parts = items_of(value) if value is not None else [None]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    return names if len(names) == len(parts) and len(piece.statements) == 1 else None
