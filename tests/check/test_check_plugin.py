"""The pytest plugin: `check_layer` fails a test with the report as its message."""

import os
import subprocess
import sys

SQUARE = """
import numpy as np
import pytest

class Square:
    def forward(self, x):
        self.x = x
        return x * x
    def backward(self, dout):
        return dout * {factor} * self.x

class Add:
    def forward(self, x, y):
        return x + y
    def backward(self, dout):
        return dout, dout

x = np.array([1.0, 2.0])
"""


def pytest_says(folder, test, factor=2, *options):
    (folder / "test_mine.py").write_text(SQUARE.format(factor=factor) + test, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *options, "test_mine.py"]
    environment = {**os.environ, "COLUMNS": "200"}
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env=environment)
    return run.returncode, run.stdout + run.stderr


def test_a_right_layer_passes_and_the_report_is_returned(tmp_path):
    code, said = pytest_says(
        tmp_path,
        "def test(check_layer):\n    assert check_layer(Square(), x).verdicts[0].word == 'exact'\n",
    )
    assert code == 0, said


def test_a_wrong_layer_fails_with_the_report_and_none_of_our_frames(tmp_path):
    for call in ("check_layer(Square(), x)", "assert check_layer(Square, x)"):
        code, said = pytest_says(tmp_path, f"def test(check_layer):\n    {call}\n", 3)
        assert code == 1
        assert "AssertionError: the check of Square found what is wrong" in said
        assert "✗ x  wrong" in said
        assert "✗ D101 error test_mine.py:" in said
        assert "pytest_plugin.py" not in said


def test_warnings_fail_where_it_is_strict_ignored_codes_never(tmp_path):
    calls = {
        "check_layer(Add(), x, x)": "passed",
        "check_layer(Add(), x, x, strict=True)": "failed",
        "check_layer(Add(), x, x, strict=True, ignore=('D2', 'D5'))": "passed",
        "assert not check_layer(Square(), x, fail=False)": "passed",
        "check_layer(Square(), x, ignore='D101')": "passed",
    }
    tests = "".join(f"def test_{i}(check_layer):\n    {call}\n" for i, call in enumerate(calls))
    _, said = pytest_says(tmp_path, tests, 3, "-v")
    for i, (call, expected) in enumerate(calls.items()):
        assert f"::test_{i} {expected.upper()}" in said, f"{call}\n{said}"


def test_inputs_that_are_not_given_are_chosen(tmp_path):
    code, said = pytest_says(tmp_path, "def test(check_layer):\n    check_layer(Square)\n")
    assert code == 0, said


def test_the_plugin_loads_nothing_until_it_is_used(tmp_path):
    code, said = pytest_says(
        tmp_path,
        "import sys\ndef test():\n    assert not [m for m in sys.modules if m in ('flint', 'dout.check', 'rich')]\n",
    )
    assert code == 0, said
    assert "check_layer" in subprocess.run(
        [sys.executable, "-m", "pytest", "--fixtures", "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True,
        text=True, timeout=120, check=False,
    ).stdout  # fmt: skip
