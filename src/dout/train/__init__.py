"""A net, data and a loss in; the trained net, the history of its training and its checkpoints out."""

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

__all__ = [
    "SGD", "AdaGrad", "Adam", "AdamW", "History", "JsonLines", "LayerGraph", "Lion", "Log", "Momentum", "Nesterov",
    "Optimizer", "RMSprop", "RateSearch", "Sequential", "TensorBoard", "accuracy", "cosine", "evaluate", "exponential",
    "find_rate", "fit", "he", "linear", "load", "orthogonal", "predict", "r_squared", "steps",
    "xavier",
]  # fmt: skip
