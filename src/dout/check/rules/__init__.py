"""A layer and its judgement in; findings out. One file a code, named by it, with its severity, title, check and words.

A rule's module has `RULE`, and a check or two: `check(lab)` runs the layer plainly, `check_judgement(subject,
judgement)` reads what exact arithmetic says. A code that neither can find is reported by whoever runs the layer.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.lab.probe import CrashError, SlowError, lab_of
from dout.check.report.rule import Rule
from dout.check.report.verdicts import Finding
from dout.run import keeping_random_states, quiet


@cache
def modules() -> tuple[ModuleType, ...]:
    """The modules of all rules by code; D0xx last, since they say what kept the others from a layer."""
    names = (found.name for found in pkgutil.walk_packages(__path__, f"{__name__}."))
    found = map(importlib.import_module, (name for name in names if re.search(r"\.d\d{3}_\w+$", name)))
    return tuple(sorted(found, key=lambda module: (module.RULE.code < "D1", module.RULE.code)))


def rules() -> dict[str, Rule]:
    """Every rule by its code, in order."""
    return {module.RULE.code: module.RULE for module in sorted(modules(), key=lambda module: str(module.RULE.code))}


def findings_of(subject: Subject, judgement: Judgement) -> Iterator[Finding]:
    """Yield what the rules read in a judgement."""
    for module in modules():
        if hasattr(module, "check_judgement"):
            yield from module.check_judgement(subject, judgement)


def findings_by_running(subject: Subject) -> list[Finding]:
    """Return what the rules find by plain runs, in silence. A run that crashes ends its rule: that is no finding."""
    found: list[Finding] = []
    running = [m for m in modules() if hasattr(m, "check") and (m.RULE.for_foreign or not subject.foreign)]
    with quiet(), keeping_random_states():
        for module in running:
            with suppress(CrashError, SlowError):
                lab = lab_of(subject)
                for one in module.check(lab) if not module.RULE.compares or lab.repeatable else ():
                    found.append(one)  # noqa: PERF402 - what was found before a crash counts
    return found
