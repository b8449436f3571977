"""The gallery's figures are what the commands draw today, and its page shows them all."""

import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from dout.cli import commands

PROJECT = Path(__file__).parents[2]
GALLERY = PROJECT / "docs" / "gallery"
MAKE = runpy.run_path(str(GALLERY / "make.py"))


def written(file: Path) -> list[str]:
    """The texts of an SVG, and where they stand."""
    texts = ET.parse(file).iter("{http://www.w3.org/2000/svg}text")
    return [f"{''.join(text.itertext())} at {text.get('x')}, {text.get('y')}" for text in texts]


@pytest.mark.parametrize("figure", MAKE["FIGURES"])
def test_a_figure_is_what_its_command_draws(figure, tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    _, _, _, *arguments = MAKE["command"](figure, tmp_path)  # python -m dout …
    run = CliRunner().invoke(commands, arguments)
    assert run.exit_code == 0, run.output
    assert written(tmp_path / f"{figure}.svg") == written(GALLERY / f"{figure}.svg")


def test_the_page_shows_every_figure():
    shown = re.findall(r"\((\S+)\.svg\)", (GALLERY / "README.md").read_text("utf-8"))
    assert sorted(shown) == sorted(MAKE["FIGURES"])
    assert {file.stem for file in GALLERY.glob("*.svg")} == set(shown)
