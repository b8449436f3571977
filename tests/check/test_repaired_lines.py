"""Lines that raise, overwrite or step too early are mended, and what only seems to mend them is not."""

import numpy as np
import pytest
from written import written

pytest.importorskip("flint")

from mended_layers import added, class_of, error_of, layer

from dout.check import check

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(2, 3, 5, 4))
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


HANDED_OVER = """
class Descent:
    def step(self, w, dw):
        w -= 0.25 * dw

    def look(self, w, dw):
        self.last = w.sum(), dw.sum()

class Linear:
    def __init__(self):
        self.W = np.array([[0.5, -2.0], [1.5, 1.0], [-0.5, 2.5]])
        self.optimizer = Descent()

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        dW = self.x.T @ dout
        {call}
        return {dx}
"""


def test_a_gradient_is_moved_above_the_step_that_a_call_makes():
    text = HANDED_OVER.format(call="self.optimizer.step(self.W, dW)", dx="dout @ self.W.T")
    found = error_of(text, RNG.normal(size=(4, 3)))
    assert "`self.W` is overwritten before the lines that need what it was" in found.message + found.because
    x, dout = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))
    mended = class_of(found.fix.after)()
    before = mended.W.copy()
    mended.forward(x)
    assert np.array_equal(mended.backward(dout), dout @ before.T)
    assert np.array_equal(mended.W, before - 0.25 * (x.T @ dout))  # the step is still made


def test_a_call_that_changes_nothing_is_no_step():
    found = error_of(HANDED_OVER.format(call="self.optimizer.look(self.W, dW)", dx="-dout @ self.W.T"))
    assert added(found) == ["return dout @ self.W.T"]


CUT = """
class Bordered:
    def __init__(self, width=0):
        self.width = width

    def forward(self, x):
        return 2.0 * np.pad(x, ((0, 0), (self.width, self.width)))

    def backward(self, dout):
        dout = 2.0 * dout
        dout = dout[:, self.width : -self.width]
        return dout
"""


def test_a_line_whose_result_nobody_would_read_is_not_moved_below_the_end():
    fix = error_of(CUT).fix
    assert "dout[:, self.width : -self.width]" not in fix.after
    wider = class_of(fix.after)(1)
    x, dout = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 5))
    wider.forward(x)
    assert np.array_equal(wider.backward(dout), 2.0 * dout[:, 1:-1])


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
    Border = class_of(BORDER)
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
    Stepping = class_of(text)
    found = [f for f in check(Stepping, RNG.normal(size=(5, 4))).findings if f.argument == "x"]
    lines = [line.strip() for line in found[0].fix.after.splitlines()]
    assert lines.index("dx = dout @ self.W.T") == lines.index("if rate:") - 1
    assert lines[-1] == "return dx"


def test_what_a_layers_own_step_makes_wrong_is_computed_before_it():
    Stepping = class_of(STEPPING)
    found = [f for f in check(Stepping, RNG.normal(size=(5, 4))).findings if f.argument == "x"]
    lines = [line.strip() for line in found[0].fix.after.splitlines()]
    assert lines.index("dx = dout @ self.W.T") == lines.index("self.W -= rate * dW") - 1
    assert "         self.W -= rate * dW" in str(found[0].fix)  # where the line goes is seen


def test_a_line_that_raises_at_another_setting_is_mended_where_all_stays_right():
    text = BORDER.replace("return dout[", "dx = np.zeros(self.shape)\n        dx += dout[") + "        return dx\n"
    text = text.replace("        return np.pad", "        self.shape = x.shape\n        return np.pad")
    Border = class_of(text)
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


FILLED = """
class Filled:
    def __init__(self):
        self.W = np.arange(12.0).reshape(4, 3) / 7 - 0.6

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, rate):
        step = np.zeros_like(self.W)
        for j in range(self.W.shape[1]):
            step[:, j] = self.x.T @ dout[:, j]
        self.W -= rate * step
        dx = dout @ self.W.T
        return dx
"""


def test_a_step_that_is_no_longer_made_is_no_repair():
    found = [f for f in check(class_of(FILLED), RNG.normal(size=(5, 4))).findings if f.argument == "x"]
    assert added(found[0]) == ["dx = dout @ self.W.T"]
