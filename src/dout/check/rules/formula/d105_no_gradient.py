"""D105: backward gives no gradient for an input or a parameter on which the output depends."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from dout.adapt.interface.network_loss import loss_of
from dout.adapt.source import has_no_return, own_attributes, parts_in
from dout.adapt.target import Target
from dout.check.exact.judge import Judgement
from dout.check.exact.missing_gradients import missing_gradients
from dout.check.exact.subject import Subject
from dout.check.lab.other_values import same
from dout.check.repair.run_repairs import forgotten_return
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.discarded_gradients import discarded_gradients
from dout.run import attributes_of, mro_of, otherwise, upstream
from dout.run.held_objects import snapshot

RULE = Rule("D105", "note", "no gradient for an input or a parameter")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield an error if backward keeps nothing and has no `return`; else a note for each missing gradient.

    It is a warning for a parameter beside others that have one, or if backward leaves an array of its shape, and for an
    input whose gradient backward computes; an error for an input if backward has no `return`, unless it is a whole
    network: nobody asks that for the gradient of its data. The gradient of a parameter that is computed and forgotten
    is D108.
    """
    examination = judgement.examination
    missing = [] if examination is None else list(missing_gradients(examination))
    order = subject.interface.order if subject.interface is not None else ()
    if examination is None or not missing or "" in order:  # it may be among those whose owners are not known
        return
    layer = subject.again()
    has_none = has_no_return(type(layer).backward)
    is_network = _is_network(layer) or (subject.ends and bool(judgement.parameters))
    if not examination.judged and has_none and not is_network:
        names = ", ".join(item.name for item in missing)
        _, kept = own_attributes(type(layer).backward)
        kept = frozenset() if discarded_gradients(subject, examination) else kept or frozenset(_left(subject))
        what = f"keeps no gradient in {', '.join(sorted(kept))}" if kept else "keeps nothing"
        message = f"{subject.name}.backward returns nothing and {what}: no gradient found for {names}"
        first = next((item for item in missing if not item.parameter), missing[0])
        severity = "warning" if kept else "error"  # it may be a number, which stands for an array of it
        yield RULE.about(subject, message, argument=first.name, severity=severity, fix=forgotten_return(subject))
        return
    gives_none = has_none and not is_network and not any(examination.call.gradients or ())
    forgotten = discarded_gradients(subject, examination)
    left, lacking = cache(partial(_left, subject)), {item.name for item in missing}
    for name, node, is_parameter in missing:
        if name in forgotten and is_parameter:
            continue
        message = f"no gradient found for {name}: {subject.name}'s output depends on it"
        if name in forgotten:
            message = f"{subject.name}.backward computes the gradient of {name} and does not return it"
        elif gives_none and not is_parameter:
            message = f"{subject.name}.backward has no return: no gradient found for {name}"
        shape = examination.trace.data[node].shape if is_parameter else ()
        places = [p for p, array in left().items() if array.shape == shape and p not in lacking] if shape else []
        if places:  # an optimizer's state, or a gradient by a name that nothing tells
            message = f"{message}, and backward leaves an array of its shape in {places[0]}, which is not judged"
        is_doubtful = name in forgotten or (is_parameter and (judgement.parameters or places))
        severity = "error" if gives_none and not is_parameter else "warning" if is_doubtful else "note"
        fix = forgotten_return(subject) if severity == "error" else None
        yield RULE.about(subject, message, argument=name, severity=severity, fix=fix)


@otherwise(dict[str, Any]())
def _left(subject: Subject) -> dict[str, Any]:
    """The arrays that backward leaves in the layer and in objects that it holds, by their places."""
    layer = subject.again()
    outputs = subject.runner.forward(layer, subject.fresh_inputs())
    before = snapshot(layer)
    subject.runner.backward(layer, upstream(outputs), seed=0)
    after = snapshot(layer).items()
    return {path.removeprefix("self."): array for path, array in after if not same(before.get(path), array)}


def _is_network(layer: Any) -> bool:
    """Whether a layer is joined to its loss, or has others among its attributes, alone or in a list or a dict."""
    if any(map(loss_of, mro_of(type(layer)))) or parts_in(type(layer)):
        return True
    held = attributes_of(layer).values()
    inner = (item for x in held for item in (x.values() if isinstance(x, dict) else x if isinstance(x, list) else [x]))
    classes = {type(item) for item in inner}
    return any(Target(cls).has_both for cls in classes if cls.__module__ not in ("builtins", "numpy"))
