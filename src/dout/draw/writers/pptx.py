"""Display lists → PowerPoint: a slide each, of native shapes that can be moved, restyled and rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import count, groupby
from typing import TYPE_CHECKING
from zipfile import ZipFile

from dout.draw.paint.display_list import Box, Circle, Drawing, Path, Rect, Shape, Text, around
from dout.draw.paint.style import STYLES, TEXTS, palette_of
from dout.draw.view_options import Look
from dout.draw.words.safe_text import printable
from dout.draw.writers.svg import safe

if TYPE_CHECKING:
    from pptx.presentation import Presentation

# Lengths are in EMU, 914,400 to an inch and 36,000 to a millimetre.
_PX, _MM = 9525, 36_000
_WIDTH, _HEIGHT = 12_192_000, 6_858_000  # 13.33 × 7.5 inches
_WIDEST = 51_206_400  # PowerPoint has no larger slide
_MARGIN, _TITLE = 457_200, 400_000
_SMALLEST, _LARGEST = 0.5 * _PX, 2.0 * _PX  # a pixel of the drawing: text stays between 5 and 28 points
_TITLE_POINTS = 16
_MONO = "Consolas"  # all else takes the font of the slides it is pasted into

_ID = "\x00"  # stands for the number of a shape on its slide: no text has it
_NAMESPACES = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
)
_DECORATIVE = (
    '<a:extLst><a:ext uri="{C183D7F6-B498-43B3-948B-1728B52AA6E4}"><adec:decorative'
    ' xmlns:adec="http://schemas.microsoft.com/office/drawing/2017/decorative" val="1"/></a:ext></a:extLst>'
)


def write(drawings: Sequence[Drawing], look: Look) -> bytes:
    """One presentation, with a slide for each drawing and what it says in the notes."""
    from pptx import Presentation

    page = _Page.of(drawings[0], look)
    deck = Presentation()
    _resize(deck, page)
    _describe(deck, drawings[0].title)
    shapes = _Shapes(page)
    for drawing in drawings:
        _slide(deck, drawing, page, shapes)
    out = BytesIO()
    deck.save(out)
    with ZipFile(out, "a") as archive:
        archive.comment = b"dout"  # by which dout knows it again
    return out.getvalue()


@dataclass(frozen=True)
class _Page:
    """A slide: its size, where the drawing stands on it, and how long a pixel of the drawing is."""

    width: float
    height: float
    left: float
    top: float
    scale: float
    palette: Mapping[str, str]

    @staticmethod
    def of(drawing: Drawing, look: Look) -> _Page:
        """The usual slide, filled; a larger one where text would be too small, or the width that is asked for."""
        around, above = 2 * _MARGIN, _TITLE + 2 * _MARGIN
        fills = min((_WIDTH - around) / drawing.width, (_HEIGHT - above) / drawing.height)
        scale = look.width * _MM / drawing.width if look.width else min(max(fills, _SMALLEST), _LARGEST)
        scale = min(scale, (_WIDEST - around) / drawing.width, (_WIDEST - above) / drawing.height)
        wide, high = drawing.width * scale, drawing.height * scale
        width, height = max(_WIDTH, wide + around), max(_HEIGHT, high + above)
        top = (height + _TITLE - high) / 2
        return _Page(width, height, (width - wide) / 2, top, scale, palette_of(look.theme))


def _resize(deck: Presentation, page: _Page) -> None:
    """Give the slides their size, and their layouts with them."""
    across, down = page.width / (deck.slide_width or 1), page.height / (deck.slide_height or 1)
    deck.slide_width, deck.slide_height = round(page.width), round(page.height)  # type: ignore[assignment]
    for holder in (deck.slide_master, *deck.slide_layouts):
        for shape in holder.placeholders:
            left, top, width, height = shape.left, shape.top, shape.width, shape.height
            shape.left, shape.width = round(left * across), round(width * across)
            shape.top, shape.height = round(top * down), round(height * down)


def _describe(deck: Presentation, title: str) -> None:
    about = deck.core_properties
    about.title, about.author, about.last_modified_by = printable(title)[:255], "", ""


def _slide(deck: Presentation, drawing: Drawing, page: _Page, shapes: _Shapes) -> None:
    from pptx.dml.color import RGBColor
    from pptx.enum.text import PP_ALIGN
    from pptx.oxml import parse_xml
    from pptx.util import Pt

    def colour(name: str) -> RGBColor:
        return RGBColor(*bytes.fromhex(page.palette[name][1:]))  # type: ignore[no-untyped-call]

    slide = deck.slides.add_slide(deck.slide_layouts.get_by_name("Title Only"))
    fill = slide.background.fill
    fill.solid()
    fill.fore_color.rgb = colour("paper")
    title = slide.shapes.title
    title.left, title.top = _MARGIN, _MARGIN // 2
    title.width, title.height = round(page.width) - 2 * _MARGIN, _TITLE
    title.text = printable(drawing.title[:1].upper() + drawing.title[1:])
    line = title.text_frame.paragraphs[0]
    line.alignment, line.font.size = PP_ALIGN.LEFT, Pt(_TITLE_POINTS)
    line.font.color.rgb = colour("quiet")
    tree = parse_xml(f"<p:spTree {_NAMESPACES}>{shapes.all(drawing.shapes)}</p:spTree>")
    slide.shapes._spTree.extend(list(tree))
    slide.notes_slide.notes_text_frame.text = printable(drawing.description)


class _Shapes:
    """Writes shapes as the XML that PowerPoint reads; one that is on many slides is written once."""

    def __init__(self, page: _Page) -> None:
        self._page = page
        self._written: dict[tuple[int, int], str] = {}

    def all(self, shapes: Sequence[Shape]) -> str:
        """Each shape; those that are one thing together as a group, so that they move together."""
        ids = count(3)  # the slide itself and its title come before
        written = "".join(self._things(shapes))
        return re.sub(_ID, lambda _: str(next(ids)), written)

    def _things(self, shapes: Sequence[Shape]) -> Iterator[str]:
        for _, run in groupby(_with_words(shapes), lambda pair: _thing(pair[0])):
            pairs = list(run)
            written = [self._once(*pair) for pair in pairs]
            yield written[0] if len(pairs) == 1 else self._group(pairs[0][0], around(s for s, _ in pairs), written)

    def _once(self, shape: Shape, words: Text | None) -> str:
        key = id(shape), id(words)  # the drawings keep them all alive
        if key not in self._written:
            self._written[key] = self._one(shape, words)
        return self._written[key]

    def _group(self, first: Shape, box: Box, inside: list[str]) -> str:
        at = self._place(box)
        head = f"<p:nvGrpSpPr>{self._named(first, None)}<p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>"
        inner = at.replace("a:off", "a:chOff").replace("a:ext", "a:chExt")
        return f"<p:grpSp>{head}<p:grpSpPr><a:xfrm>{at}{inner}</a:xfrm></p:grpSpPr>{''.join(inside)}</p:grpSp>"

    def _one(self, shape: Shape, words: Text | None) -> str:
        named = self._named(shape, words)
        if isinstance(shape, Path) and [command for command, _ in shape.commands] == ["M", "L"]:
            (x, y), (to_x, to_y) = (points for _, points in shape.commands)
            flip = f"{_flag('flipH', to_x < x)}{_flag('flipV', to_y < y)}"
            place = f"<a:xfrm{flip}>{self._place(shape.box)}</a:xfrm>{_preset('line')}"
            head = f"<p:nvCxnSpPr>{named}<p:cNvCxnSpPr/><p:nvPr/></p:nvCxnSpPr>"
            return f"<p:cxnSp>{head}<p:spPr>{place}{self._line(shape.style)}</p:spPr></p:cxnSp>"
        kind = ' txBox="1"' if isinstance(shape, Text) else ""
        head = f"<p:nvSpPr>{named}<p:cNvSpPr{kind}/><p:nvPr/></p:nvSpPr>"
        paint = "<a:noFill/>" if isinstance(shape, Text) else self._fill(shape.style) + self._line(shape.style)
        place = f"<a:xfrm>{self._place(_room(shape))}</a:xfrm>{self._geometry(shape)}"
        text = self._text(words) if words is not None else ""
        return f"<p:sp>{head}<p:spPr>{place}{paint}</p:spPr>{text}</p:sp>"

    def _named(self, shape: Shape, words: Text | None) -> str:
        """Its name for the selection pane and for screen readers. Edges are decorative: their ends say the same."""
        name = shape.text if isinstance(shape, Text) else shape.title.partition("\n")[0].partition(",")[0]
        name = name or (words.text if words is not None else shape.style.replace("-", " "))
        described = f' descr="{_safe(shape.title)}"' if shape.title else ""
        more = "" if shape.title or words is not None else _DECORATIVE
        return f'<p:cNvPr id="{_ID}" name="{_safe(name)}"{described}>{more}</p:cNvPr>'

    def _place(self, box: Box) -> str:
        left, top = self._page.left + box[0] * self._page.scale, self._page.top + box[1] * self._page.scale
        wide, high = self._length(box[2] - box[0]), self._length(box[3] - box[1])
        return f'<a:off x="{round(left)}" y="{round(top)}"/><a:ext cx="{wide}" cy="{high}"/>'

    def _length(self, pixels: float) -> int:
        return round(pixels * self._page.scale)

    def _geometry(self, shape: Shape) -> str:
        if isinstance(shape, Circle):
            return _preset("ellipse")
        if isinstance(shape, Rect) and shape.radius:
            share = min(0.5, shape.radius / max(1e-9, min(shape.width, shape.height)))
            return _preset("roundRect", f'<a:gd name="adj" fmla="val {round(share * 100_000)}"/>')
        if not isinstance(shape, Path):
            return _preset("rect")
        left, top, right, bottom = shape.box
        steps = []
        for command, points in shape.commands:
            pairs = zip(points[::2], points[1::2], strict=True)
            at = "".join(f'<a:pt x="{self._length(x - left)}" y="{self._length(y - top)}"/>' for x, y in pairs)
            steps.append(f"<a:{_STEPS[command]}>{at}</a:{_STEPS[command]}>")
        size = f'w="{self._length(right - left)}" h="{self._length(bottom - top)}"'
        lists = '<a:avLst/><a:gdLst/><a:ahLst/><a:cxnLst/><a:rect l="0" t="0" r="r" b="b"/>'
        fill = "" if STYLES[shape.style].fill else ' fill="none"'
        path = f"<a:path {size}{fill}>{''.join(steps)}</a:path>"
        return f"<a:custGeom>{lists}<a:pathLst>{path}</a:pathLst></a:custGeom>"

    def _fill(self, style: str) -> str:
        return self._colour(STYLES[style].fill, STYLES[style].opacity) if STYLES[style].fill else "<a:noFill/>"

    def _line(self, style: str) -> str:
        look = STYLES[style]
        if not look.stroke:
            return "<a:ln><a:noFill/></a:ln>"
        dash = '<a:prstDash val="dash"/>' if look.dash else ""
        cap = "flat" if look.dash else "rnd"
        colour = self._colour(look.stroke, look.opacity)
        return f'<a:ln w="{self._length(look.width)}" cap="{cap}">{colour}{dash}</a:ln>'

    def _colour(self, name: str, opacity: float) -> str:
        faint = f'<a:alpha val="{round(opacity * 100_000)}"/>' if opacity < 1 else ""
        return f'<a:solidFill><a:srgbClr val="{self._page.palette[name][1:].upper()}">{faint}</a:srgbClr></a:solidFill>'

    def _text(self, text: Text) -> str:
        look = TEXTS[text.style]
        size = max(100, round(look.size * self._page.scale / 127))  # hundredths of a point
        kind = f"{_flag('b', look.bold)}{_flag('i', look.italic)}{_flag('noProof', True)}"
        font = f'<a:latin typeface="{_MONO}"/>' if look.mono else ""
        run = f'<a:rPr sz="{size}"{kind}>{self._fill(text.style)}{font}</a:rPr><a:t>{_safe(text.text)}</a:t>'
        align = {"start": "l", "middle": "ctr", "end": "r"}[text.anchor]
        body = '<a:bodyPr wrap="none" lIns="0" tIns="0" rIns="0" bIns="0" anchor="ctr"><a:noAutofit/></a:bodyPr>'
        return f'<p:txBody>{body}<a:lstStyle/><a:p><a:pPr algn="{align}"/><a:r>{run}</a:r></a:p></p:txBody>'


_STEPS = {"M": "moveTo", "L": "lnTo", "C": "cubicBezTo"}


def _with_words(shapes: Sequence[Shape]) -> list[tuple[Shape, Text | None]]:
    """Each shape with the text on it; a text in the middle of a circle or box becomes part of it.

    Not so where a line is drawn in the middle of that box too: the text must stay above it.
    """
    holders: dict[tuple[int, int, int], int] = {}
    found: list[tuple[Shape, Text | None]] = []
    for shape in shapes:
        left, top, right, bottom = _room(shape)
        x, y = round((left + right) / 2), round((top + bottom) / 2)
        if isinstance(shape, Circle | Rect):
            holders.setdefault((x, y, shape.since), len(found))
            found.append((shape, None))
            continue
        near = ((x + i, y + j, shape.since) for i in (0, -1, 1) for j in (0, -1, 1))
        in_middle = not isinstance(shape, Text) or shape.anchor == "middle"
        at = next((holders.pop(key) for key in near if key in holders), None) if in_middle else None
        if not isinstance(shape, Text):
            found.append((shape, None))
        elif at is None:
            found.append((shape, shape))
        else:
            found[at] = (found[at][0], shape)
    return found


def _thing(shape: Shape) -> object:
    """The key of the group that a shape belongs to: shapes with the same title, or itself alone."""
    return (shape.title, shape.since) if shape.title else shape


def _room(shape: Shape) -> Box:
    """The box of a shape; that of a text as high as a line, around the middle of its letters."""
    if not isinstance(shape, Text):
        return shape.box
    left, _, right, _ = shape.box
    size = TEXTS[shape.style].size
    middle = shape.y - 0.35 * size
    return left, middle - 0.6 * size, right, middle + 0.6 * size


def _preset(name: str, adjusted: str = "") -> str:
    return f'<a:prstGeom prst="{name}"><a:avLst>{adjusted}</a:avLst></a:prstGeom>'


def _flag(name: str, value: bool) -> str:
    return f' {name}="1"' if value else ""


def _safe(text: str) -> str:
    """Text that cannot become markup; in an attribute too, where a plain line feed would be lost."""
    return safe(text).replace("\n", "&#10;")
