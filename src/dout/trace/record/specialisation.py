"""A traced layer is also run plainly on other inputs: where the graph then differs, a value had steered the trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dout.graph import INPUT, Node, evaluate, topological
from dout.ops.create import EMPTY
from dout.ops.shape import same_layout
from dout.run import counted_lines, deep_copy, flat, global_states, mapped, quiet
from dout.run.held_objects import generators
from dout.trace.model.recorded import Event
from dout.trace.model.replay import same_bits
from dout.trace.record.trace import Trace

MOST_LINES = 1_000_000  # of the user's code, on other inputs


@dataclass(frozen=True)
class Twin:
    """A deep copy of a layer from before the trace, and the generators that it draws from, those of its module too.

    `rewind` brings them, and the global random states, back to where they were before the trace.
    """

    layer: Any
    generators: Sequence[Any]
    rewind: Callable[[], None]

    @classmethod
    def of(cls, layer: Any) -> Twin | None:
        """Copy `layer`; None where it cannot be copied, for the trace itself does not need it."""
        try:
            twin = deep_copy(layer)
            drawn = generators(twin)
            return cls(twin, drawn, global_states(drawn))
        except Exception:
            return None

    def compared(
        self, trace: Trace, arguments: Sequence[Any], upstream: Sequence[Any], returned: Sequence[Node | None]
    ) -> Trace:
        """Run the copy and the graph on fresh inputs; return the trace, with an event where they differ.

        `arguments` are those of forward, `upstream` those of backward, also in lists and tuples: the node of what
        entered the trace, anything else as it was given. `returned` is what backward gave back.
        """
        given = {node: trace.data[node] for node in trace.graph.nodes if node.primitive is INPUT}
        new = {node: _fresh(given[node]) for node in flat(arguments) if isinstance(node, Node) and node in given}
        given.update(new)
        wanted = [*trace.graph.outputs.values(), *(node for node in returned if node is not None)]
        try:
            inputs, douts = _entering(arguments, given), _entering(upstream, given)
            steered = not set(new).isdisjoint(topological(trace.steered))
            with counted_lines(MOST_LINES) if steered else nullcontext():
                ran = list(self._run(inputs, douts))
        except Exception:
            return trace  # the layer does not take such inputs
        try:
            with np.errstate(all="ignore"):
                values = evaluate(wanted, given)
            agree = all(same_bits(values[node], value) for node, value in zip(wanted, ran, strict=True))
        except Exception:
            agree = False
        return trace if agree else replace(trace, events=(*trace.events, _specialised(trace)))

    def _run(self, inputs: Sequence[Any], upstream: Sequence[Any]) -> Iterator[Any]:
        with quiet(generators=self.generators):  # what the layer prints was printed by the traced run
            self.rewind()
            yield from (_copy(item) for item in flat(self.layer.forward(*inputs)) if item is not None)
            yield from (_copy(item) for item in flat(self.layer.backward(*upstream)) if item is not None)


def reads_memory_of_others(trace: Trace) -> bool:
    """Whether an output depends on elements of `np.empty` that nothing wrote: they differ at each call."""
    given = {node: trace.data[node] for node in trace.graph.nodes if node.primitive is INPUT}
    outputs = list(trace.graph.outputs.values())

    def with_numbers(number: int) -> Mapping[Node, Any]:
        return evaluate(outputs, given, {EMPTY: lambda shape, dtype, order="C": np.full(shape, number, dtype)})

    try:
        with np.errstate(all="ignore"):
            one, other = with_numbers(-5), with_numbers(7)
    except Exception:  # some number is no index, say
        return True
    return any(not np.array_equal(one[node], other[node], equal_nan=True) for node in outputs)


def _specialised(trace: Trace) -> Event:
    """Say that the recording holds for these inputs only, and what steered it."""
    steered = [event for event in trace.events if event.kind in ("branch", "index", "escape", "orphan")]
    because = f": {steered[0].message}" if steered else ""
    return Event(
        "specialised",
        f"on other inputs {trace.target} computes something else{because}",
        steered[0].where if steered else None,
    )


def _entering(item: Any, given: Mapping[Node, Any]) -> Any:
    """An argument with the values of its nodes, each a copy."""
    return mapped(item, lambda part: _copy(given[part]) if isinstance(part, Node) else part)


def _copy(item: Any) -> Any:
    return same_layout(item) if isinstance(item, np.ndarray) else item


def _fresh(item: Any) -> Any:
    """Other numbers of the same kind, shape and layout; integers stay, for they may be labels."""
    if isinstance(item, np.ndarray) and item.dtype.kind == "f":
        new = same_layout(item)
        new[...] = np.random.default_rng(0).normal(size=item.shape) * (np.abs(item).mean() if item.size else 1.0)
        return new
    if type(item) is float or isinstance(item, np.floating):
        return type(item)(item * -0.75 + 0.5)
    return _copy(item)
