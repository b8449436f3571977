"""A report that shows itself: in a terminal, in a notebook, as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dout.check.report import machine_formats
from dout.check.report.report import to_html, to_rich, to_text
from dout.check.report.verdicts import ReportData


@dataclass(frozen=True, slots=True, repr=False)
class Report(ReportData):
    """Everything that was found out about one layer: what `dout.check` returns."""

    def __str__(self) -> str:
        return to_text(self)

    def __rich__(self) -> Any:
        return to_rich(self)

    def _repr_html_(self) -> str:
        return to_html(self)

    def to_json(self) -> dict[str, Any]:
        """The report as plain data for JSON: NaN and infinities are spelt out, and no key is ever left out."""
        return machine_formats.to_json(self)
