"""The user's operations in; nodes with their real values out. Stand-ins, NumPy's functions, writes, draws."""

__all__ = [
    "open_call",
    "random_draws",
    "recorder",
    "run_record",
    "script_tracer",
    "traced",
    "traced_modules",
    "tracer",
    "user_functions",
]
