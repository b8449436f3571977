"""A net and a step of it in; what went through each of its layers out: for histograms, NaN, errors and checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from dout.run import attributes_of, flat, named_objects

Heard = Callable[["LayerPass"], object]


@dataclass(frozen=True)
class LayerPass:
    """One forward or backward of a layer: which, the way, what came in and what went out."""

    path: str
    layer: Any
    way: str
    given: tuple[Any, ...]
    returned: Any


def called(path: str, layer: Any) -> str:
    """A layer by its place in the net and its class."""
    return f"{type(layer).__name__} ({path})"


def layers_of(**roots: Any) -> list[tuple[str, Any]]:
    """The layers within reach, each once: objects with forward and backward. Those that hold others come first."""
    return [
        (path, item) for path, item in named_objects(**roots)
        if all(callable(getattr(type(item), way, None)) for way in ("forward", "backward"))
    ]  # fmt: skip


@contextmanager
def watched_layers(layers: list[tuple[str, Any]], hear: Heard) -> Iterator[None]:
    """Tell what goes through the layers while it lasts. Their instances get a forward and a backward of their own."""
    put: list[tuple[dict[str, Any], str]] = []
    try:
        for path, layer in layers:
            attributes = attributes_of(layer)
            for way in ("forward", "backward"):
                if way not in attributes and type(layer).__dictoffset__:
                    attributes[way] = _heard(getattr(layer, way), path, layer, way, hear)
                    put.append((attributes, way))
        yield
    finally:
        for attributes, way in put:
            attributes.pop(way, None)


def _heard(method: Callable[..., Any], path: str, layer: Any, way: str, hear: Heard) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        returned = method(*given, **named)
        hear(LayerPass(path, layer, way, (*given, *named.values()), returned))
        return returned

    return call


def is_finite(value: Any) -> bool:
    """Whether there is neither NaN nor infinity in arrays, or in lists of them."""
    found = (np.asarray(item) for item in flat(value))
    return all(bool(np.all(np.isfinite(item))) for item in found if item.dtype.kind in "fc")


def shapes_of(values: tuple[Any, ...]) -> str:
    """The shapes of what a layer was given, in words."""
    return ", ".join(str(np.shape(value)) for value in flat(list(values)) if value is not None) or "nothing"


def raising_layer(trace: TracebackType | None, layers: list[tuple[str, Any]]) -> tuple[str, Any, str, Any] | None:
    """The innermost layer in whose forward or backward an error was raised: path, layer, the way, and the input."""
    known = {id(layer): path for path, layer in layers}
    found = None
    while trace is not None:
        frame = trace.tb_frame
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        me = frame.f_locals.get(names[0]) if names else None
        if id(me) in known and frame.f_code.co_name in ("forward", "backward"):
            given = frame.f_locals.get(names[1]) if len(names) > 1 else None
            found = known[id(me)], me, frame.f_code.co_name, given
        trace = trace.tb_next
    return found
