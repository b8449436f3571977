"""Folders and settings in; the files and layers to check out."""
