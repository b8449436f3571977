"""`dout show -o FILE` and its options: whole processes, as a person runs them."""

import os
import re
import sys
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner
from show_commands import EXAMPLES, LAYER, dout, refused, script

from dout import load
from dout.cli import commands
from dout.draw.picture.formats import FORMATS

APPLE = EXAMPLES / "buy_apple.py"
STARTS = {
    ".svg": b"<svg",
    ".png": b"\x89PNG",
    ".pdf": b"%PDF-",
    ".html": b"<!doctype html>",
    ".pptx": b"PK",
    ".tex": b"%",
    ".json": b'{"dout": 1',
    ".txt": b" ",
}
RAN = LAYER + "import pathlib\npathlib.Path('ran').touch()\nMulLayer().forward(2, 3)\n"


def words(path):
    return " ".join(ET.parse(path).getroot().itertext())


@pytest.fixture
def shown(tmp_path):
    """Show a script of one multiplication with these options, and return the words of its SVG."""

    def show(*options, target=APPLE):
        run = CliRunner().invoke(commands, ["show", str(target), "-o", str(tmp_path / "fig.svg"), *options])
        assert run.exit_code == 0, run.output
        return words(tmp_path / "fig.svg")

    return show


# --- formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.one_in(4)
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_suffix_names_a_format_and_the_file_is_said(suffix, tmp_path):
    run = dout("show", APPLE, "-o", f"fig{suffix}", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, f"wrote fig{suffix}\n")
    assert (tmp_path / f"fig{suffix}").read_bytes().lower().startswith(STARTS[suffix].lower())
    assert [file.name for file in tmp_path.iterdir()] == [f"fig{suffix}"]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["FIG.SVG", "a b.svg", "図.svg", "-fig.svg"])
def test_odd_names_of_files_are_fine(name, tmp_path):
    assert dout("show", APPLE, "-o", name, cwd=tmp_path).returncode == 0
    ET.parse(tmp_path / name)


def test_steps_are_files_that_are_named_and_nothing_else_is_touched(tmp_path):
    (tmp_path / "fig.svg").write_text("mine")
    run = dout("show", APPLE, "--steps", "-o", "fig.svg", cwd=tmp_path)
    count = len(list(tmp_path.iterdir())) - 1
    assert run.stderr == f"wrote fig-0.svg to fig-{count - 1}.svg, one for each step\n"
    assert (tmp_path / "fig.svg").read_text() == "mine"
    sizes = {ET.parse(tmp_path / f"fig-{i}.svg").getroot().get("viewBox") for i in range(count)}
    assert len(sizes) == 1


def test_steps_are_pages_of_one_file_where_the_format_has_pages(tmp_path):
    run = dout("show", APPLE, "--steps", "-o", "fig.pdf", cwd=tmp_path)
    assert run.stderr == "wrote fig.pdf\n"
    assert (tmp_path / "fig.pdf").read_bytes().count(b"/Type /Page\n") > 3


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_values_gradients_and_digits(shown):
    assert "220" in shown()
    assert "110" not in re.sub(r"gradient 110\S*", "", shown("--no-gradients"))
    assert "◂" not in shown("--no-gradients")
    assert "◂" in shown("--no-values")
    assert "0.2689" in shown("--input", "x=-1.0", target="Sigmoid")
    assert "0.268941421" in shown("--input", "x=-1.0", "--digits", "9", target="Sigmoid")


NESTED = """
class Inner:
    def forward(self, x):
        return x * 2 + 1
    def backward(self, dout):
        return dout * 2

class Outer:
    def __init__(self):
        self.inner = Inner()
    def forward(self, x):
        return self.inner.forward(x) * 3
    def backward(self, dout):
        return self.inner.backward(dout * 3)

outer = Outer()
y = outer.forward(5.0)
"""


def test_layers_open_by_word_by_name_and_down_to_a_depth(shown, tmp_path):
    path = script(tmp_path, NESTED)
    assert "Outer ▸" in shown("--open", "none", target=path)
    assert {"▾ Outer", "▾ Inner"} <= set(re.findall(r"▾ \w+", shown("--open", "all", target=path)))
    assert "▾ Inner" in shown("--open", "Inner", target=path)
    text = shown("--open", "all", "--depth", "1", target=path)
    assert "▾ Outer" in text
    assert "Inner ▸" in text


def test_backward_is_another_picture(shown):
    assert shown("--backward") != shown()


def test_a_theme_and_a_width(tmp_path):
    dark = tmp_path / "dark.svg"
    assert dout("show", APPLE, "-o", dark, "--theme", "dark").returncode == 0
    assert "prefers-color-scheme" not in dark.read_text()
    wide = tmp_path / "wide.pdf"
    assert dout("show", APPLE, "-o", wide, "--width", "85mm").returncode == 0
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", wide.read_bytes())
    assert float(box[1]) == pytest.approx(85 / 25.4 * 72, abs=0.5)


# --- the browser ------------------------------------------------------------------------------------------------------


def quiet():
    """An environment without a display."""
    return {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display_the_page_is_left_and_said(tmp_path):
    run = dout("show", APPLE, "--browser", env={**quiet(), "TMPDIR": str(tmp_path)})
    assert run.returncode == 0
    (page,) = tmp_path.iterdir()
    assert run.stderr == f"there is no display here; the page is {page}\n"
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")


@pytest.mark.skipif(sys.platform != "linux", reason="BROWSER is read there")
def test_the_page_is_opened_in_the_browser(tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/seen\n')
    browser.chmod(0o755)
    run = dout("show", APPLE, "--browser", "-o", tmp_path / "fig.html", env={**quiet(), "BROWSER": str(browser)})
    assert f"opened {tmp_path}/fig.html" in run.stderr
    assert (tmp_path / "seen").read_text() == f"file://{tmp_path}/fig.html\n"


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "fig.gif"], r"fig\.gif: a picture ends in \.svg, "),
        (["-o", "fig"], r"fig: a picture ends in \.svg, "),
        (["-o", "no/fig.svg"], r"no/fig\.svg cannot be written: there is no folder no"),
        (["-o", "folder.svg"], r"folder\.svg cannot be written: it is a folder"),
        (["-o", "x" * 5000 + ".svg"], r"cannot be written: File name too long"),
        (["-o", "fig.txt", "--steps"], r"a \.txt picture has no steps; these have: \.svg, "),
    ],
    ids=["suffix", "no suffix", "no folder", "a folder", "a long name", "no steps"],
)
def test_a_file_that_cannot_be_is_said_before_anything_runs(options, said, tmp_path):
    (tmp_path / "folder.svg").mkdir()
    script(tmp_path, RAN)
    run = dout("show", "mine.py", *options, cwd=tmp_path)
    refused(run, said)
    assert len(run.stderr.splitlines()) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.svg", "mine.py"]


def test_a_layer_that_is_not_there_is_said_with_those_that_are(tmp_path):
    run = dout("show", APPLE, "--open", "Mull", "-o", tmp_path / "fig.svg")
    refused(run, "^dout: there is no layer Mull to open; there are mul_apple_layer, MulLayer, mul_tax_layer$")
    assert not list(tmp_path.iterdir())


@pytest.mark.one_in(2)
@pytest.mark.parametrize("width", ["85", "0mm", "-3mm", "85px", "mm"])
def test_a_width_that_is_none_is_said(width):
    run = dout("show", APPLE, "-o", "fig.svg", f"--width={width}")
    assert run.returncode == 2
    assert "is no length; write 85mm, 8.5cm or 3.3in" in run.stderr


def test_steps_need_a_file():
    assert "--steps needs a file to write: add -o FILE" in dout("show", APPLE, "--steps").stderr


def test_the_help_names_every_format_and_option():
    text = dout("show", "--help").stdout
    assert all(suffix in text for suffix in FORMATS)
    for option in ("--open", "--depth", "--steps", "--digits", "--backward", "--theme", "--width", "--browser"):
        assert option in text


ODD = {
    "one node": "MulLayer().forward(2.0, 3.0)",
    "parts that are not connected": "MulLayer().forward(2.0, 3.0)\nMulLayer().forward(4.0, 5.0)",
    "a long name": f"{'long_' * 2000} = 2.0\nMulLayer().forward({'long_' * 2000}, 3.0)",
    "right to left": "מחיר = 2.0\nمبلغ = 3.0\nMulLayer().forward(מחיר, مبلغ)",
    "wide characters": "価格 = 2.0\n数量 = 3.0\nMulLayer().forward(価格, 数量)",
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("what", ODD)
def test_odd_graphs_are_drawn_in_every_format(what, tmp_path):
    path = script(tmp_path, LAYER + ODD[what] + "\n")
    assert dout("show", path, "-o", "fig.json", cwd=tmp_path).returncode == 0
    picture = load(tmp_path / "fig.json").draw()
    for suffix in FORMATS:
        (file,) = picture.save(tmp_path / f"fig{suffix}")
        assert 0 < file.stat().st_size < 1_000_000


@pytest.mark.long
def test_a_table_of_layers_takes_the_place_of_the_picture(tmp_path):
    told = dout("show", EXAMPLES / "recurrent.py", "--summary")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[0].split()[:2] == ["layer", "shape"]
    assert any(line.startswith("together") for line in told.stdout.splitlines())
    both = dout("show", EXAMPLES / "recurrent.py", "--summary", "-o", tmp_path / "loop.svg")
    assert (both.stdout, (tmp_path / "loop.svg").exists()) == (told.stdout, True)
    plain = dout("show", EXAMPLES / "recurrent.py", "--summary", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert plain.stdout.isascii()
    assert dout("show", EXAMPLES / "boolean_mask.py", "--summary").stdout.endswith("no layer was called\n\n")
