"""Verdicts and findings: is a hand-written backward the derivative of its forward?

What is public here is loaded when it is first asked for: the pages and settings are read without exact arithmetic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dout.check.model import Cause, Finding, Report, Verdict
    from dout.check.verb import check

__all__ = ["Cause", "Finding", "Report", "Verdict", "check"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"dout.check.{'verb' if name == 'check' else 'model'}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
