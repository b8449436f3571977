"""A net and a batch in; nothing out, or the report of each layer of the user's whose backward is wrong."""

from __future__ import annotations

from typing import Any

from dout.errors import DoutError, TargetError, WrongLayersError, needs
from dout.run import deep_copy, keeping_random_states, quiet
from dout.train.nets.layer_watch import LayerPass, called, layers_of, watched_layers
from dout.train.nets.train_step import TrainStep

_SAMPLES = 4  # of the batch
_OURS = ("dout.layers", "dout.train")  # tests hold these


@keeping_random_states()
def check_layers(step: TrainStep, batch: Any) -> None:
    """Check each class of layers of the user's once, on what reaches it. Raises WrongLayersError with what is wrong.

    A layer that holds others is not checked: these are.
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
    """The first forward of each class of the user's that holds no other layer."""
    layers = layers_of(**step.roots)
    inner = [
        (path, layer) for path, layer in layers
        if not type(layer).__module__.startswith(_OURS) and len(layers_of(layer=layer)) == 1
    ]  # fmt: skip
    found: dict[type, LayerPass] = {}

    def hear(one: LayerPass) -> None:
        if one.way == "forward" and type(one.layer) not in found:
            found[type(one.layer)] = LayerPass(one.path, one.layer, one.way, deep_copy(one.given), None)

    with watched_layers(inner, hear):
        step.run(x, t)
    return list(found.values())
