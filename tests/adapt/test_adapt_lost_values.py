"""A gradient that takes what its cost computes and gives to nobody: that is no argument of another name."""

import numpy as np

from dout.adapt.interface.function_pairs import function_pairs


def logistic_cost(X, Y, W, b):
    P = 1 / (1 + np.exp(-(X @ W + b)))
    return -np.sum(Y * np.log(P)) / len(X)


def logistic_cost_grad(X, Y, W, P):
    dW = X.T @ (P - Y) / len(X)
    db = np.sum(P - Y, axis=0) / len(X)
    return dW, db


def linear_cost(X, Y, W, b):
    R = X @ W + b - Y
    return np.sum(R**2) / 2


def linear_cost_grad(X, Y, W, R):
    return X.T @ R, np.sum(R, axis=0)


def square_loss(x, y):
    r = x - y
    return np.sum(r**2) / 2, r


def square_loss_grad(r):
    return r


FOUND = function_pairs(globals())


def test_the_gradient_runs_with_the_value_that_the_cost_computes():
    X, Y, W, b = np.ones((3, 2)), np.eye(3)[:, :2], np.ones((2, 2)), np.zeros(2)
    P = 1 / (1 + np.exp(-(X @ W + b)))
    dW, db = FOUND["logistic_cost"].logistic_cost_grad(X, Y, W, b)
    assert np.array_equal(dW, X.T @ (P - Y) / 3)
    assert np.array_equal(db, np.sum(P - Y, axis=0) / 3)


def test_a_gradient_whose_results_have_no_names_is_no_pair_then():
    assert "linear_cost" not in FOUND


def test_what_a_loss_gives_may_be_taken():
    assert "square_loss" in FOUND
