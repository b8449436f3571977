"""Verdicts and findings: is a hand-written backward the derivative of its forward?

What is public here is loaded when it is first asked for: the pages and settings are read without exact arithmetic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dout.check.report.report import Report
    from dout.check.report.verdicts import Cause, Finding, Verdict
    from dout.check.verb.check_layer import check

__all__ = ["Cause", "Finding", "Report", "Verdict", "check"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = {"check": "verb.check_layer", "Report": "report.report"}.get(name, "report.verdicts")
        return getattr(importlib.import_module(f"dout.check.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
