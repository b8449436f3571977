"""Layer calls: a class with forward and backward, its calls recorded while a trace runs."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dout.graph import INPUT, Node, Where
from dout.run import attributes_of, mro_of, signature_of, vars_of
from dout.trace.model import user_source
from dout.trace.model.recorded import LayerCall, Parameter
from dout.trace.model.replay import is_number
from dout.trace.session.backward_calls import (
    gradients_by_input,
    is_a_list_of_numbers,
    is_given_a_step_size,
    match_forward,
    own_gradient,
    upstream_gradients,
)
from dout.trace.session.function_layers import FunctionLayer
from dout.trace.session.gradient_dicts import array_of
from dout.trace.session.layer_places import calling_frame, kept_as
from dout.trace.session.pairing import is_parameter, pairs
from dout.trace.session.reused_parts import complete_parts, held_values, of_reused_parts
from dout.trace.tracer.open_call import OpenCall
from dout.trace.tracer.traced import Traced, plain
from dout.trace.tracer.user_functions import woken

if TYPE_CHECKING:
    from dout.trace.tracer.tracer import Tracer

KINDS = ("forward", "backward")


class LayerMethods(NamedTuple):
    """The names of a layer's two methods, and whether backward is given the upstream gradient."""

    forward: str = KINDS[0]
    backward: str = KINDS[1]
    takes_dout: bool = True


MethodsOf = Callable[[type], LayerMethods | None]


def is_layer(cls: type) -> bool:
    """Whether instances have `forward` and `backward`."""
    if type(cls).__getattribute__ is type.__getattribute__ and not hasattr(type(cls), "__getattr__"):
        return all(callable(getattr(cls, kind, None)) for kind in KINDS)
    found = [[base[kind] for base in map(vars_of, mro_of(cls)) if kind in base] for kind in KINDS]
    return all(items and callable(items[0]) for items in found)  # the metaclass is not asked


def plain_methods(cls: type) -> LayerMethods | None:
    """The methods of a layer, where they are called `forward` and `backward`; None where the class is no layer."""
    return LayerMethods() if is_layer(cls) else None


def recording(
    kind: str, original: Callable[..., Any], current: Callable[[], Tracer | None], methods_of: MethodsOf
) -> Callable[..., Any]:
    """Return `original`, a method of a layer class, so that its calls are recorded while a trace runs."""
    signature = _with_self(signature_of(user_source.behind(original)))

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        tracer = current() or woken()
        methods = methods_of(type(self))
        if tracer is None or methods is None:
            return original(self, *args, **kwargs)
        if tracer.stack and tracer.stack[-1].instance is self and tracer.stack[-1].kind == kind:  # it calls its super's
            return original(self, *args, **kwargs)
        if not (tracer.begins(self) if kind == "forward" else tracer.goes_back(self)):
            return original(self, *args, **kwargs)
        inner = sys._getframe(1)
        site = calling_frame(inner, self)
        call = _open(tracer, kind, self, site, original, list(signature.parameters)[1:], is_called=site is not inner)
        call.takes_dout = methods.takes_dout
        args, kwargs = _enter(tracer, call, signature, site, args, kwargs)
        tracer.stack.append(call)
        try:
            try:
                result = original(self, *args, **kwargs)
            finally:
                tracer.returns(call)
            if call in tracer.stack:  # else it was found to be a training step
                _close(tracer, call, result, site)
        finally:
            if call in tracer.stack:
                tracer.stack.remove(call)
        return result

    return method


def _with_self(signature: inspect.Signature) -> inspect.Signature:
    """The signature of a method; of a decorator's `wrapper(*args, **kwargs)` as well, which has no self by name."""
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        return signature
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    return signature.replace(parameters=[own, *parameters])


def _open(
    tracer: Tracer, kind: str, instance: Any, site: Any, original: Callable[..., Any], parameters: list[str],
    *, is_called: bool = False,
) -> OpenCall:  # fmt: skip
    """Begin a call: named as the user's line names it, or, where dout itself calls, placed where it is written.

    `is_called`: the line calls the layer, `self.query(x)`, and no method of it.
    """
    code: CodeType = inspect.unwrap(user_source.behind(original)).__code__
    receiver: str | None = None
    names: dict[str, str | None] = {}
    where = Where(code.co_filename, code.co_firstlineno)
    if user_source.in_user_code(site):
        receiver, names = user_source.argument_names(site, parameters, is_called=is_called)
        where = Where(site.f_code.co_filename, site.f_lineno)
    parent = tracer.stack[-1] if tracer.stack else None
    receiver = None if isinstance(instance, FunctionLayer) else receiver  # the module, at best
    call = OpenCall(kind, instance, receiver or type(instance).__name__, parent, where)
    call.kept_as = kept_as(site, instance)
    call.arguments = dict(names)
    tracer.calls.append(call)
    return call


def _enter(
    tracer: Tracer, call: OpenCall, signature: inspect.Signature, site: Any, args: Any, kwargs: Any
) -> tuple[Any, Any]:
    """Make inputs of the arguments, named as the caller names them."""
    try:
        bound = signature.bind(call.instance, *args, **kwargs)
    except TypeError:
        return args, kwargs  # the call itself will say so
    if call.kind == "backward":
        bound.apply_defaults()  # `dout=1` is an upstream gradient too
    names, call.arguments = call.arguments, {}
    for parameter in list(signature.parameters)[1:]:
        if parameter not in bound.arguments:
            continue
        value = bound.arguments[parameter]
        name = names.get(parameter)
        if signature.parameters[parameter].kind is inspect.Parameter.VAR_POSITIONAL:
            value = tuple(_argument(tracer, part, None, site) for part in value)
            call.arguments.update({f"{parameter}[{i}]": part for i, part in enumerate(value)})
        elif signature.parameters[parameter].kind is inspect.Parameter.VAR_KEYWORD:
            value = {key: _argument(tracer, part, key, site) for key, part in value.items()}
            call.arguments.update(value)
        else:
            given = parameter in names or name is not None
            value = _argument(tracer, value, name if given else parameter, site)
            call.arguments[parameter] = value
        bound.arguments[parameter] = value
    call.inputs = tuple(_flat_nodes(tracer, call.arguments.values()))
    call.span = (len(tracer.nodes), 0)
    if call.kind == "forward":
        if isinstance(call.instance, FunctionLayer):
            call.instance.hold(call.arguments)
        _note_state(tracer, call)
    return bound.args[1:], bound.kwargs


def _note_state(tracer: Tracer, call: OpenCall) -> None:
    """Remember the layer's attributes as its forward begins: its parameters are among them, and get their names."""
    attributes = attributes_of(call.instance)
    tracer.met_state(attributes)
    call.held = {key: list(item) if isinstance(item, list) else item for key, item in attributes.items()}
    for key, item in attributes.items():
        if isinstance(item, Traced):
            node = call.held_nodes[id(item)] = tracer.node_of(item)
            tracer.hints.setdefault(node, key)


def _argument(tracer: Tracer, value: Any, name: str | None, site: Any) -> Any:
    """An argument as a stand-in: the same plain number under the same name in the same place is one input."""
    if type(value) in (int, float):
        key = (name, id(value), id(site.f_code))
        if name and key in tracer.scalars:
            return tracer.scalars[key]
        wrapped = tracer.wrap(value, name)
        if name:
            tracer.scalars[key] = wrapped
        return wrapped
    wrapped = tracer.wrap(value, name)
    if isinstance(wrapped, Traced) and name:
        node = wrapped.resolve()
        if node.primitive is INPUT:
            tracer.names.setdefault(node, name)
        elif name.endswith("]"):
            tracer.hints.setdefault(node, name)
    return wrapped


def _flat_nodes(tracer: Tracer, items: Iterable[Any]) -> Iterable[Node]:
    """The nodes of the traced values among arguments or results; lists and tuples one level deep."""
    for item in map(array_of, items):
        if isinstance(item, Traced):
            yield tracer.node_of(item)
        elif type(item) in (list, tuple):
            yield from (tracer.node_of(part) for part in map(array_of, item) if isinstance(part, Traced))


def _close(tracer: Tracer, call: OpenCall, result: Any, site: Any) -> None:
    if not tracer.live:
        return
    call.span = (call.span[0], len(tracer.nodes))
    items = tuple(map(array_of, result if type(result) in (list, tuple) else (result,)))
    is_array = is_a_list_of_numbers if call.kind == "backward" else lambda item: False  # a forward has several outputs
    call.outputs = tuple(tracer.node_of(i) if _is_traceable(i) or is_array(i) else None for i in items)
    call.done = True
    names = user_source.assigned_name(site) if user_source.in_user_code(site) else None
    for node, name in zip(call.outputs, names if isinstance(names, list) else [names], strict=False):
        if node is not None and name and node not in call.inputs:
            tracer.names[node] = name
    if call.kind == "forward":
        if result is None:
            call.outputs = tuple(tracer.nodes[slice(*call.span)][-1:])  # it keeps what it makes
        now = attributes_of(call.instance)  # an attribute that forward itself sets is a residual, and no parameter
        left = {k: v for k, v in call.held.items() if isinstance(v, list) or plain(now.get(k)) is plain(v)}
        filled = {k: dict(v) for k, v in left.items() if type(v) is dict and not is_parameter(v)}  # by backward, maybe
        call.held = {**left, **filled}
        own = {tracer.node_of(item): name for name, item in call.arguments.items() if isinstance(item, Traced)}
        for key, item in held_values(now):  # `self.cache = (x, h)` says less than the argument's own name
            node = tracer.node_of(item)
            tracer.hints.setdefault(node, own.get(node, key))
    else:
        if isinstance(call.instance, FunctionLayer):
            call.instance.receive(result, names)
            call.outputs = call.outputs if call.takes_dout else ()  # whose gradients they are is told by name
        match_forward(tracer, call)
        if call.match is not None:
            call.takes_dout = call.takes_dout and not is_given_a_step_size(tracer, call, call.match)
            if is_a_list_of_numbers(result) and [n and n.shape for n in call.match.inputs] == [(len(result),)]:
                call.outputs = (tracer.node_of(result),)
            given, returned = len(call.match.arguments), len(call.outputs)
            called: dict[str, Any] = {}
            if returned > given:
                told = names if isinstance(names, list) else [f"grad_{i}" for i in range(returned)]  # by their shapes
                called = {name: item for name, item in zip(told, items, strict=False) if name}
            found = list(pairs(call.match.held, {**called, **attributes_of(call.instance)}))
            theirs = {tracer.node_of(p.gradient) for p in found}
            call.outputs = tuple(n for n in call.outputs if n not in theirs) if called else call.outputs
            if len(call.outputs) > given:  # the others are gradients of what it holds
                inputs = f"{given} input{'s' * (given != 1)}"
                if any(call.outputs[given:]):  # and no dict of what it holds, empty in a layer that holds nothing
                    tracer.note("count", f"{call.cls}.backward returns {returned} gradients, forward takes {inputs}")
                shapes = [node.shape for node in call.match.inputs if node is not None]
                call.outputs = tuple(n for n in call.outputs if n is None or n.shape in shapes)
            then = call.match.held_nodes  # whatever was written into its memory since
            parameters = (
                Parameter(
                    p.name, then.get(id(p.parameter)) or tracer.node_of(p.parameter), tracer.node_of(p.gradient), p.by
                )
                for p in found
            )
            made = set(tracer.nodes[slice(*call.match.span)])  # by forward: drawn when it first saw its input
            call.parameters = tuple(p for p in parameters if p.node.primitive is INPUT or p.node not in made)
            call.parameters += tuple(of_reused_parts(tracer, call, call.match))
            if call.parent is None:
                complete_parts(tracer, call)
            if isinstance(call.instance, FunctionLayer) and not (call.outputs or call.parameters):
                call.match.match, call.match = None, None  # whose gradients it adds up is told by the updates


def _is_traceable(item: Any) -> bool:
    return isinstance(item, Traced) or (is_number(item) and np.asarray(item).dtype != object)


def finished(tracer: Tracer, *, derive: bool = True) -> tuple[Mapping[OpenCall, LayerCall], tuple[LayerCall, ...]]:
    """Freeze the forwards, each with the backward that belongs to it; nodes of a backward lead to its forward.

    Where nothing is to be derived from it, the upstream gradient that a backward was given is left out.
    """
    calls = tracer.calls
    frozen: dict[OpenCall, LayerCall] = {}
    wearers: dict[str, set[int]] = {}  # instances by name: `layer` in a loop over layers says nothing
    for call in calls:
        wearers.setdefault(call.name, set()).add(id(call.instance))
    for call in calls:
        if call.kind == "forward" and not call.in_backward():
            frozen[call] = LayerCall(
                call.name if len(wearers[call.name]) == 1 else call.kept_as or call.cls,
                call.cls,
                tuple(n for n in call.inputs if n is not None),
                tuple(n for n in call.outputs if n is not None),
                frozen.get(call.parent) if call.parent else None,
                call.where,
                None if call.match is None or not derive else upstream_gradients(tracer, call, call.match),
                None if call.match is None else gradients_by_input(tracer, call, call.match),
                () if call.match is None else tuple(own_gradient(p, call.match, calls) for p in call.match.parameters),
                call.defined,
            )
    forwards = tuple(frozen.values())
    frozen.update({call: frozen[call.match] for call in calls if call.kind == "backward" and call.match in frozen})
    return frozen, forwards
