"""A class or a pair of functions in any interface in; a layer with forward and backward out."""

__all__ = [
    "adapted_layer",
    "array_holders",
    "collaborators",
    "function_pairs",
    "held_values",
    "interface",
    "interface_candidates",
    "learned_gradients",
    "method_pairs",
    "network_loss",
    "script_layers",
    "users_backward",
    "users_forward",
]
