"""What a layer writes into although it was only lent it: the array, when, what it was and what it became."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.adapt.interface.adapted_layer import users_class
from dout.check.lab.other_values import changed
from dout.check.lab.probe import CrashError, Lab, learned, once
from dout.check.repair.edits.expression_places import bare, function_of
from dout.check.repair.line_repairs import copied_first
from dout.check.repair.scratch_functions import with_text
from dout.check.report.fix import Fix
from dout.check.report.rule import Rule
from dout.check.report.verdicts import Finding
from dout.graph import Where
from dout.run import arrays, attributes_of, copied, differs_at, flat, objects_in
from dout.trace.model.replay import same_bits

_FACTOR = 1.25  # of parameters that are 1


@dataclass(frozen=True, eq=False)
class Write:
    """A write into an array that was lent: the upstream gradient or input at `position`, in a run on `inputs`."""

    kind: Literal["dout", "input"]
    position: int
    name: str
    during: Literal["forward", "backward"]
    before: Any
    after: Any
    inputs: tuple[Any, ...]

    @property
    def index(self) -> tuple[int, ...]:
        """The first element that changed."""
        return differs_at(self.before, self.after)

    @property
    def numbers(self) -> str:
        """The first element that changed, in words: `x[0] was 1 and is 0 afterwards`."""
        at = list(self.index) if self.index else ""
        was, now = self.before[self.index].item(), self.after[self.index].item()
        return f"{self.name}{at} was {was:.4g} and is {now:.4g} afterwards"


@once
def writes(lab: Lab) -> tuple[Write, ...]:
    """The first write into each array: on the layer's inputs, on those with the other sign, or with other parameters.

    `dout *= self.gamma` changes nothing where gamma is 1, as at the start.
    """
    for inputs, factor in _examples(lab):
        try:
            found, _ = _lent(lab, inputs, factor)
        except CrashError:
            continue
        if found:
            first: dict[tuple[str, int], Write] = {}
            for write in found:
                first.setdefault((write.kind, write.position), write)
            return tuple(first.values())
    return ()


def _examples(lab: Lab) -> tuple[tuple[tuple[Any, ...], float], ...]:
    given, mirrored = lab.inputs(), changed(lab.subject.inputs, lambda x: -x)
    return (given, 1.0), (mirrored, 1.0), (given, _FACTOR)


def _lent(
    lab: Lab, given: tuple[Any, ...], factor: float, prepare: Callable[[Any], None] = lambda layer: None
) -> tuple[list[Write], list[Any]]:
    """The writes of one run into what it was lent, and copies of all that it gave; `prepare` changes its layer."""
    layer, inputs = lab.fresh(), tuple(map(copied, given))
    prepare(layer)
    for array in arrays(layer).values():
        if factor != 1 and array.dtype.kind == "f" and np.all(array == 1) and array.flags.writeable:
            array *= factor
    held, mine, found = dict(attributes_of(layer)), _arrays_in(inputs), []
    outputs = lab.forward(layer, inputs)
    gave = [*map(copied, outputs)]
    for (i, after), (_, before) in zip(mine, _arrays_in(map(copied, given)), strict=True):
        if not same_bits(before, after):
            found.append(Write("input", i, lab.name(i), "forward", before, after.copy(), given))
    between = [array.copy() for _, array in mine]
    douts = lab.douts(outputs)
    before_douts = [*map(copied, douts)]
    gradients = lab.backward(layer, douts)
    for i, (before, after) in enumerate(zip(before_douts, douts, strict=True)):
        if isinstance(after, np.ndarray) and not same_bits(before, after):
            found.append(Write("dout", i, dout_name(layer, i), "backward", before, after.copy(), given))
    for (i, after), before in zip(mine, between, strict=True):
        if not same_bits(before, after):
            found.append(Write("input", i, lab.name(i), "backward", before, after.copy(), given))
    return found, [*gave, *map(copied, gradients), *map(copied, learned(held, layer).values())]


def _arrays_in(inputs: Any) -> list[tuple[int, Any]]:
    return [(i, array) for i, x in enumerate(inputs) for array in flat(x) if isinstance(array, np.ndarray)]


def dout_name(layer: Any, position: int) -> str:
    """The name that backward has for an upstream gradient."""
    names = [p.name for p in taken_by(layer.backward)]
    return names[position] if position < len(names) else "dout"


def report_write(rule: Rule, lab: Lab, write: Write, numbers: str, because: str, **details: Any) -> Finding:
    """Return the finding on a write. It is a warning if an option asks for it: its default may surprise the caller."""
    where = _writing_line(lab, write)
    says = f"{lab.subject.name}.{write.during} writes into {write.name}: {numbers}"
    option = _option(lab, write)
    if option is None:
        details |= {"fix": _proven_copy(lab, write, where), "because": because}
        return rule.about(lab.subject, f"{says}; work on a copy", where, **details)
    name, value = option
    because = f"{name}={value} says so, but {write.name} belongs to the caller, who may use it again"
    message = f"{says}, for {name}={value}; give {name}={not value} where it is used again"
    return rule.about(lab.subject, message, where, severity="warning", because=because, **details)


def _proven_copy(lab: Lab, write: Write, where: Where | None) -> Fix | None:
    """A change with which the method leaves the array as it was, and the layer gives the same bits, in every run."""
    cls, interface = type(lab.layer), lab.subject.interface
    name = write.during if interface is None else getattr(interface, write.during)
    method = getattr(users_class(cls), name, None) or getattr(cls, write.during)
    function = function_of(bare(method, name).__code__, objects_in(lab.layer))
    if function is None:
        return None
    names = [arg.arg for arg in function.node.args.args if arg.arg != "self"]  # the user may call dout otherwise
    with suppress(CrashError):
        runs = [(run, _lent(lab, *run)) for run in _examples(lab)]
        for fix in chain.from_iterable(copied_first(function.function, name, where) for name in names):
            with suppress(CrashError, SyntaxError):
                prepare = with_text(function, fix.after)
                if all(_is_spared(write, was, _lent(lab, *run, prepare)) for run, was in runs):
                    return fix
    return None


def _is_spared(write: Write, was: tuple[list[Write], list[Any]], now: tuple[list[Write], list[Any]]) -> bool:
    written = {(one.kind, one.position) for one in now[0]}
    same = len(was[1]) == len(now[1]) and all(map(same_bits, map(np.asarray, was[1]), map(np.asarray, now[1])))
    return same and (write.kind, write.position) not in written


_OPTIONS = {"copy": False, "inplace": True, "in_place": True, "overwrite": True}  # values that ask to work in place


def _option(lab: Lab, write: Write) -> tuple[str, bool] | None:
    """The option that makes the method work in place, by its default or by the instance's attribute: `copy=False`."""
    method = inspect.unwrap(getattr(type(lab.layer), write.during))
    known = {**{p.name: p.default for p in taken_by(method)}, **attributes_of(lab.layer)}
    return next(((name, value) for name, value in _OPTIONS.items() if known.get(name) is value), None)


def _writing_line(lab: Lab, write: Write) -> Where | None:
    """The line that writes: on a read-only array it raises NumPy's error."""
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
        return crash.where if "read-only" in str(crash.error) else None
    return None


def _lock(item: Any) -> None:
    for array in flat(item):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
