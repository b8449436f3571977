"""A recorded piece of a forward, and the gradients behind it, in; its lines, and those of its backward, out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dout.explain.derive.backward_graph import BackwardGraph, Twins, WritingWay
from dout.explain.derive.backward_text import BackwardText
from dout.explain.derive.derived_methods import Drafting
from dout.explain.derive.forward_source import SourcePlace
from dout.explain.loops.backward_flow import BackwardFlow
from dout.explain.loops.forward_pieces import Store
from dout.explain.loops.piece_runs import PieceRuns
from dout.explain.spelling.memory_text import added
from dout.explain.spelling.size_words import UnspelledError
from dout.explain.spelling.spelling_needs import WrittenLine
from dout.explain.spelling.syntax_trees import names_of
from dout.explain.spelling.written_text import WrittenText
from dout.graph import Node


class PieceDraft(Drafting):
    """Writes a piece: what it keeps is kept at each turn of the loops around it, and gradients are added up."""

    def __init__(
        self,
        flow: BackwardFlow,
        runs: PieceRuns,
        graphs: Mapping[BackwardGraph, int],
        way: WritingWay,
        upstream: Sequence[Sequence[str]],
    ) -> None:
        """`graphs` are of the recordings by their places; `upstream` are the gradients of each output, to be added."""
        self.flow, self.runs, self.piece, self.places, self.upstream = flow, runs, runs.piece, graphs, upstream
        super().__init__(Twins.paired(list(graphs)), way)
        self.kept_depths: dict[str, tuple[int, bool]] = {}
        self.stored: dict[str, Store] = {}  # values that are kept where the user writes them

    # --- what is kept -------------------------------------------------------------------------------------------------

    def _depth(self, place: SourcePlace | None) -> int:
        """In how many of the loops around the piece a value is another one at each turn."""
        is_given = place is not None and place.line == 0 and place.expression is None
        return self.flow.depth(place.name, self.piece) if place and is_given else len(self.piece.around)

    def _cost(self, node: Node) -> int | None:
        price = super()._cost(node)
        if not price:
            return price
        for loop in self.piece.around[self._depth(self.place(node)) :]:
            price = max(price // self.flow.turns[loop] - 1, 1)  # once, and no list
        return price

    def _attributes(self) -> dict[str, Any]:
        return {} if self.piece.around else super()._attributes()

    def _named_places(self, nodes: Sequence[Node]) -> list[tuple[str, SourcePlace | None, Node]]:
        found = []
        named = super()._named_places(nodes)
        self.stored = {wish: store for wish, place, _ in named if (store := self._store(place)) is not None}
        for wish, place, node in named:
            depth = self._depth(place)
            if wish in self.stored:
                found.append((wish, place, node))
                continue
            is_given = place is not None and place.line == 0 and place.expression is None
            value = self.flow.version(place.name, self.piece) if place and is_given else (id(self), wish)
            if wish in self.flow.pieces.attributes and (depth or (is_given and value[1])):  # it is something else there
                wish = f"{wish}_each" if depth else f"{wish}_now"
            name = self.flow.attribute(wish, value)
            while name in self.stored:  # the h before a turn, beside that which it writes
                name = self.flow.attribute(f"{place.name if place else name}_before", value)
            self.kept_depths[name] = depth, is_given
            found.append((name, place, node))
        return found

    def _store(self, place: SourcePlace | None) -> Store | None:
        """Where in an array the user writes a value that is at hand under a name, once."""
        if place is None or place.line == 0 or place.expression is not None:
            return None
        return next((s for s in self.piece.stores if s.name == place.name and s.key is not None and s.is_whole), None)

    def _kept_as(self, name: str, node: Node) -> str:
        if (store := self.stored.get(name)) is not None:
            return f"self.{store.buffer}[{self.flow.key(store, self.piece)}]"
        loops = self.piece.around[: self._depth(self.place(node))]
        return f"self.{name}" + "".join(f"[{self.flow.used(loop)}]" for loop in loops)

    def _whole_numbers(self) -> dict[str, tuple[int, ...]]:
        mine = [self.places[graph] for graph in self.twins.graphs]
        own = set() if self.run.subject.target.is_function else set(dir(self.run.layer))
        own -= {name for loop in self.piece.around for name in (*loop.writes, loop.position)}  # b beside self.b
        numbers = {n: sizes for n, sizes in self.runs.numbers(mine).items() if n not in own}
        words = {n: self._number_text(n, sizes) for n, sizes in numbers.items()}
        found = {words[n]: sizes for n, sizes in numbers.items()}
        for tree, sizes in self.runs.indices(mine):
            names = names_of(tree) - {"self"}
            if len(set(sizes)) > 1 and not names & set(self.runs.parameters):
                for name in names & self.runs.whole - words.keys():
                    words[name] = self._number_text(name, ())
                text = re.sub(r"(?<![\w.])[A-Za-z_]\w*", lambda m: words.get(m.group(), m.group()), ast.unparse(tree))
                found[text] = sizes
        return {**found, **super()._whole_numbers()} if self.piece.around else {**super()._whole_numbers(), **found}

    def _number_text(self, name: str, sizes: tuple[int, ...]) -> str:
        """What backward calls a whole number: as forward does in the same loop, a length of a parameter, or as kept."""
        if any(name in loop.writes or name == loop.position for loop in self.piece.around):
            return name
        held = [
            (path, self._shapes(n)) for n, path in self.run.held.items() if n.shape and path not in self.run.written
        ]
        axes = ((f"{path}.shape[{i}]", one) for path, each in held for i, one in enumerate(zip(*each, strict=True)))
        return next((text for text, one in axes if one == sizes), f"self.{name}")

    # --- backward -----------------------------------------------------------------------------------------------------

    def _real_douts(self) -> list[str]:
        return [leaf for leaf, _ in self._sums()]

    def _sums(self) -> Iterator[tuple[str, str]]:
        """The name of each output's gradient, and the sum that it is if the output has two names."""
        outputs = self.graph.outputs
        if len(dict.fromkeys(outputs)) != len(self.graph.douts):
            raise UnspelledError("derive nowhere", where=self.run.subject.name)
        for output in dict.fromkeys(outputs):
            texts = [t for each, one in zip(self.upstream, outputs, strict=True) if one is output for t in each]
            texts.sort(key=lambda text: not text.isidentifier())
            yield (texts[0], "") if len(texts) == 1 else (self.flow.sum_name(texts[0]), " + ".join(texts))

    def _backward_lines(self, text: BackwardText, wanted: Sequence[str]) -> list[str]:
        text.taken |= self.flow.taken
        for dout in self.graph.douts:
            if text.leaves[dout] in self.flow.given:
                text.texts[dout] = WrittenText(text.leaves.pop(dout))
        text.lines += [WrittenLine(f"{leaf} = {total}") for leaf, total in self._sums() if total]
        text.count([self.graph.wanted[name] for name in wanted])
        parts = [name for name in wanted if name in self.run.parts.values()]
        wanted = [name for name in wanted if name not in parts]
        for name in (n for n in wanted if n in self.flow.live):
            text.lines += map(WrittenLine, self.flow.owned(name))
            added(text, self.graph.wanted[name], self.flow.live[name])
        new = [name for name in wanted if name not in self.flow.live]
        inputs = [name for name in new if not name.startswith("self.")]
        if len(inputs) == 1 or not self.piece.around:
            for name in inputs:
                text.assign(f"d{name}", self.graph.wanted[name], fresh=name in self.flow.arguments)
        else:
            values = [str(text.text(self.graph.wanted[name], root=True)) for name in inputs]
            pairs = [(f"d{n}", value) for n, value in zip(inputs, values, strict=True) if value != f"d{n}"]
            if pairs:
                text.lines.append(WrittenLine(" = ".join(", ".join(side) for side in zip(*pairs, strict=True))))
        self._parameters(text, [*(name for name in new if name.startswith("self.")), *parts])
        for name in new:
            self.flow.live[name] = self._target(name)
            node = text.same(self.graph.wanted[name])
            is_own = name in self.flow.arguments or not (node in text.leaves or text.owners.may_alias(node))
            self.flow.fresh |= {name} if is_own and not self.piece.around else set()
        return list(self._douts_named([part for line in self._commented(text) for part in line]))

    def _douts_named(self, lines: list[str]) -> list[str]:
        """The lines, in which a part of a gradient that is read more than once has a name."""
        for part in dict.fromkeys(t for each in self.upstream for t in each if not t.isidentifier()):
            if "\n".join(lines).count(part) > 1:
                name = self.flow.free("dout_")
                lines = [f"{name} = {part}", *(line.replace(part, name) for line in lines)]
        return lines

    def _local_gradient(self, path: str, text: BackwardText) -> str:
        known = text.texts.get(text.same(self.graph.wanted[path]))
        return (
            known.text if known is not None and known.text in self.flow.given else super()._local_gradient(path, text)
        )

    def _target(self, name: str) -> str:
        return self.gradient_places.text(name) if name.startswith("self.") else f"d{name}"

    # --- forward ------------------------------------------------------------------------------------------------------

    def forward_lines(self, lines: Sequence[str]) -> list[str]:
        """The lines of the piece, from those of its function: each value that they keep goes to the turn's place."""
        found, depth = [], len(self.piece.around)
        skipped = {f"    {self.piece.given}"} if self.piece.given else set()
        for line in lines[1 : None if self.piece.is_end else -1]:
            if line in skipped:
                continue
            match = re.fullmatch(r" *self\.(\w+) = (.*)", line)
            name = match.group(1) if match else ""
            if name in self.stored:
                buffer = self.stored[name].buffer
                self.flow.keep_before(self.piece, buffer, buffer, self.flow.depth(buffer, self.piece), is_size=False)
                continue
            own, is_given = self.kept_depths.get(name, (depth, False))
            if match and (name in self.kept_depths or name.endswith(("_shape", "_dtype"))):
                is_size = name not in self.kept_depths
                if (is_size or is_given) and (is_size or own < depth) and depth:
                    self.flow.keep_before(self.piece, name, match.group(2), own, is_size=is_size)
                    continue
                if depth and not is_size:
                    self.flow.begin(self.piece, name, own)
                    indent = line[: len(line) - len(line.lstrip())]
                    line = f"{indent}self.{name}{'[-1]' * (own - 1)}.append({match.group(2)})"
            found.append(line[4:])
        while found and not found[-1].strip():
            found.pop()
        return self._restored(found)

    def _restored(self, lines: list[str]) -> list[str]:
        """The lines with what the user writes into arrays and lists as it was."""
        for store in self.piece.stores:
            name, text = store.name, store.text
            if name in self.piece.writes or name in self.runs.parameters:
                continue
            lines = [line for line in lines if line.lstrip() != text.format(name)]
            start = next(i for i, line in enumerate(lines) if line.lstrip().startswith(f"{name} = "))
            head, _, value = lines[start].partition(f"{name} = ")
            if sum(len(re.findall(rf"\b{re.escape(name)}\b", line)) for line in lines) == 1:
                lines[start] = head + text.format(value)
            else:
                lines.insert(start + 1, head + text.format(name))
        return lines
