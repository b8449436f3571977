"""Losses whose gradient is that of what comes before an activation: `fn(a, y)` and `delta(z, a, y)`."""

import numpy as np
import pytest

import dout
from dout.errors import DoutError


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


class QuadraticCost:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.sum((a - y) ** 2)

    @staticmethod
    def delta(z, a, y):
        return (a - y) * sigmoid_prime(z)


class QuadraticCostWrong(QuadraticCost):
    @staticmethod
    def delta(z, a, y):
        return (a - y) * sigmoid_prime(a)


class EntropyCost:
    @staticmethod
    def fn(a, y):
        return np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))

    @staticmethod
    def delta(z, a, y):
        return a - y


class EntropyCostOfAnother(EntropyCost):
    """Nothing tells of which activation it is."""

    @staticmethod
    def delta(z, a, y):
        return (a - y) / (a * (1 - a)) * (1 - a**2)


def words(report):
    return {verdict.argument: verdict.word for verdict in report.verdicts}


@pytest.mark.parametrize("cost", [QuadraticCost, EntropyCost])
def test_a_delta_is_judged_through_its_activation(cost):
    report = dout.check(cost)
    assert words(report) == {"z": "exact"}
    assert report.ok


def test_a_wrong_delta_that_calls_the_derivative_is_an_error():
    report = dout.check(QuadraticCostWrong)
    assert words(report) == {"z": "refuted"}
    assert not report.ok


def test_a_delta_that_is_right_for_no_activation_of_the_module_is_not_judged():
    with pytest.raises(DoutError):
        dout.check(EntropyCostOfAnother)
