"""A scene with places in; a display list of paths, circles, rectangles and texts out."""

__all__ = ["display_list", "edge_labels", "paint", "pictured", "style", "training_chart"]
