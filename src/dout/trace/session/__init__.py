"""The user's objects and modules in; the same with stand-ins in them, for as long as a run lasts, out."""

__all__ = [
    "attribute_swap",
    "backward_calls",
    "function_layers",
    "layer_calls",
    "pairing",
    "session",
    "side_effects",
    "user_modules",
    "value_names",
]
