"""Loops as the user wrote them: what they read and set, their first turns, and those that multiply and add up alone."""

__all__ = ["called_functions", "contraction_runs", "first_turns", "liveness", "loop_refusal", "surroundings"]
