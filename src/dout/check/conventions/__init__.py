"""A refuted gradient in; the convention that explains it out, if there is one."""

__all__ = [
    "clipping",
    "convention",
    "fused_loss",
    "setting_penalty",
    "single_number",
    "softmax",
    "stated_conditions",
    "stop_gradient",
]
