"""Index arrays that choose windows are copies and sums of windows, to the bit; all others look up each place."""

import numpy as np
import pytest

import dout

RNG = np.random.default_rng(11)


def places(channels, high, wide, down, across, step=1, first=(0, 0)):
    """Index arrays for the numbers of each window (down), of all windows (across)."""
    channel, row, column = np.indices((channels, high, wide)).reshape(3, -1, 1)
    i, j = np.indices((down, across)).reshape(2, 1, -1)
    return channel, row + step * i + first[0], column + step * j + first[1]


def repeated_and_tiled(channels, high, wide, down, across):
    row, column = np.repeat(np.arange(high), wide), np.tile(np.arange(wide), high)
    i = np.tile(row, channels)[:, None] + np.repeat(np.arange(down), across)
    j = np.tile(column, channels)[:, None] + np.tile(np.arange(across), down)
    return np.repeat(np.arange(channels), high * wide)[:, None], i, j


def turned(*sizes):
    return tuple(np.transpose(one) for one in places(*sizes))


def apart(*sizes):
    channel, row, column = places(*sizes)
    return channel, row[..., ::-1], column


def uneven(*sizes):
    channel, row, column = places(*sizes)
    return channel, np.where((row == 3) & (column == 4), 5, row), column


def spread(*sizes):
    channel, row, column = places(*sizes)
    return channel, 2 * row, column


# How places are made, of which sizes, and whether they are windows.
CASES = {
    "side by side": (places, (5, 3, 3, 16, 16), True),
    "two apart, of another height": (places, (5, 3, 2, 8, 7, 2), True),
    "without overlap": (places, (5, 2, 2, 9, 9, 2), True),
    "from the second on": (places, (5, 3, 3, 12, 12, 1, (2, 1)), True),
    "of some channels": (places, (4, 3, 3, 15, 14), True),
    "repeated and tiled": (repeated_and_tiled, (5, 3, 2, 14, 15), True),
    "windows before their numbers": (turned, (5, 3, 3, 16, 16), True),
    "backwards": (apart, (5, 3, 3, 16, 16), False),
    "with another place among them": (uneven, (5, 3, 3, 16, 16), False),
    "with gaps": (spread, (5, 3, 3, 8, 8), False),
}


def steps_of(fast):
    return " ".join(step.text for step in fast.plan().programs[-1].steps)


@pytest.mark.parametrize(("make", "sizes", "windows"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("strict", [False, True])
def test_what_index_arrays_choose_is_copied_to_the_bit_and_in_the_same_order(make, sizes, windows, strict):
    def picked(x):
        channel, row, column = make(*sizes)
        return x[:, channel, row, column] * 1

    x = RNG.normal(size=(6, 5, 19, 19)).astype(np.float32)
    fast = dout.compile(picked, strict=strict)
    for _ in range(3):
        result = fast(x)
        assert result.tobytes() == picked(x).tobytes()
        assert result.strides == picked(x).strides
    assert ("windows(" in steps_of(fast)) == (windows and not strict)


@pytest.mark.parametrize(("make", "sizes", "windows"), CASES.values(), ids=CASES)
def test_sums_at_index_arrays_are_those_of_numpy(make, sizes, windows):
    index = make(*sizes)
    parts = RNG.normal(size=(6, *np.broadcast_shapes(*(one.shape for one in index)))).astype(np.float32)

    def added(values):
        out = np.zeros((6, 5, 19, 19), values.dtype)
        channel, row, column = make(*sizes)
        np.add.at(out, (slice(None), channel, row, column), values)
        return out

    fast = dout.compile(added)
    whole = sizes[0] == 5 and len(sizes) < 7  # from the first place on, and in every channel
    for _ in range(3):
        if make is turned:  # the sums are added up in another order
            np.testing.assert_allclose(fast(parts), added(parts), rtol=1e-5, atol=1e-5)
        else:
            assert fast(parts).tobytes() == added(parts).tobytes()
    assert ("fold(" in steps_of(fast)) == (windows and whole)


def test_index_arrays_that_are_given_may_choose_other_places_at_the_next_call():
    def picked(x, row, column):
        return x[:, row, column] * 2

    fast, x = dout.compile(picked), RNG.normal(size=(64, 13, 13))
    for first in ((0, 0), (2, 1), (0, 0)):
        _, row, column = places(1, 3, 3, 9, 9, 1, first)
        assert fast(x, row, column).tobytes() == picked(x, row, column).tobytes()


def test_a_place_that_is_not_there_is_the_users_error():
    def picked(x):
        return x[:, np.arange(12)[:, None] + np.arange(8)]

    fast = dout.compile(picked)
    for _ in range(3):
        with pytest.raises(IndexError, match="out of bounds"):
            fast(np.ones((200, 18)))


def test_a_copy_that_was_given_out_is_not_the_array_that_was_given():
    def picked(x):
        return x[np.arange(70)[:, None] + np.arange(60)]

    fast, x = dout.compile(picked), RNG.normal(size=129)
    for _ in range(3):
        result = fast(x)
        result[...] = 0
        assert x.any()


def random_places(rng):
    """Digits in any order over one or two axes, of which some are windows, and sometimes one place that is none."""
    axes = int(rng.integers(1, 3))
    digits = []
    for axis in range(axes):
        digits.append((axis, int(rng.integers(1, 5)), 1))
        digits.append((axis, int(rng.integers(4, 9)), int(rng.integers(1, 4))))
    rng.shuffle(digits)
    digits = [tuple(map(int, one)) for one in digits]
    counts = [count for _, count, _ in digits]
    cut = int(rng.integers(0, len(digits) + 1))
    lengths = tuple(int(np.prod(part)) for part in (counts[:cut], counts[cut:]) if part)
    index = []
    for axis in range(axes):
        table = np.full(counts, int(rng.integers(0, 3)))
        for place, (own, count, step) in enumerate(digits):
            if own == axis:
                table = table + step * np.arange(count).reshape([-1 if k == place else 1 for k in range(len(counts))])
        index.append(table.reshape(lengths))
    if rng.random() < 0.3:
        place = tuple(int(rng.integers(0, n)) for n in lengths)
        index[0][place] = int(rng.integers(0, 30))
    return index


@pytest.mark.one_in(24)
@pytest.mark.parametrize("seed", range(40))
def test_random_places_are_copied_to_the_bit_and_added_up_within_rounding(seed):
    index = random_places(np.random.default_rng(seed))
    tables = [one.tolist() for one in index]
    x = np.random.default_rng(seed).normal(size=(8, *(40,) * len(index)))

    def picked(x):
        return x[(slice(None), *(np.array(table) for table in tables))]

    def added(values):
        out = np.zeros(x.shape)
        np.add.at(out, (slice(None), *(np.array(table) for table in tables)), values)
        return out

    values = picked(x)
    pick, add = dout.compile(picked), dout.compile(added)
    for _ in range(2):
        assert pick(x).tobytes() == picked(x).tobytes()
        np.testing.assert_allclose(add(values), added(values), rtol=1e-12, atol=1e-12)


class Patched:
    """Columns of windows that are a stride apart, which the layer holds."""

    def __init__(self, stride):
        self.stride = stride

    def forward(self, x):
        count = (x.shape[2] - 3) // self.stride + 1
        k, i, j = np.indices((x.shape[1], 3, 3)).reshape(3, -1, 1)
        down, across = np.indices((count, count)).reshape(2, 1, -1)
        self.columns = x[:, k, i + self.stride * down, j + self.stride * across]
        return self.columns * 2

    def backward(self, dout):
        return dout


def test_a_stride_that_the_layer_holds_is_a_number_of_the_index_as_long_as_it_is_the_same():
    x = RNG.normal(size=(32, 3, 18, 18))
    fast, plain = dout.compile(Patched(1)), Patched(1)
    for stride in (1, 1, 1, 3, 3, 5, 5, 1):
        fast.stride = plain.stride = stride
        assert fast.forward(x).tobytes() == plain.forward(x).tobytes()
        assert fast.columns.tobytes() == plain.columns.tobytes()
    steps = " ".join(step.text for program in fast.forward.plan().programs for step in program.steps)
    assert "steps=(1, 1)" in steps
    assert "steps=(3, 3)" in steps


def test_a_place_that_the_layer_counts_up_is_no_condition():
    class Sliding:
        def __init__(self):
            self.start = 0

        def forward(self, x):
            self.start += 1
            if self.start > 100:
                return x
            return x[:, self.start + np.arange(60)[:, None] + np.arange(8)] * 2

        def backward(self, dout):
            return dout

    x = RNG.normal(size=(12, 200))
    fast, plain = dout.compile(Sliding()), Sliding()
    for _ in range(8):
        assert fast.forward(x).tobytes() == plain.forward(x).tobytes()
    assert len(fast.forward.plan().programs) == 1
