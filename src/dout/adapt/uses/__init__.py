"""How a class or function is called elsewhere in its repository, read from the source. Nothing is executed."""

from dout.adapt.uses.calls import calls_in_text, calls_of
from dout.adapt.uses.files import files_below, repository_root
from dout.adapt.uses.model import UNKNOWN, Array, Call, Method, Named, Shape

__all__ = [
    "UNKNOWN",
    "Array",
    "Call",
    "Method",
    "Named",
    "Shape",
    "calls_in_text",
    "calls_of",
    "files_below",
    "repository_root",
]
