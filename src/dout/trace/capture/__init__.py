"""A call in; what a program needs to do it again out: where inputs come from, where results go."""

__all__ = ["call_watch", "capture", "lenient_tracer", "rollback", "templates"]
