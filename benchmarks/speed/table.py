"""Measured lines → a table to read, and data to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from benchmarks.speed.rows import Goal, Row


@dataclass(frozen=True)
class Line:
    """A row with its samples by contender, and why a contender has none."""

    row: Row
    samples: Mapping[str, Sequence[float]]
    reasons: Mapping[str, str]

    @property
    def why_missed(self) -> str:
        """Why a goal is missed, where one is."""
        reached = [(goal, goal.reached(self.samples)) for goal in self.row.goals]
        missed = any(ratio is not None and not goal.met(ratio) for goal, ratio in reached)
        return self.row.why_missed if missed else ""


def render(title: str, lines: Sequence[Line]) -> Group:
    """A table of the lines, and below it what went wrong."""
    names = list(dict.fromkeys(name for line in lines for name in line.row.contenders))
    table = Table(title=f"{title} ({lines[0].row.unit})", title_justify="left", title_style="bold")
    table.add_column("size")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("goals")
    for line in lines:
        goals = [_goal(goal, line) for goal in line.row.goals]
        table.add_row(line.row.size, *(_cell(line.samples.get(name)) for name in names), Text("\n").join(goals))
    wrong = [
        Text(f"{line.row.size} {name}: {why}", style="red")
        for line in lines
        for name, why in line.reasons.items()
        if not why.startswith("missing")
    ]
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.why_missed:
            found.setdefault(line.why_missed, []).append(line.row.size)
    whys = [Text(f"missed at {', '.join(sizes)}: {why}") for why, sizes in found.items()]
    missing = {f"{name}: {why}" for line in lines for name, why in line.reasons.items() if why.startswith("missing")}
    return Group(table, *whys, *wrong, *map(Text, sorted(missing)))


def _number(value: float) -> str:
    digits = max(0, 3 - len(str(int(abs(value))))) if abs(value) >= 1 else 2
    return f"{value:,.{digits}f}"


def _cell(samples: Sequence[float] | None) -> str:
    if not samples:
        return "–"
    if len(samples) < 2:
        return _number(samples[0])
    low, _, high = quantiles(samples, n=4)
    return f"{_number(median(samples))} ± {100 * (high - low) / 2 / max(median(samples), 1e-9):.0f} %"


def _goal(goal: Goal, line: Line) -> Text:
    aim = goal.aim(line.row.unit)
    reached = goal.reached(line.samples)
    if reached is None:
        return Text(f"{aim}: –", style="dim")
    met = goal.met(reached)
    return Text(f"{'✓' if met else '✗'} {_number(reached)} ({aim})", style="green" if met else "red")


def as_json(line: Line) -> dict[str, Any]:
    """Everything about a line."""
    goals = [
        {
            "bound": g.bound,
            "than": g.than,
            "most": g.most,
            "more": g.more,
            "reached": (r := g.reached(line.samples)),
            "met": r is not None and g.met(r),
        }
        for g in line.row.goals
    ]
    row = line.row
    return {
        "number": row.number,
        "name": row.name,
        "size": row.size,
        "unit": row.unit,
        "dtype": row.dtype,
        "samples": dict(line.samples),
        "reasons": dict(line.reasons),
        "goals": goals,
        "why missed": line.why_missed,
    }
