"""The gradients of parameters that no layer keeps: what a program updates them with says which they are."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from dout.grad import backpropagate
from dout.graph import INPUT, Node, Primitive, computed_from, leading_to_all, topological
from dout.judge.float_judge import computed
from dout.ops import PRIMITIVES, primitives
from dout.trace.model.recorded import Parameter
from dout.trace.model.user_source import assigned_name
from dout.trace.tracer.open_call import OpenCall
from dout.trace.tracer.script_tracer import ScriptTracer

NAME = "training step"
_ADDED, _SUBTRACTED, _NEGATED, _DIVIDED, _ONES = (
    PRIMITIVES[name] for name in ("add", "subtract", "negative", "divide", "ones")
)
_SCALED, _PRODUCTS = primitives("multiply divide negative"), primitives("matmul dot")
_CLIPPED = PRIMITIVES["clip"]
_CLOSE = 1e-3  # a step whose gradient differs less from that of a loss, relative to the largest, descends it
_BY_STATE = primitives("add subtract divide")  # as momentum and Adam do


def take_updates(tracer: ScriptTracer) -> Mapping[Node, Node] | None:
    """Enter the gradients that parameters were updated with, where the program's layers do not tell them.

    A program in which no backward belongs to a forward is one training step: it becomes the call of one layer. Its
    forward ends with the loss if the parameters descend that loss, and otherwise with the last value that all gradients
    are computed from. Returns None where there is no step, else the losses with the upstream gradient of each.
    """
    updates = tracer.updates.first
    backs = [call.match for call in tracer.calls if call.kind == "forward" and call.match is not None]
    if backs or not updates:
        _leave_out_evaluations(tracer, backs)
        known = {p.node for call in tracer.calls for p in call.parameters}
        for node in updates:
            back = None if node in known else _owner([back for back in backs if _is_of(node, back, tracer)])
            if back is not None:
                back.parameters += (_parameter(tracer, node, signed=not _is_given_dout(back)),)
        return None
    tracer.keep_first(tracer.updates.end)
    parameters = [_parameter(tracer, node, signed=True) for node in updates]
    start = _start(tracer, [parameter.gradient for parameter in parameters])
    return None if start is None else _enter(tracer, start, parameters)


def _leave_out_evaluations(tracer: ScriptTracer, backs: list[OpenCall]) -> None:
    """Forget forwards of layers that have a round besides, where no result or gradient of a round comes from them.

    What is computed from them goes, too: their loss, or an average that a layer keeps over all its forwards.
    """
    layers = {id(back.instance) for back in backs}
    alone = [call for call in tracer.calls if call.kind == "forward" and call.match is None and call.parent is None]
    idle = [call for call in alone if id(call.instance) in layers]
    made = {node for call in idle for node in tracer.nodes[slice(*call.span)]}
    gone = {node for node in made if node.primitive is not INPUT or node in tracer.draws}  # parameters are met there
    gone |= computed_from(tracer.nodes, gone)
    idle += [call for call in alone if call not in idle and not gone.isdisjoint(call.outputs)]
    kept = [call for call in tracer.calls if not any(call is one or call.is_inside(one) for one in idle)]
    wanted = {node for call in kept for node in (*call.inputs, *call.outputs) if node is not None}
    wanted |= {node for call in kept for p in call.parameters for node in (p.node, p.gradient)}
    if gone and gone.isdisjoint(topological(wanted)):
        tracer.calls = kept
        _leave_out(tracer, gone)


def _leave_out(tracer: ScriptTracer, gone: Collection[Node]) -> None:
    """Forget some nodes, from which nothing is computed that is kept."""
    kept = [0, *itertools.accumulate(node not in gone for node in tracer.nodes)]
    tracer.nodes = [node for node in tracer.nodes if node not in gone]
    tracer.steered = {node: None for node in tracer.steered if node not in gone}
    for call in tracer.calls:
        call.span = kept[call.span[0]], kept[call.span[1]]


def leave_out_unfinished(tracer: ScriptTracer) -> None:
    """Forget the layer in which a program was stopped, if others have run: half of its steps are no layer.

    And the turns of a loop over losses made anew, if what ran before it waited for its backward in vain.
    """
    first = [call for call in tracer.calls if call.kind == "forward" and call.span[1] <= tracer.round.end]
    if tracer.round.end and any(call.match is None and call.parent is None for call in first):
        tracer.keep_first(tracer.round.end)
    done = [call for call in tracer.calls if call.done]
    half = {call for call in tracer.calls if not call.done and not any(one.is_inside(call) for one in done)}
    if done and half:
        tracer.calls = [call for call in tracer.calls if call not in half]
        _leave_out(tracer, {node for node in tracer.nodes if tracer.call_of.get(node) in half})


def leave_out_aside(tracer: ScriptTracer) -> None:
    """Forget what no layer's call is computed from, nor anything after one: other data, or their sizes."""
    inside = {node for call in tracer.calls for node in tracer.nodes[slice(*call.span)]}
    inside.update(node for call in tracer.calls for node in (*call.inputs, *call.outputs) if node is not None)
    inside.update(node for call in tracer.calls for p in call.parameters for node in (p.node, p.gradient))
    whole = set(topological(inside | computed_from(tracer.nodes, inside)))
    if tracer.calls:
        _leave_out(tracer, {node for node in tracer.nodes if node not in whole})


def _is_given_dout(back: OpenCall) -> bool:
    """Whether a backward, or one around it, is given an upstream gradient: its layers may hand it on as attributes."""
    own = back.takes_dout and any(back.inputs)
    return own or (back.parent is not None and _is_given_dout(back.parent))


def _owner(readers: list[OpenCall]) -> OpenCall | None:
    """The innermost backward that has all of a parameter's gradient; None where several share it, as turns do."""
    for back in reversed(readers):  # inner layers come later
        mine = back.match
        others = [other.match for other in readers if other is not back]
        if all(mine and theirs and (mine.is_inside(theirs) or theirs.is_inside(mine)) for theirs in others):
            return back
    return None


def _is_of(node: Node, back: OpenCall, tracer: ScriptTracer) -> bool:
    """Whether a backward gave the gradient of a parameter: its forward reads that, and the update came after."""
    assert back.match is not None
    read = any(node in made.inputs for made in tracer.nodes[slice(*back.match.span)])
    return read and tracer.updates.first[node] in set(tracer.nodes[back.span[0] :])


def _parameter(tracer: ScriptTracer, node: Node, *, signed: bool) -> Parameter:
    """A parameter with its gradient, which it descends: the negative of what is added to it.

    Not `signed`, for a layer that is given the upstream gradient: its sign is the user's, who may go up or down by it.
    """
    update = tracer.updates.first[node]
    gradient, is_negative = _gradient(tracer, node, update)
    if signed and is_negative is not (update.primitive is _ADDED):
        gradient = _made(tracer, _NEGATED, (gradient,), gradient)
    sites = [tracer.site_of.get(id(where)) for where in (node.where, update.where)]
    names = [tracer.names.get(node), tracer.hints.get(node), *(assigned_name(site) for site in sites if site)]
    return Parameter(next((name for name in names if isinstance(name, str)), ""), node, gradient, "update")


def _gradient(tracer: ScriptTracer, parameter: Node, update: Node) -> tuple[Node, bool]:
    """What a parameter is updated with, without the factors on that line, and without an optimizer's state.

    And whether these factors are negative.
    """
    node, by_optimizer, is_negative = update.inputs[1], False, False
    while True:
        parts = [i for i in node.inputs if tracer.updates.leads(parameter, i) and i.shape == node.shape]
        near = by_optimizer or node.where == update.where
        scaled, turned = _scaled(tracer, node)
        if near and scaled in parts:
            node, is_negative = scaled, is_negative is not turned
        elif parts and _may_be_by_state(node) and (len(parts) < len(node.inputs) or node.primitive is _DIVIDED):
            is_negative = is_negative is not (node.primitive is _SUBTRACTED and parts[0] is node.inputs[1])
            node, by_optimizer = parts[0], True
        elif (whole := _before_clip(node)) is not None:
            node, by_optimizer = whole, True
        elif near and node.primitive in _PRODUCTS:  # 0.1 * x.T @ error
            found = [_scaled(tracer, i) if i.where == node.where else (i, False) for i in node.inputs]
            given = tuple(i for i, _ in found)
            is_negative = is_negative is not (found[0][1] is not found[1][1])
            return node if given == node.inputs else _made(tracer, node.primitive, given, node), is_negative
        else:
            return node, is_negative


def _before_clip(node: Node) -> Node | None:
    """The gradient that is clipped to this value, also in place; None where none is."""
    clipped = (n for n in (node, *node.inputs) if n.primitive is _CLIPPED and n.shape == node.shape)
    return next((n.inputs[0] for n in clipped if n is node or node.inputs[0] is n.inputs[0]), None)


def _may_be_by_state(node: Node) -> bool:
    """Whether an optimizer may add its state to a gradient here, or divide by it; it does not divide by a number."""
    return node.primitive in _BY_STATE and not (node.primitive is _DIVIDED and not node.inputs[1].shape)


def _scaled(tracer: ScriptTracer, node: Node) -> tuple[Node, bool]:
    """What a node multiplies or divides by a number, and whether that is negative; the node where it does not."""
    arrays = [i for i in node.inputs if i.shape]
    by_number = len(arrays) == 1 and not (node.primitive is _DIVIDED and arrays[0] is node.inputs[1])
    if node.primitive not in _SCALED or not by_number:
        return node, False
    numbers = [tracer.data[i] for i in node.inputs if not i.shape]
    return arrays[0], node.primitive is _NEGATED or any(number < 0 for number in numbers)


def _made(tracer: ScriptTracer, primitive: Primitive, inputs: tuple[Node, ...], beside: Node) -> Node:
    """A node of our own, beside one of the user's; its value is computed when it is asked for."""
    static = beside.static if primitive is beside.primitive else {}
    node = Node(primitive, inputs, static, beside.shape, beside.dtype, beside.where)
    tracer.nodes.append(node)
    if beside in tracer.call_of:
        tracer.call_of[node] = tracer.call_of[beside]
    return node


def _start(tracer: ScriptTracer, gradients: list[Node]) -> Node | None:
    """The last value that all gradients are computed from, and that is computed from a parameter; None without one."""
    ahead = computed_from(tracer.nodes, tracer.updates.first)
    found = (node for node in reversed(leading_to_all(tracer.nodes, gradients)) if node in ahead)
    return next((node for node in found if gradients != [node]), None)


def _upstream(tracer: ScriptTracer, losses: list[Node], parameters: list[Parameter]) -> dict[Node, Node]:
    """The losses with an upstream gradient of 1 each, if all parameters descend their sum; else nothing.

    They need not do so exactly: of log(y + 1e-7) the gradient is that of log(y), as a rule. The loss may be a number on
    the way to the one at the end, as to a running average.
    """
    losses = [loss for loss in losses if any(tracer.updates.leads(p.node, loss) for p in parameters)]
    derived = backpropagate({loss: _one(loss) for loss in losses})
    if not losses or any(parameter.node not in derived.of for parameter in parameters):
        return {}
    numbers = [node for node in derived.of if node.shape == () and node.kind == "f" and node.inputs]
    wanted = [
        *(p.gradient for p in parameters),
        *(derived.of[node] for node in (*numbers, *(p.node for p in parameters))),
    ]
    try:
        known = {node: tracer.data[node] for node in tracer.nodes if node in tracer.data}
        values = computed(topological(wanted, known=known), known)
    except (KeyError, ValueError, IndexError, TypeError):  # too large to be kept, or nothing that can be computed
        return {}
    mine = np.concatenate([np.ravel(values[parameter.gradient]) for parameter in parameters])
    theirs = np.concatenate([np.ravel(values[derived.of[parameter.node]]) for parameter in parameters])
    if _are_close(mine, theirs):
        return {loss: _one(loss) for loss in losses}
    inner = [node for node in tracer.nodes if node in set(numbers)] if len(losses) == 1 else []
    factors = ((node, float(values[derived.of[node]])) for node in reversed(inner))
    found = (node for node, times in factors if times > 0 and _are_close(mine * times, theirs))  # else it ascends
    return {loss: _one(loss) for loss in itertools.islice(found, 1)}


def _one(loss: Node) -> Node:
    return Node(_ONES, (), {"shape": (), "dtype": np.dtype(loss.dtype)}, (), loss.dtype)


def _are_close(mine: Any, derived: Any) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.max(np.abs(mine - derived), initial=0.0) <= _CLOSE * np.max(np.abs(derived), initial=0.0))


def _enter(tracer: ScriptTracer, start: Node, parameters: list[Parameter]) -> Mapping[Node, Node]:
    """Enter the call of a layer that stands for the whole step."""
    updates, layer = tracer.updates.first, type(NAME, (), {})()
    forward, back = (OpenCall(kind, layer, NAME, None, start.where) for kind in ("forward", "backward"))
    forward.match, back.match = back, forward
    forward.done = back.done = True
    told = {*updates.values(), *(parameter.gradient for parameter in parameters)}
    used = {i for node in tracer.nodes for i in node.inputs}
    losses = [n for n in tracer.nodes if n not in used and n.shape == () and n.kind == "f"]
    whole, needed = set(topological({*told, *losses})), set(topological(told))
    nodes = tracer.nodes = [node for node in tracer.nodes if node in whole]  # no sample of what it has learned
    tracer.steered = {node: None for node in tracer.steered if node in whole}
    forward.span = back.span = (0, len(nodes))
    upstream = _upstream(tracer, losses, parameters)
    behind = needed - set(topological(upstream)) if upstream else needed & computed_from(nodes, [start])
    inside = computed_from(nodes, updates) - behind
    tracer.call_of = {**dict.fromkeys(inside, forward), **dict.fromkeys(behind, back)}
    tracer.calls = [forward, back]
    forward.outputs = (*(() if upstream else (start,)), *(n for n in losses if n in inside))
    shown = inside.intersection(topological(n for n in forward.outputs if n is not None))
    read = (i for node in nodes if node in shown for i in node.inputs if i not in inside and i not in updates)
    forward.inputs = tuple(dict.fromkeys(i for i in read if i.shape))
    back.parameters = tuple(parameters)
    return upstream
