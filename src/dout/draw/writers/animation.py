"""Display lists → one SVG that plays them, one after the other, by CSS alone; and a page around it."""

from __future__ import annotations

from collections.abc import Sequence

from dout.colours import PALETTES
from dout.draw.paint.display_list import Drawing
from dout.draw.view_options import Theme
from dout.draw.writers.svg import elements, opened, safe
from dout.files import policy_source

SECONDS = 1.6  # that a drawing is seen


def animated_svg(drawings: Sequence[Drawing], theme: Theme = "auto") -> bytes:
    """One SVG with the shared shapes stored once. With reduced motion, the last drawing stands still."""
    return _svg(drawings, theme).encode()


def animated_page(drawings: Sequence[Drawing], theme: Theme = "auto") -> bytes:
    """One HTML file around the SVG: no script, no network."""
    svg = _svg(drawings, theme)
    first, _, rest = svg.partition("<style>")
    rules, _, after = rest.partition("</style>")
    rules += "body{margin:0;text-align:center}svg{max-width:100%;height:auto}" + _grounds(theme)
    policy = f"default-src 'none'; style-src {policy_source(rules)}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="generator" content="dout">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{safe(drawings[0].title)}</title>",
            f"<style>{rules}</style>",
            f"<body>{first}{after}</body>",
            "</html>",
            "",
        ]
    ).encode()


def _grounds(theme: Theme) -> str:
    """The paper around the picture."""
    papers = {name: f"body{{background:{palette['paper']}}}" for name, palette in PALETTES.items()}
    auto = f"{papers['light']}@media (prefers-color-scheme:dark){{{papers['dark']}}}"
    return auto if theme == "auto" else papers[theme]


def _svg(drawings: Sequence[Drawing], theme: Theme) -> str:
    count = len(drawings)
    shared = [shape for shape in drawings[0].shapes if all(shape in each.shapes for each in drawings[1:])]
    lines = [*opened(drawings[-1], theme, css=_motion(count)), *elements(shared)]
    for i, drawing in enumerate(drawings):
        own = [shape for shape in drawing.shapes if shape not in shared]
        lines += [f'<g class="round r{i}">', *elements(own), "</g>"]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _motion(count: int) -> str:
    """Rules that show each of so many groups in turn."""
    total = count * SECONDS
    turns = "".join(f".r{i}{{animation-delay:{i * SECONDS:g}s}}" for i in range(count))
    return (
        f".round{{opacity:0;animation:round {total:g}s step-end infinite}}{turns}"
        f"@keyframes round{{0%{{opacity:1}}{100 / count:.4g}%{{opacity:0}}100%{{opacity:0}}}}"
        f"@media (prefers-reduced-motion:reduce){{.round{{animation:none}}.r{count - 1}{{opacity:1}}}}"
        f"@media print{{.round{{animation:none}}.r{count - 1}{{opacity:1}}}}"
    )
