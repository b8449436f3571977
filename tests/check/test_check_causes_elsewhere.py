"""Why a gradient is wrong where it is not one expression of backward: forward, helpers, loops, shapes, dout ignored."""

import linecache

import numpy as np
import pytest

pytest.importorskip("flint")

from dout.check import check

SIGMOID = """
def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


class Sigmoid:
    def forward(self, x):
        self.out = sigmoid(x)
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)
"""
TANH = """
class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)
"""
SOFTMAX = """
class Softmax:
    def forward(self, x):
        powers = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = powers / powers.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        dx = self.y * dout
        return dx - self.y * dx.sum(axis=-1, keepdims=True)
"""
HARD_SWISH = """
class HardSwish:
    def forward(self, x):
        self.x = x
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, dout):
        x = self.x
        inside = (x > -3) & (x < 3)
        return dout * np.clip(x + 3, 0, 6) / 6 + dout * inside * x / 6
"""
LOG_SUM_EXP = """
class LogSumExp:
    def forward(self, x):
        e = np.exp(x)
        total = np.sum(e, axis=1, keepdims=True)
        self.softmax = e / total
        return np.log(total)

    def backward(self, dout):
        return dout * self.softmax
"""
GAUSSIAN = """
class Gaussian:
    def forward(self, x):
        self.x = x
        self.y = np.exp(-(x**2) / 2)
        return self.y

    def backward(self, dout):
        return -self.x * self.y * dout
"""
AFFINE = """
class Affine:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, dout):
        W, b = self.params
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ W.T
"""
PAIRS = """
class Pairs:
    def forward(self, x):
        self.shape = x.shape
        return x[:, ::2] + 2 * x[:, 1::2]

    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[:, ::2] = dout
        dx[:, 1::2] = 2 * dout
        return dx
"""
ROWS = """
class Rows:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(len(dout)):
            dx[i] = 2 * self.x[i] * dout[i]
        return dx
"""
DOUBLE = """
class Double:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        n, m = dout.shape
        return (2 * dout).reshape(n, m)
"""
MEAN = """
class Mean:
    def forward(self, x):
        self.n = x.shape[1]
        return x.mean(axis=1, keepdims=True)

    def backward(self, dout):
        return np.repeat(dout, self.n, axis=1) / self.n
"""
BROADCAST = """
def sum_to(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g


class Add:
    def forward(self, x, y):
        self.shape = y.shape
        return x * y

    def backward(self, dout):
        return dout * 1.0
"""
X = np.random.default_rng(3).normal(size=(3, 4)) * 2
W, B = np.random.default_rng(4).normal(size=(4, 2)), np.array([0.3, -0.2])

# The layer, what is right, what stands there instead, the word, and what the repair writes.
WRONG = [
    (HARD_SWISH, "return x * np.clip(x + 3, 0, 6)", "return x * np.clip(x, 0, 6)", "missing term", "np.clip(x + 3, 0"),
    (HARD_SWISH, "dout * np.clip(x + 3, 0, 6)", "dout * (x + 3)", "formula", "dout * np.clip(x + 3, 0, 6) /"),
    (LOG_SUM_EXP, "e / total", "e", "factor", "e / total"),
    (AFFINE, "dout.sum(axis=0)", "dout.mean(axis=0)", "factor", "dout.sum(axis=0)"),
    (ROWS, "range(len(dout))", "list(range(len(dout)))[1:]", "missing term", "in list(range(len(dout))):"),
    (TANH, "(1 - self.y**2)", "(1 - self.y) ** 2", "formula", "1 - self.y**2"),
    (SOFTMAX, "sum(axis=-1", "sum(axis=-2", "axis", "axis="),
    (DOUBLE, "n, m = dout.shape", "m, n = dout.shape", "swapped", "n, m = dout.shape"),
]  # fmt: skip
# Forward is another one than backward belongs to: which of the two is meant, nothing tells.
OTHER_FORWARD = [
    (SIGMOID, "/ (1 + small)", "* (1 + small)", "factor", "/ (1 + small)"),
    (SIGMOID, "/ (1 + small)", "/ (1 - small)", "sign", "1 + small"),
    (SIGMOID, "/ (1 + small)", "/ small", "missing term", "1 + small"),
    (SIGMOID, "/ (1 + small)", "/ 1", "missing term", "1 + small"),
    (SIGMOID, "np.exp(-np.abs(x))", "np.expm1(-np.abs(x))", "formula", "np.exp(-np.abs(x))"),
    (MEAN, "x.mean(axis=1,", "x.mean(axis=0,", "axis", "x.mean(axis=1,"),
    (GAUSSIAN, "(x**2)", "x", "formula", "x**2"),
    (AFFINE, "x @ W + b", "x @ W", "missing term", "x @ W + b"),
]


def layer(text, *arguments):
    """The class at the end of a source that the line cache knows."""
    source = "import numpy as np\n" + text
    file = f"<layer {abs(hash(source))}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names = {"__name__": "wrong"}
    exec(compile(source, file, "exec"), names)
    return [item for item in names.values() if isinstance(item, type)][-1](*arguments)


def wrong(text, x=X):
    built = layer(text, W.copy(), B.copy()) if "params" in text else layer(text)
    return [f for f in check(built, x.copy()).findings if f.code in ("D101", "D103", "D106", "D501")]


@pytest.mark.parametrize("text", [SIGMOID, HARD_SWISH, LOG_SUM_EXP, GAUSSIAN, AFFINE, PAIRS, ROWS, DOUBLE, MEAN])
def test_the_layers_are_right_as_they_stand(text):
    assert not wrong(text)


@pytest.mark.one_in(6)
@pytest.mark.parametrize(("text", "right", "instead", "word", "written"), WRONG)
def test_a_mistake_anywhere_is_explained(text, right, instead, word, written):
    assert right in text
    findings = wrong(text.replace(right, instead))
    assert findings
    for found in findings:
        assert (found.cause, written in "".join(str(found.fix).splitlines()[4:])) == (word, True), found


@pytest.mark.one_in(6)
@pytest.mark.parametrize(("text", "right", "instead", "word", "written"), OTHER_FORWARD)
def test_another_forward_is_named_and_is_no_repair(text, right, instead, word, written):
    assert right in text
    findings = wrong(text.replace(right, instead))
    assert findings
    for found in findings:
        assert (found.cause, found.fix) == (word, None), found
        assert "backward belongs to another forward" in found.because
        assert written in found.because.partition(" instead of ")[0]


def test_a_block_that_is_left_out_is_named():
    (found,) = wrong(PAIRS.replace("dx[:, 1::2] = 2 * dout", "pass"))
    assert found.cause == "missing term"
    assert "[:, 1:4:2] of it is left at 0" in found.because


def test_a_layer_that_ignores_dout_has_a_finding_for_each_gradient():
    text = """
class Mul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return self.y, self.x
"""
    y = X + 7
    found = [f for f in check(layer(text), X.copy(), y.copy()).findings if f.code == "D103"]
    assert [f.argument for f in found] == ["x", "y"]
    for finding, other in zip(found, (y, X), strict=True):
        assert finding.got == pytest.approx(other[finding.index])
        assert finding.expected != pytest.approx(finding.got)
        assert finding.cause == "ignores dout"


def test_one_gradient_that_ignores_dout_is_repaired():
    (found,) = wrong(GAUSSIAN.replace(" * dout", ""))
    assert (found.code, found.argument, found.cause) == ("D103", "x", "ignores dout")
    assert "dout" in str(found.fix).splitlines()[-1]


@pytest.mark.parametrize(
    ("instead", "word"), [("dout.sum(axis=1)", "axis"), ("dout", "broadcast"), ("dout.sum()", "axis")]
)
def test_a_gradient_of_another_shape_is_explained(instead, word):
    text = """
class Shift:
    def forward(self, x, b):
        return x + b

    def backward(self, dout):
        return dout, dout.sum(axis=0)
"""
    report = check(layer(text.replace("dout.sum(axis=0)", instead)), X.copy(), np.arange(4.0))
    (found,) = [f for f in report.findings if f.code == "D501"]
    assert found.cause == word
    assert "dout.sum(axis=0" in str(found.fix)


def test_index_and_numbers_are_those_on_the_given_inputs():
    (found,) = wrong(GAUSSIAN.replace("-self.x", "self.x"))
    assert found.index in np.ndindex(X.shape)
    assert np.shape(found.inputs["x"]) != X.shape
    assert found.got == pytest.approx(-found.expected)
    assert found.there.startswith("there it is ")


def test_where_a_gradient_is_not_finite_the_index_says_so():
    text = GAUSSIAN.replace("-self.x * self.y * dout", "-self.x * self.y * dout / (self.x > 0)")
    (found,) = wrong(text, np.abs(X) * np.where(np.arange(12).reshape(3, 4) == 6, -1, 1))
    assert found.index == (1, 2)


def test_a_parameter_in_a_list_is_named_after_the_argument_too():
    (found,) = wrong(AFFINE.replace("dout.sum(axis=0)", "-dout.sum(axis=0)"))
    assert found.argument == "params[1]"
    assert "the gradient of params[1] (b) is" in found.message


@pytest.mark.long
def test_a_repair_that_would_never_end_is_given_up():
    x, y = np.ones((2, 3, 4)), np.arange(1.0, 5)
    text = BROADCAST.replace("return dout * 1.0", "return dout, -sum_to(dout, self.shape)")
    report = check(layer(text), x, y)
    assert report.seconds < 60  # not never
    assert {f.argument for f in report.findings if f.code == "D101"} == {"x", "y"}


def test_a_forward_that_ignores_its_input_is_no_repair():
    (found,) = wrong(PAIRS.replace("dx[:, 1::2] = 2 * dout", "pass"))
    assert found.fix is None
