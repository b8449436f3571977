"""A run of `dout check` as one page that stands alone: no network, no script, everything of the user's escaped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from dout.check.report.report import counted_noun, to_lines
from dout.check.report.verdicts import SEVERITIES
from dout.check.rules import rules
from dout.check.worker.summary import MARKS, SummaryRow, code_counts, row, told
from dout.cli.output.check_output import PAGE
from dout.cli.output.printing import save
from dout.cli.output.repeat_command import Again, about
from dout.errors import DoutError, visible
from dout.files import near, policy_source, shown_place
from dout.styled_lines import html_spans

if TYPE_CHECKING:
    from dout.check.worker.jobs import Checked, JobOutcome
    from dout.cli.output.check_output import Result

MOST_PICTURE = 1_000_000  # characters
_WIDTH = 10_000  # characters: a page breaks its lines itself
_SAYS = {"error": "error", "warning": "warning", "good": "fine", "open": "not judged"}


@dataclass(frozen=True)
class LayerEntry:
    """A layer on the page: where it stands, what the table says of it, and its picture, if there is one."""

    anchor: str
    outcome: JobOutcome
    checked: Checked
    row: SummaryRow
    picture: str


def page(result: Result) -> str:
    """The whole page: counts, a table of files and layers, what was not judged, and every layer in detail."""
    entries = [
        LayerEntry(f"layer-{number}-{i}", outcome, checked, row(checked.report), _picture(checked))
        for number, outcome in enumerate(result.outcomes)
        for i, checked in enumerate(outcome.layers)
    ]
    style = files("dout.cli.output").joinpath("check_page.css").read_text("utf-8")
    style += next((_style_of(entry.picture) for entry in entries if entry.picture), "")
    title = _title(result)
    return "\n".join([
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="generator" content="dout">',
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src {policy_source(style)}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>dout check: {title}</title><style>{style}</style></head><body>",
        f"<header><p class='p-quiet'>dout check</p><h1>{title}</h1>",
        f"<p>{_text(result.summary)}</p>{_counts(result)}</header>",
        "<main>",
        *_list("Could not be run", result.errors, " class='s-bad'"),
        *_table(entries),
        *_codes(result),
        *(part for kind, items in told(result.outcomes) for part in _list(kind.capitalize(), items)),
        *_layers(result, entries),
        "</main>",
        "</body></html>\n",
    ])  # fmt: skip


def _text(text: str) -> str:
    """Text of the user's that cannot become markup, and in which nothing is hidden."""
    return escape(visible(text), quote=True)


def _title(result: Result) -> str:
    found = [_file(outcome) for outcome in result.outcomes if outcome.layers] or [Path.cwd().name]
    where = found[0] if len(found) == 1 else f"{len(found)} files of {Path.cwd().name}"
    return f"{counted_noun(len(result.reports), 'layer')} in {_text(where)}"


def _file(outcome: JobOutcome) -> str:
    return "dout.layers" if outcome.job.kind == "ready" else near(outcome.job.where)


def _counts(result: Result) -> str:
    """How many findings of each severity."""
    found = Counter(finding.severity for finding in result.findings)
    styles = zip(SEVERITIES, ("s-bad", "s-fair", "s-dim"), strict=True)
    items = (
        f"<li><b class='{style}'>{found[s]}</b> {counted_noun(found[s], s).split()[1]}</li>" for s, style in styles
    )
    return f"<ul class='p-counts'>{''.join(items)}</ul>"


def _list(title: str, items: Sequence[str], attribute: str = "") -> Iterator[str]:
    """Texts of one kind under their title; many are folded."""
    if items:
        listed = f"<ul>{''.join(f'<li{attribute}>{_text(item)}</li>' for item in items)}</ul>"
        folded = f"<details><summary>{len(items)}</summary>{listed}</details>" if len(items) > 10 else listed
        yield f"<h2>{title}</h2>{folded}"


def _table(entries: Sequence[LayerEntry]) -> Iterator[str]:
    if not entries:
        return
    heads = "".join(f"<th scope='col'>{head}</th>" for head in ("Layer", "Verdict", "Gradients", "Findings", "Time"))
    yield f"<h2>Layers</h2><div class='p-wide'><table class='p-files'><thead><tr>{heads}</tr></thead>"
    for _, group in groupby(entries, key=lambda entry: id(entry.outcome)):
        first, *others = group
        yield f"<tbody><tr><th scope='rowgroup' colspan='5'>{_text(_file(first.outcome))}</th></tr>"
        yield from map(_row, (first, *others))
        yield "</tbody>"
    yield "</table></div>"


def _row(entry: LayerEntry) -> str:
    each = entry.row
    mark, style = MARKS[each.state]
    said = "inconclusive" if each.state == "open" and each.report.verdicts else _SAYS[each.state]
    codes = " ".join(f"<abbr title='{_text(rules()[code[:4]].title)}'>{_text(code)}</abbr>" for code in each.codes)
    return (
        f"<tr><td><a href='#{entry.anchor}'>{_text(each.layer)}</a></td><td class='s-{style}'>{mark} {said}</td>"
        f"<td>{_text(each.verdict)}</td><td>{codes}</td><td>{each.seconds:.1f} s</td></tr>"
    )


def _codes(result: Result) -> Iterator[str]:
    """How often each code was found, and what it stands for."""
    counts = code_counts(result.reports)
    if counts:
        yield "<h2>Findings</h2><div class='p-wide'><table class='p-codes'><tbody>"
        for code, number in counts.items():
            meaning = rules()[code]
            yield f"<tr><td>{code}</td><td>{meaning.severity}</td><td>{_text(meaning.title)}</td><td>{number}</td></tr>"
        yield "</tbody></table></div>"
        yield "<p class='p-quiet'><code>dout check --explain D101</code> says more about a code.</p>"


def _layers(result: Result, entries: Sequence[LayerEntry]) -> Iterator[str]:
    """Every layer: those with errors first and open, those with nothing worse than a note folded."""
    groups = (("Errors", ("error",)), ("Warnings", ("warning",)), ("The others", ("open", "good")))
    for title, states in groups:
        here = [entry for entry in entries if entry.row.state in states]
        if here:
            yield f"<h2>{title}</h2>"
        yield from (_layer(entry, Again(entry.outcome.job, entry.checked, result.given)) for entry in here)


def _layer(entry: LayerEntry, again: Again) -> str:
    report, state = entry.row.report, entry.row.state
    mark, style = MARKS[state]
    place = _text(shown_place(report.file, report.line))
    head = f"<span class='s-{style}'>{mark}</span> {_text(report.layer)} <small class='p-quiet'>{place}</small>"
    lines = to_lines(report, about(entry.checked), _WIDTH)[1:]
    inside = "<pre>" + "".join(f"<span class='p-line'>{html_spans([line], _class)}</span>" for line in lines) + "</pre>"
    pasted = "\n".join(line.strip() for line in again.lines(_WIDTH))
    inside += f"<pre class='p-again'>{_text(pasted)}</pre>" if pasted else ""
    inside += _figure(entry.picture, entry.anchor) if entry.picture else ""
    opened = "" if state in ("good", "open") else " open"
    return (
        f"<section class='p-layer p-{state}' id='{entry.anchor}'><details{opened}>"
        f"<summary><h3>{head}</h3></summary>{inside}</details></section>"
    )


def _figure(picture: str, anchor: str) -> str:
    """A picture in a frame that can be scrolled; its names are made those of this layer alone."""
    if len(picture) > MOST_PICTURE:
        return "<p class='p-quiet'>The graph is too large for a page: <code>dout show</code> draws it to a file.</p>"
    drawn = re.sub("<style>.*?</style>", "", picture, count=1, flags=re.DOTALL)
    drawn = re.sub(r"\bdout-(title|description)\b", rf"{anchor}-\1", drawn, count=4)
    scrolled = "class='p-wide' tabindex='0' role='region' aria-label='picture'"
    return f"<figure><div {scrolled}>{drawn}</div><figcaption>{_CAPTION}</figcaption></figure>"


_CAPTION = "One run: values above the edges, gradients below; a wrong gradient is red, the right one beside it."


def _class(style: str) -> str:
    return f'class="s-{style}"' if style else ""


def _style_of(picture: str) -> str:
    """The style of a picture: all pictures have the same."""
    return picture.partition("<style>")[2].partition("</style>")[0]


def _picture(checked: Checked) -> str:
    """The recording of a wrong layer as SVG; nothing where there is none, or it cannot be drawn."""
    if checked.trace is None:
        return ""
    from dout.draw import draw
    from dout.trace.record.trace_reader import from_document

    try:
        return draw(from_document(dict(checked.trace))).svg()
    except (DoutError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return ""  # a page without one picture is worth more than none


def write_page(result: Result, path: Path, force: bool) -> None:
    """Write the page. Raises TargetError."""
    save(path, page(result), PAGE, force=force)
