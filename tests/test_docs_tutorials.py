"""Tutorials, and the page on models, tell the truth: what they show is what the commands print, in one folder.

Run it to print them anew: `python tests/test_docs_tutorials.py`.
"""

import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

import pytest
from dout_commands import run_dout

HOME = Path(__file__).resolve().parents[1]
PAGES = [*sorted((HOME / "docs" / "tutorials").glob("*.md")), HOME / "docs" / "exporting.md"]
STEP = re.compile(
    r"^```python\n# (?P<file>\w+\.py)\n(?P<source>.*?)```$|^```text\n\$ (?P<command>dout [^\n]*)\n(?P<shown>.*?)```$"
    r"|^```sh\n(?P<timed>dout [^\n]*)\n```$",  # whose output is times
    re.MULTILINE | re.DOTALL,
)
SECONDS = re.compile(r"\d+\.\d+ s\b")
BEGIN, END = "# >>> your lines: backward\n", "        # <<< your lines"


def printed(command, folder):
    """What a command prints where there are 100 columns; stdout first."""
    run = run_dout(*shlex.split(command)[1:], cwd=folder, env={**os.environ, "COLUMNS": "100"}, timeout=600)
    assert run.returncode in (0, 1), run.stderr
    return f"{run.stdout.rstrip()}\n\n{run.stderr}".strip("\n")


def answered(folder, answer):
    """Put an answer between the marks of the sheet that was made last."""
    (sheet,) = (file for file in folder.glob("*.py") if BEGIN in file.read_text(encoding="utf-8"))
    head, _, rest = sheet.read_text(encoding="utf-8").partition(BEGIN)
    sheet.write_text(head + BEGIN + answer + END + rest.partition(END)[2], encoding="utf-8")


def steps(page, folder):
    """Each command of a page with what it shows and what it prints; files are written on the way."""
    for found in STEP.finditer(page.read_text(encoding="utf-8")):
        if found["file"] == "answer.py":
            answered(folder, found["source"])
        elif found["file"]:
            (folder / found["file"]).write_text(found["source"], encoding="utf-8")
        elif found["timed"]:
            printed(found["timed"], folder)
        else:
            yield found["command"], found["shown"].rstrip("\n"), printed(found["command"], folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_shown_is_what_is_printed(page, tmp_path):
    for command, shown, got in steps(page, tmp_path):
        assert SECONDS.sub("… s", got) == SECONDS.sub("… s", shown), command


def test_the_japanese_tutorial_has_the_code_and_the_commands_of_the_english_one():
    def code(name):
        text = (HOME / "docs" / "tutorials" / name).read_text(encoding="utf-8")
        return [m["source"] or m["timed"] or m["command"].removesuffix(" --lang ja") for m in STEP.finditer(text)]

    assert code("slides.ja.md") == code("slides.md")


if __name__ == "__main__":
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            text = page.read_text(encoding="utf-8")
            for command, shown, got in steps(page, Path(folder)):
                old = f"```text\n$ {command}\n{shown}\n```" if shown else f"```text\n$ {command}\n```"
                text = text.replace(old, f"```text\n$ {command}\n{got}\n```")
        page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{page}\n")
