"""A checkpoint and an optimizer in; an error out where the one remembers other shapes than the other makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np

from dout.errors import CheckpointError, TrainingError
from dout.run import deep_copy, keeping_random_states, places, quiet
from dout.train.optimizers import update
from dout.train.state.kept_trees import KeptState, decoded

_NUMBERS = (int, float, np.ndarray, np.generic)


def check_memory(
    kept: KeptState, optimizer: Any, roots: Mapping[str, Any], names: Sequence[str], takes_dicts: bool
) -> None:
    """Raise CheckpointError where an array has another shape in it than a copy of the optimizer gives it.

    The copy makes one update of the parameters of these names. Only arrays in the shape of a parameter are compared: a
    stack of gradients may grow.
    """
    here = {place.path: place.item for name, root in roots.items() for place in places(root, name)}
    params = {name: np.array(here[name]) for name in names if name in here}
    if len(params) < len(names):  # some are made in the first step
        return
    trees = kept.document["attributes"].get("optimizer", {}).items()
    memory = {name: decoded(tree, None, f"optimizer.{name}", kept.arrays, write=True) for name, tree in trees}
    theirs = {place.path: place.item for place in places(SimpleNamespace(**memory), "optimizer")}
    own, zeros = deep_copy(optimizer), {name: np.zeros_like(array) for name, array in params.items()}
    with suppress(TrainingError), quiet(), keeping_random_states():
        update(own, params, zeros, takes_dicts)
    usual = {(), *map(np.shape, params.values())}
    for place in places(own, "optimizer"):
        found, shape = theirs.get(place.path), np.shape(place.item) if isinstance(place.item, _NUMBERS) else None
        if shape in usual and isinstance(found, _NUMBERS) and np.shape(found) != shape:
            raise CheckpointError(f"{place.path} has shape {np.shape(found)} in it, and {shape} here")
