"""A module of its own from layers: NumPy and Numba, no dout. `standalone` is its one verb."""

from dout.engine.standalone.module import Standalone, standalone
from dout.engine.standalone.study import Layer

__all__ = ["Layer", "Standalone", "standalone"]
