"""A run of `dout check` as one page that stands alone: no network, no script, everything of the user's escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dout.check.report.report import counted_noun, html_spans, near, shown_place, to_lines
from dout.check.report.verdicts import SEVERITIES
from dout.check.rules import rules
from dout.check.worker.summary import MARKS, SummaryRow, code_counts, row, told
from dout.cli.repeat_command import Again, about
from dout.errors import DoutError, visible
from dout.files import HTML_MARK, Kind, write

if TYPE_CHECKING:
    from dout.check.worker.jobs import Checked
    from dout.check.worker.runner import JobOutcome
    from dout.cli.check_output import Result

MOST_PICTURE = 1_000_000  # characters
_WIDTH = 10_000  # characters: a page breaks its lines itself
_SAYS = {"error": "error", "warning": "warning", "good": "fine", "open": "not judged"}
_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1a1a1a;--quiet:#5f6b7a;--line:#d5dbe1;--panel:#f6f8fa;--good:#1a7f37;
--bad:#c1121f;--fair:#8a5a00;--open:#7a3fc4;--code:#0550ae;--bad-fill:#fde4e4}
@media (prefers-color-scheme:dark){:root{--paper:#0f141a;--ink:#eef2f6;--quiet:#9aa7b5;--line:#2f3945;--panel:#161d26;
--good:#5fd37a;--bad:#ff6b6b;--fair:#e3b341;--open:#c297ff;--code:#6db7ff;--bad-fill:#4a1d22}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem clamp(1rem,4vw,3rem) 4rem;max-width:76rem;background:var(--paper);color:var(--ink);
font:16px/1.5 'Noto Sans','DejaVu Sans','Segoe UI','Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}
h1{font-size:1.7rem;margin:.2rem 0}h2{font-size:1.25rem;margin:2.2rem 0 .6rem}h3{font-size:1.05rem;margin:0}
p{margin:.3rem 0}a{color:var(--code)}
.p-quiet{color:var(--quiet)}
.p-counts{display:flex;flex-wrap:wrap;align-items:center;gap:.6rem;margin:1rem 0;padding:0;list-style:none}
.p-counts li{border:1px solid var(--line);border-radius:.5rem;padding:.35rem .8rem;background:var(--panel)}
.p-counts b{font-size:1.25rem}
.p-wide{overflow-x:auto}
abbr{text-decoration:none;cursor:help}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line)}
thead th{color:var(--quiet);font-weight:600}
tbody th{font-weight:600;padding-top:.9rem;overflow-wrap:anywhere}
td:last-child,thead th:last-child{text-align:right;white-space:nowrap;padding-right:0}
td:first-child{padding-left:1rem}td:nth-child(2),.p-codes td:first-child{white-space:nowrap}
.p-files td:first-child{overflow-wrap:anywhere;min-width:7rem}
.p-layer{border:1px solid var(--line);border-left-width:.35rem;border-radius:.5rem;margin:1rem 0;padding:.8rem 1rem;
background:var(--panel)}
.p-error{border-left-color:var(--bad)}.p-warning{border-left-color:var(--fair)}.p-good{border-left-color:var(--good)}
.p-open{border-left-color:var(--open)}
.p-layer:target{outline:3px solid var(--code)}
summary{cursor:pointer}summary h3{display:inline}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.6rem 0 0;
font:.86rem/1.5 'DejaVu Sans Mono','Noto Sans Mono',Menlo,Consolas,monospace}
.p-line{display:block;padding-left:8ch;text-indent:-8ch}
.p-again{border-top:1px dashed var(--line);padding-top:.5rem;color:var(--quiet)}
figure{margin:.8rem 0 0;padding:.5rem;background:var(--paper);border:1px solid var(--line);border-radius:.4rem}
figcaption{color:var(--quiet);font-size:.9rem}
.s-good,.s-added{color:var(--good)}.s-bad,.s-removed{color:var(--bad)}.s-bad,.s-title{font-weight:700}
.s-fair{color:var(--fair)}.s-open{color:var(--open)}.s-dim{color:var(--quiet)}.s-code{color:var(--code)}
@media print{svg{max-width:100%;height:auto}.p-layer{break-inside:avoid}}
"""


def page(result: Result) -> str:
    """The whole page: counts, a table of files and layers, what was not judged, and every layer in detail."""
    pictures = {id(checked): picture for checked in result.checked if (picture := _picture(checked))}
    style = _STYLE + next(map(_style_of, pictures.values()), "")
    allowed = f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
    body = [
        f"<header><p class='p-quiet'>dout check</p><h1>{_title(result)}</h1>",
        f"<p>{_text(result.summary)}</p>{_counts(result)}</header>",
        "<main>",
        *_problems(result),
        *_table(result),
        *_codes(result),
        *_told(result),
        *_layers(result, pictures),
        "</main>",
    ]
    return "\n".join([
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="generator" content="dout">',
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src {allowed}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>dout check: {_title(result)}</title><style>{style}</style></head><body>",
        *body,
        "</body></html>\n",
    ])  # fmt: skip


def _text(text: str) -> str:
    """Text of the user's that cannot become markup, and in which nothing is hidden."""
    return escape(visible(text), quote=True)


def _title(result: Result) -> str:
    files = [_file(outcome) for outcome in result.outcomes if outcome.layers] or [Path.cwd().name]
    layers, number = counted_noun(len(result.reports), "layer"), len(files)
    return (
        f"{layers} in {_text(files[0])}" if number == 1 else f"{layers} in {number} files of {_text(Path.cwd().name)}"
    )


def _file(outcome: JobOutcome) -> str:
    return "dout.layers" if outcome.job.kind == "ready" else near(outcome.job.where)


def _counts(result: Result) -> str:
    """How many findings of each severity."""
    severities = [finding.severity for finding in result.findings]
    style = dict(zip(SEVERITIES, ("s-bad", "s-fair", "s-dim"), strict=True))
    items = [f"<b class='{style[s]}'>{severities.count(s)}</b> {s}{'' if severities.count(s) == 1 else 's'}"
             for s in SEVERITIES]  # fmt: skip
    return "<ul class='p-counts'>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _problems(result: Result) -> Iterator[str]:
    if result.problems:
        yield "<h2>Could not be run</h2><ul>"
        yield from (f"<li class='s-bad'>{_text(problem)}</li>" for problem in result.problems)
        yield "</ul>"


def _table(result: Result) -> Iterator[str]:
    if not result.reports:
        return
    heads = ("Layer", "Verdict", "Gradients", "Findings", "Time")
    yield "<h2>Layers</h2><div class='p-wide'><table class='p-files'>"
    yield f"<thead><tr>{''.join(_head(head) for head in heads)}</tr></thead>"
    for number, outcome in enumerate(result.outcomes):
        if outcome.layers:
            yield f"<tbody><tr><th scope='rowgroup' colspan='5'>{_text(_file(outcome))}</th></tr>"
            yield from (_row(row(c.report), f"layer-{number}-{i}") for i, c in enumerate(outcome.layers))
            yield "</tbody>"
    yield "</table></div>"


def _head(text: str) -> str:
    return f"<th scope='col'>{text}</th>"


def _row(each: SummaryRow, anchor: str) -> str:
    mark, style = MARKS[each.state]
    said = "inconclusive" if each.state == "open" and each.report.verdicts else _SAYS[each.state]
    codes = " ".join(f"<abbr title='{_text(rules()[code[:4]].title)}'>{_text(code)}</abbr>" for code in each.codes)
    return (
        f"<tr><td><a href='#{anchor}'>{_text(each.layer)}</a></td><td class='s-{style}'>{mark} {said}</td>"
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


def _told(result: Result) -> Iterator[str]:
    for kind, items in told(result.outcomes):
        listed = f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in items)}</ul>"
        folded = f"<details><summary>{len(items)}</summary>{listed}</details>" if len(items) > 10 else listed
        yield f"<h2>{kind.capitalize()}</h2>{folded}"


def _layers(result: Result, pictures: Mapping[int, str]) -> Iterator[str]:
    """Every layer: those with errors first and open, those with nothing worse than a note folded."""
    found = [
        (f"layer-{number}-{i}", outcome, checked)
        for number, outcome in enumerate(result.outcomes)
        for i, checked in enumerate(outcome.layers)
    ]
    groups = (("Errors", ("error",)), ("Warnings", ("warning",)), ("The others", ("open", "good")))
    for title, states in groups:
        here = [item for item in found if row(item[2].report).state in states]
        if here:
            yield f"<h2>{title}</h2>"
        for anchor, outcome, checked in here:
            yield _layer(anchor, checked, Again(outcome.job, checked, result.given), pictures.get(id(checked), ""))


def _layer(anchor: str, checked: Checked, again: Again, picture: str) -> str:
    report, each = checked.report, row(checked.report)
    mark, style = MARKS[each.state]
    place = _text(shown_place(report.file, report.line))
    head = (
        f"<h3><span class='s-{style}'>{mark}</span> {_text(report.layer)} <small class='p-quiet'>{place}</small></h3>"
    )
    lines = to_lines(report, about(checked), _WIDTH)[1:]
    inside = "<pre>" + "".join(f"<span class='p-line'>{html_spans([line], _class)}</span>" for line in lines) + "</pre>"
    pasted = "\n".join(line.strip() for line in again.lines(_WIDTH))
    inside += f"<pre class='p-again'>{_text(pasted)}</pre>" if pasted else ""
    inside += _figure(picture, anchor) if picture else ""
    opened = "" if each.state in ("good", "open") else " open"
    return (
        f"<section class='p-layer p-{each.state}' id='{anchor}'><details{opened}>"
        f"<summary>{head}</summary>{inside}</details></section>"
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


PAGE = Kind("a report", (".html", ".htm"), HTML_MARK)


def write_page(result: Result, path: Path, force: bool) -> None:
    """Write the page. Raises TargetError."""
    write([path], [page(result).encode(errors="backslashreplace")], PAGE, force=force)
    click.echo(visible(f"wrote {path}"), err=True)
