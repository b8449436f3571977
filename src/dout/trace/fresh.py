"""A traced layer is also run plainly on other inputs: where the graph then differs, a value had steered the trace."""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dout.graph import INPUT, Node, evaluate
from dout.ops.shape import same_layout
from dout.trace.model import Event, Trace
from dout.trace.replay import flat, same_bits


@dataclass(frozen=True)
class Twin:
    """A deep copy of a layer from before the trace, with the state of the random generators."""

    layer: Any
    python_state: Any
    numpy_state: Any

    @classmethod
    def of(cls, layer: Any) -> Twin | None:
        """Copy `layer`; None where it cannot be copied, for the trace itself does not need it."""
        try:
            return cls(copy.deepcopy(layer), random.getstate(), np.random.get_state())  # noqa: NPY002 - the state users draw from
        except Exception:
            return None

    def compared(self, trace: Trace, arguments: Sequence[Node | Any], upstream: Node | None) -> Trace:
        """Run the copy and the graph on fresh inputs; return the trace, with an event where they differ.

        `arguments` are those of forward: the node of what entered the trace, anything else as it was given.
        """
        given = {node: trace.data[node] for node in trace.graph.nodes if node.primitive is INPUT}
        given.update({node: _fresh(given[node]) for node in arguments if isinstance(node, Node)})
        inputs = [_copy(given[a]) if isinstance(a, Node) else a for a in arguments]
        returned = trace.calls[0].gradients if trace.calls and trace.calls[0].gradients else ()
        wanted = [*trace.graph.outputs.values(), *(node for node in returned if node is not None)]
        try:
            ran = list(self._run(inputs, _copy(given[upstream]) if upstream else None))
        except Exception:
            return trace  # the layer does not take such inputs
        try:
            with np.errstate(all="ignore"):
                values = evaluate(wanted, given)
            agree = all(same_bits(values[node], value) for node, value in zip(wanted, ran, strict=True))
        except Exception:
            agree = False
        return trace if agree else replace(trace, events=(*trace.events, _specialised(trace)))

    def _run(self, inputs: list[Any], upstream: Any) -> Iterator[Any]:
        silent = redirect_stdout(io.StringIO())  # what the layer prints was printed by the traced run
        with _generators(self.python_state, self.numpy_state), np.errstate(all="ignore"), silent:
            yield from (_copy(item) for item in flat(self.layer.forward(*inputs)) if item is not None)
            yield from (_copy(item) for item in flat(self.layer.backward(upstream)) if item is not None)


def _specialised(trace: Trace) -> Event:
    """Say that the recording holds for these inputs only, and what steered it."""
    steered = [event for event in trace.events if event.kind in ("branch", "index", "escape", "orphan")]
    because = f": {steered[0].message}" if steered else ""
    return Event(
        "specialised",
        f"on other inputs {trace.target} computes something else{because}",
        steered[0].where if steered else None,
    )


def _copy(item: Any) -> Any:
    return same_layout(item) if isinstance(item, np.ndarray) else item


@contextmanager
def _generators(python_state: Any, numpy_state: Any) -> Iterator[None]:
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.setstate(python_state)
    np.random.set_state(numpy_state)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002


def _fresh(item: Any) -> Any:
    """Other numbers of the same kind, shape and layout; integers stay, for they may be labels."""
    if isinstance(item, np.ndarray) and item.dtype.kind == "f":
        new = same_layout(item)
        new[...] = np.random.default_rng(0).normal(size=item.shape) * (np.abs(item).mean() if item.size else 1.0)
        return new
    if type(item) is float or isinstance(item, np.floating):
        return type(item)(item * -0.75 + 0.5)
    return _copy(item)
