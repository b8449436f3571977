"""A report as a person reads it: in a terminal, in a notebook, in a pipe.

One list of lines; `styled_lines` prints them as plain text, for a terminal with colours and for a notebook.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.check.report import machine_formats
from dout.check.report.verdicts import SEVERITIES, Finding, ReportData, Severity, Verdict
from dout.errors import visible
from dout.files import shown_place
from dout.judge.outcomes import Word
from dout.run import differs_at
from dout.styled_lines import Line, Span, coloured, in_notebook, plain, wrapped

MOST_ELEMENTS = 24  # of an array that is printed whole
_MOST_NAMED = 12  # gradients in a line
WIDTH = 100  # characters in a line, where there is no terminal that says
_INDENT = "  "

_STYLES = {"✓": "good", "~": "fair", "?": "open", "✗": "bad"}  # of marks
_SEVERITY_MARKS: dict[Severity, Span] = {"error": ("✗", "bad"), "warning": ("!", "fair"), "note": ("·", "dim")}


def to_lines(report: ReportData, about: Iterable[str] = (), width: int = WIDTH) -> list[Line]:
    """Everything a report says, in lines of at most `width`; `about` says on what the layer was examined, and how."""
    return [part for line in _lines(report, about) for part in wrapped(line, width)]


def _lines(report: ReportData, about: Iterable[str]) -> list[Line]:
    place = shown_place(report.file, report.line)
    lines: list[Line] = [[(visible(report.layer), "title"), (f"  {place}" if place else "", "dim")]]
    lines += [[(_INDENT + visible(sentence), "dim")] for sentence in about]
    names = [*(v.argument for v in report.verdicts), *report.missing]
    width = max((len(visible(name)) for name in names), default=0)
    lines += [_verdict_line(verdict, width, report.branching) for verdict in report.verdicts]
    lines += [[(_INDENT, ""), ("? ", "open"), (f"{visible(n):{width}}  ", ""), ("no gradient found", "open")]
              for n in report.missing]  # fmt: skip
    if not (names or report.findings):
        lines.append([(_INDENT, ""), ("? ", "open"), ("there is no gradient to judge", "")])
    for severity in SEVERITIES:
        for finding, *alike in _alike(f for f in report.findings if f.severity == severity):
            lines += _finding_lines(finding)
            if alike:
                lines.append(_too(finding, [str(other.argument) for other in alike]))
    lines += [[(f"{_INDENT}? ", "open"), (f"not covered: {visible(b)}", "dim")] for b in report.not_covered]
    return lines


def _alike(findings: Iterable[Finding]) -> Iterable[list[Finding]]:
    """Findings in their order; those that say the same of other arguments, with the same change, are together."""
    found: dict[Any, list[Finding]] = {}
    for finding in findings:
        of_an_argument = finding.argument is not None and finding.index is not None
        key = (finding.code, finding.because, finding.fix) if of_an_argument else id(finding)
        found.setdefault(key, []).append(finding)
    return found.values()


def _too(finding: Finding, others: Sequence[str]) -> Line:
    """A line on the gradients that a finding is true of as well."""
    one = len(others) == 1
    change = f"; the same change mends {'it' if one else 'them'}" if finding.fix else ""
    names = visible(some(others, _MOST_NAMED))
    says = f"the gradient of {names} is wrong, too" if one else f"the gradients of {names} are wrong, too"
    mark, style = _SEVERITY_MARKS[finding.severity]
    head = [(_INDENT, ""), (f"{mark} ", style), (finding.code, "code"), (f" {finding.severity}", style)]
    return [*head, (f": {says}{change}", "")]


def _verdict_line(verdict: Verdict, width: int, branching: bool) -> Line:
    mark, style = verdict.word.mark, _STYLES[verdict.word.mark]
    says: str = verdict.word.said
    if verdict.route != "exact arithmetic":
        says += f" by {visible(verdict.route)}"
    if verdict.because:
        says += f": {visible(verdict.because)}"
    passed = style in ("good", "fair")
    return [
        (_INDENT, ""),
        (f"{mark} ", style),
        (f"{visible(verdict.argument):{width}}  ", ""),
        (says, style),
        (", on the branches covered" if passed and branching else "", "dim"),
    ]


def _finding_lines(finding: Finding) -> Iterator[Line]:
    mark, style = _SEVERITY_MARKS[finding.severity]
    place = shown_place(finding.file, finding.line)
    yield [
        (_INDENT, ""),
        (f"{mark} ", style),
        (finding.code, "code"),
        (f" {finding.severity}", style),
        (f" {place}" if place else "", "dim"),
        (f": {visible(finding.message)}", ""),
    ]
    expected, got, index = _one_case(finding)
    numbers = (shown(expected), shown(got))
    if (expected is not None or got is not None) and any(n not in finding.message for n in numbers):
        where = f" at {list(index)}" if index else ""
        yield _detail(f"expected{where} {numbers[0]}, got {numbers[1]}")
    if finding.because and finding.because not in finding.message:
        yield _detail(f"because {finding.because}")
    if finding.first_wrong and finding.first_wrong not in finding.message:
        yield _detail(f"the first wrong value is {finding.first_wrong}")
    for name, value in finding.inputs.items():
        yield _detail(f"fails on {name} = {_case(value)}")
    if finding.there:
        yield _detail(finding.there)
    for line in str(finding.fix or "").splitlines():
        if line.strip() and not line.startswith(("---", "+++", "@@")):
            changed = {"-": "removed", "+": "added"}.get(line[:1], "dim")
            yield [(_INDENT * 3, "verbatim"), (visible(line, keep="\t"), changed)]


def _one_case(finding: Finding) -> tuple[Any, Any, tuple[int, ...] | None]:
    """What was expected and what came, and where: of whole arrays the first element that differs."""
    expected, got = finding.expected, finding.got
    if finding.index is None and all(isinstance(item, list | np.ndarray) for item in (expected, got)):
        try:
            right, wrong = np.asarray(expected, dtype=float), np.asarray(got, dtype=float)
        except (TypeError, ValueError):
            return expected, got, None
        if right.shape == wrong.shape and not np.array_equal(right, wrong, equal_nan=True):
            index = differs_at(right, wrong)
            return float(right[index]), float(wrong[index]), index
    return expected, got, finding.index


def _detail(text: str) -> Line:
    return [(_INDENT * 2, ""), (visible(text), "dim")]


def _case(value: Any) -> str:
    """An input that a layer fails on: nobody types in more than a few numbers."""
    with suppress(ValueError, TypeError):
        array = np.asarray(value)
        if array.size > MOST_ELEMENTS and array.dtype.kind in "biuf":
            return shown(array)
    return shown(value)


def shown(value: Any) -> str:
    """A number or an array, short enough for a line.

    >>> shown(0.1), shown(np.array([[1.0, -0.5]])), shown(np.zeros((9, 9)))
    ('0.1', '[[1.0, -0.5]]', 'an array (9, 9) from 0 to 0')
    """
    if isinstance(value, np.ndarray):
        if value.size <= MOST_ELEMENTS:
            return _flattened(repr(value.tolist()))
        known = value[np.isfinite(value)] if value.dtype.kind == "f" else value
        spread = f" from {known.min():.4g} to {known.max():.4g}" if known.size and value.dtype.kind in "fiu" else ""
        return f"an array {value.shape}{spread}"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return _flattened(str(value) if not isinstance(value, str) else value)


def _flattened(text: str) -> str:
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"


@dataclass(frozen=True, slots=True, repr=False)
class Report(ReportData):
    """Everything that was found out about one layer: what `dout.check` returns. It shows itself, and gives JSON."""

    def __str__(self) -> str:
        return plain(to_lines(self))

    def __rich__(self) -> Any:
        return coloured(to_lines(self))

    def _repr_html_(self) -> str:
        return in_notebook(to_lines(self))

    def to_json(self) -> dict[str, Any]:
        """The report as plain data for JSON: NaN and infinities are spelt out, and no key is ever left out."""
        return machine_formats.to_json(self)


# --- many reports -----------------------------------------------------------------------------------------------------


def summary(reports: Iterable[ReportData], *, known: int = 0, problems: int = 0, seconds: float = 0.0) -> str:
    """One line for all: `4 layers: 6 gradients exact, 1 error, in 0.2 s`."""
    reports = list(reports)
    counted = Counter(verdict.word.counted for report in reports for verdict in report.verdicts)
    exact = counted.pop(Word.EXACT.counted, 0)
    parts = [f"{counted_noun(exact, 'gradient')} exact"] if exact else []
    parts += [f"{counted[words]} {words}" for words in (word.counted for word in Word) if words in counted]
    severities = [finding.severity for report in reports for finding in report.findings]
    parts += [counted_noun(severities.count(s), s) for s in SEVERITIES if s in severities]
    parts += [f"{known} known"] if known else []
    parts += [f"{counted_noun(problems, 'target')} could not be run"] if problems else []
    parts = parts or ["no gradient was judged" if reports else "nothing was checked"]
    return f"{counted_noun(len(reports), 'layer')}: {', '.join([*parts, f'in {seconds:.1f} s'])}"


def counted_noun(number: int, what: str) -> str:
    """Return `1 layer`, `2 layers`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def some(items: Sequence[str], most: int) -> str:
    """Return the first items, and how many more there are."""
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
