"""A class or function whose forward has loops in; the class with its backward, in which they run in reverse, out."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from dout.clock import check_time
from dout.errors import DoutError
from dout.explain.derive.backward_graph import WAYS, BackwardGraph, WritingWay, backward_graph
from dout.explain.derive.class_text import ClassText, DerivedClass
from dout.explain.derive.class_writer import NotDerivedError, derived_for, made_class, subject_of
from dout.explain.derive.derived_methods import BackwardDraft, returned_text
from dout.explain.derive.forward_runs import ForwardSubject, recorded
from dout.explain.derive.validity import notes_on, one_side, other_shapes, with_padding
from dout.explain.derive.verification import verified
from dout.explain.loops.backward_flow import BackwardFlow, names_in
from dout.explain.loops.forward_pieces import ForwardLoop, ForwardPiece, NoLoopError, Store, range_of
from dout.explain.loops.forward_recording import SIZES, ForwardRecording, plain_return
from dout.explain.loops.loop_writes import constants_moved_out, sums_moved_out, with_sizes_named, written_once
from dout.explain.loops.piece_draft import PieceDraft
from dout.explain.loops.piece_runs import PieceRuns, is_counted
from dout.explain.loops.plain_loops import called, stored
from dout.explain.model.explanation import Phrase
from dout.explain.spelling.gradient_places import GradientPlaces
from dout.explain.spelling.size_words import UnspelledError
from dout.graph import Graph, topological
from dout.run import drawing_alike
from dout.trace.capture.call_watch import is_users


def derived(target: Any, init: Mapping[str, Any] | None = None, inputs: Any = None) -> DerivedClass:
    """Derive the backward of what has a forward: a class, an instance, or a function.

    `init` are arguments of the constructor, `inputs` those of forward (by name, or in their order); what is not given
    is chosen. A loop over an axis becomes one, too. Raises TargetError where no example runs, NotDerivedError where
    nothing can be written that holds.
    """
    with drawing_alike(target):
        subject = subject_of(target, init, inputs)
        padded = with_padding(subject, init or {})
        if padded is not subject:
            with suppress(NotDerivedError):
                return _derived_for(padded)
        return _derived_for(subject)


def _derived_for(subject: ForwardSubject) -> DerivedClass:
    try:
        return derived_for(subject)
    except NotDerivedError as error:
        found = _in_reverse(subject)
        if isinstance(found, DerivedClass):
            return found
        reasons = [Phrase("unrolled", error.reasons[0].fields), found]
        raise NotDerivedError(reasons if error.reasons[0].key == "unrolled" else error.reasons) from None


def _in_reverse(subject: ForwardSubject) -> DerivedClass | Phrase:
    """The class whose backward runs the loops in reverse; the reason where there is none."""
    reason = Phrase("loop known", {})
    try:
        recording = ForwardRecording(subject)
        for way in WAYS:
            check_time()
            with suppress(UnspelledError):
                found = _LoopedClass(recording, way).written()
                if isinstance(found, DerivedClass):
                    return found
                reason = found
    except NoLoopError as error:
        return error.reason
    except (DoutError, UnspelledError, OSError, SyntaxError):  # of a source that is not there, say
        return reason
    except Exception as error:
        frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
        if not any(map(is_users, frames)):
            raise
        return reason  # a piece of forward may not run by itself
    return reason


class _LoopedClass:
    """Writes a class in one way."""

    def __init__(self, recording: ForwardRecording, way: WritingWay) -> None:
        self.recording, self.way = recording, way
        self.subject, self.source, self.pieces = recording.subject, recording.source, recording.pieces
        self.runs, self.active, self.carries = recording.runs, recording.active, recording.carries
        self.base = recording.captured[0][1]
        self.flow = BackwardFlow(self.pieces, self.base, recording.names())
        self.new: dict[ForwardPiece, list[str]] = {}

    # --- the walk -----------------------------------------------------------------------------------------------------

    def written(self) -> DerivedClass | Phrase:
        """The class, or the reason why the written text does not hold."""
        outputs = self._outputs()
        lines = self._backward(self.pieces.top)
        judged, run = self.recording.by_length()
        because: Phrase | None = None
        kept = {where: list(before) for where, before in self.flow.before.items()}
        for shorter in self._shorter(lines):
            self.flow.before = {where: list(before) for where, before in kept.items()}
            draft = self._draft(outputs, shorter)
            text = ClassText(self.subject, draft)
            verdicts = verified(judged, text.make, draft.names, run=run)
            because = verdicts.because
            if because is None:
                break
        if because is not None:
            return because
        runs = [recorded(subject) for subject in judged[:SIZES]]
        fixed = [one_side(name, self.subject.settings[name]) for name in self.recording.fixed]
        notes = [*fixed, *notes_on(self.subject, runs), *other_shapes(self.subject, text.make)]
        return made_class(text, draft, verdicts, notes)

    def _shorter(self, lines: Sequence[str]) -> list[list[str]]:
        """The lines with sums over turns moved out, those with places assigned that one turn reaches, and plainly."""
        last, body = self.pieces.top[-1], self.source.definition.body
        outputs = (plain_return(last) or []) if isinstance(last, ForwardPiece) else []
        once = with_sizes_named(constants_moved_out(written_once(lines)), body)
        moved = sums_moved_out(once, self.flow.dout, outputs)
        ways = [moved, once, with_sizes_named(constants_moved_out(lines), body)]
        return [way for i, way in enumerate(ways) if way not in ways[:i]]

    def _outputs(self) -> list[str]:
        """The names of the upstream gradients in backward."""
        last = self.pieces.top[-1]
        if not isinstance(last, ForwardPiece) or not last.is_end:
            raise NoLoopError
        plain = plain_return(last)
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
        parts = [piece for piece in self.pieces.pieces if loop in piece.around and piece in self.runs]
        read = {name for piece in parts for name in piece.reads if name in self.active}
        held = {path for piece in parts for path in self._parameters(piece)}
        stores = {store.buffer for piece in parts for store in piece.stores}
        again = {s.buffer for p in parts for s in p.stores if self.pieces.reads_back(p, s.buffer, loop)}
        carried = {n for n in read & loop.writes if n in self.base.before[loop]}
        sums = [
            n for n in (*sorted(read - loop.writes - stores), *sorted(held), *sorted(carried)) if n not in flow.live
        ]
        sums = [n for n in sums if n != loop.position]
        lost = (set(flow.live) & loop.writes) - carried
        if lost:
            raise NoLoopError("loop last", names=", ".join(sorted(lost)))
        owned = [line for name in sorted(again) if name in flow.live for line in flow.owned(name)]
        for name in sorted(carried & set(flow.live)):
            if flow.live[name] != f"d{name}":
                owned.append(f"d{name} = {flow.live[name]}")
                flow.live[name] = f"d{name}"
        for name in sums:
            flow.live[name] = self._places[name].text(name) if name.startswith("self.") else f"d{name}"
            flow.fresh |= {name} - carried
        body = self._backward(loop.body)
        for name in self.pieces.lists & stores & set(flow.live) if not loop.around else ():
            before = self.base.before[loop].get(name)
            if isinstance(before, np.ndarray):
                flow.live[name] += f"[:{len(before)}]"
                flow.fresh.discard(name)
        body = self._index_lines(loop, body) + body
        touched = "\n".join(body)
        start = []
        for name in sums:
            if re.search(rf"(?<![\w.]){re.escape(flow.live.get(name, '?'))}(?!\w)", touched):
                is_held = name.startswith("self.")
                lines = self._places[name].zeros(name) if is_held else [f"d{name} = {flow.zeros(name, loop)}"]
                start += [line for line in lines if line not in start]
            else:
                flow.live.pop(name, None)
        if not body:
            return []
        return [*owned, *start, self._head(loop), *(f"    {line}" for line in body)]

    def _parameters(self, piece: ForwardPiece) -> Iterator[str]:
        """What a piece reads of the layer and has a gradient: not the layers that it holds, which keep their own."""
        run = self.runs[piece].runs[0]
        read = set(topological(run.graph.outputs.values()))
        for path, node in self.recording.wanted(run).items():
            if path.startswith("self.") and node in read.difference(run.parts):
                yield path

    @cached_property
    def _places(self) -> dict[str, GradientPlaces]:
        """Where the gradient of each parameter goes, by the layer of the first piece that reads it."""
        layers: dict[str, Any] = {}
        for piece, runs in self.runs.items():
            for path in self._parameters(piece):
                layers.setdefault(path, runs.runs[0].layer)
        return {path: GradientPlaces(layer, self.subject.own_backward, list(layers)) for path, layer in layers.items()}

    def _index_lines(self, loop: ForwardLoop, body: Sequence[str]) -> list[str]:
        """The lines of forward that compute the whole numbers that the body of a loop reads."""
        lines: list[str] = []
        targets = set(stored([one.node.target for one in loop.body if isinstance(one, ForwardLoop)]))
        for piece in reversed([one for one in loop.body if isinstance(one, ForwardPiece)]):
            for statement in reversed(piece.statements):
                made = (set(stored([statement])) - targets) & names_in([*lines, *body])
                last = self.base.of[piece][-1]
                if made and all(is_counted(last.after.get(name)) for name in made):
                    lines.insert(0, self.flow.text(statement, piece))
        return lines

    def _head(self, loop: ForwardLoop) -> str:
        flow, over, target = self.flow, loop.node.iter, ast.unparse(loop.node.target).strip("()")
        if called(over, "enumerate") and not loop.given:
            return f"for {target} in reversed(list({flow.text(over, loop)})):"
        asked = loop in flow.asked and target != loop.position
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
        draft = PieceDraft(flow, runs, graphs, self.way, [[t for j, t in pairs if j == i] for i in places])
        made = draft.draft()
        self.new[piece] = draft.forward_lines(made.forward)
        self._keep_numbers(piece, runs, made.backward)
        return made.backward

    def _keep_numbers(self, piece: ForwardPiece, runs: PieceRuns, lines: Sequence[str]) -> None:
        for name in dict.fromkeys([*runs.numbers(range(len(runs.runs))), *sorted(runs.whole)]):
            is_own = not self.subject.target.is_function and hasattr(runs.runs[0].layer, name)
            if not is_own and re.search(rf"self\.{name}\b", "\n".join(lines)):
                here: ForwardPiece | ForwardLoop = piece.around[0] if piece.around else piece
                top = self.pieces.top  # a number that the piece itself makes is there after it
                here = top[top.index(piece) + 1] if here is piece and name in piece.writes else here
                self.flow._line(here, f"self.{name} = {name}")

    def _stored_gradient(self, piece: ForwardPiece, store: Store) -> str:
        """The part of a gradient that belongs to what a turn wrote."""
        flow = self.flow
        whole = flow.live[store.buffer]
        if store.key is not None:
            return f"{whole}[{flow.key(store, piece)}]"
        before = self.base.before[piece.around[0]].get(store.buffer)
        position, count = flow.used(piece.around[-1]), len(before) if isinstance(before, np.ndarray) else 0
        return f"{whole}[{position}{f' + {count}' if count else ''}]"

    def _graphs(self, runs: PieceRuns, places: Sequence[int]) -> dict[BackwardGraph, int]:
        """The gradients of some outputs of a piece, in each recording."""
        found: dict[BackwardGraph, int] = {}
        for number, run in enumerate(runs.runs):
            ends = list(run.graph.outputs.values())
            outputs = {f"out{i}": ends[i] for i in places}
            graph = replace(run, graph=Graph(run.graph.nodes, run.graph.inputs, outputs))
            made = backward_graph(graph, self.way)
            known = {n for n in self.recording.wanted(run) if n in self.active or n.startswith("self.")}
            known |= {*run.parts.values()}
            wanted = {n: g for n, g in made.wanted.items() if n in known}
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
        head = f"def {self.subject.methods[1]}(self, {', '.join(outputs)}):"
        own = [line for name in arguments if flow.live[name] in outputs for line in flow.owned(name)]
        body = [f"    {line}" for line in flow.spelled([*lines, *own])]
        backward = [head, *body, "", f"    return {returned_text(given, flow.live)}"]
        forward = [*self.source.lines[: self.pieces.head], *self._forward(self.pieces.top)]
        names = (*arguments, *(self._places[path].inside[path] for path in held))
        return BackwardDraft(self.source, forward[self.source.definition.lineno - 1 :], backward, names)

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
