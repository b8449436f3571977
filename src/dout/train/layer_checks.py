"""A net and a batch in; nothing out, or the report of each layer of the user's whose backward is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.errors import DoutError, TargetError, WrongLayersError, needs
from dout.run import deep_copy, keeping_random_states, places, quiet
from dout.train.nets.layer_watch import LayerPass, called, layers_of, shapes_of, watched_layers
from dout.train.nets.train_step import TrainStep

_SAMPLES = 4  # of the batch
_OURS = ("dout.layers", "dout.train")  # tests hold these


@keeping_random_states()
def check_layers(step: TrainStep, batch: Any) -> None:
    """Check each layer of the user's on what reaches it. Raises WrongLayersError with what is wrong.

    Layers of one class with equal shapes and settings are checked once. A layer that holds others is not checked: these
    are.
    """
    try:
        from dout.check.verb.check_layer import check
    except ModuleNotFoundError:
        raise TargetError(needs("fit(check=True)", "flint")) from None
    x, t = batch
    few = tuple(one[:_SAMPLES] for one in x) if isinstance(x, tuple) else x[:_SAMPLES]
    with quiet():
        copy = deep_copy(step)
        passes = _passes(copy, few, t[:_SAMPLES])
    wrong = []
    for one in passes:
        try:
            report = check(one.layer, *one.given)
        except DoutError:  # it cannot be examined alone, and that says nothing about it
            continue
        if not report.ok:
            wrong.append(f"{called(one.path, one.layer)}\n{report}")
    if wrong:
        raise WrongLayersError("\n\n".join(["check: these layers are wrong, and nothing was trained", *wrong]))


def _passes(step: TrainStep, x: Any, t: Any) -> list[LayerPass]:
    """The first forward of each layer of the user's that holds no other; of those built alike, of the first."""
    layers = layers_of(**step.roots)
    inner = [
        (path, layer) for path, layer in layers
        if not type(layer).__module__.startswith(_OURS) and len(layers_of(layer=layer)) == 1
    ]  # fmt: skip
    found: dict[Any, LayerPass] = {}
    kinds = {id(layer): _kind(layer) for _, layer in inner}

    def hear(one: LayerPass) -> None:
        kind = (kinds[id(one.layer)], shapes_of(one.given))
        if one.way == "forward" and kind not in found:
            found[kind] = LayerPass(one.path, one.layer, one.way, deep_copy(one.given), None)

    with watched_layers(inner, hear):
        step.run(x, t)
    return list(found.values())


def _kind(layer: Any) -> Any:
    """What is the same for two layers that are built alike: the class, the settings, and the shapes of the arrays."""
    held = [place for place in places(layer, "layer") if place.item is not layer]
    shapes = tuple((place.path, place.item.shape) for place in held if isinstance(place.item, np.ndarray))
    return type(layer), shapes, tuple((p.path, p.item) for p in held if isinstance(p.item, bool | int | float | str))
