"""A judgement in; findings on the numbers of gradients out, with the suspected cause."""

__all__ = ["wrong_gradients"]
