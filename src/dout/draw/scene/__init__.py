"""A trace in; a scene out: items, edges and labels, without places."""

__all__ = [
    "backward_recording",
    "cards",
    "edge_gradients",
    "layer_summary",
    "scene",
    "scene_builder",
    "scene_drafts",
    "selection",
    "timeline",
    "value_switches",
    "wiring",
]
