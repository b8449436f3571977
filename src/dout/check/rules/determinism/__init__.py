"""Runs from known random states in; findings on what differs between them out."""

__all__ = ["d602_backward_draws"]
