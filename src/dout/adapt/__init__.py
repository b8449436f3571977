"""An example for a class: how to build it and what to give its forward."""

from dout.adapt.search.call_target import arguments
from dout.adapt.search.example import build, example, record_example
from dout.adapt.search.example_search import Example

__all__ = ["Example", "arguments", "build", "example", "record_example"]
