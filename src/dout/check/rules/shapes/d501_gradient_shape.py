"""D501: a gradient has another shape than its input or parameter, or is at the place of another."""

from __future__ import annotations

import ast
import math
import re
import textwrap
from collections.abc import Collection, Sequence

import numpy as np

from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.repository.calling_code import called, calling_files
from dout.adapt.source.returned_names import returned_as_told
from dout.adapt.source.syntax import bindings, name_of
from dout.check.exact.judge import Judgement
from dout.check.exact.missing_gradients import paired_by_place
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.report.verdicts import OtherOrder
from dout.check.rules.formula.wrong_gradients import is_summed_later, other_methods, wrong_finding, wrong_gradients
from dout.files import shown_place
from dout.graph import Shape, Where
from dout.run import otherwise, places
from dout.trace.session.pairing import is_named_as_gradient, stem

_SUMS = ("sum", "mean", "average")

RULE = Rule("D501", "error", "a gradient's shape is not its input's")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for each gradient of another shape.

    It is a warning if only axes of length 1 are too many or missing, and a step spreads no parameter over more numbers,
    or a method of the layer may reshape the gradient first; or if the gradients come in another order, and neither a
    line of the repository nor its documentation has them in that of the inputs.
    """
    yield from _in_another_order(subject)
    for wrong in wrong_gradients(subject, judgement):
        if wrong.has_another_shape and not wrong.ignores_dout:
            item = wrong_finding(RULE, subject, wrong)
            shape, own = np.shape(wrong.outcome.got), wrong.outcome.judged.node.shape
            is_spread = _joined(shape, own) == shape
            if is_spread and is_summed_later(subject):
                item = item.doubted("; another method sums what backward keeps")
            elif is_spread and wrong.outcome.judged.parameter and (caller := _adds_up(subject, str(item.argument))):
                item = item.doubted(f"; {caller} adds it up")
            yield item
    for judged in judgement.examination.judged if judgement.examination else ():
        if judged.only_axes_of_one:
            shapes = f"has shape {judged.gradient.shape}, {judged.name} has {judged.node.shape}"
            got, own = judged.gradient.shape, judged.node.shape
            is_error = judged.parameter and not _may_be_subtracted(got, own) and not _may_be_reshaped(subject, got)
            said = "subtracting it gives another shape" if is_error else "broadcasting may spread them"
            message = f"the gradient of {judged.name} {shapes}: the numbers fit, and {said}"
            severity = "error" if is_error else "warning"
            yield RULE.about(subject, message, severity=severity, argument=judged.name, got=got, expected=own)


def _may_be_subtracted(gradient: Shape, parameter: Shape) -> bool:
    """Whether a parameter has as many numbers after a step as before."""
    joined = _joined(gradient, parameter)
    return joined is not None and math.prod(joined) == math.prod(parameter)


def _joined(one: Shape, two: Shape) -> Shape | None:
    """The shape of what two arrays give together; None where they do not fit."""
    try:
        return np.broadcast_shapes(one, two)
    except ValueError:
        return None


@otherwise("")
def _adds_up(subject: Subject, name: str) -> str:
    """The line of the repository, in no layer, that adds up a parameter's gradient: `np.mean(grads["W"], axis=0)`."""
    backward = subject.backward_name
    for file in calling_files(subject.place.file if subject.place else "", backward):
        classes = [node for node in file.nodes if isinstance(node, ast.ClassDef)]
        layers = [one for one in classes if backward in {getattr(method, "name", "") for method in one.body}]
        inside = {id(part) for layer in layers for part in ast.walk(layer)}
        outside = [node for node in file.nodes if id(node) not in inside]
        returned = {
            name_of(target)
            for node in outside
            for target, value in bindings(node)
            if isinstance(value, ast.Call) and called(value) == backward
        }
        for call in (node for node in outside if isinstance(node, ast.Call) and called(node) in _SUMS):
            if (item := _added_up(call)) is not None and _tells_gradient_of(item, name, returned):
                return shown_place(str(file.path), call.lineno)
    return ""


def _added_up(call: ast.Call) -> ast.expr | None:
    """What a call adds up along its first axis: `np.mean(g, axis=0)`, `g.sum(0)`; None of any other."""
    named = [one.value for one in call.keywords if one.arg == "axis"]
    match [*call.args, *named]:
        case [item, ast.Constant(value=0)]:
            return item
        case [ast.Constant(value=0)] if isinstance(call.func, ast.Attribute):
            return call.func.value
    return None


def _tells_gradient_of(node: ast.AST, name: str, returned: Collection[str]) -> bool:
    """Whether this is called the gradient of a parameter, or stands at its key in what a backward returned."""
    match node:
        case ast.Subscript(value=ast.Name(id=held), slice=ast.Constant(value=str(told))) if held in returned:
            return stem(told) == stem(name)
        case ast.Name(id=told) | ast.Attribute(attr=told) | ast.Subscript(slice=ast.Constant(value=str(told))):
            return is_named_as_gradient(told) and stem(told) == stem(name)
    return False


@otherwise(False)
def _may_be_reshaped(subject: Subject, got: Shape) -> bool:
    """Whether a method of the layer's own reads the gradient that backward keeps, and does not subtract it as it is."""
    paths = [p.path for p in places(subject.run().layer) if isinstance(p.item, np.ndarray) and p.item.shape == got]
    holders = {found[0] for path in paths if (found := re.match(r"self\.\w+", path))}
    texts = [text for text in other_methods(subject) if any(re.search(rf"{one}\b", text) for one in holders)]
    operands = [
        operand
        for text in texts
        for node in ast.walk(ast.parse(textwrap.dedent(text)))
        for operand in ((node.left, node.right) if isinstance(node, ast.BinOp) else (getattr(node, "value", None),))
        if isinstance(node, ast.BinOp | ast.AugAssign) and operand is not None
    ]
    return bool(texts) and {*paths}.isdisjoint(map(ast.unparse, operands))


def _in_another_order(subject: Subject) -> Findings:
    """Their shapes told which gradient is whose: a caller that unpacks them gets those of another input.

    Not where they are of inputs behind others, `return db, dw` of `cost(X, y, w, b)`: nobody unpacks them as these.
    """
    order = subject.interface.order if subject.interface is not None else ()
    taken = paired_by_place(subject, len(order))
    names = taken if taken and sorted(taken) == sorted(order) else subject.names
    places = [names.index(name) for name in order if name in names]
    is_start = sorted(places) == [*range(len(order))]
    if subject.interface is None or places == sorted(places) or not is_start:
        return
    mine, theirs = ", ".join(order), ", ".join(names)
    message = (
        f"{subject.interface.backward} returns the gradients of {mine} in this order, "
        f"{subject.interface.forward} takes {theirs}: "
        "a caller that unpacks them in that order gets the gradient of another input"
    )
    moved = tuple(taken for taken, given in zip(names, order, strict=False) if taken != given)
    reason, caller = OtherOrder(moved), _unpacked_in_order(subject, order)
    is_told = [*returned_as_told(type(subject.again()).backward, order)] == sorted(order, key=names.index)
    severity = "warning" if caller is None and not is_told and names is subject.names else "error"
    if names is not subject.names:
        message = f"{message}; a tape does, and None stands for what has no gradient"
    elif caller is not None:
        message = f"{message}, as {shown_place(caller.file, caller.line)} does"
    elif is_told:
        message = f"{message}, and its documentation names them in that order"
    yield RULE.about(subject, message, severity=severity, argument=moved[0], cause="swapped", reason=reason)


@otherwise(None)
def _unpacked_in_order(subject: Subject, order: Sequence[str]) -> Where | None:
    """The line of the repository that unpacks what a function returns in the order of forward's inputs, by its names.

    Methods of one name belong to many classes.
    """
    interface, place = subject.interface, subject.place
    if interface is None or place is None or not hasattr(type(subject.again()), PAIR):
        return None
    for file in calling_files(place.file, interface.backward):
        for node in file.nodes:
            match node:
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Call() as call):
                    named = [*zip(targets, subject.names, order, strict=False)]
                    told = [(own, given) for target, own, given in named if _is_gradient_of(target, own)]
                    is_told = len(told) == len(targets) == len(order) and called(call) == interface.backward
                    if is_told and any(own != given for own, given in told):
                        return Where(str(file.path), node.lineno)
    return None


def _is_gradient_of(target: ast.expr, name: str) -> bool:
    """Whether a name, an attribute or a key is that of the gradient of an input: `dw`, `self.grad_w`, `grads["W1"]`."""
    match target:
        case ast.Name(told) | ast.Attribute(attr=told) | ast.Subscript(slice=ast.Constant(value=str(told))):
            pattern = rf"(d|g|grad|delta)?_?{re.escape(name)}_?\d*(_?grad)?"
            return re.fullmatch(pattern, told, re.IGNORECASE) is not None
    return False
