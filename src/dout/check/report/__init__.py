"""Verdicts and findings in; text, JSON, SARIF and annotations out."""

__all__ = ["finding_pages", "machine_formats", "report", "rule", "source_places", "verdicts"]
