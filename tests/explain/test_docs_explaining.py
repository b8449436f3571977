"""docs/explaining.md tells the truth: what it shows is what the commands print.

Run it to print the page anew: `python tests/explain/test_docs_explaining.py`.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dout.cli import commands
from dout.explain.formats.json_document import to_document
from dout.explain.verb.explanation_files import FORMATS

HOME = Path(__file__).resolve().parents[2]
PAGE = HOME / "docs" / "explaining.md"
COMMAND = re.compile(r"^```text\n\$ (dout (?:explain|derive) [^\n]*)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)```$", re.MULTILINE | re.DOTALL)
COLUMNS = "100"


def printed(command, folder, monkeypatch=None):
    """What a command prints, in a folder with the files of the page."""
    result = CliRunner().invoke(commands, shlex.split(command)[1:], env={"COLUMNS": COLUMNS})
    assert result.exit_code == 0, result.output
    return f"{result.stdout.rstrip()}\n\n{result.stderr}".rstrip()


def with_files(folder, text):
    (folder / "examples").symlink_to(HOME / "examples", target_is_directory=True)
    for name, source in FILE.findall(text):
        (folder / name).write_text(source, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    with_files(folder, PAGE.read_text(encoding="utf-8"))
    return folder


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("command", "shown"), COMMAND.findall(PAGE.read_text(encoding="utf-8")))
def test_what_is_shown_is_what_is_printed(command, shown, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert printed(command, folder) == shown


def test_the_page_shows_layers_loops_and_a_layer_that_holds_others():
    names = {command.rpartition(":")[2].split()[0] for command, _ in COMMAND.findall(PAGE.read_text("utf-8"))}
    assert names == {"Sigmoid", "Relu", "Affine", "SoftmaxWithLoss", "LayerNorm", "MaxPool", "Recurrent", "Residual"}


def test_the_table_has_every_format():
    rows = re.findall(r"^\| `(\.\w+)` \| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(form.kind.suffixes[0], word) for word, form in FORMATS.items()]


def test_the_table_has_every_key_of_the_document():
    from explanations import sigmoid

    table = PAGE.read_text(encoding="utf-8").partition("## The document")[2]
    told = [key for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)]
    assert told == list(to_document(sigmoid()))


if __name__ == "__main__":
    import os
    import tempfile

    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        with_files(Path(place), text)
        os.chdir(place)
        text = COMMAND.sub(lambda block: f"```text\n$ {block[1]}\n{printed(block[1], place)}\n```", text)
    sys.stdout.write(text)
