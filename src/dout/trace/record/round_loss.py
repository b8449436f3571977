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
_EQUAL = 1e-3  # apart from 1: a stabiliser, or float32
_ALONG = 1 - 1e-6  # the cosine between two gradients from which on one is a multiple of the other


def loss_of_round(tracer: ScriptTracer) -> Node | None:
    """The number that the program's backward begins at, where no layer gives it: the last whose gradient it is.

    A program may average a loss and not its gradient, or the other way round: a number whose gradient is a positive
    multiple will do where there is no other.
    """
    backs = [call for call in tracer.calls if call.kind == "backward" and call.parent is None and call.match]
    last = min(backs, key=lambda call: call.span[0], default=None)
    if last is None or last.match is None or len(last.match.outputs) != 1 or last.match.outputs[0] is None:
        return None
    output, given = last.match.outputs[0], upstream_gradients(tracer, last.match, last)
    if output.shape == () or not given or given[0] is None or given[0].shape != output.shape:
        return None
    ratios = {loss: _ratio(tracer, loss, output, given[0]) for loss in _numbers_after(tracer, last, output)}
    along = [loss for loss, ratio in ratios.items() if ratio]
    late = computed_from(tracer.nodes, [given[0]])  # the norm of a gradient points along it, too
    losses = [loss for loss in along if loss not in late] or along
    if losses and ratios[losses[0]] < 0:  # it goes up what the program computes last
        return None
    same = (loss for loss in losses if np.isclose(ratios[loss], 1, rtol=_EQUAL))
    return next(same, losses[0] if losses else None)


def _numbers_after(tracer: ScriptTracer, back: OpenCall, output: Node) -> Iterator[Node]:
    """Numbers that the program computes from what its layers gave, between forward and backward; the last first."""
    assert back.match is not None
    between = tracer.nodes[back.match.span[1] : back.span[0]]
    ahead = computed_from(between, [output])
    steps = [node for node in between if node in ahead]
    if len(steps) <= _MOST_STEPS and not any(node in tracer.call_of for node in steps):
        yield from (node for node in reversed(steps) if node.shape == () and node.kind == "f")


def _ratio(tracer: ScriptTracer, loss: Node, output: Node, given: Node) -> float:
    """How many times the gradient of a number the given one is; 0 where it is no multiple."""
    one = Node(_ONES, (), {"shape": (), "dtype": np.dtype(loss.dtype)}, (), loss.dtype)
    derived = backpropagate({loss: one}).of.get(output)
    if derived is None or derived.shape != given.shape:
        return 0.0
    try:
        known = {node: tracer.data[node] for node in tracer.nodes if node in tracer.data}
        values: dict[Node, Any] = {**known, **computed(topological([derived, given], known=known), known)}
    except (KeyError, ValueError, IndexError, TypeError):  # too large to be kept, or nothing that can be computed
        return 0.0
    mine, theirs = (np.ravel(values[node]).astype(float) for node in (given, derived))
    with np.errstate(all="ignore"):
        length, other = np.linalg.norm(mine), np.linalg.norm(theirs)
        is_multiple = length > 0 and abs(mine @ theirs) >= _ALONG * length * other > 0
        return float(np.sign(mine @ theirs) * length / other) if is_multiple else 0.0
