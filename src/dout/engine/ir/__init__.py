"""What passes and code generation share: kernel groups, scalar expressions, costs, and how rows use memory."""

__all__ = [
    "aliasing",
    "array_placement",
    "cost_model",
    "iteration_space",
    "kernel_group",
    "scalar_expressions",
    "stride_model",
]
