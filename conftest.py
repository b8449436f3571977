"""Runs the Python code of README.md and docs/drawing.md as tests."""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["README.md", "drawing.md"]).pytest()
