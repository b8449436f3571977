"""An example for a class: how to build it and what to give its forward."""

from dout.adapt.search.example import Example, example, record_example

__all__ = ["Example", "example", "record_example"]
