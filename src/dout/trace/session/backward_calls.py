"""Which forward a backward belongs to, and which of its arguments are upstream gradients.

`backward(dout)` has them alone. Others are handed again what forward was given or gave: `backward(x, dout)`,
`backward(dout, out)`. Those arguments are told by what they are, not by their places.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import INPUT, Node
from dout.ops import PRIMITIVES
from dout.trace.model.recorded import Parameter
from dout.trace.session.gradient_dicts import array_of
from dout.trace.tracer.open_call import OpenCall
from dout.trace.tracer.traced import Traced, plain

if TYPE_CHECKING:
    from dout.trace.tracer.tracer import Tracer

_LIKE = 1e-4  # relative: forwards may add a small number
_ADD, _PICK = PRIMITIVES["add"], PRIMITIVES["getitem"]


def match_forward(tracer: Tracer, backward: OpenCall) -> None:
    """Find the forward a backward belongs to: whose residuals it reads, else from whose output its gradient came.

    Of several the latest that has none yet. Between a forward and its backward a program may measure other data.
    """
    waiting = [c for c in tracer.calls if c.instance is backward.instance and c.kind == "forward" and c.done]
    waiting = [c for c in waiting if c.match is None and not c.in_backward()]  # a backward may call forward again
    waiting = [c for c in waiting if not _takes_other_values(tracer, c, backward)]
    if not waiting or any(_gives_local_derivative(tracer, forward, backward) for forward in waiting):
        return
    if len(waiting) > 1:
        made = set(tracer.nodes[slice(*backward.span)])
        read = {i for node in made for i in node.inputs} - made - set(backward.inputs)

        def reads(forward: OpenCall) -> int:
            own = (n for n in tracer.nodes[slice(*forward.span)] if n.primitive is not INPUT or n in tracer.draws)
            return len(read & {*own, *forward.inputs})  # the first forward met the parameters that all of them read

        best = max(map(reads, waiting))
        chosen = [c for c in waiting if reads(c) == best]
        taken = {node for c in tracer.calls if c.kind == "forward" and c.match for node in c.inputs}
        same = [c for c in waiting if not taken.isdisjoint(c.outputs) and _went_alike(tracer, c, chosen[-1])]
        waiting = same[-1:] or chosen
    forward = waiting[-1] if len(waiting) == 1 else _of_its_loss(waiting, backward)
    backward.match, forward.match = forward, backward
    if backward.takes_dout:
        given = itertools.zip_longest(forward.outputs, backward.inputs[: len(forward.outputs)])
        cached = [i > 0 and out is item and _is_cache(tracer, forward, out) for i, (out, item) in enumerate(given)]
        forward.outputs = tuple(itertools.compress(forward.outputs, map(operator.not_, cached)))
    backward.arriving = tuple(_arriving(tracer, forward, backward))


def _takes_other_values(tracer: Tracer, forward: OpenCall, backward: OpenCall) -> bool:
    """Whether a backward takes forward's own arguments, and others than that had: a loss that measured other data."""
    own, given = [*forward.arguments], [*backward.arguments]
    if backward.takes_dout or not own or given[: len(own)] != own:
        return False
    pairs = zip(forward.inputs, backward.inputs, strict=False)
    arrays = [(one, two) for one, two in pairs if one is not None and two is not None and one.shape and two.shape]
    return not all(_has_its_numbers(tracer, one, two) or one in _way_back([two], set()) for one, two in arrays)


def _has_its_numbers(tracer: Tracer, node: Node, other: Node) -> bool:
    """Whether two arrays are alike in all that is known of them."""
    one, two = tracer.data.get(node), tracer.data.get(other)
    return node.shape == other.shape and (one is None or two is None or np.array_equal(one, two, equal_nan=True))


def _went_alike(tracer: Tracer, forward: OpenCall, other: OpenCall) -> bool:
    """Whether two forwards took and gave the same numbers, as of the loss and of the accuracy for one batch.

    Then the gradient belongs to the one whose output went on to where it comes from, and the layer holds both's values.
    """
    mine, others = ((*call.inputs, *call.outputs) for call in (forward, other))
    return (
        forward is not other
        and len(mine) == len(others)
        and all(
            one is two or (one is not None and _is_same(tracer, one, two))
            for one, two in zip(mine, others, strict=True)
        )
    )


def _of_its_loss(waiting: Sequence[OpenCall], backward: OpenCall) -> OpenCall:
    """The latest of these forwards from whose output a backward's arguments were computed; else that of their shape."""
    met: set[Node] = set()
    way = _way_back(backward.inputs, met)

    def is_before(out: Node) -> bool:
        return out in met or any(node is out for node in way)

    for fits in (is_before, lambda out: any(map(_has_its_shape, backward.inputs, itertools.repeat(out)))):
        for forward in reversed(waiting):
            if any(out is not None and fits(out) for out in forward.outputs):
                return forward
    return waiting[-1]


def _way_back(nodes: Iterable[Node | None], met: set[Node]) -> Iterator[Node]:
    """What nodes were computed from, each once: of thousands of steps few lead to the forward before them."""
    ahead = [node for node in nodes if node is not None]
    while ahead:
        node = ahead.pop()
        if node not in met:
            met.add(node)
            ahead += node.inputs
            yield node


def _arriving(tracer: Tracer, forward: OpenCall, backward: OpenCall) -> Sequence[Node | None]:
    """The arguments of a backward, from the first that may be an upstream gradient.

    What forward was given, what its layer holds, and then what it gave, are none, where more is given than it has
    outputs: the gradient of a half square is that itself. A list of numbers is the gradient of an array of so many.
    """
    for item in backward.arguments.values():
        if is_a_list_of_numbers(item) and [out and out.shape for out in forward.outputs] == [(len(item),)]:
            return (tracer.node_of(item),)
    if sum(node is not None and bool(node.shape) for node in backward.inputs) <= len(forward.outputs):
        return backward.inputs
    own = [*forward.inputs, *forward.held_nodes.values()]
    for shared in ([*own, *forward.outputs], own):
        others = [n for n in backward.inputs if n is None or not any(_is_same(tracer, n, one) for one in shared)]
        for fits in (_has_its_shape, _may_arrive):
            places = [i for i, n in enumerate(others) if any(fits(n, out) for out in forward.outputs)]
            if places:
                return others[places[0] :]
    return backward.inputs


def is_a_list_of_numbers(item: Any) -> bool:
    """Whether an item is a list with several recorded numbers, as loops over units make it."""
    return type(item) is list and len(item) > 1 and all(isinstance(x, Traced) and np.ndim(plain(x)) == 0 for x in item)


def _is_same(tracer: Tracer, node: Node, other: Node | None) -> bool:
    """Whether two are one value, or arrays of the same numbers: `X[batch]` is read anew for backward.

    Numbers that are all alike, zeros say, tell nothing.
    """
    if other is None or node is other or not node.shape or node.shape != other.shape or node.dtype != other.dtype:
        return node is other
    one, two = tracer.data.get(node), tracer.data.get(other)
    return one is not None and two is not None and np.array_equal(one, two) and bool(np.ptp(one))


def _has_its_shape(given: Node | None, out: Node | None) -> bool:
    """Whether an argument has the shape of an output."""
    return given is not None and out is not None and given.shape == out.shape and _may_arrive(given, out)


def _may_arrive(given: Node | None, out: Node | None) -> bool:
    """Whether an argument may be the upstream gradient of an output: no number of Python's is that of an array."""
    if given is None or out is None:
        return False
    is_setting = isinstance(given.dtype, type) and out.shape != ()
    return not is_setting and _is_broadcast(given.shape, out.shape)


def _is_cache(tracer: Tracer, forward: OpenCall, output: Node | None) -> bool:
    """Whether an output that backward is given is there for that alone: `return np.maximum(x, 0), x`.

    The gradient of one that a program uses may be itself, as of its half square.
    """
    later = tracer.nodes[forward.span[1] :]
    return output in forward.inputs or not any(output in node.inputs for node in later if node not in tracer.call_of)


def is_given_a_step_size(tracer: Tracer, backward: OpenCall, forward: OpenCall) -> bool:
    """Whether a backward is given a number of Python's for an array: of an upstream gradient that would be 1."""
    given = next(iter(backward.arriving), None)
    is_number = given is not None and isinstance(given.dtype, type) and tracer.rounds and tracer.data[given] != 1
    return bool(is_number) and all(node is not None and node.shape != () for node in forward.outputs[:1])


def _gives_local_derivative(tracer: Tracer, forward: OpenCall, backward: OpenCall) -> bool:
    """Whether a backward is given the input of an elementwise forward, or a part of it, alone: `sigmoid.backward(z)`.

    Or nothing at all, and reads only what that forward had, while others use what it gave: `dout * relu.backward()`.
    """
    given = {_whole(node, forward) for node in backward.inputs}
    arrays = [node for node in forward.inputs if node is not None]
    shapes = [output.shape for output in forward.outputs if output is not None]
    if not arrays or shapes != [arrays[0].shape] or shapes == [()]:
        return False
    made, its = (set(tracer.nodes[slice(*call.span)]) for call in (forward, backward))
    read = {i for node in its for i in node.inputs}
    if given:
        return given <= {*arrays} and made.isdisjoint(read)
    between = tracer.nodes[forward.span[1] : backward.span[0]]
    is_used = any(output in node.inputs for node in between for output in forward.outputs)
    own = made | its | {*arrays}
    return is_used and not backward.arguments and len(arrays) == 1 and all(i in own or not i.shape for i in read)


def _whole(node: Node | None, forward: OpenCall) -> Node | None:
    """The input of a forward from which a value was picked, by its place: `z[i]` of z; any other value as it is."""
    picked = node
    while picked is not None and picked.primitive is _PICK:
        picked = picked.inputs[0]
    return picked if picked in forward.inputs else node


def gradients_by_input(tracer: Tracer, forward: OpenCall, backward: OpenCall) -> tuple[Node | None, ...]:
    """The returned gradients, one an input; those for arguments that are no inputs (a flag, None) are left out.

    Where none is returned, those of the parameters among the arguments. Fewer than inputs are those of what layers
    gave: nobody needs that of a target.
    """
    given, returned = forward.arguments.values(), backward.outputs
    if not any(returned):
        kept = {parameter.node: parameter.gradient for parameter in backward.parameters}
        return tuple(kept.get(node) for node in forward.inputs if node is not None)
    if _holds_list(forward):  # whose gradients are a list, too: of one array nobody knows which part is whose
        alike = len(returned) == len(forward.inputs)
        return returned if alike else tuple(map(_of_its_shape, forward.inputs, returned))
    if len(returned) < len(forward.inputs):
        made = {out for call in tracer.calls if call.kind == "forward" for out in call.outputs}
        learned = [any(node in made for node in _way_back([value], set())) for value in forward.inputs]
        theirs = iter(returned)
        return tuple(next(theirs) if its else None for its in learned) if sum(learned) == len(returned) else returned
    if len(returned) != len(given):
        return returned
    return tuple(itertools.compress(returned, (isinstance(array_of(argument), Traced) for argument in given)))


def _holds_list(call: OpenCall) -> bool:
    return any(type(argument) in (list, tuple) for argument in call.arguments.values())


def _of_its_shape(value: Node | None, gradient: Node | None) -> Node | None:
    """A gradient that has the shape of its value; None for any other."""
    return gradient if value is not None and gradient is not None and value.shape == gradient.shape else None


def upstream_gradients(tracer: Tracer, forward: OpenCall, backward: OpenCall) -> tuple[Node | None, ...] | None:
    """The upstream gradients that a backward was given, one an output; None where its arguments are none by shape.

    A number of Python's that follows the first is that of an array if it is 0 or 1; otherwise it is a setting, such as
    a learning rate. What is no array, as a tuple that is a cache, has none.
    """
    given = backward.arriving[: max(1, len(forward.outputs))] if backward.takes_dout else ()
    if not given or _is_handed_past_the_last(tracer, forward, backward):
        return None
    later = itertools.takewhile(
        lambda pair: pair[0] is not None and not _is_setting(tracer, *pair),
        zip(forward.outputs[1:], given[1:], strict=False),
    )
    given = (given[0], *(dout for _, dout in later))
    if _holds_list(backward) and len(backward.arriving) != len(forward.outputs):
        given = tuple(map(_of_its_shape, forward.outputs, given))
        if not any(given):
            return None
    fits = (
        dout is None or (out is not None and _is_broadcast(dout.shape, out.shape))
        for out, dout in zip(forward.outputs, given, strict=False)
    )
    return given if all(fits) else None


def _is_handed_past_the_last(tracer: Tracer, forward: OpenCall, backward: OpenCall) -> bool:
    """Whether a network hands on what it is given, as it is, to the layer before its softmax or sigmoid.

    Then that is the gradient of the logits: the loss has joined the two. Unless a loss returned it for the output.
    """
    dout, inside = backward.arriving[0], [c for c in tracer.calls if c.kind == "forward" and c.is_inside(forward)]
    logits = [c.outputs[0] for c in inside if c.outputs and c.match is not None and dout in c.match.arriving[:1]]
    others = (c for c in tracer.calls if c.kind == "backward" and c is not backward and not c.is_inside(backward))
    if dout is None or not logits or any(dout in call.outputs for call in others):
        return False
    pair = [node for node in (*forward.outputs, logits[-1]) if node is not None]
    return len(pair) == 2 and _are_probabilities(*map(tracer.data.get, pair))


def _are_probabilities(out: Any, logits: Any) -> bool:
    """Whether an output is the softmax or the sigmoid of logits, by its numbers."""
    if not (isinstance(out, np.ndarray) and isinstance(logits, np.ndarray) and out.shape == logits.shape and out.ndim):
        return False
    with np.errstate(all="ignore"):
        powers = [np.exp(logits - logits.max(axis=axis, keepdims=True)) for axis in (-1, 0)]
        softmaxes = (power / power.sum(axis=axis, keepdims=True) for power, axis in zip(powers, (-1, 0), strict=True))
        return any(np.allclose(out, one, rtol=_LIKE) for one in (*softmaxes, 1 / (1 + np.exp(-logits))))


def _is_setting(tracer: Tracer, out: Node | None, given: Node | None) -> bool:
    is_number = given is not None and isinstance(given.dtype, type) and tracer.data[given] not in (0, 1)
    return is_number and out is not None and out.shape != ()


def _is_broadcast(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether an array of a shape, multiplied by one of the `whole` shape, gives the whole shape."""
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False


def own_gradient(parameter: Parameter, backward: OpenCall, calls: Iterable[OpenCall]) -> Parameter:
    """A parameter with what its call adds to the gradient of others beside it, `weights.grad += …`: not their sum."""
    gradient = parameter.gradient
    if gradient.primitive is not _ADD:
        return parameter
    beside = (p for call in calls if not call.is_inside(backward) for p in call.parameters)
    others = {p.gradient for p in beside if p.node is parameter.node}
    own = [term for term in gradient.inputs if term not in others]
    return replace(parameter, gradient=own[0]) if len(own) == 1 and own[0].shape == gradient.shape else parameter
