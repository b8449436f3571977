"""D105: backward gives no gradient for an input or a parameter on which the output depends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from dout.adapt.interface.network_loss import loss_of
from dout.adapt.source import has_no_return, own_attributes, parts_in, returned_by
from dout.adapt.source.empty_methods import only_loops
from dout.adapt.target import Target
from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import Judgement
from dout.check.exact.missing_gradients import WithoutGradient, at_another_place, missing_gradients
from dout.check.exact.subject import Subject
from dout.check.lab.other_values import same
from dout.check.repair.run_repairs import forgotten_return
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.discarded_gradients import discarded_gradients, fully_judged, left_unwritten
from dout.graph import Node, topological
from dout.judge.float_judge import in_float64
from dout.run import attributes_of, copied, mro_of, otherwise
from dout.run.held_objects import places, snapshot
from dout.trace.session.pairing import GRADIENTS

RULE = Rule("D105", "note", "no gradient for an input or a parameter")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield an error if backward keeps nothing and has no `return`; else a note for each missing gradient.

    It is an error for a parameter that backward replaces by its gradient: the next forward computes with that. It is
    one, too, where the constructor makes a place for the gradient, and nothing writes there.

    It is a warning for a parameter beside others that have one, or that backward changes by itself, or if backward
    leaves an array of its shape, and for an input whose gradient backward computes, unless it is a whole network:
    nobody asks that for the gradient of its data. It is an error for an input if backward has no `return`, with the
    same exception, or if it returns an attribute that is None, and has computed the gradient by another name. The
    gradient of a parameter that is computed and forgotten is D108. It is an error, too, if the operation of a tape
    returns an input's gradient in the place of an argument that has none.
    """
    examination = judgement.examination
    missing = [] if examination is None else list(missing_gradients(examination))
    for name, other in at_another_place(subject, examination) if examination is not None else ():
        message = f"{subject.name}.backward returns None for {name}, and a gradient in the place of {other}"
        yield RULE.about(subject, message, argument=name, severity="error", cause="swapped")
    order = subject.interface.order if subject.interface is not None else ()
    if examination is None or not missing or "" in order:  # it may be among those whose owners are not known
        return
    layer = subject.again()
    has_none = has_no_return(type(layer).backward)
    is_network = _is_network(layer) or (subject.ends and bool(judgement.parameters)) or _learns(subject, examination)
    if not examination.judged and has_none and not is_network:
        names = ", ".join(item.name for item in missing)
        _, kept = own_attributes(type(layer).backward)
        discarded = discarded_gradients(subject, examination)
        kept = frozenset() if discarded else kept or frozenset(_left(subject, examination))
        what = f"keeps no gradient in {', '.join(sorted(kept))}" if kept else "keeps nothing"
        message = f"{subject.name}.backward returns nothing and {what}: no gradient found for {names}"
        first = next((item for item in missing if not item.parameter), missing[0])
        hands_on = all(output in examination.call.inputs for output in examination.call.outputs)
        held = [x for x in attributes_of(layer).values() if not isinstance(x, list | tuple | dict) or x]
        if hands_on and not held and only_loops(type(layer).backward):
            return  # a container without parts
        severity = "warning" if kept else "error"  # it may be a number, which stands for an array of it
        yield RULE.about(subject, message, argument=first.name, severity=severity, fix=forgotten_return(subject))
        return
    gives_none = has_none and not is_network and not any(examination.call.gradients or ())
    yield from _of_each(subject, judgement, missing, gives_none=gives_none, is_network=is_network)


def _of_each(
    subject: Subject, judgement: Judgement, missing: Sequence[WithoutGradient], *, gives_none: bool, is_network: bool
) -> Findings:
    """One finding for each missing gradient, where backward gives others, or is a whole network."""
    examination = judgement.examination
    assert examination is not None, "something is missing in it"
    forgotten = discarded_gradients(subject, examination)
    left = cache(partial(_left, subject, examination))
    for name, node, is_parameter in missing:
        if name in forgotten and is_parameter and fully_judged(judgement) is not None:
            continue
        if is_parameter and _is_replaced(name, node, left(), examination):
            message = f"{subject.name}.backward writes the gradient of {name} over {name}: keep it apart from {name}"
            yield RULE.about(subject, message, argument=name, severity="error", cause="stale")
            continue
        if is_parameter and (left_as_it_was := left_unwritten(subject).get(name)):
            place, writer = left_as_it_was
            elsewhere = f"backward leaves self.{place} as it was, and {writer} writes it"
            what = elsewhere if writer else f"self.{place} is made for it, and nothing writes it"
            message = f"no gradient found for {name}: {what}"
            severity = "warning" if writer else "error"
            yield RULE.about(subject, message, argument=name, severity=severity, cause="" if writer else "kept nowhere")
            continue
        message = f"no gradient found for {name}: {subject.name}'s output depends on it"
        if name in forgotten:
            message = f"{subject.name}.backward computes the gradient of {name} and does not return it"
        elif gives_none and not is_parameter:
            message = f"{subject.name}.backward has no return: no gradient found for {name}"
        shape = examination.trace.data[node].shape if is_parameter else ()
        alike = (path for path, array in left().items() if array.shape == shape) if shape else ()
        place = next((p for p in alike if not (_is_known(left()[p], examination) or _is_read(subject, p))), "")
        is_stepped = is_parameter and name in left()
        if is_stepped and not place:
            message = (
                f"no gradient found for {name}, which backward changes by itself: keep its gradient in self.d{name}"
            )
        if place:  # an optimizer's state, or a gradient by a name that nothing tells
            message = f"{message}, and backward leaves an array of its shape in {place}, which is not judged"
        is_asked_for = is_parameter or not is_network  # of its data nobody asks a network for a gradient
        is_doubtful = is_stepped or (is_parameter and (judgement.parameters or place))
        is_doubtful = is_doubtful or (name in forgotten and is_asked_for)
        is_lost = name in forgotten and not (is_parameter or is_network)
        is_lost = is_lost and _returns_none_for_another(subject, examination)
        severity = "error" if (gives_none and not is_parameter) or is_lost else "warning" if is_doubtful else "note"
        fix = forgotten_return(subject) if severity == "error" else None
        yield RULE.about(subject, message, argument=name, severity=severity, fix=fix)


@otherwise(False)
def _returns_none_for_another(subject: Subject, examination: Examination) -> bool:
    """Whether backward returns what is None by a name that another value was meant to have: `return self.dx`."""
    layer = subject.again()
    if any(examination.call.gradients or ()) or not returned_by(type(layer).backward):
        return False
    subject.runner.forward(layer, subject.fresh_inputs())
    subject.runner.backward(layer, [*map(copied, _arriving(examination))], seed=0)
    return not attributes_of(layer).get(GRADIENTS)  # it returns those of its parameters


@otherwise(dict[str, Any]())
def _left(subject: Subject, examination: Examination) -> dict[str, Any]:
    """The arrays that backward leaves in the layer and in objects that it holds, by their places."""
    layer = subject.again()
    subject.runner.forward(layer, subject.fresh_inputs())
    before = snapshot(layer)
    subject.runner.backward(layer, [*map(copied, _arriving(examination))], seed=0)
    after = snapshot(layer).items()
    return {path.removeprefix("self."): array for path, array in after if not same(before.get(path), array)}


def _is_replaced(name: str, node: Node, left: Mapping[str, Any], examination: Examination) -> bool:
    """Whether backward leaves the gradient of a parameter where the parameter was."""
    array, derived = left.get(name), examination.derived.get(node)
    if array is None or derived is None:
        return False
    right = in_float64(topological([derived]), examination.recorded)[derived]
    return np.shape(right) == array.shape and bool(np.any(array)) and np.allclose(array, right, rtol=1e-9, atol=0.0)


def _arriving(examination: Examination) -> list[Any]:
    """The upstream gradients of the recorded run."""
    data = examination.trace.data
    return [None if node is None else data[node] for node in examination.call.douts or ()]


def _is_known(array: Any, examination: Examination) -> bool:
    """Whether backward, as recorded, was given this array, or it is a gradient that is judged."""
    judged = [examination.trace.data[item.gradient] for item in examination.judged]
    return any(same(array, one) for one in (*_arriving(examination), *judged))


@otherwise(True)
def _is_read(subject: Subject, path: str) -> bool:
    """Whether the output depends on the array in a place before forward: it is a parameter, and no gradient."""
    layer, inputs = subject.again(), subject.fresh_inputs()
    for place in [one for one in places(layer) if one.path == f"self.{path}"]:
        place.put(place.item + 1.0)
    return not same(subject.runner.forward(layer, inputs), subject.forward())


def _learns(subject: Subject, examination: Examination) -> bool:
    """Whether backward steps several weights, and goes back through one of them to another: a whole network."""
    if subject.interface is None or not subject.interface.steps:
        return False
    weights = {item.node: item.gradient for item in examination.judged if item.parameter and len(item.node.shape) > 1}
    behind = ({*topological([gradient])} & weights.keys() - {node} for node, gradient in weights.items())
    return any(behind)


def _is_network(layer: Any) -> bool:
    """Whether a layer is joined to its loss, or has others among its attributes, alone or in a list or a dict."""
    if any(map(loss_of, mro_of(type(layer)))) or parts_in(type(layer)):
        return True
    held = attributes_of(layer).values()
    inner = (item for x in held for item in (x.values() if isinstance(x, dict) else x if isinstance(x, list) else [x]))
    classes = {type(item) for item in inner}
    return any(Target(cls).has_both for cls in classes if cls.__module__ not in ("builtins", "numpy"))
