"""Reports as machines read them: JSON, and SARIF for code-scanning services."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from dout.check.report.finding_pages import page
from dout.check.report.fix import TextEdit
from dout.check.report.rule import Rule
from dout.check.report.verdicts import OUT_OF_TIME, Finding, ReportData, Severity, Verdict
from dout.errors import visible
from dout.files import near

FORMAT = 1  # of the JSON document
MOST_ELEMENTS = 1000  # of an array that is written whole


def to_json(report: ReportData) -> dict[str, Any]:
    """One report as plain data; every key is always there."""
    return {
        "layer": report.layer,
        "ok": report.ok,
        "verdicts": [_verdict(verdict) for verdict in report.verdicts],
        "findings": [finding_to_json(finding) for finding in report.findings],
        "without_gradient": list(report.missing),
        "branches_not_covered": list(report.not_covered),
        "file": report.file,
        "line": report.line,
        "seconds": round(report.seconds, 4),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "argument": verdict.argument,
        "word": verdict.word,
        "route": verdict.route,
        "points": verdict.points,
        "because": verdict.because,
    }


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """One finding as plain data: its fields in their order, without the reason, which is for code alone."""
    found = {f.name: data(getattr(finding, f.name)) for f in fields(finding) if f.name != "reason"}
    return {**found, "unsafe_fix": getattr(finding.fix, "unsafe", "")}


def data(value: Any) -> Any:
    """A value as JSON has it: numbers, lists of them, text; NaN and the infinities are spelt out.

    >>> data(np.array([1.0, np.nan])), data(-math.inf), data((2, 3))
    ([1.0, 'nan'], '-inf', [2, 3])
    """
    if isinstance(value, np.ndarray | np.generic):
        if value.size > MOST_ELEMENTS:
            return {"shape": list(value.shape), "dtype": str(value.dtype)}
        return data(value.tolist()) if not isinstance(value.tolist(), np.generic) else str(value)
    if isinstance(value, Mapping):
        return {str(key): data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [data(item) for item in value]
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return str(value)


# --- SARIF ------------------------------------------------------------------------------------------------------------

_LEVELS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "note": "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(
    reports: Sequence[ReportData], rules: Mapping[str, Rule], *, version: str, problems: Sequence[str] = ()
) -> dict[str, Any]:
    """All findings as one SARIF 2.1.0 log, with each of the rules and its help page.

    A finding without a file has the place of its layer: code scanning takes none without a place.

    Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
    """
    findings = [
        finding if finding.file else replace(finding, file=report.file, line=report.line)
        for report in reports
        for finding in report.findings
    ]
    codes = list(rules)
    results = [_result(f, codes.index(f.code), mark) for f, mark in zip(findings, fingerprints(findings), strict=True)]
    notes = [{"level": "error", "message": {"text": visible(problem)}} for problem in problems]
    timed = [f"{report.layer}: not covered is {OUT_OF_TIME}" for report in reports if report.timed]
    notes += [{"level": "note", "message": {"text": visible(text)}} for text in timed]
    told = {"toolExecutionNotifications": notes} if notes else {}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "dout", "version": version, "rules": list(map(_rule, rules.values()))}},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"ROOT": {"uri": f"{Path.cwd().as_uri()}/"}},
                "invocations": [{"executionSuccessful": not problems, **told}],
                "results": results,
            }
        ],
    }


def identity(finding: Finding) -> tuple[str, str, str, str]:
    """What makes a finding the same one after lines have moved: file, layer, code, argument."""
    return near(finding.file or ""), finding.layer, finding.code, finding.argument or ""


def fingerprints(findings: Iterable[Finding]) -> Iterator[str]:
    """A mark of each finding: its file, layer, code and argument, and which of such it is. It outlives moved lines."""
    seen: Counter[tuple[str, ...]] = Counter()
    for key in map(identity, findings):
        seen[key] += 1
        yield hashlib.sha256("\0".join((*key, str(seen[key]))).encode("utf-8", "replace")).hexdigest()


def _rule(rule: Rule) -> dict[str, Any]:
    text = page(rule.code)
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "help": {"text": text, "markdown": text},
    }


def _result(finding: Finding, rule: int, fingerprint: str) -> dict[str, Any]:
    parts = [visible(finding.message)]
    if finding.because and finding.because not in finding.message:
        parts.append(f"because {visible(finding.because)}")
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": "; ".join(parts)},
        "partialFingerprints": {"dout/v1": fingerprint},
        "properties": {"layer": visible(finding.layer), "argument": finding.argument, "cause": finding.cause},
    }
    if finding.file:
        region = {"startLine": max(finding.line or 1, 1)}
        result["locations"] = [{"physicalLocation": {"artifactLocation": _artifact(finding.file), "region": region}}]
    if finding.fix is not None and finding.fix.edits:
        replacements = [_replacement(edit) for edit in finding.fix.edits]
        change = {"artifactLocation": _artifact(finding.fix.file), "replacements": replacements}
        said = f"{finding.fix.unsafe}: look at it first" if finding.fix.unsafe else "the exact check passes with it"
        result["fixes"] = [{"description": {"text": said}, "artifactChanges": [change]}]
    return result


def _replacement(edit: TextEdit) -> dict[str, Any]:
    (line, column), (end_line, end_column) = edit.start, edit.end
    region = {"startLine": line, "startColumn": column + 1, "endLine": end_line, "endColumn": end_column + 1}
    return {"deletedRegion": region, **({"insertedContent": {"text": edit.new}} if edit.new else {})}


def _artifact(file: str) -> dict[str, str]:
    path = near(file)
    if Path(path).is_absolute():
        return {"uri": "file://" + quote(Path(path).as_posix(), errors="replace")}
    return {"uri": quote(path, errors="replace"), "uriBaseId": "ROOT"}
