"""D002: a layer, or a part of its contract, could not be judged."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label, names_loss
from dout.adapt.interface.interface import Interface
from dout.adapt.search.own_faults import not_imported
from dout.adapt.search.raising_lines import unwritten
from dout.adapt.search.refusals import takes_target
from dout.adapt.search.unset_attributes import unset_attribute
from dout.adapt.sizes.proposed_arrays import stands_for_array
from dout.adapt.source import parts_in
from dout.adapt.source.empty_methods import kept_when_called
from dout.adapt.target import Target
from dout.check.conventions.fused_loss import takes_the_target
from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.subject import Subject
from dout.check.lab.example_doubts import other_readings
from dout.check.lab.probe import MOST_SECONDS, Lab
from dout.check.report.rule import Findings, Rule
from dout.check.report.source_places import raised_at
from dout.check.report.verdicts import Finding
from dout.run import PlainRun, arrays, attributes_of, flat, is_float_array, otherwise

RULE = Rule("D002", "note", "could not be judged")


def check(lab: Lab) -> Findings:
    """Yield a note if the time was over before every rule was checked, and for a container without parts."""
    parts = parts_in(type(lab.layer))
    held = attributes_of(lab.layer).get(parts) if parts else None
    if isinstance(held, list | tuple | dict) and not held:
        message = f"{lab.subject.name} has no parts in self.{parts}: nothing but what stands around them was judged"
        yield RULE.about(lab.subject, message)
    if lab.slow:
        message = (
            f"the contract was examined in part only: it takes more than about {MOST_SECONDS:g} s; give smaller inputs"
        )
        yield RULE.about(lab.subject, message)


def by_differences(subject: Subject, error: Exception) -> Finding:
    """Return the note that exact arithmetic did not do, so that differences judge the layer."""
    return RULE.finding(f"not judged by exact arithmetic: {error}", layer=subject.name)


def called_first(subject: Subject, error: Exception) -> Finding | None:
    """Return the note on an attribute that only other code than forward and backward sets: the layer is not ready.

    What only `__call__` sets is of a graph of its own. So it is with a name of a module that cannot be imported.
    """
    if says := unwritten(error):
        return RULE.finding(f"{subject.name} is not complete by itself: {says}", raised_at(error), layer=subject.name)
    if module := not_imported(error):
        return RULE.finding(f"{subject.name} needs {module} ({error})", raised_at(error), layer=subject.name)
    unset = unset_attribute(error)
    if unset is not None and unset.elsewhere:
        message = f"{subject.name} needs {unset.text}, which is None until other code sets it: connect the layer first"
        return RULE.finding(message, raised_at(error), layer=subject.name)
    lacks = error.name if isinstance(error, AttributeError) else None
    if lacks is None or lacks not in kept_when_called(type(subject.again())):
        return None
    message = f"{subject.name} needs self.{lacks}, which its __call__ sets: it computes in a graph of its own"
    return RULE.finding(message, raised_at(error), layer=subject.name)


def misread(subject: Subject) -> Finding | None:
    """Return the note on a layer whose interface only seemed to fit, and whose gradients are therefore not judged.

    Its backward takes the target for what was given as `dout`: then every gradient is 0 where that is what forward
    gives, and not where it is 0. Or it gives a Jacobian, which has the shape of a square input by chance.
    """
    backward = subject.backward_name
    if any(map(takes_the_target, (subject, *other_readings(subject)))):
        return RULE.finding(takes_target(Target(subject.again()), backward), layer=subject.name)
    if subject.interface is None or subject.interface.is_plain:
        return None
    if subject.ends and (_is_constant(subject) or _has_no_target(subject)):
        message = f"{backward} takes no upstream gradient, and {subject.interface.forward} gives no loss"
        return RULE.finding(f"{message}: there is nothing to compare it with", layer=subject.name)
    if subject.interface.local and _mixes(subject):
        message = f"{backward} gives a slope for each number, and forward makes each of several: it may be of a part"
        return RULE.finding(message, layer=subject.name)
    if _is_jacobian(subject, subject.interface):
        message = f"{backward} gives another shape than its input's: it may be a Jacobian"
        return RULE.finding(message, layer=subject.name)
    if subject.interface.local and _fits_no_input(subject):
        message = f"{backward} gives another shape than its input's: it is no gradient"
        return RULE.finding(message, layer=subject.name)
    return None


@otherwise(False)
def _is_constant(subject: Subject) -> bool:
    """Whether the sum of the outputs is the same for other inputs, as that of softmax is: it is no loss then.

    Where all parameters are 0, or all inputs indices, that says nothing. A cosine does not change with a multiple, and
    nothing with a multiple of 0, as a state is before the first step.
    """
    held = list(arrays(subject.again()).values())
    if (held and not any(map(np.any, held))) or not any(map(is_float_array, subject.inputs)):
        return False
    scales = (
        0.75 + 0.125 * np.cos(np.arange(np.size(x)).reshape(np.shape(x)) + i) for i, x in enumerate(subject.inputs)
    )
    each = zip(subject.fresh_inputs(), scales, strict=True)
    inputs = tuple((x if np.any(x) else 1.0) * scale if is_float_array(x) else x for x, scale in each)
    here, there = (float(sum(map(np.sum, outputs))) for outputs in (subject.forward(), subject.forward(inputs)))
    return abs(here - there) <= 1e-9 * max(1.0, abs(here))


@otherwise(False)
def _has_no_target(subject: Subject) -> bool:
    """Whether a layer with parameters gives several numbers of one input: its backward is of a loss of its own.

    An activation has no parameters: its slopes are the gradient where what arrives is 1. A loss says so in its name.
    """
    if len(subject.inputs) > 1 or names_loss(subject.name.rpartition(".")[2]):
        return False
    return bool(arrays(subject.again())) and any(np.size(output) > 1 for output in subject.run().outputs)


@otherwise(False)
def _mixes(subject: Subject) -> bool:
    """Whether a layer with parameters makes several numbers of one of its first input, and as many: `f(x @ W)`."""
    first, *others = subject.fresh_inputs()
    if not is_float_array(first) or not any(map(np.ndim, arrays(subject.again()).values())):
        return False
    moved = first + np.arange(first.size).reshape(first.shape) // (first.size - 1) * (1 + np.abs(first))
    here, there = (subject.run((x, *others)).outputs[0] for x in (first, moved))
    return bool(np.shape(here) == first.shape and np.count_nonzero(here != there) > 1)


def _is_jacobian(subject: Subject, interface: Interface) -> bool:
    x = subject.inputs[0] if len(subject.inputs) == 1 else None
    if not interface.local or not isinstance(x, np.ndarray) or x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        return False
    try:
        subject.run((x[..., :-1].copy(),))
    except Exception as error:
        return isinstance(error, ValueError) and raised_at(error) is None  # our product with `dout`
    return False


def _fits_no_input(subject: Subject) -> bool:
    """Whether a local derivative, times `dout`, has the shape of no input: it may be a forward for the backward.

    So are the two passes of the forward-backward algorithm.
    """
    run = subject.run()
    shapes = {np.shape(x) for x in run.inputs}
    return any(g is not None and np.shape(g) not in shapes for g in run.gradients)


def _has_numbers(gradient: object) -> bool:
    """Whether something may be a gradient; of a table without rows only the shape is wrong: a slice of `0:-0`."""
    return any(np.size(part) > 0 or np.ndim(part) > 1 for part in flat(gradient))


def without_gradient(subject: Subject, first: PlainRun) -> Finding | None:
    """Return the note on a backward whose result is no gradient of forward's: None if it may be one.

    It may return nodes of a graph of its own, or no numbers at all. A loss may return its input, and keep to itself the
    number that its backward is the gradient of.
    """
    node = next((type(g).__name__ for g in first.gradients if stands_for_array(g)), None)
    if node is not None:
        message = f"{subject.name}.backward returns a {node}, no array: it computes in a graph of its own"
    elif first.gradients and any(map(np.size, flat(first.inputs))) and not any(map(_has_numbers, first.gradients)):
        message = f"{subject.name}'s backward returns no numbers: it is no gradient"
    elif any(map(np.size, flat(first.inputs))) and not any(map(np.size, first.outputs)):
        message = f"{subject.name}.forward gives no elements on these inputs: there is nothing to judge"
    elif (
        subject.ends
        and any(output is given for output in first.outputs for given in first.inputs)
        and not all(np.all(np.equal(gradient, 1)) for gradient in flat(first.gradients))  # right of an identity
    ):
        message = f"{subject.name}.forward hands its input on, and not the number that its backward is the gradient of"
    elif subject.ends and (label := _handed_on(subject, first)):
        message = f"{subject.backward_name} gives {label} back as it is: it is no gradient of this loss"
    else:
        return None
    return RULE.about(subject, message)


def without_numbers(subject: Subject) -> Finding:
    """Return the note on a layer of which nothing was judged, and nothing else is said: none is left out in silence."""
    run = subject.run()
    given = dict.fromkeys(type(item).__name__ for item in (*flat(run.outputs), *flat(run.gradients)))
    said = f"forward and backward give {', '.join(given) or 'nothing'}"
    return RULE.about(subject, f"{subject.name} has no gradient of floats to judge: {said}")


@otherwise("")
def _handed_on(subject: Subject, first: PlainRun) -> str:
    """The label that a loss gives back alone, which is no gradient of it; "" where there is none, or it is right.

    A softmax before a cross entropy may want the target alone, and give the gradient of both: what is right is
    `-t / y`, 0 where the target is. What else a loss gives is judged.
    """
    if len([*flat(first.gradients)]) != 1:
        return ""
    named = zip(subject.names, subject.inputs, first.inputs, strict=False)
    labels = [(name, given) for name, _, given in named if names_label(name)]
    found = next((name for name, given in labels if any(g is given for g in flat(first.gradients))), "")
    if not found:
        return ""
    label = next(np.asarray(g, dtype=float) for g in flat(first.gradients))
    rights = [np.asarray(one.expected, dtype=float) for one in judge_numerically(subject, first).refuted.values()]
    return found if any(map(partial(_is_label_over, label), rights)) else ""


def _is_label_over(label: Any, right: Any) -> bool:
    """Whether a gradient is 0 where a label is, as somewhere, and elsewhere no multiple of it."""
    off = label == 0
    ratios = right[~off] / label[~off]
    return bool(np.any(off) and not np.any(right[off]) and np.ptp(ratios) > 1e-6 * np.max(np.abs(ratios)))
