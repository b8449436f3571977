"""Layers in; one net out, with its parameters and their gradients, and what goes through each of its layers."""

__all__ = ["layer_graphs", "layer_watch", "net_round", "shown_round", "spread_step", "train_step"]
