"""A scene with places in; a display list of paths, circles, rectangles and texts out."""
