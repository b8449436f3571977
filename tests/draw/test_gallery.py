"""The gallery's figures are what the commands draw today, and its page shows them all."""

import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from dout.cli import commands

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "examples"
GALLERY = PROJECT / "docs" / "gallery"
MAKE = runpy.run_path(str(GALLERY / "make.py"))
TRAINED = runpy.run_path(str(GALLERY / "trained.py"))["TRAINED"]


def written(file: Path) -> list[str]:
    """The texts of an SVG, and where they stand."""
    texts = ET.parse(file).iter("{http://www.w3.org/2000/svg}text")
    return [f"{''.join(text.itertext())} at {text.get('x')}, {text.get('y')}" for text in texts]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("figure", MAKE["FIGURES"])
def test_a_figure_is_what_its_command_draws(figure, tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    _, _, _, *arguments = MAKE["command"](figure, tmp_path)  # python -m dout …
    run = CliRunner().invoke(commands, arguments)
    assert run.exit_code == 0, run.output
    assert written(tmp_path / f"{figure}.svg") == written(GALLERY / f"{figure}.svg")


@pytest.mark.parametrize("figure", TRAINED)
def test_a_trained_net_is_drawn_with_the_layers_of_its_example(figure):
    layers = re.findall(
        r"^(?:net = \[|    |        )\W*([A-Z]\w+)\(", (EXAMPLES / f"{TRAINED[figure]}.py").read_text(), re.MULTILINE
    )
    texts = " ".join(written(GALLERY / f"{figure}.svg"))
    assert layers
    assert all(layer in texts for layer in layers)


def test_the_page_shows_every_figure():
    shown = re.findall(r"\((\S+)\.svg\)", (GALLERY / "README.md").read_text("utf-8"))
    assert sorted(shown) == sorted([*MAKE["FIGURES"], *TRAINED])
    assert {file.stem for file in GALLERY.glob("*.svg")} == set(shown)


@pytest.mark.parametrize("file", sorted(GALLERY.glob("*.svg")), ids=lambda file: file.stem)
def test_a_place_in_a_figure_is_told_from_the_project(file):
    titles = [
        line
        for title in ET.parse(file).iter("{http://www.w3.org/2000/svg}title")
        for line in (title.text or "").split("\n")
    ]
    places = [line for line in titles if re.search(r"\.py:\d+$", line)]
    assert [place for place in places if Path(place.split()[-1]).is_absolute()] == []
