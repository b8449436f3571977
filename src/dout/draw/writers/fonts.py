"""Fonts for backends that set text themselves: for every character one that has it, of those that are installed.

First come the families that the SVG names, then those known to hold what these lack, then whatever else there is; a
character that no font has is written with plainer ones, and the reader is told which font to install.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from unicodedata import combining, decomposition, normalize

from dout.colours import MONO, SANS
from dout.draw.paint.style import TextStyle
from dout.draw.words.safe_text import PLAIN
from dout.draw.writers.fontfile import Face, faces_of
from dout.errors import MissingFontWarning

# Families with the characters that those of the SVG lack, and the one that reportlab brings along.
_OTHERS = (
    "Liberation Sans", "Yu Gothic", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Noto Sans Math",
    "Noto Sans Symbols", "Noto Sans Symbols2", "DejaVu Math TeX Gyre", "Cambria Math", "Bitstream Vera Sans",
)  # fmt: skip

# Families that have boxes for all characters, or that a system keeps for itself.
_HIDDEN = re.compile(r"\.|Last ?Resort|Adobe (Blank|NotDef)", re.IGNORECASE)

# The package of Debian's that has a font for a character, by ranges of code points; for all others _ELSE.
_PACKAGES = (
    (0x0000, 0x06FF, "fonts-dejavu-core"),
    (0x1E00, 0x2BFF, "fonts-dejavu-core"),
    (0x2E80, 0x9FFF, "fonts-wqy-microhei"),
    (0xAC00, 0xD7FF, "fonts-wqy-microhei"),
    (0xF900, 0xFAFF, "fonts-wqy-microhei"),
    (0xFE30, 0xFE4F, "fonts-wqy-microhei"),
    (0xFF00, 0xFFEF, "fonts-wqy-microhei"),
    (0x1D400, 0x1D7FF, "fonts-dejavu-extra"),
    (0x1F000, 0x1FAFF, "fonts-symbola"),
    (0x20000, 0x3FFFF, "fonts-hanazono"),
)
_ELSE = "fonts-noto-core"
_SHAPES = range(0xFB50, 0xFF00)  # a letter's shape in its place; the letter itself will do
SLANT, THICKER, _SEMIBOLD = 0.2, 0.03, 600
_NAMED = 8  # missing characters that are named, at most


def folders() -> tuple[Path, ...]:
    """The folders of fonts on this system, then the folder of the font that reportlab brings along."""
    home, data = Path("~").expanduser(), os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    found = [Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "fonts", home / ".fonts"]
    found += [Path(folder) / "fonts" for folder in data.split(os.pathsep)]
    found += [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    found += [Path(os.environ[name]) / "Fonts" for name in ("WINDIR",) if name in os.environ]
    found += [Path(os.environ[name]) / "Microsoft/Windows/Fonts" for name in ("LOCALAPPDATA",) if name in os.environ]
    reportlab = find_spec("reportlab")
    if reportlab is not None and reportlab.origin:
        found.append(Path(reportlab.origin).parent / "fonts")
    return tuple(found)


@cache
def installed(places: tuple[Path, ...]) -> tuple[Face, ...]:
    """Every font in these folders and the folders in them."""
    files = [
        Path(folder, name)
        for place in places
        for folder, _, names in os.walk(place)
        for name in names
        if name.lower().endswith((".ttf", ".ttc", ".otf", ".otc"))
    ]
    found = (face for file in sorted(files) for face in faces_of(file))
    return tuple(face for face in found if not _HIDDEN.match(face.family))


@cache
def ranked(places: tuple[Path, ...], style: TextStyle) -> tuple[Face, ...]:
    """The fonts that could set a style, the best first."""
    families = {family: i for i, family in enumerate((*(MONO if style.mono else ()), *SANS, *_OTHERS))}
    weight = 700 if style.bold else 400

    def rank(face: Face) -> tuple[object, ...]:
        listed = families.get(face.family, len(families) + ("sans" not in face.family.lower()))
        return listed, face.italic != style.italic, abs(face.weight - weight), face.family, face.path, face.index

    return tuple(sorted(installed(places), key=rank))


class Typesetter:
    """Chooses fonts for the texts of a document, and remembers those it used and the characters that none has.

    `embeds` says which fonts can go into the document, where they must.
    """

    def __init__(self, embeds: Callable[[Face], bool] | None = None) -> None:
        self.embeds = embeds
        self.places = folders()
        self.used: dict[Face, None] = {}
        self.missing: dict[str, None] = {}
        self._chosen: dict[tuple[TextStyle, str], tuple[Face | None, str]] = {}

    def first(self, style: TextStyle) -> Face | None:
        """The best font for a style that has the characters; None if there is none."""
        return next((face for face in ranked(self.places, style) if self._takes(face)), None)

    def runs(self, text: str, style: TextStyle) -> list[tuple[Face | None, str]]:
        """`text` in pieces, each with a font that has all of it; without a font there is nothing but None."""
        pieces: list[tuple[Face | None, str]] = []
        for character in normalize("NFC", text):
            before = pieces[-1][0] if pieces else None
            if combining(character) and before is not None and before.has(character):
                pieces.append((before, character))  # an accent stands on the letter before it
            else:
                pieces.append(self._choose(character, style))
        runs = [(face, "".join(c for _, c in piece)) for face, piece in groupby(pieces, key=lambda piece: piece[0])]
        self.used |= dict.fromkeys(face for face, _ in runs if face is not None)
        return runs

    def warn(self) -> None:
        """Warn of the characters that no font has, and name the packages to install."""
        if self.missing:
            warnings.warn(_line(list(self.missing), self.embeds is not None), MissingFontWarning, stacklevel=2)

    def _takes(self, face: Face) -> bool:
        return self.embeds is None or self.embeds(face)

    def _choose(self, character: str, style: TextStyle) -> tuple[Face | None, str]:
        key = style, character
        if key not in self._chosen:
            self._chosen[key] = self._found(character, style)
        return self._chosen[key]

    def _found(self, character: str, style: TextStyle) -> tuple[Face | None, str]:
        same = (character, normalize("NFD", character))
        for text in (*same, *_plainer(character)):
            for face in ranked(self.places, style):
                if face.has(text) and self._takes(face):
                    if text not in same and ord(character) not in _SHAPES:
                        self.missing[character] = None
                    return face, text
        if not character.isspace():
            self.missing[character] = None
        return None, ""


def leans(face: Face, style: TextStyle) -> bool:
    """True if the style is italic and the font is not: its letters are then slanted, by SLANT."""
    return style.italic and not face.italic


def swells(face: Face, style: TextStyle) -> bool:
    """True if the style is bold and the font is not: its letters then get an outline, THICKER of their size."""
    return style.bold and face.weight < _SEMIBOLD


def _plainer(character: str) -> Iterator[str]:
    """The substitutes for a character: the same letter in another form, plain ASCII, a question mark."""
    if not decomposition(character).startswith(("<super>", "<sub>", "<fraction>")):  # x² is not x2
        yield normalize("NFKC", character)
    yield PLAIN.get(character, "?")
    yield "?"


def _line(missing: list[str], embeds: bool) -> str:
    packages = sorted({_package(character) for character in missing})
    named = " ".join(missing[:_NAMED]) + (" …" if len(missing) > _NAMED else "")
    fonts = "no font that can go into a document" if embeds else "no font here"
    return f"{fonts} has {named}: plainer characters take their place; on Debian install {' '.join(packages)}"


def _package(character: str) -> str:
    code = ord(character)
    return next((package for first, last, package in _PACKAGES if first <= code <= last), _ELSE)
