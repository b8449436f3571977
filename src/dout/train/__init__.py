"""A net, data and a loss in; the trained net, the history of its training and its checkpoints out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dout.errors import TargetError, needs
from dout.train.evaluation import evaluate, predict
from dout.train.fitting import fit
from dout.train.history import History
from dout.train.initialisers import he, orthogonal, xavier
from dout.train.layer_log import JsonLines, Log, TensorBoard
from dout.train.metrics import accuracy, r_squared
from dout.train.nets.layer_graphs import LayerGraph, Sequential
from dout.train.optimizers import SGD, AdaGrad, Adam, AdamW, Lion, Momentum, Nesterov, Optimizer, RMSprop
from dout.train.rate_finder import RateSearch, find_rate
from dout.train.schedules import cosine, exponential, linear, steps
from dout.train.state.checkpoints import load

if TYPE_CHECKING:
    from dout.train.estimators import Classifier as Classifier
    from dout.train.estimators import Regressor as Regressor

__all__ = [
    "SGD", "AdaGrad", "Adam", "AdamW", "Classifier", "History", "JsonLines", "LayerGraph", "Lion", "Log",
    "Momentum", "Nesterov", "Optimizer", "RMSprop", "RateSearch", "Regressor", "Sequential", "TensorBoard",
    "accuracy", "cosine", "evaluate", "exponential", "find_rate", "fit", "he", "linear", "load",
    "orthogonal", "predict", "r_squared", "steps", "xavier",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The estimators, for which scikit-learn is loaded when they are first asked for."""
    if name not in ("Classifier", "Regressor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from dout.train import estimators
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        raise TargetError(needs(f"dout.train.{name}", "sklearn")) from None
    return getattr(estimators, name)
