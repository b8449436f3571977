"""A layer, a function or a script in; its trace out."""

__all__ = [
    "module_statements",
    "record",
    "script",
    "specialisation",
    "trace",
    "trace_reader",
    "trace_verbs",
    "training",
    "training_step",
]
