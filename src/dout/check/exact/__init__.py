"""A recorded layer in; verdicts on its gradients out, in ball arithmetic or by differences."""

__all__ = [
    "difference_route", "exact_route", "grown_parameters", "inherited_mistakes", "judge", "missing_gradients",
    "own_step", "ratio", "subject",
]  # fmt: skip
