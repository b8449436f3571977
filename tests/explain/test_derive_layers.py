"""Derived backwards of layers of many kinds: judged exactly, at sizes that they were not derived at."""

import ast
import re

import numpy as np
import pytest

import dout
from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.loops.looped_class import derived
from dout.explain.verb.in_place import replaced_source

RNG = np.random.default_rng(7)


class LayerNorm:
    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma, self.beta, self.eps = gamma, beta, eps

    def forward(self, x):
        mu = x.mean(axis=-1, keepdims=True)
        xc = x - mu
        std = np.sqrt(np.mean(xc**2, axis=-1, keepdims=True) + self.eps)
        xhat = xc / std
        return self.gamma * xhat + self.beta


def log_softmax(x):
    z = x - np.max(x, axis=1, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))


class SoftmaxWithLoss:
    def forward(self, x, t):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        y = e / np.sum(e, axis=1, keepdims=True)
        return -np.sum(np.log(y[np.arange(x.shape[0]), t])) / x.shape[0]


class TwoLayerNet:
    def __init__(self, W1, b1, W2, b2):
        self.params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}

    def forward(self, x):
        h = np.maximum(0, np.dot(x, self.params["W1"]) + self.params["b1"])
        return np.dot(h, self.params["W2"]) + self.params["b2"]


class RnnStep:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        return np.tanh(x @ Wx + h_prev @ Wh + b)


class Embedding:
    def __init__(self, W):
        self.W = W

    def forward(self, idx):
        return self.W[idx]


class MeanSquare:
    def forward(self, y, t):
        return 0.5 * np.sum((y - t) ** 2) / y.shape[0]


class Mean:
    def forward(self, x):
        return np.mean(x)


class Halves:
    def forward(self, x):
        a = np.tanh(x[:, :2])
        b = x[:, 2:] ** 2
        return a, b


class Silu:
    def forward(self, x):
        return x / (1 + np.exp(-x))


class Softplus:
    def forward(self, x):
        return np.log(1 + np.exp(x))


class SigmoidThatOverflows:
    def forward(self, x):
        return np.exp(x) / (1 + np.exp(x))


class LeakyRelu:
    def __init__(self, alpha=0.1):
        self.alpha = alpha

    def forward(self, x):
        return np.where(x > 0, x, self.alpha * x)


def array(*shape):
    return RNG.normal(size=shape)


LABELS = np.array([1, 0, 2, 2, 1])
CASES = {
    LayerNorm: ({"gamma": array(6), "beta": array(6)}, [(array(4, 6),), (array(9, 6),)]),
    log_softmax: ({}, [(array(4, 6),), (array(9, 2),)]),
    SoftmaxWithLoss: ({}, [(array(5, 3), LABELS), (array(3, 8), LABELS[:3])]),
    TwoLayerNet: (
        {"W1": array(6, 4), "b1": array(4), "W2": array(4, 2), "b2": array(2)}, [(array(3, 6),), (array(8, 6),)]
    ),
    RnnStep: ({"Wx": array(6, 4), "Wh": array(4, 4), "b": array(4)}, [(array(n, 6), array(n, 4)) for n in (3, 8)]),
    Embedding: ({"W": array(8, 3)}, [(LABELS,), (np.array([[7, 7], [0, 3]]),)]),
    MeanSquare: ({}, [(array(4, 6), array(4, 6)), (array(2, 9), array(2, 9))]),
    Mean: ({}, [(array(4, 6),), (array(9, 2),)]),
    Halves: ({}, [(array(4, 6),), (array(9, 5),)]),
    Silu: ({}, [(array(4, 6),), (array(9, 2),)]),
    Softplus: ({}, [(array(4, 6),), (array(9, 2),)]),
    SigmoidThatOverflows: ({}, [(array(4, 6),), (array(9, 2),)]),
    LeakyRelu: ({}, [(array(4, 6),), (array(9, 2),)]),
}  # fmt: skip
RIGHT = {"exact", "exact up to rounded constants", "exact up to a stabiliser"}
_FOUND = {}


def written(target):
    if target not in _FOUND:
        _FOUND[target] = derived(target)
    return _FOUND[target]


@pytest.mark.parametrize("target", CASES, ids=lambda target: target.__name__)
class TestEachLayer:
    @pytest.mark.one_in(6)
    def test_the_backward_is_the_derivative_at_two_other_sizes(self, target):
        init, examples = CASES[target]
        if target is Embedding:
            examples = examples[:1]  # indices with two axes are another recording
        for inputs in examples:
            report = dout.check(written(target).layer(**init), *inputs)
            assert report.verdicts
            assert {str(v.word) for v in report.verdicts} <= RIGHT
            assert not [f for f in report.findings if f.severity == "error"]

    @pytest.mark.one_in(6)
    def test_gradients_are_finite_at_a_thousand(self, target):
        init, examples = CASES[target]
        if target is LayerNorm or examples[0][0].dtype != float:
            pytest.skip("its gradient at a thousand is no matter of overflow")
        x, *rest = examples[0]
        layer = written(target).layer(**init)
        with np.errstate(all="ignore"):
            out = layer.forward(np.sign(x) * 1000, *rest)
            douts = tuple(np.ones(np.shape(o)) for o in out) if isinstance(out, tuple) else (np.ones(np.shape(out)),)
            gradients = layer.backward(*douts)
        for gradient in gradients if isinstance(gradients, tuple) else (gradients,):
            assert np.all(np.isfinite(gradient))

    def test_float32_stays_float32(self, target):
        init, examples = CASES[target]
        inputs = [a.astype(np.float32) if a.dtype == float else a for a in examples[0]]
        init = {k: v.astype(np.float32) for k, v in init.items()}
        layer = written(target).layer(**init)
        out = layer.forward(*inputs)
        douts = [np.ones_like(o) for o in out] if isinstance(out, tuple) else [np.ones_like(out)]
        found = layer.backward(*douts)
        for gradient in found if isinstance(found, tuple) else (found,):
            assert gradient is None or gradient.dtype == np.float32

    def test_no_size_of_an_example_stands_in_the_text(self, target):
        backward = written(target).source.partition("def backward")[2]
        code = "\n".join(line for line in backward.splitlines() if not line.lstrip().startswith("#"))
        numbers = {int(n) for n in re.findall(r"(?<![\w.])\d+(?![\w.])", code)}
        assert numbers <= {-1, 0, 1, 2}

    def test_the_text_is_python_of_lines_that_fit(self, target):
        source = written(target).source
        ast.parse(source)
        assert max(map(len, source.splitlines())) <= 120


def test_what_is_kept_takes_the_fewest_bytes():
    assert "self.xhat = xhat" in written(LayerNorm).source
    assert "self.std = std" in written(LayerNorm).source
    assert "self.x = " not in written(LayerNorm).source
    assert "self.x" not in written(Mean).source.replace("self.x_shape", "")


def test_a_layer_norm_is_written_as_in_the_textbook():
    backward = written(LayerNorm).source
    assert "dxc = (dxhat - (dxhat * self.xhat).mean(axis=-1, keepdims=True) * self.xhat) / self.std" in backward
    assert "dx = dxc - dxc.mean(axis=-1, keepdims=True)" in backward


class BatchNorm:
    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta

    def forward(self, x):
        xn = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
        return self.gamma * xn + self.beta


class LargerOfTwo:
    def forward(self, x):
        pairs = x.reshape(x.shape[0], x.shape[1] // 2, 2)
        return pairs.max(axis=2)


class Huber:
    def __init__(self, delta=0.75):
        self.delta = delta

    def forward(self, x):
        r, d = np.abs(x), self.delta
        return np.where(r <= d, 0.5 * r**2, d * (r - 0.5 * d))


class Clipped:
    def forward(self, x):
        return np.clip(x, -0.5, 0.5)


class ByLength:
    def forward(self, x):
        norm = np.sqrt((x * x).sum(axis=1))
        return x / norm[:, None]


class TanhExp:
    def forward(self, x):
        return x * np.tanh(np.exp(x))


def test_the_slope_of_tanh_is_0_where_what_it_is_multiplied_by_overflows():
    layer = derived(TanhExp).layer()
    with np.errstate(over="ignore"):
        layer.forward(np.array([-1000.0, 0.5, 1000.0]))
        gradient = layer.backward(np.ones(3))
    slope = np.tanh(np.exp(0.5)) + 0.5 * np.exp(0.5) / np.cosh(np.exp(0.5)) ** 2
    assert np.allclose(gradient, [0, slope, 1], rtol=1e-14)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("layer", "given", "again"),
    [
        (BatchNorm, {"x": array(4, 3)}, r"var|self\.diff|mean"),
        (LargerOfTwo, {"x": array(3, 4)}, "max"),
        (Huber, {"x": array(3, 4)}, "where"),
        (Clipped, {"x": array(3, 4)}, r"np\.where"),
        (ByLength, {"x": array(3, 4)}, "newaxis|0.5"),
    ],
)
def test_what_forward_computed_backward_takes_from_it(layer, given, again):
    init = {"gamma": array(3), "beta": array(3)} if layer is BatchNorm else {}
    assert not re.search(again, derived(layer, init, given).source.partition("def backward")[2])


def test_gradients_of_parameters_are_kept_like_the_parameters():
    assert 'self.grads["W1"] = ' in written(TwoLayerNet).source
    assert "self.grads[0][...] = " in written(RnnStep).source


class InContainer:
    def __init__(self, W, b, kind):
        self.weights = kind(W, b)

    def forward(self, x):
        W, b = self.weights.values() if isinstance(self.weights, dict) else self.weights
        return np.tanh(x @ W + b)


@pytest.mark.parametrize("kind", [lambda W, b: [W, b], lambda W, b: {"W": W, "b": b}])
def test_gradients_of_parameters_in_a_container_are_in_one_that_is_called_like_it(kind):
    init = {"W": array(4, 3), "b": array(3), "kind": kind}
    layer = derived(InContainer, init, {"x": array(2, 4)}).layer(**init)
    out = layer.forward(array(2, 4))
    layer.backward(np.ones((2, 3)))
    db = layer.grads["b"] if isinstance(layer.weights, dict) else layer.dweights[1]
    assert np.allclose(db, (1 - out**2).sum(axis=0), rtol=1e-14)


def test_an_instance_keeps_what_it_holds():
    layer = LayerNorm(array(6), array(6), eps=0.5)
    found = derived(layer, {}, {"x": array(4, 6)})
    assert set(found.verdict) == {"x", "gamma", "beta"}


def test_what_is_flat_is_refused_with_its_line():
    class Floor:
        def forward(self, x):
            return np.floor(x)

    with pytest.raises(NotDerivedError) as error:
        derived(Floor)
    assert error.value.reasons[0].key == "flat"
    assert error.value.reasons[0].fields["where"]


FILE = '''import numpy as np  # as ever


class First:
\tdef forward(self, x):
\t\treturn x


class Softplus:
    """Smooth."""

    def forward(self, x):
        return np.log(1 + np.exp(x))   # two spaces and more

    rate = 3
x   =  1
'''


def test_in_a_file_only_the_class_asked_for_changes():
    text = replaced_source(FILE, "Softplus", written(Softplus))
    forward = "    def forward(self, x):\n        return np.log(1 + np.exp(x))   # two spaces and more\n"
    before, after = FILE.split(forward)
    assert text.startswith(before)
    assert text.endswith(after)
    assert "def backward(self, dout):" in text
    ast.parse(text)


def test_in_a_file_replacing_again_changes_nothing():
    once = replaced_source(FILE, "Softplus", written(Softplus))
    assert replaced_source(once, "Softplus", written(Softplus)) == once
