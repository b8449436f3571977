"""Mistakes that are often made, and the change that mends each: found by the check, proven, and no more than needed."""

import numpy as np
import pytest

pytest.importorskip("flint")

from mended_layers import added, error_of, layer

from dout.check import check
from dout.check.repair.edits.repair_table import sentence_of
from dout.check.report.report import Report, to_lines
from dout.styled_lines import plain

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(2, 3, 5, 4))


ROWS = """
class Rows:
    def __init__(self):
        self.table = np.arange(12.0).reshape(4, 3) / 7
        self.dtable = np.zeros((4, 3))

    def forward(self, which):
        self.which = which
        return self.table[which]

    def backward(self, dout):
        self.dtable[...] = 0
        self.dtable[self.which] = dout
"""


@pytest.mark.parametrize("text", [ROWS, ROWS.replace("[self.which] =", "[self.which] +=")])
def test_where_an_index_repeats_its_rows_are_added(text):
    found = error_of(text, np.array([0, 2, 2, 1, 3]))
    assert added(found) == ["np.add.at(self.dtable, self.which, dout)"]
    assert not found.fix.unsafe
    assert found.inputs["which"] in ([0, 0], [2, 2])


SQUASH = """
class Squash:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        dout * (1 - self.y**2)
"""
SCALED = """
class Scaled:
    def __init__(self):
        self.w = np.array([0.5, -2.0, 1.5])

    def forward(self, x):
        self.x = x
        return x * self.w

    def backward(self, dout):
        self.dw = (dout * self.x).sum(axis=0)
        dx = dout * self.w
"""


@pytest.mark.parametrize(("text", "line"), [(SQUASH, "return dout * (1 - self.y**2)"), (SCALED, "return dx")])
def test_a_forgotten_return_is_written(text, line):
    assert added(error_of(text, RNG.normal(size=(4, 3)))) == [line]


BLUR = """
class Blur:
    def __init__(self):
        self.pad = 1

    def forward(self, x):
        pad = self.pad
        wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        self.wide = wide
        return wide[:, :, 2:, 1:-1] * 2 + wide[:, :, 1:-1, :-2]

    def backward(self, dout):
        pad = self.pad
        dwide = np.zeros_like(self.wide)
        dwide[:, :, 2:, 1:-1] += 2 * dout
        dwide[:, :, 1:-1, :-2] += dout
        {last}
"""


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        ("return dwide", "return dwide[:, :, pad:dwide.shape[2] - pad, pad:dwide.shape[3] - pad]"),
        (
            "return dwide[:, :, 2 * pad:, 2 * pad:] if pad else dwide",
            "return dwide[:, :, pad:dwide.shape[2] - pad, pad:dwide.shape[3] - pad] if pad else dwide",
        ),
        (
            "if pad:\n            return dwide[:, :, :-2 * pad, :-2 * pad]\n        return dwide",
            "return dwide[:, :, pad:-pad, pad:-pad]",
        ),
    ],
)
def test_padding_is_cut_by_the_name_of_its_width(last, wanted):
    assert added(error_of(BLUR.replace("{last}", last), IMAGES)) == [wanted]


CHANNELS = """
class Channels:
    def __init__(self):
        self.b = np.array([0.5, -1.0, 2.0])

    def forward(self, x):
        return x + self.b[:, None, None]

    def backward(self, dout):
        self.db = {sum}
        return dout * 1.0
"""


@pytest.mark.parametrize("wrong", ["dout[0].sum(axis=(1, 2))", "dout.sum(axis=0)[:, 0, 0]"])
def test_a_bias_has_the_sum_along_all_other_axes(wrong):
    found = error_of(CHANNELS.replace("{sum}", wrong), IMAGES)
    assert added(found) == ["self.db = dout.sum(axis=(0, 2, 3))"]


def test_several_axes_of_a_sum_without_any_are_found():
    found = error_of(CHANNELS.replace("{sum}", "np.zeros_like(self.b) + np.sum(dout)"), IMAGES)
    assert added(found) == ["self.db = np.zeros_like(self.b) + np.sum(dout, axis=(0, 2, 3))"]


THINNED = """
class Thinned:
    def __init__(self):
        self.rate = 0.5

    def forward(self, x):
        self.kept = (x > -0.3) / (1 - self.rate)
        return x * self.kept

    def backward(self, dout):
        return dout * (self.kept > 0)
"""


def test_a_kept_factor_is_likelier_than_a_number_that_happens_to_be_the_same():
    found = error_of(THINNED, RNG.normal(size=(4, 3)))
    assert added(found) == ["return dout * self.kept"]


CUBE = """
class Cube:
    def forward(self, x):
        self.x = x
        return x**3 + x

    def backward(self, dout):
        return dout * (self.x**2 + 1)
"""


def test_the_exponent_comes_down():
    assert added(error_of(CUBE, RNG.normal(size=(5, 4)))) == ["return dout * (3 * self.x**2 + 1)"]


FLAT = """
class Flat:
    def forward(self, x):
        self.was = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        n, c, h, w = self.was
        return dout.reshape(n, c, w, h).transpose(0, 1, 3, 2)
"""
GROWN = """
class Grown:
    def __init__(self):
        self.times = 3

    def forward(self, x):
        self.was = x.shape
        return x.repeat(self.times, axis=2)

    def backward(self, dout):
        return dout[:, :, :: self.times] * self.times
"""


def test_a_shape_that_forward_has_kept_is_used_in_a_derived_line():
    assert added(error_of(FLAT, IMAGES)) == ["return dout.reshape(self.was)"]


def test_a_number_of_the_layer_that_is_also_the_length_of_an_axis_is_in_no_derived_line():
    change = added(error_of(GROWN, IMAGES))  # three channels, and each row three times
    assert not any("self.was[1]" in line or "dout.shape[1]" in line for line in change)


TURNED = """
class Turned:
    def forward(self, x):
        return x[:, ::-1] * 2

    def backward(self, dout):
        return 2 * dout[::-1, ::-1]
"""


def test_an_axis_that_is_flipped_too_many_is_not():
    assert added(error_of(TURNED, RNG.normal(size=(3, 4)))) == ["return 2 * dout[:, ::-1]"]


LINEAR = """
class Linear:
    def __init__(self):
        self.w = np.arange(6.0).reshape(3, 2) / 5 - 0.4

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, dout):
        self.dw = self.x.T @ dout / self.x.shape[1]
        return dout @ self.w.T
"""


def test_a_factor_of_the_number_of_features_is_no_convention():
    found = error_of(LINEAR, RNG.normal(size=(5, 3)))
    assert added(found) == ["self.dw = self.x.T @ dout"]
    assert not found.fix.unsafe


PRODUCT = """
class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.x, dout * self.y
"""


def test_two_gradients_that_one_change_mends_are_told_together():
    x, y = RNG.normal(size=(2, 3, 4))
    text = plain(to_lines(check(layer(PRODUCT), x, y)))
    assert text.count("+        return dout * self.y, dout * self.x") == 1
    assert "the gradient of y is wrong, too; the same change mends it" in text


def test_a_case_of_many_numbers_is_told_by_its_shape(tmp_path):
    report = check(layer(PRODUCT), *RNG.normal(size=(2, 3, 4)))
    (first, *_) = report.findings
    large = {"x": np.zeros((5, 5)).tolist(), "y": [[1.5]]}
    lines = plain(to_lines(Report("Product", findings=(type(first)("D101", "error", "m", "Product", inputs=large),))))
    assert "fails on x = an array (5, 5) from 0 to 0" in lines
    assert "fails on y = [[1.5]]" in lines


@pytest.mark.parametrize(
    ("word", "old", "new", "sentence"),
    [
        ("transpose", "dout @ self.W", "dout @ self.W.T", "a transpose is missing"),
        ("transpose", "dout.T @ x.T", "x.T @ dout", "there is one transpose too many"),
        ("transpose", "dout @ x", "x @ dout", "it is transposed wrongly"),
        ("mask", "self.mask", "~self.mask", "the mask is inverted"),
        ("mask", "x > 0", "x <= 0", "the mask is inverted"),
        ("mask", "np.where(m, a, b)", "np.where(m, b, a)", "the mask is inverted"),
        ("mask", "x >= 0", "x > 0", "the condition is wrong"),
        ("mask", "dout", "dout * self.mask", "a mask is missing"),
        ("swapped", "self.x", "self.k", "another value belongs here"),
        ("swapped", "(dx, dy)", "(dy, dx)", "two values are swapped"),
    ],
)
def test_a_repair_says_in_plain_words_what_is_wrong(word, old, new, sentence):
    assert sentence_of(word, old, new) == sentence
