"""A module of its own from layers: NumPy and Numba, no dout. `standalone` is its one verb."""

from dout.engine.export.layer_study import Layer
from dout.engine.export.written_module import Standalone, standalone

__all__ = ["Layer", "Standalone", "standalone"]
