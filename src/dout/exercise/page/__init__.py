"""Sheets in; a page on this machine to fill them in, with their graph and their grade beside, out."""

__all__ = ["sheet_server"]
