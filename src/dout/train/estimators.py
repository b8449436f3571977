"""Nets as estimators of scikit-learn: `Classifier` and `Regressor`, for its pipelines, searches and scores.

The rules are scikit-learn's: the constructor only remembers what it is given, `fit` changes none of it, what is learned
ends in `_`, and an estimator can be cloned and pickled. So a net is given as a function that makes one for the numbers
of inputs and outputs, or as an object, which is copied before it learns.

>>> import numpy as np
>>> x, t = np.array([[0.0], [0.2], [0.8], [1.0]]), np.array(["small", "small", "large", "large"])
>>> Classifier(epochs=200, random_state=0).fit(x, t).predict([[0.1], [0.9]]).tolist()
['small', 'large']
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from dout.layers import Affine, MeanSquaredError, Relu, Softmax, SoftmaxWithLoss
from dout.run import deep_copy, keeping_random_states
from dout.run.random_states import seed_all
from dout.train.evaluation import predict
from dout.train.fitting import fit
from dout.train.initialisers import he
from dout.train.optimizers import Adam

_MOST_SEED = 2**31 - 1


def two_layers(inputs: int, outputs: int, hidden: int = 50) -> list[Any]:
    """A net of two layers, as the book begins with."""
    return [
        Affine(he(inputs, hidden), np.zeros(hidden)),
        Relu(),
        Affine(he(hidden, outputs), np.zeros(outputs)),
    ]


class NetEstimator(BaseEstimator):  # type: ignore[misc]
    """What both share. `net` is a function `net(inputs, outputs)` that returns a net, or a net; `loss` a layer.

    The other arguments are those of `dout.train.fit`; `random_state` decides the first weights and the order of the
    data. After `fit`, `net_` is the trained net and `history_` what its training was like.
    """

    def __init__(
        self, net: Any = two_layers, *, loss: Any = None, optimizer: Any = None, epochs: int = 50, batch: int = 20,
        compiled: bool | None = False, random_state: Any = None,
    ) -> None:  # fmt: skip
        self.net, self.loss, self.optimizer = net, loss, optimizer
        self.epochs, self.batch, self.compiled, self.random_state = epochs, batch, compiled, random_state

    def _learn(self, x: Any, t: Any, outputs: int, loss: Any) -> None:
        """Train a net of its own."""
        is_net = hasattr(self.net, "forward") or isinstance(self.net, list | tuple)
        seed = int(check_random_state(self.random_state).randint(_MOST_SEED))
        with keeping_random_states():
            seed_all(seed)
            self.net_ = deep_copy(self.net) if is_net else self.net(x.shape[1], outputs)
            self.history_ = fit(
                self.net_, x, t, loss=loss if self.loss is None else deep_copy(self.loss),
                optimizer=Adam(lr=0.01) if self.optimizer is None else deep_copy(self.optimizer),
                epochs=self.epochs, batch=self.batch, compiled=self.compiled, seed=seed, progress=False,
            )  # fmt: skip

    def _outputs(self, x: Any) -> Any:
        """What the trained net says of samples."""
        check_is_fitted(self)
        return predict(self.net_, validate_data(self, x, reset=False, dtype=[np.float64, np.float32]))


class Classifier(ClassifierMixin, NetEstimator):  # type: ignore[misc]
    """A net with a score for each class, which learns by softmax and cross entropy unless there is another `loss`."""

    def fit(self, X: Any, y: Any) -> Classifier:
        """Train a new net on samples and their classes, which may be numbers or texts."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self._learn(X, labels, len(self.classes_), SoftmaxWithLoss())
        return self

    def predict_proba(self, X: Any) -> Any:
        """The share of each class, by the softmax of its score."""
        return Softmax(1).forward(self._outputs(X))

    def predict(self, X: Any) -> Any:
        """The class with the largest score."""
        scores = self._outputs(X)
        return self.classes_[scores.argmax(axis=1)]


class Regressor(RegressorMixin, NetEstimator):  # type: ignore[misc]
    """A net with an output for each number that it predicts, which learns by squares unless there is another `loss`."""

    def fit(self, X: Any, y: Any) -> Regressor:
        """Train a new net on samples and one number, or a row of numbers, for each."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True)
        targets = np.asarray(y, X.dtype).reshape(len(y), -1)
        self.one_number_ = np.ndim(y) == 1
        self._learn(X, targets, targets.shape[1], MeanSquaredError())
        return self

    def predict(self, X: Any) -> Any:
        """What the net gives."""
        outputs = self._outputs(X)
        return outputs.ravel() if self.one_number_ else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
