"""A recorded layer in; verdicts on its gradients out, in ball arithmetic or by differences."""

__all__ = ["covered_sides", "difference_route", "exact_route", "judge", "ratio", "subject", "watched_conditions"]
