"""Gradients written by hand for torch and JAX are judged too, where these libraries are installed."""

import json

import numpy as np
import pytest
from dout_commands import run_dout

from dout.check.verb.check_layer import check

X = np.random.default_rng(0).normal(size=(3, 4))


def verdicts(target, *inputs):
    return {v.argument: v.word for v in check(target, *inputs).verdicts}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


def square(torch, factor, *, writes=False):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, dout):
            (x,) = ctx.saved_tensors
            return dout.mul_(factor * x) if writes else dout * factor * x

    return Square


def test_a_right_torch_function_agrees(torch):
    assert verdicts(square(torch, 2), X.copy()) == {"x": "agrees within rounding"}


def test_a_wrong_torch_function_is_refuted(torch):
    report = check(square(torch, 1), X.copy())
    assert [v.word for v in report.verdicts] == ["refuted"]
    assert report.file == __file__


def test_a_wrong_torch_function_is_an_error_on_chosen_inputs(torch):
    assert not check(square(torch, 1)).ok


def test_a_torch_function_that_writes_into_dout_is_an_error(torch):
    assert "D201" in {f.code for f in check(square(torch, 2, writes=True), X.copy()).findings}


@pytest.mark.parametrize(("factor", "word"), [(1.0, "agrees within rounding"), (2.0, "refuted")])
def test_a_jax_custom_vjp_is_judged_argument_by_argument(jax, factor, word):
    @jax.custom_vjp
    def f(x, y):
        return jax.numpy.sin(x) * y

    def back(kept, dout):
        x, y = kept
        return dout * jax.numpy.cos(x) * y, factor * dout * jax.numpy.sin(x)

    f.defvjp(lambda x, y: (f(x, y), (x, y)), back)
    assert verdicts(f, X.copy(), X + 1) == {"x": "agrees within rounding", "y": word}


FILES = {
    "torch": """
import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        return dout * ctx.saved_tensors[0]
""",
    "jax": """
import jax


@jax.custom_vjp
def square(x):
    return x * x


square.defvjp(lambda x: (square(x), x), lambda x, dout: (dout * x,))
""",
}


@pytest.mark.parametrize("library", FILES)
def test_the_command_finds_them_in_a_file(library, tmp_path):
    pytest.importorskip(library)
    file = tmp_path / "mine.py"
    file.write_text(FILES[library])
    ran = run_dout("check", file, "--json")
    (read,) = json.loads(ran.stdout)["files"]
    codes = [f["code"] for layer in read["layers"] for f in layer["findings"]]
    assert (ran.returncode, "D101" in codes) == (1, True)


@pytest.mark.parametrize("library", FILES)
def test_other_commands_send_them_to_check(library, tmp_path):
    pytest.importorskip(library)
    file = tmp_path / "mine.py"
    file.write_text(FILES[library])
    name = {"torch": "Square", "jax": "square"}[library]
    ran = run_dout("show", f"{file}:{name}")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "computes with another library than NumPy; only `dout check` takes it" in ran.stderr
