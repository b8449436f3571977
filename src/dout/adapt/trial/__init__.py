"""A layer, an interface and an example in; one run, and how well the three fit, out."""

__all__ = ["attribute_inputs", "gradient_owners", "trial"]
