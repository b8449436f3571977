"""Inputs and parameters on which the output depends, and for which backward gives no gradient."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dout.adapt.interface.adapted_layer import users_class
from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.graph import INPUT, Node
from dout.judge.judged_run import is_label
from dout.run import otherwise


class WithoutGradient(NamedTuple):
    """An input, or a parameter, that has no gradient."""

    name: str
    node: Node
    parameter: bool


def missing_gradients(examination: Examination) -> Iterator[WithoutGradient]:
    """Yield them in the order of the recording; labels, whole numbers, draws and plain numbers of Python need none.

    There are none if backward returns more gradients than forward has inputs: whose each is is not known then.
    """
    call, trace = examination.call, examination.trace
    if len(call.gradients or ()) > len(call.inputs):
        return
    judged = {j.node for j in examination.judged}
    for name, node in trace.graph.inputs.items():
        value = trace.data[node]
        if node in judged or node not in examination.derived or node.primitive is not INPUT or node in trace.draws:
            continue
        if node in call.inputs and not is_label(value):
            yield WithoutGradient(name, node, parameter=False)
        is_held = node not in call.inputs and node in trace.names
        if is_held and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            yield WithoutGradient(name, node, parameter=True)


@otherwise(())
def paired_by_place(subject: Subject, number: int) -> tuple[str, ...]:
    """The arguments of a tape's operation, if backward returns so many gradients, one or None for each of them.

    The tape gives each what stands at its place.
    """
    interface = subject.interface
    if interface is None or not interface.context:
        return ()
    forward = inspect.unwrap(getattr(users_class(type(subject.again())), interface.forward))
    taken = [name for name in inspect.signature(forward).parameters if name != "self"][1:]
    return tuple(taken) if len(taken) == number else ()


def at_another_place(subject: Subject, examination: Examination) -> Iterator[tuple[str, str]]:
    """The inputs for which a tape's operation returns None, each with another argument that has a gradient."""
    given = examination.call.gradients or ()
    taken = paired_by_place(subject, len(given))
    others = [
        name for name, found in zip(taken, given, strict=False) if found is not None and name not in subject.names
    ]
    nodes = dict(zip(subject.names, examination.call.inputs, strict=False))
    for name, found in zip(taken, given, strict=False):
        if others and found is None and nodes.get(name) in examination.derived:
            yield name, others.pop(0)
