"""A layer in; the derivation of its backward out: in words and formulas, and as a class with the backward written.

The way in: two verbs, each one function that reads from top to bottom.

- `derivation/derivation.py: explained` records a forward (`forward_graph`), derives its gradients, says what each
  step passes back (`elementwise_steps`, or `axis_steps` where steps go along axes), and gives an `Explanation`:
  frozen data (`model/`), of which `formats/outline.py` makes parts, rows and cells, which every format prints.
- `loops/looped_class.py: derived` records the forward at several sizes (`derive/class_writer.py`), chooses what is
  kept (`kept_choice`), writes the lines of backward (`backward_text`), and shows nothing that `verification` has not
  run and judged. If the steps depend on a size, forward is cut into pieces at its loops, and each piece is written so
  by itself.

What they stand on, from the bottom: `terms/` are formulas as data, and their printers; `parts/` makes one step of the
call of a layer inside; `axes/` has letters for axes, and elements at symbolic indices; `spelling/` writes nodes as
NumPy; `algebra/` shortens derivatives of single elements by SymPy; `beside/` compares the user's own backward, line
by line.

Each table by primitive says one thing, once: a row's term (`terms/row_terms.py`, `axis_row_terms.py`), which is its
form for SymPy, too; one element of its result (`axes/element_rules.py`), which also says which axes agree; the reason
for its gradient (`axes/axis_parts.py`); its NumPy (`spelling/numpy_text.py`, `memory_text.py`).

A formula is held against the derived gradient before anybody reads it: `algebra/exact_values.py: equal` for single
elements, `axes/term_values.py: holds` for arrays. Why something holds, or is not there, is a `Phrase`: a key of
`model/reasons.py`.
"""
