"""User's code → Trace, and Trace ⇄ JSON."""

from dout.trace.model.recorded import Event, Gradient, LayerCall, Use, Value
from dout.trace.record.trace import Trace
from dout.trace.record.trace_verbs import grad, trace, value_and_grad

__all__ = ["Event", "Gradient", "LayerCall", "Trace", "Use", "Value", "grad", "trace", "value_and_grad"]
