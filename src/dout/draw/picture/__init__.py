"""A trace and a view in; a picture out, to look at or to save."""

__all__ = ["formats", "picture", "training_picture"]
