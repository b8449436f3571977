"""Runs the Python code of README.md, docs/drawing.md and docs/compiling.md as tests."""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["README.md", "drawing.md", "compiling.md"]
).pytest()
