"""Examples of every row of the table of primitives: plain NumPy expressions, and inputs to try them on.

A new row needs one line in one of the modules below; `test_primitives.py` checks the rest.
"""

import functools

import row_examples_arrays
import row_examples_elementwise
import row_examples_functions
import row_examples_sums


# Made on demand, so that a trace in another test need not look through all these arrays for state.
@functools.cache
def all_examples():
    """The examples of each row, by its name."""
    return {
        **row_examples_elementwise.examples(),
        **row_examples_sums.examples(),
        **row_examples_arrays.examples(),
        **row_examples_functions.examples(),
    }
