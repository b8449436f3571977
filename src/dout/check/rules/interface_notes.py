"""What there is to say of a layer's interface, where it is not the plain `forward(x)` and `backward(dout)`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dout.adapt.sizes.proposed_arrays import stands_for_array
from dout.check.exact.subject import Subject
from dout.check.report.codes import finding
from dout.check.report.verdicts import Finding
from dout.run import PlainRun


def interface_findings(subject: Subject) -> Iterator[Finding]:
    """Yield a note where the caller multiplies, and where backward also returns the gradients of parameters.

    A warning where it returns those of the inputs in another order: their shapes told whose they are.
    """
    interface = subject.interface
    if interface is None:
        return
    if interface.local:
        message = f"{interface.backward} gives the local derivative: who calls it multiplies it by dout"
        yield finding("D109", message, subject.place, layer=subject.name)
    places = [subject.names.index(name) for name in interface.order if name in subject.names]
    if places != sorted(places) and len(places) == len(interface.order):
        mine, theirs = ", ".join(interface.order), ", ".join(subject.names)
        message = (
            f"{interface.backward} returns the gradients of {mine} in this order, {interface.forward} takes {theirs}"
        )
        says = f"{message}: who unpacks them in that order gets those of another"
        first = next(taken for taken, given in zip(subject.names, interface.order, strict=False) if taken != given)
        about = {"severity": "warning", "layer": subject.name, "argument": first, "cause": "swapped"}
        yield finding("D501", says, subject.place, **about)
    elif len(places) < len(interface.order):
        number, owners = len(interface.order), ", ".join(filter(None, interface.order))
        forward = f"{interface.forward} has {len(subject.names)} inputs"
        message = f"{interface.backward} returns {number} gradients, {forward}"
        taken = f"they were taken for those of {owners}" if any(interface.order) else "whose they are is not known"
        yield finding("D502", f"{message}: {taken}", subject.place, layer=subject.name)


def not_what_it_returns(subject: Subject, first: PlainRun) -> Finding | None:
    """A finding where what backward gives is no gradient of what forward gives.

    A loss may hand its input on, and keep to itself what its backward is the gradient of; and what gives no numbers at
    all, for inputs that have some, is the way back of something else: labels of rows with one 1. Nodes of a graph
    of the user's own are differentiated there.
    """
    node = next((type(g).__name__ for g in first.gradients if stands_for_array(g)), None)
    if node is not None:
        message = f"{subject.name}.backward returns a {node}, no array: it computes in a graph of its own"
        return finding("D002", message, subject.place, layer=subject.name)
    if first.gradients and all(np.size(g) == 0 for g in first.gradients) and any(map(np.size, first.inputs)):
        message = f"{subject.name}'s backward returns no numbers: it is no gradient"
        return finding("D002", message, subject.place, layer=subject.name)
    if not (subject.ends and any(output is given for output in first.outputs for given in first.inputs)):
        return None
    message = f"{subject.name}.forward hands its input on: what backward is the gradient of is not what it returns"
    return finding("D002", message, subject.place, layer=subject.name)
