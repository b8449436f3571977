"""Every pass earns its place: without it a named case is wrong, or does more work."""

import re

import numpy as np
import pytest

import dout
from dout.engine.passes import pipeline

X = np.random.default_rng(0).normal(size=(64, 100)).astype(np.float32)
LABELS = np.arange(64) % 10


def masked_exponential(x):
    y = np.zeros_like(x)
    y[x > 0] = np.exp(x[x > 0])
    return y


def relu(x):
    out = x.copy()
    out[x <= 0] = 0
    return out


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normalised(x):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)


def spread(x):
    return np.std(x, axis=1) + np.var(x, axis=1) + np.mean(x, axis=1)


def softmax_backward(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    dx = e / e.sum(axis=1, keepdims=True)
    dx[np.arange(len(LABELS)), LABELS] -= 1
    return dx / len(LABELS)


def patches(x):
    image = x.reshape(4, 40, 40)
    col = np.zeros((4, 3, 3, 38, 38), x.dtype)
    for i in range(3):
        for j in range(3):
            col[:, i, j] = image[:, i : i + 38, j : j + 38]
    return col.transpose(0, 3, 4, 1, 2).reshape(-1, 9)


def image_of_patches(x):
    col = x.reshape(4, 20, 20, 2, 2).transpose(0, 3, 4, 1, 2)
    image = np.zeros((4, 40, 40), x.dtype)
    for i in range(2):
        for j in range(2):
            image[:, i:40:2, j:40:2] += col[:, i, j]
    return image


def pooled(x):
    rows = patches(x)
    return rows.max(axis=1), rows.argmax(axis=1)


def picked_patches(x):
    image = x.reshape(4, 40, 40)
    row, column = np.indices((3, 3)).reshape(2, 9, 1)
    down, across = np.indices((38, 38)).reshape(2, 1, -1)
    return image[:, row + down, column + across]


def pooled_and_back(x):
    image = x.reshape(4, 40, 40)
    rows = np.stack([image[:, i:40:2, j:40:2] for i in range(2) for j in range(2)], axis=-1)
    back = np.zeros((1600, 4), x.dtype)
    back[np.arange(1600), rows.argmax(axis=-1).ravel()] = 1 + rows.max(axis=-1).ravel()
    return image_of_patches(back)


def shared_out(x):
    image = np.zeros((4, 40, 40), x.dtype)
    for i in range(2):
        for j in range(2):
            image[:, i:40:2, j:40:2] += x.reshape(4, 40, 40)[:, :20, :20] / 4
    return image


def rectified_images(x):
    images = (x + x[0]).reshape(4, 16, 100)
    return np.where(images <= 0, 0, images)


def turned(x):
    return np.argmax(x.T.reshape(400, 16), axis=1)


KERNEL = np.ones((3, 3, 4, 8), np.float32)


def placed(x):
    images = x.reshape(4, 20, 20, 4)
    return sum(images[:, i : i + 18, j : j + 18] @ KERNEL[i, j] for i in range(3) for j in range(3))


def work(function):
    """The steps that NumPy computes, the bytes that are moved, all steps, and the statements in kernels."""
    fast = dout.compile(function)
    fast(X)
    fast(X)  # the first call of a function with loops may go without a recording
    (program,) = fast.plan().programs
    lines = sum(text.count("\n") for text in program.kernels.values())
    by_numpy = sum(step.how == "NumPy" for step in program.steps)
    return by_numpy, program.nbytes, len(program.steps), lines


def without(monkeypatch, name):
    """The pipeline without one pass; `simplify` is the second of two, `first simplify` the other."""
    names = [one.__name__ for one in pipeline.PASSES]
    first = names.index("simplify")
    place = first if name == "first simplify" else names.index(name, first + 1)
    monkeypatch.setattr(pipeline, "PASSES", pipeline.PASSES[:place] + pipeline.PASSES[place + 1 :])


# Passes, and for each a function that takes more work without it.
WORTH = {
    "first simplify": masked_exponential,
    "masked_write_to_select": relu,
    "index_windows": picked_patches,
    "window_forms": patches,
    "join_places": placed,
    "fold_forms": image_of_patches,
    "spread_extremes": pooled_and_back,
    "window_extremes": pooled,
    "reads_of_fills": shared_out,
    "before_reshape": rectified_images,
    "decompose": normalised,
    "sink_writes": softmax_backward,
    "simplify": spread,
}


@pytest.mark.parametrize(("name", "function"), WORTH.items())
def test_without_a_pass_there_is_more_to_do(name, function, monkeypatch):
    whole = work(function)
    without(monkeypatch, name)
    assert work(function) > whole


def test_without_stable_forms_a_sigmoid_overflows(monkeypatch):
    def is_stable():
        fast = dout.compile(sigmoid)
        fast(X)
        return "sigmoid(x)" in str(fast.plan())

    assert is_stable()
    without(monkeypatch, "stable_forms")
    assert not is_stable()


def test_without_plain_copies_a_reshape_copies_in_silence_and_no_kernel_may_write_its_result(monkeypatch):
    def has_kernel():
        fast = dout.compile(turned)
        fast(X)
        return [step.how for step in fast.plan().programs[0].steps] == ["view", "kernel", "view", "kernel"]

    assert has_kernel()
    without(monkeypatch, "plain_copies")
    assert not has_kernel()


def test_without_stack_products_a_stack_is_multiplied_matrix_by_matrix(monkeypatch):
    def is_flat():
        fast = dout.compile(lambda x: x.reshape(4, 16, 100) @ np.ones((100, 30), np.float32))
        fast(X)
        return fast.plan().programs[0].steps[-1].text.startswith("result = reshape(")

    assert is_flat()
    without(monkeypatch, "stack_products")
    assert not is_flat()


def test_without_own_fills_a_second_sum_at_places_begins_with_a_copy_of_zeros(monkeypatch):
    places = np.arange(X.shape[0]) % 7

    def both(x):
        first, second = np.zeros((7, x.shape[1]), x.dtype), np.zeros((7, x.shape[1]), x.dtype)
        np.add.at(first, places, x)
        np.add.at(second, places, x * 2)
        return first @ first.T + second @ second.T

    def in_place():
        fast = dout.compile(both)
        for _ in range(2):
            np.testing.assert_allclose(fast(X), both(X), rtol=1e-5)
        lines = [line for line in str(fast.plan()).splitlines() if " with [" in line]
        return [bool(re.search(r"\(over \w+\)", line)) for line in lines]

    assert in_place() == [True, True]
    without(monkeypatch, "own_fills")
    assert sorted(in_place()) == [False, True]


def texts(function):
    fast = dout.compile(function)
    for _ in range(2):
        np.testing.assert_allclose(fast(X), function(X), rtol=1e-4, atol=1e-4)
    return [step.text for step in fast.plan().programs[0].steps]


def test_without_borders_they_are_made_by_pad(monkeypatch):
    def bordered(x):
        return np.pad(x.reshape(4, 40, 40), ((0, 0), (1, 1), (2, 2))) * 2

    assert not any("pad(" in text for text in texts(bordered))
    without(monkeypatch, "borders")
    assert any("pad(" in text for text in texts(bordered))


def test_without_fold_products_windows_of_sums_are_read_against_their_order(monkeypatch):
    def image(x):
        parts = (x[:, :20] @ np.ones((20, 8 * 4), np.float32)).reshape(1, 8, 8, 8, 2, 2).transpose(0, 3, 1, 2, 4, 5)
        out = np.zeros((1, 8, 9, 9), x.dtype)
        for i in range(2):
            for j in range(2):
                out[:, :, i : i + 8, j : j + 8] += parts[..., i, j]
        return out

    def channels_last():
        return any("reshape(" in text and "(1, 8, 8, 2, 2, 8)" in text for text in texts(image))

    assert channels_last()
    without(monkeypatch, "fold_products")
    assert not channels_last()


def test_without_einsum_products_numpy_goes_over_elements(monkeypatch):
    def weighted(x):
        image = x.reshape(4, 2, 40, 20)
        windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), (2, 3))
        mixed = np.einsum("nchwij,fcij->nfhw", windows, np.ones((5, 2, 3, 3), np.float32))
        return np.einsum("nfhw,nghw->nfg", mixed, mixed[:, :2])

    assert not any("einsum(" in text for text in texts(weighted))
    without(monkeypatch, "einsum_products")
    assert any("einsum(" in text for text in texts(weighted))


def test_every_pass_has_its_case():
    others = {
        "einsum_products",
        "stable_forms",
        "plain_copies",
        "stack_products",
        "own_fills",
        "borders",
        "fold_products",
        "patch_products",
    }
    assert {name.removeprefix("first ") for name in WORTH} | others == {one.__name__ for one in pipeline.PASSES}


def test_strict_programs_need_a_mask_that_is_one():
    assert [one.__name__ for one in pipeline.STRICT] == [
        "merge_equal_nodes",
        "masked_write_to_select",
        "merge_equal_nodes",
    ]
