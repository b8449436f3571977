"""D207: each backward adds to the gradients that the last one left."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection

import numpy as np

from dout.adapt.repository.project_files import files_below, repository_root, statements_of
from dout.adapt.source.attribute_reads import attributes_set, own_attributes
from dout.adapt.source.syntax import name_of, read, walk
from dout.check.lab.other_values import same
from dout.check.lab.probe import CrashError, Lab
from dout.check.report.rule import Findings, Rule
from dout.run import arrays, attributes_of, otherwise
from dout.trace.session.pairing import pairs

_OWN = frozenset({"__init__", "forward", "backward", "__call__"})

RULE = Rule("D207", "note", "gradients of parameters add up over calls", compares=True)


def check(lab: Lab) -> Findings:
    """Yield one finding for all arrays that grow by the same amount with each backward.

    It is an error if backward makes its own step with the sum, and nothing clears that: each later step is wrong. It is
    a warning if a method clears a gradient beside others, as `zero_grad` does, and backward adds to the others alone.
    """
    if lab.grown:
        add = "adds" if len(lab.grown) == 1 else "add"
        names = ", ".join(lab.grown)
        message = f"{names} {add} up over calls of backward: set them to 0 before each step, or write = instead of +="
        severity = RULE.severity
        if _steps_with_the_sum(lab):
            message += "; backward makes its own step with the sum, and nothing clears it: all later steps are wrong"
            severity = "error"
        elif anew := _set_anew(lab):
            message += (
                f"; {' and '.join(anew)}, which is cleared with them, is set anew: over steps in time add to it, too"
            )
            severity = "warning"
        yield RULE.about(lab.subject, message, argument=lab.grown[0], cause="stale", severity=severity)


@otherwise(list[str]())
def _set_anew(lab: Lab) -> list[str]:
    """The gradients that backward assigns, where it adds to those of other parameters, and one method clears both."""
    layer = lab.fresh()
    before = dict(attributes_of(layer))
    lab.run(layer=layer)
    held = {id(array): path for path, array in arrays(layer).items() if "." not in path.removeprefix("self.")}
    gradients = [pair.gradient for pair in pairs(before, attributes_of(layer))]
    paths = {held[id(gradient)] for gradient in gradients if id(gradient) in held and np.any(gradient)}
    grown, anew = paths & {*lab.grown}, paths - {*lab.grown}
    every = (getattr(type(layer), name) for name in dir(type(layer)) if name not in _OWN)
    cleared = [{f"self.{name}" for name in own_attributes(method)[1]} for method in every if inspect.isfunction(method)]
    return sorted(one for one in anew if any(one in names and names & grown for names in cleared))


def _steps_with_the_sum(lab: Lab) -> bool:
    """Whether backward steps by itself, the sums grow from round to round, and no code writes into them elsewhere."""
    interface, place = lab.subject.interface, lab.subject.place
    if interface is None or place is None or not (interface.rate or interface.steps):
        return False
    layer = lab.fresh()
    try:
        lab.run(layer=layer)
        once = {path: array.copy() for path, array in arrays(layer).items() if path in lab.grown}
        lab.run(layer=layer)
    except CrashError:
        return False
    again = arrays(layer)
    if not once or any("." in path.removeprefix("self.") for path in once):  # those of parts are told of the parts
        return False
    if not all(same(again.get(path), 2 * array) for path, array in once.items()):
        return False
    names = {re.split(r"\W", path.removeprefix("self."))[0] for path in once}
    every = (getattr(type(lab.layer), name) for name in dir(type(lab.layer)) if not name.startswith("__"))
    methods = [method for method in every if inspect.isfunction(method)]
    if any(names & attributes_set(method) for method in methods):
        return False
    own = (node for method in map(read, methods) if method for node in walk(method.node))
    code = (statement for path in files_below(repository_root(place.file)) for statement in statements_of(path))
    elsewhere = (node for statement in code for node in ast.walk(statement))
    return not any(_clears(n, names, own=True) for n in own) and not any(_clears(n, names) for n in elsewhere)


def _clears(node: ast.AST, names: Collection[str], own: bool = False) -> bool:
    """Whether a statement writes into an attribute of one of these names, or, in the layer's own code, into any array.

    It does not if it adds to that, or sets it for `self`.
    """
    match node:
        case (
            ast.Call(func=ast.Attribute(value=item, attr="fill"))
            | ast.Call(func=ast.Attribute(attr="copyto"), args=[item, *_])
        ):
            pass
        case ast.AugAssign(target=item, op=ast.Mult() | ast.Sub()):
            pass
        case ast.Assign(targets=[ast.Subscript(value=item, slice=ast.Constant() | ast.Slice())]):
            pass
        case ast.Assign(targets=[ast.Attribute(value=owner) as item]) if name_of(owner) != "self":
            pass
        case _:
            return False
    return item.attr in names if isinstance(item, ast.Attribute) else own and isinstance(item, ast.Name)
