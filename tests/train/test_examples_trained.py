"""The example on scikit-learn's digits reads 97 of 100 that it has never seen, as a script and by `dout train`."""

import json
import subprocess
import sys
from pathlib import Path

DIGITS = Path(__file__).parents[2] / "examples" / "digits.py"


def test_digits_are_read_right_97_times_in_100():
    told = subprocess.run([sys.executable, DIGITS], capture_output=True, text=True, timeout=120, check=True).stdout
    last = next(line for line in told.splitlines() if line.split()[:1] == ["20"])
    assert float(last.split()[4]) >= 0.97


def test_digits_train_from_the_shell(tmp_path):
    command = [sys.executable, "-m", "dout", "train", DIGITS, "--epochs", "6", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path).stdout
    assert json.loads(told)["epochs"][-1]["validation accuracy"] > 0.95
