"""Loops that multiply and add up elements are products of matrices; what the loop itself gives is the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dout

# --- loops that are nothing else --------------------------------------------------------------------------------------


def windows(x, w, b, out, s):
    for n in range(out.shape[0]):
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                for f in range(out.shape[1]):
                    top, left = i * s, j * s
                    part = x[n, :, top : top + w.shape[2], left : left + w.shape[3]]
                    out[n, f, i, j] = np.sum(part * w[f, :, :, :]) + b[f]


def seven_loops(x, w, b, out, s):
    for n in range(out.shape[0]):
        for f in range(out.shape[1]):
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    total = b[f]
                    for c in range(w.shape[1]):
                        for p in range(w.shape[2]):
                            for q in range(w.shape[3]):
                                total += x[n, c, i * s + p, j * s + q] * w[f, c, p, q]
                    out[n, f, i, j] = total


def added_by_places(x, w, b, out, s):
    for i in reversed(range(out.shape[2])):
        for j in range(out.shape[3]):
            for n in range(out.shape[0]):
                out[n, :, i, j] = b
                for f in range(out.shape[1]):
                    out[n, f, i, j] += (x[n, :, s * i : s * i + w.shape[2], s * j : s * j + w.shape[3]] * w[f]).sum()


def gradient_of_input(out, w, b, x, s):
    for n in range(out.shape[0]):
        for f in range(out.shape[1]):
            for i in range(0, out.shape[2]):
                for j in range(out.shape[3]):
                    x[n, :, i * s : i * s + w.shape[2], j * s : j * s + w.shape[3]] += w[f] * out[n, f, i, j]


def gradients_of_filters(x, dw, db, out, s):
    for n in range(out.shape[0]):
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                part = x[n, :, i * s : i * s + dw.shape[2], j * s : j * s + dw.shape[3]]
                for f in range(out.shape[1]):
                    g = out[n, f, i, j]
                    dw[f] += part * g
                    db[f] += 0.5 * g


def means(x, w, b, out, s):
    for n in range(out.shape[0]):
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                for c in range(min(out.shape[1], x.shape[1])):
                    out[n, c, i, j] = np.sum(x[n, c, i * s : i * s + 2, j * s : j * s + 2]) / 4.0 - b[c]


FORMS = {
    windows: ("out",),
    seven_loops: ("out",),
    added_by_places: ("out",),
    gradient_of_input: ("x",),
    gradients_of_filters: ("w", "b"),
}
NAMES = ("x", "w", "b", "out")


def arrays(seed, sizes, dtypes=("f8", "f8")):
    n, c, f, p, q, rows, columns, s = sizes
    rng = np.random.default_rng(seed)
    shapes = (n, c, (rows - 1) * s + p, (columns - 1) * s + q + 1), (f, c, p, q), (f,), (n, f, rows, columns)
    x, w, b, out = (rng.normal(size=shape).astype(dtypes[i in (1, 2)]) for i, shape in enumerate(shapes))
    return {"x": x, "w": w, "b": b, "out": out}


def call(function, form, given, s):
    first, last = ("out", "x") if form is gradient_of_input else ("x", "out")
    function(given[first], given["w"], given["b"], given[last], s)


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(
    form=st.sampled_from(list(FORMS)),
    sizes=st.tuples(*[st.integers(1, 3)] * 3, *[st.integers(1, 3)] * 2, *[st.integers(3, 6)] * 2, st.integers(1, 3)),
    dtypes=st.sampled_from([("f8", "f8"), ("f4", "f4"), ("f4", "f8"), ("f8", "f4")]),
    seed=st.integers(0, 99),
)
def test_a_convolution_by_loops_gives_what_its_loops_give(form, sizes, dtypes, seed):
    fast = dout.compile(form)
    near = 1e-12 if dtypes == ("f8", "f8") else 2e-5
    for more in range(3):
        sizes = (sizes[0] + more, *sizes[1:])
        ours, theirs = arrays(seed, sizes, dtypes), arrays(seed, sizes, dtypes)
        call(fast, form, ours, sizes[-1])
        call(form, form, theirs, sizes[-1])
        for name in NAMES:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=near, atol=near * 10)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_convolution_by_loops_is_a_product_of_matrices_and_nothing_is_compiled(form, monkeypatch):
    from dout.engine.runtime import kernel_cache

    monkeypatch.setattr(kernel_cache, "load", lambda *_, **__: pytest.fail("a kernel is compiled"))
    fast, sizes = dout.compile(form), (3, 2, 3, 3, 2, 5, 6, 1)
    for seed in range(3):
        call(fast, form, arrays(seed, sizes), sizes[-1])
    (loop,) = fast.plan().functions[0].loops
    assert "Σ" in loop.kernel
    assert loop.turns > 64


def test_the_plan_says_what_a_loop_computes():
    fast, sizes = dout.compile(windows), (3, 2, 3, 3, 2, 5, 6, 2)
    call(fast, windows, arrays(0, sizes), 2)
    (loop,) = fast.plan().functions[0].loops
    assert loop.kernel.splitlines() == [
        "out[n, f, i, j] = Σ x[n, k1, 2 * i + k2, 2 * j + k3] · w[f, k1, k2, k3]",
        "out[n, f, i, j] += b[f]",
    ]


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(sizes=st.tuples(*[st.integers(1, 9)] * 4), how=st.integers(0, 4), seed=st.integers(0, 99))
def test_products_by_loops_give_what_their_loops_give(sizes, how, seed):
    def product(x, y, out):
        for i in range(x.shape[0]):
            for k in range(y.shape[1]):
                for j in range(x.shape[1]):
                    out[i, k] += x[i, j] * y[j, k]

    def stacked(x, y, out):
        for n in range(x.shape[0]):
            for i in range(x.shape[1]):
                for k in range(y.shape[2]):
                    out[n, i, k] = np.sum(x[n, i] * y[n, :, k])

    def outer(x, y, out):
        for i in range(len(x)):
            for j in range(len(y)):
                out[i, j] -= 2.0 * x[i] * y[j]

    def filtered(x, y, out):
        for i in range(len(x)):
            for j in range(len(y)):
                out[i + j] += x[i] * y[j]

    def every_other(x, y, out):
        for i in range(len(y)):
            for k in range(x.shape[1]):
                out[i] += x[2 * i + 1, k] - y[i]

    a, b, c, d = sizes
    form, shapes = {
        0: (product, [(a, b), (b, c), (a, c)]),
        1: (stacked, [(d, a, b), (d, b, c), (d, a, c)]),
        2: (outer, [(a * d,), (b * c,), (a * d, b * c)]),
        3: (filtered, [(a * d,), (b * c,), (a * d + b * c - 1,)]),
        4: (every_other, [(2 * a + 1, b * d), (a,), (a,)]),
    }[how]
    fast = dout.compile(form)
    for more in range(2):
        rng = np.random.default_rng(seed + more)
        x, y, out = (rng.normal(size=shape) for shape in shapes)
        ours, theirs = out.copy(), out.copy()
        fast(x, y, ours)
        form(x, y, theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def one_step(part, filters, bias):
    """One window and one filter."""
    products = np.multiply(part, filters)
    total = np.sum(products)
    return total + float(bias[0, 0, 0])


def images_last(x, w, b, out):
    for n in range(out.shape[0]):
        image = x[n]
        for i in range(out.shape[1]):
            top = i
            bottom = top + w.shape[0]
            for j in range(out.shape[2]):
                for f in range(out.shape[3]):
                    out[n, i, j, f] = one_step(image[top:bottom, j : j + w.shape[1], :], w[:, :, :, f], b[:, :, :, f])


def gradients_with_a_border(x, w, out, dw, db, padded, dx):
    for n in range(out.shape[0]):
        of_image = padded[n]
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                for f in range(out.shape[3]):
                    of_image[i : i + w.shape[0], j : j + w.shape[1], :] += w[:, :, :, f] * out[n, i, j, f]
                    dw[:, :, :, f] += x[n, i : i + w.shape[0], j : j + w.shape[1]] * out[n, i, j, f]
                    db[:, :, :, f] += out[n, i, j, f]
        dx[n, :, :, :] = of_image[1:-1, 1:-1, :]


def test_a_function_that_is_called_for_each_window_is_read_with_the_loop():
    rng, fast = np.random.default_rng(0), dout.compile(images_last)
    for count in (3, 3, 5):
        x, w, b = (rng.normal(size=shape) for shape in ((count, 7, 8, 2), (3, 3, 2, 4), (1, 1, 1, 4)))
        ours, theirs = np.zeros((2, count, 5, 6, 4))
        fast(x, w, b, ours)
        images_last(x, w, b, theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    loop = fast.plan().functions[0].loops[0]
    assert loop.kernel.splitlines()[0] == "out[n, i, j, f] = Σ x[n, i + k1, j + k2, k3] · w[k1, k2, k3, f]"


def test_a_function_of_another_meaning_is_called(monkeypatch):
    x, w, b = np.ones((2, 7, 8, 2)), np.ones((3, 3, 2, 4)), np.ones((1, 1, 1, 4))
    fast, out = dout.compile(images_last), np.zeros((2, 5, 6, 4))
    fast(x, w, b, out)
    fast(x, w, b, out)
    monkeypatch.setitem(globals(), "one_step", lambda part, filters, bias: 7.0)
    fast(x, w, b, out)
    assert (out == 7).all()


def test_what_is_read_after_the_loops_that_write_it_is_a_copy_at_the_end():
    rng, fast = np.random.default_rng(0), dout.compile(gradients_with_a_border)
    for _ in range(3):
        shapes = ((3, 8, 9, 2), (3, 3, 2, 4), (3, 6, 7, 4), (3, 3, 2, 4), (1, 1, 1, 4), (3, 8, 9, 2), (3, 6, 7, 2))
        ours = [rng.normal(size=shape) for shape in shapes]
        theirs = [one.copy() for one in ours]
        fast(*ours)
        gradients_with_a_border(*theirs)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12)
    assert fast.plan().functions[0].loops[0].kernel.count("\n") == 4


def test_arrays_of_one_element_are_as_long_as_others():
    def spread(x, row, column, out):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, j] = np.sum(x[i, j] * row + column)

    fast, rng = dout.compile(spread), np.random.default_rng(0)
    for _ in range(2):
        x, row, column = rng.normal(size=(9, 10, 4, 3)), rng.normal(size=(1, 3)), rng.normal(size=(4, 1))
        ours, theirs = np.zeros((2, 9, 10))
        fast(x, row, column, ours)
        spread(x, row, column, theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    assert "Σ" in fast.plan().functions[0].loops[0].kernel


class Regions:
    """Filters of three by three; the windows come from a generator."""

    def __init__(self, count=4):
        self.filters = np.random.default_rng(0).normal(size=(count, 3, 3))

    def regions(self, image):
        """Every window, and where it is."""
        rows, columns = image.shape
        last = columns - 2
        for i in range(rows - 2):
            for j in range(last):
                part = image[i : i + 3, j : j + 3]
                yield part, i, j

    def scaled(self, number):
        """A method for one number."""
        return number * 2.0

    def forward(self, image):
        self.image = image
        out = np.zeros((image.shape[0] - 2, image.shape[1] - 2, len(self.filters)))
        for part, i, j in self.regions(image):
            out[i, j] = np.sum(part * self.filters, axis=(1, 2))
        return out

    def backward(self, dout):
        self.dfilters = np.zeros(self.filters.shape)
        dfilters = self.dfilters
        for part, i, j in self.regions(self.image):
            for f in range(dout.shape[2]):
                dfilters[f] += self.scaled(dout[i, j, f]) * part
        return dout

    def first_above(self, image, limit):
        found = np.zeros(2)
        for part, i, j in self.regions(image):
            if part[1, 1] > limit:
                found[0], found[1] = i, j
                break
        return found


def test_a_generator_and_a_method_of_the_layer_are_read_with_the_loop():
    plain, own = Regions(), Regions()
    fast = dout.compile(own)
    for seed in range(3):
        image = np.random.default_rng(seed).normal(size=(12, 11 + seed))
        theirs = plain.forward(image)
        np.testing.assert_allclose(fast.forward(image), theirs, rtol=1e-12, atol=1e-12)
        fast.backward(theirs)
        plain.backward(theirs)
        np.testing.assert_allclose(own.dfilters, plain.dfilters, rtol=1e-12, atol=1e-12)
    texts = [loop.kernel for function in fast.plan().functions for loop in function.loops]
    assert texts == [
        "out[i, j, k1] = Σ image[i + k2, j + k3] · self.filters[k1, k2, k3]\n",
        "dfilters[f, k1, k2] += Σ 2.0 · dout[i, j, f] · self.image[i + k1, j + k2]\n",
    ]


@pytest.mark.long
def test_a_loop_over_a_generator_that_ends_early_ends_early():
    plain = Regions()
    fast = dout.compile(Regions().first_above)
    for limit in (0.5, 2.0, 9.0):
        image = np.random.default_rng(0).normal(size=(12, 12))
        np.testing.assert_array_equal(fast(image, limit), plain.first_above(image, limit))


def test_a_generator_of_another_class_is_another():
    class Reversed(Regions):
        def regions(self, image):
            for part, i, j in super().regions(image):
                yield -part, i, j

    image, layer = np.random.default_rng(0).normal(size=(12, 12)), Regions()
    fast = dout.compile(layer.forward)
    fast(image)
    np.testing.assert_allclose(fast(image), Regions().forward(image), rtol=1e-12, atol=1e-12)
    layer.regions = Reversed().regions
    np.testing.assert_allclose(fast(image), -Regions().forward(image), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        dout.compile(Reversed()).forward(image), -Regions().forward(image), rtol=1e-12, atol=1e-12
    )


def all_images_at_once(x, w, b, out):
    high, wide = w.shape[:2]
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            part = x[:, i : i + high, j : j + wide, :, np.newaxis]
            out[:, i, j, :] = np.sum(part * w[np.newaxis, :, :, :], axis=(1, 2, 3)) + b


def all_gradients_at_once(x, w, b, out):
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            top, left = i, j
            given = out[:, i : i + 1, j : j + 1, None, :]
            x[:, top : top + w.shape[0], left : left + w.shape[1], :] += np.sum(w[None] * given, axis=-1)
            w += np.sum(x[:, 0:1, 0:1, 0:1, None] * 0.0, axis=0)
            b += out[:, i, j].sum(0)


def steps_of_a_recurrence(x, w, b, out):
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            out[:, i, j] = x[:, i, j, :] @ w[0, 0] + np.dot(x[:, 0, 0], w[0, 1]).sum(axis=0, keepdims=True)
            b[1] += np.sum(x[:, i, j].T @ x[:, i, j]) * 0.5


@pytest.mark.parametrize("form", [all_images_at_once, all_gradients_at_once, steps_of_a_recurrence])
def test_loops_over_places_with_arrays_at_each(form):
    rng, fast = np.random.default_rng(0), dout.compile(form)
    for count in (3, 3, 2):
        shapes = ((count, 10, 11, 2), (3, 3, 2, 4), (4,), (count, 8, 9, 4))
        ours = [rng.normal(size=shape) for shape in shapes]
        theirs = [one.copy() for one in ours]
        fast(*ours)
        form(*theirs)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-11, atol=1e-11)
    if form is not all_gradients_at_once:  # which changes what it reads
        assert "Σ" in fast.plan().functions[0].loops[0].kernel


scale = 2.0


def times_global(value):
    return scale * value


def shadowed(x, out, scale):
    for i in range(len(x)):
        for j in range(x.shape[1]):
            out[i, j] = times_global(x[i, j]) + scale


def test_a_global_name_of_a_function_is_not_the_callers_local_one():
    fast, x = dout.compile(shadowed), np.random.default_rng(0).normal(size=(9, 9))
    for number in (2.0, 2.0, 7.0):
        ours, theirs = np.zeros((2, 9, 9))
        fast(x, ours, number)
        shadowed(x, theirs, number)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_function_whose_code_is_replaced_does_what_it_does_now():
    x, w, b, out = np.ones((2, 7, 8, 2)), np.ones((3, 3, 2, 4)), np.ones((1, 1, 1, 4)), np.zeros((2, 5, 6, 4))
    fast, code = dout.compile(images_last), one_step.__code__
    try:
        fast(x, w, b, out)
        one_step.__code__ = (lambda part, filters, bias: 7.0).__code__
        fast(x, w, b, out)
    finally:
        one_step.__code__ = code
    assert (out == 7).all()


def mixed(x, y, out, rate, width, steps):
    for i in range(len(x)):
        for _ in range(steps):
            out[i, 0] += y[i]
        for j in range(x.shape[1]):
            out[i, j] = np.sum(x[i, j : j + width]) + rate * y[i]


@pytest.mark.parametrize(
    ("rate", "width", "steps", "odd"),
    [(0.0, 2, 1, np.inf), (0.5, 2, 0, np.nan), (0.5, -2, 1, 1.0), (0.5, 0, 1, 1.0), (1e200, 2, 1, 1e200)],
)
def test_numbers_that_are_odd_at_a_later_call(rate, width, steps, odd):
    fast, rng = dout.compile(mixed), np.random.default_rng(0)
    for now in ((0.5, 1, 1, 1.0), (0.5, 1, 1, 1.0), (rate, width, steps, odd)):
        x, y = rng.normal(size=(9, 10)), rng.normal(size=9) * now[3]
        ours = rng.normal(size=(9, 10))
        theirs = ours.copy()
        with np.errstate(all="ignore"):
            fast(x, y, ours, *now[:3])
            mixed(x, y, theirs, *now[:3])
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_an_array_that_is_read_only_raises_numpys_error():
    fast, x, out = dout.compile(filtered_into), np.ones(100), np.zeros(100)
    fast(x, out)
    fast(x, out)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        fast(x, out)


def test_a_step_of_zero_in_a_loop_of_no_turns_is_no_error():
    def stepped(x, out, count, step):
        for i in range(count):
            for j in range(0, x.shape[1], step):
                out[i, j] += x[i, j]

    fast, x = dout.compile(stepped), np.ones((9, 20))
    for count, step in ((9, 1), (9, 1), (0, 0)):
        fast(x, np.zeros((9, 20)), count, step)
    with pytest.raises(ValueError, match="must not be zero"):
        fast(x, np.zeros((9, 20)), 9, 0)


def test_arrays_that_share_memory_are_left_to_the_loop():
    fast = dout.compile(filtered_into)
    for memory in (np.arange(200.0), np.arange(200.0)):
        ours, theirs = memory.copy(), memory.copy()
        fast(ours[:100], ours[50:150])
        filtered_into(theirs[:100], theirs[50:150])
        np.testing.assert_array_equal(ours, theirs)


def filtered_into(x, out):
    for i in range(len(out)):
        out[i] += 0.5 * x[i]


def test_large_convolutions_are_done_in_pieces():
    sizes = (6, 4, 5, 3, 3, 40, 40, 1)
    for form in (windows, gradient_of_input, gradients_of_filters):
        fast = dout.compile(form)
        ours = arrays(0, sizes)
        call(fast, form, ours, 1)
        small = [arrays(0, sizes) for _ in range(2)]
        call(form, form, small[0], 1)
        for name in NAMES:
            np.testing.assert_allclose(ours[name], small[0][name], rtol=1e-11, atol=1e-11)
