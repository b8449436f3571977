"""User's code → Trace, and Trace ⇄ JSON."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dout.trace.model.recorded import Event, Gradient, LayerCall, Use, Value
    from dout.trace.record.trace import Trace
    from dout.trace.record.trace_verbs import grad, trace, value_and_grad

__all__ = ["Event", "Gradient", "LayerCall", "Trace", "Use", "Value", "grad", "trace", "value_and_grad"]

_HOMES = {
    "trace.model.recorded": ("Event", "Gradient", "LayerCall", "Use", "Value"),
    "trace.record.trace": ("Trace",),
    "trace.record.trace_verbs": ("grad", "trace", "value_and_grad"),
}


def __getattr__(name: str) -> Any:
    """What the room shows is loaded when it is asked for: the engine records without most of it."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"dout.{home}"), name)
    raise AttributeError(f"module 'dout.trace' has no attribute {name!r}")
