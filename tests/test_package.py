"""What is built is whole: installed from the wheel or from the source distribution, commands have what they need."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("build")

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source distribution."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, ROOT)
    return {path.suffix: path for path in out.iterdir()}


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".whl", ".gz"])
def test_what_is_installed_is_whole(suffix, built, tmp_path):
    site = tmp_path / "site"
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, built[suffix])
    environment = os.environ | {"PYTHONPATH": str(site)}
    assert str(site) in run(sys.executable, "-c", "import dout; print(dout.__file__)", env=environment, cwd=tmp_path)
    dout = [sys.executable, "-m", "dout"]
    assert run(*dout, "--version", env=environment, cwd=tmp_path).split()[-1] == PROJECT["version"]
    assert run(*dout, "check", "--explain", "D201", env=environment, cwd=tmp_path).startswith("# D201")
    assert "1 layer: 1 gradient exact" in run(*dout, "check", "Sigmoid", env=environment, cwd=tmp_path)
    said = "from importlib.metadata import metadata, requires; print(metadata('dout')); print(requires('dout'))"
    shown = run(sys.executable, "-c", said, env=environment, cwd=tmp_path)
    assert re.search(r"License-Expression: MIT", shown)
    assert set(re.findall(r"Provides-Extra: (\S+)", shown)) == set(PROJECT["optional-dependencies"])
    assert all(re.split("[<>=]", package)[0] in shown for package in PROJECT["dependencies"])
    assert (site / "dout" / "py.typed").exists()
