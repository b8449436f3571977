"""Mistakes that are often made, and the change that mends each: found by the check, proven, and no more than needed."""

import importlib

import numpy as np
import pytest
from written import written

pytest.importorskip("flint")

from dout.check import check
from dout.check.repair.repair_table import sentence_of
from dout.check.report.report import Report, to_lines
from dout.styled_lines import plain

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(2, 3, 5, 4))


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """The searches have all the time they need: what they find must not depend on the machine."""
    for module, name in ((".suspected_cause", "MOST_SECONDS"), (".repair_search", "SECONDS"), (".shrink", "SECONDS")):
        monkeypatch.setattr(importlib.import_module(f"dout.check.repair{module}"), name, 60.0)


def layer(text):
    return [item for item in vars(written(text)).values() if isinstance(item, type)][-1]()


def error_of(text, *inputs):
    (found,) = [f for f in check(layer(text), *inputs).findings if f.severity == "error"]
    return found


def added(found):
    lines = str(found.fix).splitlines()
    return [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]


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
        ("mask", "dout", "dout * self.mask", "the condition is wrong"),
        ("swapped", "self.x", "self.k", "another value belongs here"),
        ("swapped", "(dx, dy)", "(dy, dx)", "two values are swapped"),
    ],
)
def test_a_repair_says_in_plain_words_what_is_wrong(word, old, new, sentence):
    assert sentence_of(word, old, new) == sentence


STEPPED = """
import numpy as np

def windows(x, k, step):
    return [(i, i * step) for i in range((len(x) - k) // step + 1)]

class Filter:
    def __init__(self, step=1):
        self.w = np.array([0.5, -1.0, 2.0])
        self.step = step

    def forward(self, x):
        self.x = x
        return np.array([(self.w * x[start:start + 3]).sum() for _, start in windows(x, 3, self.step)])

    def backward(self, dout):
        self.dw = np.zeros(3)
        dx = np.zeros_like(self.x)
        for i, start in windows(self.x, 3, self.step):
            self.dw += dout[i] * self.x[i:i + 3]
            dx[start:start + 3] += dout[i] * self.w
        return dx
"""


def test_a_window_that_starts_elsewhere_is_found_where_only_a_stride_tells():
    Filter = vars(written(STEPPED))["Filter"]
    (found,) = [f for f in check(Filter, np.arange(7.0)).findings if f.severity == "error"]
    assert added(found) == ["self.dw += dout[i] * self.x[start:start + 3]"]


CROSSED = """
class Crossed:
    def __init__(self):
        self.W = np.arange(12.0).reshape(4, 3) / 7
        self.V = np.arange(15.0).reshape(3, 5) / 7

    def forward(self, x):
        self.x = x
        self.h = x @ self.W
        return np.dot(self.h, self.V)

    def backward(self, dout):
        self.dV = np.zeros_like(self.V)
        self.dV += {dV}
        dh = {dh}
        self.dW = {dW}
        return dh @ self.W.T
"""


@pytest.mark.parametrize(
    ("dV", "dh", "dW", "wanted"),
    [
        ("self.h.T @ dout", "dout @ self.V", "self.x.T @ dh", ["dh = dout @ self.V.T"]),
        (
            "np.dot(self.h, dout)",
            "np.dot(self.V, dout)",
            "self.x.T @ dh",
            ["self.dV += np.dot(self.h.T, dout)", "dh = np.dot(dout, self.V.T)"],
        ),
        ("self.h.T @ dout", "dout @ self.V.T", "dh @ self.x.T", ["self.dW = self.x.T @ dh"]),
    ],
)
def test_lines_whose_shapes_do_not_fit_are_mended_where_their_gradients_are_exact_then(dV, dh, dW, wanted):
    found = error_of(CROSSED.format(dV=dV, dh=dh, dW=dW), RNG.normal(size=(6, 4)))
    assert (found.code, added(found), found.fix.unsafe) == ("D001", wanted, "")


def test_a_line_that_fits_and_gives_a_wrong_gradient_is_no_repair_of_one_that_raises():
    text = CROSSED.format(dV="self.h.T @ dout", dh="dout @ self.V", dW="self.x.T @ dh").replace(
        "T @ dout", "T @ dout**2"
    )
    assert added(error_of(text, RNG.normal(size=(6, 4)))) == ["dh = dout @ self.V.T"]  # dV is wrong for another reason
    wrong = text.replace("return dh @", "return 2 * dh @").replace("self.x.T @ dh", "self.x.T @ (dh * 3)")
    assert error_of(wrong, RNG.normal(size=(6, 4))).fix is None  # nothing that comes of the line is right


OVERWRITTEN = """
class Base:
    def backward(self, dout):
        raise NotImplementedError

class Stretch(Base):
    def __init__(self):
        self.w = np.array([0.5, -2.0, 1.5])
        self.b = np.zeros(3)

    def forward(self, x):
        self.x = x
        return x * np.exp(self.w) + self.b

    def backward(self, dout):
        scale = np.exp(self.w)
        {overwrite}
        # of the parameters
        self.db = dout.sum(axis=0)
        self.dw = (dout * self.x * scale).sum(axis=0)
        return dout
"""


@pytest.mark.parametrize("overwrite", ["dout = dout * scale", "dout = scale * dout + 0"])
def test_lines_that_need_what_a_line_overwrites_are_moved_above_it(overwrite):
    found = check(layer(OVERWRITTEN.format(overwrite=overwrite)), RNG.normal(size=(4, 3))).findings[0]
    lines = [line.strip() for line in found.fix.after.splitlines()]
    moved = lines.index("self.db = dout.sum(axis=0)"), lines.index("self.dw = (dout * self.x * scale).sum(axis=0)")
    assert moved == (lines.index(overwrite) - 2, lines.index(overwrite) - 1)
    assert "`dout` is overwritten before the lines that need what it was" in found.message + found.because


GATHERED = """
class Shift:
    def __init__(self, w, b):
        self.params = [w, b]
        self.grads = [np.zeros_like(w), np.zeros_like(b)]

    def forward(self, x):
        self.x = x
        return x * self.params[0] + self.params[1]

    def backward(self, dout):
        self.grads[0][...] = (dout * self.x).sum(axis=0)
        self.grads[1] = dout.sum(axis=0)
        return dout * self.params[0]

class Halves:
    def forward(self, x, t):
        self.d = x - t
        return 0.5 * np.sum(self.d ** 2)

    def backward(self, dout=1):
        return dout * self.d

class Gathered:
    def __init__(self, n=4):
        self.layers = [Shift(*np.random.randn(2, n)), Shift(*np.random.randn(2, n))]
        self.loss = Halves()
        self.params, self.grads = [], []
        for layer in self.layers:
            self.params += layer.params
            self.grads += layer.grads

    def forward(self, x, t):
        for layer in self.layers:
            x = layer.forward(x)
        return self.loss.forward(x, t)

    def backward(self, dout=1):
        dout = self.loss.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
"""


def test_a_gradient_that_a_network_holds_is_written_in_place():
    x, t = RNG.normal(size=(2, 3, 4))
    found = [f for f in check(layer(GATHERED), x, t).findings if f.argument == "params[1]"]
    assert added(found[0]) == ["self.grads[1][...] = dout.sum(axis=0)"]
    assert "replaces an array that is held elsewhere, too" in found[0].because


BORDER = """
class Border:
    def __init__(self, width=1):
        self.width = width

    def forward(self, x):
        return np.pad(x, ((0, 0), (0, 0), (self.width, self.width), (self.width, self.width)))

    def backward(self, dout):
        return dout[..., self.width:-self.width, self.width:-self.width]
"""
TILES = """
class Tiles:
    def __init__(self, side=2):
        self.side = side

    def forward(self, x):
        n, h, w = x.shape
        k = self.side
        return x.reshape(n, h // k, k, w // k, k).mean(axis=(2, 4))

    def backward(self, dout):
        n, h, w = dout.shape
        dx = np.zeros((n, h * self.side, w * self.side))
        for i in range(self.side):
            for j in range(self.side):
                dx[..., i::self.side, j::self.side] = dout
        return dx
"""


def test_ends_behind_dots_are_counted_from_the_last_axis():
    Border = [item for item in vars(written(BORDER)).values() if isinstance(item, type)][-1]
    (found,) = [f for f in check(Border, IMAGES).findings if f.severity == "error"]
    rows, columns = (f"self.width:dout.shape[{axis}] - self.width" for axis in (-2, -1))
    assert added(found) == [f"return dout[..., {rows}, {columns}]"]


def test_a_factor_that_is_the_length_of_an_axis_by_chance_is_no_repair():
    found = error_of(TILES, RNG.normal(size=(2, 6, 8)))  # 4 columns of 2 × 2 tiles
    assert added(found) == ["dx[..., i::self.side, j::self.side] = dout / self.side**2"]


DROPPED = """
class Dropped:
    def __init__(self, share=0.5):
        self.share = share

    def forward(self, x):
        self.kept = np.random.rand(*x.shape) > self.share
        return x * self.kept / (1 - self.share)

    def backward(self, dout):
        return dout * self.kept
"""


def test_a_setting_that_is_the_missing_factor_by_chance_is_no_repair():
    assert added(error_of(DROPPED, RNG.normal(size=(4, 5)))) == ["return dout * self.kept / (1 - self.share)"]


STEPPING = """
class Stepping:
    def __init__(self):
        self.W = np.arange(12.0).reshape(4, 3) / 7

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, rate):
        dW = self.x.T @ dout
        self.W -= rate * dW
        dx = dout @ self.W.T
        return dx
"""


def test_what_is_returned_is_computed_before_a_step_that_is_made_in_a_block():
    text = STEPPING.replace("        self.W -= rate * dW\n", "        if rate:\n            self.W -= rate * dW\n")
    text = text.replace("        dx = dout @ self.W.T\n        return dx", "        return dout @ self.W.T")
    Stepping = [item for item in vars(written(text)).values() if isinstance(item, type)][-1]
    found = [f for f in check(Stepping, RNG.normal(size=(5, 4))).findings if f.argument == "x"]
    lines = [line.strip() for line in found[0].fix.after.splitlines()]
    assert lines.index("dx = dout @ self.W.T") == lines.index("if rate:") - 1
    assert lines[-1] == "return dx"


def test_what_a_layers_own_step_makes_wrong_is_computed_before_it():
    Stepping = [item for item in vars(written(STEPPING)).values() if isinstance(item, type)][-1]
    found = [f for f in check(Stepping, RNG.normal(size=(5, 4))).findings if f.argument == "x"]
    lines = [line.strip() for line in found[0].fix.after.splitlines()]
    assert lines.index("dx = dout @ self.W.T") == lines.index("self.W -= rate * dW") - 1
    assert "         self.W -= rate * dW" in str(found[0].fix)  # where the line goes is seen


def test_a_line_that_raises_at_another_setting_is_mended_where_all_stays_right():
    text = BORDER.replace("return dout[", "dx = np.zeros(self.shape)\n        dx += dout[") + "        return dx\n"
    text = text.replace("        return np.pad", "        self.shape = x.shape\n        return np.pad")
    Border = [item for item in vars(written(text)).values() if isinstance(item, type)][-1]
    (found,) = [f for f in check(Border, IMAGES).findings if f.code == "D001"]
    rows, columns = (f"self.width:dout.shape[{axis}] - self.width" for axis in (-2, -1))
    assert "with width = 0" in found.message
    assert added(found) == [f"dx += dout[..., {rows}, {columns}]"]


PAIR = """
class Pair:
    def forward(self, q, k):
        self.q, self.k = q, k
        self.rest = q - q
        return q * 2 - k

    def backward(self, dout):
        dq = dout * 2
        dk = -dout + self.q
        return dq, dk
"""


def test_what_is_nothing_is_no_term_of_a_repair():
    assert added(error_of(PAIR, *RNG.normal(size=(2, 3, 4)))) == ["dk = -dout"]
