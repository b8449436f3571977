"""Edits of a line whose right value is known, as that of `dz` is: they are computed by themselves, without a run."""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.check.repair.edits.expression_places import ExpressionPlace
from dout.check.repair.edits.seen_values import Seen
from dout.check.repair.edits.source_edit import Edit
from dout.check.repair.first_wrong import NamedGradient
from dout.check.repair.scratch_functions import OF_TRIED_CODE
from dout.check.repair.test_stand import Stand, near, values_of
from dout.clock import WorkBudget, count

_AN_EDIT = 0.1e-3  # seconds to compute it
RETURNED = "return"


def right_values(stand: Stand, named: Sequence[NamedGradient]) -> dict[str, Any]:
    """What lines of backward should compute at a stand: by the name of a wrong gradient, or of what is returned."""
    examination = stand.examination
    if examination is None:
        return {}
    wrong = {one.name: one.derived for one in named if not (one.right or one.negated)}
    values = values_of(examination, wrong.values())
    returned = {at: stand.expected[name] for name, at in stand.wanted.items() if at is not None}
    return {name: values[node] for name, node in wrong.items()} | {f"{RETURNED} {at}": x for at, x in returned.items()}


def constants(stand: Stand, wrong: Collection[str]) -> tuple[float, ...]:
    """The constants up to which wrong gradients may be right at a stand, 1 first: samples are averaged, or not.

    That is a convention of a loss, and of parameters.
    """
    shape = next((np.shape(x) for x in stand.inputs if np.ndim(x)), ())
    lengths = (*shape[:1], math.prod(shape[1:]), math.prod(shape)) if shape else ()
    is_loss = all(np.size(output) == 1 for output in stand.outputs)
    if not (is_loss or all(stand.wanted[name] is None for name in wrong)):
        return (1.0,)
    return (1.0, *(1 / n for n in lengths if n), *(float(n) for n in lengths if is_loss))


def computing(
    ordered: Sequence[tuple[float, Edit]],
    seen: Mapping[int, Seen],
    right: Mapping[str, Any],
    times: Sequence[float],
    budget: WorkBudget,
) -> Iterator[tuple[int, tuple[float, Edit]]]:
    """The edits with which their line computes what it should, each with the place of the constant in `times`."""
    lines: dict[int, tuple[ast.expr, Any] | None] = {}
    for cost, edit in ordered:
        place = edit.place
        if place.i not in lines:
            lines[place.i] = _line_of(place, right)
        line = lines[place.i]
        if line is None:
            continue
        if budget.is_over():
            return
        count(_AN_EDIT)
        root, value = line
        text = (
            edit.text if root is place.node else place.function.source.with_parts(root, {place.node: f"({edit.text})"})
        )
        space = {**place.function.function.__globals__, **seen[place.i].names}
        try:
            with np.errstate(all="ignore"):
                found = eval(f"({text}\n)", space)  # the user's own names
                which = next((i for i, number in enumerate(times) if near(found, number * value, 1e-7)), None)
        except OF_TRIED_CODE:
            continue
        if which is not None:
            yield which, (cost, edit)


def _line_of(place: ExpressionPlace, right: Mapping[str, Any]) -> tuple[ast.expr, Any] | None:
    """The whole expression that a place is a part of, with its right value; None where that is not known.

    A call of the user's own functions would do more than to compute.
    """
    statement = place.statement
    way: tuple[ast.AST, ...] = (place.node, *place.parents)
    root, name = way[-2], ""
    if isinstance(statement, ast.Return):
        several: list[ast.AST] = [*root.elts] if isinstance(root, ast.Tuple) and len(way) > 2 else []
        root = way[-3] if several else root
        name = f"{RETURNED} {several.index(root) if several else 0}"
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        name = ast.unparse(statement.targets[0])
    if name not in right or not isinstance(root, ast.expr) or not _only_computes(root, place):
        return None
    return root, right[name]


def _only_computes(root: ast.expr, place: ExpressionPlace) -> bool:
    """Whether all of its calls are of functions of modules, or of methods that arrays have."""
    calls = [node for node in ast.walk(root) if isinstance(node, ast.Call)]
    return all(
        isinstance(call.func, ast.Attribute)
        and (place.function.is_module(call.func.value) or hasattr(np.ndarray, call.func.attr))
        for call in calls
    )
