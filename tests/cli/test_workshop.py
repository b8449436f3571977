"""The hooks, the action and the page on them name commands and options that exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from dout.cli.check_command import check

HOME = Path(__file__).parents[2]
HOOKS = YAML(typ="safe").load(HOME / ".pre-commit-hooks.yaml")
ACTION = YAML(typ="safe").load(HOME / "action.yml")
PAGE = (HOME / "docs" / "workshop.md").read_text()


def command_lines():
    """Every command line of `dout check`, without the shell's own words."""
    yield from (hook["entry"] for hook in HOOKS)
    texts = [step.get("run", "") for step in ACTION["runs"]["steps"]]
    texts += re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
    for line in "\n".join(texts).splitlines():
        if line.strip().startswith("dout check"):
            yield re.split(r"[>|#]", line)[0]


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_a_command_line_is_one_that_dout_check_takes(line):
    check.make_context("check", shlex.split(line)[2:], resilient_parsing=True)


def test_the_hooks_have_what_pre_commit_asks_for():
    assert [hook["id"] for hook in HOOKS] == ["dout", "dout-pinned"]
    assert all({"name", "entry", "language", "types"} <= set(hook) for hook in HOOKS)
    assert {hook["language"] for hook in HOOKS} == {"system", "python"}


def test_the_action_is_composite_and_its_steps_are_shell_that_parses():
    assert ACTION["runs"]["using"] == "composite"
    assert set(re.findall(r"inputs\.(\w+)", (HOME / "action.yml").read_text())) == set(ACTION["inputs"])
    for step in ACTION["runs"]["steps"]:
        assert ("uses" in step) != ("run" in step and step["shell"] == "bash")
        subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, check=True)


SWAPPED = """class Mul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.x, dout * self.y
"""


@pytest.mark.long
@pytest.mark.skipif(shutil.which("jq") is None, reason="the runners of GitHub have jq")
def test_the_summary_of_the_action_has_the_findings_and_a_picture_of_the_wrong_gradients(tmp_path):
    (script,) = (step["run"] for step in ACTION["runs"]["steps"] if step.get("id") == "check")
    (command := tmp_path / "bin" / "dout").parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dout "$@"\n')
    command.chmod(0o755)
    (checkout := tmp_path / "checkout").mkdir()
    (checkout / "layers.py").write_text(SWAPPED)
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **files, "PATH": path, "TARGETS": ".", "OPTIONS": ""}
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=checkout, env=environment, timeout=300, check=True)
    summary = Path(files["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")
    assert "- `D101` Mul: the gradient of x is" in summary
    assert "#### layers.py:Mul" in summary
    assert "the first wrong edge" in summary
    assert Path(files["GITHUB_OUTPUT"]).read_text() == "status=1\n"


def test_every_format_is_on_the_page():
    (formats,) = [option for option in check.params if option.name == "output_format"]
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(formats.type.choices)


@pytest.mark.parametrize("shell", re.findall(r"_DOUT_COMPLETE=(\w+)_source", PAGE))
def test_the_command_prints_the_completion_of_each_shell_on_the_page(shell):
    environment = {**os.environ, "_DOUT_COMPLETE": f"{shell}_source"}
    run = subprocess.run([sys.executable, "-m", "dout"], env=environment, capture_output=True, text=True, check=False)
    if "Shell completion is not supported for Bash versions older" not in run.stderr:
        assert "_DOUT_COMPLETE" in run.stdout
