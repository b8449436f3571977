"""docs/classroom.md tells the truth: its commands run, and print what it shows."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from dout.cli import commands
from dout.exercise.sheet import Sheet

PAGE = (Path(__file__).parents[2] / "docs" / "classroom.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
SHELL = [line for block in BLOCKS for line in block.splitlines() if not line.startswith("#")]
SHOWN = dict(re.findall(r"```text\n\$ (dout [^\n]*)\n(.*?)```", PAGE, re.DOTALL))
ANSWERS = {
    "relu.py": ["dout[self.mask] = 0\nreturn dout"],
    "steps.py": ["return -dout / self.c**2", "return dout", "return dout * self.a", "return -dout", "return dout"],
}
LAYERS = f"""import numpy as np
{"#" * 80}
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW, self.db = None, None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
{chr(10) * 18}
    def backward(self, dout):
        dx = dout @ self.W.T
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dx
"""


def ran(command):
    """What a command prints."""
    result = CliRunner().invoke(commands, shlex.split(command)[1:])
    assert result.exit_code in (0, 1), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the commands of the page have run, but the hints; and the files that they made."""
    here = tmp_path_factory.mktemp("classroom")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        (here / "layers.py").write_text(LAYERS, encoding="utf-8")
        made = {}
        for command in (line for line in SHELL if " hint " not in line):
            ran(f"{command} --force" if " make " in command else command)
            made.update({file.name: file.read_text(encoding="utf-8") for file in here.glob("*.*")})
        yield here


def test_the_page_has_commands_for_each_part():
    assert {command.split()[2] for command in SHELL} == {"list", "make", "hint"}
    assert {command.split()[2] for command in SHOWN} == {"try"}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("command", SHOWN)
def test_what_is_shown_is_what_is_printed(folder, command, monkeypatch):
    monkeypatch.chdir(folder)
    file = folder / command.split()[-1]
    sheet = Sheet.of_file(file)
    text = sheet.text
    for answer, lines in zip(sheet.answers, ANSWERS[file.name], strict=True):
        text = text.replace(answer.text, textwrap.indent(f"{lines}\n", " " * 8))
    file.write_text(text, encoding="utf-8")
    assert ran(command).rstrip() == SHOWN[command].rstrip()


def test_the_lines_that_are_chosen_are_those_that_are_asked(folder):
    (chosen,) = (command for command in SHELL if "--lines" in command)
    assert "31-33" in chosen
    sheet = Sheet.of_file(folder / "sheet.py")
    assert "return dx" in sheet.text
    assert "self.x.T" not in sheet.text


@pytest.mark.parametrize("command", [command for command in SHELL if " hint " in command])
def test_each_hint_is_printed(folder, command, monkeypatch):
    monkeypatch.chdir(folder)
    assert "Relu" in ran(command)
