"""A layer and its inputs in; its report out."""
