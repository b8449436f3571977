"""The memory plan: where the result of each step lives.

A result that leaves the call gets an array from the pool. Every other one lies in a slot of memory that it shares with
results of other times, or over an input that nobody needs any more, or where NumPy puts it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.ir.aliasing import IN_PLACE, bases, elementwise, into, is_array, is_view, keeps_order, nbytes
from dout.engine.ir.kernel_group import Group, PatchProduct, Products, Step
from dout.graph import CONSTANT, INPUT, Node, Shape
from dout.ops import PRIMITIVES, primitives
from dout.ops.operators import is_basic

MayOverwrite = Callable[[Group, Node, Node], bool]


@dataclass(frozen=True, slots=True)
class Fresh:
    """An output from the pool, in C order, new at each call."""


@dataclass(frozen=True, slots=True)
class MemorySlot:
    """Temporary memory: the array number `array` of the program's temporaries."""

    array: int


@dataclass(frozen=True, slots=True)
class Over:
    """The array of another node, which is overwritten: a dying value, or an input whose final value this is."""

    node: Node


@dataclass(frozen=True, slots=True)
class ResultView:
    """Where NumPy puts it, perhaps in the memory of an input."""


@dataclass(frozen=True, slots=True)
class Own:
    """Where NumPy puts it, in memory of its own; or a number, which needs none."""


Place = Fresh | MemorySlot | Over | ResultView | Own


@dataclass(frozen=True, eq=False)
class Memory:
    """Where the results of all steps live. Arrays in places of ours are in C order.

    places: of each node that a step makes
    slots: the bytes of each slot
    arrays: the temporaries, as `pool.scratch` takes them: slot, shape, dtype
    saved: values that are copied after the last step, before anything is copied into the user's arrays
    copies: (input, value) in this order at the end, for values that were not computed in the user's array
    fresh, own: bytes a call that come from the pool, and that NumPy allocates
    peak: the most bytes at any time, temporaries that lie idle included
    """

    places: Mapping[Node, Place]
    slots: tuple[int, ...]
    arrays: tuple[tuple[int, Shape, np.dtype[Any]], ...]
    saved: tuple[Node, ...]
    copies: tuple[tuple[Node, Node], ...]
    fresh: int
    own: int
    peak: int

    def __repr__(self) -> str:
        return f"<memory: {sum(self.slots)} bytes in {len(self.slots)} slots, {self.fresh} fresh, {self.own} NumPy's>"


def makes(step: Step) -> tuple[Node, ...]:
    """The nodes whose values a step makes."""
    if not isinstance(step, Node):
        return step.outputs
    return () if step.primitive in (INPUT, CONSTANT) else (step,)


@dataclass(eq=False, slots=True)
class _Storage:
    """One piece of memory, and the values that lie in it or may do so. `made` is the step at which it is taken."""

    kind: str  # "ours": in our hands; "NumPy's"; "given": an input that may be overwritten; "user's"
    made: int
    members: list[Node]
    chain: frozenset[Node] = frozenset()  # the values that may be put into an array of the user's


class MemoryPlanner:
    """Decides where the result of each step lives.

    `outputs` leave the call: once one is made nothing else is written to its memory. `held` are inputs whose arrays are
    the user's and are only read, but those in `written` get a final value, from step `guards_end` on and not earlier;
    an array in `written` shares no memory with another input. Inputs that are not `held` are ours, as arrays of draws.
    Of the inputs `contiguous` lie in C order; no kernel can write into the `odd` ones, which are not aligned or of
    another byte order. `may_overwrite(group, x, y)`: whether the group's kernel may be given the
    array of its input x, which dies, as that of its output y.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        outputs: Collection[Node],
        held: Collection[Node],
        *,
        written: Mapping[Node, Node] = MappingProxyType({}),
        guards_end: int = 0,
        contiguous: Collection[Node] = (),
        odd: Collection[Node] = (),
        may_overwrite: MayOverwrite = lambda group, x, y: False,
    ) -> None:
        self.outputs, self.held, self.written = list(dict.fromkeys(outputs)), frozenset(held), written
        self.guards_end, self.may_overwrite, self.end = guards_end, may_overwrite, len(steps)
        self.contiguous = set(contiguous)
        self.whole = set(contiguous) - set(odd)  # in C order, all of its storage, and fit for a kernel
        self.places: dict[Node, Place] = {}
        self.storages: list[_Storage] = []
        self._lies: dict[Node, tuple[_Storage, ...]] = {}
        self.last = {node: i for i, step in enumerate(steps) for node in step.inputs}
        self.last |= dict.fromkeys([*self.outputs, *(n for x, n in written.items() if n is not x)], self.end)
        self.targets: dict[Node, list[Node]] = {}
        for x, n in written.items():
            self.targets.setdefault(n, []).append(x)
        self.leaving = _leaving(self.outputs, steps)
        for i, step in enumerate(steps):
            self._step(i, step)

    # --- where values lie ---------------------------------------------------------------------------------------------

    def lies(self, node: Node) -> tuple[_Storage, ...]:
        """The storages that a value lies in, or may lie in."""
        if node not in self._lies:
            if not is_array(node):
                self._lies[node] = ()
            else:  # it comes from outside
                users = node in self.held or node in self.written or node.primitive is not INPUT
                chain = _chain(node, self.written[node]) - self.leaving if node in self.written else frozenset()
                self._lies[node] = (self._storage("user's" if users else "given", -1, node, chain),)
        return self._lies[node]

    def _storage(self, kind: str, made: int, node: Node, chain: frozenset[Node] = frozenset()) -> _Storage:
        storage = _Storage(kind, made, [node], chain)
        self.storages.append(storage)
        return storage

    def _step(self, i: int, step: Step) -> None:
        """Find a place for everything that the step makes."""
        for node in step.inputs:
            self.lies(node)
        taken: set[_Storage] = set()
        for node in makes(step):
            self.places[node] = self._place(i, step, node, taken)

    def _place(self, i: int, step: Step, node: Node, taken: set[_Storage]) -> Place:
        if not isinstance(step, Node) and node.shape == ():
            self._lies[node] = ()  # the kernel returns it
            return Own()
        for x in [*self.targets.get(node, ()), *step.inputs]:
            if node.shape and self._fits(i, step, node, x, taken):
                return self._put_over(x, node, taken)
        if not isinstance(step, Node) or into(step, self.contiguous):
            self._lies[node] = (self._storage("ours", i, node),)
            self._orderly(node)
            return Fresh()  # or a slot: that is seen when all is placed
        return self._by_numpy(i, node)

    def _orderly(self, node: Node) -> None:
        self.contiguous.add(node)
        self.whole.add(node)

    def _by_numpy(self, i: int, node: Node) -> Place:
        lies = dict.fromkeys(storage for base in bases(node) for storage in self.lies(base))
        if keeps_order(node, self.contiguous):
            self.contiguous.add(node)
            if node.inputs[0] in self.whole:
                self.whole.add(node)
        view = bool(bases(node))
        if is_array(node) and not (view and is_view(node, self.contiguous)):
            lies[self._storage("NumPy's", i, node)] = None
        self._lies[node] = tuple(lies)
        for storage in lies:
            if node not in storage.members:
                storage.members.append(node)
        return ResultView() if view else Own()

    # --- over another value -------------------------------------------------------------------------------------------

    def _put_over(self, x: Node, node: Node, taken: set[_Storage]) -> Place:
        (storage,) = self._lies[node] = self.lies(x)
        storage.members.append(node)
        taken.add(storage)
        for known in (self.contiguous, self.whole):
            if x in known:
                known.add(node)
        return Over(x)

    def _fits(self, i: int, step: Step, node: Node, x: Node, taken: set[_Storage]) -> bool:
        """Whether a result may be put into the array of `x`: of an input of the step, or of the user's."""
        if (x.shape, x.dtype) != (node.shape, node.dtype) or len(self.lies(x)) != 1:
            return False
        (storage,) = self.lies(x)
        if storage in taken or any(self.last.get(m, storage.made) > i for m in storage.members):
            return False
        if storage.kind == "user's" and not self._may_write(i, storage, node, x):
            return False
        others = [k for k, y in enumerate(step.inputs) if y is not x and storage in self.lies(y)]
        read = x in step.inputs
        if not isinstance(step, Node):
            over = not read or self._may_overwrite(step, x, node)
            return x in self.whole and not others and over
        if step.primitive in IN_PLACE and read:
            return self._fits_write(step, x, others)
        way = into(step, self.contiguous)
        return x in self.whole and not others and bool(way) and (not read or (way == "out" and elementwise(step)))

    def _may_overwrite(self, step: Group | Products | PatchProduct, x: Node, node: Node) -> bool:
        """Whether a step may put a result over one of its inputs: an element is read before it is written."""
        if isinstance(step, Group):
            return self.may_overwrite(step, x, node)
        if isinstance(step, PatchProduct):
            return False
        number = step.outputs.index(node)
        return step.onto(number) is x and not any(x in product.inputs for product in step.nodes)

    def _may_write(self, i: int, storage: _Storage, node: Node, x: Node) -> bool:
        """Whether a value on the way to the final one may be put into the user's array now, and not into a view."""
        return i >= self.guards_end and node in storage.chain and self._array(x) is storage.members[0]

    def _fits_write(self, step: Node, x: Node, others: list[int]) -> bool:
        """Whether elements may be written into `x` itself.

        NumPy sees to a value that overlaps the elements, where the key is basic. A key that overlaps them it may not.
        """
        basic = step.primitive is PRIMITIVES["setitem"] and is_basic(step.static["key"])
        once = step.inputs[0] is x and (basic or x not in step.inputs[1:])
        return once and _writeable(x) and (not others or (basic and others == [1]))

    # --- the plan -----------------------------------------------------------------------------------------------------

    def memory(self) -> Memory:
        """The plan, when every step is placed."""
        pinned = {storage for node in self.outputs for storage in self.lies(node)}
        ours = [storage for storage in self.storages if storage.kind == "ours" and storage not in pinned]
        spans = [_Span(nbytes(s.members[0]), s.made, self._until(s), s.members[0]) for s in ours]
        slots = _packed(spans)
        arrays: dict[Any, int] = {}
        for number, slot in enumerate(slots):
            for span in slot:
                layout = number, span.node.shape, span.node.dtype
                self.places[span.node] = MemorySlot(arrays.setdefault(layout, len(arrays)))
        copies, saved = self._commits()
        sizes = tuple(max(span.nbytes for span in slot) for slot in slots)
        return Memory(MappingProxyType(self.places), sizes, tuple(arrays), saved, copies, **self._figures(sizes, saved))

    def _until(self, storage: _Storage) -> int:
        return max(self.last.get(node, storage.made) for node in storage.members)

    def _array(self, node: Node) -> Node:
        """The node whose array holds the value."""
        while isinstance(place := self.places.get(node), Over):
            node = place.node
        return node

    def _commits(self) -> tuple[tuple[tuple[Node, Node], ...], tuple[Node, ...]]:
        """What is copied into the user's arrays, and what must be saved before that."""
        copies = {x: n for x, n in self.written.items() if self._array(n) is not x}
        changed = {x: self.lies(x)[0] for x in copies if is_array(x)}
        saved = [n for n in self.outputs if any(s in changed.values() for s in self.lies(n))]
        saved += [
            n for x, n in copies.items()
            if any(s in self.lies(n) for other, s in changed.items() if other is not x)
        ]  # fmt: skip
        return tuple(copies.items()), tuple(dict.fromkeys(saved))

    def _figures(self, sizes: Sequence[int], saved: Iterable[Node]) -> dict[str, int]:
        """How many bytes there are of each kind."""
        size = {node: nbytes(node) for node in self.places if is_array(node) and self.places[node] != ResultView()}
        aside = sum(map(nbytes, saved))
        fresh = sum(n for node, n in size.items() if self.places[node] == Fresh())
        own = sum(n for node, n in size.items() if self.places[node] == Own())
        change = [0] * (self.end + 2)  # of the bytes outside the slots, from step to step
        for storage in self.storages:
            node = storage.members[0]
            if self.places.get(node) in (Fresh(), Own()):
                change[storage.made] += size[node]
                change[self._until(storage) + 1] -= size[node]
        change[self.end] += aside
        return {"fresh": fresh, "own": own + aside, "peak": sum(sizes) + max(accumulate(change))}


def _leaving(outputs: Iterable[Node], steps: Iterable[Step]) -> frozenset[Node]:
    """The values that an output may be a view of, and the outputs."""
    made = {node for step in steps if isinstance(step, Node) for node in makes(step)}
    found: set[Node] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(bases(node) if node in made else ())
    return frozenset(found)


def _chain(x: Node, final: Node) -> frozenset[Node]:
    """The final value of `x`, and the values that become it by writes into their elements."""
    chain = [final]
    while chain[-1].primitive in IN_PLACE and chain[-1].inputs[0] is not x:
        chain.append(chain[-1].inputs[0])
    return frozenset(chain)


def _writeable(x: Node) -> bool:
    """Whether each element of `x` has a place of its own, where NumPy lets one write."""
    while bases(x):
        if x.primitive.write_back is None or x.primitive in primitives("diagonal einsum"):
            return False
        x = x.inputs[0]
    return True


# --- slots ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Span:
    """Memory for one value, from the step that makes it up to the last one that needs it."""

    nbytes: int
    first: int
    last: int
    node: Node = field(repr=False)


def _packed(spans: Sequence[_Span]) -> list[list[_Span]]:
    """Put spans that do not meet into the same slot: the largest first, each into the smallest slot that is free."""
    slots: list[list[_Span]] = []
    times: list[list[tuple[int, int]]] = []  # of each slot, in order
    for span in sorted(spans, key=lambda span: -span.nbytes):
        for number in reversed(range(len(slots))):  # slots come by size
            at = bisect(times[number], (span.first, span.last))
            before, after = times[number][max(0, at - 1) : at], times[number][at : at + 1]
            if all(last < span.first for _, last in before) and all(first > span.last for first, _ in after):
                break
        else:
            number, at = len(slots), 0
            slots.append([])
            times.append([])
        slots[number].append(span)
        times[number].insert(at, (span.first, span.last))
    return slots
