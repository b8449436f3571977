"""docs/drawing.md and README.md tell the truth: commands run, the table is that of formats, pictures are printed."""

import os
import re
import shlex

import pytest
from show_commands import HOME, dout

from dout.draw.picture.formats import FORMATS
from dout.errors import EXTRAS

TEXT = (HOME / "docs" / "drawing.md").read_text(encoding="utf-8")
README = (HOME / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT + README, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("dout ")]
QUIET = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    (folder / "examples").symlink_to(HOME / "examples", target_is_directory=True)
    return folder


@pytest.mark.one_in(2)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command, folder):
    run = dout(*shlex.split(command)[1:], cwd=folder, env={**QUIET, "TMPDIR": str(folder)})
    assert run.returncode == 0, run.stderr


def test_every_option_of_a_picture_has_a_command():
    options = set(re.findall(r"^  (?:-o, )?(--[a-z-]+)", dout("show", "--help").stdout, re.MULTILINE))
    options |= {"-o", "--no-values", "--no-gradients"}
    others = {"--output", "--values", "--gradients", "--init", "--json", "--round", "--timeout", "--help", "--force"}
    said = {word for command in COMMANDS for word in command.split() if word.startswith("-")}
    assert options - others - said == set()


def test_the_table_has_every_format_with_its_steps_and_what_it_needs():
    rows = re.findall(r"^\| `(\.\w+)` \| .*? \| ([^|]*)\|([^|]*)\|$", TEXT, re.MULTILINE)
    assert {suffix for suffix, _, _ in rows} == FORMATS.keys()
    for suffix, steps, needs in rows:
        form = FORMATS[suffix]
        assert bool(steps.strip()) == form.steps
        extras = {f"dout[{EXTRAS[module][1]}]" for module in form.needs}
        assert {needs.strip().strip("`")} == (extras or {""})


def test_the_bands_are_what_is_printed():
    shown = dout("show", "examples/buy_fruits.py", env={**QUIET, "COLUMNS": "55"}).stdout.rstrip()
    assert f"```text\n$ COLUMNS=55 dout show examples/buy_fruits.py\n{shown}\n```\n" in TEXT


def test_the_wrong_gradient_is_what_is_printed():
    shown = dout("show", "examples/residual.py", env=QUIET).stdout.rstrip()
    assert f"```text\n$ dout show examples/residual.py\n{shown}\n```\n" in TEXT


def test_the_table_of_layers_is_what_is_printed():
    shown = dout("show", "examples/deep_net.py", "--summary", env={**QUIET, "COLUMNS": "80"}).stdout.rstrip()
    assert f"```text\n$ COLUMNS=80 dout show examples/deep_net.py --summary\n{shown}\n```\n" in TEXT


def test_the_keys_of_the_page_are_those_that_it_has():
    page = HOME / "src" / "dout" / "draw" / "page"
    keys = {key for file in page.glob("*.js") for key in re.findall(r'KEYS\.set\("(.+?)"', file.read_text("utf-8"))}
    rows = re.search(r"\| key \| does \|\n(.*?)\n\n", TEXT, re.DOTALL)[1]
    assert set(re.findall(r"`(.+?)`", rows)) | {" ", "="} == keys


@pytest.mark.long
def test_the_rounds_are_those_of_the_page() -> None:
    shown = dout("show", "examples/train_clusters.py", "--rounds", "1,10,200", env=QUIET).stdout
    table = "".join(line for line in shown.splitlines(keepends=True) if not line.startswith(("epoch", "right")))
    assert f"```text\n$ dout show examples/train_clusters.py --rounds 1,10,200\n{table.rstrip()}\n```\n" in TEXT
