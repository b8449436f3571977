"""Many files at a glance: a table of files, layers and verdicts, and in a line each what was not judged, and why."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dout.check.report.report import Report, counted_noun, some
from dout.check.report.verdicts import SEVERITIES, NothingTaken
from dout.check.rules.unjudged.d001_raises import RULE as RAISES
from dout.check.rules.unjudged.d002_not_judged import RULE as NOT_JUDGED
from dout.check.rules.unjudged.d003_stopped import RULE as STOPPED
from dout.errors import visible
from dout.files import near, shown_place
from dout.judge.outcomes import Word
from dout.styled_lines import Line

if TYPE_CHECKING:
    from dout.check.worker.jobs import JobOutcome

MOST, MOST_DATA = 5, 2  # of one kind that are told
MOST_TEXT = 200  # characters of a reason
State = Literal["error", "warning", "good", "open"]
Text = Callable[[str], str]  # makes text of the user's safe to show

MARKS: Mapping[State, tuple[str, str]] = {
    "error": ("✗", "bad"),
    "warning": ("!", "fair"),
    "good": ("✓", "good"),
    "open": ("?", "open"),
}
_WITHOUT = {RAISES.code: "raises an error", NOT_JUDGED.code: "not judged", STOPPED.code: "stopped"}  # a verdict


_FIXED = 17  # columns of a row for its mark, the seconds, and between


@dataclass(frozen=True)
class SummaryRow:
    """A layer in the table: its state, its verdicts counted in words, its codes with how often each was found.

    `uncovered` counts the conditions of which a side was not seen.
    """

    layer: str
    state: State
    verdict: str
    codes: tuple[str, ...]
    seconds: float
    report: Report
    uncovered: int = 0


def row(report: Report) -> SummaryRow:
    """What the table says of a report."""
    found = Counter(finding.code for finding in report.findings)
    order = {finding.code: SEVERITIES.index(finding.severity) for finding in reversed(report.findings)}
    codes = tuple(
        code if found[code] == 1 else f"{code}×{found[code]}" for code in sorted(found, key=order.__getitem__)
    )
    return SummaryRow(
        report.layer, state(report), _verdict(report), codes, report.seconds, report, len(report.branches)
    )


def state(report: Report) -> State:
    """How a layer stands: an error, a warning, nothing wrong, or not all of it judged."""
    severities = {finding.severity for finding in report.findings}
    if "error" in severities:
        return "error"
    if "warning" in severities:
        return "warning"
    words = {verdict.word for verdict in report.verdicts}
    is_open = not words or words & {Word.INCONCLUSIVE, Word.REFUTED} or report.missing
    return "open" if is_open else "good"


def _verdict(report: Report) -> str:
    counted = Counter(verdict.word.short for verdict in report.verdicts)
    said = [f"{counted[s]} {s}" for s in dict.fromkeys(word.short for word in reversed(Word)) if counted[s]]
    said += [f"{len(report.missing)} not found"] if report.verdicts and report.missing else []
    without = next((_WITHOUT[f.code] for f in report.findings if f.code in _WITHOUT), "no gradient")
    return ", ".join(said) or without


def by_state(reports: Iterable[Report]) -> list[Report]:
    """Layers with errors first, then those with warnings, then the rest; each in their order."""
    order: tuple[State, ...] = ("error", "warning", "open", "good")
    return sorted(reports, key=lambda report: order.index(state(report)))


# --- the table --------------------------------------------------------------------------------------------------------


def table(outcomes: Sequence[JobOutcome], width: int, text: Text = visible) -> Iterator[Line]:
    """Files, and below each its layers: mark, name, verdicts, seconds and codes, in at most `width` columns.

    Files without a layer are counted in a line at the end.
    """
    rows = {id(outcome): [row(checked.report) for checked in outcome.layers] for outcome in outcomes}
    every = [r for found in rows.values() for r in found]
    most = max(10, (width - _FIXED - 16) // 2)  # the rest is for codes
    names = min(max((columns(text(r.layer)) for r in every), default=0), most)
    verdicts = min(max((len(r.verdict) for r in every), default=0), most)
    for outcome in outcomes:
        found = rows[id(outcome)]
        if found:
            yield _file_line(outcome, found, width, text)
        for each in found:
            yield from _row_lines(each, (names, verdicts, width), text)
    empty = sum(not outcome.layers and not outcome.skipped and not outcome.problem for outcome in outcomes)
    if empty:
        yield [(f"{counted_noun(empty, 'file')} without a layer", "dim")]


def _file_line(outcome: JobOutcome, rows: Sequence[SummaryRow], width: int, text: Text) -> Line:
    said = f"  {counted_noun(len(rows), 'layer')}, {sum(r.seconds for r in rows):.1f} s"
    name = "dout.layers" if outcome.job.kind == "ready" else near(outcome.job.where)
    return [(shortened(text(name), width - len(said)), "title"), (said, "dim")]


def _row_lines(each: SummaryRow, widths: tuple[int, int, int], text: Text) -> Iterator[Line]:
    names, verdicts, width = widths
    mark, style = MARKS[each.state]
    name = shortened(text(each.layer), names)
    name += " " * (names - columns(name))
    room = max(width - names - verdicts - _FIXED, 10)
    uncovered = [f"{each.uncovered} not covered"] if each.uncovered else []
    codes = textwrap.wrap(" ".join([*each.codes, *uncovered]), room) or [""]
    said = each.verdict if len(each.verdict) <= verdicts else shortened(each.verdict, verdicts)
    judged = "" if each.state in ("warning", "good") else style
    yield [(f"  {mark} ", style), (f"{name}  ", ""), (f"{said:{verdicts}}", judged),
           (f"  {each.seconds:5.1f} s  ", "dim"), (codes[0], "code")]  # fmt: skip
    for more in codes[1:]:
        yield [(" " * (width - room), ""), (more, "code")]


def shortened(text: str, width: int) -> str:
    """Text without its middle, where it is wider than `width` columns.

    >>> shortened("a/long/path/to/some/layers.py", 20)
    'a/lon...me/layers.py'
    """
    if columns(text) <= width:
        return text
    left, right = 0, len(text)
    room = max(width - 3, 2)
    while columns(text[:left] + text[right:]) < room and left < right:
        if 5 * left < 2 * (len(text) - right):  # more of the end, where the name is
            left += 1
        else:
            right -= 1
    while columns(text[:left] + text[right:]) > room:
        right += 1
    return f"{text[:left]}...{text[right:]}"


def columns(text: str) -> int:
    """How wide a terminal prints text: Chinese and Japanese characters take two columns, accents on a letter none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def code_counts(reports: Iterable[Report]) -> dict[str, int]:
    """How often each code was found, the most frequent first."""
    counted = Counter(finding.code for report in reports for finding in report.findings)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def in_brief(reports: Sequence[Report], titles: Mapping[str, str], text: Text = visible) -> Iterator[Line]:
    """Layers with warnings by code, and the others by file, a line each: where a table would be long."""
    warned: dict[str, list[str]] = {}
    for report in reports:
        for code in dict.fromkeys(f.code for f in report.findings if f.severity == "warning"):
            warned.setdefault(code, []).append(report.layer)
    for code, names in sorted(warned.items()):
        yield [("! ", "fair"), (code, "code"), (f" {titles[code]}: {text(some(names, MOST))}", "")]
    for kind, said in (("good", "right"), ("open", "not judged, or not all of it")):
        files = Counter(near(report.file or "dout.layers") for report in reports if state(report) == kind)
        if files:
            places = some([f"{file} ({number})" for file, number in files.items()], 2 * MOST)
            mark, style = MARKS[kind]  # type: ignore[index]
            yield [(f"{mark} ", style), (f"{counted_noun(files.total(), 'layer')} {said}: {text(places)}", "")]


# --- what was not judged ----------------------------------------------------------------------------------------------

_NEEDS = re.compile(r"\bneeds? ([\w.-]+), which")


def told(outcomes: Sequence[JobOutcome], many: bool = True) -> list[tuple[str, list[str]]]:
    """What else there is to say, by kind, each in sentences: what was not judged, what was refused, what stopped.

    Of `many` files, also the layers that were not judged, and the conditions that were not covered in layers that are
    not printed in detail. Of one file the reports say both.
    """
    remarks = list(dict.fromkeys(remark for outcome in outcomes for remark in outcome.remarks))
    reports = [checked.report for outcome in outcomes for checked in outcome.layers] if many else []
    left_out = [(_named(report), *why) for report in reports for why in _why_not(report)]
    unjudged = [(name, why) for name, why, was_tried in left_out if not was_tried]
    needing = [remark for remark in remarks if _NEEDS.search(remark.partition(": ")[2])]  # of classes of a file
    skipped = [(near(outcome.job.where), outcome.skipped) for outcome in outcomes if outcome.skipped]
    kinds = {
        "not judged": [
            *_files_by_reason(skipped),
            *_by_library([*map(_classes, needing), *(item for item in unjudged if _NEEDS.search(item[1]))]),
            *(f"{name}: {why}" for name, why in unjudged if not _NEEDS.search(why)),
        ],
        "not driven": [f"{name}: {why}" for name, why, was_tried in left_out if was_tried],
        "refused": list(dict.fromkeys(act for outcome in outcomes for act in outcome.refused)),
        "not covered": [f"{r.layer}: {it}" for r in reports if state(r) in ("good", "open") for it in r.not_covered],
        "stopped": [remark for remark in remarks if remark not in needing],
        "network": [outcome.network for outcome in outcomes if outcome.network],
        "data": list(dict.fromkeys(text for outcome in outcomes for text in outcome.data)),
    }
    return [(kind, [_cut(item) for item in items]) for kind, items in kinds.items() if items]


def _why_not(report: Report) -> Iterator[tuple[str, bool]]:
    """Why a layer was not judged at all, and whether it is for want of an input or an argument that it takes."""
    for finding in report.findings if not report.verdicts else ():
        if finding.code == NOT_JUDGED.code:
            was_tried = isinstance(finding.reason, NothingTaken)
            says = finding.reason.short if isinstance(finding.reason, NothingTaken) else finding.message
            yield says.removeprefix(report.layer).removeprefix(" was not judged").lstrip(" :"), was_tried
            return


def _named(report: Report) -> str:
    place = shown_place(report.file, report.line)
    return f"{report.layer} ({place})" if place else report.layer


def _files_by_reason(skipped: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Files that were not judged, those of one reason together: `3 files need torch (a.py, b.py, c.py)`."""
    by_reason: dict[str, list[str]] = {}
    for file, why in skipped:
        libraries = list(dict.fromkeys(_NEEDS.findall(why)))
        reason = f"need {' and '.join(libraries)}" if libraries else why.removeprefix(file).lstrip(": ")
        by_reason.setdefault(reason, []).append(file)
    for reason, files in by_reason.items():
        if len(files) > 1:
            yield f"{len(files)} files {reason} ({some(files, MOST)})"
        else:
            yield f"{files[0]} {re.sub('^need ', 'needs ', reason)}"


def _classes(remark: str) -> tuple[str, str]:
    """Of `file.py: A, B need torch, which is not installed`: the classes with their file, and the rest."""
    file, _, why = remark.partition(": ")
    names = why.partition(" need")[0]
    return f"{names} ({near(file)})", why


def _by_library(left_out: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Layers by the libraries that they need."""
    by_library: dict[str, list[str]] = {}
    for name, why in left_out:
        by_library.setdefault(" and ".join(dict.fromkeys(_NEEDS.findall(why))), []).append(name)
    for library, names in by_library.items():
        many = len(names) > 1 or "," in names[0]
        yield f"{some(names, MOST)} need{'' if many else 's'} {library}"


def told_lines(
    outcomes: Sequence[JobOutcome], many: bool = True, text: Text = visible, most: int = MOST
) -> Iterator[Line]:
    """What else there is to say, in lines: the first of a kind, and how many more there are."""
    for kind, items in told(outcomes, many):
        most = min(most, MOST_DATA) if kind == "data" else most
        for item in items[:most]:
            yield [(f"{kind}: ", "open"), (text(item), "")]
        if len(items) > most:
            yield [(f"{kind}: ", "open"), (f"and {len(items) - most} more", "dim")]


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST_TEXT else f"{flat[: MOST_TEXT - 60]} ... {flat[-50:]}"
