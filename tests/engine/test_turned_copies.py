"""Where rows become columns, arrays are moved by squares: every element, nothing beside it, whatever the shape."""

import itertools

import numpy as np
import pytest

import dout

RNG = np.random.default_rng(5)
DTYPES = (np.float32, np.float64, np.int16, np.uint8, np.bool_, np.int64)


def whole(*shape, dtype=np.float32):
    return RNG.integers(0, 100, shape).astype(dtype)


def text_of(fast):
    return " ".join(step.text for step in fast.plan().programs[-1].steps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 24, 21, 8), (3, 9, 41, 35), (1, 13, 63, 17)])
def test_images_with_channels_last_come_out_channel_by_channel(shape, dtype):
    def turned(x):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    fast, x = dout.compile(turned), whole(*shape, dtype=dtype)
    for _ in range(2):
        got = fast(x)
        np.testing.assert_array_equal(got, turned(x))
        assert got.flags.c_contiguous


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_every_order_of_axes(axes):
    def added(x, y):
        return x.transpose(axes) + y

    x = whole(22, 31, 26)
    y, fast = whole(*x.transpose(axes).shape), dout.compile(added)
    for _ in range(2):
        np.testing.assert_array_equal(fast(x, y), added(x, y))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.bool_])
def test_nothing_is_written_beside_the_part(dtype):
    def bordered(x):
        out = np.ones((x.shape[0], x.shape[3] + 5, x.shape[1] + 2, x.shape[2] + 3), x.dtype)
        out[:, 2:-3, 1:-1, 3:] = x.transpose(0, 3, 1, 2)
        return out

    fast, x = dout.compile(bordered), whole(3, 17, 19, 18, dtype=dtype)
    for _ in range(2):
        np.testing.assert_array_equal(fast(x), bordered(x))


def test_another_order_in_memory_at_a_later_call():
    def added(x, y):
        return x.transpose(0, 2, 1) + y

    fast, y = dout.compile(added), whole(4, 50, 60)
    x = whole(4, 60, 50)
    for given in (x, x, np.asfortranarray(x), whole(4, 60, 100)[:, :, ::2], x[:, ::-1], x):
        np.testing.assert_array_equal(fast(given, y), added(given, y))


def test_a_program_says_that_rows_are_copied_first():
    def chosen(x, y):
        return np.where(y < x.T, x.T, y)

    fast, x, y = dout.compile(chosen), whole(300, 200), whole(200, 300)
    np.testing.assert_array_equal(fast(x, y), chosen(x, y))
    assert "copy(" in text_of(fast)


def test_few_numbers_are_read_as_they_lie():
    def added(x, y):
        return x.T + y

    fast, x, y = dout.compile(added), whole(70, 80), whole(80, 70)
    np.testing.assert_array_equal(fast(x, y), added(x, y))
    assert "copy(" not in text_of(fast)


def into_the_same(A):
    A[:128, 8:136] = A[:128, :128].T
    return A


def into_the_same_stack(A):
    A[:, :, 5:] = A[:, :, :-5].transpose(0, 2, 1)
    return A


def into_an_own_one(x):
    A = x * 2
    A[:128, 8:136] = A[:128, :128].T
    return A + 1


def beside_itself(A):
    A[:, 128:] = A[:, :128].T
    return A


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("written", "shape"),
    [(into_the_same, (128, 256)), (into_the_same_stack, (3, 60, 65)), (into_an_own_one, (128, 256)),
     (beside_itself, (128, 256))],
)  # fmt: skip
def test_a_part_is_set_to_another_part_of_the_same_array(written, shape, dtype, strict):
    fast = dout.compile(written, strict=strict)
    fast(np.zeros(shape, dtype))  # of zeros every order of writing gives the same
    for _ in range(3):
        x = whole(*shape, dtype=dtype)
        np.testing.assert_array_equal(fast(x.copy()), written(x.copy()))
