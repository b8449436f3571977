"""D001: the layer raises an exception of its own when it runs."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np

from dout.adapt.argument_names import any_number_of, names_label, taken_by
from dout.adapt.interface.adapted_layer import users_class
from dout.adapt.interface.users_backward import is_told
from dout.adapt.repository.project_files import statements_of
from dout.adapt.search.own_faults import is_own_fault
from dout.adapt.source.syntax import name_of
from dout.check.exact.subject import Subject
from dout.check.lab.input_variants import with_labels_otherwise
from dout.check.lab.probe import CrashError
from dout.check.repair.line_search import lines_that_run
from dout.check.repair.run_repairs import right_name
from dout.check.report.rule import Rule
from dout.check.report.source_places import is_users, raised_at
from dout.check.report.verdicts import Finding, Raised
from dout.check.rules.unjudged.d002_not_judged import RULE as NOT_JUDGED
from dout.judge.judged_run import is_label
from dout.run import attributes_of, is_float_array, otherwise

_TAKE_A_SHAPE = ("zeros", "ones", "empty", "full", "range")
_PLAIN = re.compile("'(int|float|bool|str|tuple)' object has no attribute")

RULE = Rule("D001", "error", "forward or backward raises")


def raising(subject: Subject, error: Exception, *, all_chosen: bool) -> Finding:
    """Return the finding on an exception; `all_chosen` says that nothing of the layer's construction was given.

    With a change of its lines after which what they compute is exact at two sizes, the layer is wrong, and no input.
    """
    always = (all_chosen and is_own_fault(error)) or _calls_an_array(subject, error)
    of_shapes = isinstance(error, ValueError | IndexError) and not CrashError(error).refused
    of_shapes |= isinstance(error, TypeError) and (_is_of_functions(subject) or _is_of_a_shape(subject, error))
    of_shapes |= (
        isinstance(error, AttributeError) and bool(_PLAIN.match(str(error))) and not _is_given(subject, error.obj)
    )
    of_shapes &= "truth value of an array" not in str(error)  # it may expect lists
    of_shapes = of_shapes and _takes_its_inputs(subject)
    reason, where = Raised.of(error, always=always, after_forward=of_shapes), raised_at(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        message = f"{subject.name} needs {error.name}, which is not installed"
        return NOT_JUDGED.finding(message, where, layer=subject.name, reason=reason)
    if where is None and not subject.inputs:  # its parts have the inputs, and the gradients
        message = f"{subject.name} was not judged: called with no inputs, it raises {reason.text}"
        return NOT_JUDGED.finding(message, layer=subject.name, reason=reason)
    mended = None if (fix := right_name(subject, error)) else lines_that_run(subject, error)
    if mended is not None and mended.is_sure and _has_sure_labels(subject):
        always, reason = True, Raised.of(error, always=True, after_forward=of_shapes)
    told = ", whatever it is given" if always and mended is None else ""
    message = f"{subject.name} raises {reason.text}{told}"
    guessed = _refuses_to_be_built(error) or (not always and (_gives_several(subject) or _is_of_nothing(subject)))
    severity = "warning" if guessed else RULE.severity
    details = {"fix": mended.fix, "because": mended.sentence} if mended else {"fix": fix}
    return RULE.finding(
        message, where, layer=subject.name, cause=reason.name, reason=reason, severity=severity, **details
    )  # fmt: skip


def raising_elsewhere(
    subject: Subject, error: Exception, words: str, always: bool, there: Subject, is_meant: bool = True
) -> Finding:
    """Return the finding on an exception of backward at a setting, which the words say, where forward runs.

    `there` is the layer at that setting. It is a warning, since the setting may not go with the inputs; an error if it
    `always` raises there, is at fault whatever it is given, or is right there after a change of its lines, and
    `is_meant` for that. For inputs with another number of axes than those that it was judged on it may not be.
    """
    message = f"{subject.name}.backward raises {type(error).__name__}: {error}; {words}, where forward runs"
    always = always or is_own_fault(error)
    mended = lines_that_run(there, error, subject)
    is_meant = is_meant and [*map(np.ndim, subject.inputs)] == [*map(np.ndim, there.inputs)]
    is_own = always or (mended is not None and is_meant)
    severity, reason = RULE.severity if is_own else "warning", Raised.of(error, always=is_own)
    found = RULE.finding(message, raised_at(error), layer=subject.name, severity=severity, reason=reason)
    return replace(found, fix=mended.fix, because=mended.sentence) if mended else found


def refusing(layer: str, inputs: Mapping[str, Any], error: Exception, names: Sequence[str]) -> Finding:
    """Return the finding on what backward raises on inputs that forward takes, with more axes than the judged ones."""
    said = ", ".join(f"{name} {np.shape(inputs[name])}" for name in names if name in inputs)
    message = f"{layer}.backward raises {type(error).__name__}: {error}; on {said}, which forward takes"
    return RULE.finding(message, raised_at(error), layer=layer, severity="warning", reason=Raised.of(error))


def _refuses_to_be_built(error: Exception) -> bool:
    """Whether a constructor of the user's raises because of what it was not given."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__) if is_users(frame.f_code.co_filename))
    first = next(frames, None)
    return first is not None and first.f_code.co_name == "__init__" and not is_own_fault(error)


@otherwise(False)
def _is_of_nothing(subject: Subject) -> bool:
    """Whether the layer holds nothing of what its constructor takes any number of: `Add(*parents)`."""
    layer = subject.again()
    return attributes_of(layer).get(any_number_of(taken_by(users_class(type(layer))))) in ([], ())


@otherwise(False)
def _gives_several(subject: Subject) -> bool:
    """Whether forward runs, and gives several outputs: of which backward wants a gradient was guessed."""
    return len(subject.forward()) > 1


def _calls_an_array(subject: Subject, error: Exception) -> bool:
    """Whether backward, or what it calls, calls an array, `dout(1 - y)`: whatever it is given are arrays."""
    if not isinstance(error, TypeError) or "'numpy.ndarray' object is not callable" not in str(error):
        return False
    name = subject.backward_name
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if is_users(frame.f_code.co_filename)]
    return name in [frame.f_code.co_name for frame in frames]


@otherwise(True)
def _is_given(subject: Subject, item: Any) -> bool:
    """Whether something is an input, or what the layer was built with: it may have been chosen."""
    return any(type(item) is type(one) for one in (*subject.inputs, *attributes_of(subject.again()).values()))


def _is_of_functions(subject: Subject) -> bool:
    """Whether backward is the derivative of a function, of the same arguments: nothing else may be meant by them."""
    interface = subject.interface
    return interface is not None and interface.local and interface.roles == subject.names


def _is_of_a_shape(subject: Subject, error: TypeError) -> bool:
    """Whether a tuple stands for a number, or floats for an index or a shape, and no input is one: forward made it."""
    steps = [step for step in traceback.walk_tb(error.__traceback__) if is_users(step[0].f_code.co_filename)]
    if not steps or not all(map(is_float_array, subject.inputs)):
        return False
    frame, line = steps[-1]
    nodes = (node for one in statements_of(frame.f_code.co_filename) for node in ast.walk(one))
    there = (n for n in nodes if isinstance(n, ast.expr) and n.lineno <= line <= (n.end_lineno or n.lineno))
    return any(_is_out_of_place(node, frame) for node in there)


def _is_out_of_place(node: ast.expr, frame: FrameType) -> bool:
    """Whether one of two operands is a tuple, or an index or a shape is of floats."""
    match node:
        case ast.BinOp(left=left, right=right) | ast.Compare(left=left, comparators=[right]):
            first, second = _held(left, frame), _held(right, frame)
            return isinstance(first, tuple) != isinstance(second, tuple) and not (first is None and second is None)
        case ast.Subscript(slice=index):
            return _is_of_floats(_held(index, frame))
        case ast.Call(func=ast.Attribute(attr="reshape")):
            return any(_is_of_floats(_held(size, frame)) for size in node.args)
        case ast.Call(args=[size, *_]) if name_of(node.func) in _TAKE_A_SHAPE:
            return _is_of_floats(_held(size, frame))
    return False


def _is_of_floats(item: Any) -> bool:
    return isinstance(item, float) or is_float_array(item)


def _held(node: ast.expr, frame: FrameType) -> Any:
    """The value of a name or of an attribute in a frame; None of anything else."""
    match node:
        case ast.Name(id=name):
            return frame.f_locals.get(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return attributes_of(frame.f_locals.get(name)).get(attribute)
        case ast.Tuple():
            return ()
    return None


@otherwise(False)
def _takes_its_inputs(subject: Subject) -> bool:
    """Whether forward runs on the inputs: a wrong label may show in backward alone, if no other one does as well."""
    interface = subject.interface
    cls = users_class(type(subject.again()))
    is_sure = interface is None or interface.is_plain or _is_of_functions(subject) or is_told(cls, interface)
    if not is_sure or not _has_sure_labels(subject):
        return False
    outputs = subject.forward()
    return bool(outputs) and all(np.all(np.isfinite(output)) for output in outputs)


@otherwise(False)
def _has_sure_labels(subject: Subject) -> bool:
    """Whether no input is a label, or another form of the labels does not do, either."""
    has_labels = any(map(is_label, subject.inputs)) or any(map(names_label, subject.names))
    return not has_labels or _raises_on_either_labels(subject)


def _raises_on_either_labels(subject: Subject) -> bool:
    """Whether forward makes the same of labels that are whole numbers and of rows with one 1, and backward raises."""
    for other in with_labels_otherwise(subject):
        pairs = zip(subject.forward(), other.forward(), strict=True)
        if all(np.allclose(one, two) for one, two in pairs):
            try:
                other.run()
            except Exception:  # the layer's own
                return True
    return False
