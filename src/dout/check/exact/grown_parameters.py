"""Parameters that no gradient would be compared with: made in the first forward, or of whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.run import arrays, attributes_of, deep_copy, is_float_array, quiet
from dout.trace.session.pairing import is_named_as_gradient, is_residual, stem


def with_all_parameters(subject: Subject) -> Subject:
    """Return the layer as its first forward leaves it, if more gradients are judged there; else the layer itself.

    What forward makes is no input of its recording: only in a second forward it is.
    """
    subject = _with_floats(subject)
    try:
        used = _used(subject)
        if used is None:
            return subject
        without, with_them = map(_judged_parameters, (subject, used))
    except Exception:  # the layer's own, or there is no rule
        return subject
    return used if with_them - without else subject


def _judged_parameters(subject: Subject) -> set[str]:
    """The parameters of which a gradient would be judged."""
    judged = Examination(subject.recorded(subject.run().douts)).judged
    return {one.name for one in judged if one.parameter}


def _used(subject: Subject) -> Subject | None:
    """The layer after a forward, if that made arrays which the next one uses as they are."""
    if not subject.runner.copyable:
        return None
    layer = subject.again()
    before = arrays(layer)
    with quiet():
        subject.runner.forward(layer, subject.fresh_inputs())
        made = {path: item for path, item in arrays(layer).items() if path not in before and _may_be_learned(item)}
        if not made:
            return None
        used = deep_copy(layer)
        subject.runner.forward(layer, subject.fresh_inputs())
    after = arrays(layer)
    return replace(subject, make=lambda: used) if any(after.get(p) is x for p, x in made.items()) else None


def _may_be_learned(item: Any) -> bool:
    return bool(item.dtype.kind == "f" and item.ndim)


def _with_floats(subject: Subject) -> Subject:
    """The layer with floats for weights of whole numbers, as of `randint`, of which backward leaves a gradient."""
    held = attributes_of(subject.again())
    whole = [name for name, item in held.items() if isinstance(item, np.ndarray) and item.dtype.kind in "iu"]
    try:
        after = attributes_of(subject.run().layer) if whole else {}
    except Exception:  # the layer's own
        return subject
    known = {stem(name) for name, item in after.items() if is_named_as_gradient(name) and _is_new(item, held.get(name))}
    weights = [name for name in whole if stem(name) in known and not is_residual(name)]
    return replace(subject, make=partial(_floated, subject.make, weights)) if weights else subject


def _is_new(item: Any, before: Any) -> bool:
    return is_float_array(item) and item is not before


def _floated(make: Callable[[], Any], names: list[str]) -> Any:
    layer = make()
    for name in names:
        setattr(layer, name, getattr(layer, name).astype(float))
    return layer
