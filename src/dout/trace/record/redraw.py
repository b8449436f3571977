"""A recording with its random numbers drawn anew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from dout.errors import UnsupportedError
from dout.graph import CONSTANT, INPUT, Node, evaluate
from dout.run import mapped
from dout.trace.model.recorded import Draw, RecordedRun
from dout.trace.model.replay import is_number, same_bits
from dout.trace.tracer.random_draws import ONE

_MOST = 1 << 27  # elements to draw if only a document says that there were so many

_Run = TypeVar("_Run", bound=RecordedRun)


def redrawn(trace: _Run, seed: int | None = None) -> _Run:
    """The same recording with each random array drawn anew, as it was drawn, and all values computed from these.

    The draws come, in their order, from one RandomState and one Generator with this seed. Raises UnsupportedError where
    the recording holds for the numbers it has: a single number was drawn (it is a constant of the graph), or with
    others a branch would go the other way or a mask would select another number of elements.
    """
    for event in trace.events:
        if event.kind == "draw" and event.message.endswith(ONE):
            raise UnsupportedError(
                f"{event}, so the trace cannot be drawn anew; draw an array, as in np.random.rand(1)"
            )
    sources = {"RandomState": np.random.RandomState(seed), "Generator": np.random.default_rng(seed)}
    given = {node: trace.data[node] for node in trace.graph.nodes if node.primitive in (INPUT, CONSTANT)}
    try:
        given.update({node: _again(draw, sources, node, trace.data[node]) for node, draw in trace.draws.items()})
        with np.errstate(all="ignore"):
            data = evaluate(trace.graph.nodes, given)
    except (ValueError, IndexError, TypeError, ArithmeticError, MemoryError) as error:
        raise UnsupportedError(f"drawn anew, the recorded steps do not fit: {error}; trace it again") from None
    for node in trace.graph.nodes:
        if np.shape(data[node]) != node.shape:
            raise _another(node, f"has shape {np.shape(data[node])}, not {node.shape}")
        if node in trace.steered and not _steers_alike(data[node], trace.data[node]):
            raise _another(node, "would steer the program elsewhere")
    ends = iter([data[node] for node in trace.graph.outputs.values()])
    outputs = mapped(trace.outputs, lambda part: next(ends) if is_number(part) else part)
    return replace(trace, data=data, outputs=outputs, stored=None)


def _again(draw: Draw, sources: Mapping[str, Any], node: Node, known: Any) -> Any:
    if known is None and math.prod(node.shape) > _MOST:
        raise MemoryError(f"an array of shape {node.shape} of which only a summary was kept")
    result = getattr(sources[draw.generator], draw.method)(*draw.arguments, **draw.keywords)
    return np.asarray(result, node.dtype)


def _steers_alike(new: Any, old: Any) -> bool:
    """Whether a branch or an index takes two values alike: conditions and whole numbers that are the same."""
    if np.asarray(old).dtype.kind in "biu":
        return same_bits(new, old)
    return np.ndim(old) == 0 and bool(new) == bool(old) and int(new) == int(old)


def _another(node: Node, what: str) -> UnsupportedError:
    at = f", at {node.where}" if node.where else ""
    return UnsupportedError(f"drawn anew, {node.primitive} {what}{at}; trace it again")
