"""Pictures as PNG and PDF: what is read again from the files is what was drawn."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from pathlib import Path as File

import pytest
from click.testing import CliRunner
from draw_fonts import BUNDLED, fonts_for, only
from draw_traces import branch, buy_fruits, given, one_layer, trace_of, user
from PIL import Image
from pypdf import PdfReader

from dout.cli import commands
from dout.colours import PALETTES
from dout.draw import draw
from dout.draw.paint.display_list import Circle, Drawing, Rect, Shape, Text, line
from dout.draw.paint.style import TEXTS, palette_of
from dout.draw.picture import formats
from dout.draw.view_options import Look, Theme
from dout.draw.writers import pdf, png
from dout.draw.writers.fonts import Typesetter
from dout.errors import MissingFontWarning, TargetError
from dout.trace.record.trace import Trace

NAMES = ("税金", "세금", "稅率", "𝑊", "σ", "の")
THEMES: tuple[Theme, ...] = ("auto", "light", "dark", "print")


def named(*names: str) -> Trace:
    """A trace of one input for each name."""
    nodes = [given() for _ in names]
    numbered = dict(zip(nodes, range(1, 100), strict=False))
    return trace_of(
        nodes, numbered, names=dict(zip(nodes, names, strict=True)), gradients={node: user(2.5) for node in nodes}
    )


def words(shapes: tuple[Shape, ...]) -> Counter[str]:
    return Counter(word for shape in shapes if isinstance(shape, Text) for word in shape.text.split())


def pages(content: bytes) -> list[Counter[str]]:
    """The words on every page."""
    return [Counter(page.extract_text().split()) for page in PdfReader(BytesIO(content)).pages]


def image(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content)).convert("RGB")


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def of_texts(*texts: str, size: float = 100) -> Drawing:
    return Drawing(size, size, tuple(Text(10, 20 + 20 * i, text, "name") for i, text in enumerate(texts)))


# --- PDF --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trace", [buy_fruits(), one_layer(), branch(wrong=True)], ids=["fruits", "layer", "wrong"])
def test_every_text_of_the_picture_can_be_read_in_the_pdf(trace: Trace) -> None:
    fonts_for("◂ ▾ ✗ ▲ −")
    drawing = draw(trace).drawing
    assert pages(pdf.write([drawing], Look())) == [words(drawing.shapes)]


def test_names_in_any_script_can_be_read_in_the_pdf() -> None:
    fonts_for(" ".join(NAMES))
    (read,) = pages(pdf.write([draw(named(*NAMES)).drawing], Look()))
    assert set(NAMES) <= set(read)


def test_right_to_left_names_can_be_read_in_the_pdf() -> None:
    fonts_for("מחיר السعر")
    (read,) = pages(pdf.write([draw(named("מחיר", "السعر")).drawing], Look()))
    assert {"מחיר", "السعر"} <= set(read)


def test_every_font_goes_along_with_the_pdf() -> None:
    for page in PdfReader(BytesIO(pdf.write(draw(one_layer()).frames, Look()))).pages:
        for font in page["/Resources"]["/Font"].values():
            assert "/FontFile2" in font.get_object()["/FontDescriptor"]


def test_each_step_is_a_page_of_the_same_size() -> None:
    picture = draw(buy_fruits())
    content = pdf.write(picture.frames, Look())
    assert len(pages(content)) == len(picture.frames) == 1 + len(picture.scene.steps())
    assert pages(content) == [words(frame.shapes) for frame in picture.frames]
    assert len({tuple(page.mediabox) for page in PdfReader(BytesIO(content)).pages}) == 1
    assert len(PdfReader(BytesIO(content)).outline) == len(picture.frames)


@pytest.mark.parametrize(("width", "expected"), [(None, 75.0), (85.0, 85 / 25.4 * 72)])
def test_a_page_is_as_large_as_its_drawing_or_as_wide_as_asked(width: float | None, expected: float) -> None:
    (page,) = PdfReader(BytesIO(pdf.write([Drawing(100, 40, ())], Look(width=width)))).pages
    assert float(page.mediabox.width) == pytest.approx(expected, abs=0.01)
    assert float(page.mediabox.height) == pytest.approx(0.4 * expected, abs=0.01)


def test_a_page_is_never_larger_than_readers_take() -> None:
    (page,) = PdfReader(BytesIO(pdf.write([Drawing(10**6, 10**5, ())], Look()))).pages
    assert (float(page.mediabox.width), float(page.mediabox.height)) == (14400, 1440)


def test_the_pdf_is_the_same_at_every_run() -> None:
    assert pdf.write(draw(buy_fruits()).frames, Look()) == pdf.write(draw(buy_fruits()).frames, Look())


def test_the_pdf_draws_each_shape_with_the_paint_of_its_style() -> None:
    shapes = (Rect(10, 10, 30, 20, "open", 4), Circle(60, 20, 8, "dot"), line((0, 40), (90, 40), style="thick"))
    (page,) = PdfReader(BytesIO(pdf.write([Drawing(100, 50, shapes)], Look(theme="dark")))).pages
    drawn = page.get_contents().get_data().decode("latin-1")
    for colour, operator in (("panel", "rg"), ("quiet", "RG"), ("ink", "rg"), ("ink", "RG"), ("paper", "rg")):
        numbers = " ".join(f"{part / 255:.6f}".strip("0") for part in rgb(PALETTES["dark"][colour]))
        assert f"{numbers} {operator}" in drawn, colour
    assert "[5 4] 0 d" in drawn
    assert "3 w" in drawn


def test_letters_swell_and_lean_where_no_font_of_theirs_does(monkeypatch: pytest.MonkeyPatch, tmp_path: File) -> None:
    (tmp_path / "Vera.ttf").write_bytes((BUNDLED / "Vera.ttf").read_bytes())
    for folder, by_hand in ((BUNDLED, False), (tmp_path, True)):
        only(monkeypatch, folder)
        bold, leaning = Text(0, 10, "12", "value"), Text(0, 30, "12", "derived")
        (page,) = PdfReader(BytesIO(pdf.write([Drawing(50, 50, (bold, leaning))], Look()))).pages
        drawn = page.get_contents().get_data().decode("latin-1")
        assert ("2 Tr" in drawn) == by_hand
        assert ("1 0 .2 -1 0 30 Tm" in drawn) == by_hand


def test_a_font_that_is_broken_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: File) -> None:
    whole = (BUNDLED / "Vera.ttf").read_bytes()
    (tmp_path / "Broken.ttf").write_bytes(whole.replace(b"loca", b"lost", 1))
    (tmp_path / "Whole.ttf").write_bytes(whole)
    only(monkeypatch, tmp_path)
    assert pages(pdf.write([of_texts("650")], Look())) == [Counter(["650"])]


# --- PNG --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "pixels", "dpi"), [(None, (200, 80), 192), (85.0, (1004, 402), 300)])
def test_a_png_has_twice_the_pixels_or_300_to_the_inch_and_says_so(
    width: float | None, pixels: tuple[int, int], dpi: int
) -> None:
    made = Image.open(BytesIO(png.write([Drawing(100, 40, ())], Look(width=width))[0]))
    assert made.size == pixels
    assert made.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)


@pytest.mark.parametrize("theme", THEMES)
def test_a_png_shows_the_picture_on_the_paper_of_its_theme(theme: Theme) -> None:
    drawing = draw(buy_fruits()).drawing
    made = image(png.write([drawing], Look(theme))[0])
    palette = palette_of(theme)
    assert made.getpixel((0, 0)) == rgb(palette["paper"])
    colours = {colour for _, colour in made.getcolors(10**6) or []}
    assert {rgb(palette[name]) for name in ("ink", "value", "gradient")} <= colours
    circle = next(shape for shape in drawing.shapes if isinstance(shape, Circle))
    edge = made.getpixel((round(2 * (circle.x - circle.radius)), round(2 * circle.y)))
    assert edge == rgb(palette["ink"])


@pytest.mark.parametrize("name", [*NAMES, "מחיר", "السعر"])
def test_a_png_shows_names_in_any_script_each_its_own_way(name: str) -> None:
    fonts_for(name)
    shown, other, blank = (png.write([of_texts(text)], Look())[0] for text in (name, "?" * len(name), ""))
    assert len({shown, other, blank}) == 3


def test_a_character_of_another_font_is_shown_beside_letters_that_join() -> None:
    """In "fi" two letters become one glyph, and a search for fonts that counts glyphs goes wrong."""
    fonts_for("税")
    alone, beside = (image(png.write([of_texts(text)], Look())[0]) for text in ("税", "税fi"))
    width = round(2 * (10 + 13.5))
    assert alone.crop((0, 0, width, 60)).tobytes() == beside.crop((0, 0, width, 60)).tobytes()


def test_letters_keep_their_font_beside_a_character_whose_font_has_letters_too() -> None:
    """Bold says that it is a value: one sign of another font must not make a number thin."""
    fonts_for("𝑊")
    alone, beside = (
        image(png.write([Drawing(100, 40, (Text(90, 20, text, "value", "end"),))], Look())[0]) for text in ("12", "𝑊12")
    )
    width = round(Typesetter().runs("12", TEXTS["value"])[0][0].width("12", TEXTS["value"].size))  # type: ignore[union-attr]
    box = (2 * (90 - width), 0, 200, 80)
    assert alone.crop(box).tobytes() == beside.crop(box).tobytes()


def test_a_space_between_two_fonts_stays() -> None:
    fonts_for("税")
    apart, together = (png.write([of_texts(text)], Look())[0] for text in ("税 l", "税l"))
    assert apart != together


def test_each_step_is_a_png_of_the_same_size(tmp_path: File) -> None:
    picture = draw(buy_fruits())
    files = picture.save(tmp_path / "fruits.png", steps=True)
    assert len(files) == len(picture.frames)
    assert len({image(file.read_bytes()).size for file in files}) == 1
    assert len({file.read_bytes() for file in files}) == len(files)


def test_more_pixels_than_a_machine_can_hold_are_refused_with_what_to_do() -> None:
    with pytest.raises(TargetError, match=r"are too many for a PNG: write \.svg or \.pdf, or give a smaller width"):
        png.write([Drawing(10**6, 10**5, ())], Look())
    assert image(png.write([Drawing(10**6, 10**5, ())], Look(width=85))[0]).size == (1004, 101)


def test_letters_swell_and_lean_in_a_png_too(monkeypatch: pytest.MonkeyPatch, tmp_path: File) -> None:
    (tmp_path / "Vera.ttf").write_bytes((BUNDLED / "Vera.ttf").read_bytes())
    only(monkeypatch, tmp_path)
    ink = []
    for style in ("gradient", "derived", "wrong"):  # of one size: plain, italic, bold
        made = image(png.write([Drawing(40, 20, (Text(5, 15, "l", style),))], Look(theme="print"))[0]).convert("L")
        dark = [x for x in range(80) for y in range(40) if made.getpixel((x, y)) < 128]  # type: ignore[operator]
        ink.append((len(dark), max(dark) - min(dark)))
    (plain, upright), (_, leaning), (bold, _) = ink
    assert bold > plain
    assert leaning > upright


# --- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
@pytest.mark.parametrize("trace", [trace_of([], {}), named("x"), named("n" * 10**4)], ids=["empty", "one", "long"])
def test_a_picture_of_little_or_of_long_names_is_written(trace: Trace, suffix: str, tmp_path: File) -> None:
    (file,) = draw(trace).save(tmp_path / f"out{suffix}")
    assert file.stat().st_size > 500


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_without_the_fonts_a_picture_is_written_and_says_so(
    suffix: str, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, lacks in ((BUNDLED, "has 税 金 ◂ 𝑊: "), (tmp_path, r"has 税 金 1 ◂ 2 \. 5 𝑊: ")):
        only(monkeypatch, folder)
        with pytest.warns(MissingFontWarning, match=lacks):
            (file,) = draw(named("税金", "𝑊")).save(tmp_path / f"out{suffix}")
        assert file.stat().st_size > 500


def test_where_there_is_only_the_bundled_font_marks_are_plain_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, BUNDLED)
    with pytest.warns(MissingFontWarning, match="fonts-dejavu-core"):
        (read,) = pages(pdf.write([draw(named("𝑊")).drawing], Look()))
    assert read == Counter(["W", "1", "<", "2.5"])


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_the_command_says_it_in_one_line(suffix: str, tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, BUNDLED)
    (tmp_path / "mine.py").write_text("def double(税金):\n    return 税金 * 2.0\n", encoding="utf-8")
    out = tmp_path / f"out{suffix}"
    run = CliRunner().invoke(commands, ["show", f"{tmp_path / 'mine.py'}:double", "-o", str(out), "--steps"])
    assert run.exit_code == 0
    said = [text for text in run.output.splitlines() if not text.startswith(("wrote ", "dout chose"))]
    assert [text.partition(" has ")[0].partition(" that ")[0] for text in said] == [
        "dout: no font" + " here" * (suffix == ".png")
    ]


@pytest.mark.parametrize(("suffix", "package"), [(".png", "resvg-py"), (".pdf", "reportlab"), (".pptx", "python-pptx")])
def test_a_missing_package_is_named_with_how_to_get_it(
    suffix: str, package: str, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(TargetError, match=rf"a \{suffix} picture needs {package}: pip install 'dout\[draw\]'"):
        draw(named("x")).save(tmp_path / f"out{suffix}")


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_a_path_that_cannot_be_written_is_named(suffix: str, tmp_path: File) -> None:
    with pytest.raises(TargetError, match=r"nowhere/out.* cannot be written: there is no folder"):
        draw(named("x")).save(tmp_path / "nowhere" / f"out{suffix}")
