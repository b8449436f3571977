"""What the source of a function says about its arguments: their strings, keys, axes and kinds. Nothing is executed.

Every function here is total: where there is no source, or it says nothing, the answer is empty. An argument is followed
to its local names (`p = conv_param`), to the instance (`self.p = p`, read in any method) and one call further. `cls` is
the class whose methods may read it, where it is not the one the function stands in.
"""

from dout.adapt.source.argument_axes import axes_for, items_for, shapes_for
from dout.adapt.source.argument_kinds import kinds_for, picks_rows
from dout.adapt.source.attribute_reads import (
    asked_of_objects,
    attributes_read,
    items_unpacked,
    keeps_for,
    own_attributes,
)
from dout.adapt.source.contained_parts import fills_parts, parts_in
from dout.adapt.source.divided_arguments import divided_by
from dout.adapt.source.linear_use import only_multiplied
from dout.adapt.source.rank_free import axis_counts, counts_from_the_end
from dout.adapt.source.returned_names import (
    gradients_returned,
    has_no_return,
    items_returned,
    names_declared,
    names_told,
    names_unread,
    returned_by,
)
from dout.adapt.source.scopes import parts_given
from dout.adapt.source.string_keys import (
    COMPUTED,
    MISSING,
    comparisons_of,
    goes_on_otherwise,
    is_counted,
    keys_for,
    may_be_none,
    strings_for,
    words_of_attribute,
)
from dout.adapt.source.switches import switches_for

__all__ = [
    "COMPUTED",
    "MISSING",
    "asked_of_objects",
    "attributes_read",
    "axes_for",
    "axis_counts",
    "comparisons_of",
    "counts_from_the_end",
    "divided_by",
    "empty_methods",
    "fills_parts",
    "goes_on_otherwise",
    "gradients_returned",
    "has_no_return",
    "is_counted",
    "items_for",
    "items_returned",
    "items_unpacked",
    "keeps_for",
    "keys_for",
    "kinds_for",
    "may_be_none",
    "names_declared",
    "names_told",
    "names_unread",
    "only_multiplied",
    "own_attributes",
    "parts_given",
    "parts_in",
    "picks_rows",
    "returned_by",
    "shapes_for",
    "strings_for",
    "switches_for",
    "syntax",
    "words_of_attribute",
]
