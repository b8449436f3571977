"""Verdicts and findings in; text, JSON, SARIF and annotations out."""

__all__ = [
    "ci_formats",
    "finding_pages",
    "fix",
    "machine_formats",
    "report",
    "rule",
    "source_places",
    "verdicts",
    "wrong_parts",
]
