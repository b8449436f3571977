"""Display list → PNG: the SVG, drawn with the fonts of this machine.

Run it to see it: `python -m dout.draw.png > picture.png`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import partial
from itertools import accumulate

from dout.draw.bidi import visual
from dout.draw.display import ANCHORS, TEXTS, Drawing, Text
from dout.draw.fonts import Typesetter
from dout.draw.options import Look
from dout.draw.svg import write_svg
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
        raise TargetError(f"{width} × {height} pixels are too many for a PNG: write .svg or .pdf, or give a width")

    svg = write_svg(drawing, "light" if look.theme == "auto" else look.theme, partial(_runs, setter))
    fonts = list(dict.fromkeys(str(face.path) for face in setter.used))
    made = svg_to_bytes(svg_string=svg, width=max(width, 1), skip_system_fonts=True, font_files=fonts)
    return _with_dpi(bytes(made), dpi)


def _runs(setter: Typesetter, shape: Text) -> list[tuple[str, str, float | None]]:
    """The pieces of a text, each placed by itself: resvg may set a text of many fonts in only one of them.

    Right-to-left text it has to put in order as a whole.
    """
    style = TEXTS[shape.style]
    runs = [(face, text) for face, text in setter.runs(shape.text, style) if face is not None]
    if len(runs) < 2 or visual(shape.text) != shape.text:
        return [(face.family, text, None) for face, text in runs]
    widths = [face.width(text, style.size) for face, text in runs]
    left = shape.x - ANCHORS[shape.anchor] * sum(widths)
    lefts = accumulate(widths[:-1], initial=left)
    return [(face.family, text, at) for (face, text), at in zip(runs, lefts, strict=True)]


def _with_dpi(png: bytes, dpi: int) -> bytes:
    """Say how many pixels make an inch, behind the header, where readers look for it."""
    per_metre = round(dpi / 0.0254)
    chunk = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    end_of_header = 33
    said = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:end_of_header] + said + png[end_of_header:]


if __name__ == "__main__":
    import sys

    from dout.draw import draw
    from dout.draw.demo import buy_fruits

    sys.stdout.buffer.write(write([draw(buy_fruits()).drawing], Look())[0])
