"""What the source of a function says about its arguments: their strings, keys, axes and kinds. Nothing is executed.

Every function here is total: where there is no source, or it says nothing, the answer is empty. An argument is followed
to its local names (`p = conv_param`), to the instance (`self.p = p`, read in any method) and one call further. `cls` is
the class whose methods may read it, where it is not the one the function stands in.
"""

from dout.adapt.hints.attributes import attributes_read
from dout.adapt.hints.axes import axes_for, items_for, shapes_for
from dout.adapt.hints.divisions import divisions_for
from dout.adapt.hints.kinds import kinds_for
from dout.adapt.hints.returned import returned_by
from dout.adapt.hints.strings import COMPUTED, MISSING, keys_for, strings_for
from dout.adapt.hints.switches import switches_for

__all__ = [
    "COMPUTED",
    "MISSING",
    "attributes_read",
    "axes_for",
    "divisions_for",
    "items_for",
    "keys_for",
    "kinds_for",
    "returned_by",
    "shapes_for",
    "strings_for",
    "switches_for",
]
