"""How a class or function is called elsewhere in its repository, read from the source. Nothing is executed."""

from dout.adapt.usage.named_calls import calls_in_text, calls_of
from dout.adapt.usage.observed_call import UNKNOWN, Array, Call, Method, Named, Shape
from dout.adapt.usage.project_files import files_below, repository_root

__all__ = [
    "UNKNOWN",
    "Array",
    "Call",
    "Method",
    "Named",
    "Shape",
    "calls_in_text",
    "calls_of",
    "declared_example",
    "files_below",
    "repository_root",
]
