"""A net and a step of it in; what went through each of its layers out: for histograms, NaN, errors and checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
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
    return f"{getattr(layer, 'dout_name', type(layer).__name__)} ({path})"


def layers_of(**roots: Any) -> list[tuple[str, Any]]:
    """The layers within reach, each once: objects with forward and backward. Those that hold others come first."""
    return [
        (path, item) for path, item in named_objects(**roots)
        if all(callable(getattr(type(item), way, None)) for way in ("forward", "backward"))
    ]  # fmt: skip


@contextmanager
def watched_layers(layers: list[tuple[str, Any]], hear: Heard) -> Iterator[None]:
    """Tell what goes through the layers while it lasts. Their instances get a forward and a backward of their own.

    An object without a dict can have none: there its class gets them, which ask whose they are.
    """
    put: list[tuple[Any, str, Any]] = []
    paths = {id(layer): path for path, layer in layers}
    try:
        for path, layer in layers:
            for way in ("forward", "backward"):
                attributes, cls = attributes_of(layer), type(layer)
                if cls.__dictoffset__ and way not in attributes:
                    attributes[way] = _heard(getattr(layer, way), path, layer, way, hear)
                    put.append((attributes, way, None))
                elif not cls.__dictoffset__ and not any(cls is one and way == other for one, other, _ in put):
                    put.append((cls, way, vars(cls).get(way)))
                    setattr(cls, way, _heard_of_class(getattr(cls, way), paths, way, hear))
        yield
    finally:
        for holder, way, own in put:
            if isinstance(holder, dict):
                holder.pop(way, None)
            elif own is None:
                delattr(holder, way)
            else:
                setattr(holder, way, own)


def _heard_of_class(method: Callable[..., Any], paths: Mapping[int, str], way: str, hear: Heard) -> Callable[..., Any]:
    def call(layer: Any, *given: Any, **named: Any) -> Any:
        if id(layer) not in paths:
            return method(layer, *given, **named)
        return _heard(partial(method, layer), paths[id(layer)], layer, way, hear)(*given, **named)

    return call


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
