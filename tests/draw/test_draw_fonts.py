"""Which font sets a character, what stands for one that none has, and text that runs from right to left."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from unicodedata import normalize

import pytest
from draw_fonts import BUNDLED, fonts_for, only
from fontTools.fontBuilder import FontBuilder
from reportlab.pdfbase.ttfonts import TTFontFile

from dout.colours import MONO, SANS
from dout.draw.paint.style import TEXTS, TextStyle
from dout.draw.writers import fonts
from dout.draw.writers.bidi import visual
from dout.draw.writers.fontfile import Face, faces_of
from dout.draw.writers.fonts import Typesetter
from dout.errors import MissingFontWarning

NAME = TEXTS["name"]


def face(family: str, text: str, style: TextStyle = NAME, *, embeds: bool = True) -> Face:
    """A font that says it has these characters and no others."""
    made = Face(Path(family), 0, family, 700 if style.bold else 400, style.italic, embeds)
    made.__dict__["characters"] = dict.fromkeys(map(ord, text), 1)
    return made


def setter_of(monkeypatch: pytest.MonkeyPatch, *faces: Face, embeds: bool = True) -> Typesetter:
    """A typesetter where these fonts are installed."""
    fonts.ranked.cache_clear()
    monkeypatch.setattr(fonts, "installed", lambda places: faces)
    monkeypatch.setattr(fonts, "folders", lambda: (Path(f"test {id(faces)}"),))
    return Typesetter(attrgetter("embeds") if embeds else None)


def chosen(setter: Typesetter, text: str, style: TextStyle = NAME) -> list[tuple[str, str]]:
    return [(face.family if face else "", text) for face, text in setter.runs(text, style)]


# --- font files -------------------------------------------------------------------------------------------------------


def agree(read: Face, theirs: TTFontFile) -> None:
    """The same characters, and each as wide; but reportlab takes the hard space for a space."""
    known = {code: glyph for code, glyph in theirs.charToGlyph.items() if glyph and code != 0xFFFF}
    assert read.characters.keys() ^ known.keys() <= {0xA0}
    for code in read.characters.keys() - {0xA0}:
        assert read.width(chr(code), 1000) == pytest.approx(theirs.charWidths[code], abs=1)


@pytest.mark.parametrize("file", sorted(BUNDLED.glob("Vera*.ttf")), ids=lambda file: file.stem)
def test_a_font_file_is_read_as_reportlab_reads_it(file: Path) -> None:
    (read,) = faces_of(file)
    theirs = TTFontFile(str(file))
    agree(read, theirs)
    assert read.family == "Bitstream Vera Sans"
    assert (read.weight > 400, read.italic) == ("B" in file.stem[4:], "I" in file.stem)
    assert read.embeds


def test_the_truetype_fonts_of_this_machine_are_read_as_reportlab_reads_them() -> None:
    for read in fonts.installed(fonts.folders()):
        if read.family in (*SANS, *MONO, "WenQuanYi Micro Hei") and read.embeds and read.index == 0:
            agree(read, TTFontFile(str(read.path)))


@pytest.mark.parametrize(
    ("family", "seen"),
    [("Vera", True), (".Hidden", False), ("LastResort", False), ("Last Resort High-Efficiency", False)],
)
def test_a_font_that_has_boxes_for_all_characters_is_passed_over(
    family: str, seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "any.ttf").write_bytes(b"")
    monkeypatch.setattr(fonts, "faces_of", lambda file: (face(family, "a"),))
    assert bool(fonts.installed((tmp_path,))) == seen


def test_characters_beyond_16_bits_are_read(tmp_path: Path) -> None:
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "B", "W"])
    font.setupCharacterMap({0x41: ".notdef", 0x42: "B", 0x1D44A: "W"}, allowFallback=True)
    font.setupHorizontalMetrics({".notdef": (500, 0), "B": (600, 0), "W": (900, 0)})
    font.setupNameTable({"familyName": "Tiny"})
    font.font.save(tmp_path / "tiny.ttf")
    (read,) = faces_of(tmp_path / "tiny.ttf")
    assert (read.family, read.weight, read.italic) == ("Tiny", 400, False)
    assert read.characters == {0x42: 0.6, 0x1D44A: 0.9}  # 0x41 has the glyph for what is missing
    assert read.width("B𝑊", 10) == pytest.approx(15)
    assert not read.embeds


@pytest.mark.parametrize("content", [b"", b"no font", b"ttcf\x00\x01\x00\x00\xff\xff\xff\xff", b"\x00\x01\x00\x00\xff"])
def test_what_is_no_font_has_no_fonts(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(content)
    assert faces_of(tmp_path / "broken.ttf") == ()
    assert faces_of(tmp_path / "missing.ttf") == ()


# --- which font -------------------------------------------------------------------------------------------------------


def test_text_is_set_in_the_first_family_and_a_character_it_lacks_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    setter = setter_of(monkeypatch, face("Any Sans", "ax税金"), face("DejaVu Sans", "ax◂"), face("Noto Sans", "ax"))
    assert chosen(setter, "a税金◂x") == [
        ("Noto Sans", "a"), ("Any Sans", "税金"), ("DejaVu Sans", "◂"), ("Noto Sans", "x"),
    ]  # fmt: skip
    assert not setter.missing


def test_bold_italic_and_equally_wide_text_have_fonts_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    styles = [NAME, TEXTS["value"], TEXTS["derived"], TEXTS["head"]]
    families = ["DejaVu Sans", "DejaVu Sans", "DejaVu Sans", "DejaVu Sans Mono"]
    faces = [face(family, "1", style) for family, style in zip(families, styles, strict=True)]
    setter = setter_of(monkeypatch, *faces)
    for style, expected in zip(styles, faces, strict=True):
        assert setter.runs("1", style) == [(expected, "1")]


def test_a_font_that_cannot_go_into_a_document_is_left_to_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = face("Noto Sans CJK JP", "税?", embeds=False), face("Noto Sans", "a?")
    assert chosen(setter_of(monkeypatch, *faces, embeds=False), "税") == [("Noto Sans CJK JP", "税")]
    setter = setter_of(monkeypatch, *faces)
    assert chosen(setter, "税") == [("Noto Sans", "?")]
    with pytest.warns(MissingFontWarning, match="no font that can go into a document has 税: .* fonts-wqy-microhei"):
        setter.warn()


def test_an_accent_stands_on_its_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    setter = setter_of(monkeypatch, face("Noto Sans", "aé\u0308"), face("DejaVu Sans", "x\u0308"))
    assert chosen(setter, "e\u0301x\u0308") == [("Noto Sans", "é"), ("DejaVu Sans", "x\u0308")]


def test_what_no_font_has_is_written_plainer_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    setter = setter_of(monkeypatch, face("Bitstream Vera Sans", "Wabc<?^2x"))
    assert "".join(text for _, text in setter.runs("𝑊 税 ◂ x²".replace(" ", ""), NAME)) == "W?<x^2"
    with pytest.warns(MissingFontWarning, match="no font .* has 𝑊 税 ◂ ²: plainer characters take their place") as said:
        setter.warn()
    for package in ("fonts-dejavu-core", "fonts-dejavu-extra", "fonts-wqy-microhei"):
        assert package in str(said[0].message)


def test_without_any_font_there_is_no_text_and_the_line_stays_short(monkeypatch: pytest.MonkeyPatch) -> None:
    setter = setter_of(monkeypatch)
    assert chosen(setter, "abcdefghijklmnop") == [("", "")]
    with pytest.warns(MissingFontWarning, match=r"has a b c d e f g h …: ") as said:
        setter.warn()
    assert len(str(said[0].message)) < 160


def test_the_font_that_reportlab_brings_along_is_found_last(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fonts.folders()[-1] == BUNDLED
    only(monkeypatch, BUNDLED)
    assert chosen(Typesetter(attrgetter("embeds")), "650 × 1.1") == [("Bitstream Vera Sans", "650 × 1.1")]


def test_a_machine_with_the_fonts_of_ci_lacks_nothing() -> None:
    fonts_for("税金 세금 稅率 の 𝑊 σ ∂ ‖·‖ ◂ ▸ ▾ ✗ ✓ ▲ − × μ Σ ᵀ מחיר السعر ЦЕНА")


# --- right to left ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("apple_num × 2", "apple_num × 2"),
        ("מחיר", "ריחמ"),
        ("price מחיר 12", "price 12 ריחמ"),
        ("מחיר 1,050.5 x", "1,050.5 ריחמ x"),
        ("(מחיר)", "(ריחמ)"),
        ("אב (גד) הו", "וה (דג) בא"),
        ("∂L/∂מחיר = 1.1", "∂L/∂1.1 = ריחמ"),
        ("שָׁלוֹם", "םוֹלשָׁ"),
        ("السَّعر", "\ufeae\ufecc\ufeb4\u064e\u0651\ufedf\ufe8d"),
    ],
)
def test_right_to_left_text_is_set_in_the_order_that_is_seen(text: str, seen: str) -> None:
    assert normalize("NFD", visual(text)) == normalize("NFD", seen)


def test_arabic_letters_join() -> None:
    shown = visual("سلام")
    assert [f"{ord(c):04X}" for c in shown] == ["FEE1", "FEFC", "FEB3"]  # meem alone, lam with alef, seen at the start
    assert normalize("NFKC", shown[::-1]) == "سلام"


def test_a_letter_that_holds_no_hands_ends_the_joining() -> None:
    assert [f"{ord(c):04X}" for c in visual("دب")] == ["FE8F", "FEA9"]
    assert [f"{ord(c):04X}" for c in visual("بد")] == ["FEAA", "FE91"]
