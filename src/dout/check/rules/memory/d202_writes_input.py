"""D202: forward or backward writes into an input, which belongs to the caller."""

from __future__ import annotations

import inspect

from dout.adapt.source.returned_names import hands_back
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.memory.written_arrays import report_write, writes

RULE = Rule("D202", "error", "an input is overwritten", for_foreign=True)


def check(lab: Lab) -> Findings:
    """Yield a finding for each input that the layer changes."""
    for write in writes(lab):
        if write.kind == "input":
            because = "the array belongs to the caller, who may use it again"
            was, now = write.before[write.index].item(), write.after[write.index].item()
            details = {"argument": write.name, "index": write.index, "expected": was, "got": now}
            found = report_write(RULE, lab, write, write.numbers, because, cause="overwrites input", **details)
            handed_back = hands_back(inspect.unwrap(type(lab.layer).forward), write.name)
            yield found.doubted("; forward returns it, too") if handed_back else found
