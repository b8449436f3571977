"""The styles of shapes as CSS for the page. Colours are variables: light, dark and print differ in those alone."""

from __future__ import annotations

from dout.colours import PALETTES, SANS, family, variables
from dout.draw.paint.style import STYLES, TEXTS, TextStyle
from dout.draw.writers.svg import line_rules, text_rules


def _weight(text: TextStyle) -> str:
    """The weight of a text that is not bold: the group of a label's value, in which it stands, is."""
    return "" if text.bold else ";font-weight:400"


def style_sheet() -> str:
    """Variables for each theme, then a rule for each style."""
    lines = [
        f":root{{--sans:{family(SANS)}}}",
        f":root{{{variables('light')}}}",
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme]){{{variables('dark')}}}}}",
        *(f":root[data-theme={theme}]{{{variables(theme)}}}" for theme in PALETTES),
        f"@media print{{:root:root:not([data-theme=print]){{{variables('light')}}}}}",
        "#picture path{stroke-linecap:round}",
        *(f"#picture .{name}{{{text_rules(text)}{_weight(text)}}}" for name, text in TEXTS.items()),
    ]
    for name, style in STYLES.items():
        paint = f"fill:{f'var(--{style.fill})' if style.fill else 'none'}"
        paint += f";stroke:var(--{style.stroke})" if style.stroke else ""
        lines.append(f"#picture .{name}{{{';'.join(filter(None, (paint, line_rules(style))))}}}")
    return "\n".join(lines) + "\n"
