"""An example for a class: how to build it and what to give its forward."""

from dout.adapt.example import build, record_example

__all__ = ["build", "record_example"]
