"""A judgement in; findings on the numbers of gradients out, with the suspected cause."""

__all__ = ["d106_constant_factor", "wrong_gradients"]
