"""A program in; what its layers were built with and given, where it uses them, out."""

__all__ = ["layer_names", "layer_use", "observed_layers", "program_choice", "sibling_uses", "use_sizes", "used_example"]
