"""The properties that select a font: its family, weight, slant and characters."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fontTools.ttLib import TTCollection, TTFont

_BITMAPS = {"sbix", "CBDT"}  # pictures of emoji, in place of outlines
_NO_EMBEDDING = 0x0002  # OS/2 fsType: its licence forbids that the font goes into a document

logging.getLogger("fontTools").addHandler(logging.NullHandler())  # what it says of odd fonts is not for our reader


@dataclass(frozen=True)
class Face:
    """One font of a file. `embeds`: it can go into a PDF, as TrueType outlines that may be passed on."""

    path: Path
    index: int
    family: str
    weight: int
    italic: bool
    embeds: bool

    @cached_property
    def characters(self) -> dict[int, float]:
        """The code points that it has a glyph for, and how wide that is, in sizes of the font."""
        try:
            with self.path.open("rb") as file:
                font = TTFont(file, fontNumber=self.index, lazy=True)
                unit, wide, missing = font["head"].unitsPerEm, font["hmtx"].metrics, font.getGlyphName(0)
                found = font.getBestCmap() or {}
                return {code: wide[glyph][0] / unit for code, glyph in found.items() if glyph != missing}
        except Exception:  # a broken file of somebody's, which may raise anything: another font will do
            return {}

    def width(self, text: str, size: float) -> float:
        """The width of a text whose characters it has, letter by letter."""
        return size * sum(self.characters[ord(c)] for c in text)

    def has(self, text: str) -> bool:
        """True if it can draw every character."""
        return all(ord(character) in self.characters for character in text)


def faces_of(path: Path) -> tuple[Face, ...]:
    """The fonts in a file; none if the file cannot be read as a font."""
    try:
        with path.open("rb") as file:
            many = file.read(4) == b"ttcf"
            file.seek(0)
            fonts = TTCollection(file, lazy=True).fonts if many else [TTFont(file, lazy=True)]
            return tuple(_faces(path, fonts))
    except Exception:  # broken, as above
        return ()


def _faces(path: Path, fonts: list[TTFont]) -> Iterator[Face]:
    for index, font in enumerate(fonts):
        tables = set(font.keys())
        if tables >= {"cmap", "name"}:
            weight, permission, italic = 400, 0, False
            if "OS/2" in tables:
                says = font["OS/2"]
                weight, permission, italic = says.usWeightClass, says.fsType, bool(says.fsSelection & 1)
            embeds = "glyf" in tables and not tables & _BITMAPS and not permission & _NO_EMBEDDING
            yield Face(path, index, font["name"].getDebugName(1) or "", weight, italic, embeds)
