"""`Classifier` and `Regressor` keep scikit-learn's own rules, in its searches and pipelines too."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from dout.layers import Affine
from dout.train import SGD, Classifier, Regressor
from dout.train.estimators import two_layers


@pytest.mark.one_in(2)
@pytest.mark.filterwarnings("default")
@parametrize_with_checks([Classifier(), Regressor()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def small(inputs, outputs):
    return two_layers(inputs, outputs, hidden=5)


def test_a_search_over_nets_and_rates_runs_in_two_processes():
    x, t = load_iris(return_X_y=True)
    choices = {"classifier__net": [two_layers, small], "classifier__optimizer": [SGD(0.1), None]}
    pipeline = make_pipeline(StandardScaler(), Classifier(epochs=20, random_state=0))
    search = GridSearchCV(pipeline, choices, n_jobs=2, cv=3).fit(x, t)
    assert search.best_score_ > 0.93
    assert search.predict(x[:2]).shape == (2,)


def test_a_regressor_predicts_better_than_the_mean():
    x, t = load_diabetes(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), Regressor(epochs=30, random_state=0))
    assert cross_val_score(pipeline, x, t / 100, cv=3).mean() > 0.3


def test_several_numbers_are_a_row():
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = np.stack([x[:, 0], x[:, 1] - x[:, 2]], axis=1)
    assert Regressor(epochs=60, random_state=0).fit(x, y).predict(x[:4]).shape == (4, 2)


def test_a_net_that_is_given_is_copied_before_it_learns():
    weights = np.zeros((4, 3))
    given = Classifier([Affine(weights, np.zeros(3))], epochs=5, random_state=0)
    x, t = load_iris(return_X_y=True)
    learned = given.fit(x, t)
    assert not weights.any()
    assert learned.net_[0].W.any()
    assert np.array_equal(clone(given).fit(x, t).predict(x), learned.predict(x))


def test_a_trained_estimator_can_be_pickled_and_leaves_the_random_state_alone():
    x, t = load_iris(return_X_y=True)
    np.random.seed(3)
    wanted = np.random.rand()
    np.random.seed(3)
    trained = Classifier(epochs=3, random_state=1).fit(x, t)
    assert np.random.rand() == wanted
    again = pickle.loads(pickle.dumps(trained))
    assert np.array_equal(again.predict_proba(x), trained.predict_proba(x))
