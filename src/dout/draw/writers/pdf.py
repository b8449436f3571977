"""Display lists → PDF: a page each, vector, with text that stays text, in fonts that go along."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from io import BytesIO
from typing import Any
from unicodedata import normalize

from dout.draw.paint.display_list import ANCHORS, Circle, Drawing, Path, Rect, Shape, Text
from dout.draw.paint.style import STYLES, TEXTS, Style, palette_of
from dout.draw.view_options import Look
from dout.draw.words.safe_text import shorten
from dout.draw.writers.bidi import visual
from dout.draw.writers.fontfile import Face
from dout.draw.writers.fonts import SLANT, THICKER, Typesetter, leans, swells

_POINT = 72 / 96  # of a pixel, as CSS has it
_MILLIMETRE = 72 / 25.4
_LARGEST = 14_400.0  # points: what readers of PDF take for a page
_OUTLINE = 72  # characters of a page's name in the list beside it


def write(drawings: Sequence[Drawing], look: Look) -> bytes:
    """One document, the same at every run. Each page is as large as its drawing, or `look.width` wide."""
    from reportlab.lib.colors import HexColor
    from reportlab.pdfgen.canvas import Canvas

    file, setter, palette = BytesIO(), Typesetter(_embeds), palette_of(look.theme)
    usual = setter.first(TEXTS["name"])
    name = None if usual is None else _font(usual).fontName  # else it names one that does not go along
    canvas = Canvas(file, initialFontName=name, invariant=1, pageCompression=1)
    canvas.setTitle(drawings[0].title)
    canvas.setSubject(drawings[0].description)
    inks = {name: HexColor(colour) for name, colour in palette.items()}
    for number, drawing in enumerate(drawings, 1):
        if len(drawings) > 1:
            canvas.bookmarkPage(f"page {number}")
            said = drawing.description if number > 1 else drawing.title
            canvas.addOutlineEntry(shorten(said, _OUTLINE), f"page {number}")
        _Page(canvas, setter, inks).draw(drawing, look.width)
        canvas.showPage()
    canvas.save()
    setter.warn()
    return file.getvalue() + b"% dout\n"  # a comment behind the end, by which dout knows it again


class _Page:
    def __init__(self, canvas: Any, setter: Typesetter, inks: Mapping[str, Any]) -> None:
        self.canvas = canvas
        self.setter = setter
        self.inks = inks
        self.painted: Style | None = None

    def draw(self, drawing: Drawing, width: float | None) -> None:
        """One page: from here on a unit is a pixel, and y grows downwards."""
        scale = _POINT if width is None else width * _MILLIMETRE / drawing.width
        scale = min(scale, _LARGEST / max(drawing.width, drawing.height))
        self.canvas.setPageSize((drawing.width * scale, drawing.height * scale))
        self.canvas.transform(scale, 0, 0, -scale, 0, drawing.height * scale)
        for shape in (Rect(-1, -1, drawing.width + 2, drawing.height + 2, "paper"), *drawing.shapes):
            self._paint(STYLES[shape.style])
            self._shape(shape)

    def _paint(self, style: Style) -> None:
        """Set the paint of the next shape."""
        if style == self.painted:
            return
        self.painted = style
        fill, stroke = style.fill or style.stroke, style.stroke or style.fill
        self.canvas.setFillColor(self.inks[fill], alpha=style.opacity)
        self.canvas.setStrokeColor(self.inks[stroke], alpha=style.opacity)
        self.canvas.setLineWidth(style.width)
        self.canvas.setDash(list(style.dash))
        self.canvas.setLineCap(0 if style.dash else 1)

    def _shape(self, shape: Shape) -> None:
        how = {"fill": int(bool(STYLES[shape.style].fill)), "stroke": int(bool(STYLES[shape.style].stroke))}
        if isinstance(shape, Text):
            self._text(shape)
        elif isinstance(shape, Circle):
            self.canvas.circle(shape.x, shape.y, shape.radius, **how)
        elif isinstance(shape, Rect):
            radius = min(shape.radius, shape.width / 2, shape.height / 2)
            self.canvas.roundRect(shape.x, shape.y, shape.width, shape.height, radius, **how)
        else:
            self._path(shape, how)

    def _path(self, shape: Path, how: dict[str, int]) -> None:
        path = self.canvas.beginPath()
        draw = {"M": path.moveTo, "L": path.lineTo, "C": path.curveTo}
        for command, points in shape.commands:
            draw[command](*points)
        self.canvas.drawPath(path, **how)

    def _text(self, shape: Text) -> None:
        """A text, run by run; letters lean or swell by themselves where no font of theirs does."""
        style = TEXTS[shape.style]
        runs = [(face, text) for face, text in self.setter.runs(visual(shape.text), style) if face is not None]
        width = sum(_font(face).stringWidth(text, style.size) for face, text in runs)
        left = shape.x - ANCHORS[shape.anchor] * width
        line = self.canvas.beginText()
        line.setTextTransform(1, 0, 0, -1, left, shape.y)
        for face, text in runs:
            if swells(face, style):
                self.canvas.setLineWidth(THICKER * style.size)
                self.painted = None
                line.setTextRenderMode(2)
            line.setFont(_font(face).fontName, style.size)
            if leans(face, style):
                line.setTextTransform(1, 0, SLANT, -1, line.getX(), shape.y)
            line.textOut(text)
            line.setTextRenderMode(0)
        self.canvas.drawText(line)


def _embeds(face: Face) -> bool:
    return face.embeds and _font(face) is not None


@cache
def _font(face: Face) -> Any:
    """The reportlab name of a font; None if reportlab cannot read it."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    class Font(TTFont):  # type: ignore[misc]
        """Maps glyphs to their characters, beyond 16 bits and for the shapes of Arabic letters too."""

        def addObjects(self, doc: Any) -> None:
            others = set(doc.idToObject)
            super().addObjects(doc)
            for name in doc.idToObject.keys() - others:
                if name.startswith("toUnicodeCMap:"):
                    meanings = doc.idToObject[name]
                    meanings.content = re.sub(r"(?<=> )<([0-9A-F]+)>", _meaning, meanings.content)

    try:
        font = Font(f"{face.path}:{face.index}", str(face.path), subfontIndex=face.index)
    except Exception:  # a broken file of somebody's, which may raise anything: another font will do
        return None
    registerFont(font)
    return font


def _meaning(code: re.Match[str]) -> str:
    character = chr(int(code[1], 16))
    letters = normalize("NFKC", character) if "\ufb50" <= character <= "\ufeff" else character
    return f"<{letters.encode('utf-16-be').hex().upper()}>"
