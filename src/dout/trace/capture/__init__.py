"""A call in; what a program needs to do it again out: where inputs come from, where results go."""

__all__ = [
    "budget",
    "call_watch",
    "capture",
    "covered_sides",
    "lenient_tracer",
    "loop_length",
    "rollback",
    "templates",
    "watched_conditions",
]
