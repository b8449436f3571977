"""Why a gradient is wrong: layers with one wrong expression, each with the word and the line that explain it."""

import linecache
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("flint")

from dout.check.cause import causes, smallest_failing
from dout.check.judge import judge
from dout.check.subject import Subject
from dout.trace.record import record


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """The searches have all the time they need: what they find must not depend on the machine."""
    for module, name in (("", "MOST_SECONDS"), (".search", "SECONDS"), (".shrink", "SECONDS")):
        monkeypatch.setattr(sys.modules[f"dout.check.cause{module}"], name, 60.0)


LAYERS = {
    "Sigmoid": """
class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)
""",
    "Tanh": """
class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        dx = dout * (1 - self.out**2)
        return dx
""",
    "Relu": """
class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx
""",
    "LeakyRelu": """
class LeakyRelu:
    def forward(self, x):
        self.positive = x > 0
        return np.where(self.positive, x, 0.1 * x)

    def backward(self, dout):
        return np.where(self.positive, dout, 0.1 * dout)
""",
    "Mul": """
class Mul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x
        return dx, dy
""",
    "MatMul": """
class MatMul:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x @ y

    def backward(self, dout):
        dx = dout @ self.y.T
        dy = self.x.T @ dout
        return dx, dy
""",
    "Shift": """
class Shift:
    def forward(self, x, b):
        return x + b

    def backward(self, dout):
        return dout, dout.sum(axis=0)
""",
    "Div": """
class Div:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x / y

    def backward(self, dout):
        dx = dout / self.y
        dy = -dout * self.x / self.y**2
        return dx, dy
""",
    "Affine": """
class Affine:
    def __init__(self):
        self.W = np.random.default_rng(1).normal(size=(4, 3))
        self.b = np.array([0.3, -0.2, 0.1])

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx
""",
    "Softmax": """
class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.out = e / e.sum(axis=1, keepdims=True)
        return self.out

    def backward(self, dout):
        s = np.sum(dout * self.out, axis=1, keepdims=True)
        dx = self.out * (dout - s)
        return dx
""",
    "SoftmaxWithLoss": """
class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return -np.sum(t * np.log(self.y)) / len(t)

    def backward(self, dout):
        n = self.t.shape[0]
        dx = (self.y - self.t) / n
        return dout * dx
""",
    "MeanSquare": """
class MeanSquare:
    def forward(self, x, y):
        self.diff = x - y
        return np.mean(self.diff**2)

    def backward(self, dout):
        dx = dout * 2 * self.diff / self.diff.size
        return dx, -dx
""",
    "BatchNorm": """
class BatchNorm:
    def __init__(self):
        self.gamma = np.array([1.2, 0.7, -0.6])
        self.beta = np.array([0.1, 0.2, 0.3])

    def forward(self, x):
        mu = x.mean(axis=0)
        self.xc = x - mu
        var = np.mean(self.xc**2, axis=0)
        self.std = np.sqrt(var + 1e-7)
        self.xn = self.xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        n = dout.shape[0]
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / n) * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        dx = dxc - dmu / n
        return dx
""",
    "LayerNorm": """
class LayerNorm:
    def forward(self, x):
        mu = x.mean(axis=1, keepdims=True)
        self.std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        self.out = (x - mu) / self.std
        return self.out

    def backward(self, dout):
        m = dout.mean(axis=1, keepdims=True)
        c = (dout * self.out).mean(axis=1, keepdims=True)
        return (dout - m - self.out * c) / self.std
""",
    "Conv1d": """
class Conv1d:
    def __init__(self):
        self.W = np.random.default_rng(2).normal(size=3)

    def forward(self, x):
        self.x = x
        n = x.shape[1] - 2
        return sum(self.W[k] * x[:, k : k + n] for k in range(3))

    def backward(self, dout):
        n = dout.shape[1]
        dx = np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        for k in range(3):
            dx[:, k : k + n] += self.W[k] * dout
            self.dW[k] = np.sum(self.x[:, k : k + n] * dout)
        return dx
""",
    "Cell": """
class Cell:
    def forward(self, a, g, c_prev):
        self.f = 1 / (1 + np.exp(-a))
        self.g = np.tanh(g)
        self.c_prev = c_prev
        return self.f * c_prev + (1 - self.f) * self.g

    def backward(self, dc):
        df = dc * self.c_prev - dc * self.g
        dg = dc * (1 - self.f)
        dc_prev = dc * self.f
        return df * self.f * (1 - self.f), dg * (1 - self.g**2), dc_prev
""",
    "Attention": """
class Attention:
    def forward(self, q, k):
        self.q, self.k = q, k
        s = q @ k.T / 2.0
        e = np.exp(s - s.max(axis=1, keepdims=True))
        self.a = e / e.sum(axis=1, keepdims=True)
        return self.a @ k

    def backward(self, dout):
        da = dout @ self.k.T
        ds = self.a * (da - np.sum(da * self.a, axis=1, keepdims=True))
        ds = ds / 2.0
        dq = ds @ self.k
        dk = self.a.T @ dout + ds.T @ self.q
        return dq, dk
""",
    "AveragePool": """
class AveragePool:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1, 2).mean(axis=2)

    def backward(self, dout):
        dx = np.repeat(dout, 2, axis=1) / 2
        return dx
""",
    "MaxPool": """
class MaxPool:
    def forward(self, x):
        pairs = x.reshape(x.shape[0], -1, 2)
        out = pairs.max(axis=2)
        self.mask = pairs == out[:, :, None]
        return out

    def backward(self, dout):
        dx = self.mask * dout[:, :, None]
        return dx.reshape(dout.shape[0], -1)
""",
}


def rows(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


INPUTS = {
    "Mul": (rows(3, 4), rows(3, 4, seed=1)),
    "MatMul": (rows(3, 3), rows(3, 3, seed=1)),
    "Shift": (rows(3, 4), rows(4, seed=1)),
    "Div": (rows(3, 4), 1.5 + rows(3, 4, seed=1) ** 2),
    "SoftmaxWithLoss": (rows(3, 4), np.eye(4)[[0, 2, 3]]),
    "MeanSquare": (rows(3, 4), rows(3, 4, seed=1)),
    "BatchNorm": (rows(4, 3),),
    "Conv1d": (rows(2, 6),),
    "Cell": (rows(3, 2), rows(3, 2, seed=1), rows(3, 2, seed=2)),
    "Attention": (rows(3, 4), rows(5, 4, seed=1)),
}

# The layer, what is right, what stands there instead, and the words that say so.
WRONG = [
    ("Sigmoid", "dout * self.out * (1 - self.out)", "dout * self.out", "factor"),
    ("Sigmoid", "dout * self.out * (1 - self.out)", "dout * (1 - self.out)", "factor"),
    ("Sigmoid", "dout * self.out * (1 - self.out)", "-dout * self.out * (1 - self.out)", "sign"),
    ("Sigmoid", "(1 - self.out)", "(1 + self.out)", "sign"),
    ("Sigmoid", "(1 - self.out)", "(2 - self.out)", "factor formula"),
    ("Tanh", "1 - self.out**2", "1 - self.out", "formula"),
    ("Tanh", "1 - self.out**2", "1 + self.out**2", "sign"),
    ("Tanh", "1 - self.out**2", "1 - self.out**3", "formula"),
    ("Tanh", "dout * (1 - self.out**2)", "dout", "factor"),
    ("Tanh", "dout * (1 - self.out**2)", "dout / (1 - self.out**2)", "factor"),
    ("Tanh", "1 - self.out**2", "self.out**2 - 1", "sign"),
    ("Relu", "dx[self.mask] = 0", "dx[~self.mask] = 0", "mask"),
    ("Relu", "dx[self.mask] = 0", "dx[self.mask] = 1", "factor formula"),
    ("LeakyRelu", "np.where(self.positive, dout, 0.1 * dout)", "np.where(self.positive, 0.1 * dout, dout)", "mask"),
    ("LeakyRelu", "dout, 0.1 * dout)", "dout, 0.2 * dout)", "factor"),
    ("LeakyRelu", "dout, 0.1 * dout)", "dout, -0.1 * dout)", "sign"),
    ("Mul", "dx = dout * self.y", "dx = dout * self.x", "swapped"),
    ("Mul", "dy = dout * self.x", "dy = -dout * self.x", "sign"),
    ("Mul", "dx = dout * self.y", "dx = self.y", "ignores dout"),
    ("MatMul", "dout @ self.y.T", "dout @ self.y", "transpose"),
    ("MatMul", "self.x.T @ dout", "dout @ self.x.T", "transpose"),
    ("MatMul", "self.x.T @ dout", "(self.x.T @ dout).T", "transpose"),
    ("Shift", "dout.sum(axis=0)", "dout", "broadcast"),
    ("Shift", "dout.sum(axis=0)", "dout.sum(axis=0, keepdims=True)", "broadcast"),
    ("Shift", "dout.sum(axis=0)", "-dout.sum(axis=0)", "sign"),
    ("Mul", "return dx, dy", "return dy, dx", "swapped"),
    ("Mul", "dx = dout * self.y", "dx = dout / self.y", "factor"),
    ("Mul", "dx = dout * self.y", "dx = 2 * dout * self.y", "factor"),
    ("Div", "-dout * self.x / self.y**2", "dout * self.x / self.y**2", "sign"),
    ("Div", "-dout * self.x / self.y**2", "-dout * self.x / self.y", "formula factor"),
    ("Div", "dx = dout / self.y", "dx = dout * self.y", "factor"),
    ("Div", "-dout * self.x / self.y**2", "-dout / self.y**2", "factor"),
    ("Affine", "self.W.T", "self.W.T * 2", "factor"),
    ("Affine", "np.sum(dout, axis=0)", "np.sum(dout, axis=1)", "axis"),
    ("Affine", "np.sum(dout, axis=0)", "np.mean(dout, axis=0)", "factor"),
    ("Affine", "np.sum(dout, axis=0)", "np.sum(dout, axis=0) / len(dout)", "factor"),
    ("Softmax", "self.out * (dout - s)", "self.out * (dout + s)", "sign"),
    ("Softmax", "self.out * (dout - s)", "self.out * dout", "missing term"),
    ("Softmax", "axis=1, keepdims=True)\n        dx", "axis=0, keepdims=True)\n        dx", "axis"),
    ("Softmax", "np.sum(dout * self.out,", "np.sum(dout,", "factor"),
    ("Softmax", "np.sum(dout * self.out,", "np.mean(dout * self.out,", "factor"),
    ("SoftmaxWithLoss", "(self.y - self.t) / n", "(self.y - self.t)", "factor"),
    ("SoftmaxWithLoss", "(self.y - self.t) / n", "(self.t - self.y) / n", "sign"),
    ("SoftmaxWithLoss", "(self.y - self.t) / n", "(self.y + self.t) / n", "sign"),
    ("SoftmaxWithLoss", "(self.y - self.t) / n", "self.y / n", "missing term"),
    ("MeanSquare", "dout * 2 * self.diff", "dout * self.diff", "factor"),
    ("MeanSquare", "self.diff / self.diff.size", "self.diff", "factor"),
    ("MeanSquare", "return dx, -dx", "return dx, dx", "sign"),
    ("MeanSquare", "/ self.diff.size", "/ len(self.diff)", "factor"),
    ("BatchNorm", "dstd = -np.sum", "dstd = np.sum", "sign"),
    ("BatchNorm", "0.5 * dstd", "dstd", "factor"),
    ("BatchNorm", "dxc += (2.0 / n)", "dxc += (1.0 / n)", "factor"),
    ("BatchNorm", "dxc += (2.0 / n)", "dxc -= (2.0 / n)", "sign"),
    ("BatchNorm", "dx = dxc - dmu / n", "dx = dxc - dmu", "factor"),
    ("BatchNorm", "np.sum(self.xn * dout, axis=0)", "np.sum(self.xc * dout, axis=0)", "swapped"),
    ("BatchNorm", "dxn = self.gamma * dout", "dxn = dout", "factor"),
    ("LayerNorm", "dout - m - self.out * c", "dout - m", "missing term"),
    ("LayerNorm", "dout - m - self.out * c", "dout - m + self.out * c", "sign"),
    ("LayerNorm", "self.out * c) / self.std", "self.out * c) * self.std", "factor"),
    ("LayerNorm", "m = dout.mean(axis=1, keepdims=True)", "m = dout.mean(axis=0, keepdims=True)", "axis"),
    ("LayerNorm", "m = dout.mean(axis=1, keepdims=True)", "m = dout.sum(axis=1, keepdims=True)", "factor"),
    ("Conv1d", "dx[:, k : k + n] += self.W[k] * dout", "dx[:, k : k + n] = self.W[k] * dout", "missing term"),
    ("Conv1d", "+= self.W[k] * dout", "-= self.W[k] * dout", "sign"),
    ("Cell", "dc * self.c_prev - dc * self.g", "dc * self.c_prev + dc * self.g", "sign"),
    ("Cell", "dc * self.c_prev - dc * self.g", "dc * self.c_prev", "missing term"),
    ("Cell", "dg = dc * (1 - self.f)", "dg = dc * self.f", "formula"),
    ("Cell", "dg * (1 - self.g**2)", "dg", "factor"),
    ("Cell", "dc_prev = dc * self.f", "dc_prev = dc", "factor"),
    ("Attention", "ds = ds / 2.0", "ds = ds * 2.0", "factor"),
    ("Attention", "np.sum(da * self.a, axis=1", "np.sum(da * self.a, axis=0", "axis"),
    ("Attention", "(da - np.sum", "(da + np.sum", "sign"),
    ("Attention", "self.a.T @ dout + ds.T @ self.q", "self.a.T @ dout - ds.T @ self.q", "sign"),
    ("AveragePool", "axis=1) / 2", "axis=1)", "factor"),
    ("MaxPool", "self.mask * dout[:, :, None]", "~self.mask * dout[:, :, None]", "mask"),
    ("MaxPool", "dx = self.mask * dout[:, :, None]", "dx = -1.0 * self.mask * dout[:, :, None]", "sign"),
]  # fmt: skip
ALSO = {  # lines where the other half of the same product may be mended as well
    "dx = dxc - dmu": "dmu = np.sum",
    "dg": "dg = dc",
}


def built(name, text, file):
    """The layer, from a source that the line cache knows."""
    source = "import numpy as np\n" + text
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names = {"__name__": "wrong"}
    exec(compile(source, file, "exec"), names)
    return names[name](), source


def judged(name, text, file):
    layer, source = built(name, text, file)
    inputs = INPUTS.get(name, (rows(3, 4),))
    subject = Subject.of(layer, inputs, ("x", "y", "z")[: len(inputs)])
    first = subject.run()
    found = judge(record(subject.make(), *subject.fresh_inputs(), dout=first.douts[0]))
    return subject, found, source


def explained(name, right, wrong, file):
    text = LAYERS[name]
    back = text.index("def backward")
    place = text.index(right, back)
    changed = text[:place] + wrong + text[place + len(right) :]
    subject, found, source = judged(name, changed, file)
    line = source.count("\n", 0, place + len("import numpy as np\n") + _differs_at(right, wrong)) + 1
    return subject, found, source, line


def _differs_at(right, wrong):
    return next((i for i, (a, b) in enumerate(zip(right, wrong, strict=False)) if a != b), min(len(right), len(wrong)))


@pytest.mark.parametrize("name", LAYERS)
def test_the_layers_are_right_as_they_stand(name):
    _, found, _ = judged(name, LAYERS[name], f"<right {name}>")
    assert not found.refuted


@pytest.mark.parametrize(("name", "right", "wrong", "words"), WRONG)
def test_one_wrong_expression_is_explained(name, right, wrong, words, tmp_path):
    file = str(tmp_path / "layer.py")
    subject, found, source, line = explained(name, right, wrong, file)
    assert found.refuted
    given = causes(subject, found.examination, found.refuted)
    assert set(given) == set(found.refuted)
    for cause in given.values():
        assert cause.word in words, cause
        also = ALSO.get(wrong)
        lines = source.splitlines()
        assert cause.where.line == line or (also and also in lines[cause.where.line - 1]), cause
        assert cause.fix, cause
        (tmp_path / "layer.py").write_text(source)
        subprocess.run(["patch", "-p1", "-s"], input=cause.fix, cwd=tmp_path, text=True, check=True)
        mended = (tmp_path / "layer.py").read_text()
        assert sum(a != b for a, b in zip(lines, mended.splitlines(), strict=True)) == 1
        _, after, _ = judged(name, mended.removeprefix("import numpy as np\n"), f"{file}.mended")
        assert not after.refuted


def test_the_user_s_class_is_as_before():
    subject, found, _, _ = explained("Tanh", "1 - self.out**2", "1 + self.out**2", "<tanh>")
    layer = subject.make()
    before = dict(vars(type(layer)))
    causes(subject, found.examination, found.refuted)
    assert dict(vars(type(layer))) == before
    assert type(subject.make()) is type(layer)


def test_a_repair_says_what_should_stand_there():
    subject, found, _, _ = explained("Div", "-dout * self.x", "dout * self.x", "<div>")
    (cause,) = causes(subject, found.examination, found.refuted).values()
    assert cause.sentence == ("the sign is wrong: `dout * self.x / self.y**2` should be `-dout * self.x / self.y**2`")


def test_the_first_wrong_gradient_in_between_is_named():
    subject, found, _, line = explained("BatchNorm", "dstd = -np.sum", "dstd = np.sum", "<norm>")
    (cause,) = causes(subject, found.examination, found.refuted).values()
    assert cause.first_wrong == f"dstd, at <norm>:{line}"


def test_two_mistakes_are_explained_each_for_itself():
    text = LAYERS["Mul"].replace("dx = dout * self.y", "dx = -dout * self.y").replace("dy = dout *", "dy = 2 * dout *")
    subject, found, source = judged("Mul", text, "<two>")
    words = {c.word: c.where.line for c in causes(subject, found.examination, found.refuted).values()}
    lines = source.splitlines()
    assert {word: lines[line - 1].strip()[:2] for word, line in words.items()} == {"sign": "dx", "factor": "dy"}


def test_without_its_source_a_layer_has_a_word_and_no_repair():
    text = LAYERS["Mul"].replace("dx = dout * self.y", "dx = 2 * dout * self.y")
    subject, found, _ = judged("Mul", text, "<gone>")
    del linecache.cache["<gone>"]
    (cause,) = causes(subject, found.examination, found.refuted).values()
    assert (cause.word, cause.fix) == ("factor", None)
    assert "twice" in cause.sentence


def test_the_smallest_failing_input_can_be_typed():
    subject, found, _, _ = explained("Affine", "self.W.T", "self.W.T * 2", "<affine>")
    (outcome,) = found.refuted.values()
    failing = smallest_failing(subject, found.examination, outcome)
    assert np.shape(failing.inputs["x"]) == (1, 4)
    layer = subject.make()
    layer.forward(np.array(failing.inputs["x"]))
    got = layer.backward(np.array(failing.inputs["dout"]))
    assert got[failing.index] == pytest.approx(failing.got)
    assert failing.got == pytest.approx(2 * failing.expected)
