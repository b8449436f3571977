"""What every rule has: its code, its severity, its title, and how it makes a finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from dout.check.report.verdicts import Finding, Severity
from dout.graph import Where

Findings = Iterator[Finding]  # what a check of a rule gives


class NamedLayer(Protocol):
    """A layer that a finding is about: its name, and where its backward is written."""

    @property
    def name(self) -> str:
        """The name of the layer."""

    @property
    def place(self) -> Where | None:
        """Where its backward is written."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A finding code with its default severity and its title.

    `for_foreign` says that the rule also holds for the layers of other libraries, `compares` that it compares runs: it
    is for layers that give the same from the same random state. `once_a_file`: it is true of so many layers that a
    folder's report has it for the first of a file, with the number of the others.
    """

    code: str
    severity: Severity
    title: str
    for_foreign: bool = False
    compares: bool = False
    once_a_file: bool = False

    def finding(self, message: str, where: Where | None = None, **details: Any) -> Finding:
        """Return a finding at a place; `details` may give another severity."""
        place = {"file": where.file, "line": where.line} if where else {}
        return Finding(code=self.code, message=message, **{"severity": self.severity, **place, **details})

    def about(self, layer: NamedLayer, message: str, where: Where | None = None, **details: Any) -> Finding:
        """Return a finding about a layer: at `where`, or where its backward is written."""
        return self.finding(message, where or layer.place, layer=layer.name, **details)
