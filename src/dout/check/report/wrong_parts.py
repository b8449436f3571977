"""A network whose gradient is wrong because a layer in it is: that is said once, as an error of the layer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from dout.check.report.report import Report
from dout.check.report.source_places import class_at
from dout.check.report.verdicts import Finding, Refuted


def told_once(reports: Sequence[Report]) -> list[Report]:
    """The reports, with a warning for each wrong gradient whose first wrong line is in another layer that is wrong."""
    wrong = {(os.path.realpath(r.file), r.layer) for r in reports if r.file and not r.ok}
    return [report.with_each(lambda item, own=report: _of_a_part(item, own, wrong)) for report in reports]  # type: ignore[misc]


def _of_a_part(item: Finding, report: Report, wrong: set[tuple[str, str]]) -> Finding:
    has_parts = any("." in verdict.argument for verdict in report.verdicts)
    if not has_parts or item.severity != "error" or not isinstance(item.reason, Refuted):
        return item
    if not item.file or not item.line:
        return item
    part = class_at(item.file, item.line)
    if part in ("", report.layer) or (os.path.realpath(item.file), part) not in wrong:
        return item
    return replace(item.doubted(f"; {report.layer} holds {part}, which is wrong by itself"), fix=None)
