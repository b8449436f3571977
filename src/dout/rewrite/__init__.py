"""A graph in; an equal graph in a simpler form out: algebra that the engine, `explain` and `derive` share."""

__all__ = [
    "easier_steps",
    "factored",
    "identities",
    "masked_writes",
    "node_facts",
    "scatter_forms",
    "shared_parts",
    "sigmoid_forms",
    "simplify",
    "softmax_forms",
    "stable_forms",
    "window_forms",
]
