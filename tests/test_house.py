"""The house rules hold: lint, layout, types, the order of imports, and one version everywhere."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

COMMANDS = {
    "ruff check": ["-m", "ruff", "check"],
    "ruff format": ["-m", "ruff", "format", "--check"],
    "mypy": ["-m", "mypy"],
    "lint-imports": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_to_report(name):
    command = [sys.executable, *COMMANDS[name]]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_ci_script_runs_the_lines_that_the_readme_shows():
    readme = (ROOT / "README.md").read_text().splitlines()
    shown = [line for line in readme if line.startswith("python3 -m venv ")]
    script = (ROOT / ".ci" / "run").read_text()
    assert len(shown) == 2
    assert all(line in script for line in shown)
