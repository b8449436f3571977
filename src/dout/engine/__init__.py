"""The engine: the same layers at the speed of the machine. `dout.compile` is its one verb.

A run is captured (`dout.trace.capture`), its graph simplified and fused into groups (`fuse`), their memory planned
(`memory`), their kernels written (`emit`) and loaded (`cache`), and a driver written that does it all (`driver`).
"""
