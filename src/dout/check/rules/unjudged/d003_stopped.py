"""D003: a run needs too much time or memory, ends the interpreter, or replaces something for everyone."""

from __future__ import annotations

from dout.check.report.rule import Rule

RULE = Rule("D003", "error", "the run was stopped: time, memory, or an exit")
