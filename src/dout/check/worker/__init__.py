"""A file in; what is found of each layer in it out, from a process of its own."""

__all__ = ["audit_guard", "jobs", "kept_answers", "kept_outcomes", "program_phase", "runner", "sandbox", "summary"]
