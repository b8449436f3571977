"""An example for a class: how to build it and what to give its forward."""

from dout.adapt.search.example import example, record_example
from dout.adapt.search.example_search import Example

__all__ = ["Example", "argument_names", "array_makers", "combinations", "example", "record_example", "target"]
