"""Functions in pairs, and layers of other interfaces, at the command `dout check`."""

import json
import math

import pytest
from check_commands import document, dout, layers, write
from edited_layers import FUNCTIONS, source

from dout.judge.outcomes import Word

# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What the command says of a file with every pair of functions."""
    folder = tmp_path_factory.mktemp("functions")
    file = write(folder, "import numpy as np\n\n\n" + "\n\n".join(source(name) for name, _ in FUNCTIONS.values()))
    return layers(document(file.name, cwd=folder))


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("name", "arguments"),
    FUNCTIONS.values(),
)
def test_the_command_lists_a_pair_of_functions_by_its_forward(shown, name, arguments):
    assert set(shown) == {name for name, _ in FUNCTIONS.values()}
    words = {v["argument"]: v["word"] for v in shown[name]["verdicts"]}
    assert set(words) == arguments
    assert not set(words.values()) & {Word.REFUTED, Word.INCONCLUSIVE}


def test_the_command_checks_one_pair_alone(tmp_path):
    file = write(tmp_path, f"import numpy as np\n\n\n{source('affine_forward')}\n\n{source('relu_forward')}")
    ran = dout(f"{file.name}:affine_forward", "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert list(layers(json.loads(ran.stdout))) == ["affine_forward"]


@pytest.mark.long
def test_the_command_finds_what_is_wrong_in_a_pair(tmp_path):
    wrong = source("affine_forward").replace("dw = x.reshape", "dw = -x.reshape")
    file = write(tmp_path, f"import numpy as np\n\n\n{wrong}\n\n{source('relu_forward')}")
    ran = dout(file.name, cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert "D101" in ran.stdout
    assert "affine_forward" in ran.stdout


def test_the_command_says_what_it_chose(tmp_path):
    file = write(tmp_path, f"import numpy as np\n\n\n{source('CalledLinear')}")
    (found,) = layers(document(file.name, cwd=tmp_path)).values()
    assert math.prod(found["chosen"]["init"].get(name, 1) for name in ("n_in", "n_out")) > 1
