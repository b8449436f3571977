"""The first upstream gradient of a backward, found among the values of a recorded run."""

import numpy as np
import pytest

import dout
from dout.judge.implied_upstream import implied_upstream

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2))
W1, B1, W2, B2 = (RNG.normal(size=shape) for shape in ((4, 3), (3,), (3, 2), (2,)))


def step(W1, b1, W2, b2, *, slope=True, penalty=0.0, share=1.0, begin=lambda out: (out - Y) * 2.0):
    h = np.tanh(X @ W1 + b1)
    out = h @ W2 + b2
    delta = begin(out)
    hidden = (delta @ W2.T) * (1 - h * h) if slope else delta @ W2.T
    return out, X.T @ hidden / 9 + penalty * W1, hidden.sum(0) / 9, h.T @ delta / 9, share * delta.sum(0) / 9


def found(**how):
    """What is found of a step, and the names of the parameters whose gradients follow from it."""
    run = dout.trace(lambda W1, b1, W2, b2: step(W1, b1, W2, b2, **how), W1, B1, W2, B2)
    names = ("W1", "b1", "W2", "b2")
    out, *gradients = run.graph.outputs.values()
    nodes = list(run.graph.nodes)
    pairs = {run.graph.inputs[name]: gradient for name, gradient in zip(names, gradients, strict=True)}
    implied = implied_upstream(nodes, set(nodes[nodes.index(out) + 1 :]), run.data, pairs)
    right = [name for name, is_right in zip(names, implied.right, strict=True) if is_right] if implied else []
    return implied, right


def test_what_all_gradients_follow_from_is_found_with_their_common_factor():
    implied, right = found()
    assert right == ["W1", "b1", "W2", "b2"]
    assert implied.value.shape == implied.gradient.shape == (9, 2)
    given = np.asarray((implied.gradient.primitive.name == "multiply" and 1.0) or 2.0)  # of out - Y, or of its double
    assert implied.factor == pytest.approx(given / 9)


def test_a_penalty_is_no_mistake():
    assert found(penalty=0.25)[1] == ["W1", "b1", "W2", "b2"]


@pytest.mark.parametrize(("how", "right"), [({"slope": False}, ["W2", "b2"]), ({"share": 0.5}, ["W1", "b1", "W2"])])
def test_what_does_not_follow_is_told_apart(how, right):
    assert found(**how)[1] == right


def logistic(out):
    p = 1.0 / (1.0 + np.exp(-out))
    return p - Y


@pytest.mark.parametrize("begin", [lambda out: out - Y, logistic], ids=["squares", "a logistic loss"])
def test_gradients_of_usual_losses_do(begin):
    assert found(begin=begin)[1] == ["W1", "b1", "W2", "b2"]


@pytest.mark.parametrize(
    ("begin", "sign"),
    [(lambda out: out - Y, 1), (lambda out: Y - out, -1), (logistic, 1), (lambda out: -logistic(out), -1)],
)
def test_the_sign_says_whether_gradients_are_those_of_a_usual_loss_or_of_its_negative(begin, sign):
    implied, right = found(begin=begin)
    assert right == ["W1", "b1", "W2", "b2"]
    assert implied.sign * implied.factor * sign > 0  # the factor may have the sign, too


def test_the_sign_is_that_of_the_value_it_is_the_gradient_at():
    def negated(W1, b1, W2, b2):
        h = np.tanh(X @ W1 + b1)
        p = 1.0 / (1.0 + np.exp(-(h @ W2 + b2)))
        delta = p - Y
        hidden = (delta @ W2.T) * (1 - h * h)
        return p, X.T @ hidden, hidden.sum(0), h.T @ delta, delta.sum(0)

    implied = of_names(dout.trace(negated, W1, B1, W2, B2), ("W1", "b1", "W2", "b2"))
    assert all(implied.right)
    assert implied.sign * implied.factor > 0


def test_nothing_is_said_where_less_than_half_follows():
    run = dout.trace(lambda W, b: (X @ W + b, W * 3.0, b * b), W1, B1)
    out, *gradients = run.graph.outputs.values()
    nodes = list(run.graph.nodes)
    pairs = dict(zip((run.graph.inputs["W"], run.graph.inputs["b"]), gradients, strict=True))
    assert implied_upstream(nodes, set(nodes[nodes.index(out) + 1 :]), run.data, pairs) is None


def by_sample(W, b, share=1.0):
    """Gradients that are summed over samples, each of which begins with a residual of its own; the bias is a row."""
    dW, db = np.zeros((4, 2)), np.zeros(2)
    for x, y in zip(X[:3], Y[:3], strict=True):
        out = x @ W + b[0]
        delta = out - y
        dW = dW + np.outer(x, delta)
        db = db + share * delta * delta if share != 1 else db + delta
    return out, dW, db


@pytest.mark.parametrize(("share", "right"), [(1.0, (True, True)), (0.5, None)])
def test_sums_over_samples_follow_from_one_gradient_each(share, right):
    run = dout.trace(lambda W, b: by_sample(W, b, share), RNG.normal(size=(4, 2)), np.zeros((1, 2)))
    out, *gradients = run.graph.outputs.values()
    nodes = list(run.graph.nodes)
    pairs = dict(zip((run.graph.inputs["W"], run.graph.inputs["b"]), gradients, strict=True))
    implied = implied_upstream(nodes, set(nodes[nodes.index(out) + 1 :]), run.data, pairs)
    assert (implied.right if implied else None) == right
    assert implied is None or len(implied.every) == 3


def turned(out):
    residual = Y - out
    return residual * 1.0


def test_what_is_made_of_the_residual_says_nothing_of_its_sign():
    assert found(begin=turned)[0].sign == -1


def test_a_penalty_that_the_loss_computes_last_hides_no_gradient():
    def step_with_loss(W1, b1, W2, b2):
        h = np.tanh(X @ W1 + b1)
        out = h @ W2 + b2
        loss = np.sum((out - Y) ** 2) + 0.25 * np.sum(W1**2)
        delta = 2.0 * (out - Y)
        hidden = (delta @ W2.T) * (1 - h * h)
        return loss, X.T @ hidden + 0.5 * W1, hidden.sum(0), h.T @ delta, delta.sum(0)

    run = dout.trace(step_with_loss, W1, B1, W2, B2)
    loss, *gradients = run.graph.outputs.values()
    nodes = list(run.graph.nodes)
    pairs = dict(zip((run.graph.inputs[name] for name in ("W1", "b1", "W2", "b2")), gradients, strict=True))
    assert implied_upstream(nodes, set(nodes[nodes.index(loss) + 1 :]), run.data, pairs).right == (True,) * 4


def of_names(run, names, out=0):
    """What is implied by a recorded function that gives its output, of this place, before its gradients."""
    values = list(run.graph.outputs.values())
    nodes, gradients = list(run.graph.nodes), values[-len(names) :]
    pairs = {run.graph.inputs[name]: gradient for name, gradient in zip(names, gradients, strict=True)}
    return implied_upstream(nodes, set(nodes[nodes.index(values[out]) + 1 :]), run.data, pairs)


def one_number(w, U):
    state = np.tanh(U @ X[0])
    y = w @ state
    error = y - 0.5
    return y, error * state, np.outer(error * w * (1 - state**2), X[0])


def test_gradients_of_arrays_tell_the_gradient_of_one_number():
    implied = of_names(dout.trace(one_number, RNG.normal(size=3), RNG.normal(size=(3, 4))), ("w", "U"))
    assert implied is not None
    assert all(implied.right)


def with_own_target(W1, W2):
    """The network says its own target of the next states, as a value network does: that has no gradient."""
    target = 1.0 + 0.5 * (np.tanh(X[::-1] @ W1) @ W2).max(axis=1)
    h = np.tanh(X @ W1)
    q = h @ W2
    delta = np.zeros_like(q)
    delta[:, 0] = q[:, 0] - target
    hidden = (delta @ W2.T) * (1 - h * h)
    return q, X.T @ hidden, h.T @ delta


def test_a_target_that_the_network_itself_computes_has_no_gradient():
    implied = of_names(dout.trace(with_own_target, W1, W2), ("W1", "W2"))
    assert implied is not None
    assert all(implied.right)


@pytest.mark.parametrize(("how", "multiple"), [({"slope": False}, False), ({"share": 0.5}, True)])
def test_a_multiple_may_have_a_rate_of_its_own_and_anything_else_is_wrong(how, multiple):
    implied, _ = found(**how)
    assert implied.is_sure
    assert {m for m, right in zip(implied.excused, implied.right, strict=True) if not right} == {multiple}


def test_a_limit_or_a_mask_of_the_elements_is_excused_and_another_sign_is_not():
    def elementwise(change):
        run = dout.trace(lambda W1, b1, W2, b2: changed(change, *step(W1, b1, W2, b2)), W1, B1, W2, B2)
        return of_names(run, ("W1", "b1", "W2", "b2"))

    def changed(change, out, dW1, db1, dW2, db2):
        return out, change(dW1), db1, dW2, db2

    mask = np.arange(3) % 2
    for change, excused in ((lambda g: g * mask, True), (lambda g: np.clip(g, -0.1, 0.1), True), (lambda g: -g, False)):
        implied = elementwise(change)
        assert implied.right == (False, True, True, True)
        assert implied.excused[0] is excused


def test_an_l1_penalty_is_excused():
    run = dout.trace(lambda W1, b1, W2, b2: with_signs(*step(W1, b1, W2, b2), W1), W1, B1, W2, B2)
    implied = of_names(run, ("W1", "b1", "W2", "b2"))
    assert (implied.right[0], implied.excused[0]) == (False, True)


def with_signs(out, dW1, db1, dW2, db2, W1):
    return out, dW1 + 0.05 * np.sign(W1), db1, dW2, db2


def one_output(W1, b1, W2, b2):
    h = np.tanh(X @ W1 + b1)
    out = h @ W2 + b2
    delta = out - Y[:, :1]
    hidden = (delta @ W2.T) * (1 - h * h)
    return out, X.T @ hidden, hidden.sum(0), h.T @ delta, -delta.sum(0)


def test_one_number_of_another_sign_is_neither_right_nor_wrong():
    implied = of_names(dout.trace(one_output, W1, B1, W2[:, :1], B2[:1]), ("W1", "b1", "W2", "b2"))
    assert implied.right == (True, True, True, False)
    assert implied.open == (False, False, False, True)


def test_two_numbers_that_do_not_follow_are_wrong():
    def two(W1, b1, W2, b2):
        out, dW1, db1, dW2, db2 = step(W1, b1, W2, b2)
        return out, dW1, db1, dW2, db2 * db2 + 1.0

    implied = of_names(dout.trace(two, W1, B1, W2, B2), ("W1", "b1", "W2", "b2"))
    assert (implied.right[3], implied.excused[3]) == (False, False)


@pytest.mark.parametrize(("slope", "right"), [(True, 4), (False, 2)])
def test_zeros_tell_nothing_and_the_moved_point_decides(slope, right):
    run = dout.trace(lambda W1, b1, W2, b2: step(W1, b1, W2, b2, slope=slope), W1, B1, np.zeros((3, 2)), B2)
    implied = of_names(run, ("W1", "b1", "W2", "b2"))
    assert sum(implied.right) == right
    assert not any(implied.open)
