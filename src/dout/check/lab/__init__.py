"""A layer in; what the checks of its contract see of it out: runs that are bounded in time and never fatal."""

__all__ = [
    "batch_axis",
    "conditional_exactness",
    "example_doubts",
    "input_variants",
    "other_values",
    "plain_suspicion",
    "probe",
    "shared_recording",
]
