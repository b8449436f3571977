"""A net, a loss and an optimizer in; all that the next step depends on as one file out, and back."""

__all__ = ["checkpoints", "net_state", "set_names"]
