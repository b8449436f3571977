"""The engine: the same layers at the speed of the machine. `dout.compile` is its one verb."""
