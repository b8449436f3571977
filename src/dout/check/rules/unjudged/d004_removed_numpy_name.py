"""D004: a layer uses a name that NumPy has removed."""

from __future__ import annotations

from dataclasses import dataclass

from dout.check.report.rule import Rule
from dout.check.report.verdicts import Reason

RULE = Rule("D004", "warning", "a name that NumPy has removed")


@dataclass(frozen=True, slots=True)
class RemovedName(Reason):
    """The name that was used, without `np.`, and the layer in whose class it was used, if any."""

    name: str
    owner: str = ""
