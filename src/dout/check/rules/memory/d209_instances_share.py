"""D209: what one instance does changes another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dout.adapt.argument_names import is_named, taken_by
from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.interface.method_pairs import is_static
from dout.check.lab.other_values import difference, opposite, other, same
from dout.check.lab.probe import CrashError, Lab, Ran, learned, users_code
from dout.check.report.rule import Findings, Rule
from dout.run import attributes_of, copied, places
from dout.run.held_objects import closures, mutable_parts, of_class, shared_by_language, users_classes
from dout.trace.session.pairing import pairs

RULE = Rule("D209", "error", "instances share state")


def check(lab: Lab) -> Findings:
    """Yield a finding if an instance trains the class's own array, or running one instance changes another.

    Functions have no instances.
    """
    own = _own_parameters_of_class(lab)
    if own is not None:
        message = f"{own} is the array of the class: every instance trains the same one; make it in __init__"
        yield RULE.about(lab.subject, message, argument=own.split(".")[-1], cause="shared")
        return
    cls = type(lab.layer)
    if any(is_static(base, getattr(base, PAIR, ("",))[0]) for base in cls.__mro__):
        return
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
    return all(p.default is not p.empty or not is_named(p) for p in taken_by(cls))


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
    alone = _ran(lab, one)
    lab.run(other(lab.subject.inputs), layer=two)
    if not same(learned(before, one), alone.learned):
        return "one backward overwrites the parameter gradients of another instance"
    for others in (other(lab.subject.inputs), opposite(lab.subject.inputs)):
        one, two = _made(lab, make), _made(lab, make)
        try:
            ran = _ran(lab, one, partial(lab.forward, two, others))
            wrong = lab.differing(alone, ran)
            if wrong is not None:
                wrong = lab.differing(_computed(lab, make, alone), _computed(lab, make, ran))
        except CrashError as crash:
            found = f"backward of one raises {crash} after forward of another"
        else:
            if wrong is None:
                continue
            found = f"after forward of another instance {wrong[0]} is {difference(*wrong[1:])}"
        by_itself = lab.differing(alone, _ran(lab, _made(lab, make))) is None
        return found if by_itself else None  # else the neighbour has nothing to do with it
    return None


def _computed(lab: Lab, make: Callable[[], Any], run: Ran) -> Ran:
    """A run without the gradients that are what its constructor made, whatever a layer is given: `np.empty(n)`."""
    layer = _made(lab, make)
    before = dict(attributes_of(layer))
    first = _ran(lab, layer).learned
    lab.run(other(lab.subject.inputs), layer=layer)
    again = learned(before, layer)
    untouched = {name for name, x in first.items() if name in again and x.tobytes() == again[name].tobytes()}
    return replace(run, learned={name: x for name, x in run.learned.items() if name not in untouched})


def _ran(lab: Lab, layer: Any, between: Callable[[], Any] = lambda: None) -> Ran:
    """Copies of the gradients of a run, in which something else runs between forward and backward."""
    before = dict(attributes_of(layer))
    douts = lab.douts(lab.forward(layer, lab.inputs()))
    with suppress(CrashError):  # of the neighbour
        between()
    gradients = [*map(copied, lab.backward(layer, douts))]
    left = {name: gradient.copy() for name, gradient in learned(before, layer).items()}
    return Ran(layer, (), douts, [], gradients, learned=left)


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
            if name not in held and not name.startswith(("__", "dout_")) and not callable(item) and _holds(item):
                return f"{name} is an attribute of the class {cls.__name__}"
    return None


def _holds(item: Any) -> bool:
    return isinstance(item, np.ndarray | dict | list | set) or bool(attributes_of(item))


def _own_parameters_of_class(lab: Lab) -> str | None:
    """A parameter, an array with a gradient beside it, that belongs to the class."""
    shared = of_class(lab.layer)
    if not shared:
        return None
    layer = lab.fresh()
    lab.run(layer=layer)
    pair = next((pair for pair in pairs(shared, {**shared, **attributes_of(layer)}) if pair.by == "name"), None)
    return f"{type(lab.layer).__name__}.{pair.name}" if pair is not None else None
