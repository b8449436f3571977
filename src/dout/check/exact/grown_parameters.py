"""Parameters that a layer makes in its first forward, when it sees how wide its input is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dout.check.exact.judge import judge
from dout.check.exact.subject import Subject
from dout.run import arrays, deep_copy, quiet


def with_all_parameters(subject: Subject) -> Subject:
    """Return the layer as its first forward leaves it, if more gradients are judged there; else the layer itself.

    What forward makes is no input of its recording: only in a second forward it is.
    """
    try:
        used = _used(subject)
        if used is None:
            return subject
        without, with_them = (judge(one.recorded(one.run().douts), ends=one.ends) for one in (subject, used))
    except Exception:  # the layer's own, or there is no rule
        return subject
    return used if with_them.parameters - without.parameters else subject


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
    return replace(subject, make=lambda: used, memo={}) if any(after.get(p) is x for p, x in made.items()) else None


def _may_be_learned(item: Any) -> bool:
    return bool(item.dtype.kind == "f" and item.ndim)
