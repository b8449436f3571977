"""An unrolled graph in; the graph whose alike turns are one step with a body out, and the rows of such steps."""

__all__ = ["loop_rows", "rolled_loops"]
