"""Runs the Python code of README.md and of pages in docs as tests, and the slowest tests first."""

import os

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["README.md", "drawing.md", "compiling.md", "explaining.md"]
).pytest()

# What the tests start keeps its bytecode: to compile dout anew takes as long as all else that a command does.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SLOWEST = (
    "test_compile_random.py",
    "test_programs.py",
    "test_compile_command.py",
    "test_lost_edges.py",
    "test_house.py",
)


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest: the last file has one process, and the other waits for it."""
    items.sort(key=lambda item: item.path.name not in SLOWEST)


def pytest_configure():
    """Verify the graph after every pass of the engine, in all tests that compile in this process."""
    from graph_verifier import verify

    from dout.engine.passes.pipeline import after_each

    if verify not in after_each:
        after_each.append(verify)
