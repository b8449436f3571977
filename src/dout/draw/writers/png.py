"""Display list → PNG: the SVG, drawn with the fonts of this machine."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate

from dout.draw.paint.display_list import ANCHORS, Drawing, Text
from dout.draw.paint.style import STYLES, TEXTS, palette_of
from dout.draw.view_options import Look, Theme
from dout.draw.writers.bidi import visual
from dout.draw.writers.fonts import SLANT, THICKER, Typesetter, leans, swells
from dout.draw.writers.svg import safe, write_svg
from dout.errors import TargetError

_PAPER_DPI = 300  # where it has a width on paper
_SCREEN_DPI = 192  # twice the pixels of the SVG
_CSS_DPI = 96
_LARGEST = 2**27  # pixels, of four bytes each


def write(drawings: Sequence[Drawing], look: Look) -> list[bytes]:
    """A file each. It says how large it is on paper: `look.width`, or as large as the SVG."""
    setter = Typesetter()
    files = [_picture(drawing, look, setter) for drawing in drawings]
    setter.warn()
    return files


def _picture(drawing: Drawing, look: Look, setter: Typesetter) -> bytes:
    from resvg_py import svg_to_bytes

    dpi = _SCREEN_DPI if look.width is None else _PAPER_DPI
    zoom = dpi / _CSS_DPI if look.width is None else look.width / 25.4 * dpi / drawing.width
    width, height = round(drawing.width * zoom), round(drawing.height * zoom)
    if width * height > _LARGEST:
        raise TargetError(
            f"{width} × {height} pixels are too many for a PNG: write .svg or .pdf, or give a smaller width"
        )

    theme: Theme = "light" if look.theme == "auto" else look.theme
    svg = write_svg(drawing, theme, partial(_text, setter, palette_of(theme)))
    fonts = list(dict.fromkeys(str(face.path) for face in setter.used))
    made = svg_to_bytes(svg_string=svg, width=max(width, 1), skip_system_fonts=True, font_files=fonts)
    return _with(bytes(made), dpi)


def _text(setter: Typesetter, palette: Mapping[str, str], shape: Text) -> str:
    """A text piece by piece, each placed by itself: resvg may set a text of many fonts in only one of them.

    Right-to-left text it has to put in order as a whole.
    """
    style, colour = TEXTS[shape.style], palette[STYLES[shape.style].fill]
    runs = [(face, text) for face, text in setter.runs(shape.text, style) if face is not None]
    head = f'<text xml:space="preserve" class="{shape.style}" y="{shape.y}"'
    if visual(shape.text) != shape.text:
        words = "".join(
            f"<tspan style=\"font-family:'{safe(face.family)}'\">{safe(text)}</tspan>" for face, text in runs
        )
        return f'{head} x="{shape.x}" text-anchor="{shape.anchor}">{words}</text>'
    widths = [face.width(text, style.size) for face, text in runs]
    lefts = accumulate(widths, initial=shape.x - ANCHORS[shape.anchor] * sum(widths))
    pieces = []
    for (face, text), x in zip(runs, lefts, strict=False):
        look = f"font-family:'{safe(face.family)}'"
        look += f";stroke:{colour};stroke-width:{THICKER * style.size}" if swells(face, style) else ""
        lean = f' transform="matrix(1 0 {-SLANT} 1 {SLANT * shape.y} 0)"' if leans(face, style) else ""
        pieces.append(f'{head} x="{x}" style="{look}"{lean}>{safe(text)}</text>')
    return "".join(pieces)


def _with(png: bytes, dpi: int) -> bytes:
    """Say how many pixels make an inch, and who drew it, behind the header, where readers look for it."""
    per_metre = round(dpi / 0.0254)
    end_of_header = 33
    said = _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)) + _chunk(b"tEXt", b"Software\0dout")
    return png[:end_of_header] + said + png[end_of_header:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
