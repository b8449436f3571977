"""The engine: the same layers at the speed of the machine. `dout.compile` is its one verb.

A run is captured (`dout.trace.capture`), its graph simplified and fused into groups (`passes`), their memory planned
(`memory`), their kernels and a driver that calls them written (`codegen`) and loaded (`runtime`), and the program is
compared with the plain run (`validate`).
"""
