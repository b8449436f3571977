"""D209: what one instance does changes another."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dout.check.lab.other_values import opposite, other, same
from dout.check.lab.probe import CrashError, Lab, learned, users_code
from dout.check.report.rule import Findings, Rule
from dout.check.rules.memory.changed_gradients import difference
from dout.run import attributes_of, copied, places
from dout.run.held_objects import closures, mutable_parts, of_class, shared_by_language, users_classes
from dout.trace.session.pairing import pairs

RULE = Rule("D209", "error", "instances share state")


def check(lab: Lab) -> Findings:
    """Yield a finding if an instance trains the class's own array, or running one instance changes another."""
    own = _own_parameters_of_class(lab)
    if own is not None:
        message = f"{own} is the array of the class: every instance trains the same one; make it in __init__"
        yield RULE.about(lab.subject, message, argument=own.split(".")[-1], cause="shared")
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
            yield RULE.about(lab.subject, message, cause="shared")
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
    douts = tuple(map(copied, lab.douts(lab.forward(one, lab.inputs()))))
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
    gradients = [*map(copied, lab.backward(layer, tuple(map(copied, douts))))]
    return gradients, {name: gradient.copy() for name, gradient in learned(before, layer).items()}


def _differs_in(lab: Lab, alone: Given, beside: Given) -> str | None:
    """Whose gradient is another beside a neighbour, and how; None where all are the same."""
    for i, (a, b) in enumerate(zip(alone[0], beside[0], strict=False)):
        if not same(a, b):
            return f"{lab.name(i)} is {difference(alone[0], beside[0], i)}"
    for name, a in alone[1].items():
        if not same(a, beside[1].get(name)):
            return f"{name} is {difference([a], [beside[1].get(name)], 0)}"
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
