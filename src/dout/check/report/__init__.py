"""Verdicts and findings in; text, JSON, SARIF and annotations out."""
