"""A refuted gradient in; the convention that explains it out, if there is one."""

__all__ = ["convention", "fused_loss", "own_step", "single_number", "softmax", "stated_conditions"]
