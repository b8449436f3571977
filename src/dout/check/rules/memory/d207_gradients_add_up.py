"""D207: each backward adds to the gradients that the last one left."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any

from dout.adapt.repository.project_files import files_below, repository_root, texts_of
from dout.adapt.source.syntax import read, walk
from dout.check.lab.other_values import same
from dout.check.lab.probe import CrashError, Lab
from dout.check.report.rule import Findings, Rule
from dout.run import arrays

RULE = Rule("D207", "note", "gradients of parameters add up over calls", compares=True)


def check(lab: Lab) -> Findings:
    """Yield one finding for all arrays that grow by the same amount with each backward.

    It is an error if backward makes its own step with the sum, and nothing clears that: each later step is wrong.
    """
    if lab.grown:
        add = "adds" if len(lab.grown) == 1 else "add"
        names = ", ".join(lab.grown)
        message = f"{names} {add} up over calls of backward: set them to 0 before each step, or write = instead of +="
        severity = RULE.severity
        if _steps_with_the_sum(lab):
            message += "; backward makes its own step with the sum, and nothing clears it: all later steps are wrong"
            severity = "error"
        yield RULE.about(lab.subject, message, argument=lab.grown[0], cause="stale", severity=severity)


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
    methods = (getattr(type(lab.layer), name) for name in dir(type(lab.layer)) if not name.startswith("__"))
    if any(map(partial(_sets_one, names), filter(inspect.isfunction, methods))):
        return False
    any_of = "|".join(names)
    clears = re.compile(
        rf"(?<!self)\.({any_of})\s*=[^=]|\.({any_of})(\[[^\]]*\]\s*=\s*0|\.fill\(|\s*[-*]=)|copyto\(.*\.({any_of})\b"
    )
    zeros = re.compile(r"\*=\s*0|\[\.\.\.\]\s*=\s*0")  # of arrays that a loop goes through
    if any(zeros.search(_source(cls)) for cls in type(layer).__mro__[:-1]):
        return False
    return not any(clears.search(text) for _, text in texts_of(files_below(repository_root(place.file))))


def _sets_one(names: Collection[str], method: Callable[..., Any]) -> bool:
    """Whether a method sets one of these attributes, and does not only add to it: on the first call of a batch, say."""
    own = read(method)
    assigned = (node for node in (walk(own.node) if own else ()) if isinstance(node, ast.Assign))
    return any(isinstance(t, ast.Attribute) and t.attr in names for node in assigned for t in node.targets)


def _source(cls: type) -> str:
    with suppress(OSError, TypeError):
        return inspect.getsource(cls)
    return ""
