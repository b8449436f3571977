"""The loss that a program computes beside its layers: the gradient that the last of them is given is that of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dout.grad import backpropagate
from dout.graph import Node, computed_from, topological
from dout.judge.float_judge import computed
from dout.ops import PRIMITIVES
from dout.trace.session.backward_calls import upstream_gradients
from dout.trace.tracer.open_call import OpenCall
from dout.trace.tracer.script_tracer import ScriptTracer

_ONES = PRIMITIVES["ones"]
_MOST_STEPS = 20  # from the output of the layers to the loss: more are a loop over samples, which no picture holds
_ALONG = 1 - 1e-6  # the cosine between two gradients from which on one is a multiple of the other


def loss_of_round(tracer: ScriptTracer) -> Node | None:
    """The number that the program's backward begins at, where no layer gives it: the last whose gradient it is.

    A program may average a loss and not its gradient, or the other way round: a positive factor changes nothing here.
    """
    backs = [call for call in tracer.calls if call.kind == "backward" and call.parent is None and call.match]
    last = min(backs, key=lambda call: call.span[0], default=None)
    if last is None or last.match is None or len(last.match.outputs) != 1 or last.match.outputs[0] is None:
        return None
    output, given = last.match.outputs[0], upstream_gradients(tracer, last.match, last)
    if output.shape == () or not given or given[0] is None or given[0].shape != output.shape:
        return None
    found = (loss for loss in _numbers_after(tracer, last, output) if _descends(tracer, loss, output, given[0]))
    return next(found, None)


def _numbers_after(tracer: ScriptTracer, back: OpenCall, output: Node) -> Iterator[Node]:
    """Numbers that the program computes from what its layers gave, between forward and backward; the last first."""
    assert back.match is not None
    between = tracer.nodes[back.match.span[1] : back.span[0]]
    ahead = computed_from(between, [output])
    steps = [node for node in between if node in ahead]
    if len(steps) <= _MOST_STEPS and not any(node in tracer.call_of for node in steps):
        yield from (node for node in reversed(steps) if node.shape == () and node.kind == "f")


def _descends(tracer: ScriptTracer, loss: Node, output: Node, given: Node) -> bool:
    """Whether the gradient of a number is the given one, up to a positive factor."""
    one = Node(_ONES, (), {"shape": (), "dtype": np.dtype(loss.dtype)}, (), loss.dtype)
    derived = backpropagate({loss: one}).of.get(output)
    if derived is None or derived.shape != given.shape:
        return False
    try:
        known = {node: tracer.data[node] for node in tracer.nodes if node in tracer.data}
        values: dict[Node, Any] = {**known, **computed(topological([derived, given], known=known), known)}
    except (KeyError, ValueError, IndexError, TypeError):  # too large to be kept, or nothing that can be computed
        return False
    mine, theirs = (np.ravel(values[node]).astype(float) for node in (given, derived))
    with np.errstate(all="ignore"):
        size = np.linalg.norm(mine) * np.linalg.norm(theirs)
        return bool(size > 0 and mine @ theirs >= _ALONG * size)
