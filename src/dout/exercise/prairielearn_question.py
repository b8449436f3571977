"""A sheet in; the folder of a PrairieLearn question out, and what its external grader says of an answer.

A question is graded in a container (PrairieLearn, "External Grading"): `tests/grade.py` reads the sheet beside it and
the learner's file in `student/`, and writes `results/results.json`. Neither holds an answer.
"""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from dout.draw import draw
from dout.errors import DoutError, SheetError, visible
from dout.exercise.grade import Grade, graded
from dout.exercise.sheet import Sheet
from dout.files import Kind, write
from dout.trace.record.trace_reader import from_document

QUESTION = Kind("a question", (".json", ".html", ".py", ".md"), rb"dout exercise")
SHEET_FILE = "sheet.py"
_SECONDS = 30  # that PrairieLearn waits for a grade
_MOST_PICTURE = 500_000  # bytes: results may have 1 MB
_NOT_GRADABLE = ("unwritten", "refused")  # nothing was run: an attempt is not lost


def write_question(sheet: Sheet, folder: Path, *, force: bool = False) -> None:
    """Write the folder of a question. Raises TargetError where files of others stand there; `force` replaces them.

    An info.json of the same question stays, because a teacher edits it. Raises SheetError where it is of another one.
    """
    info = _info(sheet, folder.resolve().name)
    texts = {
        "info.json": json.dumps(info, indent=2) + "\n",
        "question.html": _PANELS.format(name=sheet.name, labels=_labels(sheet), file=SHEET_FILE),
        SHEET_FILE: sheet.text,
        f"tests/{SHEET_FILE}": sheet.text,
        "tests/grade.py": _GRADER.format(name=sheet.name),
        "README.md": _README.format(name=sheet.name, folder=visible(folder.name)),
    }
    try:
        (folder / "tests").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SheetError(f"{visible(str(folder))} cannot be made: {error.strerror}") from None
    if not force and _has_info(folder / "info.json", info["uuid"]):
        del texts["info.json"]
    files = [folder / name for name in texts]
    write(files, [text.encode() for text in texts.values()], QUESTION, force=force)


def _has_info(file: Path, uuid: str) -> bool:
    """Whether a file is the info.json of a question; raises SheetError where it is that of another question."""
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("uuid") != uuid:
        raise SheetError(
            f"{visible(str(file))} is of another question; write into another folder, or replace it with --force"
        )
    return True


def grade_job(job: Path) -> None:
    """Grade what a learner handed in, and write the results where PrairieLearn reads them."""
    results = job / "results"
    results.mkdir(exist_ok=True)
    (results / "results.json").write_text(json.dumps(results_of(job)), encoding="utf-8")


def results_of(job: Path) -> dict[str, Any]:
    """What a learner's file is worth: a score, and for each part of it its points with their reason."""
    original = Sheet.of_file(job / "tests" / SHEET_FILE)
    try:
        learner = Sheet.of_file(job / "student" / SHEET_FILE)
        sheet = original.with_answers_of(learner, SHEET_FILE)
    except SheetError as error:
        told = str(error).replace(f"{job / 'student'}/", "")
        return {"gradable": False, "format_errors": [told]}
    grade = graded(sheet)
    if sheet.is_blank or all(credit.kind in _NOT_GRADABLE for credit in grade.credits):
        told = grade.credits[0].why
        return {"gradable": False, "format_errors": [told]}
    tests = [{"name": c.what, "points": c.points, "max_points": c.of, "message": c.why} for c in grade.credits]
    score = grade.points / grade.of
    return {
        "gradable": True, "score": score, "message": f"{grade.points} of {grade.of} points", "tests": tests,
        "images": _pictures(grade),
    }  # fmt: skip


def _pictures(grade: Grade) -> list[dict[str, str]]:
    """The graph with the first wrong gradient, where there is one."""
    if grade.trace is None:
        return []
    try:
        picture = b64encode(draw(from_document(dict(grade.trace))).svg().encode()).decode()
    except DoutError:
        return []
    if len(picture) > _MOST_PICTURE:
        return []
    return [{"label": "The first wrong gradient", "url": f"data:image/svg+xml;base64,{picture}"}]


def _info(sheet: Sheet, folder: str) -> dict[str, Any]:
    title = f"{sheet.name}: write its {_labels(sheet)}"
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"dout exercise {folder} {title}")),
        "title": title,
        "topic": "Backpropagation",
        "tags": ["dout exercise"],
        "type": "v3",
        "singleVariant": True,
        "gradingMethod": "External",
        "externalGradingOptions": {
            "image": "YOUR-ACCOUNT/grader-dout",
            "entrypoint": "/grade/tests/grade.py",
            "timeout": _SECONDS,
        },
    }


def _labels(sheet: Sheet) -> str:
    labels = [answer.label for answer in sheet.answers]
    return "steps" if sheet.asks_steps else ", ".join(labels)


_PANELS = """\
<!-- dout exercise -->
<pl-question-panel>
  <p>
    Write what is missing in <code>{name}</code>: its {labels}. Your lines stand between the two marks. Leave all other
    lines as they are.
  </p>
  <pl-file-editor
    file-name="{file}"
    ace-mode="ace/mode/python"
    source-file-name="{file}"
    normalize-to-ascii="false"
  ></pl-file-editor>
</pl-question-panel>

<pl-submission-panel>
  <pl-external-grader-results></pl-external-grader-results>
  <pl-file-preview></pl-file-preview>
</pl-submission-panel>
"""

_GRADER = '''\
#!/usr/bin/env python3
"""Grade a learner's {name}: a dout exercise. PrairieLearn runs this in the container of the question."""

from pathlib import Path

from dout.exercise import grade_job

if __name__ == "__main__":
    grade_job(Path(__file__).resolve().parents[1])
'''

_README = """\
# {name}: a dout exercise

Put this folder into the `questions` folder of a PrairieLearn course.

An answer is graded in a container that has dout. Build its image once for a course, from a folder with dout's source
in `dout/`:

```dockerfile
FROM prairielearn/grader-python
COPY dout /dout
RUN uv pip install '/dout[check]'
```

```sh
docker build --platform linux/amd64 -t YOUR-ACCOUNT/grader-dout .
docker push YOUR-ACCOUNT/grader-dout
```

Then write the name of your image into `info.json`. `tests/grade.py` writes the points of each gradient with their
reason; PrairieLearn shows them, and counts the part of the points that was reached. No solution is in this folder.
"""
