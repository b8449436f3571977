"""The whole right backward, derived from forward, where no small repair makes a wrong one right."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from weakref import WeakSet

from dout.check.exact.subject import Subject
from dout.check.report.fix import Fix
from dout.check.report.verdicts import Cause
from dout.clock import TimeIsOver, within
from dout.files import text_of
from dout.graph import Node
from dout.judge.outcomes import Outcome

MOST_SECONDS = 2.0
_TOO_LONG: WeakSet[type] = WeakSet()
DERIVED = "derived"  # the word of such a cause
_UNSAFE = "it writes the whole backward anew"
_SENTENCE = "no small repair is known, the backward below is derived from forward"


def with_derived_backward(
    subject: Subject, refuted: Mapping[Node, Outcome], causes: Mapping[Node, Cause]
) -> dict[Node, Cause]:
    """The causes, and for the first wrong gradient without a repair the whole derived backward as one.

    It was run and judged exactly when it was derived. Only a class in the plain interface is rewritten.
    """
    found = dict(causes)
    open_ = [node for node in refuted if node not in found or found[node].fix is None]
    fix = derived_fix(subject) if len(open_) == len(refuted) else None
    if fix is not None:
        first = found.get(open_[0])
        known = first or Cause(DERIVED, "")
        sentence = f"{known.sentence}; {_SENTENCE}" if known.sentence else _SENTENCE
        found[open_[0]] = replace(known, word=DERIVED, sentence=sentence, fix=fix, where=known.where or subject.place)
    return found


def derived_fix(subject: Subject) -> Fix | None:
    """The change of the class's file that gives it its derived backward; None if there is none.

    There is none either if that takes long; it is not tried for the same class again.
    """
    from dout.explain.derive.in_place import replaced_source
    from dout.explain.loops.looped_class import derived

    cls = type(subject.again())
    if subject.interface is not None or "<" in cls.__qualname__ or cls in _TOO_LONG:
        return None
    file = inspect.getsourcefile(cls) or ""
    text = text_of(file)
    try:
        with within(MOST_SECONDS):
            made = derived(subject.again(), None, dict(zip(subject.names, subject.fresh_inputs(), strict=False)))
    except TimeIsOver:
        _TOO_LONG.add(cls)
        return None
    return Fix(file, text, replaced_source(text, cls.__qualname__, made), _UNSAFE)
