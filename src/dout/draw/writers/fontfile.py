"""What a font file says of itself: family, weight, slant, and the characters that it can draw.

TrueType and OpenType, one font in a file or many. Only the tables that say so are read, never an outline.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import BinaryIO

import numpy as np

_BROKEN = (OSError, struct.error, ValueError, IndexError)  # what reading a file that is no font may raise
_BITMAPS = {b"sbix", b"CBDT"}  # pictures of emoji, in place of outlines
_NO_EMBEDDING = 0x0002  # OS/2 fsType: its licence forbids that the font goes into a document


@dataclass(frozen=True)
class Face:
    """One font of a file. `embeds`: it can go into a PDF, as TrueType outlines that may be passed on."""

    path: Path
    index: int
    family: str
    weight: int
    italic: bool
    embeds: bool
    _tables: Mapping[bytes, tuple[int, int]] = field(repr=False, compare=False)  # where they begin, and their bytes

    @cached_property
    def characters(self) -> dict[int, int]:
        """The code points that it has a glyph for, and which."""
        try:
            return dict(_characters(self._table(b"cmap")))
        except _BROKEN:
            return {}

    @cached_property
    def advances(self) -> tuple[float, ...]:
        """How wide each glyph is, in sizes of the font; those after the last are as wide as that."""
        try:
            (unit,) = struct.unpack_from(">18xH", self._table(b"head"))
            (wide_ones,) = struct.unpack_from(">34xH", self._table(b"hhea"))
            return tuple(wide / unit for wide, _ in struct.iter_unpack(">Hh", self._table(b"hmtx")[: 4 * wide_ones]))
        except (*_BROKEN, KeyError, ZeroDivisionError):
            return ()

    def width(self, text: str, size: float) -> float:
        """How wide a text is that it has, letter by letter."""
        last = len(self.advances) - 1
        return size * sum(self.advances[min(self.characters[ord(c)], last)] for c in text) if last >= 0 else 0.0

    def _table(self, tag: bytes) -> bytes:
        with self.path.open("rb") as file:
            return _bytes(file, *self._tables[tag])

    def has(self, text: str) -> bool:
        """Whether it can draw every character."""
        return all(ord(character) in self.characters for character in text)


def faces_of(path: Path) -> tuple[Face, ...]:
    """The fonts of a file; none where it cannot be read as one."""
    try:
        with path.open("rb") as file:
            return tuple(_faces(path, file))
    except _BROKEN:
        return ()


def _bytes(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _faces(path: Path, file: BinaryIO) -> Iterator[Face]:
    starts: tuple[int, ...] = (0,)
    if file.read(4) == b"ttcf":
        (fonts,) = struct.unpack(">4xI", file.read(8))
        starts = struct.unpack(f">{fonts}I", file.read(4 * fonts))
    for index, start in enumerate(starts):
        (number,) = struct.unpack(">4xH6x", _bytes(file, start, 12))
        rows = struct.iter_unpack(">4s4xII", file.read(16 * number))
        tables = {tag: (offset, length) for tag, offset, length in rows}
        if tables.keys() >= {b"cmap", b"name"}:
            weight, permission, italic = 400, 0, False
            if b"OS/2" in tables:
                weight, permission, selection = struct.unpack(">4xH2xH52xH", _bytes(file, tables[b"OS/2"][0], 64))
                italic = bool(selection & 1)
            family = _family(_bytes(file, *tables[b"name"]))
            embeds = b"glyf" in tables and not tables.keys() & _BITMAPS and not permission & _NO_EMBEDDING
            yield Face(path, index, family, weight, italic, embeds, tables)


def _family(table: bytes) -> str:
    """Its name in English, or whichever comes first."""
    names, texts = struct.unpack_from(">2xHH", table)
    found = {}
    for platform, _, language, name, length, offset in struct.iter_unpack(">6H", table[6 : 6 + 12 * names]):
        if name == 1 and platform in (1, 3):
            text = table[texts + offset : texts + offset + length]
            found[language == 0x409, platform] = text.decode("utf-16-be" if platform == 3 else "latin-1", "replace")
    return found[max(found)] if found else ""


def _characters(cmap: bytes) -> Iterator[tuple[int, int]]:
    """Of its tables, the widest one that is written in a usual way, format 12 or 4: code points and glyphs."""
    (tables,) = struct.unpack_from(">2xH", cmap)
    formats = {}
    for platform, encoding, offset in struct.iter_unpack(">HHI", cmap[4 : 4 + 8 * tables]):
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            formats[struct.unpack_from(">H", cmap, offset)[0]] = offset
    if 12 in formats:
        return _format_12(cmap, formats[12])
    return _format_4(cmap, formats[4]) if 4 in formats else iter(())


def _format_12(cmap: bytes, at: int) -> Iterator[tuple[int, int]]:
    (groups,) = struct.unpack_from(">12xI", cmap, at)
    for start, end, glyph in struct.iter_unpack(">3I", cmap[at + 16 : at + 16 + 12 * groups]):
        skip = 0 if glyph else 1  # glyph 0 is the one for what is missing
        yield from zip(range(start + skip, min(end, 0x10FFFF) + 1), count(glyph + skip), strict=False)


def _format_4(cmap: bytes, at: int) -> Iterator[tuple[int, int]]:
    segments = struct.unpack_from(">6xH", cmap, at)[0] // 2
    words = np.frombuffer(cmap[at : at + (len(cmap) - at) // 2 * 2], ">u2").astype(int)
    ends, starts, deltas, offsets = (words[i : i + segments] for i in (7, *(8 + k * segments for k in (1, 2, 3))))
    for i, (start, end, delta, offset) in enumerate(zip(starts, ends, deltas, offsets, strict=True)):
        codes = np.arange(start, end + 1)
        glyphs = codes
        if offset:
            places = 8 + 3 * segments + i + offset // 2 + codes - start
            glyphs = words[np.minimum(places, len(words) - 1)]
        found = (codes != 0xFFFF) & ((glyphs != 0) | (offset == 0))
        glyphs = (glyphs + delta) & 0xFFFF
        found &= glyphs != 0
        yield from zip(codes[found].tolist(), glyphs[found].tolist(), strict=True)
