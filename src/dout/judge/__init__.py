"""Gradients and the run they were computed in; which of them are wrong out, by exact arithmetic."""
