"""Random loops: what a kernel does is what the loop does, or raises, in results and in what is left behind.

The kernels of random loops run as the Python that they are: it is not Numba that is in doubt.
"""

import linecache
import re

import numpy as np
import pytest

import dout
from dout.engine.loops import loop_sites, looped_function, turn_functions
from dout.engine.loops.compiled_parts import CompiledParts
from tests.support.loop_programs import LoopProgram

SIZES = [(3, 4, 5), (3, 4, 5), (4, 3, 6), (2, 5, 1)]


@pytest.fixture(autouse=True)
def not_compiled(monkeypatch):
    """Kernels run as Python, and no matter how slowly."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.setattr(loop_sites, "thread_time", lambda: 0.0)
    monkeypatch.setattr(loop_sites, "_ASKING", 0.0)
    monkeypatch.setattr(loop_sites.kernel_cache, "load", interpreted)


def interpreted(name, text, types, **options):
    namespace = {}
    body = re.sub(r"^(@njit.*|from .*)$", "", text, flags=re.MULTILINE)
    exec(body, {"np": np, **HELPERS, "range": lambda *ends: range(*map(int, ends))}, namespace)

    def run(*arguments):
        numbers = {float: np.float64, int: np.int64, bool: np.bool_}
        with np.errstate(all="ignore"):
            return namespace[name](*(numbers.get(type(item), lambda same: same)(item) for item in arguments))

    return run


HELPERS = {
    "summed": lambda x, count: np.sum(x[:count]),
    "averaged": lambda x, count: np.mean(x[:count]),
    "larger": np.maximum,
    "smaller": np.minimum,
    "largest": lambda x, count: np.max(x[:count]),
    "smallest": lambda x, count: np.min(x[:count]),
    "largest_at": lambda x, count: np.argmax(x[:count]),
    "smallest_at": lambda x, count: np.argmin(x[:count]),
}


def program(source, name):
    """The function, with its source where `inspect` looks for it."""
    file = f"<{name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {"np": np}
    exec(compile(source, file, "exec"), namespace)
    return namespace["program"]


def given(seed, sizes):
    rng = np.random.default_rng(seed)
    a, b, c = sizes
    dtype = np.float32 if seed % 4 == 3 else np.float64
    x, out = rng.normal(size=(2, a, b, c)).round(2).astype(dtype)
    y, labels = rng.normal(size=(b, c)).astype(dtype), rng.integers(0, a, size=a)
    return x, y, labels, out, float(rng.normal()), int(rng.integers(1, 4))


def outcome(function, arguments):
    """What a call gives or raises, and what it leaves in its arguments."""
    try:
        with np.errstate(all="ignore"):
            result = function(*arguments)
    except Exception as error:  # whatever it is, it has to be the same
        result = (type(error).__name__, str(error))
    return result, arguments[:4]


def same(ours, theirs):
    if isinstance(ours, np.ndarray | np.floating | float):
        near = 1e-3 if np.asarray(ours).dtype == np.float32 else 1e-9
        with np.errstate(all="ignore"):
            return type(ours) is type(theirs) and np.allclose(ours, theirs, rtol=near, atol=near, equal_nan=True)
    if isinstance(ours, tuple | list):
        return type(ours) is type(theirs) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


class Interpreted:
    """A part that is not compiled."""

    used, vain, unanswered = True, False, 0

    def __init__(self, function):
        self.stub = function


def compare_turns(seed):
    """A call of one random program, with functions taken out of its turns; how many there are."""
    source = LoopProgram(seed).source
    plain = program(source, f"turns {seed}")
    turned = looped_function.turned_function(plain, CompiledParts(Interpreted))
    if turned is None:
        return 0
    for sizes in SIZES[1:]:
        ours, theirs = (outcome(function, given(seed, sizes)) for function in (turned.run, plain))
        if isinstance(theirs[0], tuple) and isinstance(theirs[0][0], str):
            assert isinstance(ours[0][0], str), f"seed {seed}, {sizes}\n{source}"  # it raises, maybe another error
            continue
        assert same(ours, theirs), f"seed {seed}, {sizes}\n{source}"
    return len(turned.parts.parts)


def compare(seed):
    """Several calls of one random program; how many loops ran as kernels."""
    source = LoopProgram(seed).source
    plain = program(source, f"loops {seed}")
    looped = looped_function.looped_function(plain, CompiledParts(Interpreted), strict=False)
    if looped is None:  # every loop is a while, or lets a list grow
        return 0
    kernels = 0
    for sizes in SIZES:
        for site in looped.sites:
            site.turns = 0
        ours, theirs = (outcome(function, given(seed, sizes)) for function in (looped.run, plain))
        assert same(ours, theirs), f"seed {seed}, {sizes}\n{source}"
        kernels += sum(site.turns > 0 and not site.pending for site in looped.sites)
    why = [why for site in looped.sites for why in site.why_not]
    assert not [one for one in why if "other numbers" in one], f"seed {seed}\n{source}"
    return kernels


@pytest.mark.parametrize("first", range(0, 500, 50))
def test_loops_run_as_they_would_plainly(first):
    kernels = [compare(seed) for seed in range(first, first + 50)]
    assert sum(kernels) > 50  # most of them are of the kind that a kernel can take


@pytest.mark.one_in(6)
@pytest.mark.parametrize("first", range(0, 300, 50))
def test_kernels_that_only_the_first_turns_confirm_do_what_the_loop_does(first, monkeypatch):
    monkeypatch.setattr(loop_sites, "_SHORT", 7)
    assert sum(compare(seed) for seed in range(first, first + 50)) > 50


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_turns_cut_into_functions_do_what_the_loop_does(first, monkeypatch):
    monkeypatch.setattr(turn_functions, "FEWEST", 1)
    assert sum(compare_turns(seed) for seed in range(first, first + 50)) > 50


@pytest.mark.long
@pytest.mark.parametrize("first", range(500, 20_500, 500))
def test_many_more_loops_run_as_they_would_plainly(first):
    for seed in range(first, first + 500):
        compare(seed)


def test_a_call_of_another_kind_than_the_one_before_is_not_taken_for_it():
    def scaled(x, by, shape):
        out = np.zeros_like(x)
        for i in range(len(x)):
            for k in range(shape[0]):
                out[i] += np.abs(x[i]) * by + k
        return out

    x, fast = np.linspace(-2, 2, 80), dout.compile(scaled)
    usual = (x, 2.0, (3, 4))
    others = [(x.astype("f4"), 2.0, (3, 4)), (x, 2, (3, 4)), (x[::-1], 2.0, (3, 4)), (x, 2.0, (3,)), (x, 2.0, (0, 4))]
    others += [(x.astype(">f8"), 2.0, (3, 4)), (x, np.float32(2), (3, 4)), (x, 2.0, (3.0, 4)), (x, 1 << 40, (3, 4))]
    for given in [usual, usual, *others, *others] + [call for one in others for call in (usual, one)]:
        try:
            right = scaled(*given)
        except TypeError:
            with pytest.raises(TypeError):
                fast(*given)
        else:
            assert fast(*given).dtype == right.dtype
            np.testing.assert_array_equal(fast(*given), right)
    assert fast.plan().functions[0].loops[0].kernel
