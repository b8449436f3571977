"""Whose memory is it: does a layer write into what it was given, or hand out what is not its own to give?"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.check.lab.other_values import changed, copies, differs_at, few, is_float_array, same, shares
from dout.check.lab.probe import CrashError, Lab, examined, learned
from dout.check.repair.line_repairs import copied_first
from dout.check.report.verdicts import Finding
from dout.graph import Where
from dout.run import arrays, attributes_of, copied, flat


@dataclass(frozen=True, eq=False)
class Write:
    """A write into what a layer was given: `kind` is dout or input, `during` forward or backward."""

    kind: str
    position: int
    name: str
    during: str
    before: Any
    after: Any
    inputs: tuple[Any, ...]


def writes(lab: Lab) -> tuple[Write, ...]:
    """What a layer writes into, on its inputs or on those with the other sign; observed once."""
    if "writes" not in lab.subject.memo:
        lab.subject.memo["writes"] = _observed(lab)
    found: tuple[Write, ...] = lab.subject.memo["writes"]
    return found


def _observed(lab: Lab) -> tuple[Write, ...]:
    variants = (lab.inputs(), changed(lab.subject.inputs, lambda x: -x))
    for inputs in variants:
        try:
            found = tuple(_writes(lab, inputs))
        except CrashError:
            continue
        if found:
            return found
    return ()


def _writes(lab: Lab, given: tuple[Any, ...]) -> Iterator[Write]:
    layer, inputs = lab.fresh(), tuple(map(copied, given))
    mine = [(i, array) for i, x in enumerate(inputs) for array in flat(x) if isinstance(array, np.ndarray)]
    outputs = lab.forward(layer, inputs)
    fresh = [(i, a) for i, x in enumerate(map(copied, given)) for a in flat(x) if isinstance(a, np.ndarray)]
    for (i, after), (_, before) in zip(mine, fresh, strict=True):
        if not _same_bytes(before, after):
            yield Write("input", i, lab.name(i), "forward", before, after.copy(), given)
    between = [array.copy() for _, array in mine]
    douts = lab.douts(outputs)
    before_douts = copies(douts)
    lab.backward(layer, douts)
    for i, (before, after) in enumerate(zip(before_douts, douts, strict=True)):
        if isinstance(after, np.ndarray) and not _same_bytes(before, after):
            yield Write("dout", i, _dout_name(layer, i), "backward", before, after.copy(), given)
    for (i, after), before in zip(mine, between, strict=True):
        if not _same_bytes(before, after):
            yield Write("input", i, lab.name(i), "backward", before, after.copy(), given)


def _same_bytes(before: Any, after: Any) -> bool:
    return bool(before.shape == after.shape and before.tobytes() == after.tobytes())


def _dout_name(layer: Any, position: int) -> str:
    names = [p.name for p in taken_by(layer.backward)]
    return names[position] if position < len(names) else "dout"


@examined
def overwrites(lab: Lab) -> Iterator[Finding]:
    """D201, D202: somebody else's array is changed."""
    seen: set[tuple[str, int]] = set()
    for write in writes(lab):
        if (write.kind, write.position) in seen:
            continue
        seen.add((write.kind, write.position))
        found = _into_dout(lab, write) if write.kind == "dout" else _into_input(lab, write)
        option = _option(lab, write)
        yield found if option is None else _as_asked(found, write, option)


_OPTIONS = {"copy": False, "inplace": True, "in_place": True, "overwrite": True}  # what they say to write in place


def _option(lab: Lab, write: Write) -> str | None:
    """The option by which the method works in place, as it is by default, or as the instance has it: `copy=False`."""
    method = inspect.unwrap(getattr(type(lab.layer), write.during))
    try:
        defaults = {p.name: p.default for p in inspect.signature(method).parameters.values()}
    except (TypeError, ValueError):
        defaults = {}
    known = {**defaults, **attributes_of(lab.layer)}
    return next((f"{name}={value}" for name, value in _OPTIONS.items() if known.get(name) is value), None)


def _as_asked(found: Finding, write: Write, option: str) -> Finding:
    """The finding on a write that an option asks for: who takes what the option is by default must know it."""
    name, _, value = option.partition("=")
    other = str(value != "True")
    message = found.message.replace("; work on a copy", f", for {option}; give {name}={other} where it is used again")
    because = f"{option} says so, but {write.name} belongs to the caller, who may use it again"
    return replace(found, severity="warning", message=message, because=because, fix=None)


def _into_dout(lab: Lab, write: Write) -> Finding:
    where = _writing_line(lab, write)
    shown = _residual(lab, write)
    if shown is None:
        index = differs_at(write.before, write.after)
        was, now = float(write.before[index]), float(write.after[index])
        numbers, right, got = f"{write.name}{list(index)} was {was:.4g} and is {now:.4g} afterwards", was, now
    else:
        right, got = shown
        becomes, wanted = few(got), few(right)
        if becomes == wanted:  # the first few are
            index = differs_at(got, right)
            becomes, wanted = f"{few(got[index])} at {list(index)}", few(right[index])
        numbers = f"in y = layer(x) + x, where x is used twice, the gradient of x becomes {becomes}, right: {wanted}"
        right, got = right.tolist(), got.tolist()
    because = "who computed dout may use it again: as the other gradient of an addition, or to print it"
    return lab.finding(
        "D201", f"{lab.subject.name}.backward writes into {write.name}: {numbers}; work on a copy", where,
        expected=right, got=got, cause="overwrites dout", because=because,
        fix=copied_first(type(lab.layer).backward, write.name, where),
    )  # fmt: skip


def _residual(lab: Lab, write: Write) -> tuple[Any, Any] | None:
    """The gradient of x in y = layer(x) + x as it should be and as it becomes; None where there is no such net."""
    layer = lab.fresh()
    try:
        outputs = lab.forward(layer, tuple(map(copied, write.inputs)))
        if len(outputs) != 1:
            return None
        dout = np.ones_like(write.before)
        gradient = np.asarray(lab.backward(layer, (dout,))[0])
    except (CrashError, IndexError):
        return None
    kept = gradient.copy()
    if gradient.shape != dout.shape or gradient.dtype.kind != "f" or np.array_equal(dout, np.ones_like(dout)):
        return None
    return kept + 1, kept + dout


def _into_input(lab: Lab, write: Write) -> Finding:
    where = _writing_line(lab, write)
    index = differs_at(write.before, write.after)
    was, now = write.before[index].item(), write.after[index].item()
    message = (
        f"{lab.subject.name}.{write.during} writes into {write.name}: "
        f"{write.name}{list(index) if index else ''} was {was:.4g} and is {now:.4g} afterwards; work on a copy"
    )
    because = "the array belongs to the caller, who may use it again"
    return lab.finding(
        "D202", message, where, argument=write.name, index=index, expected=was, got=now, cause="overwrites input",
        because=because, fix=copied_first(type(lab.layer).forward, write.name, where),
    )  # fmt: skip


def _writing_line(lab: Lab, write: Write) -> Where | None:
    """The line that writes: a read-only array stops there."""
    layer, inputs = lab.fresh(), tuple(map(copied, write.inputs))
    try:
        if write.kind == "input":
            _lock(inputs[write.position])
        outputs = lab.forward(layer, inputs)
        douts = lab.douts(outputs)
        if write.kind == "dout":
            _lock(douts[write.position])
        lab.backward(layer, douts)
    except CrashError as crash:
        return crash.where if "read-only" in str(crash) else None
    return None


def _lock(item: Any) -> None:
    for array in flat(item):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False


@examined
def aliases(lab: Lab) -> Iterator[Finding]:
    """D203, D204: gradients that share memory with what was given, or with each other."""
    layer = lab.fresh()
    before, inputs = dict(attributes_of(layer)), lab.inputs()
    outputs = lab.forward(layer, inputs)
    douts = lab.douts(outputs)
    gradients = lab.backward(layer, douts)
    written = {write.position for write in writes(lab) if write.kind == "dout"}
    named = [(_gradient_name(lab, i), g) for i, g in enumerate(gradients)]
    kept = [(f"d{name}", g) for name, g in learned(before, layer).items()]
    opened = [(name, g) for name, g in (*named, *kept) if _is_open(g)]
    twice = next(((a, b) for i, (a, x) in enumerate(opened) for b, y in opened[:i] if shares(x, y)), None)
    if twice is not None:
        message = (
            f"{twice[1]} and {twice[0]} share memory: to add to one in place changes the other; return a copy of one"
        )
        because = "gradients of several uses are added up in place"
        yield lab.finding("D204", message, argument=twice[0], cause="alias", because=because)
    theirs = [(_dout_name(layer, i), d) for i, d in enumerate(douts) if i not in written]
    theirs += [(lab.name(i), array) for i, x in enumerate(inputs) for array in flat(x)]
    for name, given in (*named, *(("the output", out) for out in outputs)):
        source = next((n for n, array in theirs if shares(given, array)), None)
        if source is not None:
            whole = "is" if any(given is array for _, array in theirs) else "shares memory with"
            message = f"{name} {whole} {source}: to write into one writes into the other; return {source}.copy()"
            yield lab.finding("D203", message, argument=name, cause="alias")
            return


def _gradient_name(lab: Lab, position: int) -> str:
    return f"the gradient of {lab.name(position)}"


def _is_open(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.flags.writeable


@examined
def kept(lab: Lab) -> Iterator[Finding]:
    """D205: to write into what forward or backward returned changes a later gradient."""
    if not lab.repeatable:
        return
    layer = lab.fresh()
    before = dict(attributes_of(layer))
    outputs = lab.forward(layer, lab.inputs())
    name = _shared_name(outputs, arrays(layer))
    if name is not None:
        douts = lab.douts(outputs)
        _overwrite(outputs)
        if not _backward_gives(lab, layer, douts, (lab.base.gradients, lab.base.learned), before):
            message = f"forward returns {name} itself: to write into the output changes the gradient; return a copy"
            yield lab.finding("D205", message, cause="alias", argument=name)
            return
    run = lab.run()
    name = _shared_name(run.gradients, arrays(run.layer))
    if name is None:
        return
    wanted = copies(lab.backward(run.layer, tuple(map(copied, run.douts))))
    again = lab.run()
    _overwrite(again.gradients)
    if not _backward_gives(lab, again.layer, tuple(map(copied, again.douts)), (wanted, {}), {}):
        message = f"backward returns {name} itself: to write into the gradient changes a later one; return a copy"
        yield lab.finding("D205", message, cause="alias", argument=name)


def _shared_name(items: Sequence[Any], held: dict[str, Any]) -> str | None:
    opened = [item for item in items if is_float_array(item) and item.flags.writeable]
    return next((name for item in opened for name, array in held.items() if shares(item, array)), None)


def _overwrite(items: Sequence[Any]) -> None:
    for item in items:
        if is_float_array(item) and item.flags.writeable:
            item *= -2
            item += 3


def _backward_gives(
    lab: Lab, layer: Any, douts: tuple[Any, ...], wanted: tuple[list[Any], dict[str, Any]], before: dict[str, Any]
) -> bool:
    """Whether backward returns these gradients, and leaves those for parameters."""
    try:
        gradients = lab.backward(layer, douts)
    except CrashError:
        return True
    return same(gradients, wanted[0]) and same(learned(before, layer), wanted[1])
