"""Does a layer keep the dtype that it was given, and are whole numbers taken as numbers?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dout.check.lab.other_values import changed, differs_at, few, is_float_array, is_number, same
from dout.check.lab.probe import CrashError, Lab, examined, learned
from dout.check.repair.line_repairs import creates_float64
from dout.check.report.verdicts import Finding
from dout.run import PlainRun, arrays, attributes_of, copied, size_of
from dout.run.held_objects import cast

_MOST = 3  # the largest whole number: at the inputs' own size, products of them may not fit into an int64
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


@examined
def precision(lab: Lab) -> Iterator[Finding]:
    """D301, D302: float32 in is float32 out, and a gradient has the dtype of its input."""
    wide: list[str] = []
    loose = False  # a number may be float64, and makes what it is multiplied with float64
    other = [_other_dtype(lab, i, lab.base, _FLOAT64) for i in range(len(lab.base.gradients))]
    try:
        narrow, gradients = _in_float32(lab)
    except CrashError:
        pass
    else:
        if narrow is not None:
            loose = any(isinstance(out, np.float64) for out in narrow.outputs)
            wide = [lab.subject.name + "'s output" for out in narrow.outputs if _is_float64(out)]
            wide += [_of(lab, i) for i, g in enumerate(narrow.gradients) if _is_float64(g)]
            wide += [f"the gradient of {name}" for name, g in gradients.items() if _is_float64(g)]
            other += [
                _other_dtype(lab, i, narrow, _FLOAT32) for i in range(len(narrow.gradients)) if _of(lab, i) not in wide
            ]
    if wide:
        where = creates_float64(lab.layer)
        because = "an array is made here without a dtype: say dtype=x.dtype" if where else ""
        are = "is" if len(wide) == 1 else "are"
        message = f"with float32 inputs and parameters, {', '.join(dict.fromkeys(wide))} {are} float64"
        message += "; np.zeros and its kin need dtype=x.dtype, and np.float64 numbers widen what they touch"
        yield lab.finding("D301", message, where, cause="dtype", because=because, expected="float32", got="float64")
    elif loose:
        message = "with float32 inputs and parameters, the output is a float64 number, and widens what it touches"
        yield lab.finding("D301", message, severity="note", cause="dtype", expected="float32", got="float64")
    found = next((one for one in other if one is not None), None)
    if found is not None:
        i, got, expected = found
        message = f"{_of(lab, i)} is {got}, {lab.name(i)} is {expected}: return it as {expected}"
        yield lab.finding(
            "D302", message, argument=lab.name(i), cause="dtype", expected=str(expected), got=str(got)
        )  # fmt: skip


def _in_float32(lab: Lab) -> tuple[PlainRun | None, dict[str, Any]]:
    """A run in which every array of floats is float32, and its parameter gradients; None where there is none."""
    layer, found = lab.fresh(), [False]
    made: dict[int, tuple[Any, Any]] = {}  # what was one array stays one; the old one is kept, for its identity

    def narrowed(item: Any) -> Any:
        found[0] = found[0] or (isinstance(item, np.ndarray) and item.dtype in (_FLOAT32, _FLOAT64))
        return made.setdefault(id(item), (item, item.astype(_FLOAT32)))[1] if item.dtype == _FLOAT64 else item

    if lab.copyable:
        cast(layer, narrowed)
    elif any(map(is_float_array, arrays(layer).values())):
        return None, {}  # its parameters are shared with the other runs
    inputs = tuple(narrowed(x) if isinstance(x, np.ndarray | np.generic) else copied(x) for x in lab.inputs())
    if not found[0]:
        return None, {}
    before = dict(attributes_of(layer))
    outputs = lab.forward(layer, inputs)
    douts = tuple(d.astype(_FLOAT32) if isinstance(d, np.ndarray | np.floating) else d for d in lab.douts(outputs))
    run = PlainRun(layer, inputs, douts, outputs, lab.backward(layer, douts))
    return run, learned(before, layer)


def _is_float64(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype == _FLOAT64


def _other_dtype(lab: Lab, i: int, run: PlainRun, wanted: Any) -> tuple[int, Any, Any] | None:
    if i >= len(run.inputs) or not is_float_array(run.inputs[i]) or not isinstance(run.gradients[i], np.ndarray):
        return None
    got, expected = run.gradients[i].dtype, run.inputs[i].dtype
    return (i, got, expected) if got != expected and expected == wanted else None


def _of(lab: Lab, position: int) -> str:
    return f"the gradient of {lab.name(position)}"


@examined
def whole_numbers(lab: Lab) -> Iterator[Finding]:
    """D303: whole numbers in an array of integers give what the same numbers give as floats."""
    if not lab.floats or not lab.repeatable:
        return
    floats = changed(
        lab.inputs(),
        lambda x: (
            np.sign(x) * np.ceil(_MOST * np.abs(x).astype(float) / size_of(x)) if isinstance(x, np.ndarray) else x
        ),
    )
    ints = tuple(x.astype(np.int64) if i in lab.floats else copied(x) for i, x in enumerate(floats))
    right = lab.run(tuple(map(copied, floats)))
    if not all(
        np.all(np.isfinite(np.asarray(x, dtype=float))) for x in (*right.outputs, *right.gradients) if is_number(x)
    ):
        return
    names = ", ".join(lab.name(i) for i in lab.floats)
    got = lab.trial(ints, tuple(map(copied, right.douts)))
    if isinstance(got, CrashError):
        if not got.refused:
            message = f"with integers in {names} it raises {got}; take x.astype(float), or make arrays as floats"
            yield lab.finding("D303", message, got.where, argument=lab.name(lab.floats[0]), cause="dtype")
        return
    for what, expected, found in _side_by_side(lab, right, got):
        if not same(found, expected, rtol=1e-6):
            if np.shape(found) != np.shape(expected):
                continue
            index = differs_at(found, expected)
            a, b = np.asarray(found)[index].item(), np.asarray(expected)[index].item()
            message = (
                f"with integers in {names} {what} is {few(a)}{f' at {list(index)}' if index else ''}, "
                f"with the same numbers as floats {few(b)}: an array like x is made of integers, and cuts them off"
            )
            where = creates_float64(lab.layer) if what == "the output" else None
            yield lab.finding(
                "D303", message, where, argument=lab.name(lab.floats[0]), cause="dtype", expected=b, got=a
            )
            return


def _whole(x: Any) -> Any:
    """Whole numbers as floats, with the signs and the order of these."""
    return np.sign(x) * np.ceil(_MOST * np.abs(x).astype(float) / size_of(x))


def _side_by_side(lab: Lab, right: PlainRun, got: PlainRun) -> Iterator[tuple[str, Any, Any]]:
    for expected, found in zip(right.outputs, got.outputs, strict=False):
        yield "the output", expected, found
    for i, (expected, found) in enumerate(zip(right.gradients, got.gradients, strict=False)):
        yield _of(lab, i), expected, found
