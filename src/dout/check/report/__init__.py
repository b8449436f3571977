"""Verdicts and findings in; text, JSON, SARIF and annotations out."""

__all__ = ["finding_pages", "layer_report", "machine_formats", "report", "rule", "source_places", "verdicts"]
