"""What a command found in; text, charts and pages out, as the terminal can show them."""

__all__ = [
    "bench_chart",
    "check_output",
    "check_page",
    "cli_values",
    "fix_rounds",
    "kept_output",
    "printing",
    "progress",
    "repeat_command",
]
