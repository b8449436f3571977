"""Recording a layer or a function on given inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from dout.errors import TargetError
from dout.graph import CONSTANT, INPUT, Graph, Node, computed_from, uses_of
from dout.ops.create import number
from dout.run import douts_taken, flat, otherwise
from dout.trace.model.recorded import Event, LayerCall
from dout.trace.model.replay import Data, first_difference, is_number
from dout.trace.model.user_source import parameters
from dout.trace.record.specialisation import Twin
from dout.trace.record.trace import Trace
from dout.trace.session.layer_calls import LayerMethods, MethodsOf, finished, is_layer, plain_methods
from dout.trace.session.session import Session, session
from dout.trace.session.side_effects import is_small, undone
from dout.trace.session.value_names import ValueNames
from dout.trace.tracer.traced import Traced, plain, plain_deep
from dout.trace.tracer.tracer import Tracer

METHODS_OF = "dout_methods_of"  # of a class that was made by `dout.adapt`: how the methods of its parts are called
_methods_of_parts: WeakKeyDictionary[type, Callable[[type, type], LayerMethods | None]] = WeakKeyDictionary()


def know_parts(cls: type, methods_of: Callable[[type, type], LayerMethods | None]) -> None:
    """Let recordings of a class that is itself written plainly ask, of it and each other class, for its methods."""
    with suppress(TypeError):  # a metaclass may refuse to hash
        _methods_of_parts[cls] = methods_of


def record(target: Any, /, *inputs: Any, dout: Any = None, **keywords: Any) -> Trace:
    """Run a layer (forward, then backward if it has one) or a function on `inputs` once, and return the recording.

    `dout` is the upstream gradient for backward, or a function that gives its numbers for the shape of an output; ones
    where none is given. The instance is left as a plain run would leave it. Raises whatever the user's code raises,
    UnsupportedError for a NumPy function without a row, EscapeError where a value would lose its gradient, TargetError
    where there is nothing to call.
    """
    return record_by(Tracer(), target, inputs, keywords, dout)


def record_by(
    tracer: Tracer, target: Any, inputs: tuple[Any, ...], keywords: dict[str, Any], dout: Any = None
) -> Trace:
    """As `record`, by a tracer of another kind."""
    target = target() if inspect.isclass(target) and is_layer(target) else target
    if not _has_backward(target):
        return record_function(target, inputs, keywords, dout, tracer)[0]
    twin = Twin.of(target) if is_small(target) else None
    upstream: list[Any] = []
    methods_of = getattr(type(target), METHODS_OF, _known(type(target)))
    with session(tracer, target, numbers=True, methods_of=methods_of) as state:
        forward = target.forward  # read here: by now its calls are being recorded
        entered, output = _forward(state, forward, inputs, keywords)
        state.outputs.append(output)
        ends = _ends(tracer, output)
        if tracer.live and dout is None and not ends:
            raise TargetError(_no_output(target, output))
        if tracer.live:
            numbers = np.ones if dout is None else dout
            given = tracer.wrap(_upstream(plain_deep(output), numbers) if callable(numbers) else dout, "dout")
            douts = douts_taken(target.backward, given)
            upstream = [_entered(tracer, item) for item in douts]
            target.backward(*douts)
    if tracer.refused is not None:
        raise tracer.refused
    trace = finish(tracer, _name_of(target), ends=ends, outputs=plain_deep(state.outputs[0]))
    fit = all(type(item).__hash__ for item in flat(entered))  # arrays in a dict are not known to the twin
    if twin is None or keywords or not fit or not trace.calls or trace.calls[0].gradients is None:
        return trace
    try:
        with undone(state.swaps.holders, state.swaps.reach):
            match = tracer.calls[0].match
            return twin.compared(trace, entered, upstream, () if match is None else match.outputs)
    except SystemExit:  # on other inputs the layer ends the program
        return trace


@otherwise(plain_methods)
def _known(cls: type) -> MethodsOf:
    return partial(_methods_of_parts[cls], cls) if cls in _methods_of_parts else plain_methods


def record_function(
    function: Any, inputs: tuple[Any, ...], keywords: dict[str, Any], dout: Any = None, tracer: Tracer | None = None
) -> tuple[Trace, list[Node | Any]]:
    """Record a function. Return also its positional arguments, with the node of each that entered the trace."""
    tracer = Tracer() if tracer is None else tracer
    with session(tracer, function) as state:
        entered, output = _forward(state, getattr(function, "forward", function), inputs, keywords)
        state.outputs.append(output)
        ends = _ends(tracer, output)
        ran_backward = any(call.kind == "backward" and call.match is not None for call in tracer.calls)
        seeds = {} if ran_backward else _seeds(tracer, ends, dout)  # else it is known where backward began
    if tracer.refused is not None:
        raise tracer.refused
    return finish(tracer, _name_of(function), ends=ends, seeds=seeds, outputs=plain_deep(state.outputs[0])), entered


def _forward(
    state: Session, forward: Callable[..., Any], inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[list[Node | Any], Any]:
    names = parameters(forward, len(inputs))
    arguments = [state.argument(item, name) for item, name in zip(inputs, names, strict=True)]
    keywords = {key: state.argument(item, key) for key, item in keywords.items()}
    entered = [_entered(state.tracer, a) for a in arguments]
    return entered, forward(*arguments, **keywords)


def _entered(tracer: Tracer, item: Any) -> Any:
    """An argument with nodes in the place of traced values, also in lists and tuples."""
    if type(item) in (list, tuple):
        return type(item)([_entered(tracer, part) for part in item])
    return tracer.node_of(item) if isinstance(item, Traced) else item


def _seeds(tracer: Tracer, ends: list[Node], dout: Any) -> dict[Node, Node]:
    """The upstream gradient of each output: ones, or as given, or made for its shape."""
    made = np.ones if dout is None else dout
    given = [_upstream(tracer.data[end], made) for end in ends] if callable(made) else list(flat(dout))
    return {end: tracer.node_of(tracer.wrap(g, "dout")) for end, g in zip(ends, given, strict=False)}


def _ends(tracer: Tracer, output: Any) -> list[Node]:
    tracer.ends = [tracer.node_of(item) for item in flat(output) if is_number(plain(item))]
    return tracer.ends


def finish(
    tracer: Tracer,
    target: str,
    *,
    ends: list[Node] | None = None,
    seeds: dict[Node, Node] | None = None,
    outputs: Any = None,
    printed: str = "",
    compare: bool = True,
) -> Trace:
    """Freeze what a tracer recorded, and replay it. Without `compare`, nothing is replayed, and no gradient derived."""
    used = {i for node in tracer.nodes for i in node.inputs}  # an array of the user's elsewhere may be complex
    derive = compare and not any(node.kind == "c" and (node.inputs or node in used) for node in tracer.nodes)
    seeds = seeds if derive else {}
    frozen, calls = finished(tracer, derive=derive)
    nodes = _needed(tracer.nodes, calls, [*(ends or ()), *(seeds or {}).values()], tracer.steered)
    data = Data({node: tracer.data[node] for node in nodes if node in tracer.data})
    wrong = first_difference(nodes, tracer.data) if compare else None
    events = list(tracer.events)
    if wrong is not None:
        message = f"the replay of {wrong.primitive} differs from the recorded run: something changed unseen"
        events.append(Event("replay", message, wrong.where))
    call_of = {node: frozen[call] for node, call in tracer.call_of.items() if call in frozen}
    in_backward = {node for node, call in tracer.call_of.items() if call.in_backward()}
    for parameter in (p for call in calls for p in call.parameters if p.name):
        tracer.hints.setdefault(parameter.node, parameter.name)  # it may have been met in the layer's forward alone
    names = ValueNames(tracer, nodes)
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
        steered=frozenset(tracer.steered),
        draws={node: tracer.draws[node] for node in nodes if node in tracer.draws},
        sites={node: tracer.site_of[id(node.where)] for node in nodes if id(node.where) in tracer.site_of},
    )


def _has_backward(target: Any) -> bool:
    """Whether a target has a backward to run; raises where it has nothing to run at all."""
    if inspect.isclass(target) or not callable(getattr(target, "forward", target)):
        raise TargetError(f"{_name_of(target)} is neither a layer (an object with forward and backward) nor a function")
    return hasattr(target, "forward") and callable(getattr(target, "backward", None))


def _name_of(target: Any) -> str:
    named = inspect.isclass(target) or inspect.isroutine(target)  # else a `__getattr__` of the user's might answer
    return str(target.__qualname__) if named else type(target).__qualname__


def _no_output(target: Any, output: Any) -> str:
    """Why no backward can run, and what to write instead."""
    forward = inspect.getattr_static(type(target), "forward", None)
    code = getattr(inspect.unwrap(forward) if inspect.isfunction(forward) else None, "__code__", None)
    at = f", at {code.co_filename}:{code.co_firstlineno}" if code else ""
    kind = "None" if output is None else f"a {type(output).__qualname__}"
    return f"{_name_of(target)}.forward returned {kind}, no array or real number{at}; return its result"


def _upstream(output: Any, numbers: Callable[[tuple[int, ...]], Any]) -> Any:
    """An upstream gradient for every number in an output, of the `numbers` for its shape."""
    if isinstance(output, list | tuple):
        return tuple(_upstream(part, numbers) for part in output)
    if isinstance(output, np.ndarray | np.generic):
        dtype = output.dtype if output.dtype.kind in "fc" else np.dtype(float)
        made = np.array(numbers(output.shape), dtype, order="C")
        return made if made.ndim else made[()]
    if type(output) not in (int, float):
        return None
    number = float(numbers(()))
    return type(output)(number) if number == type(output)(number) else number


def _needed(
    nodes: list[Node], calls: tuple[LayerCall, ...], ends: list[Node], steered: Iterable[Node]
) -> tuple[Node, ...]:
    """All nodes but those that are only noted, and inputs and constants without a use: arrays within reach."""
    shown = set(ends)
    for call in calls:
        shown.update(n for n in (*call.inputs, *call.outputs, *(call.douts or ()), *(call.gradients or ())) if n)
        shown.update(n for p in call.parameters for n in (p.node, p.gradient))
    noted = _noted(nodes, shown | set(steered)) if shown else set()
    kept = [node for node in nodes if node not in noted]
    used = {i for node in kept for i in node.inputs} | shown
    return tuple(node for node in kept if node.inputs or node.primitive not in (INPUT, CONSTANT) or node in used)


def _noted(nodes: list[Node], shown: set[Node]) -> set[Node]:
    """Nodes that end in numbers taken out by `float(...)` alone, as in `losses.append(float(np.mean(loss)))`.

    Nothing that is `shown` was computed with them, and no condition.
    """
    taken: set[Node] = set()  # by float, and computed from such
    for node in nodes:
        if node.primitive is number or any(i in taken for i in node.inputs):
            taken.add(node)
    uses, noted = uses_of(nodes), set[Node]()
    for node in reversed(nodes):
        used_by = [user for user, _ in uses.get(node, ())]
        ended = used_by or (node in taken and node.primitive.backward)
        if node not in shown and ended and all(user in noted for user in used_by):
            noted.add(node)
    return noted


def _input_names(nodes: tuple[Node, ...], names: ValueNames) -> dict[str, Node]:
    """Every input under a name of its own: the user's, numbered in their order of use if it is that of several."""
    place = {node: i for i, node in enumerate(nodes) if node.primitive is INPUT}
    by_use = dict.fromkeys([*(i for node in nodes for i in node.inputs if i in place), *place])
    named: dict[str, Node] = {}
    for node in by_use:
        name, n = names.given.get(node), 1
        unique = name or "input1"
        while unique in named:
            n += 1
            unique = f"{name}_{n}" if name else f"input{n}"
        named[unique] = node
    return dict(sorted(named.items(), key=lambda item: place[item[1]]))


def _backward_nodes(
    nodes: tuple[Node, ...], in_backward: set[Node], calls: Any, seeds: dict[Node, Node]
) -> frozenset[Node]:
    """Nodes of a backward: made inside one, computed from such, or made only to be handed to one."""
    found = in_backward | computed_from(nodes, in_backward)
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
