"""What a layer keeps between calls: does a call depend on calls before it, or on another instance?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import KEPT
from dout.check.lab.conditional_exactness import refuted
from dout.check.lab.other_values import copies, differs_at, few, opposite, other, same
from dout.check.lab.probe import CrashError, Lab, examined, learned, users_code
from dout.check.report.verdicts import Finding
from dout.run import arrays, attributes_of, copied, deep_copy, places
from dout.run.held_objects import closures, mutable_parts, of_class, shared_by_language, snapshot, users_classes
from dout.trace.session.pairing import is_named_as_gradient, pairs


@examined
def second_backward(lab: Lab) -> Iterator[Finding]:
    """D206, D207: backward twice after one forward."""
    if not lab.repeatable:
        return
    layer = lab.fresh()
    before = snapshot(layer)
    run = lab.run(layer=layer)
    first, once = copies(run.gradients), snapshot(layer)
    try:
        second = lab.backward(layer, tuple(map(copied, lab.base.douts)))
    except CrashError as crash:
        message = f"a second backward raises {crash}: what forward kept is gone after the first"
        yield lab.finding("D206", message, crash.where, severity="note", cause="stale")
        return
    if not same(second, first) and not _steps(before, once):
        i = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if not same(a, b)), 0)
        yield lab.finding(
            "D206",
            f"a second backward with the same dout gives another gradient of {lab.name(i)}: "
            f"{_differing(first, second, i)}; backward must not change what forward kept",
            argument=lab.name(i), expected=_listed(first, i), got=_listed(second, i), cause="stale",
        )  # fmt: skip
    if lab.grown:
        grown = list(lab.grown)
        names = ", ".join(grown)
        message = f"{names} add up over calls of backward: set them to 0 before each step, or write = where += stands"
        yield lab.finding("D207", message.replace(" add ", " adds ", len(grown) == 1), argument=grown[0], cause="stale")


def _steps(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether backward has changed what is no gradient and was there before forward: that is a finding of its own."""
    kept = [path for path in before if path in after and not is_named_as_gradient(path.rpartition(".")[2])]
    return any(not same(before[path], after[path]) for path in kept)


def _differing(first: list[Any], second: list[Any], i: int) -> str:
    if i < len(first) and i < len(second) and np.shape(first[i]) == np.shape(second[i]):
        index = differs_at(first[i], second[i])
        at = f" at {list(index)}" if index else ""
        return f"{few(np.asarray(second[i])[index])} for {few(np.asarray(first[i])[index])}{at}"
    return f"{len(second)} gradients for {len(first)}" if len(first) != len(second) else "another shape"


def _listed(items: list[Any], i: int) -> Any:
    return np.asarray(items[i]).tolist() if i < len(items) else None


@examined
def second_round(lab: Lab) -> Iterator[Finding]:
    """D206: after a whole round on other inputs, backward is the derivative of the forward before it, and not stale."""
    if not lab.repeatable or not lab.copyable:
        return
    for others in (other(lab.subject.inputs), opposite(lab.subject.inputs)):
        layer = lab.fresh()
        try:
            lab.run(others, layer=layer)
        except CrashError:
            continue
        lab.clear(layer)
        used = deep_copy(layer)
        again = lab.run(douts=tuple(map(copied, lab.base.douts)), layer=layer)
        frozen = _frozen(lab, used, layer) if not same(again.outputs, lab.base.outputs) else None
        if frozen is not None:
            message = (
                f"in a second round, on other inputs, forward gives another output: {frozen} is still that of the "
                "first forward; keep it anew each time"
            )
            yield lab.finding("D206", message, argument=frozen.removeprefix("self."), cause="stale")
            return
        if same(again.gradients, lab.base.gradients) and same(again.learned, lab.base.learned):
            continue
        if refuted(lab, lab.fresh(), lab.inputs(), {}, lab.base.outputs) is not None:
            return  # it is wrong from the first
        wrong = refuted(lab, used, lab.inputs(), {}, again.outputs)
        if wrong is not None:  # what a network with a memory gives depends on the calls before, and is right
            why = "what the first forward kept is used; forward must keep it anew each time"
            message = f"in a second round, on other inputs, {wrong.said()}: {why}"
            yield lab.finding("D206", message, cause="stale", **wrong.details)
            return


def _frozen(lab: Lab, used: Any, again: Any) -> str | None:
    """An array made of the inputs in the first forward, and left as it is in the next, on other inputs."""
    first, before, after = arrays(lab.base.layer), arrays(used), arrays(again)
    return next(
        (
            path
            for path, mine in first.items()
            if path in before and path not in arrays(lab.layer) and path in after
            and np.array_equal(before[path], after[path]) and not same(mine, before[path])
        ),
        None,
    )  # fmt: skip


@examined
def parameters_change(lab: Lab) -> Iterator[Finding]:
    """D210: after backward, forward gives another output, since arrays that it uses have changed."""
    if not lab.repeatable:
        return
    layer = lab.fresh()
    lab.forward(layer, lab.inputs())
    steady = copies(lab.forward(layer, lab.inputs()))
    before = snapshot(layer)
    lab.backward(layer, tuple(map(copied, lab.base.douts)))
    after = snapshot(layer)
    moved = [path for path in before if path in after and not same(before[path], after[path])]
    if not moved or same(lab.forward(layer, lab.inputs()), steady):
        return
    guilty = next((path for path in moved if _matters(lab, path)), None)
    if guilty is not None:
        message = f"{guilty} changes during backward: a gradient is computed there, and the step made elsewhere"
        yield lab.finding("D210", message, argument=guilty.removeprefix("self."), cause="stale")


def _matters(lab: Lab, path: str) -> bool:
    """Whether the output depends on the array at a path, in a layer on which nothing ran."""
    layer = lab.fresh()
    array = arrays(layer).get(path)
    if array is None or not array.flags.writeable:
        return False
    array *= 1.5
    array += 0.25
    return not same(lab.forward(layer, lab.inputs()), lab.base.outputs)


@examined
def used_twice(lab: Lab) -> Iterator[Finding]:
    """D208: forward twice, then backward for the first."""
    if not lab.repeatable:
        return
    layer = lab.fresh()
    before = dict(attributes_of(layer))
    lab.forward(layer, lab.inputs())
    callers = attributes_of(layer).get(KEPT)  # an input or a cache that backward is handed: who calls has both
    lab.forward(layer, other(lab.subject.inputs))
    if callers is not None:
        attributes_of(layer)[KEPT] = callers
    gradients = lab.backward(layer, tuple(map(copied, lab.base.douts)))
    if same(gradients, lab.base.gradients) and same(learned(before, layer), lab.base.learned):
        return
    message = (
        f"used twice before backward, {lab.subject.name} has lost what its first forward kept: "
        "make one instance for each place in the network"
    )
    yield lab.finding("D208", message, cause="stale")


# --- instances --------------------------------------------------------------------------------------------------------


@examined
def instances_share(lab: Lab) -> Iterator[Finding]:
    """D209: what one instance does changes another."""
    own = _own_parameters_of_class(lab)
    if own is not None:
        message = f"{own} is the array of the class: every instance trains the same one; make it in __init__"
        yield lab.finding("D209", message, argument=own.split(".")[-1], cause="shared")
        return
    cls = type(lab.layer)
    makers: list[Callable[[], Any]] = [lab.subject.make, *([cls] if _needs_nothing(cls) else [])]
    for make in makers:
        try:
            found = _meets(lab, make)
        except CrashError:
            continue
        if found is not None:
            where = _shared_place(lab, make)
            message = f"instances share state: {found}{f'; {where}' if where else ''}; make it in __init__"
            yield lab.finding("D209", message, cause="shared")
            return


def _needs_nothing(cls: type) -> bool:
    try:
        wanted = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in wanted)


def _made(lab: Lab, make: Callable[[], Any]) -> Any:
    lab.rewind()
    with users_code():
        return make()


def _meets(lab: Lab, make: Callable[[], Any]) -> str | None:
    """What changes in one instance when another one runs; None where nothing does, or it cannot be told."""
    one, two = _made(lab, make), _made(lab, make)
    if closures(one) & closures(two) or _given_by_us(one, two):
        return None
    before = dict(attributes_of(one))
    douts = tuple(copies(lab.douts(lab.forward(one, lab.inputs()))))
    alone = _given(lab, one, before, douts)
    lab.run(other(lab.subject.inputs), layer=two)
    if not same(learned(before, one), alone[1]):
        return "one backward overwrites the parameter gradients of another instance"
    for others in (other(lab.subject.inputs), opposite(lab.subject.inputs)):
        if not _alone(lab, make, douts, alone):
            return None
        one, two = _made(lab, make), _made(lab, make)
        before = dict(attributes_of(one))
        lab.forward(one, lab.inputs())
        try:
            lab.forward(two, others)
        except CrashError:
            continue
        try:
            gradients, left = _given(lab, one, before, douts)
        except CrashError as crash:
            found = f"backward of one raises {crash} after forward of another"
        else:
            name = _differs_in(lab, alone, (gradients, left))
            if name is None:
                continue
            found = f"after forward of another instance the gradient of {name}"
        return found if _alone(lab, make, douts, alone) else None
    return None


Given = tuple[list[Any], dict[str, Any]]  # the gradients that backward returned, and those that it left


def _given(lab: Lab, layer: Any, before: dict[str, Any], douts: tuple[Any, ...]) -> Given:
    gradients = copies(lab.backward(layer, tuple(map(copied, douts))))
    return gradients, {name: gradient.copy() for name, gradient in learned(before, layer).items()}


def _differs_in(lab: Lab, alone: Given, beside: Given) -> str | None:
    """Whose gradient is another beside a neighbour, and how; None where all are the same."""
    for i, (a, b) in enumerate(zip(alone[0], beside[0], strict=False)):
        if not same(a, b):
            return f"{lab.name(i)} is {_differing(alone[0], beside[0], i)}"
    for name, a in alone[1].items():
        if not same(a, beside[1].get(name)):
            return f"{name} is {_differing([a], [beside[1].get(name)], 0)}"
    return None


def _alone(lab: Lab, make: Callable[[], Any], douts: tuple[Any, ...], wanted: Given) -> bool:
    """Whether another instance gives the same gradients by itself, so that a difference is the neighbour's doing."""
    try:
        layer = _made(lab, make)
        before = dict(attributes_of(layer))
        lab.forward(layer, lab.inputs())
        return same(list(_given(lab, layer, before, douts)), list(wanted))
    except CrashError:
        return False


def _given_by_us(one: Any, two: Any) -> bool:
    """Whether two instances hold the same thing because they were built with it, and not by the class's own doing."""
    both = mutable_parts(one).keys() & mutable_parts(two).keys()
    return bool(both and both - shared_by_language(one))


def _shared_place(lab: Lab, make: Callable[[], Any]) -> str | None:
    """What two instances have in common, by name."""
    one, two = _made(lab, make), _made(lab, make)
    both = mutable_parts(one).keys() & mutable_parts(two).keys()
    for place in places(one):
        if id(place.item) in both:
            return f"both hold the same {place.path}, a default argument"
    held = attributes_of(one)
    for cls in users_classes(one):
        for name, item in vars(cls).items():
            if name not in held and not name.startswith("__") and not callable(item) and _holds(item):
                return f"{name} is an attribute of the class {cls.__name__}"
    return None


def _holds(item: Any) -> bool:
    return item is not None and not isinstance(item, bool | int | float | str | property | staticmethod | classmethod)


def _own_parameters_of_class(lab: Lab) -> str | None:
    """A parameter, an array with a gradient beside it, that belongs to the class."""
    shared = of_class(lab.layer)
    if not shared:
        return None
    layer = lab.fresh()
    lab.run(layer=layer)
    pair = next((pair for pair in pairs(shared, {**shared, **attributes_of(layer)}) if pair.by == "name"), None)
    return f"{type(lab.layer).__name__}.{pair.name}" if pair is not None else None
