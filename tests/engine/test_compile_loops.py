"""Functions with loops over elements: kernels stand for the loops, everything around them is the user's own code."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

import dout
from dout.trace.capture import budget


class Convolution:
    """Four nested loops."""

    def __init__(self, W, b, stride=1, pad=1):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad

    def forward(self, x):
        self.x = x
        N, _, H, W_ = x.shape
        F, _, HH, WW = self.W.shape
        s, p = self.stride, self.pad
        Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W_ + 2 * p - WW) // s
        xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        out = np.zeros((N, F, Ho, Wo), x.dtype)
        for n in range(N):
            for f in range(F):
                for i in range(Ho):
                    for j in range(Wo):
                        win = xp[n, :, i * s : i * s + HH, j * s : j * s + WW]
                        out[n, f, i, j] = np.sum(win * self.W[f]) + self.b[f]
        self.xp = xp
        return out

    def backward(self, dout):
        xp, s, p = self.xp, self.stride, self.pad
        N, _, H, W_ = self.x.shape
        F, _, HH, WW = self.W.shape
        dxp, self.dW, self.db = np.zeros_like(xp), np.zeros_like(self.W), np.zeros_like(self.b)
        for n in range(N):
            for f in range(F):
                for i in range(dout.shape[2]):
                    for j in range(dout.shape[3]):
                        g = dout[n, f, i, j]
                        self.dW[f] += xp[n, :, i * s : i * s + HH, j * s : j * s + WW] * g
                        self.db[f] += g
                        dxp[n, :, i * s : i * s + HH, j * s : j * s + WW] += self.W[f] * g
        return dxp[:, :, p : p + H, p : p + W_]


class MaxPooling:
    """Windows of two by two, one after the other."""

    def forward(self, x):
        self.x = x
        N, C, H, W = x.shape
        out = np.zeros((N, C, H // 2, W // 2))
        for n in range(N):
            for c in range(C):
                for i in range(H // 2):
                    for j in range(W // 2):
                        out[n, c, i, j] = np.max(x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
        return out

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        N, C, H, W = dout.shape
        for n in range(N):
            for c in range(C):
                for i in range(H):
                    for j in range(W):
                        win = self.x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                        a, b = np.unravel_index(np.argmax(win), win.shape)
                        dx[n, c, 2 * i + a, 2 * j + b] += dout[n, c, i, j]
        return dx


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


LAYERS = {
    "convolution": (lambda: Convolution(images(3, 2, 3, 3, seed=1), images(3, seed=2)), (2, 3, 8, 8)),
    "max pooling": (MaxPooling, (2, 2, 4, 4)),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("strict", [False, True])
def test_naive_layers_give_what_they_give_and_leave_what_they_leave(name, strict):
    make, shape = LAYERS[name]
    plain, own = make(), make()
    fast = dout.compile(own, strict=strict)
    near = {"rtol": 1e-12, "atol": 1e-13} if name == "convolution" and not strict else {"rtol": 0}
    for seed in range(3):
        x, upstream = images(2, 2, 8, 8, seed=seed), images(*shape, seed=seed)
        np.testing.assert_allclose(fast.forward(x), plain.forward(x), **near)
        np.testing.assert_allclose(fast.backward(upstream), plain.backward(upstream), **near)
    assert vars(own).keys() == vars(plain).keys()
    for key, value in vars(plain).items():
        np.testing.assert_allclose(getattr(own, key), value, **near)
    for function in fast.plan().functions:
        (loop,) = function.loops or pytest.skip("strict leaves out maxima")
        assert loop.place.startswith(f"{__file__}:")
        assert loop.turns > 64


def test_strict_takes_what_keeps_every_bit():
    layer, x = Convolution(images(3, 2, 3, 3), images(3)), images(2, 2, 6, 6)
    fast = dout.compile(layer, strict=True)
    for _ in range(2):
        np.testing.assert_array_equal(fast.forward(x), Convolution(layer.W, layer.b).forward(x))
    assert [loop.turns for loop in fast.forward.plan().functions[0].loops] == [2 + 6 + 36 + 216]


def summed(x, out):
    for i in range(len(x)):
        for j in range(i, len(x)):
            out[i] += x[j] * 0.5
    return out


def test_another_size_compiles_nothing():
    fast = dout.compile(summed)
    for size in (12, 30, 7):
        x = images(size)
        for _ in range(2):
            np.testing.assert_array_equal(fast(x, np.zeros(size)), summed(x, np.zeros(size)))
    assert len(fast.plan().functions[0].loops) == 1


def window_sums(x, size):
    out, largest = np.zeros(x.shape), np.zeros(x.shape)
    for i in range(x.shape[0]):
        top = i - 1
        for j in range(x.shape[1]):
            out[i, j] = np.sum(x[i : i + size, j : j + size])
            largest[i, j] = np.max(x[top + 1 : top + 3, j : j + size] * x[i, j])
    return out, largest


def test_windows_at_a_border_and_of_another_size_take_the_kernel_of_the_first():
    fast, x = dout.compile(window_sums), np.random.default_rng(4).normal(size=(13, 11))
    for size in (3, 3, 2, 1, 12, 40, 3):
        for found, right in zip(fast(x, size), window_sums(x, size), strict=True):
            np.testing.assert_array_equal(found, right, strict=True)
    (loop,) = fast.plan().functions[0].loops
    assert "== 3" in loop.kernel  # the first window has lines of its own


@pytest.mark.parametrize("strict", [True, False])
def test_an_index_out_of_range_raises_numpys_error_after_the_same_effects(strict):
    fast = dout.compile(summed, strict=strict)
    fast(images(12), np.zeros(12))
    ours, theirs = np.zeros(5), np.zeros(5)
    for function, out in ((fast, ours), (summed, theirs)):
        with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 5"):
            function(images(12), out)
    # the inner loop may become a sum of NumPy's, in another order, where that is faster
    np.testing.assert_allclose(ours, theirs, rtol=0 if strict else 1e-13, atol=0 if strict else 1e-15)
    assert theirs.any()


def test_arrays_that_share_memory_are_changed_as_numpy_changes_them():
    fast = dout.compile(summed)
    fast(images(12), np.zeros(12))
    ours, theirs = images(13), images(13)
    np.testing.assert_array_equal(fast(ours[1:], ours[:-1]), summed(theirs[1:], theirs[:-1]))
    np.testing.assert_array_equal(fast(ours, ours), summed(theirs, theirs))


def test_names_that_a_loop_sets_are_there_afterwards_with_their_types():
    def last(x):
        best, at, count = -np.inf, None, 0
        for i in range(len(x)):
            if x[i] > best:
                best = x[i]
                at = i
            count += 1
        return best, at, count, i

    fast = dout.compile(last)
    for x in (images(100), images(100, seed=1), np.full(3, -np.inf)):
        ours, theirs = fast(x), last(x)
        assert (ours, list(map(type, ours))) == (theirs, list(map(type, theirs)))
    with pytest.raises(UnboundLocalError):
        fast(np.zeros(0))


def test_an_array_that_grows_in_place_stays_the_same_array():
    def added(x, total):
        kept = total
        for i in range(len(x)):
            total += x[i]
            last = x[i, 0]
        return total is kept, total, last, i

    fast = dout.compile(added)
    for seed in range(3):
        x = images(100, 3, seed=seed)
        (same, ours, *rest), (_, theirs, *others) = fast(x, np.zeros(3)), added(x, np.zeros(3))
        assert same
        np.testing.assert_array_equal(ours, theirs)
        assert rest == others
    assert fast.plan().kernels


def test_the_plan_says_why_a_long_loop_has_no_kernel(monkeypatch):
    monkeypatch.setattr(budget, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(budget, "MOST_TIMES", 0)

    def chained(x):
        row = np.zeros(3)
        for i in range(len(x)):
            row = row * 0.5 + x[i]
        return row

    fast, x = dout.compile(chained), images(1000, 3)
    for _ in range(3):
        np.testing.assert_array_equal(fast(x), chained(x))
    without, too_long = fast.plan().functions[0].plainly
    line = chained.__code__.co_firstlineno + 3
    assert without.startswith("no kernel takes the place of its loop: row is an array, and set in two places or kept")
    assert without.endswith(f"{__file__}:{line}")
    assert too_long == f"{budget.TOO_LONG}, at {__file__}:{line - 1}"


LATEST = None


def test_names_of_the_module_are_set():
    def noted(x):
        global LATEST
        for i in range(len(x)):
            LATEST = x[i]

    fast, x = dout.compile(noted), images(100)
    for end in (100, 90, 80):
        fast(x[:end])
        assert x[end - 1] == LATEST


@pytest.mark.long
def test_the_next_process_has_nothing_to_compile(tmp_path):
    script = tmp_path / "sums.py"
    script.write_text(
        """import numpy as np
import dout

def sums(x):
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = np.sum(x[i] * x[i]) + np.max(x[i])
    return out

fast, x = dout.compile(sums), np.random.default_rng(0).normal(size=(80, 300))
assert all((fast(x) == sums(x)).all() for _ in range(3))
print(fast.plan().functions[0].loops[0].turns)
"""
    )
    given = {**os.environ, "DOUT_CACHE_DIR": str(tmp_path / "cache")}
    kept = []
    for _ in range(2):
        run = subprocess.run([sys.executable, script], capture_output=True, text=True, env=given)
        assert run.stdout == "80\n", run.stderr
        kept.append({file: file.stat().st_ino for file in (tmp_path / "cache").rglob("*.bin")})
    assert kept[0] == kept[1] != {}


class Network:
    """Layers with loops, called by a method without any."""

    def __init__(self):
        self.layers = [Convolution(images(2, 2, 3, 3, seed=k), images(2, seed=k)) for k in range(2)]

    def gradient(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        for layer in reversed(self.layers):
            x = layer.backward(x)
        return x


def test_kernels_stand_for_loops_of_the_functions_that_are_called(monkeypatch):
    monkeypatch.setattr(budget, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(budget, "MOST_TIMES", 0)
    plain, net = Network(), Network()
    gradient = dout.compile(net.gradient)
    for seed in range(4):
        x = images(2, 2, 6, 6, seed=seed)
        np.testing.assert_allclose(gradient(x), plain.gradient(x), rtol=1e-12)
        np.testing.assert_allclose(net.layers[1].dW, plain.layers[1].dW, rtol=1e-12)
    assert [bool(part.loops) for part in gradient.plan().functions[1:]] == [True, True]
    assert gradient.plan().functions[0].plainly == ()


def test_whole_numbers_that_might_grow_too_large_are_left_to_python():
    def product(n):
        found = 1
        for i in range(1, n):
            found *= i
        return found

    fast = dout.compile(product)
    assert [fast(n) for n in (5, 100, 100)] == [product(n) for n in (5, 100, 100)]


def test_a_division_by_zero_is_pythons_where_the_numbers_are():
    def shares(x, parts, out):
        for _ in range(70):
            for i in range(len(x)):
                out[i] = 1 / parts + x[i] / x[i]
        return out

    fast = dout.compile(shares)
    for _ in range(2):
        np.testing.assert_array_equal(fast(np.ones(3), 2, np.zeros(3)), np.full(3, 1.5))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(fast(np.zeros(3), 2, np.zeros(3)), np.full(3, np.nan))
    with pytest.raises(ZeroDivisionError):
        fast(np.ones(3), 0, np.zeros(3))


def test_a_property_is_asked_as_often_as_the_code_asks():
    class Counting:
        asked = 0

        @property
        def scale(self):
            self.asked += 1
            return 2.0

        def forward(self, x):
            out = np.zeros_like(x)
            for i in range(len(x)):
                out[i] = x[i] * self.scale
            return out

        def backward(self, dout):
            return dout

    layer = Counting()
    fast, x = dout.compile(layer), images(100)
    for call in range(1, 4):
        np.testing.assert_array_equal(fast.forward(x), 2 * x)
        assert layer.asked == 100 * call


def test_a_loop_that_calls_the_users_code_has_no_kernel():
    def half(x):
        return x / 2

    def halved(x):
        out = np.zeros_like(x)
        for i in range(len(x)):
            out[i] = half(x[i])
        return out

    fast, x = dout.compile(halved), images(10)
    np.testing.assert_array_equal(fast(x), x / 2)
    assert fast.plan().functions[0].loops == ()


def test_few_turns_are_recorded_with_what_stands_around_them():
    def rows(x):
        out = np.zeros_like(x)
        for i in range(3):
            out[i] = x[i] * 2
        return np.exp(out)

    fast, x = dout.compile(rows), images(3, 1000)
    for _ in range(3):
        np.testing.assert_allclose(fast(x), rows(x))
    assert fast.plan().functions[0].loops == ()
    assert len(fast.plan().programs) == 1


def blurred(x):
    out = np.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = np.mean(x[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2])
    return out


def test_the_page_on_compiling_shows_what_is_so():
    blur = dout.compile(blurred)
    blur(np.ones((20, 30)))
    blur(np.ones((40, 10)))
    (loop,) = blur.plan().functions[0].loops
    assert loop.turns == 440


def spread(dout, size):
    rows, columns = dout.shape[0] + size - 1, dout.shape[1] + size - 1
    dx = np.zeros((rows, columns))
    for i, j in np.ndindex(dout.shape[0], dout.shape[1]):
        dx[i : i + size, j : j + size] += dout[i, j] / size**2
    return dx


def largest(x, size):
    out = np.zeros((x.shape[0], x.shape[1] - size + 1, x.shape[2] - size + 1))
    for n, i, j in np.ndindex(out.shape):
        if i == j:
            continue
        out[n, i, j] = x[n, i : i + size, j : j + size].max()
    return out


@pytest.mark.parametrize(("function", "shape"), [(spread, (12, 9)), (largest, (3, 8, 10))])
def test_a_loop_over_the_places_of_an_array_is_a_kernel(function, shape):
    fast = dout.compile(function)
    for scale in (1.0, -2.0, 50.0, 0.5):
        x = images(*shape) * scale
        np.testing.assert_allclose(fast(x, 3), function(x, 3), rtol=1e-12)
    (loop,) = fast.plan().functions[0].loops
    assert loop.turns > 40


@pytest.mark.parametrize("rows", [0, -1])
def test_a_loop_over_no_place_or_a_shape_that_is_none_does_what_numpy_does(rows):
    def counted(x, rows):
        for i, j in np.ndindex(rows, 5):
            x[i, j] += 1
        return x

    fast = dout.compile(counted)
    fast(np.zeros((20, 5)), 20)
    if rows < 0:
        with pytest.raises(ValueError, match="negative"):
            fast(np.zeros((20, 5)), rows)
    else:
        assert not fast(np.zeros((20, 5)), rows).any()


def test_a_vector_times_a_matrix_is_part_of_a_kernel_however_it_is_called():
    def pulled(dout, A):
        out = np.zeros_like(A)
        for i in range(A.shape[0]):
            J = np.zeros((A.shape[1], A.shape[1]))
            for m in range(A.shape[1]):
                for n in range(A.shape[1]):
                    J[m, n] = A[i, m] * (1 - A[i, m]) if m == n else -A[i, m] * A[i, n]
            out[i] = np.matmul(dout[i], J)
        return out

    fast = dout.compile(pulled)
    for _ in range(3):
        A, upstream = np.abs(images(30, 5)) / 3, images(30, 5, seed=1)
        np.testing.assert_allclose(fast(upstream, A), pulled(upstream, A), rtol=1e-12)
    (loop,) = fast.plan().functions[0].loops
    assert loop.turns > 30 * 5 * 5


def gates(x, out):
    for i, score in enumerate(x):
        if score < 0:
            out[i] = 1 - 1 / (1 + math.exp(score))
        else:
            out[i] = 1 / (1 + math.exp(-score)) + math.log(1 + score) * math.sqrt(score) - math.tanh(score)
    return out


def distances(x, out):
    for i in range(len(x)):
        out[i] = math.sqrt(x[i]) + math.fabs(x[i])
    return out


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_functions_of_math_are_part_of_a_kernel(dtype):
    fast = dout.compile(gates)
    for scale in (1.0, 3.0, 100.0):
        x = (images(200) * scale).astype(dtype)
        np.testing.assert_allclose(fast(x, np.zeros(200)), gates(x, np.zeros(200)), rtol=1e-14)
    (loop,) = fast.plan().functions[0].loops
    assert loop.turns == 200


@pytest.mark.parametrize(("function", "wrong"), [(gates, -np.inf), (gates, np.nan), (distances, -1.0), (gates, -1e4)])
@pytest.mark.parametrize("strict", [False, True])
def test_a_function_of_math_raises_what_python_raises_after_the_same_effects(function, wrong, strict):
    fast = dout.compile(function, strict=strict)
    x = np.abs(images(200))
    fast(x, np.zeros(200))
    x[150] = wrong
    results = []
    for call in (fast, function):
        out = np.zeros(200)
        try:
            call(x, out)
            results.append((out, None))
        except (ValueError, OverflowError) as error:
            results.append((out, repr(error)))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-14)
    assert results[0][1] == results[1][1]


def test_the_root_of_a_number_keeps_every_bit():
    fast = dout.compile(distances, strict=True)
    x = np.abs(images(200))
    for _ in range(2):
        np.testing.assert_array_equal(fast(x, np.zeros(200)), distances(x, np.zeros(200)))
    assert fast.plan().functions[0].loops
