"""Paired gradients in; what forward keeps, and the lines of backward, out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dout.explain.derive.backward_graph import act_on_each, wanted_inputs
from dout.explain.derive.backward_text import BackwardText
from dout.explain.derive.comments import Rules, slope_comment
from dout.explain.derive.forward_source import ForwardSource, MadeValue, SourcePlace
from dout.explain.derive.forward_watch import digest
from dout.explain.derive.kept_choice import KeptChoice
from dout.explain.derive.kept_values import kept
from dout.explain.model.explanation import Phrase
from dout.explain.parts.part_calls import PART
from dout.explain.spelling.gradient_places import GradientPlaces
from dout.explain.spelling.size_words import Shapes, SizeWords, UnspelledError
from dout.explain.spelling.spelling_needs import WrittenLine
from dout.graph import CONSTANT, INPUT, Node
from dout.ops import PRIMITIVES, primitives
from dout.run import attributes_of


@dataclass(frozen=True, eq=False)
class BackwardDraft:
    """A written forward and backward: their lines, without the indentation of a class.

    `names` are the gradients that must be there.
    """

    source: ForwardSource
    forward: list[str]
    backward: list[str]
    names: tuple[str, ...]
    notes: tuple[Phrase, ...] = ()


class Drafting(KeptChoice):
    """Writes the methods: one that is written otherwise overrides a part."""

    def draft(self) -> BackwardDraft:
        """Both methods. Raises UnspelledError."""
        wanted = self._wanted_order()
        text, lines = None, list[str]()
        nodes = [self.same(self.graph.wanted[name]) for name in wanted]
        read = self._read(nodes)
        recipe = {n: tuple(map(self.same, n.inputs)) for n in self.first.values() if n.primitive is not INPUT}
        chosen = kept(read, recipe, self._cost, self._again)
        if chosen is None:
            raise UnspelledError("derive nowhere", where=self._nowhere(read))
        keeps = [n for n in chosen if self._at_hand(n) is None]
        reads = {n: self._read_by(n) for n in keeps if self.place(n) is None}
        lifted = [n for read in reads.values() for n, place in read.items() if place.expression is not None]
        named = {node: name for name, _, node in self._named_places(list(dict.fromkeys((*keeps, *lifted))))}
        text = self._text({node: self._kept_as(name, node) for node, name in named.items() if node in keeps}, chosen)
        lines = self._backward_lines(text, wanted)
        body = "\n".join(lines)
        extra = {
            f"{name}_{what}": f"{name}.{what}"
            for name in self.run.arguments.values()
            for what in ("shape", "dtype")
            if f"self.{name}_{what}" in body
        }
        placed = [(named[n], place) for n in named if n in keeps and (place := self.place(n)) is not None]
        made = [self._made(named[n], n, read, named) for n, read in reads.items()]
        forward = self.source.keeping(placed, extra, made)
        names = [self.gradient_places.inside.get(name, name) for name in wanted if name not in self.run.parts.values()]
        return BackwardDraft(self.source, forward, lines, tuple(names))

    def _kept_as(self, name: str, node: Node) -> str:
        """What backward calls a value that is kept under a name."""
        return f"self.{name}"

    def _made(self, name: str, node: Node, read: Mapping[Node, SourcePlace], named: Mapping[Node, str]) -> MadeValue:
        """A value that forward makes, written in its local names."""
        places = {n: (f"self.{p.name}" if p.attribute else p.name or named[n], p) for n, p in read.items()}
        text = self._text({n: local for n, (local, _) in places.items()}, [*self._at_hand_in(node)])
        text.count([node])
        return MadeValue(name, str(text.text(node, root=True)), tuple(places.values()))

    def _at_hand_in(self, node: Node) -> Iterator[Node]:
        """What a value is computed from and the layer holds."""
        for one in map(self.same, node.inputs):
            if self._at_hand(one) is not None:
                yield one
            elif self.place(one) is None:
                yield from self._at_hand_in(one)

    def _nowhere(self, read: Sequence[Node]) -> str:
        """The line of a value that the gradients read, and that no line of forward has by itself."""
        lost = [node for node in read if self._cost(node) is None]
        places = [str(member.where) for node in lost for member in self.members.get(node, ()) if member.where]
        return next(iter(places), self.run.subject.name)

    # --- the text -----------------------------------------------------------------------------------------------------

    def _text(self, keeps: Mapping[Node, str], chosen: Sequence[Node]) -> BackwardText:
        names = self._real_douts()
        leaves = {**dict(zip(self.graph.douts, names, strict=True)), **keeps}
        arrays = {text: node for node, text in leaves.items() if node.shape}
        for node in chosen:
            if (text := self._at_hand(node)) and "{" not in text:
                leaves[node] = text
        for node, path in self.run.held.items():
            if node.shape and path not in self.run.written:
                arrays.setdefault(path, node)
        shapes = {text: self._shapes(node) for text, node in arrays.items()}
        sizes = SizeWords(
            shapes, self._argument_shapes, self._whole_numbers(), all_vary=self._all_vary(),
            literals=self.source.whole_numbers, tuples=self._kept_shapes.values(),
        )  # fmt: skip
        for node in chosen:
            text = self._at_hand(node)
            if text and "{" in text:
                length = [math.prod(shape) for shape in self._shapes(node)]
                leaves[node] = text.format(sizes.number(length))
        written = [n.static.get("axis") for n in self.run.graph.nodes]
        products = any(n.primitive in primitives("dot") for n in self.run.graph.nodes)
        return BackwardText(
            self.twins, leaves, arrays, self.same, self._gradient_name, sizes, frozenset(self.graph.douts), set(names),
            last_axis=any(isinstance(a, int) and a < 0 for a in written),
            globals_=self.source.function.__globals__, dtype_of=self._argument_dtype, dot=products,
        )  # fmt: skip

    def _whole_numbers(self) -> dict[str, tuple[int, ...]]:
        """The whole numbers that the layer holds, at every size, where they differ."""
        if self.run.subject.target.is_function:
            return {}
        first, *others = [dict(_whole_in(graph.run.layer)) for graph in self.twins.graphs]
        names = [name for name in first if name not in self.run.written and all(name in other for other in others)]
        found = {name: (first[name], *(other[name] for other in others)) for name in names}
        return {text: each for text, each in found.items() if len(set(each)) > 1}

    def _all_vary(self) -> bool:
        """Whether every length of what goes in is another one in some recording, or forward asks for it."""
        given = {f"self.{name}" for name in self.run.subject.init} | set(self.run.subject.inputs)
        nodes = [n for n, name in (*self.run.arguments.items(), *self.run.held.items()) if name not in given]
        lengths = [sizes for node in nodes for sizes in zip(*self._shapes(node), strict=True)]
        return all(len(set(sizes)) > 1 or sizes[0] == 1 for sizes in lengths) and not self._fixed_sizes()

    def _fixed_sizes(self) -> set[int]:
        """The numbers of the constructor that are lengths of what forward is given, the same in all recordings."""
        first, *others = [graph.run.subject.init for graph in self.twins.graphs]
        whole = {name: n for name, n in first.items() if type(n) is int and n > 1}
        fixed = {n for name, n in whole.items() if all(other.get(name) == n for other in others)}
        shapes = [self._shapes(node) for node in self.run.arguments]
        return {n for each in shapes for sizes in zip(*each, strict=True) for n in fixed if set(sizes) == {n}}

    def _argument_shapes(self) -> Any:
        for node, name in self.run.arguments.items():
            if node.shape and name.isidentifier():
                yield self._kept_shapes.get(node, f"self.{name}_shape"), self._shapes(node)

    @cached_property
    def _kept_shapes(self) -> dict[Node, str]:
        """The attributes in which forward itself keeps the shape of an argument."""
        layers = [attributes_of(graph.run.layer) for graph in self.twins.graphs]
        names = [name for name, item in self._attributes().items() if type(item) is tuple]
        found = {}
        for node in self.run.arguments:
            shapes = list(self._shapes(node))
            same = (n for n in names if [_whole_numbers(layer.get(n)) for layer in layers] == shapes)
            if len(node.shape) > 1 and (name := next(same, None)) is not None:
                found[node] = f"self.{name}"
        return found

    def _argument_dtype(self, dtype: Any) -> str | None:
        """The dtype of an argument, which is kept for that."""
        given = self.run.arguments.items()
        return next((f"self.{name}_dtype" for node, name in given if node.shape and node.dtype == dtype), None)

    def _shapes(self, node: Node) -> Shapes:
        return tuple(twin.shape for twin in self.twins.of.get(node, (node,)))

    def _dout_names(self) -> list[str]:
        """The names of the upstream gradients in backward, one for each output."""
        outputs = list(dict.fromkeys(self.graph.outputs))
        if len(outputs) == 1:
            return ["dout"]
        names: list[str] = []
        for i, output in enumerate(outputs):
            found = [self.run.trace.names.get(m) for m in self.members.get(self.same(output), [])]
            name = next((n for n in found if n and n.isidentifier()), None)
            names.append(f"d{name}" if name and f"d{name}" not in names else f"dout{i + 1}")
        return names

    def _real_douts(self) -> list[str]:
        """The names of those that are gradients of floats."""
        outputs = dict.fromkeys(self.graph.outputs)
        return [name for name, out in zip(self._dout_names(), outputs, strict=True) if self._is_real(out)]

    @staticmethod
    def _is_real(node: Node) -> bool:
        return node.kind == "f" or node.dtype is int

    def _gradient_name(self, node: Node) -> str | None:
        """The name of a gradient, `dxhat`, or of a value that is computed again."""
        if not self.has_dout(node):
            return self._name_of(node)
        return next((name for name, gradient in self._gradients if self.equal.same(node, gradient)), None)

    @cached_property
    def _gradients(self) -> list[tuple[str, Node]]:
        """The gradients of the values that have a name, each as d and the name."""
        found = []
        for value, gradient in self.graph.raw.of.items():
            members = [n for n in self.run.graph.nodes if n is value or self.equal.same(n, value)]
            names = [self.run.arguments.get(m) or self._called(m) for m in members]
            name = next((n for n in names if n.isidentifier()), None)
            if name:
                found.append((f"d{name}", gradient))
        return found

    def _called(self, member: Node) -> str:
        """What the user calls a value of forward; of a part, its output may have the name of the part alone."""
        name = self.run.trace.names.get(member) or ""
        if member.primitive is PART and name not in self.source.function.__code__.co_varnames:
            return str(member.static["call"].path.removeprefix("self."))
        return name

    def _backward_lines(self, text: BackwardText, wanted: Sequence[str]) -> list[str]:
        roots = self._roots(wanted)
        text.count(list(roots.values()))
        given = set(self.run.arguments.values())
        inputs = [name for name in wanted if name in given]
        targets = {
            name: f"d{name}" if name.isidentifier() else f"d{name.replace('[', '').replace(']', '')}" for name in inputs
        }
        text.taken |= set(targets.values())
        text.targets = {self.same(roots[name]): target for name, target in reversed(targets.items())}
        for name in inputs:
            text.assign(targets[name], roots[name], fresh=True)
        for attribute, name in zip(
            self.run.subject.interface.found, inputs, strict=False
        ):  # where the user's leaves them
            text.lines.append(WrittenLine(f"self.{attribute} = {targets[name]}"))
        self._parameters(text, [name for name in wanted if name not in given])
        lines = [part for line in self._commented(text) for part in line]
        names, real = self._dout_names(), self._real_douts()
        last = max(names.index(name) for name in real)  # those behind it may be left out
        taken = ", ".join([*names[: last + 1], *(f"{name}=None" for name in names[last + 1 :])])
        is_loss = len(self.graph.douts) == 1 and self.graph.douts[0].shape == () and self._is_loss
        head = f"def {self.run.subject.methods[1]}(self, {taken}{'=1' if is_loss else ''}):"
        returned = returned_text(self.run.arguments.values(), targets)
        return [head, *(f"    {line}" for line in lines), "", f"    return {returned}"]

    def _roots(self, wanted: Sequence[str]) -> dict[str, Node]:
        """The gradients by name; one that is an earlier one with the other sign says so."""
        roots: dict[str, Node] = {}
        for name in wanted:
            root = self.graph.wanted[name]
            one_step = all(i in self.graph.douts or not i.inputs for i in root.inputs)
            before = next((one for one in roots.values() if not one_step and self._is_opposite(root, one)), None)
            minus = PRIMITIVES["negative"]
            roots[name] = root if before is None else Node(minus, (before,), {}, root.shape, root.dtype, root.where)
        return roots

    def _is_opposite(self, root: Node, before: Node) -> bool:
        is_alike = root.shape == before.shape and root.dtype == before.dtype
        return is_alike and before not in self.graph.douts and self.equal.opposite(root, before)

    def _parameters(self, text: BackwardText, paths: Sequence[str]) -> None:
        """The gradients of parameters: `self.dW`, or in a container like theirs: `self.grads["W1"]`."""
        made: set[str] = set()
        lists: dict[str, list[str]] = {}
        places = self.gradient_places
        for path in paths:
            if path in self.run.parts.values():
                text.text(self.graph.wanted[path])
                continue
            holder, key = places.holder(path)
            there = places.there(holder) if holder else None
            if not holder or isinstance(there, dict | list):
                write_into = isinstance(there, list)
                target = f"{places.text(path)}[...]" if write_into else places.text(path)
                text.assign(target, self.graph.wanted[path], fresh=not write_into)
            elif key.startswith('["'):
                if holder not in made:
                    text.lines.append(WrittenLine(f"{holder} = {{}}"))
                    made.add(holder)
                text.assign(f"{holder}{key}", self.graph.wanted[path], fresh=True)
            else:
                name = self._local_gradient(path, text)
                text.assign(name, self.graph.wanted[path], fresh=True)
                lists.setdefault(holder, []).append(name)
        for holder, names in lists.items():
            text.lines.append(WrittenLine(f"{holder} = [{', '.join(names)}]"))

    @cached_property
    def gradient_places(self) -> GradientPlaces:
        """Where the gradients of parameters go."""
        parts = self.run.parts.values()
        paths = [path for path in wanted_inputs(self.run) if path.startswith("self.") and path not in parts]
        return GradientPlaces(self.run.layer, self.run.subject.own_backward, paths)

    def _local_gradient(self, path: str, text: BackwardText) -> str:
        node = next(n for n, p in self.run.held.items() if p == path)
        bits = digest(self.run.trace.data[node])
        wish = next((name for (_, name), seen in self.watch.names.items() if seen[0][0] == bits), "param")
        name = f"d{wish}"
        while name in text.taken:
            name += "_2"
        text.taken.add(name)
        return name

    def _commented(self, text: BackwardText) -> Iterator[list[str]]:
        """The lines; a comment with the rule stands in front wherever the rule changes."""
        slope = self._slope(text)
        rules = Rules(self.graph, self.equal, self._name_of_value)
        last = None
        for line in text.lines:
            comment = slope or (rules.of(line.node) if line.node is not None and self.has_dout(line.node) else None)
            yield [f"# {comment}", line.text] if comment and comment != last else [line.text]
            last = comment or last

    def _slope(self, text: BackwardText) -> str | None:
        """The comment of a layer that acts on each element, and whose backward is one line."""
        if len(text.lines) != 1 or len(self.graph.wanted) != 1 or len(self.graph.outputs) != 1:
            return None
        forward = [n for n in self.run.graph.nodes if n.primitive is not CONSTANT]
        given = [n for n in forward if n.primitive is INPUT]
        if not act_on_each(forward) or len({n.shape for n in forward}) != 1 or given != [*self.run.arguments]:
            return None
        (x,), (name,) = self.run.arguments, self.run.arguments.values()
        plain = BackwardText(
            self.twins, {x: name}, {}, lambda node: node, lambda node: None, text.sizes, frozenset(), {name, "y"},
            globals_=text.globals_,
        )  # fmt: skip
        plain.count(list(self.run.graph.outputs.values()))
        formula = plain.text(next(iter(self.run.graph.outputs.values())), root=True)
        if plain.lines:
            return None
        letters = {
            t: "y" if self.same(n) is self.same(self.graph.outputs[0]) else name
            for n, t in text.leaves.items()
            if n not in self.graph.douts
        }
        if any(
            self.same(n) not in (self.same(x), self.same(self.graph.outputs[0]))
            for n in text.leaves
            if n not in self.graph.douts
        ):
            return None
        return slope_comment(str(formula), text.lines[0].text.partition(" = ")[2], letters)

    def _name_of_value(self, node: Node) -> str | None:
        """The user's name for a value of forward, or its attribute."""
        if node.primitive is CONSTANT:
            return None
        for member in self.members.get(self.same(node), [node]):
            held = self.run.held.get(member)
            if held is not None:
                return held.removeprefix("self.")
        return self._name_of(self.same(node))

    @property
    def _is_loss(self) -> bool:
        """Whether arrays go in, and one number comes out."""
        return any(node.shape for node in self.run.arguments)


def returned_text(arguments: Iterable[str], gradients: Mapping[str, str]) -> str:
    """The expression that a backward returns: one gradient an argument, or None. Trailing Nones are dropped."""
    names = [gradients.get(name, "None") for name in arguments]
    while len(names) > 1 and names[-1] == "None":
        names.pop()
    return ", ".join(names)


def _whole_numbers(item: Any) -> tuple[int, ...]:
    """A tuple of whole numbers, or none."""
    return item if type(item) is tuple and all(type(n) is int for n in item) else ()


def _whole_in(layer: Any) -> Iterator[tuple[str, int]]:
    """The whole numbers that a layer holds, alone or in a row: `self.size`, `self.padding[0]`."""
    for name, item in attributes_of(layer).items():
        if type(item) is int:
            yield f"self.{name}", item
        elif type(item) in (tuple, list):
            yield from ((f"self.{name}[{i}]", one) for i, one in enumerate(item) if type(one) is int)
