"""The data of a trace: graph, concrete values, layer calls and events of one recorded run. Frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dout.graph import CONSTANT, INPUT, DType, Graph, Node, Shape, Where, computed_from, topological
from dout.ops.shape import getitem

if TYPE_CHECKING:
    from dout.trace.model.user_source import Site

Source = Literal["user", "dout"]
_MOST_PREPARED = 40  # steps before the layers that a picture has room for
LOSSES = frozenset({"orphan", "escape", "alias", "replay"})  # events after which the graph may lack an edge


@dataclass(frozen=True, slots=True)
class Event:
    """An observation of a trace besides nodes: a write into an argument, a branch on a value, an escape, an orphan …"""

    kind: str
    message: str
    where: Where | None = None

    def __str__(self) -> str:
        return f"{self.message}, at {self.where}" if self.where else self.message


@dataclass(frozen=True, eq=False, slots=True)
class Draw:
    """How the random numbers of an input were drawn: the method of a RandomState or Generator, and its arguments."""

    generator: Literal["RandomState", "Generator"]
    method: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class Parameter:
    """An array that a layer holds, and the gradient its backward kept for it; `by` says how they were paired."""

    name: str
    node: Node
    gradient: Node
    by: Literal["name", "position", "shape", "update"]


@dataclass(frozen=True, eq=False, slots=True)
class LayerCall:
    """One `forward` of one layer, with the `backward` that belongs to it.

    `douts` are the upstream gradients its backward was given, one an output; `gradients` what it returned, one an
    input. Both are None as long as no backward belongs to this forward; an entry is None where nothing came.
    `parameters` pairs the node of each of the layer's own arrays with that of the gradient the backward kept for it.
    `defined` is the file of the class, and its qualified name; empty in a trace that was read from a document.
    """

    name: str
    cls: str
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    parent: LayerCall | None = None
    where: Where | None = None
    douts: tuple[Node | None, ...] | None = None
    gradients: tuple[Node | None, ...] | None = None
    parameters: tuple[Parameter, ...] = ()
    defined: tuple[str, str] = ("", "")

    def __repr__(self) -> str:
        return f"<{self.cls} {self.name}>"

    def outward(self) -> Iterator[LayerCall]:
        """This call and those that it was made in, from the inside."""
        call: LayerCall | None = self
        while call is not None:
            yield call
            call = call.parent

    def inside(self, other: LayerCall | None) -> bool:
        """Whether this call was made inside `other`, at any depth, or is `other`; every call is inside None."""
        return other is None or any(call is other for call in self.outward())


@dataclass(frozen=True, slots=True)
class Gradient:
    """A gradient and where it comes from: `user` (the hand-written backward) or `dout` (derived).

    `expected` is the derived gradient where the user's differs from it, else None. `node` computes the gradient, and
    `derived` what dout makes of it, where the recording itself was at hand.
    """

    value: Any
    source: Source
    expected: Any = None
    node: Node | None = field(default=None, compare=False, repr=False)
    derived: Node | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, eq=False, slots=True)
class Use:
    """An edge: one use of a value, as an argument of a node, or of a layer call as a whole (then `node` is None)."""

    node: Node | None
    call: LayerCall | None
    argument: int
    gradient: Gradient | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """A value in a trace: its number or array, its name, its uses and its gradient.

    `known` has the numbers and arrays of the trace: one too large to be kept is computed when it is asked for.
    """

    node: Node
    known: Mapping[Node, Any]
    name: str | None = None
    uses: tuple[Use, ...] = ()
    gradient: Gradient | None = None

    @property
    def data(self) -> Any:
        """The number or array; None where it is not known."""
        return self.known.get(self.node)

    @property
    def shape(self) -> Shape:
        """Shape; () for numbers."""
        return self.node.shape

    @property
    def dtype(self) -> DType:
        """NumPy dtype, or the type of a plain Python number."""
        return self.node.dtype

    @property
    def made(self) -> bool:
        """Whether a node made it: false for inputs and constants."""
        return self.node.primitive not in (INPUT, CONSTANT)

    def __repr__(self) -> str:
        return f"<value {self.name or ''} {self.data!r}>"


def _picks_rows(part: Node) -> bool:
    """Whether a part of an array is fewer of its rows, or one."""
    key, rows = part.static["key"], part.inputs[0].shape[0]
    first = next(iter(key), Ellipsis) if isinstance(key, tuple) else key
    return first not in (None, Ellipsis) and (1 if isinstance(first, int) else part.shape[0]) < rows


Annotated = tuple[tuple[Value, ...], Mapping[LayerCall, tuple[Use, ...]]]


def _itself(item: Any) -> Any:
    return item


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """One recorded run, as data; `dout.Trace` is one with its verbs.

    `graph` holds the nodes of forward and backward; `data` the concrete value of each node; `names` what the user
    calls them; `call_of` the innermost layer call a node was made in; `backward` the nodes that belong to a backward;
    `seeds` the upstream gradient of each output where no hand-written backward was given one; `steered` the values that
    the program took for a branch or an index; `draws` how the inputs that are random were drawn; `sites` the
    instructions that made the nodes, where it was recorded here; `conventions` the gradients that are right by a
    convention of their layer, with what it is; `joined` the outputs of an activation whose backward its loss computes,
    too: the upstream gradient there is that of what the activation was given; `stored` gives the values with their
    gradients where they were read from a document, else they are derived.
    """

    target: str
    graph: Graph
    data: Mapping[Node, Any]
    names: Mapping[Node, str]
    calls: tuple[LayerCall, ...] = ()
    call_of: Mapping[Node, LayerCall] = field(default_factory=dict)
    backward: frozenset[Node] = frozenset()
    events: tuple[Event, ...] = ()
    printed: str = ""
    outputs: Any = None
    seeds: Mapping[Node, Node] = field(default_factory=dict)
    steered: frozenset[Node] = frozenset()
    draws: Mapping[Node, Draw] = field(default_factory=dict)
    sites: Mapping[Node, Site] = field(default_factory=dict)
    conventions: Mapping[Node, str] = field(default_factory=dict)
    joined: frozenset[Node] = frozenset()
    stored: Callable[[], Annotated] | None = None

    def __repr__(self) -> str:
        return f"<trace of {self.target}: {len(self.graph.nodes)} nodes, {len(self.calls)} layer calls>"

    def __getstate__(self) -> dict[str, Any]:
        """A copy or pickle holds all recorded data; derived data is computed again."""
        state = {part.name: getattr(self, part.name) for part in fields(self)}
        stored = self.stored and partial(_itself, self.stored())
        return {**state, "names": dict(self.names), "sites": {}, "stored": stored}  # the code that ran stays here

    @property
    def computed(self) -> tuple[Node, ...]:
        """The steps of forward, in their order."""
        return tuple(n for n in self.graph.nodes if n.inputs and n not in self.backward)

    @property
    def steered_by_arrays(self) -> tuple[Node, ...]:
        """What forward computed from arrays and took for a branch, a shape or an index."""
        made = [n for n in self.graph.nodes if n in self.steered and n not in self.backward]
        return tuple(n for n in made if any(i.shape for i in topological([n]) if i.primitive is INPUT))

    @property
    def values_counted(self) -> tuple[Where, ...]:
        """Where arrays were made into whole numbers that forward took for a shape or an index."""
        whole = (n.where for n in self.steered_by_arrays if np.dtype(n.dtype).kind in "iu")
        return tuple(dict.fromkeys(where for where in whole if where is not None))

    @cached_property
    def prepared(self) -> frozenset[Node]:
        """Nodes outside all layers that depend on no input: `b = np.zeros(4)`, `W = 0.01 * randn(3, 4)`.

        Where many steps come before the layers, as those that turn and blur each image of a batch, all of these.
        So are the steps up to where a batch is picked from an array: `X[i:i+32] / 255` begins with the batch. An array
        of which several parts go on, as the steps of a sequence, is no set of samples.
        What is computed from what the program's own backward reads is a part of its network: `h = x @ W`, where it
        has `dW = x.T @ dh`.
        """
        if not self.calls:
            return frozenset()
        own = [n for n in self.graph.nodes if n.primitive is not INPUT and n not in self.backward]
        given = [node for call in self.calls for node in call.outputs if node is not None]
        read = {i for node in self.backward if node not in self.call_of for i in node.inputs}
        outside = [n for n in own if n.primitive is not CONSTANT and n not in self.call_of]
        network, after = computed_from(own, read), computed_from(own, given)
        outside = [n for n in outside if n not in network]
        before = [n for n in outside if n not in after]
        if len(before) > _MOST_PREPARED:
            return frozenset(before)
        parts: dict[Node, list[Node]] = {}
        for node in outside:
            if node.primitive is getitem and _picks_rows(node):
                parts.setdefault(node.inputs[0], []).append(node)
        batches = [node for node, *others in parts.values() if not others]
        found: set[Node] = set()
        for node in outside:
            if all(i in found or i in self.draws or i.primitive is CONSTANT for i in node.inputs):
                found.add(node)
        return frozenset(found.union(filter({*before}.__contains__, topological(batches))))
