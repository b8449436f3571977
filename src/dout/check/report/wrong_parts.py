"""A network whose gradient is wrong because a layer in it is: that is said once, as an error of the layer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from dout.check.report.report import Report
from dout.check.report.source_places import class_at
from dout.check.report.verdicts import Finding, Refuted


def of_parts_once(reports: Sequence[Report]) -> list[Report]:
    """The reports, with a warning for each wrong gradient that another wrong layer holds, or makes wrong."""
    wrong = {report.layer for report in reports if not report.ok}
    return [report.with_each(partial(_of_a_part, report, wrong)) for report in reports]


def _of_a_part(report: Report, wrong: Collection[str], item: Finding) -> Finding:
    if item.severity != "error" or not isinstance(item.reason, Refuted):
        return item
    if item.reason.through is None:
        if not any("." in verdict.argument for verdict in report.verdicts):
            return item
        at = class_at(item.file, item.line) if item.cause and item.file and item.line else ""
        if at == report.layer:  # its own mistake, whatever else is wrong
            return item
        parts: tuple[str, ...] = (item.reason.part, at)
    else:
        parts = item.reason.through
    part = next((one for one in parts if one in wrong and one != report.layer), None)
    if part is None:
        return item
    return replace(item.doubted(f"; {report.layer} holds {part}, which is wrong by itself"), fix=None)
