"""A layer in; plain runs of it out: fresh, silent and repeatable, and numerical differences of them."""

from dout.run.attributes import (
    attributes_of,
    dict_of,
    filled_cells,
    function_copy,
    is_class,
    module_of,
    mro_of,
    names_of,
    qualname_of,
    signature_of,
    slots_of,
    vars_of,
)
from dout.run.counted_lines import EndlessError, counted_lines
from dout.run.evaluation_mode import evaluating
from dout.run.held_objects import HeldMemory, arrays, generators_of, named_objects, objects_in, places
from dout.run.nested_values import anew, copied, deep_copy, differs_at, flat, is_float_array, mapped, weighed
from dout.run.numerical_difference import Line, central_difference, size_of, sure_difference
from dout.run.plain_runs import (
    REFUSALS,
    EndedError,
    PlainRun,
    Runner,
    as_exception,
    douts_taken,
    drawing_alike,
    fresh,
    keeping_random_states,
    one_or_all,
    otherwise,
    quiet,
    run_backward,
    upstream,
)
from dout.run.random_states import global_states, is_generator, other_bits, put_state, seed_global, state_of
from dout.run.reached_functions import drawn_from
from dout.run.reference_counts import OF_A_LOCAL

__all__ = [
    "OF_A_LOCAL", "REFUSALS", "EndedError", "EndlessError", "HeldMemory", "Line", "PlainRun", "Runner", "anew",
    "arrays", "as_exception", "attributes_of", "central_difference", "copied", "counted_lines", "deep_copy", "dict_of",
    "differs_at", "douts_taken", "drawing_alike", "drawn_from", "evaluating", "filled_cells", "flat", "fresh",
    "function_copy", "generators_of", "global_states", "is_class", "is_float_array", "is_generator",
    "keeping_random_states", "mapped", "module_of", "mro_of", "named_objects", "names_of", "objects_in", "one_or_all",
    "other_bits", "otherwise", "places", "put_state", "qualname_of", "quiet", "run_backward", "seed_global",
    "signature_of", "size_of", "slots_of", "state_of", "sure_difference", "upstream", "vars_of", "weighed",
]  # fmt: skip
