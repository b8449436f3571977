"""Exercises in notebooks: a sheet in; a notebook for learners, or for nbgrader or Otter-Grader, out. And the way back.

The cell with the class is the sheet itself. The cell below grades it, and holds no answer: for nbgrader its value is
the number of points (nbgrader, "Autograded tests with partial credit"), for Otter-Grader each part of the points is a
test of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dout.errors import SheetError, visible
from dout.exercise.sheet import Sheet, file_text

NotebookStyle = Literal["plain", "nbgrader", "otter"]
SUFFIX = ".ipynb"
MOST_POINTS = 10
_QUARTERS = 4  # of the points, each a test of Otter-Grader


def notebook_of(sheet: Sheet, style: NotebookStyle = "plain") -> str:
    """Return the text of a notebook with a sheet in it, in nbformat 4.5."""
    name = sheet.name
    cells = [_cell("markdown", _TASK.format(name=name, labels=", ".join(answer.label for answer in sheet.answers)))]
    if style == "plain":
        cells += [_cell("code", sheet.text), _cell("code", f"import dout.exercise\n\ndout.exercise.grade_of({name})")]
    elif style == "nbgrader":
        tests = f"import dout.exercise\n\ndout.exercise.points({name}, {MOST_POINTS})"
        cells += [
            _cell("code", _with_solution_marks(sheet, "###"), nbgrader=_nbgrader(name, solution=True)),
            _cell("code", tests, nbgrader=_nbgrader(f"{name}-grade", grade=True, locked=True, points=MOST_POINTS)),
        ]
    else:
        question = f"# BEGIN QUESTION\nname: {name}\npoints: {MOST_POINTS}"
        cells += [
            _cell("raw", question),
            _cell("raw", "# BEGIN SOLUTION"),
            _cell("code", _with_solution_marks(sheet, "#")),
            _cell("raw", "# END SOLUTION"),
            _cell("raw", "# BEGIN TESTS"),
            *(_cell("code", _otter_test(name, quarter)) for quarter in range(1, _QUARTERS + 1)),
            _cell("raw", "# END TESTS"),
            _cell("raw", "# END QUESTION"),
        ]
        cells.insert(0, _cell("raw", "# ASSIGNMENT CONFIG\nrequirements: []\n"))
    for number, cell in enumerate(cells):
        cell["id"] = f"dout-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def sheet_of_file(path: Path) -> Sheet:
    """Return the sheet in a file, or in a notebook. Raises SheetError where there is none."""
    if path.suffix != SUFFIX:
        return Sheet.of_file(path)
    return sheet_in(file_text(path), visible(str(path)))


def sheet_in(text: str, where: str) -> Sheet:
    """Return the sheet in a notebook. Raises SheetError where no cell has one."""
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise SheetError(f"{where} cannot be read as a notebook") from None
    for source in sources:
        if "# dout exercise, version" in source:
            return Sheet.read(source, where)
    raise SheetError(f"{where} is no exercise: no cell has the line `# dout exercise, version 1: …`")


_TASK = """# {name}

Write what is missing in `{labels}`: your lines stand between the two marks. Run the cell, then the cell below it, which
grades it."""


def _cell(kind: str, source: str, **metadata: Any) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": "", "metadata": metadata, "source": source.rstrip("\n")}
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell


def _nbgrader(name: str, **more: Any) -> Mapping[str, Any]:
    usual = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {**usual, "grade_id": name, **more}


def _with_solution_marks(sheet: Sheet, mark: str) -> str:
    """The sheet with the marks of a grader inside of ours: what stands between these it replaces by its own stub."""
    text = sheet.text
    for answer in sheet.answers:
        indent = answer.text[: len(answer.text) - len(answer.text.lstrip())]
        inside = f"{indent}{mark} BEGIN SOLUTION\n{answer.text}{indent}{mark} END SOLUTION\n"
        text = text.replace(answer.text, inside)
    return text


def _otter_test(name: str, quarter: int) -> str:
    """A test of Otter-Grader: at least so many quarters of the points. Its failure shows the reasons."""
    config = f'""" # BEGIN TEST CONFIG\nname: {quarter} of {_QUARTERS}\npoints: {MOST_POINTS / _QUARTERS:g}\n"""'
    return f"{config} # END TEST CONFIG\nimport dout.exercise\ndout.exercise.expect({name}, {quarter} / {_QUARTERS})"
