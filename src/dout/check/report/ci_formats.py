"""Reports as services of continuous integration read them: GitHub's annotations, GitLab's code quality, JUnit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from dout.check.report.machine_formats import fingerprints
from dout.check.report.verdicts import Finding, ReportData, Severity
from dout.errors import visible
from dout.files import near, shown_place

# --- GitHub -----------------------------------------------------------------------------------------------------------

_COMMANDS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


def github_line(finding: Finding) -> str:
    """A finding as an annotation that GitHub's runners show beside the code.

    >>> github_line(Finding("D201", "error", "100% wrong", file="a,b.py", line=3))
    '::error file=a%2Cb.py,line=3,title=D201::100%25 wrong'
    """
    properties = {"file": near(finding.file) if finding.file else None, "line": finding.line, "title": finding.code}
    told = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value)
    return f"::{_COMMANDS[finding.severity]} {told}::{_escaped(visible(finding.message, keep=chr(10)))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(visible(text)).replace(":", "%3A").replace(",", "%2C")


# --- GitLab -----------------------------------------------------------------------------------------------------------

_GITLAB: Mapping[Severity, str] = {"error": "major", "warning": "minor", "note": "info"}


def to_gitlab(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings that have a file, as GitLab's code quality reports list them."""
    placed = [finding for finding in findings if finding.file]
    return [
        {
            "description": visible(finding.message),
            "check_name": finding.code,
            "fingerprint": fingerprint,
            "severity": _GITLAB[finding.severity],
            "location": {"path": near(finding.file or ""), "lines": {"begin": max(finding.line or 1, 1)}},
        }
        for finding, fingerprint in zip(placed, fingerprints(placed), strict=True)
    ]


# --- JUnit ------------------------------------------------------------------------------------------------------------


def to_junit(files: Iterable[tuple[str, Sequence[ReportData]]], problems: Sequence[str], counts: set[str]) -> str:
    """A suite a file and a case a layer, which fails by each finding of a severity in `counts`; problems are errors."""
    root = Element("testsuites", name="dout check")
    for file, reports in files:
        suite = SubElement(root, "testsuite", name=visible(near(file)), tests=str(len(reports)))
        for report in reports:
            place = {"classname": visible(near(file)), "name": visible(report.layer), "time": f"{report.seconds:.3f}"}
            case = SubElement(suite, "testcase", place)
            for finding in report.findings:
                if finding.severity in counts:
                    failure = SubElement(case, "failure", type=finding.code, message=visible(finding.message))
                    failure.text = visible(
                        f"{shown_place(finding.file, finding.line)}\n{finding.fix or ''}", keep="\n\t"
                    )
        suite.set("failures", str(sum(bool(case.findall("failure")) for case in suite)))
    for problem in problems:
        case = SubElement(SubElement(root, "testsuite", name="not run", tests="1", errors="1"), "testcase", name="run")
        SubElement(case, "error", message=visible(problem))
    return tostring(root, encoding="unicode", xml_declaration=True)
