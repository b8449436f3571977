"""Gradients and the run they were computed in; which of them are wrong out, by exact arithmetic."""

__all__ = [
    "ball_numbers",
    "ball_values",
    "exact_judge",
    "float_judge",
    "gradient_judge",
    "implied_upstream",
    "judged_run",
    "judging_points",
    "kinks",
    "outcomes",
]
