"""User's code → Trace, and Trace ⇄ JSON."""

from dout.trace.model import Event, Gradient, LayerCall, Trace, Use, Value
from dout.trace.verbs import grad, trace, value_and_grad

__all__ = ["Event", "Gradient", "LayerCall", "Trace", "Use", "Value", "grad", "trace", "value_and_grad"]
