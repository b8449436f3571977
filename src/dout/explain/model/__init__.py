"""What an explanation is: frozen data, which every format prints."""

__all__ = ["explanation", "reasons"]
