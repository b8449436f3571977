"""What a recorded run is: frozen data in, edges with values and gradients out; and its document, written and read."""

__all__ = [
    "annotated",
    "bulk_objects",
    "derived_gradients",
    "recorded",
    "replay",
    "trace_writer",
    "updates",
    "user_source",
    "uses_of_answers",
]
