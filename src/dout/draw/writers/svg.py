"""Display list → SVG: one standalone string, no script, no network, every text escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from types import MappingProxyType

from dout.colours import MONO, PALETTES, SANS, family
from dout.draw.paint.display_list import Circle, Drawing, Path, Rect, Shape, Text
from dout.draw.paint.style import STYLES, TEXTS, Style, TextStyle, palette_of
from dout.draw.view_options import Look, Theme
from dout.draw.words.safe_text import printable
from dout.graph import Node


def write_svg(
    drawing: Drawing, theme: Theme = "auto", text: Callable[[Text], str] | None = None, paper: float | None = None,
    names: Mapping[Node, str] = MappingProxyType({}),
) -> str:  # fmt: skip
    """Return a picture as SVG. "auto" follows the reader's preference for light or dark.

    `text` writes a text; without it the reader chooses fonts, among the families that dout names. `paper` is
    its width in millimetres, where it has one. What is about a value of these `names` has its as `data-name`.

    Raises ValueError for a theme that there is not.
    """
    return "\n".join([*opened(drawing, theme, paper), *elements(drawing.shapes, text, names), "</svg>"]) + "\n"


def opened(drawing: Drawing, theme: Theme, paper: float | None = None, *, css: str = "") -> list[str]:
    """The lines of an SVG before its shapes; `css` are rules of its own."""
    palette_of(theme)
    width, height = _n(drawing.width), _n(drawing.height)
    size = f'width="{width}" height="{height}"'
    if paper is not None:
        size = f'width="{paper:g}mm" height="{paper * drawing.height / drawing.width:.2f}mm"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}"'
        ' role="img" aria-labelledby="dout-title dout-description">',
        f'<title id="dout-title">{safe(drawing.title)}</title>',
        f'<desc id="dout-description">{safe(drawing.description)}</desc>',
        f"<style>{_css(theme)}{css}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]


def write(drawing: Drawing, look: Look) -> bytes:
    """One file."""
    return write_svg(drawing, look.theme, paper=look.width).encode()


def _css(theme: Theme) -> str:
    fixed = [f"text{{font-family:{family(SANS)};font-variant-numeric:tabular-nums}}"]
    fixed.append("path{stroke-linecap:round}")
    fixed += [f"text.{name}{{{text_rules(style)}}}" for name, style in TEXTS.items()]
    fixed += [f".{name}{{{rules}}}" for name, style in STYLES.items() if (rules := line_rules(style))]
    if theme != "auto":
        return "".join(fixed) + _colours(theme)
    dark = f"@media (prefers-color-scheme:dark){{{_colours('dark')}}}"
    return "".join(fixed) + _colours("light") + dark


def text_rules(style: TextStyle) -> str:
    """The font of a text style, in CSS."""
    rules = f"font-size:{_n(style.size)}px"
    rules += ";font-weight:600" if style.bold else ""
    rules += ";font-style:italic" if style.italic else ""
    return rules + (f";font-family:{family(MONO)}" if style.mono else "")


def line_rules(style: Style) -> str:
    """All of a style that is no colour, in CSS."""
    rules = [f"stroke-width:{style.width:g}"] if style.stroke else []
    rules += ["stroke-linecap:butt;stroke-dasharray:" + " ".join(f"{n:g}" for n in style.dash)] if style.dash else []
    rules += [f"opacity:{style.opacity:g}"] if style.opacity < 1 else []
    return ";".join(rules)


def _colours(theme: str) -> str:
    """One rule for each look that styles share."""
    palette = PALETTES[theme]
    shared: dict[str, list[str]] = {}
    for name, style in STYLES.items():
        rule = f"fill:{palette[style.fill] if style.fill else 'none'}"
        rule += f";stroke:{palette[style.stroke]}" if style.stroke else ""
        shared.setdefault(rule, []).append(f".{name}")
    return "".join(f"{','.join(names)}{{{rule}}}" for rule, names in shared.items())


def elements(
    shapes: Sequence[Shape], text: Callable[[Text], str] | None = None,
    names: Mapping[Node, str] = MappingProxyType({}),
) -> Iterator[str]:  # fmt: skip
    """The SVG of each shape; neighbours with one title form a group with that title."""
    text = text or _text
    for title, run in groupby(shapes, lambda shape: shape.title):
        same = list(run)
        if not title or len(same) == 1:
            yield from (_named(_shape(shape, text), shape, names) for shape in same)
        else:
            inside = (_named(_shape(shape, text, titled=False), shape, names) for shape in same)
            yield "\n".join(["<g>" + _title(same[0]), *inside, "</g>"])


def _shape(shape: Shape, text: Callable[[Text], str], *, titled: bool = True) -> str:
    if isinstance(shape, Text):
        return text(shape if titled else Text(shape.x, shape.y, shape.text, shape.style, shape.anchor))
    title = _title(shape) if titled else ""
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


def _named(element: str, shape: Shape, names: Mapping[Node, str]) -> str:
    """The element with the name of its value in `data-name`, for the scripts of a page."""
    name = names.get(shape.about) if shape.about is not None else None
    return element if name is None else element.replace(" ", f' data-name="{safe(name)}" ', 1)


def _text(shape: Text) -> str:
    anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
    place = f'x="{_n(shape.x)}" y="{_n(shape.y)}"'
    return f'<text class="{shape.style}" {place}{anchor}>{_title(shape)}{safe(shape.text)}</text>'


def _title(shape: Shape) -> str:
    return f"<title>{safe(shape.title)}</title>" if shape.title else ""


def _n(number: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{number:.1f}".removesuffix(".0")


def safe(text: str) -> str:
    """Text that cannot become markup."""
    return escape(printable(text), quote=True)
