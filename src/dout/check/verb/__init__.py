"""A layer and its inputs in; its report out."""

__all__ = [
    "check_layer",
    "excused_gradients",
    "grounds",
    "recorded_round",
    "unjudged_reports",
]
