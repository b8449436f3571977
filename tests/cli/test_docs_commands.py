"""Every command that README.md or a page of docs/ shows is one that `dout` takes, with options and choices it has."""

import re
import shlex
from pathlib import Path

import click
import pytest

from dout.cli import commands

HOME = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(?:sh|shell|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(?:\S*/)?(dout [\w-]+(?: [^\n]*)?)$", re.MULTILINE)  # and not what one prints
PAGES = [HOME / "README.md", *sorted((HOME / "docs").rglob("*.md"))]
SHOWN = [
    pytest.param(shown[1], id=f"{page.relative_to(HOME)}: {shown[1]}")
    for page in PAGES
    for block in BLOCK.finditer(page.read_text(encoding="utf-8"))
    for shown in COMMAND.finditer(block[1])
]


@pytest.mark.parametrize("shown", SHOWN)
def test_a_command_of_a_page_is_taken(shown):
    _, *words = shlex.split(re.split(r" [|>] ", shown)[0], comments=True)
    command: click.Command = commands
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("dout", words)


def test_there_are_many():
    assert len(SHOWN) > 80
