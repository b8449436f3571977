"""A layer, a function or a script in; its trace out."""

__all__ = ["record", "script", "statements", "trace", "trace_reader", "trace_verbs"]
