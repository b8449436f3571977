"""A recorded backward in; the step of the derivation that each line of it is out."""

__all__ = ["meaning", "user_lines"]
