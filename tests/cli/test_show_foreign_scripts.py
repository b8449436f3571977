"""`dout show` of programs whose libraries, data or modules are not there, each in a process of its own."""

import pytest
from foreign_programs import SCALE, USED, written
from show_commands import dout

GUARDED = "try:\n    from shapes import *\n    import no_such_layers\nexcept ImportError:\n    pass\n"
TABLES = """
import pandas as pd
train = pd.read_csv("digits/train.csv")
train.pop("label")
x = pd.read_csv("digits/test.csv").to_numpy().reshape(-1, 28, 28)
"""


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("text", "files"),
    [
        pytest.param(GUARDED + USED, {"shapes": "import matplotlib.pyplot as plt\n" + SCALE}, id="a try around a file"),
        pytest.param(TABLES + SCALE + USED, {}, id="a table of tests without labels"),
    ],
)
def test_what_is_not_there_is_stood_for(tmp_path, text, files):
    result = dout("show", written(tmp_path, **files, run=text), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Scale" in result.stdout


def test_what_lies_beside_a_project_with_a_readme_is_another_one(tmp_path):
    text = "import numpy as np\nfrom shapes import Scale\n" + USED
    script = written(tmp_path, other__shapes=SCALE, mine__run=text)
    (tmp_path / "mine" / "README.md").write_text("")
    result = dout("show", script, cwd=tmp_path)
    assert result.returncode == 2
    assert "shapes" in result.stderr


def test_a_progress_bar_that_is_written_over_and_over_is_not_too_much(tmp_path):
    bar = 'for i in range(20000):\n    print("\\r" + "#" * 60, i, end="")\nprint()\n'
    result = dout("show", written(tmp_path, run=SCALE + bar + USED), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Scale" in result.stdout
