"""A graph in; an equal graph that costs less out. One module a pass."""
