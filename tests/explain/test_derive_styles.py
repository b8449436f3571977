"""A derived class in the styles of PyTorch and JAX: it computes what the NumPy class computes, or is refused."""

import inspect
import math

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.lib.stride_tricks import sliding_window_view

import dout
from dout.adapt.target import Target
from dout.cli import commands
from dout.errors import TargetError
from dout.explain.derive.class_text import DerivedClass
from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.derive.forward_runs import ForwardSubject
from dout.explain.styles.style_writer import styled

RNG = np.random.default_rng(5)


class Affine:
    """x W + b, scaled."""

    def __init__(self, W, b, scale=2.0):
        self.W, self.b, self.scale = W, b, scale

    def forward(self, x):
        self.x = x
        return (np.dot(x, self.W) + self.b) * self.scale

    def backward(self, dout):
        # the product rule
        scaled = dout * self.scale
        dx = np.dot(scaled, self.W.T)
        self.dW = np.dot(self.x.T, scaled)
        self.db = np.sum(scaled, axis=0)

        return dx


class ParamsInDict:
    def __init__(self, W):
        self.params = {"W": W}

    def forward(self, x):
        p = self.params
        self.x = x
        return x @ p["W"]

    def backward(self, dout):
        self.grads = {}
        self.grads["W"] = self.x.T @ dout
        return dout @ self.params["W"].T


class MeanLoss:
    def forward(self, x, t):
        self.t = t
        z = x - x.max(axis=1, keepdims=True)
        log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
        self.log_p = log_p
        return -log_p[np.arange(len(t)), t].mean()

    def backward(self, dout=1):
        dlog_p = np.zeros_like(self.log_p)
        dlog_p[np.arange(len(self.t)), self.t] = -dout / len(self.t)
        dx = dlog_p - np.sum(dlog_p, axis=1, keepdims=True) * np.exp(self.log_p)
        return dx, None


class Lookup:
    def __init__(self, table):
        self.table = table

    def forward(self, ids):
        self.ids = ids
        return self.table[ids]

    def backward(self, dout):
        dtable = np.zeros_like(self.table)
        np.add.at(dtable, self.ids, dout)
        self.dtable = dtable
        return None  # noqa: RET501 - for ids


class ReluInPlace:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        return dout * (1 - self.mask)


class Groups:
    def __init__(self, groups):
        self.groups = groups

    def forward(self, x):
        self.x_shape = x.shape
        g = x.reshape(x.shape[0], self.groups, -1)
        var = np.var(g, axis=2, keepdims=True)
        self.g, self.root = g - np.mean(g, axis=2, keepdims=True), np.sqrt(var + np.sqrt(1e-4) ** 3)
        return (self.g / self.root).reshape(x.shape).transpose(1, 0)

    def backward(self, dout):
        dg = dout.transpose(1, 0).reshape(self.g.shape) / self.root
        g = self.g / self.root
        dg = dg - np.mean(dg, axis=2, keepdims=True) - g * np.mean(dg * g, axis=2, keepdims=True)
        return dg.reshape(self.x_shape)


def squash(x):
    return 1 / (1 + np.exp(-x))


class TwoOutputs:
    def forward(self, x, y):
        x = squash(x)
        self.x, self.y = x, y
        return x * y, np.maximum(0, np.clip(y, None, 1.5))

    def backward(self, dproduct, dcut):
        dx = dproduct * self.y * self.x * (1 - self.x)
        dy = dproduct * self.x + np.where((self.y > 0) & (self.y < 1.5), 1.0, 0.0) * dcut
        return dx, dy


class RunningSum:
    def forward(self, x):
        return np.cumsum(x, axis=1)[:, ::-1]

    def backward(self, dout):
        return np.cumsum(dout, axis=1)[:, ::-1].copy()


X = RNG.normal(size=(3, 4))
ROWS = {
    Affine: ({"W": RNG.normal(size=(4, 2)), "b": RNG.normal(size=2)}, {"x": X}, "dW db"),
    ParamsInDict: ({"W": RNG.normal(size=(4, 2))}, {"x": X}, ""),
    MeanLoss: ({}, {"x": X, "t": np.array([1, 3, 0])}, ""),
    Lookup: ({"table": X}, {"ids": np.array([2, 0, 2, 1, 2])}, "dtable"),
    ReluInPlace: ({}, {"x": X}, ""),
    Groups: ({"groups": 2}, {"x": X}, ""),
    TwoOutputs: ({}, {"x": X, "y": 2 * X[::-1].copy()}, ""),
    RunningSum: ({}, {"x": X}, ""),
}


def derived(layer, init=None, inputs=None):
    """A class with its backward, as if it had been derived."""
    source = inspect.getsource(layer)
    subject = ForwardSubject(Target.of(layer), init or {}, inputs or {"x": X})
    return DerivedClass(layer.__name__, source, source, layer, subject=subject)


def written(layer, style, init=None, inputs=None):
    return styled(derived(layer, init, inputs), style).source


def of_numpy(layer, init, inputs, attributes):
    """Outputs, douts and the gradients of floats, inputs first."""
    made = layer(**init)
    out = made.forward(*inputs.values())
    outs = out if isinstance(out, tuple) else (out,)
    douts = [RNG.normal(size=np.shape(out)) for out in outs]
    given = made.backward(*douts)
    given = given if isinstance(given, tuple) else (given,)
    held = [getattr(made, name) for name in attributes.split()] or list(getattr(made, "grads", {}).values())
    return outs, douts, [g for g in (*given, *held) if g is not None]


each_layer = pytest.mark.parametrize("layer", ROWS, ids=lambda layer: layer.__name__)


@each_layer
def test_pytorch_computes_what_numpy_does_and_its_gradients_are_the_derivative(layer):
    torch = pytest.importorskip("torch")
    init, inputs, attributes = ROWS[layer]
    outs, douts, gradients = of_numpy(layer, init, inputs, attributes)
    space = {}
    exec(written(layer, "pytorch", init, inputs), space)
    apply = space[f"{layer.__name__}Function"].apply
    values = [torch.tensor(v) if isinstance(v, np.ndarray) else v for v in (*inputs.values(), *init.values())]
    values += [2.0] if layer is Affine else []
    learned = [v.requires_grad_() for v in values if isinstance(v, torch.Tensor) and v.is_floating_point()]
    found = apply(*values)
    found = found if isinstance(found, tuple) else (found,)
    for mine, expected in zip(found, outs, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=1e-12, atol=1e-14)
    got = torch.autograd.grad(found, learned, [torch.tensor(dout) for dout in douts])
    for mine, expected in zip(got, gradients, strict=True):
        np.testing.assert_allclose(mine.numpy(), expected, rtol=1e-12, atol=1e-14)
    assert torch.autograd.gradcheck(apply, values)


@each_layer
def test_jax_computes_what_numpy_does_and_its_gradients_are_the_derivative(layer):
    jax = pytest.importorskip("jax")
    from jax.test_util import check_grads

    init, inputs, attributes = ROWS[layer]
    outs, douts, gradients = of_numpy(layer, init, inputs, attributes)
    space = {}
    exec(written(layer, "jax", init, inputs), space)
    function = next(f for name, f in space.items() if isinstance(f, jax.custom_vjp))
    with jax.enable_x64(True):
        values = [jax.numpy.asarray(v) if isinstance(v, np.ndarray) else v for v in (*inputs.values(), *init.values())]
        places = [i for i, v in enumerate(values) if isinstance(v, jax.Array) and v.dtype.kind == "f"]

        def of_floats(*floats):
            given = dict(zip(places, floats, strict=True))
            found = function(*(given.get(i, v) for i, v in enumerate(values)))
            return found if isinstance(found, tuple) else (found,)

        learned = [values[i] for i in places]
        found, back = jax.vjp(jax.jit(of_floats), *learned)
        got = back(tuple(jax.numpy.asarray(dout) for dout in douts))
        check_grads(of_floats, learned, order=1, modes=["rev"])
    for mine, expected in zip((*found, *got), (*outs, *gradients), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-14)


def test_parameters_are_those_of_a_module_and_comments_stay():
    init, inputs, _ = ROWS[Affine]
    text = written(Affine, "pytorch", init, inputs)
    assert "def forward(ctx, x, W, b, scale):" in text
    assert "ctx.save_for_backward(x, W)\n        ctx.scale = scale\n" in text
    assert "# the product rule\n        scaled = dout * ctx.scale\n" in text
    assert "return dx, dW, db, None\n" in text
    assert "def __init__(self, W, b, scale=2.0):" in text
    assert "torch.nn.Parameter(torch.as_tensor(W))" in text
    assert "nn.Module" not in written(ReluInPlace, "pytorch")


def test_what_is_no_array_is_static_in_jax():
    init, inputs, _ = ROWS[Affine]
    text = written(Affine, "jax", init, inputs)
    assert "@partial(jax.custom_vjp, nondiff_argnums=(3,))\ndef affine(x, W, b, scale=2.0):" in text
    assert "def affine_bwd(scale, residuals, dout):\n    x, W = residuals\n" in text
    assert text.endswith("affine.defvjp(affine_fwd, affine_bwd)\n")


class Windows:
    def forward(self, x):
        self.count = x.shape[1] - 2
        return sliding_window_view(x, (3,), axis=(-1,)).sum(axis=2) / math.sqrt(3)

    def backward(self, dout):
        dx = np.zeros((dout.shape[0], self.count + 2))
        for i in range(3):
            dx[:, i : i + self.count] += dout / math.sqrt(3)
        return dx


def test_functions_of_modules_are_known_by_what_they_are():
    text = written(Windows, "pytorch")
    assert "return x.unfold(1, 3, 1).sum(dim=2) / math.sqrt(3)" in text
    assert text.startswith("import math\n")


# --- what is refused --------------------------------------------------------------------------------------------------


class NoForm:
    def forward(self, x):
        return np.lexsort(x) * 1.0

    def backward(self, dout):
        return dout


class Counts:
    def __init__(self):
        self.n = 0

    def forward(self, x):
        self.n = self.n + 1
        return x * 1

    def backward(self, dout):
        return dout * 1


class SecondName:
    def forward(self, x):
        out = x * 2
        row = out[0]
        row[:] = 0
        return out

    def backward(self, dout):
        dx = dout * 2
        dx[0] = 0
        return dx


class Branches:
    def forward(self, x):
        out = x * 2
        if x.ndim == 1:
            out = x * 3
        return out

    def backward(self, dout):
        return dout * 2


@pytest.mark.parametrize(
    ("layer", "style", "says"),
    [
        (NoForm, "pytorch", "np.lexsort has no form in PyTorch: line 3, return np.lexsort(x) * 1.0"),
        (NoForm, "jax", "np.lexsort has no form in JAX: line 3"),
        (Counts, "pytorch", "forward reads self.n and changes it: line 6"),
        (SecondName, "jax", "writing into an array that has another name has no form in JAX: line 5, row[:] = 0"),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_line(layer, style, says):
    with pytest.raises(NotDerivedError) as error:
        written(layer, style)
    assert str(error.value).startswith(f"{says}")
    assert "\n" not in str(error.value)


def test_a_branch_that_did_not_run_says_so():
    for style in ("pytorch", "jax"):
        text = written(Branches, style)
        assert "if x.ndim == 1:\n" in text
        assert 'raise NotImplementedError("the backward was derived for the other case")' in text
        assert "x * 3" not in text


# --- from Python and the command line ---------------------------------------------------------------------------------


class Product:
    def forward(self, x, y):
        return x * y


def test_derive_takes_a_style_and_says_that_the_text_was_not_run():
    made = dout.derive(Product, style="pytorch")
    assert made.source.startswith("import torch\n")
    assert made.notes[-1].fields == {"library": "PyTorch"}
    assert made.layer().forward(100.0, 2.0) == 200.0
    with pytest.raises(TargetError, match="there is no style keras: it is book, pytorch or jax"):
        dout.derive(Product, style="keras")


def test_in_place_is_for_numpy_alone():
    result = CliRunner().invoke(commands, ["derive", "mine.py:Half", "--in-place", "--style", "jax"])
    assert result.exit_code == 2
    assert "--in-place writes NumPy into your file; leave --style out" in result.output
