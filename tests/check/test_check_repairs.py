"""A repair that is shown is proven: exact, with forward's output kept, conditions named, names rather than numbers."""

import ast
import re

import numpy as np
import pytest

pytest.importorskip("flint")

from mended_layers import added, layer

from dout.check import check
from dout.check.repair.edits.expression_places import ScratchFunction, places
from dout.check.repair.edits.parsed_file import ParsedFile
from dout.check.repair.edits.repair_table import KINDS, OTHER_FUNCTIONS, SENTENCES


def the_finding(text, *inputs):
    (found,) = [f for f in check(layer(text), *inputs).findings if f.code in ("D101", "D103", "D501")]
    return found


X = np.random.default_rng(3).normal(size=(3, 4)) * 2

DROPOUT = """
class Dropout:
    def __init__(self):
        self.ratio = 0.5

    def forward(self, x):
        self.kept = x > 0.3
        return np.where(self.kept, x / (1 - self.ratio), 0)

    def backward(self, dout):
        return np.where(self.kept, dout, 0)
"""
FLIP = """
class Flip:
    def forward(self, x):
        return x[:, ::-1].copy()

    def backward(self, dout):
        return dout.copy()
"""


@pytest.mark.parametrize("text", [DROPOUT, FLIP])
def test_a_repair_leaves_the_output_of_forward_as_it_was(text):
    found = the_finding(text, X)
    if found.fix is not None:
        before = layer(text).forward(X.copy())
        (old,) = [
            line[1:] for line in str(found.fix).splitlines() if line.startswith("-") and not line.startswith("---")
        ]
        (new,) = [
            line[1:] for line in str(found.fix).splitlines() if line.startswith("+") and not line.startswith("+++")
        ]
        after = layer(text.replace(old, new)).forward(X.copy())
        assert before.tobytes() == after.tobytes()


def test_a_helper_that_forward_uses_too_is_not_repaired_for_backward_alone():
    text = """
def scaled(x):
    return 2 * x


class Double:
    def forward(self, x):
        return scaled(scaled(x))

    def backward(self, dout):
        return scaled(dout)
"""
    found = the_finding(text, X)
    assert not any("x" in line and "dout" not in line for line in added(found))


SIGMOID = """
def sigmoid(x):
    \"\"\"The logistic function{}, where `small` is exp(-|x|).\"\"\"
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) * (1 + small)


class Sigmoid:
    def forward(self, x):
        self.out = sigmoid(x)
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)
"""


def test_forward_is_repaired_where_its_own_docstring_says_so():
    found = the_finding(SIGMOID.format(", where(x >= 0, 1, small) / (1 + small)"), X)
    assert added(found) == ["return np.where(x >= 0, 1, small) / (1 + small)"]
    assert found.fix.unsafe == "it changes what forward returns"


def test_forward_is_not_repaired_where_nothing_says_what_it_should_be():
    found = the_finding(SIGMOID.format(""), X)
    assert found.fix is None
    assert "forward then returns other numbers" in found.because


def test_a_condition_that_came_out_one_way_only_and_is_turned_is_named():
    text = """
class Square:
    def __init__(self):
        self.powers = 1.0

    def forward(self, x):
        self.x = x
        return np.exp(x) + x * x

    def backward(self, dout):
        if self.powers > 1.0:
            return dout * (np.exp(self.x) + 2 * self.x)
        return dout
"""
    found = the_finding(text, X)
    assert "was always False on the examples" in found.because
    assert "self.powers" in added(found)[0]
    assert found.fix.unsafe == "it turns a condition that the examples met on one side only"


def test_a_condition_of_another_function_that_a_repair_turns_is_named_too():
    text = """
def scaled(g, k):
    return 3 * g if k in (2,) else g + 0.0


class Triple:
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        dx = dout
        return scaled(dx, 1)
"""
    found = the_finding(text, X)
    assert added(found) == ["return scaled(dx, 2)"]
    assert "`k in (2,)` was always False on the examples" in found.because


def test_a_flag_is_not_inverted_bit_by_bit():
    text = """
class Square:
    def __init__(self):
        self.whole = False

    def forward(self, x):
        self.x = x
        return np.exp(x) + x * x

    def backward(self, dout):
        if self.whole:
            return dout * (np.exp(self.x) + 2 * self.x)
        return dout
"""
    found = the_finding(text, X)
    assert "~" not in str(found.fix)


def test_a_sign_and_a_factor_that_is_no_length_are_nothing_to_look_at():
    for wrong in ("-2 * dout * self.x", "3 * dout * self.x"):
        text = f"""
class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return {wrong}
"""
        found = the_finding(text, X)
        assert (added(found), found.fix.unsafe) == (["return 2 * dout * self.x"], "")


def test_code_that_ends_its_program_where_a_condition_is_tried_the_other_way_ends_no_check():
    text = """
class Square:
    def __init__(self):
        self.fast = True

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        if not self.fast:
            raise SystemExit(1)
        return 3 * dout * self.x
"""
    assert added(the_finding(text, X)) == ["return 2 * dout * self.x"]


def test_nothing_is_tried_in_a_function_that_reads_memory_by_strides():
    text = """
def windows(x, k):
    return np.lib.stride_tricks.as_strided(x, (len(x) - k + 1, k), (x.strides[0], x.strides[0]))


class Moving:
    def forward(self, x):
        self.x = x
        return windows(x, 2).sum(axis=1)

    def backward(self, dout):
        return windows(np.pad(dout, 1), 2).sum(axis=1) * 3
"""
    source = ParsedFile("<text>", text)
    names = {"np": np}
    exec(text, names)
    found = [
        ScratchFunction(source, node, getattr(names["Moving"], node.name, names.get(node.name)), None)
        for node in source.functions.values()
    ]
    assert {place.function.name for place in places(found)} == {"forward", "backward"}


def test_a_repair_uses_a_name_rather_than_its_number():
    text = """
class Power:
    def __init__(self):
        self.p = 3

    def forward(self, x):
        self.x = x
        return x**self.p

    def backward(self, dout):
        return dout * self.x ** (self.p - 1)
"""
    found = the_finding(text, X)
    assert "self.p *" in added(found)[0] or "* self.p" in added(found)[0].replace("** self.p", "")


def test_the_length_of_an_axis_is_not_repaired_to_a_number():
    text = """
class Mean:
    def forward(self, x):
        self.x = x
        return x.sum(axis=0) / x.shape[0]

    def backward(self, dout):
        return np.zeros_like(self.x) + dout
"""
    found = the_finding(text, X[:2])
    assert "0.5" not in str(found.fix)
    assert "by the number of samples" in found.fix.unsafe
    assert "shape[0]" in added(found)[0] or "len(" in added(found)[0]


def test_a_number_is_replaced_by_the_name_that_has_its_value():
    text = """
class Mean:
    def forward(self, x):
        self.x = x
        return x.sum(axis=0) / x.shape[0]

    def backward(self, dout):
        return (np.zeros_like(self.x) + dout) / 7
"""
    found = the_finding(text, X)
    assert "shape[0]" in added(found)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_of_the_table_is_python_and_has_a_sentence(kind):
    assert kind.word in SENTENCES
    for template in (kind.meant, kind.run or "a", kind.found if isinstance(kind.found, str) else "a"):
        ast.parse(re.sub(r"\{\w+\}", "a", template))


def test_every_mistaken_function_has_a_sentence():
    assert {word for word, _ in OTHER_FUNCTIONS.values()} <= set(SENTENCES)
