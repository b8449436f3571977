"""A class or function whose forward has loops in; the class with its backward, in which they run in reverse, out."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from dout.clock import check_time
from dout.explain.derive import class_writer
from dout.explain.derive.backward_graph import BackwardGraph, DerivedDiffersError, backward_graph, wanted_inputs
from dout.explain.derive.class_text import ClassText
from dout.explain.derive.class_writer import WAYS, DerivedClass, NotDerivedError, WritingWay
from dout.explain.derive.derived_methods import BackwardDraft
from dout.explain.derive.forward_runs import (
    ForwardSubject,
    axes_of,
    found_subject,
    is_numbers,
    recorded,
    renumbered,
    resized,
    with_longer,
)
from dout.explain.derive.forward_source import ForwardSource
from dout.explain.derive.validity import notes_on, other_shapes
from dout.explain.derive.verification import verified
from dout.explain.loops.backward_flow import BackwardFlow, names_in
from dout.explain.loops.forward_pieces import (
    ForwardLoop,
    ForwardPiece,
    ForwardPieces,
    NoLoopError,
    Store,
    range_of,
    stored,
)
from dout.explain.loops.piece_draft import PieceDraft
from dout.explain.loops.piece_runs import Captures, PieceRuns, recorded_piece
from dout.explain.spelling.size_words import UnspelledError
from dout.graph import Graph, Node, topological

_SIZES = 5  # recorded, beside those with other numbers in the constructor


def derived(
    target: Any,
    init: Mapping[str, Any] | None = None,
    inputs: Any = None,
    simplify_elementwise: Callable[[Node], Node] | None = None,
) -> DerivedClass:
    """Derive the backward of what has a forward, as `class_writer.derived` does; a loop over an axis becomes one, too.

    Raises TargetError where no example runs, NotDerivedError where nothing can be written that holds.
    """
    try:
        return class_writer.derived(target, init, inputs, simplify_elementwise)
    except NotDerivedError as error:
        if not any(reason.key in ("unrolled", "derive unrolled gradient") for reason in error.reasons):
            raise
        named = inputs if isinstance(inputs, Mapping) else {str(i): item for i, item in enumerate(inputs or ())}
        subject = found_subject(target, init or {}, named)
        with suppress(NoLoopError, DerivedDiffersError, OSError, SyntaxError):  # these are so in every way
            for way in WAYS:
                check_time()
                with suppress(UnspelledError):
                    found = _LoopedClass(subject, way).written()
                    if found is not None:
                        return found
        raise


class _LoopedClass:
    """Writes a class in one way."""

    def __init__(self, subject: ForwardSubject, way: WritingWay) -> None:
        self.subject, self.way = subject, way
        function = (
            subject.target.named if subject.target.is_function else getattr(subject.target.cls, subject.methods[0])
        )
        self.source = ForwardSource(function)
        self.pieces = ForwardPieces(self.source)
        if not any(isinstance(one, ForwardLoop) for one in self.pieces.all):
            raise NoLoopError(1)
        self.captured = [(subject, Captures(self.pieces, subject)), *self._others()]
        self.flow = BackwardFlow(self.pieces, self.captured[0][1], self._names())
        self.runs: dict[ForwardPiece, PieceRuns] = {}
        self.active: set[str] = set()
        self.carries: set[tuple[ForwardPiece, str]] = set()  # the outputs of pieces that depend on what has a gradient

    def _others(self) -> Iterator[tuple[ForwardSubject, Captures]]:
        """The same at other sizes, and with other numbers in the constructor."""

        def run(subjects: Iterator[ForwardSubject]) -> Iterator[tuple[ForwardSubject, Captures]]:
            for subject in subjects:
                with suppress(Exception):
                    yield subject, Captures(self.pieces, subject)

        yield from islice(run(resized(self.subject)), _SIZES)
        axes = {axis: n for axis, n in axes_of(self.subject).items() if n > 1}
        for axis, n in axes.items():
            alike = [other for other in axes if other != axis and axes[other] == n]
            ways = [[axis], *([axis, other] for other in alike)] if alike else []
            yield from islice(run(with_longer(self.subject, way) for way in ways), 1)
        for name, value in self.subject.settings.items():
            if is_numbers(value):
                yield from islice(run(renumbered(self.subject, name)), 1)

    def _names(self) -> set[str]:
        names = set(self.source.parameters)
        for one in self.pieces.all:
            names |= {*one.writes, *((one.position,) if isinstance(one, ForwardLoop) else one.stores)}
        return names | {f"d{name}" for name in names} | {"dout"}

    # --- the walk -----------------------------------------------------------------------------------------------------

    def written(self) -> DerivedClass | None:
        """The class; None where what was written does not hold."""
        self._record()
        outputs = self._outputs()
        self.new: dict[ForwardPiece, list[str]] = {}
        lines = self._backward(self.pieces.top)
        draft = self._draft(outputs, lines)
        text = ClassText(self.subject, draft)
        subjects = [subject for subject, _ in self.captured]
        verdicts = verified(subjects, text.make, draft.names)
        if verdicts.because is not None:
            return None
        runs = [recorded(subject) for subject in subjects[:_SIZES]]
        notes = [*notes_on(self.subject, runs), *other_shapes(self.subject, text.make)]
        return DerivedClass(
            self.subject.name, text.source, text.module, text.cls, tuple(notes), verdicts.words, self.subject
        )

    def _record(self) -> None:
        """Record each piece, and find which names depend on something that has a gradient."""
        pieces = self.pieces.pieces
        read = {name for piece in pieces for name in piece.reads}
        arrays = {
            n for p in pieces for one in self.captured[0][1].of[p] for n, i in one.names.items() if _has_gradient(i)
        }
        self.active = {name for name in self.source.parameters if name in arrays}
        loops = [self.captured[0][1].before[one] for one in self.pieces.top if isinstance(one, ForwardLoop)]
        full = {n for n in self.pieces.lists if any(isinstance(names.get(n), np.ndarray) for names in loops[:1])}
        for piece in pieces:
            if piece.is_end and _plain_return(piece) is not None:
                continue
            returned = [n for n in piece.writes if n in read and n in arrays and n not in self.pieces.lists - full]
            if not (returned or piece.stores or piece.is_end):
                continue
            self.runs[piece] = recorded_piece(self.pieces, piece, self.captured, returned)
        before = -1
        while before != len(self.active):
            before = len(self.active)
            for runs in self.runs.values():
                self._activate(runs)

    def _activate(self, runs: PieceRuns) -> None:
        run = runs.runs[0]
        starts = {node for name, node in wanted_inputs(run).items() if name in self.active or name.startswith("self.")}
        starts -= {n for n, p in run.held.items() if p in run.written}
        outputs = list(run.graph.outputs.values())
        if len(outputs) != len(runs.returned) and not runs.piece.is_end:
            raise UnspelledError("derive nowhere", where=self.subject.name)
        for name, node in zip(runs.returned, outputs, strict=False):
            if not starts.isdisjoint(topological([node])):
                self.carries.add((runs.piece, name))
                self.active |= {name, *(s.buffer for s in runs.piece.stores if s.name == name)}

    def _outputs(self) -> list[str]:
        """What backward calls the gradients that arrive."""
        last = self.pieces.top[-1]
        if not isinstance(last, ForwardPiece) or not last.is_end:
            raise NoLoopError(self.source.definition.lineno)
        plain = _plain_return(last)
        count = len(plain or self.runs[last].runs[0].graph.outputs)
        names = ["dout"] if count == 1 else [f"d{name}" for name in plain or [f"out{i + 1}" for i in range(count)]]
        if plain:
            self.flow.live = {n: text for n, text in zip(plain, names, strict=True) if n in self.active}
        else:
            self.runs[last].returned = names
        self.flow.taken |= set(names)
        self.flow.dout = names[0]
        return names

    def _backward(self, pieces: Sequence[ForwardPiece | ForwardLoop]) -> list[str]:
        lines: list[str] = []
        for one in reversed(pieces):
            lines += self._of_loop(one) if isinstance(one, ForwardLoop) else self._of_piece(one)
        return lines

    def _of_loop(self, loop: ForwardLoop) -> list[str]:
        """The loop in reverse, after what its sums begin with."""
        flow = self.flow
        parts = [piece for piece in self.pieces.pieces if loop in piece.around]
        read = {name for piece in parts for name in piece.reads if name in self.active}
        held = {p for piece in parts for p in wanted_inputs(self.runs[piece].runs[0]) if p.startswith("self.")}
        stores = {store.buffer for piece in parts for store in piece.stores}
        again = {s.buffer for p in parts for s in p.stores if self.pieces.reads_back(p, s.buffer)}
        carried = {n for n in read & loop.writes if n in self.captured[0][1].before[loop]}
        sums = [
            n for n in (*sorted(read - loop.writes - stores), *sorted(held), *sorted(carried)) if n not in flow.live
        ]
        sums = [n for n in sums if n != loop.position]
        lost = (set(flow.live) & loop.writes) - carried
        if lost:
            raise NoLoopError(loop.node.lineno)
        owned = [line for name in sorted(again) if name in flow.live for line in flow.owned(name)]
        for name in sorted(carried & set(flow.live)):
            if flow.live[name] != f"d{name}":
                owned.append(f"d{name} = {flow.live[name]}")
                flow.live[name] = f"d{name}"
        for name in sums:
            flow.live[name] = f"self.{self._gradient(name)}" if name.startswith("self.") else f"d{name}"
            flow.fresh |= {name} - carried
        body = self._backward(loop.body)
        for name in self.pieces.lists & stores & set(flow.live) if not loop.around else ():
            before = self.captured[0][1].before[loop].get(name)
            if isinstance(before, np.ndarray):
                flow.live[name] += f"[:{len(before)}]"
                flow.fresh.discard(name)
        body = self._index_lines(loop, body) + body
        touched = "\n".join(body)
        start = []
        for name in sums:
            if re.search(rf"(?<![\w.]){re.escape(flow.live.get(name, '?'))}\b", touched):
                start.append(f"{flow.live[name]} = {flow.zeros(name, loop)}")
            else:
                flow.live.pop(name, None)
        if not body:
            return []
        return [*owned, *start, self._head(loop), *(f"    {line}" for line in body)]

    def _gradient(self, path: str) -> str:
        return f"d{path.removeprefix('self.')}"

    def _index_lines(self, loop: ForwardLoop, body: Sequence[str]) -> list[str]:
        """The lines of forward that compute the whole numbers that the body of a loop reads."""
        lines: list[str] = []
        for piece in reversed([one for one in loop.body if isinstance(one, ForwardPiece)]):
            for statement in reversed(piece.statements):
                made = set(stored([statement])) & names_in([*lines, *body])
                last = self.captured[0][1].of[piece][-1]
                if made and all(type(last.after.get(name)) is int for name in made):
                    lines.insert(0, self.flow.text(statement, piece))
        return lines

    def _head(self, loop: ForwardLoop) -> str:
        flow, over = self.flow, loop.node.iter
        target, asked = (
            ast.unparse(loop.node.target),
            loop in flow.asked and ast.unparse(loop.node.target) != loop.position,
        )
        is_reversed = isinstance(over, ast.Call) and over.args and ast.unparse(over.func) == "reversed"
        arguments = range_of(over.args[0] if is_reversed else over)  # type: ignore[attr-defined]
        if arguments is None:
            items = over.args if isinstance(over, ast.Call) else [over]
            lengths = ", ".join(f"len({ast.unparse(item)})" for item in items)
            flow._line(loop, f"self.{loop.position}_count = " + (f"min({lengths})" if len(items) > 1 else lengths))
            return f"for {loop.position} in reversed(range(self.{loop.position}_count)):"
        text = ", ".join(flow.text(one, loop) for one in arguments)
        over_text = f"reversed(range({text}))" if is_reversed else f"range({text})"
        if asked:
            return f"for {loop.position}, {target} in reversed(list(enumerate({over_text}))):"
        return (
            f"for {target} in {over_text.removeprefix('reversed')[1:-1] if is_reversed else f'reversed({over_text})'}:"
        )

    def _of_piece(self, piece: ForwardPiece) -> list[str]:
        """The backward of a piece, and its forward with what it keeps."""
        runs, flow = self.runs.get(piece), self.flow
        if runs is None:
            return []
        pairs: list[tuple[int, str]] = []
        for i, name in enumerate(runs.returned):
            if piece.is_end:
                pairs.append((i, name))
            elif name in flow.live and name in piece.writes:
                text = flow.live.pop(name)
                pairs += [(i, text)] if (piece, name) in self.carries else []
            pairs += [
                (i, self._stored_gradient(piece, s)) for s in piece.stores if s.name == name and s.buffer in flow.live
            ]
        owned = flow.fresh & set(piece.writes)
        flow.fresh -= owned
        places = list(dict.fromkeys(i for i, _ in pairs))
        graphs = self._graphs(runs, places) if pairs else {}
        if not graphs:
            return []
        flow.given = {f"d{name}" for name in owned}
        draft = PieceDraft(flow, runs, graphs, self.way.keeps, [[t for j, t in pairs if j == i] for i in places])
        made = draft.draft()
        self.new[piece] = draft.forward_lines(made.forward)
        self._keep_numbers(piece, runs, made.backward)
        return made.backward

    def _keep_numbers(self, piece: ForwardPiece, runs: PieceRuns, lines: Sequence[str]) -> None:
        for name in runs.numbers(range(len(runs.runs))):
            is_own = not self.subject.target.is_function and hasattr(runs.runs[0].layer, name)
            if not is_own and re.search(rf"self\.{name}\b", "\n".join(lines)):
                self.flow._line(piece.around[0] if piece.around else piece, f"self.{name} = {name}")

    def _stored_gradient(self, piece: ForwardPiece, store: Store) -> str:
        """The part of a gradient that belongs to what a turn wrote."""
        flow = self.flow
        whole = flow.live[store.buffer]
        if store.key is not None:
            return f"{whole}[{flow.key(store, piece)}]"
        before = self.captured[0][1].before[piece.around[0]].get(store.buffer)
        position, count = flow.used(piece.around[-1]), len(before) if isinstance(before, np.ndarray) else 0
        return f"{whole}[{position}{f' + {count}' if count else ''}]"

    def _graphs(self, runs: PieceRuns, places: Sequence[int]) -> dict[BackwardGraph, int]:
        """The gradients of some outputs of a piece, in each recording."""
        found: dict[BackwardGraph, int] = {}
        for number, run in enumerate(runs.runs):
            ends = list(run.graph.outputs.values())
            outputs = {f"out{i}": ends[i] for i in places}
            graph = replace(run, graph=Graph(run.graph.nodes, run.graph.inputs, outputs))
            made = backward_graph(graph, stable=self.way.stable, steps=self.way.steps)
            wanted = {n: node for n, node in made.wanted.items() if n in self.active or n.startswith("self.")}
            if wanted:
                nodes = topological([*made.outputs, *wanted.values()])
                found[replace(made, wanted=wanted, nodes=nodes)] = number
        return found

    # --- the text -----------------------------------------------------------------------------------------------------

    def _draft(self, outputs: Sequence[str], lines: Sequence[str]) -> BackwardDraft:
        flow = self.flow
        given = [name for name in self.source.parameters if name != "self"]
        arguments = [name for name in given if name in flow.live]
        held = [name for name in flow.live if name.startswith("self.")]
        if not arguments and not held:
            raise UnspelledError("derive nowhere", where=self.subject.name)
        returned = [flow.live.get(name, "None") for name in given]
        while len(returned) > 1 and returned[-1] == "None":
            returned.pop()
        head = f"def {self.subject.methods[1]}(self, {', '.join(outputs)}):"
        own = [line for name in arguments if flow.live[name] in outputs for line in flow.owned(name)]
        body = [f"    {line}" for line in flow.with_shapes([*lines, *own])]
        backward = [head, *body, "", f"    return {', '.join(returned)}"]
        forward = [*self.source.lines[: self.pieces.head], *self._forward(self.pieces.top)]
        return BackwardDraft(self.source, forward[self.source.definition.lineno - 1 :], backward, (*arguments, *held))

    def _forward(self, pieces: Sequence[ForwardPiece | ForwardLoop]) -> list[str]:
        """The user's lines, with more lines for what is kept."""
        found: list[str] = []
        source = self.source.lines
        for one in pieces:
            node = one.node if isinstance(one, ForwardLoop) else one.statements[0]
            indent = " " * node.col_offset
            more = [indent + line for line in self.flow.lines_before(one)]
            if isinstance(one, ForwardLoop):
                found += [*source[one.first - 1 : node.lineno - 1], *more]
                found += [*source[node.lineno - 1 : one.body[0].first - 1], *self._forward(one.body)]
            else:
                lines = self.new.get(one)
                found += more
                found += (
                    source[one.first - 1 : one.last]
                    if lines is None
                    else [indent + line if line.strip() else "" for line in lines]
                )
        return found


def _has_gradient(item: Any) -> bool:
    is_array = isinstance(item, np.ndarray | np.generic) and item.dtype.kind == "f"
    return is_array or isinstance(item, float)


def _plain_return(piece: ForwardPiece) -> list[str] | None:
    """The names that a function returns, and nothing else."""
    value = piece.statements[-1].value if isinstance(piece.statements[-1], ast.Return) else None
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    return names if len(names) == len(parts) and len(piece.statements) == 1 else None


__all__ = ["derived"]
