"""What a step along axes passes back, as a textbook writes it: the formulas here are written by hand."""

import numpy as np
import pytest
from explained_steps import ExplainedSteps, sentence, written

RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.normal(size=shape)


class Affine:
    def __init__(self):
        self.W, self.b = numbers(3, 4), numbers(4)

    def forward(self, x):
        product = x @ self.W
        return product + self.b


@pytest.fixture(scope="module")
def affine():
    return ExplainedSteps.of(Affine(), numbers(2, 3))


def test_affine_has_n_rows_d_numbers_in_and_m_out(affine):
    assert {name: affine.axes(name) for name in "xWby"} == {
        "x": ("N", "D"), "W": ("D", "M"), "b": ("M",), "y": ("N", "M"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("step", "of", "index", "whole", "shapes", "reason"),
    [
        ("y", "b", "db[m] = Σ_n dout[n, m]", "sum(dout, axis=N)", "(N, M) → (M,)",
         "b was added to each of the N rows, so its gradient is the sum of theirs"),
        ("product", "x", "dx[n, d] = Σ_m dout[n, m] · W[d, m]", "dout @ Wᵀ", "(N, M)·(M, D) → (N, D)",
         "x[n, d] meets W once for each m, so its gradient is the sum over m"),
        ("product", "W", "dW[d, m] = Σ_n dout[n, m] · x[n, d]", "xᵀ @ dout", "(D, N)·(N, M) → (D, M)",
         "W[d, m] meets x once for each n, so its gradient is the sum over n"),
    ],
)  # fmt: skip
def test_gradients_of_affine(affine, step, of, index, whole, shapes, reason):
    part = affine.part(step, of)
    assert " = ".join(map(written, part.index)) == index
    assert written(part.term) == whole
    assert part.shapes == shapes
    assert sentence(part.reason) == reason


def test_what_an_addition_passes_on_is_dout_itself(affine):
    part = affine.part("y", "product")
    assert " = ".join(map(written, part.index)) == "dproduct[n, m] = dout[n, m]"
    assert (part.shapes, part.reason) == ("", None)


def softmax(x):
    e = np.exp(x)
    s = e.sum(axis=-1, keepdims=True)
    return e / s


def test_softmax_has_two_ways_back_to_e():
    steps = ExplainedSteps.of(softmax, numbers(2, 3))
    assert steps.axes("s") == ("N", "1")
    assert steps.index("y", "e") == "de[n, d] = dout[n, d] / (s[n])"
    assert steps.index("y", "s") == "ds[n] = −Σ_d dout[n, d] · y[n, d] / (s[n])"
    assert steps.index("s", "e") == "de[n, d] = ds[n]"
    assert sentence(steps.part("y", "s").reason) == "s is repeated along D, so its gradient is the sum over D"
    assert steps.part("s", "e").shapes == "(N, 1) → (N, D)"


def test_a_mean_over_the_batch_gives_each_row_its_share():
    part = ExplainedSteps.of(lambda x: x.mean(axis=0), numbers(2, 3)).part("y", "x")
    assert " = ".join(map(written, part.index)) == "dx[n, d] = dout[d] / (N)"
    assert written(part.term) == "dout / (N)"
    assert sentence(part.reason).startswith("each element is 1/N of the mean")


def test_the_mean_of_a_layer_norm_and_what_is_subtracted():
    def centered(x):
        mu = x.mean(axis=-1, keepdims=True)
        return x - mu

    steps = ExplainedSteps.of(centered, numbers(2, 3))
    assert steps.index("mu", "x") == "dx[n, d] = dmu[n] / (D)"
    assert steps.index("y", "mu") == "dmu[n] = −Σ_d dout[n, d]"


@pytest.mark.parametrize("ddof", [0, 1])
def test_a_variance_divides_by_its_count(ddof):
    steps = ExplainedSteps.of(lambda x: x.var(axis=0, ddof=ddof), numbers(4, 3))
    count = "N − 1" if ddof else "N"
    below = f"({count})" if ddof else count
    assert steps.index("y", "x") == f"dx[n, d] = 2 · dout[d] · (x[n, d] − Σ_k x[k, d] / (N)) / ({below})"


@pytest.mark.parametrize(
    "function", [lambda x, b: x + b, lambda x, b: x + b.reshape(1, -1, 1, 1)], ids=["(C, 1, 1)", "reshape"]
)
def test_a_bias_of_images_sums_over_rows_and_pixels(function):
    b = numbers(3, 1, 1) if "reshape" not in function.__code__.co_names else numbers(3)
    steps = ExplainedSteps.of(function, numbers(2, 3, 4, 5), b)
    assert steps.axes("x") == ("N", "C", "H", "W")
    name = steps.names[steps.output.inputs[1]]
    assert steps.index("y", name) == f"d{name}[c] = Σ_n,h,w dout[n, c, h, w]"


def test_scores_of_attention():
    def scores(q, k):
        return q @ k.transpose(0, 1, 3, 2)

    steps = ExplainedSteps.of(scores, numbers(2, 3, 4, 5), numbers(2, 3, 6, 5))
    assert steps.axes("q") == ("B", "H", "T", "D")
    assert steps.axes("y") == ("B", "H", "T", "M")
    turned = steps.names[steps.output.inputs[1]]
    assert steps.index("y", "q") == f"dq[b, h, t, d] = Σ_m dout[b, h, t, m] · {turned}[b, h, d, m]"
    assert steps.part("y", "q").shapes == "(B, H, T, M)·(B, H, M, D) → (B, H, T, D)"
    assert steps.index(turned, "k") == f"dk[b, h, m, d] = d{turned}[b, h, d, m]"


def test_labels_choose_one_class_a_row():
    def loss(p, t):
        chosen = p[np.arange(len(t)), t]
        return -np.log(chosen).mean()

    p = np.abs(numbers(3, 4))
    steps = ExplainedSteps.of(loss, p, np.array([0, 2, 1]))
    assert (steps.axes("p"), steps.axes("t")) == (("N", "C"), ("N",))
    assert steps.index("chosen", "p") == "dp[n, c] = {dchosen[n] where c = t[n]; 0}"


def test_rows_that_are_looked_up_add_up():
    steps = ExplainedSteps.of(lambda W, idx: W[idx], numbers(5, 3), np.array([0, 2, 2, 4]))
    assert steps.axes("W") == ("V", "D")
    assert steps.index("y", "W") == "dW[v, d] = Σ_n {dout[n, d] where v = idx[n]; 0}"
    assert "chosen several times" in sentence(steps.part("y", "W").reason)


def test_an_array_that_counts_is_still_looked_up():
    steps = ExplainedSteps.of(lambda W, idx: W[idx], numbers(4, 3), np.arange(4))
    assert steps.index("y", "W") == "dW[v, d] = Σ_n {dout[n, d] where v = idx[n]; 0}"


def test_a_sum_over_everything_gives_each_element_dout():
    part = ExplainedSteps.of(lambda x: x.sum(), numbers(2, 3)).part("y", "x")
    assert " = ".join(map(written, part.index)) == "dx[n, d] = dout"
    assert part.shapes == "() → (N, D)"


def test_the_largest_gets_the_gradient():
    steps = ExplainedSteps.of(lambda x: x.max(axis=1), numbers(2, 3))
    assert steps.index("y", "x") == "dx[n, d] = {dout[n] where x[n, d] = y[n]; 0}"


def test_equal_largest_ones_do_not_each_get_all_of_it():
    steps = ExplainedSteps.of(lambda x: x.max(axis=1), np.array([[1.0, 1.0, 0.0], [2.0, 3.0, 0.5]]))
    assert steps.index("y", "x") != "dx[n, d] = {dout[n] where x[n, d] = y[n]; 0}"


def test_the_words_about_a_largest_element_fit_the_formula():
    largest = ExplainedSteps.of(lambda x: x.max(axis=1), numbers(2, 3)).part("y", "x")
    assert sentence(largest.reason) == "the gradient goes to the largest element, as long as no other equals it"


def test_an_element_of_joined_axes_is_told_with_the_index_that_its_gradient_has():
    def forward(x, W):
        rows = x.reshape(6, 4)
        return rows @ W

    steps = ExplainedSteps.of(forward, numbers(2, 3, 4), numbers(4, 5))
    told = steps.part("y", "rows")
    assert sentence(told.reason).startswith(f"{written(told.index[0])[1:]} meets W once for each ")


def test_parts_of_an_array_go_back_to_their_places():
    def gate(x):
        left = x[:, :3]
        right = x[:, 3:]
        return left * right

    steps = ExplainedSteps.of(gate, numbers(2, 6))
    assert steps.index("left", "x") == "dx[n, d] = {dleft[n, d] where d < 3; 0}"
    assert steps.index("right", "x") == "dx[n, d] = {dright[n, d − 3] where 3 ≤ d; 0}"


def test_joined_arrays_get_their_parts():
    steps = ExplainedSteps.of(lambda x, z: np.concatenate([x, z], axis=1), numbers(2, 3), numbers(2, 4))
    assert steps.index("y", "x") == "dx[n, d] = dout[n, d]"
    assert steps.index("y", "z") == "dz[n, m] = dout[n, m + D]"


def test_overwritten_elements_get_nothing():
    def cut(x):
        copied = x.copy()
        copied[:, 0] = 0
        return copied

    steps = ExplainedSteps.of(cut, numbers(2, 3))
    before = steps.names[steps.output.inputs[0]]
    assert steps.index("y", before) == f"d{before}[n, d] = {{0 where d = 0; dout[n, d]}}"


def test_a_reshape_joins_letters():
    def heads(x):
        split = x.reshape(2, 4, 2, 3)
        return split.transpose(0, 2, 1, 3)

    steps = ExplainedSteps.of(heads, numbers(2, 4, 6))
    assert steps.axes("x")[:2] == ("N", "T")
    assert steps.index("split", "x").startswith("dx[n, t, ")
    assert steps.part("y", "split").index is not None


def convolution(x, W, b):
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (2, 3))
    N, _, OH, OW, _, _ = windows.shape
    col = windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, -1)
    kernels = W.reshape(len(W), -1).T
    rows = col @ kernels
    return (rows + b).reshape(N, OH, OW, -1).transpose(0, 3, 1, 2)


def test_a_convolution_by_im2col_has_its_letters():
    steps = ExplainedSteps.of(convolution, numbers(2, 3, 4, 6), numbers(7, 3, 2, 2), numbers(7))
    assert steps.axes("W") == ("F", "C", "KH", "KW")
    assert steps.axes("y") == ("N", "F", "OH", "OW")
    assert steps.axes("col") == ("N·OH·OW", "C·KH·KW")
    assert steps.part("rows", "kernels").shapes == "(C·KH·KW, N·OH·OW)·(N·OH·OW, F) → (C·KH·KW, F)"
    inside = "c · KH · KW + p · KW + q"
    row = "n · OH · OW + i · OW + j"
    down = steps.names[steps.gradients.of[steps.node("rows")]]
    assert steps.index("rows", "kernels") == f"dkernels[{inside}, f] = Σ_n,i,j col[{row}, {inside}] · {down}[{row}, f]"


def test_the_state_of_a_recurrent_cell_keeps_its_letter():
    def cell(x, h_prev, Wx, Wh, b):
        return np.tanh(x @ Wx + h_prev @ Wh + b)

    steps = ExplainedSteps.of(cell, numbers(2, 3), numbers(2, 4), numbers(3, 4), numbers(4, 4), numbers(4))
    assert [steps.axes(name) for name in ("h_prev", "Wx", "Wh")] == [("N", "H"), ("D", "H"), ("H", "H")]
    (product,) = [n for n in steps.names if steps.node("h_prev") in n.inputs]
    name = steps.names[product]
    down = steps.names[steps.gradients.of[product]]
    assert steps.index(name, "Wh") == f"dWh[h, k] = Σ_n h_prev[n, h] · {down}[n, k]"


def test_letters_that_the_source_tells_come_first():
    told = {"x": ("B", "n_in"), "W": ("n_in", "K")}
    steps = ExplainedSteps.of(lambda x, W: x @ W, numbers(2, 3), numbers(3, 4), told=told)
    assert steps.axes("x") == ("B", "D")
    assert steps.axes("W") == ("D", "K")
