"""A training as it goes on: of each forward–backward round its loss, and of each layer what its numbers look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import Node
from dout.ops import PRIMITIVES, primitives

if TYPE_CHECKING:
    from dout.trace.tracer.open_call import OpenCall
    from dout.trace.tracer.tracer import Tracer


_ADD, _TRANSPOSE, _PRODUCTS = PRIMITIVES["add"], PRIMITIVES["transpose"], primitives("matmul dot")
SAMPLE = 20_000  # numbers of an array that are kept for a histogram


@dataclass(frozen=True, eq=False)
class LayerRound:
    """A layer in one round: its weights' norm, that of their gradients, and the size of one number of what arrives.

    `dead` is the share of units that give 0 for the whole batch, of a layer that lets each number pass, or gives 0.
    `broken` says whether its "output" or a "gradient" of it is not finite. Of a round that is shown, `outputs` and
    `gradients` are finite numbers of its outputs and of the upstream gradient.
    """

    name: str
    weight: float | None
    gradient: float | None
    arriving: float | None
    dead: float | None
    broken: str
    outputs: np.ndarray | None = None
    gradients: np.ndarray | None = None


@dataclass(frozen=True)
class TrainingRound:
    """One round: its loss, if the last layer gives one number, and its layers in the order of forward."""

    number: int
    loss: float | None
    layers: tuple[LayerRound, ...]


class Training:
    """The rounds of a program, told by the tracer as each is over; those that are `shown` keep numbers."""

    def __init__(self, shown: Collection[int] = ()) -> None:
        self.shown = shown
        self.rounds: list[TrainingRound] = []
        self._epoch = -1

    def over(self, tracer: Tracer) -> None:
        """Add the round that a tracer holds, if it is complete and new."""
        calls = [call for call in tracer.calls if call.kind == "forward" and call.match is not None]
        if not calls or tracer.epoch == self._epoch:
            return
        self._epoch = tracer.epoch
        shown = [call for call in calls if call.match.parameters or not _holds_others(call, calls)]  # type: ignore[union-attr]
        held = {node for call in calls for node in call.held_nodes.values()}
        keep = len(self.rounds) + 1 in self.shown
        layers = tuple(
            _layer(call, name, tracer.data, held, keep) for call, name in zip(shown, _names(shown), strict=True)
        )
        last = [_numbers(node, tracer.data) for node in calls[-1].outputs]
        losses = [float(out.reshape(-1)[0]) for out in last if out is not None and out.size == 1]
        self.rounds.append(TrainingRound(len(self.rounds) + 1, losses[0] if losses else None, layers))


def _holds_others(call: OpenCall, calls: list[OpenCall]) -> bool:
    return any(other.parent is call for other in calls)


def _names(calls: list[OpenCall]) -> Iterator[str]:
    """The variable of each layer, where it is its own; else its class, numbered where there are several."""
    named, classes, seen = Counter(call.name for call in calls), Counter(call.cls for call in calls), Counter[str]()
    for call in calls:
        seen[call.cls] += 1
        name = call.name if named[call.name] == 1 else call.kept_as
        if name and name != call.cls:
            yield f"{name} ({call.cls})"
        else:
            yield f"{call.cls} {seen[call.cls]}" if classes[call.cls] > 1 else call.cls


def _layer(call: OpenCall, name: str, data: Mapping[Any, Any], held: Collection[Node], keep: bool) -> LayerRound:
    back = call.match
    assert back is not None
    weights = [_numbers(parameter.node, data) for parameter in back.parameters]
    gradients = [_numbers(parameter.gradient, data) for parameter in back.parameters]
    given, made = _numbers(next(iter(call.inputs), None), data), [_numbers(node, data) for node in call.outputs]
    arriving = _numbers(next(iter(back.arriving), None), data) if back.takes_dout else None
    handed = [*gradients, *(_numbers(node, data) for node in back.outputs)]
    broken = "output" if _is_broken(made) else "gradient" if _is_broken(handed) else ""
    with np.errstate(all="ignore"):
        size = None if arriving is None or not arriving.size else float(np.sqrt(np.mean(np.square(arriving))))
        samples = -1 if _has_columns(next(iter(call.inputs), None), held) else 0
        dead = None if weights or len(made) != 1 else _dead(given, made[0], samples)
        kept = (_sample(made), _sample([arriving])) if keep else (None, None)
        return LayerRound(name, _norm(weights), _norm(gradients), size, dead, broken, *kept)


def _sample(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    """Finite numbers of some arrays, evenly taken; None where there are not two."""
    found = [array.reshape(-1) for array in arrays if array is not None]
    together = np.concatenate(found) if found else np.empty(0)
    finite = together[np.isfinite(together)]
    return finite[:: -(-finite.size // SAMPLE)].copy() if finite.size > 1 else None


def _numbers(node: Any, data: Mapping[Any, Any]) -> np.ndarray | None:
    value = None if node is None else data.get(node)
    array = np.asarray(value) if value is not None else None
    return array.astype(float) if array is not None and array.dtype.kind in "iuf" else None


def _norm(arrays: list[np.ndarray | None]) -> float | None:
    found = [array for array in arrays if array is not None]
    return float(np.sqrt(sum(float(np.sum(np.square(array))) for array in found))) if found else None


def _is_broken(arrays: list[np.ndarray | None]) -> bool:
    return any(array is not None and not np.isfinite(array).all() for array in arrays)


def _has_columns(node: Node | None, held: Collection[Node]) -> bool:
    """True if the columns of an array are its samples: it is the product of an array of a layer and such columns."""
    while node is not None and node.primitive is _ADD:  # W @ x + b
        node = next((given for given in node.inputs if given.shape == node.shape and given not in held), None)
    if node is None or node.primitive not in _PRODUCTS:
        return False
    left = node.inputs[0]
    return left in held or (left.primitive is _TRANSPOSE and left.inputs[0] in held)


def _dead(given: np.ndarray | None, made: np.ndarray | None, samples: int) -> float | None:
    """The share of units that are 0 in all samples, where a layer gives each number as it is, or 0."""
    if given is None or made is None or given.shape != made.shape or given.ndim < 2:
        return None
    if not np.all((made == given) | (made == 0)) or not np.any(made != given):
        return None
    return float(np.mean(np.all(made == 0, axis=samples)))
