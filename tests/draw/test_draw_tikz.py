r"""The picture as TeX: text prints as it is and does nothing, and the file compiles alone and inside a paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from draw_traces import HOSTILE, branch, buy_fruits, hostile, one_layer

from dout.draw import draw
from dout.draw.paint.display_list import Drawing, Text
from dout.draw.view_options import Look
from dout.draw.writers.tikz import tex, write_tikz
from dout.errors import TargetError

PRINTS = {"\\" + c for c in "{}$%#&_"} | {
    r"\textbackslash", r"\textless", r"\textgreater", r"\textquotesingle", r"\textasciitilde", r"\textasciicircum",
    r"\char", r"\ldots", r"\doutother",
}  # fmt: skip


def body(source: str) -> str:
    return source[source.index(r"\begin{tikzpicture}") : source.index(r"\end{tikzpicture}")]


def commands(source: str) -> set[str]:
    return set(re.findall(r"\\(?:[A-Za-z]+|.)", source))


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_becomes_a_command(kind: str) -> None:
    plain, source = (body(write_tikz(draw(hostile(text), open="all").drawing)) for text in ("x", HOSTILE[kind]))
    letters = {
        r"\textbackslash",
        r"\textless",
        r"\textgreater",
        r"\textquotesingle",
        r"\char",
        r"\ldots",
        r"\doutother",
    }
    letters |= {r"\textasciitilde", r"\textasciicircum"}
    assert commands(source) - commands(plain) <= PRINTS | letters
    assert "^^" not in source


@pytest.mark.parametrize("kind", HOSTILE)
def test_braces_are_balanced_and_nothing_is_a_comment(kind: str) -> None:
    source = re.sub(r"\\[{}%$#&_\\]", "", body(write_tikz(draw(hostile(HOSTILE[kind]), open="all").drawing)))
    depth = 0
    for character in source:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert "%" not in source
    assert source.count("$") % 2 == 0
    assert source.isprintable() or source.replace("\n", "").isprintable()


def test_the_title_stays_in_its_comment() -> None:
    source = write_tikz(Drawing(10, 10, (), title="a\n\\input{x}\rb"))
    assert source.startswith("% a \\textbackslash{}input\\{x\\} b\n")


def test_letters_of_every_script_are_kept() -> None:
    assert tex("Größe −3×β") == r"Größe $-$3$\times$$\beta$"
    assert tex("税") == r"\doutother{税}"
    assert "fontspec" in write_tikz(Drawing(50, 20, (Text(0, 9, "税", "name"),)))
    assert "fontspec" not in write_tikz(draw(buy_fruits()).drawing)


def test_two_hyphens_stay_two() -> None:
    assert tex("--x,,") == "-{}-{}x,{},{}"


def test_a_width_is_the_width_on_paper_and_scales_text_with_it() -> None:
    drawing = draw(one_layer()).drawing
    source = write_tikz(drawing, Look(width=85))
    right = re.search(r"\(0,0\) rectangle \(([\d.]+),", source)
    assert right is not None
    assert float(right[1]) == pytest.approx(85 / 25.4 * 72, abs=0.01)
    sizes = [float(size) for size in re.findall(r"\\fontsize\{([\d.]+)\}", source)]
    assert max(sizes) == pytest.approx(18 * 85 / 25.4 * 72 / drawing.width, abs=0.01)


def test_colours_are_those_of_the_theme() -> None:
    assert r"\definecolor{dout-value}{HTML}{6DB7FF}" in write_tikz(draw(one_layer()).drawing, Look("dark"))
    assert r"\definecolor{dout-value}{HTML}{0072B2}" in write_tikz(draw(one_layer()).drawing, Look("auto"))


def test_a_picture_wider_than_tex_can_count_is_refused_with_what_to_do() -> None:
    with pytest.raises(TargetError, match="--width"):
        write_tikz(Drawing(30_000, 10, ()))
    assert "tikzpicture" in write_tikz(Drawing(30_000, 10, ()), Look(width=180))


def test_steps_are_a_file_each(tmp_path: Path) -> None:
    picture = draw(buy_fruits())
    files = picture.save(tmp_path / "fruits.tex", steps=True)
    assert [file.name for file in files] == [f"fruits-{i}.tex" for i in range(9)]
    assert "backward" not in files[0].read_text(encoding="utf-8")
    assert "backward" in files[8].read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX here")
def test_it_compiles_alone_and_in_a_paper(tmp_path: Path) -> None:
    text = "".join(map(chr, range(32, 127))) + "".join(HOSTILE["tex"]) + "−∂◂▸▾▲✗✓…ᵀβ税"
    picture = write_tikz(Drawing(2000, 40, (Text(9, 20, text, "name"), *draw(branch(wrong=True)).drawing.shapes)))
    (tmp_path / "picture.tex").write_text(picture, encoding="utf-8")
    paper = (
        r"\documentclass{article}\usepackage{tikz,amssymb}\begin{document}\input{picture}\input{picture}\end{document}"
    )
    (tmp_path / "paper.tex").write_text(paper, encoding="utf-8")
    if subprocess.run(["kpsewhich", "standalone.cls", "tikz.sty"], capture_output=True, check=False).returncode:
        pytest.skip("TeX without standalone or TikZ")
    for name in ("picture", "paper"):
        run = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout[-1500:].decode(errors="replace")
        assert (tmp_path / f"{name}.pdf").exists()
