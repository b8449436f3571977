"""Measured lines → a table to read, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Group
from rich.table import Table
from rich.text import Text


@dataclass
class MeasuredLayer:
    """What was measured of one layer; None is not measured, or does not apply. `why` tells what went wrong."""

    family: str
    name: str
    derived: bool = False
    seconds: float = 0.0
    verdict: str = ""
    findings: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    finite: bool | None = None
    accurate: bool | None = None
    judge: str = ""
    float32: bool | None = None
    torch: float | None = None
    lines: tuple[int, int] | None = None
    both: float | None = None
    backward: float | None = None
    why: str = ""


def render(title: str, lines: Sequence[MeasuredLayer]) -> Group:
    """A table of the lines, and below it what went wrong."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("layer")
    for column in ("s", "exact", "errors", "±1000", "f32", "torch", "lines", "fwd+bwd", "bwd"):
        table.add_column(column, justify="right")
    for line in lines:
        if not line.derived:
            table.add_row(line.name, f"{line.seconds:.1f}", Text("not derived", style="red"))
            continue
        table.add_row(
            line.name, f"{line.seconds:.1f}", _verdict(line), str(len(line.findings) or ""),
            _large(line), _mark(line.float32), "" if line.torch is None else f"{line.torch:.0e}",
            _times(None if line.lines is None else line.lines[0] / line.lines[1], 2.0),
            _times(line.both, 1.1), _times(line.backward, 1.1),
        )  # fmt: skip
    notes = [Text(f"{x.name}: {x.why.rstrip('; ')}", style="red") for x in lines if x.why]
    notes += [Text(f"{x.name}: {finding}", style="yellow") for x in lines for finding in dict.fromkeys(x.findings)]
    return Group(table, *notes)


def _verdict(line: MeasuredLayer) -> Text:
    short = {"exact": "✓", "exact up to rounded constants": "✓ rounded", "exact up to a stabiliser": "✓ stabiliser"}
    word = short.get(line.verdict, line.verdict or "?")
    return Text(word, style="green" if word.startswith("✓") else "red")


def _large(line: MeasuredLayer) -> Text:
    if line.finite is None:
        return Text("?", style="dim")
    if not line.finite:
        return Text("✗", style="red")
    return Text("✓ off", style="yellow") if line.accurate is False else Text("✓", style="green")


def _mark(value: bool | None) -> Text:
    return Text("–", style="dim") if value is None else Text("✓", style="green") if value else Text("✗", style="red")


def _times(value: float | None, goal: float) -> Text:
    return Text("") if value is None else Text(f"{value:.2f} ×", style="green" if value <= goal else "red")


def summary(lines: Sequence[MeasuredLayer]) -> Table:
    """How many of how many, and the median and the worst of each ratio."""
    derived = [line for line in lines if line.derived]
    table = Table(show_header=False, box=None)
    table.add_row("derived", _of(len(derived), len(lines)))
    right = [line for line in derived if line.verdict.startswith("exact")]
    table.add_row("exact under dout check, at both sizes", _of(len(right), len(derived)))
    table.add_row("without a finding of severity error", _of(sum(not line.findings for line in derived), len(derived)))
    for what, values in (
        ("finite at ±1000 where the true gradient is", [line.finite for line in derived]),
        ("and right to seven digits there", [line.accurate for line in derived]),
        ("float32 kept", [line.float32 for line in derived]),
    ):
        known = [value for value in values if value is not None]
        table.add_row(what, _of(sum(known), len(known)))
    table.add_row("seconds to derive", _spread([line.seconds for line in lines], "s"))
    table.add_row("largest difference to PyTorch", _spread([line.torch for line in derived], "", ".1e"))
    ratios = [line.lines[0] / line.lines[1] for line in derived if line.lines]
    table.add_row("lines, of those by hand (goal 2)", _spread(ratios, "×", goal=2.0))
    table.add_row("forward and backward, time", _spread([line.both for line in derived], "×", goal=1.1))
    table.add_row("backward, time (goal 1.1)", _spread([line.backward for line in derived], "×", goal=1.1))
    return table


def _of(some: int, total: int) -> str:
    return f"{some} of {total}"


def _spread(values: Sequence[float | None], unit: str, form: str = ".2f", goal: float | None = None) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    text = f"median {median(known):{form}} {unit}, most {max(known):{form}} {unit}"
    return text if goal is None else f"{text}, within the goal {_of(sum(v <= goal for v in known), len(known))}"
