"""Functions that go forward in one file, and their backwards in another beside it: `forward.py` and `backward.py`."""

import pytest
from check_commands import document, layers, write

FORWARD = """
import numpy as np

def linear_forward(A, W, b):
    return np.dot(W, A) + b, (A, W, b)
"""
BACKWARD = """
import numpy as np
{head}
def linear_backward(dZ, cache):
    A, W, b = cache
    return np.dot(W{turned}, dZ), np.dot(dZ, A.T), np.sum(dZ, axis=1, keepdims=True)
"""
RIGHT, WRONG = (BACKWARD.format(head="", turned=turned) for turned in (".T", ""))


def verdicts(folder, *, forward=FORWARD, backward=RIGHT, place="", **more):
    for name, text in (("forward", forward), ("backward", backward), *more.items()):
        write(folder, text, f"{place}{name}.py")
    found = layers(document(".", cwd=folder))
    return {name: {row["argument"]: row["word"] for row in layer["verdicts"]} for name, layer in found.items()}


@pytest.mark.parametrize("place", ["", "src/", "pack/"])
def test_a_backward_in_the_file_beside_its_forward_is_judged(tmp_path, place):
    if place == "pack/":
        write(tmp_path, "", "pack/__init__.py")
    found = verdicts(tmp_path, place=place)
    assert found == {"linear_forward": {"A": "exact", "W": "exact", "b": "exact"}}


def test_a_wrong_one_is_refuted_in_its_own_file(tmp_path):
    assert verdicts(tmp_path, backward=WRONG)["linear_forward"]["A"] == "refuted"


def test_its_forward_alone_can_be_named(tmp_path):
    write(tmp_path, FORWARD, "forward.py")
    write(tmp_path, WRONG, "backward.py")
    found = layers(document("forward.py:linear_forward", cwd=tmp_path))["linear_forward"]
    assert [g["severity"] for g in found["findings"] if g["code"] in ("D101", "D501")][:1] == ["error"]


def test_a_backward_that_imports_another_forward_of_the_name_is_none_of_this_one(tmp_path):
    other = {"deeper/ahead": FORWARD.replace("+ b", "- b")}
    backward = BACKWARD.format(head="from deeper.ahead import linear_forward", turned=".T")
    assert verdicts(tmp_path, backward=backward, **other) == {}


def test_of_two_forwards_of_the_name_nobody_knows_which_is_meant(tmp_path):
    assert verdicts(tmp_path, forward2=FORWARD.replace("+ b", "- b")) == {}


def test_a_forward_with_its_own_backward_needs_none_from_beside(tmp_path):
    both = FORWARD + RIGHT.replace("import numpy as np", "")
    assert verdicts(tmp_path, forward=both, backward=WRONG)["linear_forward"]["A"] == "exact"
