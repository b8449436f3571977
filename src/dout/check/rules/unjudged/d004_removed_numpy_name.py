"""D004: a layer uses a name that NumPy has removed."""

from __future__ import annotations

from dout.check.report.rule import Rule

RULE = Rule("D004", "warning", "a name that NumPy has removed")
