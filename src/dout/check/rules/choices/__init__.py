"""A judgement in; findings on gradients that are right up to what people choose out: factors, penalties, limits."""

__all__ = ["d106_constant_factor", "d107_passes_dout_on", "kept_conventions"]
