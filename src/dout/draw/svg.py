"""Display list → SVG: one standalone string, no script, no network, every text escaped.

Run it to see it: `python -m dout.draw.svg > picture.svg`.
"""

from __future__ import annotations

from html import escape

from dout.draw.display import TEXTS, Circle, Drawing, Path, Rect, Shape, Text
from dout.draw.options import Look, Theme

_FONT = "'Noto Sans','DejaVu Sans','Segoe UI','Helvetica Neue',Arial,'Noto Sans CJK JP','Hiragino Sans',sans-serif"
_MONO = "'DejaVu Sans Mono','Noto Sans Mono',Menlo,Consolas,monospace"

PALETTES = {
    "light": {
        "paper": "#ffffff", "ink": "#1a1a1a", "quiet": "#5f6b7a", "value": "#0072b2", "gradient": "#b8460b",
        "wrong": "#c1121f", "wrong-fill": "#fde4e4", "panel": "#f6f8fa", "line": "#9aa5b1", "zero": "#e4e8ec",
    },
    "dark": {
        "paper": "#0f141a", "ink": "#eef2f6", "quiet": "#9aa7b5", "value": "#6db7ff", "gradient": "#ff9a5c",
        "wrong": "#ff6b6b", "wrong-fill": "#4a1d22", "panel": "#161d26", "line": "#5b6876", "zero": "#2a3440",
    },
    "print": {
        "paper": "#ffffff", "ink": "#000000", "quiet": "#555555", "value": "#000000", "gradient": "#444444",
        "wrong": "#000000", "wrong-fill": "#dddddd", "panel": "#ffffff", "line": "#777777", "zero": "#e6e6e6",
    },
}  # fmt: skip

# How each style is coloured: fill, stroke (names from the palette, or none), and the rest of its CSS.
_STYLES = {
    "paper": ("paper", "", ""),
    "edge": ("", "ink", "stroke-width:1.6;stroke-linecap:round"),
    "thick": ("", "ink", "stroke-width:3;stroke-linecap:round"),
    "quiet": ("", "quiet", "stroke-width:1.1"),
    "dot": ("ink", "", ""),
    "ring": ("", "gradient", "stroke-width:2.6"),
    "ring-forward": ("", "value", "stroke-width:2.6"),
    "pointer": ("", "gradient", "stroke-width:1.1;stroke-dasharray:4 3"),
    "pointer-forward": ("", "value", "stroke-width:1.1;stroke-dasharray:4 3"),
    "card": ("panel", "gradient", "stroke-width:1.4"),
    "card-forward": ("panel", "value", "stroke-width:1.4"),
    "card-title": ("ink", "", ""),
    "card-line": ("gradient", "", ""),
    "card-line-forward": ("value", "", ""),
    "operator": ("paper", "ink", "stroke-width:1.6"),
    "layer": ("panel", "ink", "stroke-width:1.8"),
    "layer-inner": ("", "quiet", "stroke-width:1"),
    "open": ("panel", "quiet", "stroke-width:1.2;stroke-dasharray:5 4"),
    "cell-box": ("paper", "line", "stroke-width:.8"),
    "cell-zero": ("zero", "line", "stroke-width:.8"),
    "cell-wrong": ("wrong-fill", "wrong", "stroke-width:1.4"),
    "bar": ("value", "", ""),
    "gradient-bar": ("gradient", "", ""),
    "symbol": ("ink", "", ""),
    "word": ("ink", "", ""),
    "name": ("ink", "", ""),
    "result": ("ink", "", ""),
    "title": ("ink", "", ""),
    "caption": ("quiet", "", ""),
    "constant": ("quiet", "", ""),
    "note": ("quiet", "", ""),
    "value": ("value", "", ""),
    "head": ("value", "", ""),
    "line": ("value", "", ""),
    "cell": ("value", "", ""),
    "gradient": ("gradient", "", ""),
    "derived": ("gradient", "", "opacity:.88"),
    "gradient-head": ("gradient", "", ""),
    "gradient-line": ("gradient", "", ""),
    "gradient-cell": ("gradient", "", ""),
    "derived-cell": ("gradient", "", "opacity:.88"),
    "loud": ("wrong", "", ""),
    "wrong": ("wrong", "", ""),
    "wrong-cell": ("wrong", "", ""),
    "first": ("wrong", "", ""),
    "wrong-note": ("wrong", "", ""),
}


def write_svg(drawing: Drawing, theme: Theme = "auto") -> str:
    """Return a picture as SVG. "auto" follows the reader's preference for light or dark.

    Raises ValueError for a theme that there is not.
    """
    if theme not in ("auto", *PALETTES):
        raise ValueError(f"there is no theme {theme!r}; try light, dark, print or auto")
    width, height = _n(drawing.width), _n(drawing.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' role="img" aria-labelledby="dout-title dout-description">',
        f'<title id="dout-title">{_safe(drawing.title)}</title>',
        f'<desc id="dout-description">{_safe(drawing.description)}</desc>',
        f"<style>{_css(theme)}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        *(_shape(shape) for shape in drawing.shapes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def write(drawing: Drawing, look: Look) -> bytes:
    """One file."""
    return write_svg(drawing, look.theme).encode()


def _css(theme: Theme) -> str:
    fixed = [f"text{{font-family:{_FONT};font-variant-numeric:tabular-nums}}"]
    for name, style in TEXTS.items():
        rules = f"font-size:{_n(style.size)}px"
        rules += ";font-weight:600" if style.bold else ""
        rules += ";font-style:italic" if style.italic else ""
        rules += f";font-family:{_MONO}" if style.mono else ""
        fixed.append(f"text.{name}{{{rules}}}")
    fixed += [f".{name}{{{rest}}}" for name, (_, _, rest) in _STYLES.items() if rest]
    if theme != "auto":
        return "".join(fixed) + _colours(theme)
    dark = f"@media (prefers-color-scheme:dark){{{_colours('dark')}}}"
    return "".join(fixed) + _colours("light") + dark


def _colours(theme: str) -> str:
    """One rule for each look that styles share."""
    palette = PALETTES[theme]
    shared: dict[str, list[str]] = {}
    for name, (fill, stroke, _) in _STYLES.items():
        rule = f"fill:{palette[fill] if fill else 'none'}" + (f";stroke:{palette[stroke]}" if stroke else "")
        shared.setdefault(rule, []).append(f".{name}")
    return "".join(f"{','.join(names)}{{{rule}}}" for rule, names in shared.items())


def _shape(shape: Shape) -> str:
    title = f"<title>{_safe(shape.title)}</title>" if shape.title else ""
    if isinstance(shape, Text):
        anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
        place = f'x="{_n(shape.x)}" y="{_n(shape.y)}"'
        return f'<text class="{shape.style}" {place}{anchor}>{title}{_safe(shape.text)}</text>'
    if isinstance(shape, Path):
        d = "".join(c + " ".join(_n(p) for p in points) for c, points in shape.commands)
        head = f'<path class="{shape.style}" d="{d}"'
    elif isinstance(shape, Circle):
        head = f'<circle class="{shape.style}" cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}"'
    else:
        assert isinstance(shape, Rect)
        place = f'x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" height="{_n(shape.height)}"'
        head = f'<rect class="{shape.style}" {place}' + (f' rx="{_n(shape.radius)}"' if shape.radius else "")
    tag = head[1 : head.index(" ")]
    return f"{head}>{title}</{tag}>" if title else f"{head}/>"


def _n(number: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{number:.1f}".removesuffix(".0")


def _safe(text: str) -> str:
    """Text that cannot become markup, without the characters that XML forbids."""
    if not text.replace("\n", "").isprintable():
        text = "".join(c for c in text if c in "\n\u3000" or c.isprintable())
    return escape(text, quote=True)


if __name__ == "__main__":
    import sys

    from dout.draw import draw
    from dout.draw.demo import buy_fruits

    sys.stdout.write(draw(buy_fruits()).svg())
