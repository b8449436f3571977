"""Layers as people write them before they have a backward: a forward in plain NumPy, one file a family.

Each file ends with `ROWS`: how to make and call each class, what computes the same, and of activations the derivative.
"""
