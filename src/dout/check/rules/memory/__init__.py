"""Plain runs in; findings on what a layer overwrites, shares and keeps out."""

__all__ = [
    "d201_writes_dout",
    "d202_writes_input",
    "d206_second_backward",
    "d207_gradients_add_up",
    "d209_instances_share",
    "d210_backward_changes_parameters",
    "written_arrays",
]
