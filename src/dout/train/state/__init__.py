"""A net, a loss and an optimizer in; all that the next step depends on as one file out, and back."""

__all__ = ["checkpoints", "kept_trees", "net_state", "optimizer_memory", "set_names"]
