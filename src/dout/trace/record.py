"""Recording a layer or a function on given inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dout.errors import TargetError
from dout.graph import CONSTANT, INPUT, Graph, Node
from dout.trace.fresh import Twin
from dout.trace.layercalls import finished, is_layer
from dout.trace.model import Event, LayerCall, Trace
from dout.trace.names import Names
from dout.trace.replay import Data, first_difference, flat
from dout.trace.session import session
from dout.trace.standin import Traced, plain, plain_deep
from dout.trace.tracer import Tracer


def record(target: Any, *inputs: Any, dout: Any = None, **keywords: Any) -> Trace:
    """Run a layer (forward, then backward if it has one) or a function on `inputs` once, and return the recording.

    `dout` is the upstream gradient for backward: ones in the shape of the output where none is given. The instance is
    left as a plain run would leave it. Raises whatever the user's code raises, UnsupportedError for a NumPy function
    without a row, EscapeError where a value would lose its gradient, TargetError where there is nothing to call.
    """
    target = target() if inspect.isclass(target) and is_layer(target) else target
    if not _has_backward(target):
        return record_function(target, inputs, keywords, dout)[0]
    twin = Twin.of(target)
    tracer = Tracer()
    upstream = None
    with session(tracer, target, numbers=True):
        forward = target.forward  # read here: by now its calls are being recorded
        entered, output = _forward(tracer, forward, inputs, keywords)
        ends = _ends(tracer, output)
        if tracer.live:
            given = tracer.wrap(_ones(plain_deep(output)) if dout is None else dout, "dout")
            upstream = tracer.node_of(given) if isinstance(given, Traced) else None
            target.backward(*(given if _takes_each(target.backward, given) else (given,)))
    if tracer.refused is not None:
        raise tracer.refused
    trace = finish(tracer, _name_of(target), ends=ends, outputs=plain_deep(output))
    return trace if twin is None or keywords else twin.compared(trace, entered, upstream)


def record_function(
    function: Any, inputs: tuple[Any, ...], keywords: dict[str, Any], dout: Any = None
) -> tuple[Trace, list[Node | Any]]:
    """Record a function; return also what its positional arguments became: the node of each that entered the trace."""
    tracer = Tracer()
    with session(tracer, function):
        entered, output = _forward(tracer, getattr(function, "forward", function), inputs, keywords)
        ends = _ends(tracer, output)
        ran_backward = any(call.kind == "backward" and call.match is not None for call in tracer.calls)
        seeds = {} if ran_backward else _seeds(tracer, ends, dout)  # else it is known where backward began
    if tracer.refused is not None:
        raise tracer.refused
    return finish(tracer, _name_of(function), ends=ends, seeds=seeds, outputs=plain_deep(output)), entered


def _forward(
    tracer: Tracer, forward: Callable[..., Any], inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[list[Node | Any], Any]:
    arguments, keywords = _named_inputs(tracer, forward, inputs, keywords)
    entered = [tracer.node_of(a) if isinstance(a, Traced) else a for a in arguments]
    return entered, forward(*arguments, **keywords)


def _takes_each(backward: Callable[..., Any], given: Any) -> bool:
    """Whether a backward takes the upstream gradient of each output as an argument of its own: (dh_next, dc_next)."""
    if not isinstance(given, tuple):
        return False
    try:
        inspect.signature(backward).bind(*given)
    except (TypeError, ValueError):
        return False
    return len(given) > 1


def _seeds(tracer: Tracer, ends: list[Node], dout: Any) -> dict[Node, Node]:
    """The upstream gradient of each output: ones, or as given."""
    given = [_ones(tracer.data[end]) for end in ends] if dout is None else list(flat(dout))
    return {end: tracer.node_of(tracer.wrap(g, "dout")) for end, g in zip(ends, given, strict=False)}


def _ends(tracer: Tracer, output: Any) -> list[Node]:
    return [tracer.node_of(item) for item in flat(output) if _is_number(plain(item))]


def finish(
    tracer: Tracer,
    target: str,
    *,
    ends: list[Node] | None = None,
    seeds: dict[Node, Node] | None = None,
    outputs: Any = None,
    printed: str = "",
) -> Trace:
    """Freeze what a tracer recorded, and replay it."""
    frozen, calls = finished(tracer.calls)
    nodes = _needed(tracer.nodes, calls, [*(ends or ()), *(seeds or {}).values()])
    data = Data(tracer.data)
    wrong = first_difference(nodes, tracer.data)
    events = list(tracer.events)
    if wrong is not None:
        message = f"the replay of {wrong.primitive.name} differs from the recorded run: something changed unseen"
        events.append(Event("replay", message, wrong.where))
    call_of = {node: frozen[call] for node, call in tracer.call_of.items() if call in frozen}
    in_backward = {node for node, call in tracer.call_of.items() if call.in_backward()}
    names = Names(tracer, nodes)
    return Trace(
        target=target,
        graph=Graph(nodes, _input_names(nodes, names), {f"out{i}": end for i, end in enumerate(ends or ())}),
        data=data,
        names=names,
        calls=calls,
        call_of=call_of,
        backward=_backward_nodes(nodes, in_backward, calls, seeds or {}),
        events=tuple(events),
        printed=printed,
        outputs=outputs,
        seeds=seeds or {},
    )


def _has_backward(target: Any) -> bool:
    """Whether a target has a backward to run; raises where it has nothing to run at all."""
    if inspect.isclass(target) or not callable(getattr(target, "forward", target)):
        raise TargetError(f"{_name_of(target)} is neither a layer (an object with forward and backward) nor a function")
    return hasattr(target, "forward") and callable(getattr(target, "backward", None))


def _name_of(target: Any) -> str:
    return getattr(target, "__qualname__", None) or type(target).__qualname__


def _named_inputs(
    tracer: Tracer, forward: Callable[..., Any], inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    try:
        parameters = list(inspect.signature(forward).parameters)
    except (TypeError, ValueError):
        parameters = []
    names = [*parameters[: len(inputs)], *(None for _ in inputs[len(parameters) :])]
    arguments = [tracer.wrap(item, name) for item, name in zip(inputs, names, strict=True)]
    return arguments, {key: tracer.wrap(item, key) for key, item in keywords.items()}


def _is_number(item: Any) -> bool:
    return isinstance(item, np.ndarray | np.generic) or type(item) in (int, float)


def _ones(output: Any) -> Any:
    """An upstream gradient of ones for every number in an output."""
    if isinstance(output, list | tuple):
        return tuple(_ones(part) for part in output)
    if isinstance(output, np.ndarray | np.generic):
        dtype = output.dtype if output.dtype.kind in "fc" else float
        return np.ones(output.shape, dtype)[()]
    return type(output)(1) if type(output) in (int, float) else None


def _needed(nodes: list[Node], calls: tuple[LayerCall, ...], ends: list[Node]) -> tuple[Node, ...]:
    """All nodes but those inputs and constants that nothing uses: arrays that were only within reach."""
    used = {i for node in nodes for i in node.inputs} | set(ends)
    for call in calls:
        used.update(n for n in (*call.inputs, *call.outputs, *(call.douts or ()), *(call.gradients or ())) if n)
        used.update(n for p in call.parameters for n in (p.node, p.gradient))
    return tuple(node for node in nodes if node.inputs or node.primitive not in (INPUT, CONSTANT) or node in used)


def _input_names(nodes: tuple[Node, ...], names: Names) -> dict[str, Node]:
    """Every input under a name of its own: the user's, numbered where it stands for several, or input1, input2 …"""
    named: dict[str, Node] = {}
    for node in nodes:
        if node.primitive is INPUT:
            name = names.given.get(node, "input")
            unique, n = name, 1
            while unique in named or unique == "input":
                unique, n = f"{name}{n}" if name == "input" else f"{name}_{n + 1}", n + 1
            named[unique] = node
    return named


def _backward_nodes(
    nodes: tuple[Node, ...], in_backward: set[Node], calls: Any, seeds: dict[Node, Node]
) -> frozenset[Node]:
    """Nodes of a backward: made inside one, computed from such, or made only to be handed to one."""
    found = set(in_backward)
    for node in nodes:
        if any(i in found for i in node.inputs):
            found.add(node)
    given = {dout for call in calls for dout in call.douts or () if dout is not None} | set(seeds.values())
    used_forward: set[Node] = {n for call in calls for n in (*call.inputs, *call.outputs)}
    used_backward: set[Node] = set(given)
    for node in reversed(nodes):
        if node in found or (node in used_backward and node not in used_forward):
            found.add(node)
            used_backward.update(node.inputs)
        else:
            used_forward.update(node.inputs)
    return frozenset(found - {n for n in used_forward if n in found and n not in in_backward and n not in given})
